"""Risk measures of a sample of losses, each with an interval and how it was made.

Quantiles and value at risk have the exact interval of order statistics, which the
bootstrap of a quantile approaches; expected shortfall a studentised bootstrap, since the
ordinary one misses the truth in two of five samples of 64 values; a breach frequency
Clopper and Pearson's exact interval; a tail exponent the exact one of Pareto tails, or a
bootstrap over the choice of the threshold as well.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis import intervals
from analysis.intervals import LEVEL, SEED

Floats = npt.NDArray[np.float64]

FEW_IN_TAIL = 10.0
"""Values in a tail below which its mean is told with a warning."""

_FEWEST = 10


class Estimate(NamedTuple):
    """A number, the ends of its interval, and the values that it rests on.

    `beyond` is how many values lie beyond it (of a mean over a tail: are in the tail);
    `method` says how the interval was made.
    """

    value: float
    low: float
    high: float
    beyond: float
    method: str


ORDER_STATISTICS = "order statistics (exact)"
STUDENTISED = f"studentised bootstrap, {intervals.TAIL_DRAWS} resamples"
CLOPPER_PEARSON = "Clopper-Pearson (exact)"
PARETO = "gamma (exact for a Pareto tail)"
BOOTSTRAP = "percentile bootstrap over threshold and exponent"


def quantile(values: npt.ArrayLike, share: float, level: float = LEVEL) -> Estimate:
    """A quantile; an end is infinite where the values are too few to bound it.

    Parameters
    ----------
    values : array, shape (values,)
    share : float
        From 0 to 1.
    level : float
        Confidence, from 0 to 1.
    """
    sample = np.asarray(values, float)
    if len(sample) == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, ORDER_STATISTICS)
    found = float(np.quantile(sample, share))
    ends = intervals.quantile_interval(sample, share, level)
    beyond = int((sample > found).sum())
    return Estimate(found, ends.low, ends.high, beyond, ORDER_STATISTICS)


def value_at_risk(losses: npt.ArrayLike, tail: float, level: float = LEVEL) -> Estimate:
    """The loss that a share `tail` of the runs exceeds: the quantile at ``1 - tail``."""
    return quantile(losses, 1.0 - tail, level)


def runs_for_quantile(share: float, level: float = LEVEL) -> int:
    """Fewest values that bound a quantile from above: ``1 - share**n`` is large enough."""
    if not 0.0 < share < 1.0:
        return 1
    return math.ceil(round(math.log(0.5 - level / 2) / math.log(share), 9))


def expected_shortfall(
    losses: npt.ArrayLike, tail: float, level: float = LEVEL
) -> Estimate:
    """Mean of the share `tail` of largest losses, with a studentised bootstrap interval.

    NaN where the tail is less than one value, without an interval where it is less than
    two; see :func:`analysis.intervals.expected_shortfall_interval`.
    """
    sample = np.asarray(losses, float)
    size = tail * len(sample)
    if len(sample) < _FEWEST:
        return Estimate(math.nan, math.nan, math.nan, size, STUDENTISED)
    found = intervals.expected_shortfall(sample, tail)
    ends = intervals.expected_shortfall_interval(sample, tail, level)
    return Estimate(found, ends.low, ends.high, size, STUDENTISED)


def breach_frequency(breaches: int, runs: int, level: float = LEVEL) -> Estimate:
    """Share of runs that breached, with Clopper and Pearson's exact interval (1934)."""
    share = breaches / runs if runs else math.nan
    ends = intervals.share_interval(breaches, runs, level)
    return Estimate(share, ends.low, ends.high, breaches, CLOPPER_PEARSON)


# --- tails ------------------------------------------------------------------------------


class Tail(NamedTuple):
    """A tail ``P(X > x) ~ x**-exponent`` above a threshold.

    `values` are those above the threshold that the estimate rests on; below an exponent
    of 1 the mean is infinite, below 2 the variance.
    """

    exponent: float
    low: float
    high: float
    threshold: float
    values: int
    method: str


NO_TAIL = Tail(math.nan, math.nan, math.nan, math.nan, 0, PARETO)


def hill(values: npt.ArrayLike, threshold: float, level: float = LEVEL) -> Tail:
    """Hill's estimate (1975) above a stated threshold: the maximum likelihood of a Pareto.

    The interval is exact for a Pareto tail, since its sum of logarithms is gamma.
    """
    sample = np.asarray(values, float)
    above = sample[sample > threshold]
    if len(above) < 2 or threshold <= 0.0:
        return NO_TAIL
    exponent = len(above) / float(np.log(above / threshold).sum())
    ends = stats.gamma.ppf([0.5 - level / 2, 0.5 + level / 2], len(above)) / len(above)
    low, high = exponent * ends
    return Tail(exponent, float(low), float(high), threshold, len(above), PARETO)


def tail_exponent(
    values: npt.ArrayLike, level: float = LEVEL, *, fewest: int = _FEWEST, draws: int = 100
) -> Tail:
    """Hill's estimate above the threshold at which the tail is most like a Pareto.

    The threshold makes the Kolmogorov-Smirnov distance least (Clauset, Shalizi and Newman,
    "Power-law distributions in empirical data", SIAM Review 51, 2009); the bootstrap
    chooses it anew in every resample, so the interval has its uncertainty as well.

    Parameters
    ----------
    values : array, shape (values,)
        Those that are not positive are left out.
    fewest : int
        Least number of values above the threshold.
    draws : int
        Resamples.
    """
    sample = np.asarray(values, float)
    sample = sample[sample > 0.0]
    if len(sample) < 2 * fewest or np.ptp(sample) == 0.0:
        return NO_TAIL
    exponent, threshold, above = _closest_pareto(sample, fewest)
    stream = np.random.default_rng(SEED)
    again = [
        _closest_pareto(stream.choice(sample, len(sample)), fewest)[0] for _ in range(draws)
    ]
    low, high = np.nanquantile(again, [0.5 - level / 2, 0.5 + level / 2])
    return Tail(exponent, float(low), float(high), threshold, above, BOOTSTRAP)


_MOST_THRESHOLDS = 30


def _closest_pareto(sample: Floats, fewest: int) -> tuple[float, float, int]:
    """Exponent, threshold, and values above it, for the threshold of the best fit."""
    logs = np.sort(np.log(sample))
    n = len(logs)
    firsts = np.unique(
        np.linspace(0, n - fewest - 1, min(_MOST_THRESHOLDS, n - fewest)).astype(np.int64)
    )
    best = (math.inf, math.nan, math.nan, 0)
    for first in firsts:
        away = logs[first + 1 :] - logs[first]
        total = float(away.sum())
        if total <= 0.0:
            continue
        exponent = len(away) / total
        share = np.arange(1, len(away) + 1) / len(away)
        fitted = -np.expm1(-exponent * away)
        distance = float(np.maximum(share - fitted, fitted - share + 1 / len(away)).max())
        if distance < best[0]:
            best = (distance, exponent, float(np.exp(logs[first])), len(away))
    return best[1], best[2], best[3]


# --- two at a time ----------------------------------------------------------------------


def tail_dependence(x: npt.ArrayLike, y: npt.ArrayLike, tail: float) -> Estimate:
    """Share of the runs with y among its largest in which x is among its largest, too.

    The empirical coefficient of upper tail dependence at a finite level: `tail` if they
    are independent, 1 if their worst runs are the same. The interval is that of a share.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    worst = max(1, round(tail * len(x)))
    if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return Estimate(math.nan, math.nan, math.nan, 0, CLOPPER_PEARSON)
    # Ties are broken by the order of runs, alike in both.
    in_x, in_y = (np.argsort(np.argsort(-v, kind="stable")) < worst for v in (x, y))
    return breach_frequency(int((in_x & in_y).sum()), worst)
