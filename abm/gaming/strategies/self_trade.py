"""Self-trade to move the mark: the last price is one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View, initial_margin
from abm.gaming.strategies.base import (
    Memory,
    Public,
    Seconds,
    Share,
    first_account,
    is_moving,
    worth_of,
)
from abm.world import Array

Size = Annotated[float, Field(gt=0.0, le=1.0)]
Toward = Literal["entry", "profit"]


@dataclass(frozen=True)
class SelfTrade(Public):
    """Trades with itself at the edge of the spread, so that the last price is there.

    A mark made from the book follows the last trade between best bid and best ask, and the
    spread is wide in a crash. Toward its entry a winner looks smaller when ADL ranks;
    toward profit a loser stays above maintenance.

    Source
    ------
    Hyperliquid's documentation, "Robust price indices": the book enters the mark as the
    median of best bid, best ask and last trade. Self-trade prevention looks at accounts,
    not at their owners.

    Hurts
    -----
    Whoever is liquidated, or closed by ADL, at the mark that it moved.

    Costs
    -----
    Fees of both sides of every trade; whoever is quicker trades with it at a bad price.

    Parameters
    ----------
    size : float
        Notional of a trade, as a share of its equity.
    toward : {"entry", "profit"}
        Where it would like the mark of its largest position.
    move : float
        Range of the mark within the window, as a share, from which it begins.
    window_s : float
        Length of the window, s.
    """

    size: Size = 0.02
    toward: Toward = "entry"
    move: Share = 0.02
    window_s: Seconds = 60.0

    def act(self, view: View, memory: Memory) -> Actions:
        """Trade with itself wherever its largest position's market moves."""
        moving = is_moving(view, memory, self.move, self.window_s)
        actions = Actions()
        largest = _largest(view)
        market: Array = largest["market"]
        largest = largest[moving[market]]
        row = view.markets[largest["market"]]
        wide = (row["bid"] >= 1) & (row["ask"] > row["bid"] + 1)
        self._prepare(view, memory, actions, largest[wide])
        self._trade(view, actions, largest[wide])
        return actions

    def _prepare(self, view: View, memory: Memory, actions: Actions, rows: Array) -> None:
        """Open a second account with enough for the first trades, once."""
        has = memory.setdefault("has", np.zeros(view.traders, bool))
        here = view.accounts[first_account(view)][rows["owner"]]
        stake = np.floor(2.0 * self.size * here["equity"]).astype(np.int64)
        new = ~has[rows["owner"]] & (stake > 0) & (stake <= here["free"])
        new &= here["is_liquidated"] == 0
        memory["has"] = has.copy()
        memory["has"][rows["owner"][new]] = True
        actions.pay(here["account"][new], actions.open(here["account"][new]), stake[new])

    def _trade(self, view: View, actions: Actions, rows: Array) -> None:
        """The second account rests at the edge of the spread, the first one takes it."""
        second = _second(view)[rows["owner"]]
        first = first_account(view)[rows["owner"]]
        ready = second >= 0
        rows, second, first = rows[ready], second[ready], first[ready]
        market = view.markets[rows["market"]]
        up = (rows["lots"] > 0) == (self.toward == "profit")
        tick = np.where(up, market["ask"] - 1, market["bid"] + 1)
        lots = self._lots(view, rows, first, second)
        # Whoever holds lots in the second account takes them back first.
        side = np.where(_held(view, second, rows["market"]) < 0, -1, 1)
        some = lots > 0
        rows, tick, lots, side = rows[some], tick[some], lots[some], side[some]
        first, second = (view.accounts["account"][one[some]] for one in (first, second))
        actions.order(
            second, rows["market"], -side * lots, kind="limit", tick=tick,
            cancel_first=True,
        )  # fmt: skip
        actions.order(first, rows["market"], side * lots, kind="immediate", tick=tick)

    def _lots(self, view: View, rows: Array, first: Array, second: Array) -> Array:
        """Lots of a trade, as far as both accounts can carry them."""
        per_lot = worth_of(view, rows["market"])
        equity = np.maximum(view.accounts["equity"][first], 0)
        least = np.minimum(view.accounts["free"][first], view.accounts["free"][second])
        rate = initial_margin(view, rows["market"], np.full(len(rows), 10**6)) * 1e-6
        room = 0.9 * least / np.maximum(rate, 1e-9)
        return np.asarray(np.minimum(self.size * equity, room) // per_lot, np.int64)


def _largest(view: View) -> Array:
    """The largest position of each first account that has one and is left alone."""
    held = view.positions
    mine = view.accounts["is_first"][held["row"]] == 1
    mine &= view.accounts["is_liquidated"][held["row"]] == 0
    rows = held[mine]
    order = np.lexsort((-np.abs(rows["value"]), rows["owner"]))
    _, at = np.unique(rows["owner"][order], return_index=True)
    return np.asarray(rows[order[at]])


def _second(view: View) -> Array:
    """The row of the account that each adopter opened, -1 without; shape (traders,)."""
    found = np.full(view.traders, -1)
    rows = np.flatnonzero(
        (view.accounts["is_first"] == 0)
        & (view.accounts["is_isolated"] == 0)
        & (view.accounts["is_liquidated"] == 0)
    )
    found[view.accounts["owner"][rows]] = rows
    return found


def _held(view: View, row: Array, market: Array) -> Array:
    """Lots that some accounts hold in some markets."""
    count = len(view.markets)
    lots = np.zeros(len(view.accounts) * count, np.int64)
    held = view.positions
    key = np.add(held["row"] * count, held["market"])
    lots[key] = held["lots"]
    return np.asarray(lots[row * count + market])
