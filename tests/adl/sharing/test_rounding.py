"""Rounding: what each rule promises about the sum, it keeps."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from abm.adl.sharing.rounding import ROUNDINGS, fixed_point_scaling, round_to_sum
from tests.adl.sharing.books import Wave, wave


@functools.cache
def waves() -> list[Wave]:
    rng = np.random.default_rng(1)
    return [wave(rng, largest_bits=45) for _ in range(10_000)]


@pytest.mark.parametrize("name", ROUNDINGS)
def test_the_sum_is_within_the_bound_that_the_rule_states(name):
    for book in waves()[: 10_000 if name != "fixed-point-scaling" else 1000]:
        total = int(book.capacity.sum())
        budget = max(0, min(book.budget, total))
        exact = book.capacity * (budget / max(total, 1))
        amounts, least, most = ROUNDINGS[name](exact, book.capacity, budget)
        assert ((amounts >= 0) & (amounts <= book.capacity)).all()
        assert least <= int(amounts.sum()) <= most
        n = len(amounts)
        slack = {"floor": (n, 0), "ceil": (0, n), "fixed-point-scaling": (0, n),
                 "largest-remainder": (0, 0)}  # fmt: skip
        if name in slack and n:
            assert budget - slack[name][0] <= least <= most <= budget + slack[name][1]


EXACT = np.array([2.6, 3.3, 0.0, 4.1])
CAPACITY = np.array([5, 4, 9, 5])


@pytest.mark.parametrize(
    ("name", "budget", "amounts"),
    [
        ("largest-remainder", 10, [3, 3, 0, 4]),
        ("floor", 10, [2, 3, 0, 4]),
        ("ceil", 10, [3, 4, 0, 5]),
        ("whole-positions", 9, [0, 4, 0, 5]),
        ("fixed-point-scaling", 9, [2, 3, 0, 4]),
        ("fixed-point-scaling", 10, [3, 3, 0, 4]),
    ],
)
def test_by_hand(name, budget, amounts):
    assert ROUNDINGS[name](EXACT, CAPACITY, budget).amounts.tolist() == amounts


def test_whole_positions_overshoot_by_less_than_the_largest_taken():
    rng = np.random.default_rng(2)
    for _ in range(500):
        capacity = rng.integers(1, 10**9, 10)
        budget = int(rng.random() * capacity.sum())
        exact = np.minimum(capacity, rng.random(10) * capacity)
        amounts = ROUNDINGS["whole-positions"](exact, capacity, budget).amounts
        assert set((amounts / capacity).tolist()) <= {0.0, 1.0}
        assert budget <= amounts.sum() < budget + max(amounts.max(), 1)


def test_the_scale_found_is_the_smallest_that_reaches_the_budget():
    rng = np.random.default_rng(3)
    for _ in range(100):
        capacity = rng.integers(1, 50, 6)
        exact = rng.random(6) * capacity
        budget = int(exact.sum())
        amounts = fixed_point_scaling(exact, capacity, budget).amounts
        # A row enters a unit exactly where scale * exact passes it.
        scales = np.sort(np.concatenate([np.arange(1, 60) / e for e in exact]))
        sums = [np.minimum(s * exact * (1 + 1e-12), capacity).astype(int).sum()
                for s in scales]  # fmt: skip
        smallest = next((s for s in sums if s >= budget), None)
        assert amounts.sum() == (smallest if budget > 0 else 0)


def test_what_floats_cannot_tell_goes_round_in_turns():
    capacity = np.full(3, 2**60)
    exact = np.full(3, float(2**59))
    budget = 3 * 2**59 + 1000
    amounts = round_to_sum(exact, capacity, budget)
    assert (amounts - 2**59).tolist() == [334, 333, 333]
    assert round_to_sum(exact, capacity, budget - 2000).sum() == budget - 2000


def test_units_that_exceed_the_budget_come_back_from_the_smallest_remainders():
    exact, capacity = np.array([2.9, 2.1, 2.1, 3.5]), np.full(4, 9)
    assert round_to_sum(exact, capacity, 8).tolist() == [2, 2, 1, 3]
    assert round_to_sum(exact, capacity, 3).tolist() == [1, 0, 0, 2]
