from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import intervals

LOGNORMAL = stats.lognorm(1.0)


def skewed(size: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0.0, 1.0, size)


def test_binomial_quantiles_are_those_of_scipy():
    for trials in (5, 6, 7, 20, 64, 500, 5000):
        for chance in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99):
            for level in (0.005, 0.025, 0.05, 0.95, 0.975, 0.995):
                found = intervals.binomial_quantile(level, trials, chance)
                assert found == stats.binom.ppf(level, trials, chance)


def zero_often(size: tuple[int, int], stream: np.random.Generator) -> np.ndarray:
    return np.where(stream.random(size) < 0.85, 0.0, stream.lognormal(0.0, 1.0, size))


def exchanged(size: tuple[int, int], stream: np.random.Generator) -> np.ndarray:
    return stream.lognormal(0.0, 1.0, size) - stream.lognormal(0.0, 1.0, size)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda size, stream: stream.normal(0.0, 1.0, size), 0.0),
        (lambda size, stream: stream.exponential(1.0, size), 1.0),
        (lambda size, stream: stream.lognormal(0.0, 1.0, size), np.exp(0.5)),
        (lambda size, stream: -stream.lognormal(0.0, 1.0, size), -np.exp(0.5)),
        (zero_often, 0.15 * np.exp(0.5)),
        (exchanged, 0.0),
    ],
    ids=["normal", "exponential", "lognormal", "minus lognormal", "zero often", "apart"],
)
def test_mean_interval_covers_the_mean_of_64_runs_as_often_as_it_says(
    draw, mean, monkeypatch
):
    monkeypatch.setattr(intervals, "DRAWS", 1000)
    values = draw((64, 1000), np.random.default_rng(11))
    found = np.array(intervals.mean_intervals(values))
    share = ((found[:, 0] <= mean) & (mean <= found[:, 1])).mean()
    # It says 95% or 96%; four standard deviations of 1000 trials are 3%.
    assert 0.915 <= share <= 0.985


def test_ratio_interval_covers_the_ratio_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 500)
    stream = np.random.default_rng(12)
    hits = 0
    for _ in range(300):
        below = stream.exponential(1.0, 64)
        above = below * stream.uniform(0.0, 1.0, 64)
        low, high = intervals.ratio_interval(above, below)
        hits += low <= 0.5 <= high
    # Four standard deviations of 300 trials are 5%.
    assert 0.885 <= hits / 300 <= 0.99


def test_paired_differences_cover_the_truth_though_the_runs_share_their_luck(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 500)
    stream = np.random.default_rng(13)
    hits = 0
    for _ in range(300):
        common = stream.lognormal(0.0, 1.5, 64)
        a = pd.Series(common + stream.exponential(2.0, 64))
        b = pd.Series(common + stream.exponential(1.0, 64))
        found = intervals.paired_difference(a, b)
        hits += found.low <= 1.0 <= found.high
    assert 0.885 <= hits / 300 <= 0.99


def by_brute_force(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """The interval resample by resample, with Cochran's error of a ratio."""

    def told(rows: np.ndarray) -> tuple[float, float]:
        ratio = above[rows].mean() / below[rows].mean()
        residual = above[rows] - ratio * below[rows]
        return ratio, residual.std() / np.sqrt(len(rows)) / below[rows].mean()

    n = len(above)
    ratio, error = told(np.arange(n))
    stream = np.random.default_rng(5)
    resampled = np.array([told(stream.integers(0, n, n)) for _ in range(20_000)])
    t = (resampled[:, 0] - ratio) / resampled[:, 1]
    student = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))
    upper = max(np.quantile(t, 0.975), student)
    lower = min(np.quantile(t, 0.025), -student)
    return ratio - upper * error, ratio - lower * error


def test_mean_interval_agrees_with_brute_force():
    sample = skewed(80)
    low, high = by_brute_force(sample, np.ones(80))
    ours = intervals.mean_interval(sample)
    assert ours.low == pytest.approx(low, abs=0.06 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.06 * (high - low))


def test_ratio_interval_agrees_with_brute_force():
    below = skewed(60)
    above = below * np.random.default_rng(4).uniform(0.2, 0.9, 60)
    low, high = by_brute_force(above, below)
    ours = intervals.ratio_interval(above, below)
    assert ours.low == pytest.approx(low, abs=0.06 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.06 * (high - low))


def test_no_end_is_nearer_than_students():
    sample = np.random.default_rng(3).normal(5.0, 1.0, 30)
    theirs = stats.t.interval(0.95, 29, sample.mean(), stats.sem(sample))
    ours = intervals.mean_interval(sample)
    assert ours.low <= theirs[0] + 1e-12
    assert ours.high >= theirs[1] - 1e-12


def test_intervals_shift_and_scale_with_the_values():
    sample = np.random.default_rng(3).normal(5.0, 1.0, 30)
    low, high = intervals.mean_interval(sample)
    moved = intervals.mean_interval(1e6 + 1e-3 * sample)
    assert moved.low == pytest.approx(1e6 + 1e-3 * low, abs=1e-8)
    assert moved.high == pytest.approx(1e6 + 1e-3 * high, abs=1e-8)
    mirrored = intervals.mean_interval(-sample)
    assert (mirrored.low, mirrored.high) == pytest.approx((-high, -low))


def test_no_end_passes_what_the_values_cannot():
    rare = np.zeros(40)
    rare[:2] = (1.0, 30.0)
    assert intervals.mean_interval(rare).low == 0.0
    assert intervals.mean_interval(-rare).high == 0.0
    whole = np.linspace(1.0, 9.0, 40)
    part = np.where(rare > 0.0, 0.2 * whole, whole)
    assert intervals.ratio_interval(part, whole).high == 1.0
    assert intervals.ratio_interval(2.0 * part, whole).high > 2.0 * part.sum() / whole.sum()
    nearly = 1.0 - rare / 40.0
    assert intervals.mean_interval(nearly).high > 1.0
    assert intervals.mean_interval(nearly, most=1.0).high == 1.0


def test_a_rare_value_leaves_the_upper_end_finite_and_far_off():
    once = np.zeros(30)
    once[4] = 1.0
    low, high = intervals.mean_interval(once)
    assert low == 0.0
    assert 2.0 / 30.0 <= high < 1.0


def test_what_is_undefined_in_one_column_leaves_the_others():
    table = np.column_stack([skewed(20), np.full(20, np.nan), np.full(20, np.inf)])
    first, *others = intervals.mean_intervals(table)
    assert first == intervals.mean_interval(table[:, 0])
    assert np.isnan(others).all()


def test_long_samples_are_added_up_in_blocks_and_give_the_normal_interval():
    sample = skewed(50_000)
    low, high = intervals.mean_interval(sample)
    half = 1.96 * sample.std() / np.sqrt(len(sample))
    assert (low + high) / 2 == pytest.approx(sample.mean(), rel=0.002)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)


def test_equal_data_give_equal_intervals():
    assert intervals.mean_interval(skewed(40)) == intervals.mean_interval(skewed(40))


def test_values_that_never_vary_give_a_point():
    assert intervals.mean_interval(np.full(9, 2.5)) == (2.5, 2.5)


def test_a_handful_of_values_gives_no_interval():
    for interval in (
        intervals.mean_interval([1.0, 2.0, 3.0, 4.0]),
        intervals.quantile_interval([1.0, 2.0], 0.5),
        intervals.ratio_interval(np.zeros(9), np.zeros(9)),
        intervals.share_interval(0, 0),
    ):
        assert np.isnan(interval).all()


@given(st.integers(1, 500), st.data())
def test_share_interval_is_the_exact_one(trials: int, data: st.DataObject):
    hits = data.draw(st.integers(0, trials))
    low, high = intervals.share_interval(hits, trials)
    theirs = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    assert low == pytest.approx(theirs.low, abs=1e-9)
    assert high == pytest.approx(theirs.high, abs=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.5, 0.98])
def test_share_interval_covers_at_least_as_often_as_it_says(share: float):
    hits = np.arange(65)
    ends = np.array([intervals.share_interval(int(k), 64) for k in hits])
    holds = (ends[:, 0] <= share) & (share <= ends[:, 1])
    assert stats.binom.pmf(hits, 64, share)[holds].sum() >= 0.95


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_quantile_interval_covers_at_least_as_often_as_it_says(quantile: float):
    stream = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        low, high = intervals.quantile_interval(stream.random(60), quantile)
        hits += low <= quantile <= high
    # Four standard deviations of 2000 trials at 95% are 2%.
    assert hits / 2000 >= 0.93


def test_a_quantile_that_the_values_cannot_bound_has_an_infinite_end():
    values = np.arange(20.0)
    low, high = intervals.quantile_interval(values, 0.99)
    assert low > 15.0
    assert high == np.inf
    assert intervals.quantile_interval(values, 0.01).low == -np.inf


def test_expected_shortfall_is_the_mean_of_the_worst_with_the_last_in_part():
    values = np.arange(1.0, 21.0)
    assert intervals.expected_shortfall(values, 0.1) == pytest.approx((20 + 19) / 2)
    partly = (20 + 19 + 0.5 * 18) / 2.5
    assert intervals.expected_shortfall(values, 0.125) == pytest.approx(partly)
    assert intervals.expected_shortfall(values, 1.0) == pytest.approx(values.mean())


def test_expected_shortfall_of_less_than_one_run_is_undefined():
    assert np.isnan(intervals.expected_shortfall(np.arange(10.0), 0.05))
    for few in (10, 39):
        assert np.isnan(intervals.expected_shortfall_interval(skewed(few), 0.05)).all()


def test_limit_of_the_expected_shortfalls_interval_continues_its_bootstrap():
    sample = skewed(2000)
    short = intervals.expected_shortfall_interval(sample, 0.05)
    longer = intervals.expected_shortfall_interval(np.append(sample, sample[0]), 0.05)
    assert longer.high - longer.low == pytest.approx(short.high - short.low, rel=0.2)


def test_paired_difference_is_over_the_runs_that_both_have():
    a = pd.Series([5.0, 7.0, np.nan, 4.0], index=[0, 1, 2, 3])
    b = pd.Series([1.0, 1.0, 1.0], index=[1, 2, 3])
    apart = intervals.paired_difference(a, b)
    assert (apart.runs, apart.mean) == (2, 4.5)
    assert not apart.is_clear


def test_a_difference_of_shares_ends_at_one():
    all_, few = pd.Series(np.ones(8)), pd.Series([0.0] * 7 + [0.9])
    assert intervals.paired_difference(few, all_).low < -1.0
    assert intervals.paired_difference(few, all_, most=1.0).low == -1.0
    assert intervals.paired_difference(all_, few, most=1.0).high == 1.0


def test_pairs_tell_a_difference_that_the_values_by_themselves_hide():
    common = pd.Series(skewed(50) * 100.0)
    noise = pd.Series(np.random.default_rng(8).normal(5.0, 2.0, 50))
    apart = intervals.paired_difference(common + noise, common)
    mine, theirs = intervals.mean_interval(common + noise), intervals.mean_interval(common)
    assert apart.is_clear
    assert mine.low < theirs.high
    assert apart.low < 5.0 < apart.high


def test_the_variance_that_pairs_take_away_is_that_of_what_they_share():
    stream = np.random.default_rng(2)
    common = stream.normal(0.0, 3.0, 5000)
    a, b = (pd.Series(common + stream.normal(0.0, 1.0, 5000)) for _ in range(2))
    # Each has variance 9 + 1, their difference 1 + 1; the estimate's error is about 3%.
    assert intervals.paired_difference(a, b).reduction == pytest.approx(10.0, rel=0.12)
    assert intervals.paired_difference(a, a + 1.0).reduction == np.inf
    assert np.isnan(intervals.paired_difference(a * 0.0, a * 0.0 + 1.0).reduction)


def test_parts_of_a_ratio_have_its_mean_and_its_error():
    stream = np.random.default_rng(4)
    below = pd.Series(stream.gamma(4.0, 1.0, 400))
    above = pd.Series(0.3 * below + stream.normal(0.0, 0.2, 400))
    parts = intervals.ratio_parts(above, below)
    assert parts.mean() == pytest.approx(above.sum() / below.sum())
    ends = intervals.ratio_interval(above, below)
    assert intervals.mean_interval(parts) == pytest.approx(ends, rel=0.01)
    assert intervals.ratio_parts(below * 0.0, below * 0.0).isna().all()


def test_resampling_takes_no_more_memory_for_more_values():
    peaks = []
    for rows in (200, 2_000):
        values = np.random.default_rng(1).normal(size=(rows, 6))
        tracemalloc.start()
        intervals.mean_intervals(values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 5e6
