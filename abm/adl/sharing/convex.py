"""Convex penalties: minimise ``sum(weight * phi(x / capacity))`` under the budget.

phi is increasing and strictly convex, so the optimum has one multiplier mu for all:
``x / capacity`` is where ``phi'`` equals ``mu * capacity / weight``, or at a bound. The
multiplier is found by the dual, one dimension whatever n.

With ``weight = capacity`` everybody's share is the same, which is pro-rata for any phi;
with equal weights the large pay more than in proportion. The designs are from the
public notes that accompany arXiv 2512.01112. Rows of weight zero mind nothing and pay
first, by capacity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abm.adl.sharing.filling import fill, fill_clipped, scaled
from abm.adl.sharing.proportional import pro_rata
from abm.adl.sharing.rounding import round_to_sum
from abm.adl.sharing.selection import payable, whole
from abm.world import Array

_Share = Callable[[Array, Array, int], Array]


def power_penalty(
    capacity: Array, weight: Array, budget: int, *, power: float = 2.0
) -> Array:
    """``phi(h) = h**power`` for a power above 1; 2 is the quadratic penalty.

    The optimum is ``min(capacity, t * capacity * (capacity / weight)**(1 / (power - 1)))``:
    water-filling. O(n) a pass, with few passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative.
    budget : int
    power : float
        Above 1. Very near to it the weights of the small underflow; they then pay last,
        by capacity.
    """

    def share(capacity: Array, weight: Array, budget: int) -> Array:
        return fill(capacity, _tilted(capacity, weight, 1.0 / (power - 1.0)), budget)

    return _free_first(capacity, weight, budget, share)


def _tilted(capacity: Array, weight: Array, exponent: float) -> Array:
    """``capacity * (capacity / weight)**exponent`` up to a factor, safe from overflow."""
    density = capacity / weight
    largest = density.max(initial=0.0)
    if largest == 0.0:
        return density
    density /= largest
    if exponent != 1.0:
        density **= exponent
    density *= capacity
    return density


def exponential_penalty(
    capacity: Array, weight: Array, budget: int, *, rate: float = 1.0
) -> Array:
    """``phi(h) = exp(rate * h)`` for a positive rate.

    The optimum is ``capacity * clip((m + log(capacity / weight)) / rate, 0, 1)``: unlike
    under a power, the small pay nothing until the large have paid enough. O(n) a pass,
    about ten passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative.
    budget : int
    rate : float
    """

    def share(capacity: Array, weight: Array, budget: int) -> Array:
        slope = capacity / rate
        density = capacity / weight
        density[capacity == 0] = 1.0
        return fill_clipped(slope * np.log(density), slope, capacity, budget)

    return _free_first(capacity, weight, budget, share)


def convex_penalty(
    capacity: Array, weight: Array, budget: int, *, inverse: Callable[[Array], Array]
) -> Array:
    """Any increasing, strictly convex phi, given by the inverse of its derivative.

    Bisection of the logarithm of the multiplier: about 70 calls of `inverse`.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative.
    budget : int
    inverse : callable
        Takes an array of positive slopes to the shares at which phi has them, rising;
        may answer outside 0 to 1.
    """

    def share(capacity: Array, weight: Array, budget: int) -> Array:
        slope = capacity / weight

        def amounts(log_multiplier: float) -> Array:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                shares = np.clip(inverse(slope * np.exp(log_multiplier)), 0.0, 1.0)
            return np.where(capacity > 0, capacity * shares, 0.0)

        low, high = _log_bracket(lambda level: float(amounts(level).sum()), budget)
        while low < (middle := 0.5 * (low + high)) < high:
            missing = budget - float(amounts(middle).sum())
            if abs(missing) < 0.5:
                break
            low, high = (middle, high) if missing > 0 else (low, middle)
        return round_to_sum(amounts(middle), capacity, budget)

    return _free_first(capacity, weight, budget, share)


_LARGEST_LOG = 700.0
"""About the logarithm of the largest float: no multiplier lies beyond."""


def _log_bracket(total: Callable[[float], float], budget: int) -> tuple[float, float]:
    """Logarithms of a multiplier that gives too little and of one that gives enough."""
    low, high, step = -1.0, 1.0, 2.0
    while total(high) < budget and high < _LARGEST_LOG:
        low, high, step = high, high + step, 2.0 * step
    while total(low) > budget and low > -_LARGEST_LOG:
        low, high, step = low - step, low, 2.0 * step
    return low, high


def _free_first(capacity: Array, weight: Array, budget: int, share: _Share) -> Array:
    """Rows without a penalty pay first; the others share what they leave."""
    capacity, weight = whole(capacity), scaled(weight)
    budget = payable(capacity, budget)
    free = weight <= 0
    if not free.any():
        return share(capacity, weight, budget)
    amounts = np.empty_like(capacity)
    amounts[free] = pro_rata(capacity[free], budget)
    left = budget - int(amounts[free].sum())
    amounts[~free] = share(capacity[~free], weight[~free], left)
    return amounts
