"""Positions that may be asked: for lots, or for a charge on what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from abm.adl.eligibility.base import (
    HEDGED,
    Below,
    Caps,
    Hedged,
    MostShare,
    Side,
    bankrupt_sides,
    caps_of,
    first,
    hedged_limit,
    limited,
    place_hedged,
    room,
    share_of_each,
    summed,
)
from abm.adl.record import Call, Payers
from abm.adl.wave import Wave
from abm.arithmetic import floor_fraction, is_less_product
from abm.compiled import inlined, kernel
from abm.fields import NotNegative, Positive
from abm.units import quanta
from abm.world import Array, pair_keys

Profit = Literal["settlement", "mark", "any"]
Health = Literal["any", "solvent", "sound", "not-worse"]

_PROFITS = ("settlement", "mark", "any")
_HEALTHS = ("any", "solvent", "sound", "not-worse")


@dataclass(frozen=True)
class Positions:
    """Positions on the other side of a bankrupt one, in lots."""

    profit: Profit
    health: Health
    hedged: Hedged
    hedged_below: float
    least: int
    caps: Caps

    def __call__(self, wave: Wave, worst: Array, past: Sequence[Call]) -> Payers:
        """Pick the payers of a wave."""
        rows = wave.candidates
        payers = room(len(rows))
        count = _select_positions(
            rows,
            worst,
            bankrupt_sides(wave),
            _PROFITS.index(self.profit),
            _HEALTHS.index(self.health),
            HEDGED.index(self.hedged),
            self.hedged_below,
            self.least,
            *payers,
        )
        found = first(payers, count, self.hedged)
        most = []
        if self.caps.in_wave:
            calls = [call for call in past if call.wave.number == wave.number]
            parts, usd = self.caps.ppm_per_wave, self.caps.per_wave
            most.append(_lots_left(wave, found, calls, parts, usd))
        if self.caps.in_run:
            parts, usd = self.caps.ppm_per_run, self.caps.per_run
            most.append(_lots_left(wave, found, past, parts, usd))
        return limited(found, most)


def _lots_left(
    wave: Wave, payers: Payers, calls: Sequence[Call], share: int, value: int | None
) -> Array:
    """What a cap leaves of lots, given what some calls have closed."""
    rows, row, n_markets = wave.candidates, payers.row, len(wave.mark)
    key = pair_keys(rows, n_markets)[row]
    fills = [call.outcome.fills for call in calls]
    of = [pair_keys(each, n_markets) for each in fills]
    closed = summed(key, of, [np.abs(each["lots"]) for each in fills])
    most = share_of_each(payers.capacity + closed, share) - closed
    if value is None:
        return most
    market: Array = rows["market"][row]
    lot = np.maximum((wave.mark * wave.unit)[market], 1)
    spent = summed(key, of, [np.abs(each["value"]) for each in fills])
    return np.asarray(np.minimum(most, (value - spent) // lot))


@kernel
def _select_positions(
    rows: Array,
    worst: Array,
    sides: Array,
    profit: int,
    health: int,
    hedged: int,
    hedged_below: float,
    least: int,
    row: Array,
    group: Array,
    capacity: Array,
    worth: Array,
    tier: Array,
    weight: Array,
) -> int:
    """Write down who may be asked; return how many. Enumerations are their places."""
    count = 0
    for i in range(rows.shape[0]):
        own = rows[i]
        side = 1 if own.lots < 0 else 0
        if sides[own.market, side] == 0:
            continue
        gain = own.value - own.cost
        if profit == 0:
            gain = min(gain, worst[i] - own.cost)
        if (profit < 2 and gain <= 0) or abs(own.value) < least:
            continue
        if health > 0 and not _stays_healthy(own, worst[i], health):
            continue
        if not place_hedged(own, hedged, hedged_below, tier, weight, count):
            continue
        row[count] = i
        group[count] = 2 * own.market + side
        capacity[count] = abs(own.lots)
        worth[count] = max(gain, 0)
        count += 1
    return count


@inlined
def _stays_healthy(row: Any, worst: int, health: int) -> bool:
    """Whether an account may be closed at a value, by the rule.

    Tested on the whole position. Maintenance margin is convex in size, so what holds
    when all of it is closed holds when a part is.
    """
    equity = row.equity + (worst - row.value)
    if equity < 0 or health == 1:
        return bool(equity >= 0)
    if health == 2 and equity >= row.initial - row.own_initial:
        return True
    after = row.maintenance - row.own_maintenance
    return not is_less_product(equity, row.maintenance, row.equity, after)


def positions(
    *,
    profit: Profit = "settlement",
    health: Health = "any",
    hedged: Hedged = "same",
    hedged_below: Below | None = None,
    least_usd: NotNegative = 0.0,
    share_per_wave: MostShare = 1.0,
    share_per_run: MostShare = 1.0,
    usd_per_wave: Positive | None = None,
    usd_per_run: Positive | None = None,
) -> Positions:
    """Positions on the other side of a bankrupt one, in lots.

    In profit at the mark and at the settlement's worst price, so that what a payer loses
    by being closed is never more than its profit; or only at the mark; or any, as where
    losers can be ranked (BitMEX, Aftermath). ``health``: an account that would end with
    negative equity is skipped (``solvent``), or one whose equity per maintenance margin
    would fall (``not-worse``), unless it keeps its initial margin (``sound``, the rule of
    dYdX v4: ``IsValidStateTransitionForUndercollateralizedSubaccount``). Each position
    is judged by itself, closed whole at the worst price.

    Hedged accounts, whose net delta ``|long - short| / max(long, short)`` over all
    markets is below ``hedged_below`` (5% if not given), may be asked like others, last,
    when nobody else is left (Bybit help, "Introduction to Delta Neutral Mode"; Binance
    FAQ, "Delta Neutral Account"), or never; ``weight`` multiplies every score by that
    delta instead, and asks nobody whose delta is zero (xcoin help, auto-deleveraging in
    portfolio margin). It is for allocations under which who scores more pays more.

    Positions smaller than ``least_usd`` at the mark are not asked. No more than a share
    of a position's lots, or that notional, is closed in one wave, or in the run.
    """
    caps = caps_of(share_per_wave, share_per_run, usd_per_wave, usd_per_run)
    below = hedged_limit(hedged, hedged_below)
    return Positions(profit, health, hedged, below, quanta(least_usd), caps)


@dataclass(frozen=True)
class Holders:
    """All positions in a market of a debt, in quanta of their part of the equity."""

    side: Side

    def __call__(self, wave: Wave, worst: Array, past: Sequence[Call]) -> Payers:
        """Pick the payers of a wave."""
        payers = room(len(wave.candidates))
        both = self.side == "both"
        count = _select_holders(wave.candidates, _debt_sides(wave), both, *payers[:4])
        return first(payers, count, "same")


@kernel
def _select_holders(
    rows: Array,
    sides: Array,
    both: bool,
    row: Array,
    group: Array,
    capacity: Array,
    worth: Array,
) -> int:
    count = 0
    for i in range(rows.shape[0]):
        own = rows[i]
        side = 1 if own.lots < 0 else 0
        asked = sides[own.market, side]
        if both:
            asked = max(asked, sides[own.market, 1 - side])
        most = floor_fraction(own.equity, abs(own.value), max(own.account_notional, 1))
        if asked == 0 or most <= 0:
            continue
        row[count] = i
        group[count] = 2 * own.market + (0 if both else side)
        capacity[count] = most
        worth[count] = most
        count += 1
    return count


def _debt_sides(wave: Wave) -> Array:
    """The same with the markets that accounts without positions owe to."""
    sides = bankrupt_sides(wave)
    owed = wave.debt_market >= 0
    sides[wave.debt_market[owed], (wave.debt_side[owed] > 0).astype(np.int64)] = 1
    return sides


def holders(*, side: Side = "both") -> Holders:
    """All positions in the market of a debt, up to their part of the account's equity.

    An account's equity is shared among its positions by notional, so that no charge on
    several of them takes more than there is. The side is that of the charge.
    """
    return Holders(side)
