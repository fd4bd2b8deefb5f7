"""Intervals that hold all at once, for many means over the same runs.

The bootstrap of the largest studentised error, balanced: every mean gets its own critical
value, all at the same quantile, which is chosen so that in 95% of the resamples no error
exceeds its own (Beran 1988; Romano and Wolf 2010). Runs are resampled whole, so means that
move together cost less than as many independent ones would, and skewed ones get the wide
intervals that they need without widening the others. Where so few runs differ from zero
that a resample may miss them all, an interval has no ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.intervals import LEVEL, SEED

Floats = npt.NDArray[np.float64]

DRAWS = 10_000
_FEWEST_VALUES = 5
_CHUNK = 1_000


class Means(NamedTuple):
    """Means and intervals that hold together, each an array of shape (comparisons,).

    `counts` are the values that each was made of. Means of fewer than five values have
    neither end; ends are infinite where too few values differ.
    """

    mean: Floats
    low: Floats
    high: Floats
    counts: npt.NDArray[np.int64]


def simultaneous(values: Floats, level: float = LEVEL, draws: int = DRAWS) -> Means:
    """Means of columns with intervals that all hold with a chance of `level`.

    Parameters
    ----------
    values : array, shape (runs, comparisons)
        NaN where a run does not tell. Rows are resampled whole, with a fixed seed.
    level : float
        Chance that no interval misses its mean.
    """
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(counts, 1)
    mean = np.where(counts > 0, mean, np.nan)
    away = np.where(known, values - mean, 0.0)
    spread = _spread(away.sum(axis=0), (away**2).sum(axis=0), counts)
    # What rounding leaves of columns that say the same in every run.
    scale = np.abs(filled).max(axis=0, initial=0.0)
    varies = (counts >= _FEWEST_VALUES) & (spread > 1e-12 * scale)
    half = np.zeros(values.shape[1])
    if varies.any():
        errors = _errors(away[:, varies], known[:, varies], draws)
        error = spread[varies] / np.sqrt(counts[varies])
        half[varies] = _critical(errors, level) * error
    half[counts < _FEWEST_VALUES] = np.nan
    return Means(mean, mean - half, mean + half, counts)


def _spread(sums: Floats, squares: Floats, counts: npt.NDArray) -> Floats:
    """Standard deviations from sums of values and of their squares."""
    at_least_one = np.maximum(counts, 1)
    variance = squares / at_least_one - (sums / at_least_one) ** 2
    bessel = at_least_one / np.maximum(counts - 1, 1)
    return np.sqrt(np.maximum(variance, 0.0) * bessel)


def _errors(away: Floats, known: npt.NDArray[np.bool_], draws: int) -> Floats:
    """Studentised errors of resampled means, shape (draws, comparisons), at least 0."""
    rows = len(away)
    stream = np.random.default_rng(SEED)
    found = []
    for start in range(0, draws, _CHUNK):
        many = min(_CHUNK, draws - start)
        drawn = stream.multinomial(rows, np.full(rows, 1.0 / rows), many).astype(float)
        counts, sums, squares = drawn @ known, drawn @ away, drawn @ away**2
        spread = _spread(sums, squares, counts)
        below = spread / np.sqrt(np.maximum(counts, 1.0))
        size = np.abs(sums) / np.maximum(counts, 1.0)
        tiny = spread <= 1e-9 * np.abs(away).max(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(tiny, np.where(size > 0.0, np.inf, 0.0), size / below)
        found.append(np.where(counts < 2, np.inf, error))
    return np.concatenate(found)


def _critical(errors: Floats, level: float) -> Floats:
    """The critical value of each column, at the same quantile of all."""
    draws = len(errors)
    below = stats.rankdata(errors, method="min", axis=0) - 1.0
    order = int(np.ceil(level * draws)) - 1
    rank = int(np.sort(below.max(axis=1))[order])
    return np.sort(errors, axis=0)[min(rank, draws - 1)]
