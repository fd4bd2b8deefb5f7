"""Every rule gives whole amounts within capacity that sum to the budget, always."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl.sharing.proportional import capacity_within
from tests.adl.sharing.books import CAPPED, RULES, Wave, wave


@functools.cache
def waves() -> list[Wave]:
    """Ten thousand random waves; no rule may write to them, which another test asserts."""
    rng = np.random.default_rng(7)
    return [wave(rng) for _ in range(10_000)]


def faults(name: str, given_wave: Wave) -> list[str]:
    """What is wrong with the amounts that a rule gives in a wave."""
    amounts = RULES[name](given_wave)
    most = given_wave.capacity
    if name in CAPPED:
        most = capacity_within(most, given_wave.cap)
    wanted = max(0, min(given_wave.budget, int(most.sum())))
    broken = {
        "not whole": amounts.dtype != np.int64,
        "below zero": (amounts < 0).any(),
        "above capacity": (amounts > most).any(),
        "not the budget": int(amounts.sum()) != wanted,
    }
    return [what for what, is_so in broken.items() if is_so]


SLOW = {"a user's penalty", "min-max of alike lots"}
"""Rules that solve for every wave anew: a quarter of the waves has to be enough."""


@pytest.mark.parametrize("name", RULES)
def test_amounts_are_whole_within_capacity_and_sum_to_the_budget(name):
    for given_wave in waves()[: 2_500 if name in SLOW else None]:
        assert not faults(name, given_wave), given_wave


@pytest.mark.parametrize("name", RULES)
def test_a_rule_leaves_its_arguments_as_they_were(name):
    rng = np.random.default_rng(8)
    for _ in range(50):
        before = wave(rng)
        after = Wave(*(np.copy(x) if isinstance(x, np.ndarray) else x for x in before))
        RULES[name](after)
        for old, new in zip(before, after, strict=True):
            assert np.array_equal(old, new)


MAGNITUDES = (0.0, 5e-324, 1e-320, 1e-310, 1e-300, 1e-150, 1.0, 1e150, 1e300, 1.7e308)


@functools.cache
def strange_waves() -> list[Wave]:
    """Two thousand waves with weights of one magnitude, each its own, any power of two."""
    rng = np.random.default_rng(9)
    found = []
    for _ in range(2000):
        book = wave(rng)
        n = len(book.weight)
        weight = rng.choice(MAGNITUDES, n) if rng.random() < 0.5 else np.ones(n)
        with np.errstate(over="ignore"):
            weight = np.ldexp(weight * rng.random(n), int(rng.integers(-1100, 1024)))
        weight = np.minimum(weight, 1.7e308)
        sign = np.where(rng.random(n) < 0.2, -1.0, 1.0)
        found.append(book._replace(weight=weight, score=sign))
    return found


@pytest.mark.parametrize("name", RULES)
def test_weights_of_any_magnitude_and_mixture_break_no_rule(name):
    for given_wave in strange_waves():
        assert not faults(name, given_wave), given_wave


WEIGHED = (
    "by weight",
    "risk-weighted",
    "leverage filling",
    "quadratic penalty",
    "power penalty",
    "exponential penalty",
    "min-max",
    "min-max of alike lots",
)
"""Rules for which only the ratios of weights matter."""


@pytest.mark.parametrize("name", WEIGHED)
def test_a_common_factor_of_the_weights_changes_nothing(name):
    rng = np.random.default_rng(10)
    for _ in range(300):
        book = wave(rng)
        weight = rng.integers(0, 1000, len(book.weight)).astype(float)
        plain = book._replace(weight=weight, score=np.ones_like(weight))
        expected = RULES[name](plain)
        for power in (-1074, -1000, -60, 60, 1000):
            turned = plain._replace(weight=np.ldexp(weight, power))
            assert np.array_equal(RULES[name](turned), expected), (power, plain)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_book_that_hypothesis_can_think_of_breaks_a_rule(name, data):
    n = data.draw(st.integers(0, 8))

    def floats(low, high):
        numbers = st.floats(low, high, allow_nan=False)
        return np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)), float)

    whole = st.lists(st.integers(0, 2**59), min_size=n, max_size=n)
    book = Wave(
        np.array(data.draw(whole), np.int64),
        data.draw(st.integers(-10, 2**62)),
        floats(-1e12, 1e12),
        floats(0.0, 1e12),
        floats(0.0, 1.0),
        np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), int),
    )
    assert not faults(name, book), book
