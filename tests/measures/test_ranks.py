"""Rank correlations against scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm.measures.ranks import kendall, spearman

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(-6, 6)), min_size=2, max_size=60)


@given(pairs)
def test_both_are_scipys_to_the_last_digit_whatever_is_tied(rows):
    first, last = np.array(rows, float).T
    if np.ptp(first) == 0.0 or np.ptp(last) == 0.0:
        assert math.isnan(kendall(first, last))
        assert math.isnan(spearman(first, last))
        return
    ranks = stats.rankdata(first), stats.rankdata(last)
    assert spearman(first, last) == np.corrcoef(*ranks)[0, 1]
    found = kendall(first, last)
    assert found == pytest.approx(stats.kendalltau(first, last).statistic, rel=1e-15)


def test_many_accounts_with_five_lights_are_judged_as_by_scipy():
    stream = np.random.default_rng(5)
    lights = stream.integers(0, 6, 100_000) / 5.0
    burden = np.maximum(lights + stream.normal(0.0, 1.0, len(lights)), 0.0)
    assert kendall(lights, burden) == stats.kendalltau(lights, burden).statistic
    assert kendall(burden[:50], lights[:50]) == pytest.approx(
        stats.kendalltau(burden[:50], lights[:50]).statistic
    )
