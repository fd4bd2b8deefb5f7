"""Who comes before the marginal row: selection by key, without sorting.

The rows that pay in full under a queue are known once its marginal row is: everybody
with a larger key. That row is found digit by digit (a radix selection weighted by
capacity), in a number of passes that does not depend on the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import inlined, kernel
from abm.world import Array

_DIGIT_BITS = 11
_DIGITS = 6  # of 11 bits: 64 and two to spare
_TOP_BIT = np.uint64(1 << 63)


def whole(values: Any) -> Array:
    """Values as the array of int64 that the kernels are compiled for."""
    return _as_compiled(values, np.int64)


def real(values: Any) -> Array:
    """Values as the array of float64 that the kernels are compiled for."""
    return _as_compiled(values, np.float64)


def _as_compiled(values: Any, kind: type) -> Array:
    # `require` takes longer to see that there is nothing to do than a kernel runs.
    if isinstance(values, np.ndarray) and values.dtype == kind and values.flags.carray:
        return values
    return np.require(values, kind, ("C", "W", "A"))


def payable(capacity: Array, budget: int) -> int:
    """The part of a budget that the capacities can pay."""
    return max(0, min(int(budget), int(capacity.sum())))


@kernel
def _order_bits(bits: Any, keys: Any) -> None:
    """Bits of floats as unsigned integers in the same order; both zeros are one."""
    for i in range(bits.shape[0]):
        b = bits[i]
        if b == _TOP_BIT:
            keys[i] = _TOP_BIT
        elif b & _TOP_BIT:
            keys[i] = ~b
        else:
            keys[i] = b | _TOP_BIT


def keys_of(score: Array) -> Array:
    """Unsigned integers that order like the scores.

    Parameters
    ----------
    score : array of float64, shape (n,)
        No NaN.

    Returns
    -------
    array of uint64, shape (n,)
    """
    score = real(score)
    keys = np.empty(len(score), np.uint64)
    _order_bits(score.view(np.uint64), keys)
    return keys


@inlined
def _marginal_digit(sums: Any, left: int) -> tuple[int, int]:
    """The digit within which the budget ends, and what is left of it there."""
    digit = sums.shape[0] - 1
    while left >= sums[digit]:
        left -= sums[digit]
        digit -= 1
    return digit, left


@kernel
def _find_marginal(keys: Any, capacity: Any, budget: int, sums: Any) -> tuple[Any, int]:
    """The key at which a queue ends, and the budget that its rows share.

    `sums` is room for one sum a digit. The budget must be below the sum of capacities.
    """
    prefix = np.uint64(0)
    left = budget
    shift = 64
    width = _DIGIT_BITS
    for _ in range(_DIGITS):
        known = np.uint64(shift)
        width = min(_DIGIT_BITS, shift)
        shift -= width
        down = np.uint64(shift)
        mask = np.uint64((1 << width) - 1)
        sums[:] = 0
        if known == np.uint64(64):  # shifting by a whole word is undefined
            for i in range(keys.shape[0]):
                sums[np.int64(keys[i] >> down)] += capacity[i]
        else:
            for i in range(keys.shape[0]):
                if keys[i] >> known == prefix:
                    sums[np.int64((keys[i] >> down) & mask)] += capacity[i]
        digit, left = _marginal_digit(sums, left)
        prefix = (prefix << np.uint64(width)) | np.uint64(digit)
    return prefix, left


@kernel
def _take_first(keys: Any, capacity: Any, marginal: Any, left: int, amounts: Any) -> None:
    """All from above the marginal key; at it, row by row until nothing is left."""
    for i in range(keys.shape[0]):
        if keys[i] > marginal:
            amounts[i] = capacity[i]
        elif keys[i] == marginal:
            amounts[i] = min(left, capacity[i])
            left -= amounts[i]
        else:
            amounts[i] = 0


def find_marginal(keys: Array, capacity: Array, budget: int) -> tuple[np.uint64, int]:
    """The key at which a queue by falling key ends, and what its rows must share.

    Parameters
    ----------
    keys : array of uint64, shape (n,)
    capacity : array of int64, shape (n,)
    budget : int
        From 0 to below the sum of capacities.
    """
    sums = np.empty(1 << _DIGIT_BITS, np.int64)
    key, left = _find_marginal(keys, capacity, budget, sums)
    return np.uint64(key), int(left)


def take_first(keys: Array, capacity: Array, marginal: np.uint64, left: int) -> Array:
    """What a queue takes, given where it ends (see :func:`find_marginal`)."""
    amounts = np.empty_like(capacity)
    _take_first(keys, capacity, marginal, left, amounts)
    return amounts


def take_by_key(keys: Array, capacity: Array, budget: int) -> Array:
    """Take all from the largest key, then the next, ties in the order of rows.

    O(n), whatever the keys.
    """
    total = int(capacity.sum())
    if budget >= total:
        return capacity.copy()
    budget = max(0, int(budget))
    marginal, left = find_marginal(keys, capacity, budget)
    return take_first(keys, capacity, marginal, left)


@kernel
def _equal_award(room: Any, budget: int) -> int:
    """The largest L with ``sum(min(room, L)) <= budget``.

    Rows that have less room than an equal share are full; the rest share what they
    leave, until nobody else is full. The budget must be below the sum of room.
    """
    level = 0
    while True:
        left, count = budget, 0
        for i in range(room.shape[0]):
            if room[i] <= level:
                left -= room[i]
            else:
                count += 1
        better = left // count
        if better <= level:
            return level
        level = better


def equal_award(room: Array, budget: int) -> int:
    """The largest whole L with ``sum(min(room, L)) <= budget``."""
    return int(_equal_award(whole(room), budget))
