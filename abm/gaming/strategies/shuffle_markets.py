"""Shuffle across correlated markets: the same bet under another name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import (
    Gain,
    Lit,
    Memory,
    Seconds,
    Share,
    Slippage,
    gain_of,
    is_free,
    remember,
    within_depth,
    worst_tick,
    worth_of,
)
from abm.world import Array

_FEW = 8
"""Looks below which correlations mean nothing, and open interest chooses."""


@dataclass(frozen=True)
class ShuffleMarkets(Lit):
    """Moves a position that has gained into the market that moves most like its own.

    The profit becomes cash, the bet goes on, and against it stand other bankrupts: ADL
    closes contracts only in the market in which somebody failed.

    Source
    ------
    Episodes across markets of one venue: github.com/ConejoCapital/HyperMultiAssetedADL;
    queues that are kept market by market (Hyperliquid's, Binance's and OKX's pages on
    auto-deleveraging).

    Hurts
    -----
    Those next in the queue of the market that it leaves.

    Costs
    -----
    Two taker fees and the distance to the other side of two books; the markets part ways.

    Parameters
    ----------
    gain : float
        Gain from which a position is moved, as a share of its value at entry.
    window_s : float
        Time over which it watches which markets move together, s.
    light : float
        Lit part of its lights from which a trader cares; 0 to care always.
    slippage : float
        How far beyond the mark an order may trade. No more is moved at a look than rests
        within 1% of the mark in either market.
    """

    gain: Gain = 0.1
    window_s: Seconds = 120.0
    light: Share = 0.0
    slippage: Slippage = 0.01

    def act(self, view: View, memory: Memory) -> Actions:
        """Close every position that has gained enough and open its like."""
        alike = self._alike(view, memory)
        actions, held = Actions(), view.positions
        ripe = (gain_of(held) >= self.gain) & (held["profit"] > 0)
        ripe &= is_free(view)[held["row"]] & self.is_lit(view)[held["owner"]]
        rows = held[ripe]
        if not len(rows) or len(view.markets) < 2:
            return actions
        to = np.array([_best(alike, held, row) for row in rows])
        rows, to = rows[to >= 0], to[to >= 0]
        closing, opening = self._sizes(view, rows, to)
        moves = (closing != 0) & (opening != 0)
        account = np.repeat(rows["account"][moves], 2)
        market = np.stack([rows["market"], to], axis=1)[moves].ravel()
        lots = np.stack([closing, opening], axis=1)[moves].ravel()
        actions.order(
            account, market, lots, kind="immediate",
            tick=worst_tick(view, market, lots, self.slippage),
        )  # fmt: skip
        return actions

    def _alike(self, view: View, memory: Memory) -> Array:
        """How much each market moves like each other one, shape (markets, markets)."""
        logs = remember(view, memory, "logs", np.log(view.markets["mark"]), self.window_s)
        open_value = view.markets["open_interest"] * worth_of(
            view, np.arange(len(view.markets))
        )
        moves = np.diff(logs, axis=0)
        alike = np.broadcast_to(open_value * 1.0, (len(open_value),) * 2).copy()
        if len(moves) >= _FEW:
            spread = moves - moves.mean(axis=0)
            size = np.sqrt((spread**2).sum(axis=0))
            alike = (spread.T @ spread) / np.maximum(np.outer(size, size), 1e-18)
        np.fill_diagonal(alike, -1.0)
        return alike

    def _sizes(self, view: View, rows: Array, to: Array) -> tuple[Array, Array]:
        """Lots to close and to open, of equal value, as far as both books are deep."""
        side = np.sign(rows["lots"])
        opening = worth_of(view, rows["market"], rows["lots"]) // worth_of(view, to)
        opening = within_depth(view, to, side * opening)
        value = np.abs(opening) * worth_of(view, to)
        lots = np.minimum(np.abs(rows["lots"]), -(-value // worth_of(view, rows["market"])))
        closing = within_depth(view, rows["market"], -side * lots)
        value = np.abs(closing) * worth_of(view, rows["market"])
        least = np.minimum(np.abs(opening), value // worth_of(view, to))
        return closing, side * least


def _best(alike: Array, held: Array, row: Array) -> int:
    """The market most like a position's among those that its owner is not in; or -1."""
    score = alike[row["market"]].copy()
    score[held["market"][held["owner"] == row["owner"]]] = -1.0
    best = int(np.argmax(score))
    return best if score[best] > 0.0 else -1
