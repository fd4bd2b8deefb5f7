"""Queues against a naive loop, by several scores, by lot, and by risk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from abm.adl.sharing.proportional import pro_rata, risk_weighted
from abm.adl.sharing.queue import (
    cyclic_order,
    greedy_by_risk,
    lexicographic_queue,
    queue,
)
from tests.adl.sharing.books import wave


def _naive(capacity, ranking, budget):
    """Ask one row after the other."""
    amounts, left = [0] * len(capacity), max(budget, 0)
    for row in ranking:
        amounts[row] = min(int(capacity[row]), left)
        left -= amounts[row]
    return amounts


def test_a_queue_is_what_a_loop_over_the_ranking_gives():
    rng = np.random.default_rng(1)
    for _ in range(3000):
        book = wave(rng)
        ranking = sorted(range(len(book.capacity)), key=lambda row: -book.score[row])
        expected = _naive(book.capacity, ranking, book.budget)
        assert queue(book.capacity, book.score, book.budget).tolist() == expected


def test_a_long_queue_is_what_sorting_gives():
    rng = np.random.default_rng(2)
    capacity = rng.integers(0, 10**12, 50_000)
    for score in (rng.normal(size=50_000), rng.integers(-3, 4, 50_000).astype(float)):
        order = np.argsort(-score, kind="stable")
        for part in (0.001, 0.5, 0.999):
            budget = int(part * capacity.sum())
            amounts = queue(capacity, score, budget)[order]
            ahead = np.cumsum(capacity[order]) - capacity[order]
            assert np.array_equal(amounts, np.clip(budget - ahead, 0, capacity[order]))


def test_both_zeros_tie_and_infinities_rank():
    capacity = np.array([3, 3, 3, 3])
    score = np.array([-0.0, 0.0, np.inf, -np.inf])
    assert queue(capacity, score, 5).tolist() == [2, 0, 3, 0]
    assert queue(capacity, score, 10).tolist() == [3, 3, 3, 1]


def test_several_scores_are_asked_in_turn():
    rng = np.random.default_rng(3)
    for _ in range(2000):
        n = int(rng.integers(1, 9))
        capacity = rng.integers(0, 20, n)
        score = rng.integers(0, 3, (n, 4)).astype(float)
        ranking = sorted(range(n), key=lambda row: tuple(-score[row]))
        budget = int(rng.integers(0, 60))
        expected = _naive(capacity, ranking, budget)
        assert lexicographic_queue(capacity, score, budget).tolist() == expected


def test_ethereal_ranks_by_leverage_then_profit_then_low_balance_then_age():
    leverage, profit = [5, 5, 5, 5, 2], [9, 9, 9, 7, 99]
    balance, opened = [100, 50, 50, 1, 1], [1, 1, 8, 9, 9]
    score = np.column_stack([leverage, profit, np.negative(balance), opened]).astype(float)
    capacity = np.full(5, 10)
    assert lexicographic_queue(capacity, score, 5).tolist() == [0, 0, 5, 0, 0]
    assert lexicographic_queue(capacity, score, 15).tolist() == [0, 5, 10, 0, 0]
    assert lexicographic_queue(capacity, score, 45).tolist() == [10, 10, 10, 10, 5]


def test_a_circle_starts_where_it_is_told_and_wraps_around():
    capacity = np.array([4, 3, 2, 1])
    assert cyclic_order(capacity, 6, start=2).tolist() == [3, 0, 2, 1]
    assert cyclic_order(capacity, 6, start=6).tolist() == [3, 0, 2, 1]
    assert cyclic_order(capacity, 3, start=0).tolist() == [3, 0, 0, 0]


def test_by_lot_alike_payers_pay_alike_on_average():
    rng = np.random.default_rng(4)
    capacity = np.full(4, 10)
    total = sum(queue(capacity, rng.random(4), 15) for _ in range(4000))
    assert np.abs(total / 4000 - 15 / 4).max() < 0.3


def _next_deficit(capacity, risk, amounts):
    return float((risk * (1.0 - amounts / capacity)).sum())


def test_greedy_beats_risk_weighted_beats_pro_rata_on_the_book_of_two():
    capacity, risk, budget = np.array([10**6, 10**6]), np.array([2.0, 1.0]), 10**6
    greedy = greedy_by_risk(capacity, risk, budget)
    weighted = risk_weighted(capacity, risk, budget)
    deficits = [
        _next_deficit(capacity, risk, x)
        for x in (greedy, weighted, pro_rata(capacity, budget))
    ]
    assert deficits == pytest.approx([1.0, 4.0 / 3.0, 1.5], abs=1e-5)


def test_greedy_beats_risk_weighted_beats_pro_rata_on_any_book():
    rng = np.random.default_rng(5)
    for _ in range(300):
        capacity = rng.integers(10**8, 10**10, 6)
        density = rng.lognormal(0.0, 1.0, 6)
        risk, budget = density * capacity, int(rng.random() * capacity.sum())
        greedy, weighted, even = (
            _next_deficit(capacity, risk, x)
            for x in (
                greedy_by_risk(capacity, risk, budget),
                risk_weighted(capacity, density, budget),
                pro_rata(capacity, budget),
            )
        )
        slack = 1e-6 * risk.sum()
        assert greedy <= weighted + slack
        assert weighted <= even + slack


def test_no_whole_allocation_removes_more_risk_than_greedy():
    rng = np.random.default_rng(6)
    for _ in range(60):
        capacity = rng.integers(1, 6, 3)
        risk = rng.random(3) * capacity
        budget = int(rng.integers(0, capacity.sum() + 1))
        best = min(
            _next_deficit(capacity, risk, np.array(x))
            for x in itertools.product(*(range(c + 1) for c in capacity))
            if sum(x) == budget
        )
        given = greedy_by_risk(capacity, risk, budget)
        assert _next_deficit(capacity, risk, given) == pytest.approx(best)
