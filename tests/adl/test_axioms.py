"""Which rule keeps which axiom, and that what is called a counterexample is one."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.axioms import AXIOMS, RULES, examine, table
from abm.adl.sharing import queue

KEPT = {
    "pro-rata": set(AXIOMS),
    "risk-weighted": set(AXIOMS) - {"monotone"},
    "capped pro-rata": set(AXIOMS) - {"monotone"},
    "levelling down": set(AXIOMS) - {"sybil"},
    "leverage filling": set(AXIOMS) - {"monotone"},
    "quadratic penalty": set(AXIOMS) - {"sybil", "monotone"},
    "queue by wealth": {"scale", "budget monotone"},
    # Splitting helps only against others of the very same leverage: the part comes later.
    "queue by leverage": {"scale", "budget monotone"},
    "first come": {"scale", "continuous", "budget monotone"},
    "absolute cap": set(AXIOMS) - {"sybil", "scale"},
}


@pytest.mark.parametrize("name", RULES)
def test_the_axioms_that_a_rule_keeps(name):
    findings = examine(RULES[name], seed=1)
    assert {axiom for axiom, found in findings.items() if found.holds} == KEPT[name]


def test_pro_rata_is_the_only_one_of_these_that_keeps_the_four_that_define_it():
    four = {"sybil", "scale", "monotone", "continuous"}
    assert [name for name, kept in KEPT.items() if four <= kept] == ["pro-rata"]


def test_a_counterexample_can_be_checked_by_hand():
    found = examine(RULES["queue by wealth"], seed=1)["sybil"].counterexample
    assert len(found.after.capacity) == len(found.before.capacity) + 1
    assert found.after.capacity.sum() == found.before.capacity.sum()
    again = RULES["queue by wealth"](*found.after)
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
    rows = {row.rule: row for row in table(seed=1)}
    assert list(rows) == list(RULES)
    for name, row in rows.items():
        assert {a for a, holds in row.axioms.items() if holds} == KEPT[name]
        assert row.counterexamples.keys() == set(AXIOMS) - KEPT[name]
    assert "takes" in rows["queue by wealth"].counterexamples["sybil"]
