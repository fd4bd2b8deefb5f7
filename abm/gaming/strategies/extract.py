"""Two-sided extraction: long in one account, short in another, one left to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View, initial_margin
from abm.gaming.strategies.base import (
    Leverage,
    Memory,
    Public,
    Slippage,
    first_account,
    within_depth,
    worst_tick,
    worth_of,
)
from abm.world import Array

Size = Annotated[float, Field(gt=0.0, le=100.0)]
_SPARE = 1.05
"""Initial margin that each side gets, for the fees and the spread of opening."""


@dataclass(frozen=True)
class Extract(Public):
    """Buys in one fresh account and sells as much in another, both with little behind.

    When the price gaps, one side loses more than it has and is left to fail; the other
    side's profit is whole. What lies between is the venue's, or whoever ADL asks.

    Source
    ------
    Limited liability across accounts of one owner; Hyperliquid's vault lost about 4 million
    USD on 12 March 2025 to a large position that was left to it.

    Hurts
    -----
    The vault and the insurance fund; under ADL whoever stands against the side that failed.

    Costs
    -----
    Fees of opening both sides against each other, of closing the winner, of the
    liquidation; the collateral of the side that fails; ADL may ask its own winner.

    Parameters
    ----------
    size : float
        Notional of each side, in multiples of the equity of its first account.
    leverage : float
        Notional over collateral of each side; no more than the market allows.
    outside : bool
        Bring the collateral in from outside; else it is taken from what is free.
    slippage : float
        How far beyond the mark an order that crosses the spread may trade.
    """

    size: Size = 0.5
    leverage: Leverage = 10.0
    outside: bool = True
    slippage: Slippage = 0.02

    def act(self, view: View, memory: Memory) -> Actions:
        """Open both sides at the first look; later close whichever is left alone."""
        actions = Actions()
        if "market" not in memory:
            memory["market"] = _riskiest(view)
            self._open(view, actions, memory["market"])
        else:
            self._close(view, actions, memory["market"])
        return actions

    def _open(self, view: View, actions: Actions, market: int) -> None:
        here = view.accounts[first_account(view)]
        markets = np.full(len(here), market)
        per_lot = worth_of(view, markets)
        lots = np.floor(self.size * np.maximum(here["equity"], 0) / per_lot)
        lots = lots.astype(np.int64)
        stake = self._stake(view, markets, lots * per_lot)
        if not self.outside:
            part = np.minimum(1.0, here["free"] / np.maximum(2 * stake, 1))
            lots = np.floor(lots * part).astype(np.int64)
            stake = self._stake(view, markets, lots * per_lot)
            lots = np.where(2 * stake <= here["free"], lots, 0)
        some = (lots > 0) & (here["is_liquidated"] == 0)
        here, lots, stake, markets = (a[some] for a in (here, lots, stake, markets))
        sides = [actions.open(here["account"]) for _ in range(2)]
        for side in sides:
            if self.outside:
                actions.deposit(side, stake)
            else:
                actions.pay(here["account"], side, stake)
        account = np.stack(sides, axis=1).ravel()
        both = np.stack([lots, -lots], axis=1).ravel()
        self._send(view, actions, account, np.repeat(markets, 2), both)

    def _send(
        self, view: View, actions: Actions, account: Array, market: Array, lots: Array
    ) -> None:
        """Both sides meet inside the spread; where there is no room, each crosses it."""
        row = view.markets[market]
        low, high = row["bid"] + 1, np.where(row["ask"] < 1, row["mark"], row["ask"] - 1)
        meets = low <= high
        actions.order(
            account[meets], market[meets], lots[meets], kind="limit",
            tick=np.clip(row["mark"], np.maximum(low, 1), high)[meets],
        )  # fmt: skip
        least = np.minimum(row["bid_depth"], row["ask_depth"])
        lots = np.sign(lots) * np.minimum(np.abs(lots), least)
        crosses = ~meets & (lots != 0)
        account, market, lots = (one[crosses] for one in (account, market, lots))
        actions.order(
            account, market, lots, kind="immediate",
            tick=worst_tick(view, market, lots, self.slippage),
        )  # fmt: skip

    def _stake(self, view: View, market: Array, notional: Array) -> Array:
        """Collateral of each side."""
        wanted = np.ceil(notional / self.leverage)
        least = np.ceil(_SPARE * initial_margin(view, market, notional))
        return np.asarray(np.maximum(wanted, least), np.int64)

    def _close(self, view: View, actions: Actions, market: int) -> None:
        """Close winners whose other side is gone; take home what is free."""
        held = view.positions
        legs = np.flatnonzero(
            (view.accounts["is_first"] == 0) & (view.accounts["is_isolated"] == 0)
        )
        in_leg = np.isin(held["row"], legs) & (held["market"] == market)
        count = np.bincount(held["owner"][in_leg], minlength=view.traders)
        alone = in_leg & (count[held["owner"]] == 1)
        alone &= view.accounts["is_liquidated"][held["row"]] == 0
        rows = held[alone]
        lots = within_depth(view, rows["market"], -rows["lots"])
        rows, lots = rows[lots != 0], lots[lots != 0]
        actions.order(
            rows["account"], rows["market"], lots, kind="immediate", reduce_only=True,
            tick=worst_tick(view, rows["market"], lots, self.slippage),
        )  # fmt: skip
        flat = view.accounts[legs]
        flat = flat[(flat["notional"] == 0) & (flat["free"] > 0) & (flat["orders"] == 0)]
        flat = flat[(flat["is_liquidated"] == 0) & (count[flat["owner"]] == 0)]
        if self.outside:
            actions.withdraw(flat["account"], flat["free"])
        else:
            first = view.accounts["account"][first_account(view)]
            actions.pay(flat["account"], first[flat["owner"]], flat["free"])


def _riskiest(view: View) -> int:
    """The market that asks for the most margin; of these the one with the thinnest book."""
    rates = view.tiers["initial_ppm"][view.markets["first_tier"]]
    depth = np.minimum(view.markets["bid_depth"], view.markets["ask_depth"])
    value = depth * worth_of(view, np.arange(len(view.markets)))
    return int(np.lexsort((value, -rates))[0])
