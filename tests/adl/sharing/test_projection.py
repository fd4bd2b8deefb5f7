"""The projection is the nearest feasible point."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from abm.adl.sharing.projection import projection


def test_no_feasible_shares_are_nearer():
    rng = np.random.default_rng(1)
    for _ in range(30):
        size, wish = rng.uniform(0.3, 2.0, 5), rng.normal(0.4, 0.6, 5)
        budget = rng.uniform(0.1, 0.9) * size.sum()
        found = optimize.minimize(
            lambda h, wish=wish: ((h - wish) ** 2).sum(),
            np.full(5, budget / size.sum()),
            jac=lambda h, wish=wish: 2.0 * (h - wish),
            bounds=[(0.0, 1.0)] * 5,
            constraints={
                "type": "eq",
                "fun": lambda h, size=size, budget=budget: size @ h - budget,
            },
            options={"ftol": 1e-14, "maxiter": 500},
        )
        capacity = np.rint(size * 1e9).astype(np.int64)
        amounts = projection(capacity, wish, round(budget * 1e9))
        assert amounts / capacity == pytest.approx(found.x, abs=1e-5)


def test_a_feasible_wish_is_granted():
    capacity, wish = np.array([1000, 2000, 4000]), np.array([0.5, 0.25, 0.125])
    assert projection(capacity, wish, 1500).tolist() == [500, 500, 500]


def test_from_nothing_shares_are_in_proportion_to_size():
    capacity = np.array([1000, 2000, 4000])
    amounts = projection(capacity, np.zeros(3), 2100)
    assert amounts.tolist() == [100, 400, 1600]
