"""What is wrong as it was published, with the smallest numbers that show it.

Every case states a claim, computes with this project's own functions what is so, and holds
the two beside each other.

Source: arXiv 2512.01112, its sequel 2602.15182 and the code that accompanies them, as named
case by case.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from abm.adl import severity
from abm.adl.sharing import levelling, proportional, queue
from abm.measures import fairness
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    HOLDS,
    Effort,
    Evidence,
    Finding,
    Point,
    exact,
    log_of,
    mean_of,
    row,
    slope_of,
)
from abm.theory.h04_infinite_mean import ALPHA as MEASURED_ALPHA
from abm.theory.h05_separation import CAPPED, at
from abm.theory.h11_churn import rounds_of
from abm.theory.market import Market, ask
from abm.theory.waves import cash_wave
from abm.world import Array

_UNIT = 10**6


def examine(effort: Effort, market: Market) -> Evidence:
    """All cases, in the order of the theorems."""
    findings = [finding for case in CASES for finding in case(effort)]
    return Evidence(findings, _points())


def _whole(*dollars: float) -> Array:
    return books.in_quanta(np.array(dollars))


def _claimed(
    name: str, case: str, claimed: float, found: float, note: str, *, apart: float = 1e-6
) -> Finding:
    """A published number beside what is so; `FAILS` says that the claim does."""
    verdict = HOLDS if abs(claimed - found) <= apart else FAILS
    return row(name, case, claimed, exact(found), verdict, note)


def fairness_is_empty(effort: Effort) -> list[Finding]:
    """PTSR over PMR is the largest loss over the deficit, which vanishes."""
    found = []
    for alpha in (1.5, 3.0):
        told = books.survey(effort, *((1.5, 1.5) if alpha == 1.5 else (3.0, 3.0)))
        with np.errstate(invalid="ignore"):
            # Where nobody has anything left both are zero.
            ratio = told.ptsr(books.PRO_RATA) / told.pmr(books.PRO_RATA)
        missed = np.abs(ratio * told.deficit / told.largest_loss - 1.0)
        same = float(np.nanmax(missed))
        slope = slope_of(told.sizes, np.log(ratio))
        note = (
            f"PTSR / PMR is largest loss over deficit in every book (to {same:.0e}) and "
            f"falls as n^{1 / alpha - 1:.2f}: with finite means both cannot be bounded "
            "from below and above, whatever the rule"
        )
        case = f"fair means PTSR and PMR both bounded; exponent of their ratio, {alpha:g}"
        verdict = FAILS if slope.high < 0.0 else HOLDS
        found.append(row("T1", case, 0.0, slope, verdict, note))
    return found


def wiped_out(effort: Effort) -> list[Finding]:
    """A constant severity does not wipe out the richest winner."""
    found = []
    for alpha in (3.0, MEASURED_ALPHA):
        told = books.survey(effort, alpha, alpha)
        kept = mean_of(told.kept[books.PRO_RATA][:, -1])
        note = f"1 - theta * mean loss / mean profit is {1 - books.THETA * books.LOSSES:g}"
        if alpha < 1.0:
            note = "means are infinite; exponents of the event it is shown for"
        case = f"what the richest keeps under pro-rata at half severity, alpha {alpha:g}"
        found.append(row("T2", case, 0.0, kept, FAILS, note))
    return found


def same_right_hand_side(effort: Effort) -> list[Finding]:
    """The main text has the exponent of PMR for the ratio to the deficit."""
    told = books.survey(effort, 2.0, 3.0)
    slope = slope_of(told.sizes, log_of(told.ptsr(books.PRO_RATA)))
    note = "1/2 - 1/3 is the exponent over the largest loss (H2), not over the deficit"
    case = "excessive leverage: exponent of survivor over deficit, alpha 2 and 3"
    return [row("T3", case, 1 / 2 - 1 / 3, slope, FAILS, note)]


def survivors(*dollars: float, budget: float) -> tuple[float, float, float]:
    """The largest survivor under a queue by profit, pro-rata and levelling, in USD."""
    capacity, asked = _whole(*dollars), int(budget * _UNIT)
    taken = (
        queue.queue(capacity, capacity.astype(float), asked),
        proportional.pro_rata(capacity, asked),
        levelling.levelling_down(capacity, asked),
    )
    left = [fairness.largest_survivor(capacity, each) / _UNIT for each in taken]
    return left[0], left[1], left[2]


def queue_is_not_least(effort: Effort) -> list[Finding]:
    """A queue by profit does not minimise the largest survivor."""
    equal = survivors(8.0, 8.0, 8.0, budget=8.0)
    tall = survivors(8.0, 4.0, 0.5, budget=5.0)
    return [
        _claimed("T4", "profits 8, 8, 8, budget 8: largest survivor under the queue",
                 0.0, equal[0], f"pro-rata leaves {equal[1]:.3g}; max(w_1 - H, 0) is "
                 "what the first has left, not the largest"),
        _claimed("T4", "profits 8, 4, 0.5, budget 5: largest survivor under the queue",
                 3.0, tall[0], f"levelling leaves {tall[2]:.3g}, pro-rata {tall[1]:.3g}"),
    ]  # fmt: skip


def gap_of_ratios(effort: Effort) -> list[Finding]:
    """The gap between the two ratios does not carry the severity as a factor."""
    capacity, deficit, theta = _whole(60.0, 5.0, 15.0), 100.0, 0.1
    asked = int(theta * deficit * _UNIT)
    rules = (queue.queue(capacity, capacity.astype(float), asked),
             proportional.pro_rata(capacity, asked))  # fmt: skip
    ratios = [
        fairness.ptsr(fairness.top_survivor(capacity, taken) / _UNIT, deficit, theta)
        for taken in rules
    ]
    claimed = theta * (1.0 - 60.0 / 80.0)
    note = "profits 60, 5, 15, deficit 100, severity 0.1: it is 1 - w_1/U"
    case = "PTSR of pro-rata less that of the queue"
    return [_claimed("T4", case, claimed, ratios[1] - ratios[0], note)]


def separation_with_caps(effort: Effort) -> list[Finding]:
    """A cap on shares makes the residual depend on the split."""
    wave = cash_wave(75 * _UNIT, _whole(60.0, 30.0, 10.0))
    left = ask(at(CAPPED, 0.5), wave).left / _UNIT
    note = "profits 60, 30, 10, deficit 75, caps of a tenth: only 10 can be raised"
    return [_claimed("T5", "residual at half severity, (1 - theta) D", 37.5, left, note)]


def capped_is_not_monotone(effort: Effort) -> list[Finding]:
    """Capped pro-rata keeps the order of survivors only if caps are alike."""
    capacity = _whole(10.0, 8.0)
    taken = proportional.capped_pro_rata(capacity, np.array([1.0, 0.1]), 5_800_000)
    left = (capacity - taken) / _UNIT
    note = (
        f"profits 10 and 8, caps 1 and 0.1: survivors {left[0]:g} and {left[1]:g}, so the "
        "axioms do not give capped pro-rata"
    )
    case = "what the richer has left less what the poorer has, at least 0"
    return [_claimed("T6", case, 0.0, float(left[0] - left[1]), note)]


def risk_aware_is_not_best(effort: Effort) -> list[Finding]:
    """The next deficit is linear in the shares, so the greedy knapsack minimises it."""
    capacity, risk = _whole(1.0, 1.0), np.array([2.0, 1.0])
    rules = {
        "risk-aware": proportional.risk_weighted(capacity, risk, _UNIT),
        "greedy": queue.greedy_by_risk(capacity, risk * capacity, _UNIT),
        "pro-rata": proportional.pro_rata(capacity, _UNIT),
    }
    left = {
        name: float((risk * (1.0 - taken / capacity)).sum())
        for name, taken in rules.items()
    }
    note = (
        f"equities 1 and 1, risks 2 and 1, budget 1: greedy {left['greedy']:.4g}, "
        f"risk-aware {left['risk-aware']:.4g}, pro-rata {left['pro-rata']:.4g}"
    )
    case = "next deficit under risk-aware pro-rata, said to be the least"
    best = left["greedy"]
    return [_claimed("T7", case, best, left["risk-aware"], note, apart=1e-5)]


def levered_misses_its_budget(effort: Effort) -> list[Finding]:
    """The printed formula of levered pro-rata does not raise what is asked for."""
    profit, levered, budget = np.array([8.0, 4.0, 0.5]), np.array([2.0, 5.0, 10.0]), 7.5
    total = float((levered * profit).sum())
    haircut = levered * profit / total * budget / total
    raised = float((haircut * profit).sum())
    mended = proportional.risk_weighted(_whole(*profit), levered, int(budget * _UNIT))
    note = (
        "profits 8, 4, 0.5, leverages 2, 5, 10, budget 7.5; shares in proportion to "
        f"leverage that do raise it take {mended.sum() / _UNIT:.4g}"
    )
    return [_claimed("LPR", "what levered pro-rata raises", budget, raised, note)]


def queue_is_not_safer(effort: Effort) -> list[Finding]:
    """With one budget neither rule clears the deficit sooner; what stays differs."""
    stays = {
        rule: np.mean(
            [
                rounds_of(rule, effort.rng(80, i), 0.01)[1]
                for i in range(min(effort.books, 100))
            ]
        )
        for rule in (books.BY_WEALTH, books.PRO_RATA)
    }
    apart = float(stays[books.BY_WEALTH] - stays[books.PRO_RATA])
    note = (
        "the queue is said to clear faster and keep less. With equal budgets both clear "
        "alike, and under the hazard 1 - exp(-beta h) the same share of everybody drives "
        "most away: value kept by the queue less pro-rata, ten rounds (H11)"
    )
    verdict = FAILS if apart > 0.0 else HOLDS
    return [row("T8", "share of wealth that stays, queue less pro-rata, at most 0", 0.0,
                exact(apart), verdict, note)]  # fmt: skip


def unlike_regrets(effort: Effort) -> list[Finding]:
    """Linear regret of fixed severities and the descent's bound have different rivals."""
    rounds = 400
    needed = np.arange(rounds) % 2
    fixed = [float(np.abs(theta - needed).sum()) for theta in (0.0, 0.3, 1.0)]
    theta, regret = 0.5, 0.0
    eta = math.sqrt(1.0 / rounds)
    for need in needed.tolist():
        regret += abs(theta - need)
        theta = severity.gradient_step(theta, 1.0, float(need), eta)
    note = (
        f"needs alternate, T = {rounds}: every fixed severity has {fixed[0]:g} against the "
        "best of every round, and none against the best fixed one. Descent, measured as "
        "fixed severities were"
    )
    case = "regret of descent, said to be of order sqrt(T) where fixed ones have T/2"
    return [_claimed("T9", case, 2.0 * math.sqrt(rounds), regret, note, apart=1.0)]


def best_ratio_is_undefined(effort: Effort) -> list[Finding]:
    """The price of anarchy divides by a best ratio that has no bound."""
    ratios = [fairness.ptsr(8.0, 15.0, theta) for theta in (1.0, 0.1, 1e-6)]
    note = (
        "PTSR of a survivor of 8 and a deficit of 15 at severities of 1, 0.1 and 1e-6: "
        f"{ratios[0]:.2g}, {ratios[1]:.2g}, {ratios[2]:.2g}. Fair, as a ratio bounded from "
        "above, forbids a rule that hardly acts"
    )
    case = "the best PTSR, said to be of order one"
    return [_claimed("T10", case, 1.0, ratios[-1], note)]


CASES: tuple[Callable[[Effort], list[Finding]], ...] = (
    fairness_is_empty,
    wiped_out,
    same_right_hand_side,
    queue_is_not_least,
    gap_of_ratios,
    separation_with_caps,
    capped_is_not_monotone,
    risk_aware_is_not_best,
    levered_misses_its_budget,
    queue_is_not_safer,
    unlike_regrets,
    best_ratio_is_undefined,
)


def _points() -> list[Point]:
    """Largest survivors of the two small books, by rule."""
    found = []
    for name, profits, budget in (
        ("8, 8, 8; budget 8", (8.0, 8.0, 8.0), 8.0),
        ("8, 4, 0.5; budget 5", (8.0, 4.0, 0.5), 5.0),
    ):
        left = survivors(*profits, budget=budget)
        for rule, value in zip(("queue", "pro-rata", "levelling"), left, strict=True):
            found.append(Point("survivors", name, ("queue", "pro-rata", "levelling")
                               .index(rule), value))  # fmt: skip
    return found
