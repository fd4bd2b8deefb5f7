"""Who adopts which strategy.

Whoever holds a position at the start may; each draws one number that depends on the seed
and on the trader alone. So a group grows by newcomers as its share does, and is the same
people under every policy, every strategy and in the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from abm import draws
from abm import world as w
from abm.compiled import kernel
from abm.world import NONE, Array, World


def adopters(world: World, shares: Mapping[str, float], kinds: Sequence[int]) -> Array:
    """The group of every trader: a place in `shares`, or `NONE`; shape (traders,).

    Parameters
    ----------
    world : World
        At the start.
    shares : mapping of str to float
        Of the traders who may adopt a strategy, in order; they sum to 1 at most.
    kinds : sequence of int
        Kinds of traders who may, by their place in the scenario.
    """
    accounts, traders = world.ledger.accounts, world.crowd.traders
    holding = accounts["trader"][
        (accounts["first_position"] != NONE) & (accounts["trader"] != NONE)
    ]
    may = np.zeros(len(traders), bool)
    may[holding] = True
    may &= np.isin(traders["kind"], kinds)
    drawn = np.zeros(len(traders))
    _draw(int(world.clock[0]["seed"]), drawn)
    bounds = np.cumsum(list(shares.values()))
    group = np.searchsorted(bounds, drawn, side="right")
    return np.where(may & (group < len(bounds)), group, NONE)


@kernel
def _draw(seed: int, drawn: Array) -> None:
    for trader in range(drawn.shape[0]):
        drawn[trader], _, _, _ = draws.uniforms(seed, draws.ADOPTION, trader, 0)


def of_accounts(world: World, groups: Array, others: int, makers: int) -> Array:
    """The group of every account: its trader's, or that of the others or the makers.

    Parameters
    ----------
    groups : array of int64, shape (traders,)
        As :func:`adopters` gives them.
    others, makers : int
        What traders without a strategy and makers are to get; house accounts get `NONE`.
    """
    accounts = world.ledger.accounts
    trader = accounts["trader"]
    theirs = np.where(groups == NONE, others, groups)
    found = np.where(accounts["kind"] == w.MAKER, makers, NONE)
    has_one = trader != NONE
    found[has_one] = theirs[trader[has_one]]
    return np.asarray(found)
