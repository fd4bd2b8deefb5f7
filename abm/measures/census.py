"""What every trader has at a moment, its isolated accounts included."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm.traders.habits import GONE, LEAVING
from abm.world import NONE, Array, Ledger, Markets, World


class Census(NamedTuple):
    """The traders of a world; arrays of shape (traders,).

    `kind` (of the scenario), `equity` (a debt counts as nothing), and what it has
    `withdrawn` and paid in `fees` so far (quanta); whether it `is_leaving` (has made up
    its mind) or `has_left`; how often it has `rebuilt`.
    """

    kind: Array
    equity: Array
    withdrawn: Array
    fees: Array
    is_leaving: Array
    has_left: Array
    rebuilt: Array

    @property
    def active(self) -> int:
        """Number of traders who have something and have not left."""
        return int(np.sum((self.equity > 0) & ~self.has_left))


def take_census(world: World) -> Census:
    """Count everybody at the marks."""
    traders, accounts = world.crowd.traders, world.ledger.accounts
    equity = np.maximum(equities(world.ledger, world.markets), 0)
    return Census(
        kind=traders["kind"].copy(),
        equity=by_trader(accounts, equity, len(traders)),
        withdrawn=by_trader(accounts, accounts["withdrawn"], len(traders)),
        fees=by_trader(accounts, accounts["fees"], len(traders)),
        is_leaving=traders["mood"] == LEAVING,
        has_left=traders["mood"] == GONE,
        rebuilt=traders["rebuilt"].copy(),
    )


def equities(ledger: Ledger, markets: Markets) -> Array:
    """Equity of every account at the marks, in quanta, shape (accounts,)."""
    live = ledger.positions[ledger.positions["account"] != NONE]
    price = markets.state["mark"] * markets.specs["unit"]
    equity: Array = ledger.accounts["cash"].copy()
    profit = live["lots"] * price[live["market"]] - live["cost"]
    np.add.at(equity, live["account"], profit)
    return equity


def by_trader(accounts: Array, amount: Array, n_traders: int) -> Array:
    """Amounts of accounts added up by trader; the house's are nobody's."""
    theirs = np.flatnonzero(accounts["trader"] != NONE)
    found = np.zeros(n_traders, np.int64)
    np.add.at(found, accounts["trader"][theirs], amount[theirs])
    return found
