"""Which rule keeps which axiom, and that what is called a counterexample is one."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from abm.adl import allocation
from abm.adl.axioms import AXIOMS, DEFINITIONS, RULES, examine, table
from abm.adl.sharing import proportional, queue

BY_PROFIT, BY_LEVERAGE = (f'queue, score = "{score}"' for score in ("profit", "leverage"))

KEPT = {
    "pro-rata": set(AXIOMS),
    'risk-weighted, risk = "leverage"': set(AXIOMS) - {"monotone"},
    "capped, cap = 0.5": set(AXIOMS) - {"full"},
    "capped, cap = 1 / leverage": set(AXIOMS) - {"monotone", "full"},
    "levelling": set(AXIOMS) - {"sybil"},
    "leverage-filling": set(AXIOMS) - {"monotone"},
    "power-penalty": set(AXIOMS) - {"sybil", "monotone"},
    BY_PROFIT: {"scale", "budget", "full"},
    # Splitting helps only against others of the very same leverage: the part comes later.
    BY_LEVERAGE: {"scale", "budget", "full"},
    "hybrid, weights = [0.2, 0.8]": {"scale", "budget", "full"},
}


def absolute_cap(capacity, score, budget):
    return proportional.pro_rata(np.minimum(capacity, 300_000_000), budget)


def rich_go_free(capacity, score, budget):
    """Who pays changes with the budget: the first account, or all others."""
    some = np.arange(len(capacity)) == 0
    chosen = some if budget < capacity[0] else ~some
    return proportional.pro_rata(np.where(chosen, capacity, 0), budget)


def test_rules_that_break_what_the_others_keep_are_caught():
    assert not examine(absolute_cap, seed=1)["scale"].holds
    assert not examine(rich_go_free, seed=1)["budget"].holds


@functools.cache
def rows():
    """The table of all rules, by rule."""
    return {row.rule: row for row in table(seed=1)}


def numbers(text):
    return np.array([float(x) for x in text.split(", ")])


def test_what_is_printed_is_enough_to_compute_it_again():
    pattern = (
        r"capacities \((.*?)\)(?:, leverages \((.*?)\))? "
        r"and budget (\S+) it takes \((.*?)\)"
    )
    count = 0
    for row in rows().values():
        for words in row.counterexamples.values():
            told = re.findall(pattern, words)
            assert told
            for capacity, leverage, budget, taken in told:
                quanta = np.rint(numbers(capacity) * 1e8).astype(np.int64)
                score = numbers(leverage) if leverage else np.ones(len(quanta))
                again = RULES[row.rule](quanta, score, round(float(budget) * 1e8))
                assert again / 1e8 == pytest.approx(numbers(taken), rel=1e-4, abs=1e-4)
                count += 1
    assert count > 15


def test_rules_are_called_as_the_answers_are():
    assert {name.partition(",")[0] for name in RULES} <= set(allocation.ANSWERS)
    assert DEFINITIONS.keys() == AXIOMS.keys()
    assert all(text.endswith(".") and "\n" not in text for text in DEFINITIONS.values())


@pytest.mark.parametrize("name", RULES)
def test_the_axioms_that_a_rule_keeps(name):
    row = rows()[name]
    assert {axiom for axiom, holds in row.axioms.items() if holds} == KEPT[name]
    assert row.counterexamples.keys() == set(AXIOMS) - KEPT[name]


def test_pro_rata_is_the_only_one_of_these_that_keeps_the_four_that_define_it():
    four = {"sybil", "scale", "monotone", "continuous", "full"}
    assert [name for name, kept in KEPT.items() if four <= kept] == ["pro-rata"]


def test_a_counterexample_can_be_checked_by_hand():
    found = examine(RULES[BY_PROFIT], seed=1)["sybil"].counterexample
    assert len(found.after.capacity) == len(found.before.capacity) + 1
    assert found.after.capacity.sum() == found.before.capacity.sum()
    again = RULES[BY_PROFIT](*found.after)
    assert np.array_equal(again, found.taken_after)
    row = int(np.flatnonzero(found.after.capacity[:-1] != found.before.capacity)[0])
    owner = found.taken_after[row] + found.taken_after[-1]
    assert abs(owner - found.taken[row]) / found.before.capacity.sum() == found.by > 0.05


def test_the_search_is_the_same_every_time():
    once, again = (examine(queue.queue, seed=3) for _ in range(2))
    for axiom in AXIOMS:
        assert once[axiom].holds == again[axiom].holds
        if not once[axiom].holds:
            assert once[axiom].counterexample.by == again[axiom].counterexample.by


def test_the_table_says_what_the_search_found_and_shows_the_worst_book():
    assert list(rows()) == list(RULES)
    row, found = rows()[BY_PROFIT], examine(RULES[BY_PROFIT], seed=1)
    assert row.axioms == {axiom: finding.holds for axiom, finding in found.items()}
    assert "takes" in row.counterexamples["sybil"]
