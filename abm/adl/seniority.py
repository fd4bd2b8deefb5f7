"""In which order of capital? Seniority splits capacity into tiers, most junior first.

Each tier is exhausted before the next is touched; the allocation shares within a tier.
"""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.world import Array

Seniority = Callable[[Wave, Payers], list[Array]]
"""Gives the capacity of every payer in each tier, arrays of int64, shape (payers,)."""


def none() -> Seniority:
    """All capacity ranks alike: one tier."""
    return lambda wave, payers: [payers.capacity]


ANSWERS: dict[str, Callable[..., Seniority]] = {"none": none}
