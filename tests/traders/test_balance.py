"""Whole lots in proportion, and two sides of every market."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.traders import balance
from tests.worlds import tiny_scenario


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(0, 10**10))
def test_scaled_sums_exactly_keeps_everyone_and_the_order(
    sizes: list[int], more: int
) -> None:
    size = np.array(sizes)
    scaled = balance.scaled(size, len(sizes) + more)
    assert scaled.sum() == len(sizes) + more
    assert (scaled >= 1).all()
    by_size = scaled[np.argsort(size, kind="stable")]
    assert (np.diff(by_size) >= -1).all()


def test_sizes_that_sum_already_stay_as_they_are() -> None:
    size = np.array([5, 1, 7])
    assert balance.scaled(size, 13).tolist() == [5, 1, 7]


def test_large_sizes_are_scaled_in_proportion() -> None:
    size = np.array([100_000, 300_000, 600_000])
    np.testing.assert_allclose(balance.scaled(size, 500_000) / size, 0.5, rtol=1e-4)


def test_the_largest_turns_round_where_a_market_has_one_side() -> None:
    side = np.array([1, 1, 1, -1, 1, -1, -1])
    market = np.array([0, 0, 0, 1, 1, 2, 2])
    notional = np.array([1.0, 9.0, 4.0, 1.0, 1.0, 2.0, 3.0])
    turned = balance.both_sides(side, market, notional)
    assert turned.tolist() == [1, -1, 1, -1, 1, -1, 1]
    assert side.tolist() == [1, 1, 1, -1, 1, -1, -1]


def test_shorts_keep_their_sizes_and_longs_take_the_other_side() -> None:
    """Lots of 0.001 at 400 USD: 0.4 USD each."""
    market = tiny_scenario().markets["ONE"]
    lots = balance.balanced_lots(
        [market],
        np.zeros(4, np.int64),
        np.array([-1, 1, 1, -1]),
        np.array([400.0, 100.0, 300.0, 1600.0]),
    )
    assert lots[[0, 3]].tolist() == [-1000, -4000]
    assert lots.sum() == 0
    np.testing.assert_allclose(lots[[1, 2]], [1250, 3750], atol=1)
