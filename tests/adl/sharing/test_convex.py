"""Convex penalties against a convex solver, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from abm.adl.sharing.convex import convex_penalty, exponential_penalty, power_penalty
from abm.adl.sharing.proportional import pro_rata

RATE = 2.5
QUANTA = 1e9

PENALTIES = {
    "quadratic": (
        lambda h: h**2,
        lambda h: 2.0 * h,
        lambda c, w, b: power_penalty(c, w, b),
    ),
    "cubic": (
        lambda h: np.abs(h) ** 3,
        lambda h: 3.0 * h * np.abs(h),
        lambda c, w, b: power_penalty(c, w, b, power=3.0),
    ),
    "power 1.5": (
        lambda h: np.maximum(h, 0.0) ** 1.5,
        lambda h: 1.5 * np.sqrt(np.maximum(h, 0.0)),
        lambda c, w, b: power_penalty(c, w, b, power=1.5),
    ),
    "exponential": (
        lambda h: np.exp(RATE * h),
        lambda h: RATE * np.exp(RATE * h),
        lambda c, w, b: exponential_penalty(c, w, b, rate=RATE),
    ),
    "a user's, h + h**2": (
        lambda h: h + h**2,
        lambda h: 1.0 + 2.0 * h,
        lambda c, w, b: convex_penalty(c, w, b, inverse=lambda y: 0.5 * (y - 1.0)),
    ),
}


def _solved(phi, slope, size, weight, budget):
    """Minimise ``sum(weight * phi(h))`` with ``size @ h = budget`` by SLSQP."""
    found = optimize.minimize(
        lambda h: (weight * phi(h)).sum(),
        np.full(len(size), budget / size.sum()),
        jac=lambda h: weight * slope(h),
        bounds=[(0.0, 1.0)] * len(size),
        constraints={"type": "eq", "fun": lambda h: size @ h - budget,
                     "jac": lambda h: size},
        options={"ftol": 1e-14, "maxiter": 1000},
    )  # fmt: skip
    return found.x


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("unweighted", [True, False])
def test_the_dual_finds_what_a_convex_solver_finds(name, unweighted):
    phi, slope, rule = PENALTIES[name]
    rng = np.random.default_rng(1)
    for _ in range(25):
        size = rng.uniform(0.3, 2.0, 5)
        weight = np.ones(5) if unweighted else rng.uniform(0.3, 2.0, 5)
        budget = rng.uniform(0.1, 0.9) * size.sum()
        expected = _solved(phi, slope, size, weight, budget)
        capacity = np.rint(size * QUANTA).astype(np.int64)
        amounts = rule(capacity, weight * QUANTA, round(budget * QUANTA))
        cost = (weight * phi(amounts / capacity)).sum()
        assert cost <= (weight * phi(expected)).sum() * (1.0 + 1e-7)
        assert amounts / capacity == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("name", PENALTIES)
def test_weighted_by_capacity_every_penalty_is_pro_rata(name):
    rng = np.random.default_rng(2)
    for _ in range(50):
        capacity = rng.integers(1, 10**9, 7)
        budget = int(rng.random() * capacity.sum())
        amounts = PENALTIES[name][2](capacity, capacity.astype(float), budget)
        assert np.abs(amounts - pro_rata(capacity, budget)).max() <= 1


@pytest.mark.parametrize("name", PENALTIES)
def test_unweighted_the_large_pay_a_larger_share(name):
    capacity = np.array([10**9, 10**8, 10**7])
    amounts = PENALTIES[name][2](capacity, np.ones(3), 3 * 10**8)
    shares = amounts / capacity
    assert shares[0] > shares[1] >= shares[2]
    assert shares[0] > 0.25


def test_under_an_exponential_the_small_are_spared():
    capacity = np.array([10**9, 10**6])
    assert exponential_penalty(capacity, np.ones(2), 10**8).tolist() == [10**8, 0]
    assert power_penalty(capacity, np.ones(2), 10**8)[1] > 0


def test_who_has_no_penalty_pays_first():
    capacity, weight = np.array([100, 300, 1000]), np.array([0.0, 0.0, 1.0])
    assert power_penalty(capacity, weight, 40).tolist() == [10, 30, 0]
    assert power_penalty(capacity, weight, 500).tolist() == [100, 300, 100]


def test_a_steep_power_nears_the_equal_share_and_a_flat_one_the_largest_first():
    capacity = np.array([4 * 10**6, 2 * 10**6, 10**6])
    steep = power_penalty(capacity, np.ones(3), 10**6, power=200.0)
    assert np.ptp(steep / capacity) < 0.01
    flat = power_penalty(capacity, np.ones(3), 10**6, power=1.01)
    assert flat.tolist() == [10**6, 0, 0]
