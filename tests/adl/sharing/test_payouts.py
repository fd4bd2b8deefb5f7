"""Payouts rounded down, the last taking what is left, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl.sharing.payouts import last_takes_rest

CAPACITIES = st.lists(st.integers(0, 2**58), min_size=1, max_size=12)


@settings(deadline=None)
@given(CAPACITIES, st.floats(0, 1))
def test_all_but_the_last_are_paid_the_floor_of_their_part(gains, part):
    owed = sum(gains)
    short = min(int(owed * part), owed)
    amounts = last_takes_rest(np.array(gains, np.int64), short).tolist()
    assert sum(amounts) == short
    assert all(0 <= amount <= gain for amount, gain in zip(amounts, gains, strict=True))
    left = short
    for amount, gain in zip(amounts[:-1], gains, strict=False):
        paid_out = Fraction(gain * (owed - short), max(owed, 1)) // 1
        assert amount == min(gain - paid_out, left)
        left -= amount


def test_nobody_has_nothing_to_share():
    assert len(last_takes_rest(np.zeros(0, np.int64), 5)) == 0


def test_a_rest_beyond_what_the_last_is_owed_goes_to_the_one_before():
    # Vega's distributor would pay the last 2, although it is owed 1.
    gains = np.array([42, 27, 1])
    assert (gains - last_takes_rest(gains, 70 - 54)).tolist() == [32, 21, 1]
