"""Sensitivities of functions whose shares of variance are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from abm import design
from abm.design import Range
from analysis import sensitivity


def at_points(points):
    return {key: np.array([point[key] for point in points]) for key in points[0]}


def test_sobol_indices_of_ishigamis_function():
    """Closed forms of Ishigami and Homma (1990), a = 7 and b = 0.1."""
    pi = math.pi
    factors = {name: Range(-pi, pi) for name in "xyz"}
    x = at_points(design.saltelli(factors, 2048, seed=2))
    values = np.sin(x["x"]) * (1 + 0.1 * x["z"] ** 4) + 7 * np.sin(x["y"]) ** 2
    found = sensitivity.sobol(list("xyz"), values)
    variance = 49 / 8 + 0.1 * pi**4 / 5 + 0.01 * pi**8 / 18 + 0.5
    alone = {"x": 0.5 * (1 + 0.1 * pi**4 / 5) ** 2 / variance, "y": 49 / 8 / variance}
    together = 0.01 * pi**8 * (1 / 18 - 1 / 50) / variance
    for key in "xyz":
        first = alone.get(key, 0.0)
        total = first + (0.0 if key == "y" else together)
        assert found[key]["first"] == pytest.approx(first, abs=0.03)
        assert found[key]["total"] == pytest.approx(total, abs=0.03)
        assert found[key]["first_low"] <= found[key]["first"] <= found[key]["first_high"]


def test_shares_of_variance_of_a_product_and_a_sum():
    grid = pd.DataFrame(design.grid({"a": [-1.0, 1.0], "b": [-1.0, 1.0], "c": [0.0, 1.0]}))
    product = (grid["a"] * grid["b"]).to_numpy()
    found = sensitivity.variance_shares(grid, product)
    assert [found[key]["first"] for key in "abc"] == pytest.approx([0, 0, 0])
    assert [found[key]["total"] for key in "abc"] == pytest.approx([1, 1, 0])
    found = sensitivity.variance_shares(grid, (grid["a"] + 2 * grid["c"]).to_numpy())
    # Variances 1 and 4 * 1/4.
    assert [found[key]["first"] for key in "abc"] == pytest.approx([0.5, 0, 0.5])
    assert [found[key]["total"] for key in "abc"] == pytest.approx([0.5, 0, 0.5])


def test_partial_rank_correlations_see_through_a_third_key():
    rng = np.random.default_rng(4)
    n = 400
    a = rng.random(n)
    b = a + 0.3 * rng.random(n)
    c = rng.random(n)
    values = np.exp(3 * a) + 0.01 * rng.random(n)
    found = sensitivity.rank_correlations(pd.DataFrame({"a": a, "b": b, "c": c}), values)
    assert found["a"]["first"] > 0.95
    assert abs(found["b"]["first"]) < 0.25 < stats.spearmanr(b, values).statistic
    assert found["c"]["first_low"] < 0 < found["c"]["first_high"]


def test_too_few_points_say_nothing():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    assert sensitivity.rank_correlations(frame, np.array([1.0, 2.0])) == {"a": {}, "b": {}}
