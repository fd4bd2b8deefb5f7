from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from abm import draws
from abm.compiled import kernel

N_DRAWS = 200_000
WORD = 2**64


def numpy_words(seed: int, purpose: int, entity: int, counter: int) -> list[int]:
    """The same four words from numpy's own generator, which counts up before it draws."""
    block = (counter + (entity << 64) - 1) % 2**256
    bits = np.random.Philox(key=np.array([seed, purpose], np.uint64), counter=block)
    return bits.random_raw(4).tolist()


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.integers(0, WORD - 1),
    st.integers(0, WORD - 1),
    st.integers(0, WORD - 1),
    st.integers(0, WORD - 1),
)
@example(0, 0, 0, 0)
@example(WORD - 1, WORD - 1, WORD - 1, WORD - 1)
@example(1, 20, 437_723, 720)
def test_words_equal_those_of_numpy_s_philox(
    seed: int, purpose: int, entity: int, counter: int
) -> None:
    ours = draws.words(*(np.uint64(a) for a in (seed, purpose, entity, counter)))
    assert list(ours) == numpy_words(seed, purpose, entity, counter)


def test_streams_of_other_seeds_purposes_entities_and_counters_differ() -> None:
    seen = {
        draws.words(seed, purpose, entity, counter)
        for seed in range(6)
        for purpose in (draws.ORACLE_MARKET, draws.TRADER_ACT, draws.ENDOWMENT)
        for entity in range(10)
        for counter in range(10)
    }
    assert len(seen) == 6 * 3 * 10 * 10


def test_no_two_purposes_share_a_number() -> None:
    purposes = [value for name, value in vars(draws).items() if name.isupper()]
    numbers = [value for value in purposes if type(value) is int]
    assert len(numbers) >= 11
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("word", [0, 1, 2**11 - 1, 2**63, WORD - 1])
def test_uniforms_lie_strictly_between_zero_and_one(word: int) -> None:
    assert 0.0 < draws.to_unit(np.uint64(word)) < 1.0


@kernel
def fill(which: int, out: Any, a: float, b: float, c: float) -> None:
    """Fill an array with one of the variates, from the stream of seed 7."""
    for i in range(out.shape[0]):
        u, v, x, _ = draws.uniforms(7, 99, which, i)
        if which == 0:
            out[i] = u
        elif which == 1:
            out[i], _ = draws.normals_of(u, v)
        elif which == 2:
            _, out[i] = draws.normals_of(u, v)
        elif which == 3:
            out[i] = draws.student_of(u, v, a)
        elif which == 4:
            out[i] = draws.exponential_of(u, a)
        elif which == 5:
            out[i] = draws.pareto_of(x, a, b, c)


def drawn(which: int, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    out = np.empty(N_DRAWS)
    fill(which, out, a, b, c)
    return out


def _truncated_pareto(exponent: float, low: float, high: float) -> Callable[[Any], Any]:
    ceiling = 1.0 - (low / high) ** exponent
    return lambda x: (1.0 - (low / np.asarray(x)) ** exponent) / ceiling


@pytest.mark.parametrize(
    ("sample", "law"),
    [
        (lambda: drawn(0), stats.uniform.cdf),
        (lambda: drawn(1), stats.norm.cdf),
        (lambda: drawn(2), stats.norm.cdf),
        (lambda: drawn(3, 3.0), stats.t(3.0, scale=np.sqrt(1 / 3)).cdf),
        (lambda: drawn(3, 4.0), stats.t(4.0, scale=np.sqrt(2 / 4)).cdf),
        (lambda: drawn(3, 50.0), stats.t(50.0, scale=np.sqrt(48 / 50)).cdf),
        (lambda: drawn(4, 250.0), stats.expon(scale=250.0).cdf),
        (lambda: drawn(5, 0.76, 1.4e5, 3e8), _truncated_pareto(0.76, 1.4e5, 3e8)),
        (lambda: drawn(5, 2.5, 1.0, 4.0), _truncated_pareto(2.5, 1.0, 4.0)),
    ],
    ids=["uniform", "normal", "other normal", "t3", "t4", "t50", "exponential", "pareto",
         "short pareto"],
)  # fmt: skip
def test_variates_follow_their_law(
    sample: Callable[[], Any], law: Callable[[Any], Any]
) -> None:
    assert stats.kstest(sample(), law).pvalue > 1e-4


@pytest.mark.parametrize("degrees", [9.0, 12.0, 1000.0])
def test_student_variates_have_unit_variance(degrees: float) -> None:
    """Four standard errors, from the fourth moment ``3 (d - 2) / (d - 4)``."""
    values = drawn(3, degrees)
    error = np.sqrt((3.0 * (degrees - 2.0) / (degrees - 4.0) - 1.0) / N_DRAWS)
    assert abs(np.var(values) - 1.0) < 4.0 * error
    assert abs(np.mean(values)) < 4.0 / np.sqrt(N_DRAWS)


def test_the_words_of_a_draw_and_its_neighbours_are_uncorrelated() -> None:
    out = np.array([draws.uniforms(3, 5, entity, 9) for entity in range(20_000)])
    columns = np.column_stack([out[:-1], out[1:]])
    correlation = np.corrcoef(columns, rowvar=False) - np.eye(8)
    assert np.abs(correlation).max() < 4.9 / np.sqrt(len(columns))


def test_pareto_variates_stay_within_their_bounds() -> None:
    values = drawn(5, 0.76, 1.4e5, 3e8)
    assert values.min() >= 1.4e5
    assert values.max() <= 3e8
