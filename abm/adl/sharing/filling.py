"""The level at which everybody's payment adds up to the budget: water-filling.

Two shapes cover the smooth rules. ``min(c, t * w)`` rises from zero in proportion to a
weight until the row is full; ``clip(a + t * b, 0, c)`` may also start late.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from abm.adl.sharing.rounding import round_to_sum
from abm.adl.sharing.selection import payable, real, whole
from abm.compiled import kernel
from abm.world import Array


@kernel
def _fill_level(capacity: Any, weight: Any, budget: int) -> float:
    """The t with ``sum(min(capacity, t * weight)) = budget``; infinite if there is none.

    Newton's method from below on a concave, piecewise linear function: those who cannot
    pay their share pay all they have, the others share what is left. The gap times the
    slope falls by four at least with each pass (as in Dinkelbach's method), so passes
    grow with the digits of the answer and not with n.
    """
    level = 0.0
    while True:
        left = budget
        first = second = 0.0
        for i in range(capacity.shape[0]):
            full = np.float64(capacity[i]) <= level * weight[i]
            left -= capacity[i] if full else 0
            part = 0.0 if full else weight[i]
            # Two sums side by side: one alone would wait for its own last addition.
            if i & 1:
                first += part
            else:
                second += part
        slope = first + second
        if left <= 0:
            return level
        if slope <= 0.0:
            return np.inf
        better = np.float64(left) / slope
        if better <= level:
            return level
        level = better


def fill(capacity: Array, weight: Array, budget: int) -> Array:
    """Whole amounts ``min(capacity, t * weight)`` that sum to the budget.

    Minimises the largest ``x / weight``, and of those the next, and so on. Rows of weight
    zero pay only when all others are full, and then by capacity. O(n) a pass, with few
    passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative.
    budget : int
    """
    capacity, weight = whole(capacity), real(weight)
    budget = payable(capacity, budget)
    level = _fill_level(capacity, weight, budget)
    if not math.isinf(level):
        return round_to_sum(np.minimum(capacity, level * weight), capacity, budget)
    amounts = np.where(weight > 0, capacity, 0)
    rest = capacity - amounts
    left = budget - int(amounts.sum())
    total = max(int(rest.sum()), 1)
    return amounts + round_to_sum(rest * (left / total), rest, left)


@kernel
def _clipped_sum(
    start: Any, weight: Any, capacity: Any, level: float
) -> tuple[float, float, float]:
    """``sum(clip(start + level * weight, 0, capacity))`` and its slopes left and right."""
    total = falling = rising = 0.0
    for i in range(start.shape[0]):
        amount = start[i] + level * weight[i]
        total += min(max(amount, 0.0), capacity[i])
        falling += weight[i] if 0.0 < amount <= capacity[i] else 0.0
        rising += weight[i] if 0.0 <= amount < capacity[i] else 0.0
    return total, falling, rising


def _bracket(start: Array, weight: Array, capacity: Array) -> tuple[float, float]:
    """A level at which nobody who can move pays yet, and one at which all are full."""
    moves = weight > 0
    if not moves.any():
        return 0.0, 0.0
    low = -start[moves] / weight[moves]
    high = (capacity[moves] - start[moves]) / weight[moves]
    return float(low.min()), float(high.max())


def clipped_level(start: Array, weight: Array, capacity: Array, budget: float) -> float:
    """The t with ``sum(clip(start + t * weight, 0, capacity)) = budget``.

    Newton's method within a bracket that halves at least every other pass. At most about
    120 passes of O(n), mostly about ten.

    Parameters
    ----------
    start, weight, capacity : array of float64, shape (n,)
        Weights not negative.
    budget : float
    """
    low, high = _bracket(start, weight, capacity)
    level = 0.5 * (low + high)
    by_slope = True
    while low < high:
        total, falling, rising = _clipped_sum(start, weight, capacity, level)
        missing = budget - total
        if abs(missing) < 0.5:
            # Less than a unit; one more step ends exactly on this linear piece.
            slope = rising if missing > 0 else falling
            return level + missing / slope if slope > 0 else level
        low, high = (level, high) if missing > 0 else (low, level)
        slope = rising if missing > 0 else falling
        guess = level + missing / slope if by_slope and slope > 0 else math.nan
        by_slope = not by_slope
        level = guess if low < guess < high else 0.5 * (low + high)
        if not low < level < high:
            break
    return level


def fill_clipped(start: Array, weight: Array, capacity: Array, budget: int) -> Array:
    """Whole amounts ``clip(start + t * weight, 0, capacity)`` that sum to the budget.

    Parameters
    ----------
    start, weight : array of float64, shape (n,)
        Weights not negative.
    capacity : array of int64, shape (n,)
    budget : int
    """
    capacity, start, weight = whole(capacity), real(start), real(weight)
    budget = payable(capacity, budget)
    room = capacity.astype(np.float64)
    level = clipped_level(start, weight, room, budget)
    return round_to_sum(np.clip(start + level * weight, 0.0, room), capacity, budget)
