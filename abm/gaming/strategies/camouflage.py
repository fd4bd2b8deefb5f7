"""Neutral camouflage: hold a hedge to look harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View, initial_margin
from abm.gaming.strategies.base import (
    Gain,
    Memory,
    Public,
    Seconds,
    Slippage,
    first_account,
    remember,
    within_depth,
    worst_tick,
    worth_of,
)
from abm.world import Array

NetDelta = Annotated[float, Field(gt=0.0, lt=1.0)]
_JUST_BELOW = 0.9
"""Share of the limit that it aims at, so that a small move does not undo the disguise."""


@dataclass(frozen=True)
class Camouflage(Public):
    """Opens the other side in the quietest market until its net delta passes for hedged.

    A rule that spares or puts last who is hedged looks at net notional: what moves and what
    hardly moves count alike, so the bet stays and the account looks neutral.

    Source
    ------
    Binance ("Delta Neutral Account", January 2026), Bybit, OKX and Bitget ask hedged
    accounts last; Binance's test is ``|longs - shorts| / max(longs, shorts) < 0.05``. Real
    programmes test each underlier apart; here all markets of an account count together.

    Hurts
    -----
    Those who are not hedged, where hedged accounts are exempt or last.

    Costs
    -----
    A taker fee and the distance to the other side of the book on nearly the notional of
    what it holds; initial margin for it; the moves of the quiet market.

    Parameters
    ----------
    net : float
        Net delta below which the rule counts an account as hedged.
    gain : float
        Profit, as a share of the account's notional, from which a trader cares.
    window_s : float
        Time over which it watches which market is quiet, s.
    slippage : float
        How far beyond the mark an order may trade. No more is hedged at a look than rests
        within 1% of the mark.
    """

    net: NetDelta = 0.05
    gain: Gain = 0.02
    window_s: Seconds = 60.0
    slippage: Slippage = 0.01

    def act(self, view: View, memory: Memory) -> Actions:
        """Hedge whoever has gained enough and is not hedged yet."""
        marks = remember(view, memory, "marks", view.markets["mark"], self.window_s)
        here, actions = view.accounts[first_account(view)], Actions()
        gross, net = here["notional"], here["net"]
        longs, shorts = np.add(gross, net) // 2, np.subtract(gross, net) // 2
        lacking = np.abs(longs - shorts) - np.floor(
            _JUST_BELOW * self.net * np.maximum(longs, shorts)
        ).astype(np.int64)
        cares = (here["is_liquidated"] == 0) & (here["profit"] > 0)
        cares &= here["profit"] >= self.gain * here["notional"]
        cares &= np.abs(longs - shorts) >= self.net * np.maximum(longs, shorts)
        if len(marks) < 2 or not cares.any() or len(view.markets) < 2:
            return actions
        noise = (np.diff(np.log(marks), axis=0) ** 2).mean(axis=0)
        self._hedge(view, actions, here[cares], lacking[cares], noise)
        return actions

    def _hedge(
        self, view: View, actions: Actions, here: Array, lacking: Array, noise: Array
    ) -> None:
        market = np.array([_quietest(view, noise, row["owner"]) for row in here])
        per_lot, side = worth_of(view, market), -np.sign(here["net"])
        lots = np.ceil(lacking / per_lot).astype(np.int64)
        lots = np.minimum(lots, _affordable(view, here["free"], market, per_lot))
        lots = within_depth(view, market, side * lots)
        some = lots != 0
        actions.order(
            here["account"][some], market[some], lots[some], kind="immediate",
            tick=worst_tick(view, market[some], lots[some], self.slippage),
        )  # fmt: skip


def _quietest(view: View, noise: Array, owner: int) -> int:
    """The market that moves least, among those in which an adopter has no winner."""
    mine = view.positions[view.positions["owner"] == owner]
    score = noise.copy()
    score[mine["market"][mine["profit"] > 0]] = np.inf
    return int(np.argmin(score))


def _affordable(view: View, free: Array, market: Array, per_lot: Array) -> Array:
    """Lots whose initial margin what is free covers, at the first tier's rate."""
    probe = 1_000_000 * np.ones(len(market), np.int64)
    rate = initial_margin(view, market, probe) / probe
    return np.asarray(np.floor(0.95 * free / np.maximum(rate * per_lot, 1e-9)), np.int64)
