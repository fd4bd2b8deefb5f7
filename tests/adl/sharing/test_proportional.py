"""Pro-rata, capped, by weight and by risk: exact, optimal, and as published."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize

from abm.adl.sharing.proportional import (
    by_weight,
    capped_pro_rata,
    pro_rata,
    risk_weighted,
)
from abm.adl.sharing.weights import cvar, linear, power
from tests.adl.sharing.books import wave


def _by_fractions(capacity, budget):
    """Largest remainder in exact rational numbers."""
    total = sum(capacity)
    exact = [Fraction(c * budget, total) for c in capacity]
    amounts = [int(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda row: amounts[row] - exact[row])
    for row in order[: budget - sum(amounts)]:
        amounts[row] += 1
    return amounts


def test_pro_rata_is_the_exact_largest_remainder_up_to_the_largest_numbers():
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(3000):
        book = wave(rng)
        total = int(book.capacity.sum())
        if 0 < book.budget < total:
            expected = _by_fractions(book.capacity.tolist(), book.budget)
            assert pro_rata(book.capacity, book.budget).tolist() == expected
            checked += 1
    assert checked > 1000


def test_ties_go_to_the_earlier_row():
    assert pro_rata(np.array([5, 5, 5, 5]), 2).tolist() == [1, 1, 0, 0]
    assert by_weight(np.array([5, 5, 5]), np.ones(3), 4).tolist() == [2, 1, 1]


def test_pro_rata_of_the_published_example():
    # w = (8, 4, .5), budget 7.5: h = .6 (arXiv 2512.01112).
    capacity = np.array([8_000_000, 4_000_000, 500_000, 0, 0])
    amounts = pro_rata(capacity, 7_500_000)
    assert amounts.tolist() == [4_800_000, 2_400_000, 300_000, 0, 0]


def test_contracts_pro_rata_charges_the_same_for_each_contract():
    profit, contracts = np.array([10**9, 10**9, 100]), np.array([3.0, 1.0, 4.0])
    assert by_weight(profit, contracts, 4_000_100).tolist() == [3_000_000, 1_000_000, 100]


def test_who_weighs_nothing_pays_last():
    capacity, weight = np.array([10, 10, 20]), np.array([1.0, 0.0, 0.0])
    assert by_weight(capacity, weight, 10).tolist() == [10, 0, 0]
    assert by_weight(capacity, weight, 25).tolist() == [10, 5, 10]


def _least_squares(capacity, most, budget):
    """Minimise ``sum(capacity * h**2)`` over the feasible shares with SLSQP."""
    found = optimize.minimize(
        lambda h: (capacity * h * h).sum(),
        most * budget / (capacity * most).sum(),
        jac=lambda h: 2.0 * capacity * h,
        bounds=[(0.0, cap) for cap in most],
        constraints={"type": "eq", "fun": lambda h: capacity @ h - budget,
                     "jac": lambda h: capacity},
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert found.success
    return found.x


def test_capped_pro_rata_is_what_a_convex_solver_finds():
    rng = np.random.default_rng(2)
    for _ in range(40):
        size, cap = rng.uniform(0.5, 2.0, 5), rng.uniform(0.1, 1.0, 5)
        budget = rng.uniform(0.2, 0.95) * float(size @ cap)
        expected = _least_squares(size, cap, budget)
        capacity = np.rint(size * 1e9).astype(np.int64)
        amounts = capped_pro_rata(capacity, cap, round(budget * 1e9))
        assert amounts / capacity == pytest.approx(expected, abs=1e-4)


def test_capped_pro_rata_may_turn_the_order_of_survivors():
    # arXiv 2512.01112 claims otherwise for caps that differ.
    capacity = np.array([10_000, 8_000])
    amounts = capped_pro_rata(capacity, np.array([1.0, 0.1]), 5_800)
    assert (capacity - amounts).tolist() == [5_000, 7_200]


def test_without_caps_that_bind_capped_is_pro_rata():
    rng = np.random.default_rng(3)
    for _ in range(200):
        capacity = rng.integers(0, 10**9, 8)
        budget = int(0.4 * capacity.sum())
        capped = capped_pro_rata(capacity, np.full(8, 0.5), budget)
        assert np.abs(capped - pro_rata(capacity, budget)).max() <= 1


BOOK = np.array([1_261_300_000, 5_621_400_000, 839_700_000])
LEVERAGE = np.array([1.031, 0.925, 1.548])


@pytest.mark.parametrize(
    ("weight", "shares"),
    [
        (np.ones(3), (0.163, 0.728, 0.109)),
        (linear(LEVERAGE), (0.164, 0.589, 0.246)),
        (power(LEVERAGE, exponent=2.0), (0.155, 0.498, 0.348)),
        (cvar(LEVERAGE, threshold=0.9), (0.149, 0.114, 0.737)),
    ],
)
def test_risk_shares_of_the_published_book(weight, shares):
    budget = 10**6
    amounts = risk_weighted(BOOK, weight, budget)
    assert amounts / budget == pytest.approx(shares, abs=1.5e-3)


def test_levered_pro_rata_as_printed_misses_the_budget_and_ours_does_not():
    wealth, leverage, budget = np.array([8.0, 4.0, 0.5]), np.array([2.0, 5.0, 10.0]), 7.5
    mass = (leverage * wealth).sum()
    printed = (leverage * wealth / mass) * (budget / mass)
    assert (printed * wealth).sum() < 0.2 * budget
    capacity = (wealth * 1e6).astype(np.int64)
    amounts = risk_weighted(capacity, leverage, 7_500_000)
    assert amounts.sum() == 7_500_000
    shares = amounts / capacity
    assert shares[1] / shares[0] == pytest.approx(2.5, rel=1e-4)


def test_caps_hold_for_risk_weights_too():
    capacity, cap = np.array([1000, 1000, 1000]), np.array([0.1, 1.0, 1.0])
    amounts = risk_weighted(capacity, np.array([9.0, 1.0, 2.0]), 1000, cap=cap)
    assert amounts.tolist() == [100, 300, 600]


@pytest.mark.parametrize("rows", [10, 1000])
def test_weights_of_all_magnitudes_end_at_one_level(rows):
    weight = 2.0 ** np.linspace(-60.0, 60.0, rows)
    capacity = np.full(rows, 10**12)
    amounts = by_weight(capacity, weight, int(0.5 * capacity.sum()))
    level = (amounts / weight)[amounts < capacity]
    large = amounts[amounts < capacity] > 10**6
    assert level[large].max() == pytest.approx(level[large].min(), rel=1e-5)
