from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.gaming.simultaneous import simultaneous


def _worlds(kind: str, world: int, runs: int, columns: int) -> np.ndarray:
    """Values whose means are all zero, and that partly move together."""
    stream = np.random.default_rng([world, runs])
    common = stream.standard_normal((runs, 1))
    values = np.sqrt(0.5) * common + np.sqrt(0.5) * stream.standard_normal((runs, columns))
    if kind == "heavy tails":
        values /= np.sqrt(stream.chisquare(3, (runs, 1)) / 3)
    return values


@pytest.mark.parametrize("kind", ["normal", "heavy tails"])
def test_all_intervals_hold_together_where_single_ones_do_not(kind: str):
    together = alone = 0
    for world in range(60):
        values = _worlds(kind, world, 40, 40)
        found = simultaneous(values, draws=1_000)
        together += ((found.low <= 0.0) & (found.high >= 0.0)).all()
        error = stats.sem(values, axis=0)
        alone += (np.abs(values.mean(axis=0)) <= stats.t.ppf(0.975, 39) * error).all()
    # Of 60 worlds a family of 95% misses more than 11 less than once in ten thousand.
    assert together >= 49
    assert alone < 45


def test_means_that_move_together_cost_less_than_independent_ones():
    stream = np.random.default_rng(3)
    base = stream.standard_normal((60, 1))
    alike = simultaneous(np.repeat(base, 50, axis=1))
    apart = simultaneous(stream.standard_normal((60, 50)))
    single = simultaneous(base)
    assert (alike.high - alike.low)[0] == pytest.approx((single.high - single.low)[0])
    width = (apart.high - apart.low).mean() / (single.high - single.low)[0]
    assert width > 1.4


def test_few_values_that_differ_give_an_interval_without_ends():
    values = np.zeros((40, 2))
    values[:2, 0] = 5.0
    values[:, 1] = np.random.default_rng(1).standard_normal(40)
    found = simultaneous(values, level=0.99)
    assert np.isinf(found.high[0])
    assert np.isfinite(found.high[1])


def test_what_is_the_same_in_every_run_is_a_point_and_too_few_runs_say_nothing():
    values = np.column_stack([np.full(30, 0.1), np.full(30, np.nan)])
    values[:3, 1] = 1.0
    found = simultaneous(values)
    assert found.low[0] == found.high[0] == pytest.approx(0.1)
    assert np.isnan(found.low[1])
    assert list(found.counts) == [30, 3]


def test_runs_that_do_not_tell_are_left_out_of_a_mean():
    stream = np.random.default_rng(2)
    values = stream.standard_normal((50, 3)) + 1.0
    values[:20, 1] = np.nan
    found = simultaneous(values)
    assert found.mean[1] == pytest.approx(np.nanmean(values[:, 1]))
    width = found.high - found.low
    assert width[1] > 1.1 * width[0]
