"""Levelling down leaves the smallest possible largest survivor."""

from __future__ import annotations

import itertools

import numpy as np

from abm.adl.sharing.levelling import levelling_down
from abm.adl.sharing.proportional import pro_rata
from abm.adl.sharing.queue import queue


def test_the_example_in_which_a_queue_by_wealth_leaves_more():
    wealth, budget = np.array([8000, 4000, 500]), 5000
    assert (wealth - levelling_down(wealth, budget)).tolist() == [3500, 3500, 500]
    assert (wealth - queue(wealth, wealth.astype(float), budget)).max() == 4000
    assert (wealth - pro_rata(wealth, budget)).max() == 4800


def test_no_whole_allocation_leaves_a_smaller_largest_survivor():
    rng = np.random.default_rng(1)
    for _ in range(100):
        wealth = rng.integers(0, 7, 4)
        budget = int(rng.integers(0, wealth.sum() + 1))
        best = min(
            max(w - x for w, x in zip(wealth, amounts, strict=True))
            for amounts in itertools.product(*(range(w + 1) for w in wealth))
            if sum(amounts) == budget
        )
        assert (wealth - levelling_down(wealth, budget)).max() == best


def test_it_never_leaves_more_than_a_queue_or_pro_rata():
    rng = np.random.default_rng(2)
    for _ in range(500):
        wealth = np.ceil(rng.pareto(0.8, 20) * 1000).astype(np.int64)
        budget = int(rng.random() * wealth.sum())
        level = (wealth - levelling_down(wealth, budget)).max()
        assert level <= (wealth - queue(wealth, wealth.astype(float), budget)).max()
        assert level <= (wealth - pro_rata(wealth, budget)).max()


def test_near_equal_tops_make_a_queue_by_wealth_worse_than_pro_rata():
    wealth = np.array([8000, 8000, 8000])
    assert (wealth - queue(wealth, wealth.astype(float), 8000)).max() == 8000
    assert (wealth - pro_rata(wealth, 8000)).max() == 5334
    assert (wealth - levelling_down(wealth, 8000)).max() == 5334


def test_a_unit_that_cannot_be_shared_is_paid_by_the_earlier_row():
    assert levelling_down(np.array([5, 5, 5]), 4).tolist() == [2, 1, 1]
