"""Bounds of a wave, against every allocation of small books."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl import bounds
from abm.adl.record import Decision, Payers
from abm.adl.wave import CANDIDATE, Wave

BOOKS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=4
)  # (capacity, worth) of each payer


def allocations(need, capacity):
    """Every way to raise a need, or all there is if that is less."""
    target = min(need, sum(capacity))
    for amounts in itertools.product(*(range(c + 1) for c in capacity)):
        if sum(amounts) == target:
            yield np.array(amounts)


def arrays(book):
    capacity = np.array([c for c, _ in book], np.int64)
    return capacity, np.array([w if c else 0 for c, w in book], np.int64)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(BOOKS, st.integers(0, 14))
def test_share_and_number_of_payers_are_the_best_of_all_allocations(book, need):
    capacity, _ = arrays(book)
    ways = list(allocations(need, capacity.tolist()))
    touched = min(np.count_nonzero(x) for x in ways)
    assert bounds.least_payers(need, capacity) == touched
    largest = min(float(np.max(x / np.maximum(capacity, 1))) for x in ways)
    bound = bounds.least_largest_share(need, capacity)
    if need > capacity.sum():
        assert bound > 1
    else:
        # Whole units may force one unit more on somebody, and never less.
        assert bound <= largest + 1e-12
        assert largest <= bound + 1.0 / min(c for c in [*capacity.tolist(), 99] if c)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(BOOKS, st.integers(0, 14), st.integers(1, 4))
def test_the_top_payers_give_at_least_what_the_bound_says(book, need, top):
    capacity, worth = arrays(book)
    chosen = np.argsort(-capacity, kind="stable")[:top]
    value = worth / np.maximum(capacity, 1)
    least = min(
        float((x * value)[chosen].sum()) for x in allocations(need, capacity.tolist())
    )
    assert bounds.least_of_top(need, capacity, worth, top) == math.ceil(least - 1e-9)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(BOOKS, st.integers(0, 14))
def test_what_is_uncovered_is_the_least_of_all_allocations(book, need):
    capacity, worth = arrays(book)
    whole = [x for n in range(need + 1) for x in allocations(n, capacity.tolist())]
    found = _bounds([0] * len(book), capacity, worth, [need])
    assert found.uncovered == need - max(int(x.sum()) for x in whole)
    assert found.feasible == (found.uncovered == 0)
    halves = [x for x in whole if (2 * x <= capacity).all()]
    assert found.within_half == (max(int(x.sum()) for x in halves) == need)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 30)), max_size=40
    ),
    st.lists(st.integers(0, 14), min_size=3, max_size=3),
)
def test_bounds_of_a_decision_are_those_of_its_groups(book, needs):
    market = np.array([m for m, _, _ in book], np.int64)
    capacity, worth = arrays([(c, w) for _, c, w in book])
    found = _bounds(market, capacity, worth, needs)
    groups = [
        (need, capacity[market == m], worth[market == m]) for m, need in enumerate(needs)
    ]
    tops = [
        sum(bounds.least_of_top(*group, top(len(group[1]))) for group in groups)
        for top in (lambda n: 1, lambda n: 10, lambda n: math.ceil(n / 100))
    ]
    assert [found.least_top_1, found.least_top_10, found.least_top_percent] == tops
    share = max(bounds.least_largest_share(need, c) for need, c, _ in groups)
    assert found.least_largest_share == share
    assert found.uncovered == sum(max(0, need - int(c.sum())) for need, c, _ in groups)
    # Here nobody stands in two groups, so that whoever must pay in one is another.
    touched = sum(bounds.least_payers(need, c) for need, c, _ in groups)
    assert found.least_touched == touched
    lots = [math.ceil(w / c) for c, w in zip(capacity, worth, strict=True) if c]
    assert found.granularity == max(lots, default=0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0.0, 1.0)), min_size=1, max_size=6),
    st.floats(0.01, 1.0),
)
def test_with_caps_the_largest_share_is_the_level_that_raises_the_need(book, part):
    endowment = np.array([w for w, _ in book], np.int64)
    capacity = np.array([int(w * cap) for w, cap in book], np.int64)
    need = int(part * capacity.sum())
    level = bounds.least_largest_share(need, capacity, endowment)
    raised = np.minimum(level * endowment, capacity).sum()
    assert raised == pytest.approx(need)
    # The level is the smallest: a little less would not raise the need.
    if need:
        assert np.minimum(level * 0.999 * endowment, capacity).sum() < need


def test_nobody_to_pay_is_an_infinite_share_and_nobody_touched():
    nobody = np.zeros(0, np.int64)
    assert bounds.least_largest_share(5, nobody) == math.inf
    assert bounds.least_payers(5, nobody) == bounds.least_of_top(5, nobody, nobody, 3) == 0
    assert _bounds([], [], [], [5]).uncovered == 5


def test_exact_where_floats_are_not():
    capacity = np.array([2**61, 2**61 - 1, 7], np.int64)
    total = int(capacity.sum())
    assert _bounds([0, 0, 0], capacity, capacity, [total + 1]).uncovered == 1
    assert bounds.least_of_top(total - 3, capacity, capacity, 1) == 2**61 - 3


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), max_size=6
    ),
    st.lists(st.integers(0, 5), min_size=3, max_size=3),
)
def test_accounts_touched_is_a_bound_where_one_stands_in_several_groups(rows, needs):
    rows = list({(a, g): (a, g, c) for a, g, c in rows}.values())
    account, market, capacity = np.array(rows, np.int64).reshape(-1, 3).T
    groups = [(account[market == m], capacity[market == m]) for m in range(len(needs))]
    ways = [
        list(allocations(need, c.tolist()))
        for need, (_, c) in zip(needs, groups, strict=True)
    ]
    touched = min(
        len({a for (who, _), x in zip(groups, way, strict=True) for a in who[x > 0]})
        for way in itertools.product(*ways)
    )
    found = _bounds(market, capacity, capacity, needs, account).least_touched
    assert found <= touched
    if sum(need > 0 for need in needs) == 1:
        assert found == touched


@dataclass(frozen=True)
class Asked:
    """A settlement of contracts, as far as bounds look at it."""

    groups: np.ndarray
    rounding: str = "largest-remainder"
    medium: str = "contracts"
    unit: int = 1

    def need(self, wave, theta):
        return self.groups, None


def _bounds(market, capacity, worth, needs, account=None):
    """Bounds where payers of the first markets are asked for these needs."""
    args = _decision(market, np.ones(len(market)), capacity, worth, needs, account)
    return bounds.of_decision(*args, Asked(2 * np.arange(len(needs)) + 1))


def _decision(market, lots, capacity, worth, need, account=None):
    """Payers short in some markets against bankrupt longs."""
    candidates = np.zeros(len(market), CANDIDATE)
    candidates["account"] = np.arange(len(market)) if account is None else account
    candidates["market"], candidates["lots"] = market, lots
    nothing = np.zeros(0, np.int64)
    wave = Wave(
        number=0, now_s=0.0, short_account=nothing, deficit=nothing,
        bankrupt=nothing, candidates=candidates, mark=nothing, previous_mark=nothing,
        index=nothing, unit=nothing, open_interest=nothing, insurance=0,
    )  # fmt: skip
    payers = Payers(
        np.arange(len(market)), 2 * np.array(market, np.int64) + 1,
        np.array(capacity, np.int64),
        np.array(worth, np.int64),
    )  # fmt: skip
    amounts = np.zeros(len(market), np.int64)
    score = np.zeros(len(market))
    return wave, Decision(True, 1.0, 0, np.array(need, np.int64), payers, score, amounts)


TWO_MARKETS = np.array([1, 3])


def test_contracts_are_bounded_market_by_market_and_worth_adds_up():
    wave, decision = _decision(
        [0, 0, 1], [-10, -4, -6], capacity=[10, 4, 6], worth=[1000, 40, 90], need=[8, 9]
    )
    found = bounds.of_decision(wave, decision, Asked(TWO_MARKETS))
    assert not found.feasible
    assert found.uncovered == 3  # market 1 has 6 lots for 9
    assert found.least_largest_share == pytest.approx(9 / 6)
    assert found.least_touched == 2
    # Market 0: the largest must close 8 - 4 of its 10 lots at 100 each; market 1: all.
    assert found.least_top_1 == 400 + 90


@pytest.mark.parametrize(
    ("settlement", "unit"),
    [
        (Asked(TWO_MARKETS), 100),  # a lot of the first, 1000 / 10
        (Asked(TWO_MARKETS, rounding="whole-positions"), 1000),
        (Asked(TWO_MARKETS, unit=5), 500),
        (Asked(TWO_MARKETS, medium="charge"), 20),  # a quantum on each of 20 lots
    ],
)
def test_the_unit_of_rounding_is_the_settlements(settlement, unit):
    wave, decision = _decision([0, 0, 1], [-10, -4, -6], [10, 4, 6], [1000, 40, 90], [8, 9])
    assert bounds.of_decision(wave, decision, settlement).granularity == unit


def test_the_bounds_of_a_wave_are_those_of_its_calls():
    asked = Asked(np.array([1]))
    a, b = (
        bounds.of_decision(*_decision([0], [-10], [10], [50], [need]), asked)
        for need in (4, 8)
    )
    both = bounds.of_wave([a, b])
    assert (a.within_half, b.within_half, both.within_half) == (True, False, False)
    assert both.least_top_1 == 20 + 40
    assert both.least_largest_share == 0.8


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 35))
def test_the_largest_are_found_in_the_order_of_rows_among_equals(capacity, top):
    falling = sorted(range(len(capacity)), key=lambda i: -capacity[i])
    assert bounds.largest(np.array(capacity, np.int64), top).tolist() == falling[:top]


@settings(deadline=None, derandomize=True)
@given(BOOKS, st.integers(0, 20), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_several_tops_at_once_are_what_each_is_alone(book, need, tops):
    capacity, worth = np.array(book, np.int64).T
    every = bounds.least_of_tops(need, capacity, worth, tops)
    assert every == [bounds.least_of_top(need, capacity, worth, top) for top in tops]
