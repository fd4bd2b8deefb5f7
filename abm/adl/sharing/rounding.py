"""From real amounts to whole ones: five rules, each with its bound on the sum.

`round_to_sum` is exact and what every allocation rule here ends with. The others are
what venues and studies do instead; they miss the budget by what they state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from abm.adl.sharing.selection import (
    equal_award,
    find_marginal,
    keys_of,
    payable,
    real,
    take_by_key,
    whole,
)
from abm.compiled import inlined, kernel
from abm.world import Array


class Rounded(NamedTuple):
    """Whole amounts, and the least and the most that this rule can make them sum to."""

    amounts: Array
    least: int
    most: int


Rounding = Callable[[Array, Array, int], Rounded]
"""Takes real amounts, capacities and the budget that the amounts should sum to."""


@inlined
def floor_row(exact: float, most: int) -> tuple[Any, float]:
    """The whole part of an amount within capacity, and what is left of it."""
    amount: Any = most
    if exact < np.float64(most):
        amount = min(most, np.int64(exact)) if exact > 0.0 else 0
    rest = exact - np.float64(amount)
    return amount, rest if rest > 0.0 else 0.0


@kernel
def _floor(exact: Any, capacity: Any, amounts: Any, rest: Any) -> int:
    """Whole parts within capacity, what is left of each, and the sum of whole parts."""
    total = 0
    for i in range(exact.shape[0]):
        amounts[i], rest[i] = floor_row(exact[i], capacity[i])
        total += amounts[i]
    return total


@kernel
def _open_rows(amounts: Any, capacity: Any, is_open: Any) -> int:
    """Mark the rows below capacity with one; return how many they are."""
    count = 0
    for i in range(amounts.shape[0]):
        is_open[i] = 1 if amounts[i] < capacity[i] else 0
        count += is_open[i]
    return count


@kernel
def _add_units(keys: Any, is_open: Any, marginal: Any, left: int, amounts: Any) -> None:
    """One unit more to open rows above the marginal key and the first ones at it."""
    for i in range(keys.shape[0]):
        if is_open[i] == 0:
            continue
        if keys[i] > marginal:
            amounts[i] += 1
        elif keys[i] == marginal and left > 0:
            amounts[i] += 1
            left -= 1


def hand_out(amounts: Array, keys: Array, capacity: Array, missing: int) -> Array:
    """`missing` units, one to every row below capacity in turn, the last by key.

    Changes and returns `amounts`.
    """
    is_open = np.empty_like(amounts)
    count = _open_rows(amounts, capacity, is_open)
    if missing >= count > 0:
        room = capacity - amounts
        if missing == int(room.sum()):
            return capacity.copy()
        rounds = equal_award(room, missing)
        gained = np.minimum(room, rounds)
        amounts += gained
        missing -= int(gained.sum())
        _open_rows(amounts, capacity, is_open)
    if missing:
        marginal, left = find_marginal(keys, is_open, missing)
        _add_units(keys, is_open, marginal, left, amounts)
    return amounts


def round_to_sum(exact: Array, capacity: Array, budget: int) -> Array:
    """Whole amounts next to real ones, within capacity, that sum to the budget.

    Largest remainder (Hamilton's method), ties to the earlier row. It minimises the sum
    of distances to the real amounts. Where floats cannot tell real amounts to the unit,
    what is missing goes round in turns. O(n).

    Parameters
    ----------
    exact : array of float64, shape (n,)
        Should sum to the budget; whatever they sum to, the whole amounts do.
    capacity : array of int64, shape (n,)
    budget : int
        From 0 to the sum of capacities.
    """
    capacity, exact = whole(capacity), real(exact)
    amounts, rest = np.empty_like(capacity), np.empty_like(exact)
    missing = budget - _floor(exact, capacity, amounts, rest)
    return complete(amounts, rest, capacity, missing)


def complete(amounts: Array, rest: Array, capacity: Array, missing: int) -> Array:
    """Add what whole parts lack to the largest remainders; take back if they exceed.

    Changes and returns `amounts`.

    Parameters
    ----------
    amounts, capacity : array of int64, shape (n,)
    rest : array of float64, shape (n,)
        Not negative, so that their bits order as they do.
    missing : int
    """
    keys = rest.view(np.uint64)
    if missing > 0:
        return hand_out(amounts, keys, capacity, missing)
    if missing < 0:
        # Backwards: of equal remainders the later row gives its unit up.
        paid = amounts[::-1].copy()
        back = hand_out(np.zeros_like(paid), ~keys[::-1], paid, -missing)
        amounts -= back[::-1]
    return amounts


def largest_remainder(exact: Array, capacity: Array, budget: int) -> Rounded:
    """The exact one: see :func:`round_to_sum`."""
    budget = payable(capacity, budget)
    return Rounded(round_to_sum(exact, capacity, budget), budget, budget)


def floor(exact: Array, capacity: Array, budget: int) -> Rounded:
    """Whole parts only; undershoots by one unit at most a payer with a fraction. O(n)."""
    capacity, exact = whole(capacity), real(exact)
    amounts, rest = np.empty_like(capacity), np.empty_like(exact)
    _floor(exact, capacity, amounts, rest)
    lost = int(np.count_nonzero(rest > 0))
    budget = payable(capacity, budget)
    return Rounded(amounts, max(budget - lost, 0), budget)


def ceil(exact: Array, capacity: Array, budget: int) -> Rounded:
    """The next whole amount up; overshoots by one unit at most a payer. O(n)."""
    amounts = _up(np.ceil(exact), capacity)
    budget = payable(capacity, budget)
    gained = int(np.count_nonzero(amounts > exact))
    return Rounded(amounts, budget, min(budget + gained, int(capacity.sum())))


def _up(real_amounts: Array, capacity: Array) -> Array:
    """Real whole numbers as int64 within capacity, also where they exceed int64."""
    inside = real_amounts < capacity.astype(np.float64)
    return np.where(inside, np.where(inside, real_amounts, 0.0).astype(np.int64), capacity)


def whole_positions(exact: Array, capacity: Array, budget: int) -> Rounded:
    """Rows are taken whole, those of the largest share first, until the budget is met.

    A queue's marginal payer is closed in full, as on venues that close positions whole:
    ``budget <= sum < budget + (largest capacity taken)``, the granularity bound (arXiv
    2512.01112 has it as the size of the marginal position). O(n).
    """
    capacity, exact = whole(capacity), real(exact)
    budget = payable(capacity, budget)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(capacity > 0, exact / capacity, 0.0)
    touched = take_by_key(keys_of(share), capacity, budget) > 0
    amounts = np.where(touched, capacity, 0)
    if not touched.any():
        return Rounded(amounts, 0, 0)
    most = budget + int(capacity[touched].max()) - 1
    return Rounded(amounts, budget, min(most, int(capacity.sum())))


def fixed_point_scaling(exact: Array, capacity: Array, budget: int) -> Rounded:
    """Floor of ``scale * exact`` at the smallest scale that reaches the budget.

    The scale is found by doubling from 1 and bisection to the last bit of a float. All
    rows that reach a whole number at that scale gain a unit together:
    ``budget <= sum < budget + n``. Rows whose real amount is 0 never pay, so the budget
    is that of the others at most. O(n log(1 / eps)).
    """
    capacity, exact = whole(capacity), real(exact)
    pays = exact > 0
    capacity = np.where(pays, capacity, 0)
    budget = payable(capacity, budget)
    gained = max(int(np.count_nonzero(pays)) - 1, 0)
    most = min(budget + gained, int(capacity.sum()))
    amounts, rest = np.empty_like(capacity), np.empty_like(exact)

    def reached(scale: float) -> bool:
        with np.errstate(over="ignore"):
            return bool(_floor(scale * exact, capacity, amounts, rest) >= budget)

    low, high = 0.0, 1.0
    while not reached(high):
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if reached(middle):
            high = middle
        else:
            low = middle
    reached(high)
    return Rounded(amounts, budget, most)


ROUNDINGS: dict[str, Rounding] = {
    "largest-remainder": largest_remainder,
    "floor": floor,
    "ceil": ceil,
    "whole-positions": whole_positions,
    "fixed-point-scaling": fixed_point_scaling,
}
