"""What those whom ADL has closed trade afterwards, in the market in which it did.

An account trades again when its position in that market changes otherwise than by ADL. It
undoes what ADL did by as much as it opens again on the side that was closed. The
definitions follow the tables of reactions in
github.com/pluriholonomic/autodeleveraging-analysis, which count fills; here changes of a
position from step to step are counted, so a round trip within a step is none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm.adl.record import Call
from abm.compiled import kernel
from abm.market.book import lots_held
from abm.world import NONE, Array, Ledger, World, pair_keys

HORIZONS_S = (5.0, 60.0, 300.0)
"""Seconds after ADL within which trades are looked for."""

MANY_FILLS = 5
"""ADL fills from which an account is classed by how it reacts."""

_NOTHING = np.zeros((5, 0), np.int64)


class Trace(NamedTuple):
    """What was closed, and how the positions changed afterwards; steps count from 0.

    An event is what ADL closed of an account's position in a market in one call: its
    `step`, its `place` in the list of such positions, the `trader`, the signed `lots` held
    that were closed, their `notional` (quanta). A change is of such a position: `when`
    (step), `where` (its place), the signed lots `moved`. `last` is the last step seen.
    """

    step: Array
    place: Array
    trader: Array
    lots: Array
    notional: Array
    when: Array
    where: Array
    moved: Array
    last: int


class Reaction(NamedTuple):
    """Reactions within a horizon, a row a trader; NaN where none of it was observed.

    `traded` and `undone` are means over the trader's events: whether it traded again, and
    the share of what was closed that it opened again.
    """

    traded: Array
    undone: Array


@kernel
def _hold(ledger: Ledger, account: Array, market: Array, found: Array) -> None:
    for i in range(account.shape[0]):
        found[i] = lots_held(ledger, account[i], market[i])


class Tracker:
    """Follows the positions that ADL has closed, step by step, to the end of the run."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)
        self._account = np.zeros(0, np.int64)
        self._market = np.zeros(0, np.int64)
        self._held = np.zeros(0, np.int64)
        self._events: list[Array] = []
        self._changes: list[Array] = []
        self._due: int | None = None
        self._last = 0

    @property
    def due(self) -> int | None:
        """The next step after which it wants to look; None before anything was closed."""
        return self._due

    @property
    def marks_until(self) -> int:
        """None: it follows positions."""
        return NONE

    def answered(self, world: World, call: Call) -> None:
        """Note what a call closed."""
        fills = call.outcome.fills
        if not len(fills):
            return
        n_markets, step = len(call.wave.mark), int(world.clock[0]["step"])
        keys, row = np.unique(pair_keys(fills, n_markets), return_inverse=True)
        lots, notional = np.zeros((2, len(keys)), np.int64)
        np.add.at(lots, row, fills["lots"])
        np.add.at(notional, row, np.abs(fills["value"]))
        known = np.isin(keys, self._keys)
        self._add(world, keys[~known], n_markets)
        order = np.argsort(self._keys, kind="stable")
        place = order[np.searchsorted(self._keys, keys, sorter=order)]
        self._held[place[known]] -= lots[known]
        trader = world.ledger.accounts["trader"][self._account[place]]
        steps = np.full(len(keys), step)
        self._events.append(np.array([steps, place, trader, lots, notional]))
        self._due = step

    def _add(self, world: World, keys: Array, n_markets: int) -> None:
        """Follow more positions, from what is held of them now."""
        account, market = keys // n_markets, keys % n_markets
        held = np.zeros(len(keys), np.int64)
        _hold(world.ledger, account, market, held)
        self._keys = np.concatenate([self._keys, keys])
        self._account = np.concatenate([self._account, account])
        self._market = np.concatenate([self._market, market])
        self._held = np.concatenate([self._held, held])

    def look(self, world: World, step: int) -> None:
        """Note which positions changed in a step."""
        held = np.zeros(len(self._keys), np.int64)
        _hold(world.ledger, self._account, self._market, held)
        moved = held - self._held
        where = np.flatnonzero(moved)
        steps = np.full(len(where), step)
        self._changes.append(np.array([steps, where, moved[where]]))
        self._held = held
        self._due, self._last = step + 1, step

    def began(self, world: World) -> None:
        """It follows the first episode alone."""
        self._due = None

    def trace(self) -> Trace:
        """All that was noted."""
        step, place, trader, lots, notional = np.hstack([_NOTHING[:5], *self._events])
        when, where, moved = np.hstack([_NOTHING[:3], *self._changes])
        return Trace(step, place, trader, lots, notional, when, where, moved, self._last)


def reactions(trace: Trace, lag: int) -> Reaction:
    """How traders reacted within so many steps of each event, shape (traders,) each.

    Events whose horizon ends after the last step are left out. A trader's row is its
    place among the traders of the trace, in rising order.
    """
    traded, undone = _of_events(trace, lag)
    seen = trace.step + lag <= trace.last
    traders, row = np.unique(trace.trader, return_inverse=True)
    count = np.bincount(row[seen], minlength=len(traders))
    with np.errstate(invalid="ignore"):
        means = [
            np.bincount(row[seen], values[seen], len(traders)) / count
            for values in (traded, undone)
        ]
    return Reaction(*means)


def _of_events(trace: Trace, lag: int) -> tuple[Array, Array]:
    """Of each event: whether it was traded again, and the share that was opened again."""
    span = max(trace.last, int(trace.step.max(initial=0))) + lag + 2
    at = trace.where * span + trace.when
    order = np.argsort(at, kind="stable")
    at, moved = at[order], trace.moved[order]
    begin = np.searchsorted(at, trace.place * span + trace.step, side="right")
    end = np.searchsorted(at, trace.place * span + trace.step + lag, side="right")
    bought = np.concatenate([[0], np.cumsum(np.maximum(moved, 0))])
    sold = np.concatenate([[0], np.cumsum(np.maximum(-moved, 0))])
    again = np.where(trace.lots > 0, bought[end] - bought[begin], sold[end] - sold[begin])
    undone = np.minimum(again / np.maximum(np.abs(trace.lots), 1), 1.0)
    return (end > begin).astype(float), undone


def moments(trace: Trace, step_s: float) -> dict[str, float]:
    """Moments of reactions; NaN where nobody was observed for long enough.

    The classes are those of the source: passive, who trades again within 300 s after at
    most a twentieth of its events; strategic, within 60 s after half of them, opening
    again a quarter of what was closed.
    """
    lags = {h: round(h / step_s) for h in HORIZONS_S}
    by_horizon = {h: reactions(trace, lag) for h, lag in lags.items()}
    _, row = np.unique(trace.trader, return_inverse=True)
    weight = np.bincount(row, trace.notional)
    found = {}
    for horizon, (traded, undone) in by_horizon.items():
        name = f"{horizon:g}s"
        found[f"retrade.{name}"] = _mean(traded)
        found[f"retrade.{name}.by_notional"] = _mean(traded, weight)
        found[f"undo.{name}"] = _mean(undone)
        again = traded > 0.0
        found[f"undo.{name}.if_traded"] = _mean(undone[again]) / _mean(traded[again])
    classes = _classes(by_horizon[60.0], by_horizon[300.0].traded)
    many = np.bincount(row) >= MANY_FILLS
    for name, of_class in zip(("passive", "strategic", "other"), classes, strict=True):
        found[f"react.{name}"] = _mean(of_class)
        found[f"react.{name}.many"] = _mean(of_class[many])
    return found


def _classes(within_60: Reaction, traded_300: Array) -> tuple[Array, Array, Array]:
    """Members of the classes passive, strategic and other; NaN where unknown."""
    known = ~np.isnan(traded_300) & ~np.isnan(within_60.traded)
    passive = traded_300 <= 0.05
    strategic = (within_60.traded >= 0.5) & (within_60.undone >= 0.25) & ~passive
    parts = (passive, strategic, ~passive & ~strategic)
    first, second, third = (np.where(known, part, np.nan) for part in parts)
    return first, second, third


def _mean(values: Array, weight: Array | None = None) -> float:
    """Mean of the values that are known; NaN if none is."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    return float(
        np.average(values[known], weights=None if weight is None else weight[known])
    )
