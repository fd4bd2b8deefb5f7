"""A call in brief says who paid, and where they stood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm.adl import summary

SCORES = st.lists(st.one_of(st.integers(-3, 3), st.just(np.nan)), min_size=1, max_size=12)


@given(SCORES, st.data())
def test_ranks_are_those_of_all_scores_falling_and_ties_go_by_row(scores, data):
    rows = data.draw(st.lists(st.integers(0, len(scores) - 1), unique=True, max_size=6))
    # Unknown scores come last, in the order of rows.
    falling = [np.inf if np.isnan(score) else -score for score in scores]
    ranks = stats.rankdata(falling, method="ordinal")
    found = summary._ranks(np.array(scores, float), np.array(rows, np.int64))
    assert found.tolist() == ranks[rows].tolist()


@pytest.mark.parametrize("count", [1, 5, 300])
def test_ranks_of_scores_that_all_differ_need_no_order_of_rows(count):
    score = np.random.default_rng(count).permutation(count).astype(np.int64)
    every = np.arange(count)
    assert summary._ranks(score, every).tolist() == (count - score).tolist()
