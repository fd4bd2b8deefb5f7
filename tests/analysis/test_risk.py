"""Risk measures against closed forms, other libraries, and their stated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis import intervals, risk

LOGNORMAL, EXPONENTIAL = stats.lognorm(1.0), stats.expon()


def true_shortfall(law, tail: float) -> float:
    return float(law.expect(lb=law.ppf(1 - tail), conditional=True))


@pytest.mark.parametrize(("law", "size"), [(LOGNORMAL, 64), (EXPONENTIAL, 200)])
def test_the_expected_shortfalls_interval_covers_the_truth(law, size, monkeypatch):
    monkeypatch.setattr(intervals, "TAIL_DRAWS", 300)
    stream = np.random.default_rng(5)
    truth, hits, trials = true_shortfall(law, 0.05), 0, 300
    for _ in range(trials):
        found = risk.expected_shortfall(law.rvs(size, random_state=stream), 0.05)
        hits += found.low <= truth <= found.high
    # 91% and 94% are what it covers; four standard deviations of 300 trials are 7%.
    assert hits / trials >= 0.84


def test_an_ordinary_bootstrap_would_miss_it_far_more_often():
    stream = np.random.default_rng(5)
    truth, hits, trials = true_shortfall(LOGNORMAL, 0.05), 0, 120
    for _ in range(trials):
        ordered = np.sort(LOGNORMAL.rvs(64, random_state=stream))[::-1]
        counts = stream.multinomial(64, np.full(64, 1 / 64), 400).astype(float)
        means, _ = intervals._tail_moments(ordered, counts, 0.05)
        low, high = np.quantile(means, [0.025, 0.975])
        hits += low <= truth <= high
    # About 61%; four standard deviations are 18%.
    assert hits / trials < 0.8


def test_value_at_risk_covers_the_truth_as_often_as_it_says():
    stream = np.random.default_rng(2)
    truth, hits = LOGNORMAL.ppf(0.9), 0
    for _ in range(800):
        found = risk.value_at_risk(LOGNORMAL.rvs(100, random_state=stream), 0.1)
        hits += found.low <= truth <= found.high
    # Four standard deviations of 800 trials at 95% are 3%.
    assert hits / 800 >= 0.92


def test_expected_shortfall_is_that_of_the_largest_and_never_less_than_the_mean():
    values = np.arange(1.0, 101.0)
    found = risk.expected_shortfall(values, 0.05)
    assert found.value == pytest.approx(98.0)
    assert found.beyond == pytest.approx(5.0)
    assert found.low < 98.0 < found.high
    assert risk.expected_shortfall(values, 1.0).value == pytest.approx(values.mean())
    whole = risk.expected_shortfall(values, 0.125).value
    assert whole == pytest.approx(intervals.expected_shortfall(values, 0.125))


def test_too_few_values_give_no_interval_rather_than_a_narrow_one():
    found = risk.expected_shortfall(np.arange(1.0, 31.0), 0.05)
    assert found.value == pytest.approx((30 + 0.5 * 29) / 1.5)
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(risk.expected_shortfall(np.arange(10.0), 0.05).value)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.data())
def test_breach_frequency_has_the_ends_of_beta_distributions(runs, data):
    hits = data.draw(st.integers(0, runs))
    found = risk.breach_frequency(hits, runs)
    low = stats.beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    assert found.low == pytest.approx(low, abs=1e-9)
    assert found.high == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.975, 0.995])
def test_so_many_runs_and_no_fewer_bound_a_quantile(share):
    runs = risk.runs_for_quantile(share)
    at = [risk.quantile(np.arange(float(n)), share).high for n in (runs - 1, runs)]
    assert at[0] == np.inf or runs <= 5
    assert np.isfinite(at[1])


def test_hill_is_the_maximum_likelihood_of_a_pareto():
    sample = stats.pareto(1.7).rvs(500, random_state=np.random.default_rng(1))
    found = risk.hill(sample, 1.5)
    above = sample[sample > 1.5]
    theirs, _, _ = stats.pareto.fit(above, floc=0, fscale=1.5)
    assert found.exponent == pytest.approx(theirs, rel=1e-6)
    assert found.values == len(above)


def test_hills_interval_covers_the_exponent_of_a_pareto():
    stream = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        found = risk.hill(stats.pareto(0.8).rvs(40, random_state=stream), 1.0)
        hits += found.low <= 0.8 <= found.high
    # Four standard deviations of 400 trials at 95% are 4.4%.
    assert 0.905 <= hits / 400 <= 0.992


def test_the_threshold_is_found_where_a_body_meets_its_pareto_tail():
    stream = np.random.default_rng(7)
    body = stream.uniform(0.0, 1.0, 1500)
    tail = stats.pareto(1.5).rvs(500, random_state=stream)
    found = risk.tail_exponent(np.concatenate([body, tail]), draws=60)
    assert found.low < 1.5 < found.high
    assert 0.8 < found.threshold < 3.0
    assert found.values < 700


def test_no_tail_is_told_of_a_handful_of_values():
    assert np.isnan(risk.tail_exponent(np.arange(1.0, 12.0)).exponent)
    assert np.isnan(risk.tail_exponent(np.zeros(100)).exponent)
    assert np.isnan(risk.hill([1.0, 2.0], 5.0).exponent)


def test_tail_dependence_of_the_same_of_the_opposite_and_of_strangers():
    stream = np.random.default_rng(3)
    x = stream.normal(size=2000)
    assert risk.tail_dependence(x, x**3, 0.1).value == 1.0
    assert risk.tail_dependence(x, -x, 0.1).value == 0.0
    apart = risk.tail_dependence(x, stream.normal(size=2000), 0.1)
    assert apart.low < 0.1 < apart.high
    assert np.isnan(risk.tail_dependence(x, np.zeros(2000), 0.1).value)
