"""The level at which everybody's payment adds up to the budget: water-filling.

Two shapes cover the smooth rules. ``min(c, t * w)`` rises from zero in proportion to a
weight until the row is full; ``clip(a + t * b, 0, c)`` may also start late.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from abm.adl.sharing.rounding import complete, floor_row, round_to_sum
from abm.adl.sharing.selection import payable, real, whole
from abm.compiled import kernel
from abm.world import Array

_VANISHED = 2.0**-800
"""Weights smaller than this part of the largest count as none: products of what is left
with whole amounts stay within the range of floats."""


def scaled(weight: Array) -> Array:
    """Weights times the power of two that brings the largest to between 1/2 and 1.

    Exact, so ratios stay what they are, whatever the magnitude of the weights; those that
    are less than 2**-800 of the largest vanish.

    Parameters
    ----------
    weight : array of float64, shape (n,)
    """
    weight = np.minimum(real(weight), sys.float_info.max)
    exponent = math.frexp(float(weight.max(initial=0.0)))[1]
    # In two steps, since the power of two itself may be out of range.
    half = exponent // 2
    weight *= 2.0**-half
    weight *= 2.0 ** (half - exponent)
    weight[np.abs(weight) < _VANISHED] = 0.0
    return weight


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
        if not better > level:
            return level
        level = better


@kernel
def _floor_filled(capacity: Any, weight: Any, level: float, amounts: Any, rest: Any) -> int:
    """Whole parts of ``min(capacity, level * weight)``, what is left, and their sum."""
    total = 0
    for i in range(capacity.shape[0]):
        amounts[i], rest[i] = floor_row(level * weight[i], capacity[i])
        total += amounts[i]
    return total


@kernel
def _floor_clipped(
    start: Any, weight: Any, capacity: Any, level: float, amounts: Any, rest: Any
) -> int:
    """Whole parts of ``clip(start + level * weight, 0, capacity)``, and so on."""
    total = 0
    for i in range(capacity.shape[0]):
        exact = start[i] + level * weight[i]
        amounts[i], rest[i] = floor_row(exact, capacity[i])
        total += amounts[i]
    return total


def fill(capacity: Array, weight: Array, budget: int) -> Array:
    """Whole amounts ``min(capacity, t * weight)`` that sum to the budget.

    Minimises the largest ``x / weight``, and of those the next, and so on. Rows of weight
    zero pay only when all others are full, and then by capacity. O(n) a pass, with few
    passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative, of any magnitude; see :func:`scaled`.
    budget : int
    """
    capacity, weight = whole(capacity), scaled(weight)
    budget = payable(capacity, budget)
    level = _fill_level(capacity, weight, budget)
    if not math.isinf(level):
        amounts, rest = np.empty_like(capacity), np.empty_like(weight)
        paid = _floor_filled(capacity, weight, level, amounts, rest)
        return complete(amounts, rest, capacity, budget - paid)
    amounts = np.where(weight > 0, capacity, 0)
    unpaid = budget - int(amounts.sum())
    room = capacity - amounts
    share = unpaid / max(int(room.sum()), 1)
    return amounts + round_to_sum(room * share, room, unpaid)


@kernel
def _linear_piece(
    start: Any, weight: Any, capacity: Any, level: float
) -> tuple[float, float]:
    """`intercept` and `slope` of ``sum(clip(start + t * weight, 0, capacity))`` at a level.

    Rows at a bound count with the bound, the others with their line.
    """
    intercept = slope = 0.0
    for i in range(start.shape[0]):
        amount = start[i] + level * weight[i]
        within = min(max(amount, 0.0), capacity[i])
        rate = weight[i] if 0.0 < amount < capacity[i] else 0.0
        slope += rate
        intercept += within - level * rate
    return intercept, slope


def halfway(low: float, high: float) -> float:
    """The float in the middle of all floats between two: a mean of any magnitudes."""
    bits = np.array([low, high]).view(np.int64)
    # Negative floats have the order of their bits turned.
    a, b = (int(x) if x >= 0 else -(int(x) & _MAGNITUDE) for x in bits)
    middle = (a + b) // 2
    magnitude = np.array([abs(middle)]).view(np.float64)[0]
    return math.copysign(float(magnitude), middle)


_MAGNITUDE = (1 << 63) - 1
"""All bits of a float but its sign."""

_LAST_BITS = 1e-15
"""Steps as short as this are the rounding of a sum."""


def clipped_level(start: Array, weight: Array, capacity: Array, budget: float) -> float:
    """The t with ``sum(clip(start + t * weight, 0, capacity)) = budget``.

    Newton's method; a step that leaves the bracket or follows one that did not halve the
    gap is replaced by bisection over the floats themselves, so that it cannot circle and
    levels of any magnitude are found. It ends when a step stays on its linear piece.
    Mostly about ten passes of O(n), at most about 200.

    Parameters
    ----------
    start, weight, capacity : array of float64, shape (n,)
        Weights not negative.
    budget : float
    """
    low, high = -sys.float_info.max, sys.float_info.max
    intercept, slope = float(start.sum()), float(weight.sum())
    level = (budget - intercept) / slope if slope > 0 else 0.0
    before = math.inf
    while True:
        intercept, slope = _linear_piece(start, weight, capacity, level)
        missing = budget - (intercept + slope * level)
        if missing == 0.0:
            return level
        low, high = (level, high) if missing > 0 else (low, level)
        guess = (budget - intercept) / slope if slope > 0 else math.nan
        if math.isclose(guess, level, rel_tol=_LAST_BITS, abs_tol=0.0):
            return level
        if not low < guess < high or abs(missing) > 0.5 * before:
            guess = halfway(low, high)
            if not low < guess < high:
                return level
        before, level = abs(missing), guess


def fill_clipped(start: Array, weight: Array, capacity: Array, budget: int) -> Array:
    """Whole amounts ``clip(start + t * weight, 0, capacity)`` that sum to the budget.

    Parameters
    ----------
    start, weight : array of float64, shape (n,)
        Weights not negative, of any magnitude; see :func:`scaled`.
    capacity : array of int64, shape (n,)
    budget : int
    """
    capacity, start, weight = whole(capacity), real(start), scaled(weight)
    budget = payable(capacity, budget)
    room = capacity.astype(np.float64)
    level = clipped_level(start, weight, room, budget)
    amounts, rest = np.empty_like(capacity), np.empty_like(start)
    paid = _floor_clipped(start, weight, capacity, level, amounts, rest)
    return complete(amounts, rest, capacity, budget - paid)
