"""In which order of capital? Seniority splits capacity into tiers, most junior first.

Each tier is exhausted before the next is touched; the allocation shares within a tier.
"""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.world import Array

Seniority = Callable[[Wave, Payers], list[Array]]


def none(wave: Wave, payers: Payers) -> list[Array]:
    """All capacity ranks alike: one tier."""
    return [payers.capacity]


SENIORITIES: dict[str, Seniority] = {"none": none}
