"""Hypotheses on small books, where closed forms say what must come out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abm.theory import (
    books,
    counterexamples,
    h01_ptsr_slope,
    h05_separation,
    h06_three_ways,
    h07_levelling,
    h09_rounding,
    h10_risk_weights,
    h11_churn,
    h12_regret,
    h13_full_close,
)
from abm.theory.finding import FAILS, HOLDS, Effort, Finding
from abm.theory.market import Market

FEW = Effort(books=20, largest=2_000)
NONE = Market()


def found(module, effort=FEW) -> list[Finding]:
    return list(module.examine(effort, NONE).findings)


def test_a_queue_by_profit_needs_so_many_accounts():
    # With alpha 2 and 3: a winner has 2, the budget is 0.375 a winner, so L = 16 / 3, and
    # ten of k winners are above it if k = 10 * L ** 2.
    wanted = 2 * 10 * (16 / 3) ** 2
    assert h01_ptsr_slope.enough_accounts(2.0, 3.0) == pytest.approx(wanted)
    assert h01_ptsr_slope.enough_accounts(1.2, 2.5) > 1e8


def test_every_uncapped_rule_leaves_the_same_to_the_last_quantum():
    exact, capped = found(h05_separation)
    assert exact.measured == 0.0
    assert exact.verdict == HOLDS
    # Caps of a tenth of four times the deficit raise 40% of it, where 80% is asked for.
    assert capped.measured == pytest.approx(0.4, abs=1e-6)


def test_all_three_need_more_fees_than_the_deficit_by_what_must_be_kept():
    # A fair severity of 0.3 and nothing else: 0.9 = 0.3 + diverted * fees, diverted <= 0.5.
    ptsr = np.where(np.isclose(h06_three_ways._SEVERITIES, 0.3), 1.0, 100.0)
    assert (ptsr == 1.0).sum() == 1
    assert not h06_three_ways.frontier(ptsr, 1.19).all(axis=0).any()
    assert h06_three_ways.frontier(ptsr, 1.21).all(axis=0).any()


def test_levelling_is_never_beaten_and_the_gap_is_the_formula():
    rows = {row.case: row for row in found(h07_levelling)}
    order = next(row for case, row in rows.items() if case.startswith("levelling"))
    assert (order.measured, order.verdict) == (0.0, HOLDS)
    gap = next(row for case, row in rows.items() if case.startswith("gap"))
    assert gap.measured <= 1.0


@pytest.mark.parametrize(
    ("budget", "fractions", "down", "above"),
    [(1.5, 1.5, 1.5, 1.5), (2.25, 2.25, 2.25, 0.75)],
)
def test_misses_of_rounding_by_hand(budget, fractions, down, above):
    # Three positions of 10 contracts share 1.5 (0.5 each) or 2.25 (0.75 each).
    misses = h09_rounding.misses(np.array([10, 10, 10]), budget)
    assert misses == pytest.approx((fractions, down, 0.0, above))


def test_the_next_deficit_in_the_papers_model_is_linear_in_the_shares():
    equity, levered = np.array([1e6, 1e6]), np.array([4.0, 8.0])
    deficits = [
        h10_risk_weights.next_deficit("both shrink", np.full(2, h), equity, levered, equity)
        for h in (0.0, 0.25, 1.0)
    ]
    assert deficits[1] == pytest.approx(0.75 * deficits[0])
    assert deficits[2] == 0.0


def test_taking_cash_raises_the_next_deficit_and_closing_lowers_it():
    equity, levered, share = np.array([1e6]), np.array([5.0]), np.array([0.3])
    before, cash, closed = (
        h10_risk_weights.next_deficit(reading, h, equity, levered, equity)
        for reading, h in (
            ("both shrink", 0.0 * share),
            ("cash taken, positions stay", share),
            ("closed at the mark, cash stays", share),
        )
    )
    assert closed < before < cash


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_the_adverse_move_is_what_simulated_shocks_have(persistence):
    rng = np.random.default_rng(4)
    shock, count = h10_risk_weights.SHOCK, 400_000
    noise = rng.normal(0.0, shock * math.sqrt(1 - persistence**2), count)
    drawn = np.maximum(persistence * shock + noise, 0.0)
    error = 5 * drawn.std() / math.sqrt(count)
    assert h10_risk_weights.adverse_move(persistence) == pytest.approx(
        drawn.mean(), abs=error
    )


def test_the_published_sequence_has_the_published_path():
    queue, even = h11_churn._published()
    assert queue.measured == pytest.approx(49 * 1.9)
    assert even.measured == pytest.approx(0.0, abs=1e-4)


def test_under_the_papers_hazard_pro_rata_keeps_least():
    # Jensen: what stays is convex in the haircut.
    stays = {
        rule: h11_churn.rounds_of(rule, np.random.default_rng(9), 0.01)[1]
        for rule in books.RULES
    }
    assert min(stays, key=stays.__getitem__) == books.PRO_RATA


@pytest.mark.parametrize("name", [*h12_regret.SEQUENCES, h12_regret.ADVERSARY])
def test_no_sequence_breaks_the_bound_of_descent(name):
    for number in range(20):
        rng = np.random.default_rng([12, number])
        assert h12_regret._over_bound(rng, name, 60) <= 1.0


def test_needs_that_stay_where_descent_begins_are_not_regretted():
    regret, _ = h12_regret.descend(np.ones(10), np.full(10, 0.5), 0.0)
    assert regret == 0.0


@pytest.mark.parametrize("large", [2, 10])
def test_the_fixed_queue_regrets_as_published(large):
    assert h12_regret.regret_of_queue(large, 40) == pytest.approx(20 * (1 - 1 / large))


def test_a_queue_of_whole_positions_by_hand():
    # By score the 5 comes first, then the 4 is taken whole for 1 that is missing.
    capacity, score = np.array([4, 5, 9]), np.array([2.0, 3.0, 1.0])
    assert h13_full_close.overshoot(capacity, score, 6) == (9, 3, 4)


def test_every_counterexample_contradicts_what_was_published():
    rows = found(counterexamples, Effort(books=30, largest=20_000))
    assert {row.verdict for row in rows} == {FAILS}
    told = {(row.hypothesis, round(row.measured, 3)) for row in rows}
    assert {("T4", 8.0), ("T4", 4.0), ("T6", -2.2), ("T7", 1.333)} <= told
