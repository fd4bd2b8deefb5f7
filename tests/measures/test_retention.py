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


def test_classes_begin_at_their_limits():
    equity = [0.0, 99.99, 100.0, 999.0, 1e3, 1e6, 1e9]
    assert r.size_class(equity).tolist() == [0, 0, 1, 1, 2, 5, 5]


def test_a_share_of_nothing_is_all_of_it():
    # Money taken where there was no profit; a gain; and more than there was.
    assert r.taken_share([5, -5, 5, 0], [0, 10, 4, 0]).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert r.taken_share([1.0], [4.0]) == pytest.approx([0.25])


@pytest.mark.parametrize(
    ("values", "starts", "expected"),
    [
        # One episode: as `recovery_time`.
        ([5, 1, 1, 6, 6], [0], 20.0),
        # Short in both, back before the next: the longer one.
        ([5, 1, 6, 5, 1, 1, 1, 6], [0, 3], 30.0),
        # Still short when the next begins, and until its third look: 10 to 50 s.
        ([5, 1, 1, 2, 2, 6, 6], [0, 3], 40.0),
        # Back at the next one's first look, after the calm time: 10 to 30 s.
        ([5, 1, 1, 6, 6, 6], [0, 3], 20.0),
        ([5, 6, 6, 5, 1, 1], [0, 3], math.inf),
        ([5, 5, 5, 5], [0, 2], 0.0),
    ],
)
def test_each_episode_recovers_by_itself(values, starts, expected):
    time_s = np.arange(len(values)) * 10.0
    assert r.longest_recovery(time_s, values, 5.0, starts) == expected


def test_a_venue_is_solvent_while_it_owes_nothing_and_its_purses_are_full_enough():
    time_s, purses, owed = [0, 10, 20, 30, 40], [100, 90, 0, 30, 50], [0, 0, 5, 0, 0]
    assert r.solvency_recovery(time_s, purses, owed, 0.0) == 10.0
    # A fund that must hold half of what it began with is short from 20 to 40 s.
    assert r.solvency_recovery(time_s, purses, owed, 0.5) == 20.0
    assert r.solvency_recovery(time_s, purses, owed, 0.8) == math.inf
    # Purses that could pay do not make up for a debt that is not paid.
    assert r.solvency_recovery([0, 10, 20], [9, 9, 9], [0, 1, 1], 0.0) == math.inf


def test_revenue_is_back_within_the_tolerance():
    time_s, wealth = [0, 10, 20, 30], [1000.0, 900.0, 940.0, 960.0]
    assert r.revenue_recovery(time_s, wealth, 0.05) == 20.0
    assert r.revenue_recovery(time_s, wealth, 0.2) == 0.0
    assert r.revenue_recovery(time_s, wealth, 0.0) == math.inf
