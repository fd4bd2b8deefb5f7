"""The level of water-filling: found for any shape, in few passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl.sharing import filling, proportional
from abm.adl.sharing.filling import clipped_level, fill
from abm.adl.sharing.leverage import leverage_filling
from abm.adl.sharing.weights import normal_shock


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 10**12), st.floats(1e-6, 1e6)), min_size=1, max_size=12
    ),
    part=st.floats(0.0, 1.0),
)
def test_who_is_not_full_pays_the_common_level(rows, part):
    capacity = np.array([row[0] for row in rows])
    weight = np.array([row[1] for row in rows])
    amounts = fill(capacity, weight, int(part * capacity.sum()))
    open_rows = amounts < capacity
    if open_rows.any():
        # A unit of rounding either way; full rows may pay less, nobody may pay more.
        level = ((amounts + 1) / weight)[open_rows].min()
        least = ((amounts - 1) / weight)[open_rows].max()
        assert least <= level * (1.0 + 1e-9)
        assert ((amounts - 1) / weight <= level * (1.0 + 1e-9)).all()


def test_weights_below_the_range_of_floats_count_by_their_ratios():
    capacity, tiny = np.array([10, 20, 30]), np.full(3, 1e-310)
    assert proportional.by_weight(capacity, tiny, 7).tolist() == [3, 2, 2]
    assert leverage_filling(capacity, tiny, 7).tolist() == [0, 0, 7]
    ratios = 5e-324 * np.array([1.0, 2.0, 4.0])
    assert fill(np.full(3, 100), ratios, 70).tolist() == [10, 20, 40]


def test_a_weight_that_vanishes_next_to_others_pays_last_by_capacity():
    weight = np.array([1e-320, 1e-310, 0.0, 1e300])
    capacity = np.array([10, 20, 30, 40])
    assert fill(capacity, weight, 40).tolist() == [0, 0, 0, 40]
    assert fill(capacity, weight, 70).tolist() == [5, 10, 15, 40]


def test_products_of_weight_and_capacity_stay_within_the_range_of_floats():
    capacity = np.full(4, 10**18)
    huge = np.array([1e308, 1e308, 5e307, 0.0])
    expected = fill(capacity, np.array([2.0, 2.0, 1.0, 0.0]), 5 * 10**17).tolist()
    assert expected == [2 * 10**17, 2 * 10**17, 10**17, 0]
    assert proportional.risk_weighted(capacity, huge, 5 * 10**17).tolist() == expected


def test_the_tails_of_a_normal_loss_share_out_no_more_than_the_budget():
    leverage = np.array([1.30, 1.31, 1.32, 1.33])
    weight = normal_shock(leverage, scale=0.02)
    assert 0.0 < weight.max() < 1e-300
    capacity = np.full(4, 10**9)
    amounts = proportional.risk_weighted(capacity, weight, 10**8)
    assert amounts.sum() == 10**8
    assert (np.diff(amounts) > 0).all()


def _steep_and_flat(rng, n):
    """Rows whose lines start and end at levels of all magnitudes, some of them steps."""
    weight = 10.0 ** rng.uniform(-9.0, 9.0, n)
    weight[rng.random(n) < 0.2] = 0.0
    start = rng.normal(size=n) * 10.0 ** rng.uniform(-3.0, 12.0, n)
    return start, weight, 10.0 ** rng.uniform(0.0, 12.0, n)


def test_clipped_lines_of_any_shape_meet_the_budget_in_few_passes(monkeypatch):
    passes = []
    piece = filling._linear_piece

    def counted(*args):
        passes[-1] += 1
        return piece(*args)

    monkeypatch.setattr(filling, "_linear_piece", counted)
    rng = np.random.default_rng(1)
    for _ in range(2000):
        start, weight, capacity = _steep_and_flat(rng, int(rng.integers(1, 40)))
        moves = weight > 0
        fixed = np.clip(start[~moves], 0.0, capacity[~moves]).sum()
        budget = fixed + rng.uniform(0.01, 0.99) * capacity[moves].sum()
        passes.append(0)
        level = clipped_level(start, weight, capacity, budget)
        total = np.clip(start + level * weight, 0.0, capacity).sum()
        if moves.any():
            assert total == pytest.approx(budget, rel=1e-6)
    assert np.median(passes) <= 25
    assert max(passes) <= 200
