"""When a prediction holds: slopes, intervals, verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from abm.theory.finding import (
    FAILS,
    HOLDS,
    OPEN,
    Effort,
    Estimate,
    geometric_mean,
    judge,
    log_of,
    mean_of,
    resampled,
    share_of,
    slope_of,
)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.4, -0.3, HOLDS), (-0.28, -0.2, FAILS), (-0.5, -0.39, FAILS), (-0.9, 0.3, OPEN)],
)
def test_a_prediction_holds_within_the_widened_interval_and_is_open_if_that_is_wide(
    low, high, verdict
):
    assert judge(Estimate((low + high) / 2, low, high), -1 / 3, 0.05) == verdict


def test_an_unknown_interval_leaves_it_open():
    assert judge(Estimate(0.0, np.nan, np.nan), 0.0, 0.05) == OPEN


def test_the_slope_of_a_power_law_is_its_exponent():
    sizes = np.array([100, 1_000, 10_000])
    logs = np.log(3.0 * sizes**-0.4)[None, :].repeat(10, axis=0)
    assert slope_of(sizes, logs) == pytest.approx((-0.4, -0.4, -0.4))


def test_the_interval_of_a_slope_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    sizes = np.array([100, 1_000, 10_000])
    covered = 0
    for _ in range(100):
        logs = np.log(sizes**0.5) + rng.normal(0.0, 1.0, (60, 3))
        found = slope_of(sizes, logs)
        covered += found.low <= 0.5 <= found.high
    # 95 are expected; fewer than 82 happens less than once in a hundred thousand.
    assert covered >= 82


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(6).normal(2.0, 1.0, 400)
    found = mean_of(values)
    half = 1.96 * values.std() / 20.0
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_whole_rows_are_resampled():
    rows = np.array([[1.0, 10.0]] * 5 + [[3.0, 30.0]] * 5)
    ratio = resampled(rows, lambda r: r[..., 1].sum(axis=1) / r[..., 0].sum(axis=1))
    assert ratio == pytest.approx((10.0, 10.0, 10.0))


def test_a_share_of_none_still_has_an_upper_end():
    found = share_of(0, 100)
    assert found.low == 0.0
    assert 0.02 < found.high < 0.05


def test_sizes_end_where_the_effort_does():
    assert Effort(largest=6_300).sizes == (200, 630, 2_000, 6_300)


def test_books_in_which_nothing_is_left_have_no_logarithm():
    values = np.array([[1.0, 10.0], [4.0, 40.0], [1.0, 0.0]])
    assert geometric_mean(values) == pytest.approx([2.0, 20.0])
    assert slope_of((1.0, 10.0), log_of(values)) == pytest.approx((1.0, 1.0, 1.0))
