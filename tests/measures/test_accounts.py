"""Accounts taken once each, against numpy's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abm.measures.accounts import each_once, fresh_rows


@given(arrays(np.int64, st.integers(0, 20), elements=st.integers(0, 9)))
def test_accounts_are_found_once_each_as_numpy_finds_them(account):
    expected = np.unique(account, return_index=True, return_inverse=True)
    for found, wanted in zip(each_once(account), expected, strict=True):
        assert found.tolist() == wanted.tolist()


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_fresh_rows_are_the_first_of_accounts_not_known_before(account, known):
    is_known = np.isin(np.arange(10), list(known))
    rows = fresh_rows(np.array(account, np.int64), is_known)
    assert rows.tolist() == [
        i for i, one in enumerate(account) if one not in {*known, *account[:i]}
    ]
    assert set(np.flatnonzero(is_known)) == {*known, *account}
