"""The checker of a user's allocation: what keeps the contract passes, the rest is named."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from abm.adl import contract
from abm.adl.allocation import pro_rata
from abm.adl.sharing.queue import queue


@pytest.mark.parametrize("rule", [pro_rata, queue])
def test_the_projects_own_rules_keep_the_contract(rule):
    report = contract.check(rule)
    assert report.kept, report.breaches
    assert report.trials > 100


def front(capacity, score, budget):
    """Whoever comes first pays all; right, and the base of the wrong ones."""
    ahead = np.cumsum(capacity) - capacity
    return np.clip(budget - ahead, 0, capacity)


def raises_alone(capacity, score, budget):
    if len(capacity) == 1:
        raise ValueError("nobody to compare with")
    return front(capacity, score, budget)


def fails_on_nobody(capacity, score, budget):
    capacity.max()
    return front(capacity, score, budget)


def mutates(capacity, score, budget):
    amounts = front(capacity, score, budget)
    score[:] = 0.0
    return amounts


CALLS = itertools.count()


def remembers(capacity, score, budget):
    turned = front(capacity[::-1], score, budget)[::-1]
    return turned if next(CALLS) % 2 else front(capacity, score, budget)


def sleeps(capacity, score, budget):
    if len(capacity) >= contract.MANY:
        time.sleep(1.1)
    return front(capacity, score, budget)


def floats(capacity, score, budget):
    """Right until capacities leave the 53 bits of a float."""
    share = min(1.0, budget / max(1, capacity.sum()))
    amounts = np.floor(capacity * share)
    for i in range(len(amounts)):
        amounts[i] += min(budget - amounts.sum(), capacity[i] - amounts[i])
    return np.maximum(amounts, 0)


WRONG = {
    "exception": (raises_alone, "nobody to compare with"),
    "number": (lambda c, s, b: c * s * np.nan, "nan"),
    "fraction": (lambda c, s, b: c * min(1.0, b / max(1, c.sum())), "whole"),
    "negative": (lambda c, s, b: front(c, s, b) - (c == 0), "-1"),
    "capacity": (lambda c, s, b: np.full(len(c), b), "only"),
    "sum": (lambda c, s, b: np.zeros_like(c), "gave 0 in all, must be 1"),
    "shape": (lambda c, s, b: front(c, s, b)[:-1], "shape"),
    "mutation": (mutates, "changed the arrays"),
    "determinism": (remembers, "again"),
    "speed": (sleeps, "100,000 payers"),
}


@pytest.mark.parametrize("rule", WRONG)
def test_a_broken_rule_is_named_with_the_input_that_broke_it(rule):
    share, words = WRONG[rule]
    report = contract.check(share)
    assert not report.kept
    breach = {breach.rule: breach for breach in report.breaches}[rule]
    assert words in breach.message
    if rule not in ("speed", "mutation", "determinism"):
        # What is reported does break the rule, called with nothing else.
        capacity = np.array(breach.capacity, np.int64)
        if len(capacity) < 12:
            trial = contract.Trial("", capacity, np.array(breach.score), breach.budget)
            assert rule in dict(contract._broken(share, trial))


def test_sums_that_floats_cannot_hold_are_found():
    assert "sum" in {breach.rule for breach in contract.check(floats).breaches}


def test_nobody_to_pay_is_a_trial():
    breaches = contract.check(fails_on_nobody).breaches
    assert [(b.rule, b.capacity) for b in breaches] == [("exception", [])]


def test_trials_reach_the_corners():
    trials = list(contract.trials(1))
    totals = {(t.budget > t.capacity.sum(), t.budget == 0, len(t.capacity)) for t in trials}
    assert {(True, False, 0), (False, True, 0), (True, False, 1000)} <= totals
    assert any(t.capacity.max(initial=0) > 2**60 for t in trials)
    assert all(0 <= int(t.capacity.sum()) < 2**63 for t in trials)


def test_a_function_that_ends_the_program_is_told_so_in_words():
    def ends(capacity, score, budget):
        raise SystemExit(3)

    breaches = {breach.rule: breach for breach in contract.check(ends).breaches}
    assert breaches["exception"].message == "called exit(3), must not end the program"
