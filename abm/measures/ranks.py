"""Rank correlations: how alike two orders of the same accounts are.

They are those of ``scipy.stats``, which takes longer to load than a small run takes;
ranks by pandas take four times as long as sorting once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def spearman(first: ArrayLike, last: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if either does not vary."""
    one, other = np.asarray(first, float), np.asarray(last, float)
    if not (_varies(one) and _varies(other)):
        return float("nan")
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean."""
    order = np.argsort(values)
    rising = values[order]
    first = np.flatnonzero(np.append(True, rising[1:] != rising[:-1]))
    count = np.diff(first, append=len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (count + 1) / 2.0, count)
    return ranks


def kendall(first: ArrayLike, last: ArrayLike) -> float:
    """Kendall's tau-b, which allows for ties; NaN if either does not vary.

    Takes O(levels * n log n) for so many different values in `first`, such as six of
    five lights.
    """
    one, other = np.asarray(first, float), np.asarray(last, float)
    if not (_varies(one) and _varies(other)):
        return float("nan")
    level = np.unique(one, return_inverse=True)[1]
    place = np.unique(other, return_inverse=True)[1]
    pairs = math.comb(len(one), 2)
    tied, tied_last = _tied_pairs(level), _tied_pairs(place)
    tied_both = _tied_pairs(level * (place.max() + 1) + place)
    agreeing = pairs - tied - tied_last + tied_both - 2 * _turned_pairs(level, place)
    return agreeing / math.sqrt(pairs - tied) / math.sqrt(pairs - tied_last)


def _tied_pairs(codes: NDArray[np.int64]) -> int:
    counts = np.unique(codes, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _turned_pairs(level: NDArray[np.int64], place: NDArray[np.int64]) -> int:
    """Pairs of which one is on a higher level and has the lower place."""
    turned, below = 0, place[:0]
    for number in range(level.max() + 1):
        here = place[level == number]
        turned += int((len(below) - np.searchsorted(below, here, side="right")).sum())
        below = np.sort(np.concatenate([below, here]))
    return turned


def _varies(values: Floats) -> bool:
    return len(values) > 1 and bool(np.ptp(values) > 0.0)
