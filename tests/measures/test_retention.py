"""Retention: churn, fees and recovery against published figures and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.measures import retention as r


def test_churn_is_that_of_the_paper():
    # arXiv 2512.01112: 10% drives 39% away, 20% drives 63% away.
    assert r.churn([0.1, 0.2]).round(2).tolist() == [0.39, 0.63]
    assert r.churn(0.0) == 0.0


def test_a_dollar_earns_the_papers_fees():
    # 730 days of 24 * 0.0015% funding and 4 bps: 0.555 dollars a dollar.
    assert r.Fees().lifetime == pytest.approx(730 * (24 * 1.5e-5 + 4e-4))
    assert r.Fees().lifetime == pytest.approx(0.555, abs=5e-4)


def test_what_is_lost_is_the_lifetime_value_of_those_expected_to_leave():
    lost = r.expected_value_lost([100.0, 50.0], [0.1, 0.0])
    assert lost == pytest.approx(0.5548 * 100 * (1 - math.exp(-0.5)))
    share = r.retained_share([100.0, 50.0], [0.1, 0.0])
    assert lost == pytest.approx(r.Fees().lifetime * 150 * (1 - share))
    assert r.retained_share([], []) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.1, 10))
def test_participation_after_several_haircuts_is_one_less_the_churn_of_their_sum(h, beta):
    left = r.participation(np.array(h)[:, None], beta)
    assert left[0] == pytest.approx(1 - r.churn(sum(h), beta))


def test_equal_shares_keep_more_wealth_than_unequal_ones_of_the_same_burden():
    # The hazard is concave, so concentrating a burden drives fewer dollars away: a
    # queue that takes everything from one keeps the others whole.
    even = r.retained_share([1.0, 1.0], [0.5, 0.5])
    queue = r.retained_share([1.0, 1.0], [1.0, 0.0])
    assert queue > even


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 5, 5], 0.0),
        ([5, 1, 1, 6, 6], 20.0),
        ([5, 1, 6, 1, 6], 30.0),
        ([5, 1, 1], math.inf),
    ],
)
def test_recovery_is_when_values_are_back_for_good(values, expected):
    assert r.recovery_time(np.arange(len(values)) * 10.0, values, 5.0) == expected
