"""Shave leverage: add collateral before, take it out after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import (
    Leverage,
    Memory,
    Public,
    Seconds,
    Share,
    first_account,
    is_moving,
)
from abm.world import Array

Multiple = Annotated[float, Field(ge=0.0, le=100.0)]


@dataclass(frozen=True)
class ShaveLeverage(Public):
    """Brings collateral in while a market that it holds moves, and takes it out after.

    Leverage falls and so does the rank of any score that has it as a factor; an account
    that is far from liquidation is also asked last by leverage water-filling.

    Source
    ------
    Venues that rank by profit times leverage (Binance, Bybit, OKX, Hyperliquid; their pages
    on auto-deleveraging); arXiv 2603.15963 on filling by leverage.

    Hurts
    -----
    Those whose leverage is then the highest.

    Costs
    -----
    No fee; collateral from outside that a cash haircut of equity can reach, and that may be
    caught by a haircut of withdrawals.

    Parameters
    ----------
    leverage : float
        Notional over equity that it aims at.
    most : float
        Most that it brings in, in multiples of its equity at that time.
    move : float
        Range of the mark within the window, as a share, from which a market moves.
    window_s : float
        Length of the window, s. After a calm one the money is taken out.
    """

    leverage: Leverage = 1.0
    most: Multiple = 2.0
    move: Share = 0.02
    window_s: Seconds = 60.0

    def act(self, view: View, memory: Memory) -> Actions:
        """Add where a market moves, take out where all is calm."""
        added = memory.setdefault("added", np.zeros(view.traders, np.int64))
        moving = is_moving(view, memory, self.move, self.window_s)
        here, held = view.accounts[first_account(view)], view.positions
        mine = view.accounts["is_first"][held["row"]] == 1
        alarmed = np.zeros(view.traders, bool)
        market, owner = held["market"], held["owner"]
        alarmed[owner[mine & moving[market]]] = True
        more = np.where(alarmed, self._lacking(here, added), 0)
        less = np.where(~alarmed, np.minimum(added, here["free"]), 0)
        less = np.where(here["is_liquidated"] == 1, 0, less)
        memory["added"] = added + more - less
        actions = Actions()
        actions.deposit(here["account"][more > 0], more[more > 0])
        actions.withdraw(here["account"][less > 0], less[less > 0])
        return actions

    def _lacking(self, here: Array, added: Array) -> Array:
        """What brings leverage down to the aim, as far as there is money."""
        wanted = np.ceil(here["notional"] / self.leverage) - here["equity"]
        room = self.most * np.maximum(here["equity"] - added, 0) - added
        lacking = np.floor(np.minimum(wanted, room)).astype(np.int64)
        return np.where(here["equity"] > 0, np.maximum(lacking, 0), 0)
