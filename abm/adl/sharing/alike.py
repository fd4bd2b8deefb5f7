"""The smallest possible largest haircut in whole lots that are all worth the same."""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.filling import scaled
from abm.adl.sharing.selection import payable, whole
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
    capacity, normaliser = whole(capacity), np.maximum(scaled(normaliser), 0.0)
    budget = payable(capacity, budget)
    able = np.where(normaliser > 0, capacity, 0)
    if budget >= int(able.sum()):
        left = budget - int(able.sum())
        rest = capacity - able
        return np.asarray(able + np.clip(left - (np.cumsum(rest) - rest), 0, rest))
    low, high = _bracket(able, normaliser, budget)
    while low < (middle := 0.5 * (low + high)) < high:
        if int(_within(able, normaliser, middle).sum()) >= budget:
            high = middle
        else:
            low = middle
    amounts = _within(able, normaliser, high)
    last = (amounts - _within(able, normaliser, low))[::-1]
    spare = int(amounts.sum()) - budget
    back = np.clip(spare - (np.cumsum(last) - last), 0, last)
    return np.asarray(amounts - back[::-1])


def _bracket(capacity: Array, normaliser: Array, budget: int) -> tuple[float, float]:
    """A bound that is too low and one, at most twice as high, that meets the budget."""
    # Whole amounts sum to at most M * normaliser.sum(): half of the budget at the first.
    low = 0.5 * max(budget, 1) / float(normaliser.sum())
    high = 2.0 * low
    while int(_within(capacity, normaliser, high).sum()) < budget:
        low, high = high, 2.0 * high
    return low, high


def _within(capacity: Array, normaliser: Array, bound: float) -> Array:
    """The most that each can give with a ratio of at most the bound."""
    exact = np.floor(bound * normaliser)
    is_full = exact >= capacity
    return np.where(is_full, capacity, np.where(is_full, 0.0, exact).astype(np.int64))
