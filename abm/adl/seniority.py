"""In which order of capital? Seniority splits capacity into tiers, most junior first.

Each tier is exhausted before the next is touched; the allocation shares within a tier.
An account's capital is what the ledger says: principal is what was deposited less what
was withdrawn (withdrawals take gains first), gains are equity above it, whatever was
closed and opened again. A tier of an account covers its payers in proportion to their
worth. Where contracts are closed, a tier is as many whole lots as its money covers,
rounded down; the last tier is what is left, so that tiers sum to capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.arithmetic import fraction_of
from abm.compiled import kernel
from abm.world import Array

Seniority = Callable[[Wave, Payers], list[Array]]
"""Gives the capacity of every payer in each tier, arrays of int64, shape (payers,)."""

Age = Annotated[float, Field(strict=True, ge=0.1, le=31 * 86_400.0)]
Ages = Annotated[tuple[Age, ...], Field(min_length=1, max_length=16)]


def none() -> Seniority:
    """All capacity ranks alike: one tier."""
    return lambda wave, payers: [payers.capacity]


def profits_first() -> Seniority:
    """Gains pay before principal.

    Gains by the ledger, so that neither closing and opening again nor the choice of an
    entry price moves capital from one tier to the other.
    """
    return _profits_first


def _profits_first(wave: Wave, payers: Payers) -> list[Array]:
    return tiers(wave, payers, [_gains(wave, payers)])


@dataclass(frozen=True)
class Ladder:
    """Gains by age, the most recent first, then principal; the world must keep the ages."""

    ages_s: tuple[float, ...]

    def __call__(self, wave: Wave, payers: Payers) -> list[Array]:
        """Capacity in each tier: one more than there are ages, and principal."""
        gains = _gains(wave, payers)
        younger = [gains - self._older(wave, age)[payers.row] for age in self.ages_s]
        return tiers(wave, payers, [*younger, gains])

    def _older(self, wave: Wave, age_s: float) -> Array:
        column = np.flatnonzero(np.abs(wave.ages_s - age_s) < 1e-3)
        if not column.size:
            raise ValueError(f"the world does not tell gains by an age of {age_s:g} s")
        return np.asarray(wave.older_gains[:, column[0]])


def ladder(*, ages_s: Ages = (3600.0, 86_400.0)) -> Seniority:
    """Gains pay by age, the most recent first, then principal.

    The tiered ledger that public posts on arXiv 2512.01112 propose: buckets of gains by
    age, each exhausted before the next. `ages_s` are the ages at which gains pass from
    one bucket to the next. Gains made before the run began are older than any age; see
    `abm.venue.gains` for the clock.
    """
    return Ladder(tuple(sorted(set(ages_s))))


ANSWERS: dict[str, Callable[..., Seniority]] = {
    "none": none,
    "profits-first": profits_first,
    "ladder": ladder,
}


def _gains(wave: Wave, payers: Payers) -> Array:
    """Gains of every payer's account by the ledger, in quanta."""
    rows = wave.candidates
    gains = rows["equity"][payers.row] - rows["principal"][payers.row]
    return np.asarray(np.maximum(gains, 0))


def tiers(wave: Wave, payers: Payers, junior: list[Array]) -> list[Array]:
    """Split capacity by the money of its account that pays first.

    Parameters
    ----------
    junior : list of array of int64, shape (payers,)
        Money of each payer's account in the first tier, the first two, and so on, in
        quanta, rising.

    Returns
    -------
    list of array of int64
        Capacity in each tier and in the last, one more than were given.
    """
    account = wave.candidates["account"][payers.row]
    _, owner = np.unique(account, return_inverse=True)
    worth = np.maximum(payers.worth, 0)
    total = np.zeros(owner.max(initial=-1) + 1, np.int64)
    np.add.at(total, owner, worth)
    found = []
    before = np.zeros_like(payers.capacity)
    for money in junior:
        covered = np.empty_like(payers.capacity)
        _cover(payers.capacity, money, total[owner], covered)
        found.append(covered - before)
        before = covered
    return [*found, payers.capacity - before]


@kernel
def _cover(capacity: Array, money: Array, worth: Array, covered: Array) -> None:
    """How much of each capacity some money covers, if the whole is worth so much.

    What costs its owner nothing is covered whatever there is.
    """
    for i in range(capacity.shape[0]):
        if worth[i] <= money[i]:
            covered[i] = capacity[i]
        else:
            covered[i] = fraction_of(capacity[i], money[i], worth[i])
