"""A finding: what was predicted, what was measured, and whether the one is the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from abm.world import Array

HOLDS, FAILS = "holds", "fails"
OUTSIDE = "outside its assumptions"
OPEN = "open"
"""The interval is too wide to say."""
FOUND = "as found"
"""Nothing was predicted that a number could miss."""

SLOPE_TOLERANCE = 0.05
"""Exponents are those of infinite size: by so much may a finite one miss them."""

_RESAMPLES = 1000
_WIDE = 3.0
LEVEL = 0.95


class Finding(NamedTuple):
    """One row of the table.

    `prediction`, `measured` and the ends `low` and `high` of its 95% interval are NaN
    where there is none.
    """

    hypothesis: str
    case: str
    prediction: float
    measured: float
    low: float
    high: float
    verdict: str
    note: str = ""


class Point(NamedTuple):
    """A point of a figure: `panel` and `series` say where it belongs."""

    panel: str
    series: str
    x: float
    y: float
    low: float = np.nan
    high: float = np.nan


class Evidence(NamedTuple):
    """What a hypothesis' module gives."""

    findings: list[Finding]
    points: list[Point]


class Estimate(NamedTuple):
    """A number and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effort:
    """How much is generated: books of each kind, the largest size, the first seed."""

    books: int = 200
    largest: int = 200_000
    seed: int = 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of accounts, about three to a factor of ten."""
        every = (200, 630, 2_000, 6_300, 20_000, 63_000, 200_000)
        return tuple(n for n in every if n <= self.largest)

    def rng(self, *purpose: int) -> np.random.Generator:
        """A stream of its own for each purpose."""
        return np.random.default_rng([self.seed, *purpose])


QUICK = Effort(books=60, largest=63_000)


def judge(found: Estimate, prediction: float, tolerance: float) -> str:
    """Holds if the prediction lies in the interval widened by the tolerance.

    Open if it does, but the interval is more than six tolerances wide.
    """
    if not np.isfinite([found.low, found.high]).all():
        return OPEN
    if not found.low - tolerance <= prediction <= found.high + tolerance:
        return FAILS
    return OPEN if found.high - found.low > 2.0 * _WIDE * tolerance else HOLDS


def resampled(rows: Array, statistic: Callable[[Array], Array], seed: int = 0) -> Estimate:
    """A statistic of rows with its percentile bootstrap interval over rows.

    Parameters
    ----------
    rows : array, shape (rows, ...)
    statistic : callable
        Takes arrays of shape (draws, rows, ...) to values of shape (draws,).
    """
    rng = np.random.default_rng(seed)
    rows = np.asarray(rows, float)
    step = max(1, 4_000_000 // max(rows.size, 1))
    drawn: list[Array] = []
    for start in range(0, _RESAMPLES, step):
        count = min(step, _RESAMPLES - start)
        drawn.append(statistic(rows[rng.integers(0, len(rows), (count, len(rows)))]))
    tail = 0.5 - LEVEL / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1.0 - tail])
    return Estimate(float(statistic(rows[None])[0]), float(low), float(high))


def mean_of(values: Array, seed: int = 0) -> Estimate:
    """The mean of numbers with its bootstrap interval."""
    return resampled(np.asarray(values, float), lambda rows: rows.mean(axis=1), seed)


def slope_of(sizes: Any, logs: Array, middle: Callable[..., Array] = np.mean) -> Estimate:
    """Exponent of growth: log-log regression of the books' middle on their size.

    Parameters
    ----------
    sizes : sequence of float, shape (sizes,)
    logs : array, shape (books, sizes)
        Logarithms; each row is one book as it grows. Books in which nothing is left at
        some size have none and are passed over.
    middle : callable
        ``np.mean`` (of logarithms: the geometric mean) or ``np.median``.
    """
    x = np.log(np.asarray(sizes, float))
    weight = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    whole = logs[np.isfinite(logs).all(axis=1)]
    return resampled(whole, lambda rows: middle(rows, axis=1) @ weight)


def geometric_mean(values: Array) -> Array:
    """Over books, shape (books, sizes), but for those in which once nothing is left."""
    logs = log_of(values)
    return np.asarray(np.exp(logs[np.isfinite(logs).all(axis=1)].mean(axis=0)))


def log_of(values: Array) -> Array:
    """Logarithms, minus infinity where nothing is left."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def share_of(hits: int, trials: int) -> Estimate:
    """A share with Wilson's interval."""
    from scipy import stats

    found = stats.binomtest(hits, trials).proportion_ci(LEVEL, method="wilson")
    return Estimate(hits / trials, float(found.low), float(found.high))


def row(
    hypothesis: str, case: str, prediction: float, found: Estimate, verdict: str, note: str
) -> Finding:
    """A finding from an estimate."""
    return Finding(hypothesis, case, prediction, *found, verdict, note)


def exact(value: float) -> Estimate:
    """A number that is not a sample's: its interval is itself."""
    return Estimate(float(value), float(value), float(value))
