"""Rank correlations: how alike two orders of the same accounts are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def spearman(first: ArrayLike, last: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if either does not vary."""
    one, other = np.asarray(first, float), np.asarray(last, float)
    if not (_varies(one) and _varies(other)):
        return float("nan")
    ranks = [pd.Series(values).rank().to_numpy() for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def kendall(first: ArrayLike, last: ArrayLike) -> float:
    """Kendall's tau-b, which allows for ties; NaN if either does not vary."""
    one, other = np.asarray(first, float), np.asarray(last, float)
    if not (_varies(one) and _varies(other)):
        return float("nan")
    from scipy import stats  # slow to load, and few runs ask

    return float(stats.kendalltau(one, other).statistic)


def _varies(values: Floats) -> bool:
    return len(values) > 1 and bool(np.ptp(values) > 0.0)
