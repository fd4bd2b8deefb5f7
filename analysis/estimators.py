"""Estimators of stylised facts from one series; NaN where it is too short to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

_FEWEST = 30
_FEWEST_EXTREMES = 5


def tail_exponent(values: npt.ArrayLike, share: float = 0.05) -> float:
    """Hill's estimator of the exponent of the survival function of absolute values.

    Parameters
    ----------
    share : float
        Part of the values that is taken as the tail (Hill 1975, Annals of Statistics 3).
    """
    ordered = np.sort(np.abs(np.asarray(values, float)))[::-1]
    ordered = ordered[ordered > 0.0]
    count = int(share * len(ordered))
    if count < _FEWEST_EXTREMES:
        return np.nan
    logs = np.log(ordered[:count] / ordered[count])
    return float(1.0 / logs.mean()) if logs.any() else np.nan


def excess_kurtosis(values: Floats) -> float:
    """Kurtosis less 3, without bias for normal values."""
    if len(values) < 4 or np.ptp(values) == 0.0:
        return np.nan
    return float(stats.kurtosis(values, bias=False))


def skewness(values: Floats) -> float:
    """Third standardised moment."""
    if len(values) < _FEWEST or np.ptp(values) == 0.0:
        return np.nan
    return float(stats.skew(values, bias=False))


def autocorrelation(values: Floats, lag: int) -> float:
    """Correlation of a series with itself `lag` places later."""
    if len(values) < _FEWEST + lag or np.ptp(values) == 0.0:
        return np.nan
    away = values - values.mean()
    return float(away[lag:] @ away[:-lag] / (away @ away))


def memory_exponent(values: Floats) -> float:
    """Power of the lag by which the autocorrelation of absolute values decays.

    Least squares of logarithms over lags of 1 to a twentieth of the series, spaced evenly
    in the logarithm, up to the first one whose correlation is not positive.
    """
    longest = len(values) // 20
    if longest < 4:
        return np.nan
    lags = np.unique(np.geomspace(1, longest, 12).astype(int))
    found = np.array([autocorrelation(np.abs(values), int(lag)) for lag in lags])
    stop = int(np.argmax(~(found > 0.0))) if not (found > 0.0).all() else len(found)
    return -elasticity(lags[:stop], found[:stop])


def leverage_effect(values: Floats) -> float:
    """Correlation of a return with the next absolute return."""
    if len(values) < _FEWEST or np.ptp(values) == 0.0:
        return np.nan
    return float(np.corrcoef(values[:-1], np.abs(values[1:]))[0, 1])


def elasticity(x: Any, y: Any) -> float:
    """Slope of log y over log x by least squares, where both are positive."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = (x > 0.0) & (y > 0.0) & np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3 or np.ptp(x[known]) == 0.0:
        return np.nan
    return float(stats.linregress(np.log(x[known]), np.log(y[known])).slope)
