"""When is a batch long enough? Confidence sequences, valid whenever one stops.

An ordinary 95% interval that is looked at after every block misses the truth more often
than in 5% of batches, since one stops when it happens to look narrow. The asymptotic
confidence sequences of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
central limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024,
theorem 2.2), cover the mean at all times at once, so stopping by them is honest. They
are wider than an interval for a number of runs fixed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from abm.scenario import Stop

FEWEST = 16
"""Values below which a variance is not trusted."""


class MeanInterval(NamedTuple):
    """A mean over `runs` values, and the half-width of its interval."""

    runs: int
    mean: float
    half_width: float


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations, updated value by value (Welford)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_values(self, values: Sequence[float]) -> Moments:
        """These moments with more values; those that are not finite are left out."""
        count, mean, squares = self.count, self.mean, self.squares
        for value in values:
            if math.isfinite(value):
                count += 1
                away = value - mean
                mean += away / count
                squares += away * (value - mean)
        return Moments(count, mean, squares)


def interval(moments: Moments, level: float, expected: int) -> MeanInterval:
    """Interval of a mean that holds at whatever time one looks.

    Parameters
    ----------
    moments : Moments
        Of independent values.
    level : float
        Confidence, from 0 to 1.
    expected : int
        Number of values for which the interval is made narrowest.

    Returns
    -------
    MeanInterval
        Its half-width is infinite for fewer than `FEWEST` values.
    """
    n, alpha = moments.count, 1.0 - level
    if n < FEWEST:
        return MeanInterval(n, moments.mean if n else math.nan, math.inf)
    # Their equation for the best rho at a given time.
    odds = -2.0 * math.log(alpha)
    rho2 = (odds + math.log(odds + 1.0)) / max(expected, FEWEST)
    grown = n * rho2 + 1.0
    bound = math.sqrt(2.0 * grown / (n**2 * rho2) * math.log(math.sqrt(grown) / alpha))
    return MeanInterval(n, moments.mean, math.sqrt(moments.squares / n) * bound)


def is_enough(found: MeanInterval, stop: Stop) -> bool:
    """True if the interval is as narrow as a scenario's stopping rule asks for."""
    target = stop.half_width
    if stop.relative:
        target *= abs(found.mean)
    return found.runs >= stop.least_runs and found.half_width <= target
