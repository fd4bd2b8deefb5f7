"""Fairness on books that can be computed by hand, and by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abm.measures import fairness as f

# The book of arXiv 2512.01112, section 2.4: endowments of three winners, a deficit of 15
# of which half is socialised; the queue in its order takes the second winner first.
CAPACITY = np.array([8.0, 4.0, 0.5])
QUEUE = np.array([3.5, 4.0, 0.0])
PRO_RATA = np.array([4.8, 2.4, 0.3])
DEFICIT, LARGEST_LOSS, THETA = 15.0, 12.0, 0.5


def test_survivors_of_the_example():
    assert f.survivors(CAPACITY, QUEUE).tolist() == [4.5, 0.0, 0.5]
    assert f.largest_survivor(CAPACITY, QUEUE) == 4.5
    assert f.largest_survivor(CAPACITY, PRO_RATA) == pytest.approx(3.2)


def test_the_largest_survivor_need_not_be_the_one_who_had_most():
    taken = [5.0, 0.0, 0.0]
    assert f.top_survivor(CAPACITY, taken) == 3.0
    assert f.largest_survivor(CAPACITY, taken) == 4.0


def test_ratios_of_the_example_in_the_papers_convention():
    assert f.ptsr(4.5, DEFICIT, THETA) == pytest.approx(0.6)
    assert f.ptsr(3.2, DEFICIT, THETA) == pytest.approx(3.2 / 7.5)
    assert f.pmr(4.5, LARGEST_LOSS, THETA) == pytest.approx(0.75)


def test_ratios_of_the_example_in_the_convention_of_the_code():
    # 7.5 of 15 are still missing, half of the largest loss of 12.
    assert f.residual_ptsr(4.5, DEFICIT, 7.5) == pytest.approx(4.5 / 7.5)
    assert f.residual_pmr(4.5, LARGEST_LOSS, DEFICIT, 7.5) == pytest.approx(4.5 / 6.0)
    assert f.rd_nse(4.5, DEFICIT, 7.5) == pytest.approx(4.5 / 12.0)


def test_ratios_without_a_burden_are_undefined():
    assert math.isnan(f.ptsr(1.0, 0.0))
    assert math.isnan(f.pmr(1.0, 5.0, 0.0))
    assert math.isnan(f.residual_ptsr(1.0, 5.0, 5.0))
    assert math.isnan(f.residual_pmr(1.0, 5.0, 0.0, 0.0))
    assert f.rd_nse(1.0, 5.0, 5.0) == 1.0
    assert f.rd_nse(1.0, 5.0, 5.5) > 1.0


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.floats(0.01, 1.0), st.floats(0.01, 1))
def test_ptsr_is_pmr_times_the_largest_loss_over_the_deficit(
    survivor, deficit, part, theta
):
    loss = part * deficit
    assert f.ptsr(survivor, deficit, theta) == pytest.approx(
        f.pmr(survivor, loss, theta) * loss / deficit
    )


def test_haircuts_of_nothing_are_nothing():
    assert f.haircuts([0.0, 1.0], [0.0, 4.0]).tolist() == [0.0, 0.25]
    assert f.largest_haircut(QUEUE, CAPACITY) == 1.0
    assert f.largest_haircut(PRO_RATA, CAPACITY) == pytest.approx(0.6)
    assert f.largest_haircut([], []) == 0.0


def test_order_inversions_count_neighbours_that_changed_places():
    assert f.order_inversions([1, 2, 3], [1, 2, 3]) == 0.0
    assert f.order_inversions([1, 2, 3], [3, 2, 1]) == 1.0
    assert f.order_inversions(CAPACITY, f.survivors(CAPACITY, QUEUE)) == 0.5
    assert math.isnan(f.order_inversions([2, 2], [1, 3]))
    assert f.neighbours_turned(CAPACITY, f.survivors(CAPACITY, QUEUE)) == (2, 1)


LARGE = st.integers(2**49, 2**63 - 1)  # among them such that leave no room for a row


@settings(derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-2, 4) | LARGE, st.integers(0, 3)), max_size=12),
    st.sampled_from([np.int64, np.float64]),
)
def test_neighbours_stand_in_a_stable_order(rows, kind):
    before, after = (np.array([row[i] for row in rows], kind) for i in (0, 1))
    order = sorted(range(len(rows)), key=lambda i: before[i])
    steps = [(a, b) for a, b in itertools.pairwise(order) if before[a] < before[b]]
    turned = sum(after[b] < after[a] for a, b in steps)
    assert f.neighbours_turned(before, after) == (len(steps), turned)


def test_rank_stability_is_spearmans_correlation():
    rng = np.random.default_rng(1)
    a, b = rng.random(40), rng.random(40)
    assert f.rank_stability(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert math.isnan(f.rank_stability([1.0, 1.0], [1.0, 2.0]))


def test_gini_counts_those_who_gave_nothing():
    assert f.gini([8.0], 4) == pytest.approx(0.75)
    assert f.gini([3.0, 3.0, 3.0], 3) == pytest.approx(0.0)
    assert f.gini([1.0, 3.0], 2) == pytest.approx(0.25)
    assert math.isnan(f.gini([0.0, 0.0], 5))
    assert math.isnan(f.gini([], 5))


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20), st.integers(0, 20))
def test_gini_is_half_the_relative_mean_difference_with_zeros(given_, others):
    every = np.array([*given_, *[0.0] * others])
    apart = np.abs(every[:, None] - every[None, :]).mean()
    assert f.gini(given_, len(every)) == pytest.approx(apart / (2 * every.mean()))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 20))
def test_least_pain_is_the_least_over_all_ways_to_raise_the_budget(capacity, budget):
    raised = min(budget, sum(capacity))
    ways = [
        way
        for way in itertools.product(*(range(c + 1) for c in capacity))
        if sum(way) == raised
    ]
    least = [min(way[i] for way in ways) for i in range(len(capacity))]
    assert f.least_pain(capacity, budget).tolist() == least


def test_optional_pain_leaves_out_what_no_rule_could_place_elsewhere():
    # A budget of 10 forces 5.5 on the first, since the others can give 4.5, and 1.5 on
    # the second.
    assert f.optional_pain(CAPACITY, [8.0, 2.0, 0.0], 10.0) == pytest.approx(0.3)
    assert f.optional_pain(CAPACITY, PRO_RATA, 7.5) == pytest.approx(1 - 3.0 / 7.5)
    assert f.optional_pain(CAPACITY, CAPACITY, 12.5) == pytest.approx(0.0)
    assert math.isnan(f.optional_pain(CAPACITY, np.zeros(3), 0.0))
