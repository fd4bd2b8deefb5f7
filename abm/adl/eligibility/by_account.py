"""Accounts that may be asked for cash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from abm.adl.answers import CompositionError
from abm.adl.eligibility.base import (
    HEDGED,
    Below,
    Caps,
    Eligibility,
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
from abm.compiled import inlined, kernel
from abm.faults import shown
from abm.fields import NotNegative, Positive
from abm.units import ppm, quanta
from abm.world import Array

Capacity = Literal["profit", "equity", "min", "above-buffer"]
Buffer = Literal["maintenance", "initial"]

_CAPACITIES = ("profit", "equity", "min", "above-buffer")


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
        payers = room(len(rows))
        count = _select_accounts(
            rows,
            bankrupt_sides(wave),
            self.side == "opposite",
            _CAPACITIES.index(self.capacity),
            self.buffer == "initial",
            self.buffer_ppm,
            HEDGED.index(self.hedged),
            self.hedged_below,
            self.least,
            np.full(wave.account_slots, self.side == "both"),
            *payers,
        )
        found = first(payers, count, self.hedged)
        most = []
        if self.caps.in_wave:
            cuts = [c.outcome.haircuts for c in past if c.wave.number == wave.number]
            account = rows["account"][found.row]
            taken = summed(
                account, [cut["account"] for cut in cuts], [cut["amount"] for cut in cuts]
            )
            parts, usd = self.caps.ppm_per_wave, self.caps.per_wave
            most.append(_quanta_left(found, taken, parts, usd))
        if self.caps.in_run:
            parts, usd = self.caps.ppm_per_run, self.caps.per_run
            most.append(_quanta_left(found, rows["given"][found.row], parts, usd))
        return limited(found, most)


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
    """Write down who may be asked, at its first row.

    `is_open` is true of every account, or, where only sides opposite are asked, of none.
    """
    if opposite:
        for i in range(rows.shape[0]):
            if sides[rows[i].market, 1 if rows[i].lots < 0 else 0]:
                is_open[rows[i].account] = True
    count = 0
    for i in range(rows.shape[0]):
        own = rows[i]
        if not is_open[own.account]:
            continue
        is_open[own.account] = False
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
        if not place_hedged(own, hedged, hedged_below, tier, weight, count):
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


def _quanta_left(payers: Payers, taken: Array, share: int, amount: int | None) -> Array:
    """What a cap leaves of quanta, given what it has let through already."""
    most = share_of_each(payers.capacity + taken, share) - taken
    return most if amount is None else np.minimum(most, amount - taken)


def accounts(
    *,
    capacity: Capacity = "min",
    buffer: Buffer | None = None,
    times: NotNegative | None = None,
    side: Side = "both",
    hedged: Hedged = "same",
    hedged_below: Below | None = None,
    least_usd: NotNegative = 0.0,
    share_per_wave: MostShare = 1.0,
    share_per_run: MostShare = 1.0,
    usd_per_wave: Positive | None = None,
    usd_per_run: Positive | None = None,
) -> Accounts:
    """Accounts up to their profit, their equity, or what they have above a buffer.

    ``profit``: unrealised, net over positions, less what haircuts took before, since cash
    that is gone still shows as unrealised profit: the endowment ``w = (PNL)_+`` of arXiv
    2512.01112, whatever the account's equity. ``equity``; ``min`` of the two, so that an
    account with spent collateral does not go under; ``above-buffer``: equity above
    ``times`` its ``buffer``, its maintenance (or initial) margin, once if not given.

    With ``side = "opposite"`` only accounts that hold a position against a bankrupt one
    are asked. Hedged accounts as in ``positions``. Accounts with less than ``least_usd``
    of notional are not asked. No more than a share of the capacity, or that many
    dollars, is taken in one wave, or in the run.
    """
    caps = caps_of(share_per_wave, share_per_run, usd_per_wave, usd_per_run)
    for name, value in (("buffer", buffer), ("times", times)):
        if value is not None and capacity != "above-buffer":
            raise CompositionError(
                f"eligibility.{name} = {shown(value)}: is not looked at with capacity = "
                f"{capacity!r}; must be left out, or capacity be above-buffer"
            )
    below = hedged_limit(hedged, hedged_below)
    least, parts = quanta(least_usd), ppm(1.0 if times is None else times)
    kept = buffer or "maintenance"
    return Accounts(capacity, kept, parts, side, hedged, below, least, caps)


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
