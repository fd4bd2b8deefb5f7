"""Min-max in whole lots, against every other way to share them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl.sharing.alike import min_max_alike


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([1.0, 2.0, 3.5, 10.0])), max_size=4
    ),
    st.integers(0, 30),
)
def test_no_other_whole_amounts_have_a_smaller_largest_haircut(rows, budget):
    capacity = np.array([c for c, _ in rows], np.int64)
    equity = np.array([e for _, e in rows], float)
    amounts = min_max_alike(capacity, equity, budget)
    wanted = min(budget, int(capacity.sum()))
    assert amounts.sum() == wanted
    assert ((amounts >= 0) & (amounts <= capacity)).all()
    others = (x for x in product(*(range(c + 1) for c in capacity)) if sum(x) == wanted)
    best = min(max((np.array(x) / equity).tolist(), default=0.0) for x in others)
    assert max((amounts / equity).tolist(), default=0.0) == pytest.approx(best)


def test_rows_without_a_normaliser_pay_when_all_others_are_full():
    amounts = min_max_alike(np.array([5, 5, 5]), np.array([0.0, 2.0, 0.0]), 8)
    assert amounts.tolist() == [3, 5, 0]


def test_a_million_rows_of_the_largest_sizes_are_shared_exactly():
    rng = np.random.default_rng(3)
    capacity = rng.integers(0, 2**42, 10**6)
    amounts = min_max_alike(capacity, rng.pareto(1.2, 10**6), int(capacity.sum()) // 7)
    assert amounts.sum() == capacity.sum() // 7
    assert (amounts <= capacity).all()
