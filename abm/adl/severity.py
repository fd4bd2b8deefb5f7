"""How much of the need is asked for now? A severity answers a share of it."""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.wave import Wave

Severity = Callable[[Wave], float]


def everything(wave: Wave) -> float:
    """All of it, in this wave."""
    return 1.0


def fixed_share(share: float) -> Severity:
    """The same share of every wave's need (theta in arXiv 2512.01112)."""

    def severity(wave: Wave) -> float:
        return share

    return severity
