"""An account of one's own in a world: what it holds at time zero, and nothing it does.

The account is there with real collateral and holds still: it is liquidated and deleveraged
like any other, but never trades. The other side of its positions is held outside of the
market, by a counterparty that is never asked, never liquidated and never trades. Both are
added behind everybody else, so nobody's draws change: what happens to the others changes
only by the account's being there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from abm import enlarge, loading, units
from abm import world as w
from abm.faults import Fault, nearest
from abm.fields import Dollars, Name, Part, Positive
from abm.loading import ScenarioError
from abm.scenario import Market, Scenario
from abm.venue.margin import equity_of, initial_margin
from abm.world import NONE, World, touch

OPTION = "--account"
"""Where an account comes from if not from a file, for messages."""

_LARGEST_USD = 1e10


class Holding(Part):
    """A position: market, side, how large it is, and what stands behind it.

    Exactly one of `notional_usd` and `size`, and exactly one of `leverage` and
    `collateral_usd`. In cross margin the collateral of all positions is one sum.
    """

    market: Name = Field(description="market of the scenario")
    side: Literal["long", "short"] = Field(description="long or short")
    notional_usd: Dollars | None = Field(None, description="value at the entry price, USD")
    size: Positive | None = Field(None, description="size in units of the asset")
    leverage: Positive | None = Field(None, description="notional over collateral")
    collateral_usd: Dollars | None = Field(None, description="collateral, USD")
    entry_usd: Positive | None = Field(
        None, description="entry price, USD; the market's start price if left out"
    )

    def _faults(self) -> Iterable[Fault]:
        for one, other in (("notional_usd", "size"), ("leverage", "collateral_usd")):
            if (getattr(self, one) is None) == (getattr(self, other) is None):
                yield Fault((one,), f"must have exactly one of {one} and {other}")

    def describe(self) -> str:
        """``short 50,000 USD of ETH``."""
        much = f"{self.size:g}" if self.size else f"{self.notional_usd:,.2f} USD of"
        entry = f" from {self.entry_usd:g}" if self.entry_usd else ""
        return f"{self.side} {much} {self.market}{entry}"

    def backed(self, factor: float) -> Holding:
        """The same position with so many times the collateral."""
        if self.leverage is not None:
            return self.model_copy(update={"leverage": self.leverage / factor})
        return self.model_copy(
            update={"collateral_usd": (self.collateral_usd or 0.0) * factor}
        )


class Account(Part):
    """What an account holds when a run begins: at most one position a market."""

    positions: tuple[Holding, ...] = Field(
        min_length=1, max_length=100, description="its positions"
    )

    def _faults(self) -> Iterable[Fault]:
        seen = set()
        for i, holding in enumerate(self.positions):
            if holding.market in seen:
                message = "is there twice: an account has one position in a market"
                yield Fault(("positions", i, "market"), message, holding.market)
            seen.add(holding.market)

    def describe(self) -> str:
        """Its positions in one line."""
        return ", ".join(one.describe() for one in self.positions)

    def with_collateral(self, factor: float) -> Account:
        """The same positions with so many times the collateral."""
        return Account(positions=tuple(one.backed(factor) for one in self.positions))


def load(given: Sequence[str]) -> Account:
    """An account from a TOML file with ``[[positions]]``, or from texts, one a position.

    Parameters
    ----------
    given : sequence of str
        One name of a file that ends in ``.toml``; or texts such as
        ``market=ETH,side=short,notional_usd=50000,leverage=5``.

    Raises
    ------
    ScenarioError
        One line that names the file or text, the key and what would be right.
    """
    if any(text.lower().endswith(".toml") for text in given):
        if len(given) > 1:
            raise ScenarioError(f"{OPTION}: must be one file, or positions; not both")
        return loading.check(Account, loading.read(Path(given[0])))
    holdings = []
    for text in given:
        document = loading.given(_table(text), f"{OPTION} {text}")
        holdings.append(loading.check(Holding, document).model_dump(exclude_none=True))
    return loading.check(Account, loading.given({"positions": holdings}, OPTION))


def _table(text: str) -> dict[str, Any]:
    """``key=value,key=value`` as a table."""

    def with_pair(table: dict[str, Any], pair: str) -> dict[str, Any]:
        key, separator, value = (part.strip() for part in pair.partition("="))
        if not separator or not key or not value:
            message = f"{pair.strip()!r} must be KEY=VALUE, such as market=ETH"
            raise ScenarioError(f"{OPTION} {text}: {message}")
        if key in table:
            raise ScenarioError(f"{OPTION} {text}: {key} is there twice")
        named = key in ("market", "side")
        return {**table, key: value if named else loading.value_of(value)}

    empty: dict[str, Any] = {}
    return reduce(with_pair, text.split(","), empty)


# --- in a world -------------------------------------------------------------------------


def open_in(world: World, account: Account, scenario: Scenario) -> tuple[World, int]:
    """A world in which the account is there from the start; also the account's number.

    Parameters
    ----------
    world : World
        At time zero of the scenario; not to be used any more.
    account : Account
    scenario : Scenario

    Raises
    ------
    ScenarioError
        If there is no such market, a position is less than a lot or beyond what the venue
        can count, or the collateral is less than initial margin.
    """
    markets = scenario.all_markets()
    names = list(markets)
    rows = [_position(holding, markets, names) for holding in account.positions]
    cash = sum(collateral for *_, collateral in rows)
    world, number = enlarge.add_account(world, w.USER, cash)
    # A purse's kind is what is passed over by margin, ladder and waves alike.
    world, counterparty = enlarge.add_account(world, w.BACKSTOP, 0)
    world = _with_positions(world, number, counterparty, rows)
    touch(world.ledger, number)
    _check_margin(world, number)
    return world, number


def _position(
    holding: Holding, markets: dict[str, Market], names: list[str]
) -> tuple[int, int, int, int]:
    """Market, signed lots, signed cost and collateral (quanta) of a position."""
    if holding.market not in markets:
        wish = nearest(holding.market, names)
        raise ScenarioError(f"{OPTION}: market = {holding.market!r}: no such; {wish}")
    market = markets[holding.market]
    entry = holding.entry_usd or market.start_usd
    size = holding.size
    if size is None:
        size = (holding.notional_usd or 0.0) / entry
    lots = round(size / market.lot)
    if lots < 1:
        least = f"must be at least one lot ({market.lot:g} {holding.market})"
        raise ScenarioError(f"{OPTION}: size = {size:g} of {holding.market}: {least}")
    notional = size * max(entry, market.start_usd)
    if notional > _LARGEST_USD:
        most = f"must be at most {_LARGEST_USD:g} USD"
        raise ScenarioError(f"{OPTION}: {notional:g} USD of {holding.market}: {most}")
    signed = lots if holding.side == "long" else -lots
    cost = round(entry / market.tick_usd * market.unit * signed)
    collateral = holding.collateral_usd
    if collateral is None:
        collateral = units.usd(abs(cost)) / (holding.leverage or 1.0)
    return names.index(holding.market), signed, cost, units.quanta(collateral)


def _with_positions(
    world: World, number: int, counterparty: int, rows: list[tuple[int, int, int, int]]
) -> World:
    """Both sides of the positions, behind all slots that others use or will use."""
    ledger = world.ledger
    first = len(ledger.positions)
    added = np.zeros(2 * len(rows), w.POSITION)
    for name in ("trigger", "trigger_before", "trigger_after"):
        added[name] = NONE
    for i, (market, lots, cost, _) in enumerate(rows):
        for k, (owner, sign) in enumerate(((number, 1), (counterparty, -1))):
            row = added[2 * i + k]
            row["account"], row["market"] = owner, market
            row["lots"], row["cost"] = sign * lots, sign * cost
            row["next"] = ledger.accounts["first_position"][owner]
            ledger.accounts["first_position"][owner] = first + 2 * i + k
        ledger.open_interest[market] += abs(lots)
    ledger.pots["used_positions"] += len(added)
    positions = np.concatenate([ledger.positions, added])
    return world._replace(ledger=ledger._replace(positions=positions))


def _check_margin(world: World, number: int) -> None:
    """The account could open its positions."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    equity = int(equity_of(ledger, markets, number))
    least = int(initial_margin(ledger, risk, markets, number))
    if equity < least:
        raise ScenarioError(
            f"{OPTION}: its collateral and profit come to {units.usd(equity):,.2f} USD: "
            f"must be at least the initial margin, {units.usd(least):,.2f} USD"
        )
