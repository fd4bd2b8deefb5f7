"""The smallest possible largest haircut in whole lots that are all worth the same."""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.selection import payable, real, whole
from abm.world import Array


def min_max_alike(capacity: Array, normaliser: Array, budget: int) -> Array:
    """Whole amounts that minimise the largest ``x / normaliser``.

    The min-max integer program of arXiv 2512.01112 for one market, where a lot is worth
    the same to all: at a bound M on the largest ratio row i can give ``min(capacity,
    floor(M * normaliser))``, so the least M that meets the budget is found by bisection.
    Where several rows reach it with their last unit, the later ones are spared. O(n) a
    pass, about 60 passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    normaliser : array of float64, shape (n,)
        Rows of zero are asked only when all others are full.
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    capacity, normaliser = whole(capacity), np.maximum(real(normaliser), 0.0)
    budget = payable(capacity, budget)
    able: Array = np.where(normaliser > 0, capacity, 0)
    if budget >= int(able.sum()):
        left = budget - int(able.sum())
        rest: Array = capacity - able
        return np.asarray(able + np.clip(left - (np.cumsum(rest) - rest), 0, rest))
    rows = np.flatnonzero(able)
    low, high = 0.0, float((able[rows] / normaliser[rows]).max(initial=0.0)) * 2.0
    while low < (middle := 0.5 * (low + high)) < high:
        if int(_within(able, normaliser, middle).sum()) >= budget:
            high = middle
        else:
            low = middle
    amounts = _within(able, normaliser, high)
    # One unit a row, or as many as lie between two floats; the last rows get them back.
    gained = (amounts - _within(able, normaliser, low))[::-1]
    spare = int(amounts.sum()) - budget
    amounts -= np.clip(spare - (np.cumsum(gained) - gained), 0, gained)[::-1]
    return amounts


def _within(capacity: Array, normaliser: Array, bound: float) -> Array:
    """The most that each can give with a ratio of at most the bound."""
    most = np.where(normaliser > 0, np.floor(bound * normaliser), 0.0)
    fits = most < capacity.astype(np.float64)
    return np.where(fits, np.where(fits, most, 0.0).astype(np.int64), capacity)
