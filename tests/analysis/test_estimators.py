from __future__ import annotations

import numpy as np
import pytest

from analysis import estimators


def stream() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("exponent", [1.5, 3.0])
def test_hill_finds_the_exponent_of_a_pareto_tail(exponent):
    values = (1.0 - stream().random(40_000)) ** (-1.0 / exponent)
    # Its standard deviation is the exponent over the root of 2,000 extremes.
    assert estimators.tail_exponent(values) == pytest.approx(exponent, rel=0.1)


def test_kurtosis_of_students_t_of_ten_degrees_is_one_in_excess():
    values = stream().standard_t(10, 400_000)
    assert estimators.excess_kurtosis(values) == pytest.approx(1.0, abs=0.15)


def test_autocorrelation_of_an_autoregression_falls_by_its_coefficient():
    noise = stream().normal(size=50_000)
    series = np.zeros_like(noise)
    for i in range(1, len(noise)):
        series[i] = 0.6 * series[i - 1] + noise[i]
    assert estimators.autocorrelation(series, 1) == pytest.approx(0.6, abs=0.03)
    assert estimators.autocorrelation(series, 3) == pytest.approx(0.216, abs=0.04)


def test_a_power_law_has_its_power_as_elasticity():
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    assert estimators.elasticity(x, 3.0 * x**0.5) == pytest.approx(0.5)


def test_a_return_that_raises_the_next_ones_size_when_negative_shows_as_leverage_effect():
    size = np.ones(5_000)
    noise = stream().normal(size=5_000)
    for i in range(1, len(size)):
        size[i] = 2.0 if size[i - 1] * noise[i - 1] < 0 else 1.0
    assert estimators.leverage_effect(size * noise) < -0.1


@pytest.mark.parametrize(
    "estimate",
    [
        estimators.tail_exponent, estimators.excess_kurtosis, estimators.skewness,
        estimators.memory_exponent, estimators.leverage_effect,
    ],
)  # fmt: skip
def test_too_short_a_series_says_nothing(estimate):
    assert np.isnan(estimate(np.array([1.0, 2.0, 1.5])))
    assert np.isnan(estimate(np.zeros(3)))
