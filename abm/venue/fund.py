"""The insurance fund's drawdown from its rolling peak, and the alarms on it.

An alarm goes on when the fund has fallen by a share of its peak within a window, and off
when it is back above another: Bybit starts ADL at -30% of the highest balance of eight
hours and stops it above -25% (bybit-exchange/docs, ``docs/v5/market/adl-alert.mdx``), OKX
starts at -30% within eight hours (OKX help, "Introduction to auto-deleveraging").

The window is cut into at most 480 parts of whole steps (a minute of Bybit's eight hours);
each part remembers its highest equity. The peak is thus that of the window, or of up to
one part more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from abm import units
from abm.arithmetic import share_of
from abm.compiled import inlined, inlined_kernel, kernel
from abm.venue.margin import equity_of
from abm.world import ALARM, PEAK_SLOTS, Array, Risk, World

_NEVER = np.iinfo(np.int64).min
"""The peak of a time in which nobody looked."""


class Drawdown(NamedTuple):
    """When an alarm goes on and off: falls from the peak within a window, as shares."""

    window_s: float
    start: float
    stop: float


@inlined
def equity_after(alarm: Any, fallen_ppm: int) -> int:
    """The fund's equity when it has fallen from the peak by that share, in quanta."""
    peak = max(0, alarm.peak)
    return peak - share_of(peak, fallen_ppm)


@inlined_kernel
def is_alarmed(risk: Risk) -> bool:
    """True if an alarm is on."""
    on = 0
    for i in range(risk.alarms.shape[0]):
        on += risk.alarms[i].on
    return on > 0


@inlined_kernel
def defended(risk: Risk) -> int:
    """The equity that ADL keeps the fund at, in quanta: where the alarm went on, or zero.

    Bybit computes the bankruptcy price at the drawdown that starts ADL, so that ADL takes
    only what the fund has lost beyond it.
    """
    floor = 0
    for i in range(risk.alarms.shape[0]):
        if risk.alarms[i].on:
            floor = max(floor, equity_after(risk.alarms[i], risk.alarms[i].start_ppm))
    return floor


@inlined
def rolling_peak(risk: Risk) -> int:
    """The highest peak of all alarms in quanta, zero if there is none."""
    peak = 0
    for i in range(risk.alarms.shape[0]):
        peak = max(peak, risk.alarms[i].peak)
    return peak


@kernel
def watch_fund(world: World) -> None:
    """Note the fund's equity; put alarms on and off.

    A fund that never had anything is down by all of it.
    """
    ledger, risk = world.ledger, world.risk
    if risk.alarms.shape[0] == 0:
        return
    now = world.clock[0].now_ms
    equity = equity_of(ledger, world.markets, ledger.pots[0].insurance)
    for i in range(risk.alarms.shape[0]):
        alarm = risk.alarms[i]
        if now >= alarm.due_ms:
            alarm.due_ms += alarm.period_ms
            alarm.slot = (alarm.slot + 1) % alarm.slots
            risk.peaks[i, alarm.slot] = equity
            alarm.peak = equity
            for slot in range(alarm.slots):
                alarm.peak = max(alarm.peak, risk.peaks[i, slot])
        risk.peaks[i, alarm.slot] = max(risk.peaks[i, alarm.slot], equity)
        alarm.peak = max(alarm.peak, equity)
        until = alarm.stop_ppm if alarm.on else alarm.start_ppm
        alarm.on = 1 if equity <= equity_after(alarm, until) else 0


def set_alarms(world: World, wanted: Iterable[Drawdown]) -> World:
    """A world with these alarms and no others.

    Those that it has already go on as they are; a new one's window begins now.
    """
    old = world.risk
    if not (alarms := sorted(set(wanted))) and not len(old.alarms):
        return world
    rows = np.array([_row(world, alarm) for alarm in alarms], ALARM)
    peaks = np.full((len(rows), PEAK_SLOTS), _NEVER)
    fresh = old._replace(alarms=rows, peaks=peaks)
    watch_fund(world._replace(risk=fresh))
    known = {_key(row): i for i, row in enumerate(old.alarms)}
    for i, row in enumerate(rows):
        if _key(row) in known:
            before = known[_key(row)]
            rows[i], peaks[i] = old.alarms[before], old.peaks[before]
    return world._replace(risk=fresh)


def _key(row: Array) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in ("window_ms", "start_ppm", "stop_ppm"))


def _row(world: World, wanted: Drawdown) -> tuple[int, ...]:
    """A fresh row of `ALARM`: its window in at most 480 parts of whole steps."""
    step = int(world.clock[0]["step_ms"])
    now = int(world.clock[0]["now_ms"])
    window = max(step, round(wanted.window_s * 1000))
    period = step * -(-window // ((PEAK_SLOTS - 1) * step))
    slots = -(-window // period) + 1
    start, stop = units.ppm(wanted.start), units.ppm(wanted.stop)
    return window, start, stop, period, now + period, slots, 0, _NEVER, 0
