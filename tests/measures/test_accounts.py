"""Accounts taken once each, against numpy's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abm.measures.accounts import each_once


@given(arrays(np.int64, st.integers(0, 20), elements=st.integers(0, 9)))
def test_accounts_are_found_once_each_as_numpy_finds_them(account):
    expected = np.unique(account, return_index=True, return_inverse=True)
    for found, wanted in zip(each_once(account), expected, strict=True):
        assert found.tolist() == wanted.tolist()
