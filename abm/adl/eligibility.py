"""Who can pay, and up to what? An eligibility picks candidates and their capacity.

Capacity is in the unit of the settlement: lots where contracts are closed, quanta where
cash is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from abm.adl.record import Call, Payers
from abm.adl.wave import Wave
from abm.arithmetic import floor_fraction, is_less_product
from abm.compiled import inlined, kernel
from abm.fields import NotNegative, Positive, Share
from abm.units import PPM, ppm, quanta
from abm.world import Array

__all__ = ["ANSWERS", "MEDIUM", "Eligibility", "Payers"]

Eligibility = Callable[[Wave, Array, Sequence[Call]], Payers]
"""Called with the wave, the signed value at which the settlement would close each
candidate at worst (int64, quanta, shape (candidates,)), and the run's calls before."""

Profit = Literal["settlement", "mark", "any"]
Health = Literal["any", "solvent", "sound", "not-worse"]
Hedged = Literal["same", "last", "exempt", "weight"]
Capacity = Literal["profit", "equity", "min", "above-buffer"]
Buffer = Literal["maintenance", "initial"]
Side = Literal["opposite", "both"]

_PROFITS = ("settlement", "mark", "any")
_HEALTHS = ("any", "solvent", "sound", "not-worse")
_HEDGED = ("same", "last", "exempt", "weight")
_CAPACITIES = ("profit", "equity", "min", "above-buffer")


@dataclass(frozen=True)
class Caps:
    """The most that is taken from one payer, in a wave and in the run.

    Shares (parts per million) are of what could have been taken had nothing been taken
    before; amounts are quanta, None where there is no cap.
    """

    ppm_per_wave: int = PPM
    ppm_per_run: int = PPM
    per_wave: int | None = None
    per_run: int | None = None

    @property
    def in_wave(self) -> bool:
        """Whether what was taken in the same wave matters."""
        return self.ppm_per_wave < PPM or self.per_wave is not None

    @property
    def in_run(self) -> bool:
        """Whether what was taken in the whole run matters."""
        return self.ppm_per_run < PPM or self.per_run is not None


def _caps(
    share_per_wave: float,
    share_per_run: float,
    usd_per_wave: float | None,
    usd_per_run: float | None,
) -> Caps:
    amounts = [None if usd is None else quanta(usd) for usd in (usd_per_wave, usd_per_run)]
    return Caps(ppm(share_per_wave), ppm(share_per_run), *amounts)


# --- positions --------------------------------------------------------------------------


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
        payers = _room(len(rows))
        count = _select_positions(
            rows,
            worst,
            _bankrupt_sides(wave),
            _PROFITS.index(self.profit),
            _HEALTHS.index(self.health),
            _HEDGED.index(self.hedged),
            self.hedged_below,
            self.least,
            *payers,
        )
        found = _first(payers, count, self.hedged)
        most = []
        if self.caps.in_wave:
            calls = [call for call in past if call.wave.number == wave.number]
            parts, usd = self.caps.ppm_per_wave, self.caps.per_wave
            most.append(_lots_left(wave, found, calls, parts, usd))
        if self.caps.in_run:
            parts, usd = self.caps.ppm_per_run, self.caps.per_run
            most.append(_lots_left(wave, found, past, parts, usd))
        return _limited(found, most)


def _lots_left(
    wave: Wave, payers: Payers, calls: Sequence[Call], share: int, value: int | None
) -> Array:
    """What a cap leaves of lots, given what some calls have closed."""
    rows, row, n_markets = wave.candidates, payers.row, len(wave.mark)
    key = rows["account"][row] * n_markets + rows["market"][row]
    fills = [call.outcome.fills for call in calls]
    of = [each["account"] * n_markets + each["market"] for each in fills]
    closed = _summed(key, of, [np.abs(each["lots"]) for each in fills])
    most = _share(payers.capacity + closed, share) - closed
    if value is None:
        return most
    lot = np.maximum((wave.mark * wave.unit)[rows["market"][row]], 1)
    spent = _summed(key, of, [np.abs(each["value"]) for each in fills])
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
        if sides[side, own.market] == 0:
            continue
        gain = own.value - own.cost
        if profit == 0:
            gain = min(gain, worst[i] - own.cost)
        if (profit < 2 and gain <= 0) or abs(own.value) < least:
            continue
        if health > 0 and not _stays_healthy(own, worst[i], health):
            continue
        if not _place_hedged(own, hedged, hedged_below, tier, weight, count):
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


@inlined
def _place_hedged(
    row: Any, hedged: int, below: float, tier: Array, weight: Array, place: int
) -> bool:
    """Write down a payer's tier and weight; False if it is not asked at all."""
    if hedged == 0:
        return True
    net = abs(float(row.account_net))
    # With longs L and shorts S, L + S + |L - S| is twice the larger.
    relative = 2.0 * net / max(float(row.account_notional) + net, 1.0)
    if hedged == 3:
        weight[place] = relative
        return relative > 0.0
    is_hedged = relative < below
    tier[place] = 1 if is_hedged else 0
    return not (is_hedged and hedged == 2)


# --- accounts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Accounts:
    """Accounts, in quanta."""

    capacity: Capacity
    buffer: Buffer
    buffer_ppm: int
    side: Side
    hedged: Hedged
    hedged_below: float
    least: int
    caps: Caps

    def __call__(self, wave: Wave, worst: Array, past: Sequence[Call]) -> Payers:
        """Pick the payers of a wave."""
        rows = wave.candidates
        payers = _room(len(rows))
        accounts = int(rows["account"].max()) + 1 if len(rows) else 0
        count = _select_accounts(
            rows,
            _bankrupt_sides(wave),
            self.side == "opposite",
            _CAPACITIES.index(self.capacity),
            self.buffer == "initial",
            self.buffer_ppm,
            _HEDGED.index(self.hedged),
            self.hedged_below,
            self.least,
            np.zeros(accounts, np.int8),
            *payers,
        )
        found = _first(payers, count, self.hedged)
        most = []
        if self.caps.in_wave:
            cuts = [c.outcome.haircuts for c in past if c.wave.number == wave.number]
            account = rows["account"][found.row]
            taken = _summed(
                account, [cut["account"] for cut in cuts], [cut["amount"] for cut in cuts]
            )
            parts, usd = self.caps.ppm_per_wave, self.caps.per_wave
            most.append(_quanta_left(found, taken, parts, usd))
        if self.caps.in_run:
            parts, usd = self.caps.ppm_per_run, self.caps.per_run
            most.append(_quanta_left(found, rows["given"][found.row], parts, usd))
        return _limited(found, most)


@kernel
def _select_accounts(
    rows: Array,
    sides: Array,
    opposite: bool,
    measure: int,
    above_initial: bool,
    buffer_ppm: int,
    hedged: int,
    hedged_below: float,
    least: int,
    is_open: Array,
    row: Array,
    group: Array,
    capacity: Array,
    worth: Array,
    tier: Array,
    weight: Array,
) -> int:
    """Write down who may be asked, at its first row; `is_open` is for accounts' marks."""
    for i in range(rows.shape[0]):
        side = 1 if rows[i].lots < 0 else 0
        if not opposite or sides[side, rows[i].market]:
            is_open[rows[i].account] = 1
    count = 0
    for i in range(rows.shape[0]):
        own = rows[i]
        if is_open[own.account] == 0:
            continue
        is_open[own.account] = 0
        most = own.account_profit - own.given
        if measure == 1:
            most = own.equity
        elif measure == 2:
            most = min(most, own.equity)
        elif measure == 3:
            margin = own.initial if above_initial else own.maintenance
            most = own.equity - _times(margin, buffer_ppm)
        if most <= 0 or own.account_notional < least:
            continue
        if not _place_hedged(own, hedged, hedged_below, tier, weight, count):
            continue
        row[count] = i
        group[count] = 0
        capacity[count] = most
        worth[count] = most
        count += 1
    return count


@inlined
def _times(amount: int, parts: int) -> int:
    """`amount` times parts per million, rounded up."""
    whole = amount // 1_000_000
    return whole * parts - (-(amount - whole * 1_000_000) * parts // 1_000_000)


# --- holders ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Holders:
    """All positions in a market of a debt, in quanta of their part of the equity."""

    side: Side

    def __call__(self, wave: Wave, worst: Array, past: Sequence[Call]) -> Payers:
        """Pick the payers of a wave."""
        payers = _room(len(wave.candidates))
        both = self.side == "both"
        count = _select_holders(wave.candidates, _debt_sides(wave), both, *payers[:4])
        return _first(payers, count, "same")


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
        asked = sides[side, own.market]
        if both:
            asked = max(asked, sides[1 - side, own.market])
        most = floor_fraction(own.equity, abs(own.value), max(own.account_notional, 1))
        if asked == 0 or most <= 0:
            continue
        row[count] = i
        group[count] = 2 * own.market + (0 if both else side)
        capacity[count] = most
        worth[count] = most
        count += 1
    return count


# --- what they share --------------------------------------------------------------------


def _room(count: int) -> Payers:
    """Arrays that a kernel fills."""
    row, group, capacity, worth, tier = np.empty((5, count), np.int64)
    return Payers(row, group, capacity, worth, tier, np.empty(count))


def _first(payers: Payers, count: int, hedged: Hedged) -> Payers:
    """The first payers, with tier and weight where the rule for the hedged has them."""
    row, group, capacity, worth = (column[:count].copy() for column in payers[:4])
    found = Payers(row, group, capacity, worth)
    if hedged == "last":
        return found._replace(tier=payers.tier[:count].copy())
    if hedged == "weight":
        return found._replace(weight=payers.weight[:count].copy())
    return found


def _bankrupt_sides(wave: Wave) -> Array:
    """``[side, market]`` is 1 where side 1 (shorts) or 0 (longs) opposes a bankrupt."""
    sides = np.zeros((2, len(wave.mark)), np.int8)
    rows = wave.bankrupt
    sides[(rows["lots"] > 0).astype(np.int64), rows["market"]] = 1
    return sides


def _debt_sides(wave: Wave) -> Array:
    """The same with the markets that accounts without positions owe to."""
    sides = _bankrupt_sides(wave)
    owed = wave.debt_market >= 0
    sides[(wave.debt_side[owed] > 0).astype(np.int64), wave.debt_market[owed]] = 1
    return sides


def _summed(keys: Array, of: Sequence[Array], amounts: Sequence[Array]) -> Array:
    """The sum of the amounts of each key, int64, shape (keys,)."""
    if not of:
        return np.zeros(len(keys), np.int64)
    known, place = np.unique(np.concatenate(of), return_inverse=True)
    total = np.zeros(len(known) + 1, np.int64)
    np.add.at(total, place, np.concatenate(amounts))
    found = np.searchsorted(known, keys)
    is_known = np.append(known, -1)[found] == keys
    return np.where(is_known, total[found], 0)


def _share(amount: Array, parts: int) -> Array:
    """Parts per million of amounts that are not negative, rounded down."""
    whole, rest = np.divmod(amount, PPM)
    return np.asarray(whole * parts + rest * parts // PPM)


def _quanta_left(payers: Payers, taken: Array, share: int, amount: int | None) -> Array:
    """What a cap leaves of quanta, given what it has let through already."""
    most = _share(payers.capacity + taken, share) - taken
    return most if amount is None else np.minimum(most, amount - taken)


def _limited(payers: Payers, most: Sequence[Array]) -> Payers:
    """Payers with no more capacity than that, without those who have none left."""
    if not most:
        return payers
    capacity = np.minimum.reduce([payers.capacity, *most])
    keep = np.flatnonzero(capacity > 0)
    left = capacity[keep] / payers.capacity[keep]
    limited = Payers(
        payers.row[keep],
        payers.group[keep],
        capacity[keep],
        np.floor(payers.worth[keep] * left).astype(np.int64),
    )
    if len(payers.tier):
        limited = limited._replace(tier=payers.tier[keep])
    if len(payers.weight):
        limited = limited._replace(weight=payers.weight[keep])
    return limited


# --- answers ----------------------------------------------------------------------------


def positions(
    *,
    profit: Profit = "settlement",
    health: Health = "any",
    hedged: Hedged = "same",
    hedged_below: Share = 0.05,
    least_usd: NotNegative = 0.0,
    share_per_wave: Share = 1.0,
    share_per_run: Share = 1.0,
    usd_per_wave: Positive | None = None,
    usd_per_run: Positive | None = None,
) -> Positions:
    """Positions on the other side of a bankrupt one, in lots.

    In profit at the mark and at the settlement's worst price, so that what a payer loses
    by being closed is never more than its profit; or only at the mark; or any, as where
    losers can be ranked (BitMEX, Aftermath). ``health``: an account that would end with
    negative equity is skipped (``solvent``), or one whose equity per maintenance margin
    would fall (``not-worse``), unless it keeps its initial margin (``sound``, the rule of
    dYdX v4: ``IsValidStateTransitionForUndercollateralizedSubaccount``).

    Hedged accounts, whose net delta ``|long - short| / max(long, short)`` over all
    markets is below 5%, may be asked like others, last, when nobody else is left (Bybit
    help, "Introduction to Delta Neutral Mode"; Binance FAQ, "Delta Neutral Account"), or
    never; ``weight`` multiplies every score by that delta instead, and asks nobody whose
    delta is zero (xcoin help, auto-deleveraging in portfolio margin).

    Positions smaller than ``least_usd`` at the mark are not asked. No more than a share
    of a position's lots, or that notional, is closed in one wave, or in the run.
    """
    caps = _caps(share_per_wave, share_per_run, usd_per_wave, usd_per_run)
    return Positions(profit, health, hedged, hedged_below, quanta(least_usd), caps)


def accounts(
    *,
    capacity: Capacity = "min",
    buffer: Buffer = "maintenance",
    times: NotNegative = 1.0,
    side: Side = "both",
    hedged: Hedged = "same",
    hedged_below: Share = 0.05,
    least_usd: NotNegative = 0.0,
    share_per_wave: Share = 1.0,
    share_per_run: Share = 1.0,
    usd_per_wave: Positive | None = None,
    usd_per_run: Positive | None = None,
) -> Accounts:
    """Accounts up to their profit, their equity, or what they have above a buffer.

    ``profit``: unrealised, net over positions, less what haircuts took before, since cash
    that is gone still shows as unrealised profit: the endowment ``w = (PNL)_+`` of arXiv
    2512.01112, whatever the account's equity. ``equity``; ``min`` of the two, so that an
    account with spent collateral does not go under; ``above-buffer``: equity above
    ``times`` its maintenance or initial margin.

    With ``side = "opposite"`` only accounts that hold a position against a bankrupt one
    are asked. Hedged accounts as in ``positions``. Accounts with less than ``least_usd``
    of notional are not asked. No more than a share of the capacity, or that many
    dollars, is taken in one wave, or in the run.
    """
    caps = _caps(share_per_wave, share_per_run, usd_per_wave, usd_per_run)
    least, parts = quanta(least_usd), ppm(times)
    return Accounts(capacity, buffer, parts, side, hedged, hedged_below, least, caps)


def holders(*, side: Side = "both") -> Holders:
    """All positions in the market of a debt, up to their part of the account's equity.

    An account's equity is shared among its positions by notional, so that no charge on
    several of them takes more than there is. The side is that of the charge.
    """
    return Holders(side)


def gains_of_the_step() -> Eligibility:
    """Accounts up to what marks gave them since the last look, or equity if less.

    Vega's settlement at a mark (vegaprotocol/vega, core/settlement): whoever gained from
    the move shares what the losers of that move could not pay; profit made before is
    safe. The last look is the wave's clock.
    """
    return _gains_of_the_step


def _gains_of_the_step(wave: Wave, worst: Array, past: Sequence[Call]) -> Payers:
    rows = wave.candidates
    moved = (wave.mark - wave.previous_mark) * wave.unit
    _, first, owner = np.unique(rows["account"], return_index=True, return_inverse=True)
    gains = np.zeros(len(first), np.int64)
    np.add.at(gains, owner, rows["lots"] * moved[rows["market"]])
    capacity = np.minimum(gains, rows["equity"][first])
    paying = np.flatnonzero(capacity > 0)
    capacity = capacity[paying]
    return Payers(first[paying], np.zeros(len(paying), np.int64), capacity, capacity)


def nobody() -> Eligibility:
    """Nobody is asked in the wave: withdrawals pay."""
    return lambda wave, worst, past: _first(_room(0), 0, "same")


def opposite_in_profit() -> Positions:
    """Short for ``positions``: in profit at the mark and at the settlement's price."""
    return positions()


def profits() -> Accounts:
    """Short for ``accounts``: unrealised profit, or equity if less."""
    return accounts()


ANSWERS: dict[str, Callable[..., Eligibility]] = {
    "positions": positions,
    "opposite-in-profit": opposite_in_profit,
    "accounts": accounts,
    "profits": profits,
    "holders": holders,
    "gains-of-the-step": gains_of_the_step,
    "nobody": nobody,
}

MEDIUM = {
    "positions": "contracts",
    "opposite-in-profit": "contracts",
    "accounts": "cash",
    "profits": "cash",
    "holders": "charge",
    "gains-of-the-step": "cash",
    "nobody": "withdrawals",
}
"""What each eligibility's payers give: the medium of the settlement that it fits."""
