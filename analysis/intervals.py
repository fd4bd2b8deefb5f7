"""Confidence intervals: bootstrap, Wilson, order statistics, and paired differences.

Every interval is two numbers; both are NaN where there are too few values to say, and one
is infinite where they bound it on one side only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
DRAWS = 4000
SEED = 20251010

_FEWEST_VALUES = 5
_ONE = 1.0 - 1e-9
_MOST_VALUES = 2_000
_CHUNK = 400_000
"""Numbers drawn at a time: memory does not grow with the values."""


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


UNKNOWN = Interval(np.nan, np.nan)


def mean_interval(values: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """Bootstrap (BCa) interval of a mean; see :func:`ratio_intervals`."""
    column = np.asarray(values, float)
    return mean_intervals(column[:, None], level)[0]


def mean_intervals(values: Floats, level: float = LEVEL) -> list[Interval]:
    """Bootstrap (BCa) intervals of the means of columns, shape (values, columns)."""
    return ratio_intervals(values, np.ones(len(values)), level)


def ratio_interval(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, level: float = LEVEL
) -> Interval:
    """Bootstrap (BCa) interval of a ratio of two sums over the same values."""
    column = np.asarray(numerator, float)
    return ratio_intervals(column[:, None], np.asarray(denominator, float), level)[0]


def ratio_intervals(
    numerators: Floats, denominator: Floats, level: float = LEVEL
) -> list[Interval]:
    """Bootstrap intervals of sums of columns over the sum of one more column.

    Bias-corrected and accelerated (BCa; Efron 1987), over `DRAWS` resamples of rows with
    a fixed seed, so that equal data give equal intervals. More than 2,000 rows are first
    added up in blocks of neighbours, which are as independent as the rows are.

    Parameters
    ----------
    numerators : array, shape (rows, columns)
    denominator : array, shape (rows,)
        Ones for means.
    level : float
        Confidence, from 0 to 1.

    Returns
    -------
    list of Interval
        One a column.
    """
    if len(denominator) < _FEWEST_VALUES:
        return [UNKNOWN] * numerators.shape[1]
    table = _in_blocks(np.column_stack([numerators, denominator]))
    sums = np.concatenate([weights @ table for weights in _resamples(len(table))])
    total = table.sum(axis=0)
    left_out = total - table
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = total[:-1] / total[-1]
        resampled = sums[:, :-1] / sums[:, -1:]
        jackknife = left_out[:, :-1] / left_out[:, -1:]
    columns = range(numerators.shape[1])
    return [_bca(resampled[:, i], jackknife[:, i], estimate[i], level) for i in columns]


def _in_blocks(table: Floats) -> Floats:
    """At most `_MOST_VALUES` rows, each the sum of as many neighbours as any other."""
    if len(table) <= _MOST_VALUES:
        return table
    starts = np.linspace(0, len(table), _MOST_VALUES, endpoint=False).astype(np.int64)
    return np.add.reduceat(table, starts, axis=0)


def _resamples(rows: int) -> Iterator[Floats]:
    """How often each row is drawn, in arrays of shape (some draws, rows)."""
    stream = np.random.default_rng(SEED)
    step = max(1, min(DRAWS, _CHUNK // rows))
    for start in range(0, DRAWS, step):
        draws = min(step, DRAWS - start)
        chosen = stream.integers(0, rows, (draws, rows))
        chosen += np.arange(draws)[:, None] * rows
        counts = np.bincount(chosen.ravel(), minlength=draws * rows)
        yield counts.reshape(draws, rows).astype(float)


def _bca(resampled: Floats, jackknife: Floats, estimate: float, level: float) -> Interval:
    """Interval of one statistic from its resampled and leave-one-out values."""
    resampled = resampled[np.isfinite(resampled)]
    jackknife = jackknife[np.isfinite(jackknife)]
    if not np.isfinite(estimate) or len(resampled) < DRAWS // 2:
        return UNKNOWN
    if np.ptp(resampled) == 0.0:
        return Interval(estimate, estimate)
    below = np.mean(resampled < estimate) + 0.5 * np.mean(resampled == estimate)
    bias = special.ndtri(np.clip(below, 0.5 / DRAWS, 1.0 - 0.5 / DRAWS))
    away = jackknife.mean() - jackknife
    spread = np.sum(away**2)
    skew = np.sum(away**3) / (6.0 * spread**1.5) if spread > 0 else 0.0
    z = bias + special.ndtri([0.5 - level / 2, 0.5 + level / 2])
    low, high = np.quantile(resampled, special.ndtr(bias + z / (1.0 - skew * z)))
    return Interval(float(low), float(high))


def share_interval(hits: int, trials: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a share (Wilson 1927)."""
    if trials == 0:
        return UNKNOWN
    z = float(special.ndtri(0.5 + level / 2))
    share = hits / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials)
    half *= np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At none and at all the ends are exactly 0 and 1, which rounding would miss.
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == trials else middle + half
    return Interval(float(low), float(high))


def quantile_interval(
    values: npt.ArrayLike, quantile: float, level: float = LEVEL
) -> Interval:
    """Distribution-free interval of a quantile, by order statistics.

    The number of values below the quantile is binomial, whatever their distribution; the
    ends are the order statistics that it lies between. An end is infinite where the
    values are too few to bound it.
    """
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    if n < _FEWEST_VALUES:
        return UNKNOWN
    tail = 0.5 - level / 2
    first = int(stats.binom.ppf(tail, n, quantile))
    last = int(stats.binom.ppf(1.0 - tail, n, quantile)) + 1
    low = ordered[first - 1] if first >= 1 else -np.inf
    high = ordered[last - 1] if last <= n else np.inf
    return Interval(float(low), float(high))


def expected_shortfall(values: npt.ArrayLike, tail: float) -> float:
    """Mean of the largest values: of the share `tail` of them, the last one in part.

    NaN if that share is less than one value.
    """
    ordered = np.sort(np.asarray(values, float))[::-1]
    if tail * len(ordered) < _ONE:
        return np.nan
    return float(_tail_means(ordered, np.ones((1, len(ordered))), tail)[0])


def expected_shortfall_interval(
    values: npt.ArrayLike, tail: float, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap interval of the expected shortfall.

    Resamples never exceed the largest value seen, so with fewer than ten values in the
    tail the upper end is given as infinite. With more than 2,000 values the interval is
    the bootstrap's limit, normal with the variance of ``max(x - quantile, 0) / tail``.
    """
    ordered = np.sort(np.asarray(values, float))[::-1]
    if tail * len(ordered) < _ONE:
        return UNKNOWN
    if ordered[0] == ordered[-1]:
        return Interval(float(ordered[0]), float(ordered[0]))
    if len(ordered) > _MOST_VALUES:
        return _tail_limit(ordered, tail, level)
    found = [_tail_means(ordered, counts, tail) for counts in _resamples(len(ordered))]
    low, high = np.quantile(np.concatenate(found), [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high) if tail * len(ordered) >= 10 else np.inf)


def _tail_limit(ordered: Floats, tail: float, level: float) -> Interval:
    excess = np.maximum(ordered - np.quantile(ordered, 1.0 - tail), 0.0) / tail
    half = special.ndtri(0.5 + level / 2) * excess.std() / np.sqrt(len(ordered))
    middle = expected_shortfall(ordered, tail)
    return Interval(float(middle - half), float(middle + half))


def _tail_means(ordered: Floats, counts: Floats, tail: float) -> Floats:
    """Mean of the largest, for every row of counts of the values in falling order."""
    size = tail * len(ordered)
    before = np.cumsum(counts, axis=1) - counts
    taken = np.clip(size - before, 0.0, counts)
    return np.asarray(taken @ ordered / size)


class Difference(NamedTuple):
    """A mean difference between two policies on the same runs.

    `reduction` says how many times less its variance is than on independent seeds: the
    sum of both variances over that of the difference.
    """

    runs: int
    mean: float
    low: float
    high: float
    reduction: float = np.nan

    @property
    def is_clear(self) -> bool:
        """True if the interval leaves zero out."""
        return self.low > 0.0 or self.high < 0.0


def paired_difference(
    values: pd.Series, base: pd.Series, level: float = LEVEL
) -> Difference:
    """Mean of `values` less `base` over the runs that both have, with its interval.

    Both are indexed by run. Runs of one number share a seed, so differences between
    policies vary much less than the values themselves.
    """
    both = pd.concat([values, base], axis=1, join="inner").dropna().to_numpy(float)
    if len(both) == 0:
        return Difference(0, np.nan, np.nan, np.nan)
    apart = both[:, 0] - both[:, 1]
    ends = mean_interval(apart, level)
    return Difference(len(apart), float(apart.mean()), *ends, _reduction(both, apart))


def _reduction(both: Floats, apart: Floats) -> float:
    apart_var, own_var = float(apart.var()), float(both.var(axis=0).sum())
    if own_var == 0.0:
        return np.nan
    # What rounding leaves of a difference that is the same in every run.
    if apart_var <= 1e-24 * own_var:
        return np.inf
    return own_var / apart_var


def ratio_parts(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """One value a run whose mean is the ratio of two sums, and whose spread is its own.

    The linearisation of a ratio estimator, ``R + (x - R y) / mean(y)`` (Cochran, Sampling
    Techniques, 1977, section 6.3); NaN where there is nothing to divide by.
    """
    below = denominator.mean()
    if not below:
        return denominator * np.nan
    ratio = numerator.mean() / below
    return ratio + (numerator - ratio * denominator) / below
