"""What an eligibility is, and what its answers share: caps, hedged accounts, sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from abm.adl.answers import CompositionError
from abm.adl.record import Call, Payers
from abm.adl.wave import Wave
from abm.compiled import inlined
from abm.units import PPM, ppm, quanta
from abm.world import Array

Eligibility = Callable[[Wave, Array, Sequence[Call]], Payers]
"""Called with the wave, the signed value at which the settlement would close each
candidate at worst (int64, quanta, shape (candidates,)), and the run's calls before."""

Hedged = Literal["same", "last", "exempt", "weight"]
Side = Literal["opposite", "both"]

Below = Annotated[float, Field(strict=True, gt=0.0, le=1.0)]
"""A net delta; no account has one below zero."""

MostShare = Annotated[float, Field(strict=True, ge=1e-6, le=1.0)]
"""A cap: a millionth is the least that is told from nothing."""

HEDGED_BELOW = 0.05

HEDGED = ("same", "last", "exempt", "weight")


def room(count: int) -> Payers:
    """Arrays that a kernel fills."""
    row, group, capacity, worth, tier = np.empty((5, count), np.int64)
    return Payers(row, group, capacity, worth, tier, np.empty(count))


def first(payers: Payers, count: int, hedged: Hedged) -> Payers:
    """The first payers, with tier and weight where the rule for the hedged has them."""
    found = Payers(*(column[:count] for column in payers[:4]))
    if hedged == "last":
        return found._replace(tier=payers.tier[:count])
    if hedged == "weight":
        return found._replace(weight=payers.weight[:count])
    return found


def bankrupt_sides(wave: Wave) -> Array:
    """``[market, side]`` is 1 where side 1 (shorts) or 0 (longs) opposes a bankrupt."""
    groups = np.zeros(2 * len(wave.mark), np.int8)
    groups[wave.bankrupt_group] = 1
    return groups.reshape(-1, 2)


@inlined
def place_hedged(
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


def hedged_limit(hedged: Hedged, below: float | None) -> float:
    """The net delta below which an account counts as hedged.

    Raises
    ------
    CompositionError
        If one is given where nobody looks at it.
    """
    if below is not None and hedged not in ("last", "exempt"):
        raise CompositionError(
            f"eligibility.hedged_below = {below}: is not looked at with hedged = "
            f"{hedged!r}; must be left out, or hedged be last or exempt"
        )
    return HEDGED_BELOW if below is None else below


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


def caps_of(
    share_per_wave: float,
    share_per_run: float,
    usd_per_wave: float | None,
    usd_per_run: float | None,
) -> Caps:
    """Caps from shares and dollars; None where there is no cap."""
    amounts = [None if usd is None else quanta(usd) for usd in (usd_per_wave, usd_per_run)]
    return Caps(ppm(share_per_wave), ppm(share_per_run), *amounts)


def summed(keys: Array, of: Sequence[Array], amounts: Sequence[Array]) -> Array:
    """The sum of the amounts of each key, int64, shape (keys,)."""
    if not of:
        return np.zeros(len(keys), np.int64)
    known, place = np.unique(np.concatenate(of), return_inverse=True)
    total = np.zeros(len(known) + 1, np.int64)
    np.add.at(total, place, np.concatenate(amounts))
    found = np.searchsorted(known, keys)
    is_known = np.append(known, -1)[found] == keys
    return np.where(is_known, total[found], 0)


def share_of_each(amount: Array, parts: int) -> Array:
    """Parts per million of amounts that are not negative, rounded down."""
    whole, rest = np.divmod(amount, PPM)
    return np.asarray(whole * parts + rest * parts // PPM)


def limited(payers: Payers, most: Sequence[Array]) -> Payers:
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
