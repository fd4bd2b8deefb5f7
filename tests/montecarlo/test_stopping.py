"""Stopping early: the interval covers the truth although one stops when it is narrow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.montecarlo import stopping
from abm.scenario import Stop

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(values, values)
def test_moments_are_those_of_all_values_in_whatever_pieces_they_come(first, then):
    found = stopping.Moments().with_values(first).with_values([math.nan, *then])
    whole = np.array([*first, *then])
    assert found.count == len(whole)
    assert found.mean == pytest.approx(whole.mean(), abs=1e-6)
    assert found.squares / len(whole) == pytest.approx(whole.var(), rel=1e-6, abs=1e-3)


def test_few_values_bound_nothing():
    found = stopping.interval(stopping.Moments().with_values([1.0] * 15), 0.95, 100)
    assert found.half_width == math.inf
    assert math.isnan(stopping.interval(stopping.Moments(), 0.95, 100).mean)


def test_the_interval_is_narrowest_against_the_ordinary_one_where_it_was_planned():
    def price(count: int, expected: int) -> float:
        """Half-width over that of an interval for a fixed number of values."""
        moments = stopping.Moments(count, 0.0, float(count))
        return stopping.interval(moments, 0.95, expected).half_width * math.sqrt(count)

    planned = {expected: price(400, expected) for expected in (40, 200, 400, 800, 4000)}
    assert min(planned, key=planned.__getitem__) == 400
    assert 1.2 < planned[400] / 1.96 < 1.7


DISTRIBUTIONS = {
    "normal": lambda rng, n: (rng.normal(1.0, 1.0, n), 1.0),
    "a rare hit": lambda rng, n: ((rng.random(n) < 0.15).astype(float), 0.15),
    "skewed": lambda rng, n: (rng.exponential(1.0, n), 1.0),
}


def stopped_interval(numbers, stop, block, expected):
    """What a batch that looks after every block ends with."""
    moments = stopping.Moments()
    for start in range(0, len(numbers), block):
        moments = moments.with_values(numbers[start : start + block])
        found = stopping.interval(moments, stop.level, expected)
        if stopping.is_enough(found, stop):
            break
    return found


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_stopped_interval_covers_the_mean_as_often_as_it_says(name):
    rng = np.random.default_rng(7)
    stop = Stop(half_width=0.25, relative=True)
    missed = stopped_early = 0
    for _ in range(1000):
        numbers, mean = DISTRIBUTIONS[name](rng, 2000)
        found = stopped_interval(numbers.tolist(), stop, 8, 2000)
        stopped_early += found.runs < 2000
        missed += abs(found.mean - mean) > found.half_width
    assert stopped_early > 500
    # 5% of 1,000 and four standard errors would be 77.
    assert missed <= 77


def test_an_ordinary_interval_would_not_have():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(1000):
        numbers = rng.normal(0.0, 1.0, 2000)
        counts = np.arange(1, 2001)
        mean = np.cumsum(numbers) / counts
        half = 1.96 / np.sqrt(counts)
        looks = np.arange(31, 2000, 8)
        missed += bool((np.abs(mean) > half)[looks].any())
    assert missed > 150
