"""What a trader can see: the public market, its own accounts, the rule that is published.

A strategy is asked once for all who have adopted it, so a view holds the accounts of all
of them; what a strategy does for one must not depend on another's rows. Everything in a
view is a copy that cannot be written to, and nothing in it leads back to the world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from abm import units
from abm.world import Array

SEEN_MARKET = np.dtype(
    [
        ("index", "i8"),
        ("mark", "i8"),
        ("bid", "i8"),
        ("ask", "i8"),
        ("last", "i8"),
        ("bid_depth", "i8"),
        ("ask_depth", "i8"),
        ("open_interest", "i8"),
        ("unit", "i8"),
        ("first_tier", "i8"),
        ("n_tiers", "i8"),
        ("premium", "f8"),
    ]
)
"""A market: index, mark, best prices (-1 where a side is empty) and last trade in ticks;
lots that rest within 1% of the mark a side; long lots; quanta per tick and lot; where its
margin tiers begin and how many it has; the mean premium of the book over the index since
the last funding, which funding goes by."""

OWN_ACCOUNT = np.dtype(
    [
        ("owner", "i8"),
        ("account", "i8"),
        ("is_first", "i8"),
        ("is_isolated", "i8"),
        ("is_liquidated", "i8"),
        ("orders", "i8"),
        ("cash", "i8"),
        ("equity", "i8"),
        ("principal", "i8"),
        ("notional", "i8"),
        ("net", "i8"),
        ("profit", "i8"),
        ("initial", "i8"),
        ("maintenance", "i8"),
        ("free", "i8"),
    ]
)
"""An account of an adopter: whose it is (a number below `View.traders`), its own number,
whether it is the one that its owner began with, whether it is an isolated margin account,
whether the venue is liquidating it, its working orders; cash, equity, deposits less
withdrawals, gross and signed net notional, unrealised profit, margins, and what may be
taken out (quanta)."""

OWN_POSITION = np.dtype(
    [
        ("owner", "i8"),
        ("row", "i8"),
        ("account", "i8"),
        ("market", "i8"),
        ("lots", "i8"),
        ("cost", "i8"),
        ("value", "i8"),
        ("profit", "i8"),
        ("initial", "i8"),
        ("maintenance", "i8"),
    ]
)
"""A position of an adopter: whose it is, the row of its account, the account's number,
the market, signed lots; signed cost and value at the mark, unrealised profit, margins
(quanta)."""


class Fees(NamedTuple):
    """What the venue charges, as shares of the value traded.

    `move` is for moving a position between one's own accounts, on either side.
    """

    taker: float
    maker: float
    move: float


class Purses(NamedTuple):
    """Equity of the venue's vault and insurance fund, which it publishes, in quanta."""

    vault: int
    insurance: int


class Published(NamedTuple):
    """The policy in force: its name, and its six answers as they stand in a scenario."""

    name: str
    table: Mapping[str, Any]


class View(NamedTuple):
    """What all adopters of a strategy can see.

    Attributes
    ----------
    now_s, step_s, every_s : float
        Time since the start, the length of a step, how often strategies look.
    traders : int
        How many have adopted the strategy.
    names : tuple of str
        Names of the markets.
    markets : structured array of `SEEN_MARKET`, shape (markets,)
    tiers : structured array of `world.TIER`
        Margin tiers of all markets (see :func:`initial_margin`).
    fees : Fees
    purses : Purses
    policy : Published or None
        None unless the strategy says that it reads the policy.
    accounts : structured array of `OWN_ACCOUNT`, shape (accounts,)
        By owner, then by number.
    positions : structured array of `OWN_POSITION`, shape (positions,)
        By row of its account.
    lights : array of float64, shape (traders,)
        The lit part of the lights that the venue last showed each adopter, the highest of
        its accounts (see `abm.measures.predictability`); empty unless the strategy says
        that it reads them.
    """

    now_s: float
    step_s: float
    every_s: float
    traders: int
    names: tuple[str, ...]
    markets: Array
    tiers: Array
    fees: Fees
    purses: Purses
    policy: Published | None
    accounts: Array
    positions: Array
    lights: Array


# --- what cannot be written to -----------------------------------------------------------


def published(value: Any) -> Any:
    """Nested tables and lists as ones that cannot be written to."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: published(below) for key, below in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(published(below) for below in value)
    return value


def sealed(array: Array) -> Array:
    """The same array, from now on not to be written to."""
    array.setflags(write=False)
    return array


# --- what follows from it ---------------------------------------------------------------


def initial_margin(view: View, market: Array, notional: Array) -> Array:
    """Initial margin of positions, in quanta, shape as `market`.

    Parameters
    ----------
    market : array of int
    notional : array of int64
        Their absolute values at the mark, in quanta.
    """
    market, notional = np.broadcast_arrays(market, notional)
    found = np.zeros(market.shape, np.int64)
    for number in np.unique(market):
        here, row = market == number, view.markets[number]
        first = int(row["first_tier"])
        tiers = view.tiers[first : first + int(row["n_tiers"])]
        at = np.searchsorted(tiers["floor"], notional[here], side="right") - 1
        rate, less = (tiers[f"initial_{part}"][at] for part in ("ppm", "deduction"))
        whole, rest = np.divmod(notional[here], units.PPM)
        found[here] = whole * rate + rest * rate // units.PPM - less
    return found
