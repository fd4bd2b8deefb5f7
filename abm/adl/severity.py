"""How much of the need is asked for now? A severity answers a share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abm.adl.eligibility import Payers
from abm.adl.record import Call
from abm.adl.wave import Wave
from abm.fields import Share

Severity = Callable[[Wave, Payers, Sequence[Call]], float]
"""Called with the wave, who could pay, and the run's calls before this one."""


def everything() -> Severity:
    """All of it, in this wave."""
    return lambda wave, payers, past: 1.0


def fixed(*, share: Share) -> Severity:
    """The same share of every wave's need (theta in arXiv 2512.01112)."""
    return lambda wave, payers, past: share


ANSWERS: dict[str, Callable[..., Severity]] = {"all": everything, "fixed": fixed}
