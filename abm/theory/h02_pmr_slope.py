"""H2: the largest survivor against the largest loss.

Claim: PMR, the largest survivor over the socialised part of the largest loss, goes like
(1/theta) * Lambda * n^(1/alpha_+ - 1/alpha_-), where Lambda is the winners' total leverage
over the losers'.

Source: arXiv 2512.01112, theorem on the scaling of PMR (appendix). A proposition of the
main text has the same right-hand side for the survivor over the deficit, which H1 excludes.

Prediction: slope 1/alpha_+ - 1/alpha_- in the number of accounts; elasticity 1 to Lambda;
elasticity 1 to 1/theta while theta is small.

Test: slopes as in H1, under pro-rata. Lambda is changed in books in which profits and
losses are collateral times leverage times a move: once for all winners alike, once only
for the smaller half of them. Theta is changed from 0.01 to 0.04, and from 0.25 to 1.
"""

from __future__ import annotations

import math

import numpy as np

from abm.adl.sharing import proportional
from abm.measures import fairness
from abm.theory import books
from abm.theory.books import PRO_RATA
from abm.theory.finding import (
    SLOPE_TOLERANCE,
    Effort,
    Evidence,
    Finding,
    Point,
    geometric_mean,
    judge,
    log_of,
    mean_of,
    row,
)
from abm.theory.h01_ptsr_slope import TAILS, slope_beyond
from abm.theory.market import Market
from abm.units import QUANTA_PER_USD
from abm.world import Array

_ACCOUNTS = 2_000
_ALPHA = 3.0
_TOLERANCE = 0.05


def examine(effort: Effort, market: Market) -> Evidence:
    """Slopes by tail exponents; elasticities to leverage and severity."""
    evidence = Evidence([], [])
    for winners, losers in TAILS:
        found = books.survey(effort, winners, losers)
        prediction = 1.0 / winners - 1.0 / losers
        slope = slope_beyond(found.sizes, log_of(found.pmr(PRO_RATA)))
        case = f"alpha {winners:g} and {losers:g}, pro-rata"
        verdict = judge(slope, prediction, SLOPE_TOLERANCE)
        evidence.findings.append(row("H2", case, prediction, slope, verdict, ""))
        middle = geometric_mean(found.pmr(PRO_RATA))
        evidence.points.extend(
            Point("pmr", f"{winners:g} and {losers:g}", float(n), float(y))
            for n, y in zip(found.sizes, middle, strict=True)
        )
    evidence.findings.extend(_by_leverage(effort))
    evidence.findings.extend(_by_severity(effort))
    return evidence


def _by_leverage(effort: Effort) -> list[Finding]:
    """Elasticity to the leverage of winners: all of them, or those of small collateral."""
    alike: list[float] = []
    small: list[float] = []
    for number in range(effort.books):
        rng = effort.rng(2, number)
        half = _ACCOUNTS // 2
        collateral, leverage = books.pareto(rng, _ALPHA, half), rng.uniform(1.0, 10.0, half)
        loss = 0.1 * rng.uniform(1.0, 10.0, half) * books.pareto(rng, _ALPHA, half)
        is_small = collateral < np.median(collateral)
        base = _pmr(collateral * leverage * 0.3, loss, 0.1)
        for into, chosen in ((alike, np.ones(half, bool)), (small, is_small)):
            raised = np.where(chosen, 2.0 * leverage, leverage)
            mass = math.log(raised.sum() / leverage.sum())
            now = _pmr(collateral * raised * 0.3, loss, 0.1)
            into.append(math.log(now / base) / mass)
    cases = (
        ("elasticity to Lambda, all winners twice as levered", alike, ""),
        (
            "elasticity to Lambda, only winners of small collateral twice as levered",
            small,
            "the total of leverage is not what the largest winner has",
        ),
    )
    return [_elasticity(case, values, note) for case, values, note in cases]


def _elasticity(case: str, values: list[float], note: str) -> Finding:
    found = mean_of(np.array(values))
    return row("H2", case, 1.0, found, judge(found, 1.0, _TOLERANCE), note)


def _by_severity(effort: Effort) -> list[Finding]:
    """Elasticity to 1 / theta between two severities."""
    found = []
    for low, high, note in (
        (0.01, 0.04, ""),
        (0.25, 1.0, "what pro-rata takes of the survivor counts, too"),
    ):
        values = []
        for number in range(effort.books):
            rng = effort.rng(3, number)
            worth = books.pareto(rng, _ALPHA, _ACCOUNTS // 2)
            loss = books.LOSSES * books.pareto(rng, _ALPHA, _ACCOUNTS // 2)
            change = math.log(_pmr(worth, loss, low) / _pmr(worth, loss, high))
            values.append(change / math.log(high / low))
        case = f"elasticity to 1/theta, theta from {low:g} to {high:g}"
        found.append(_elasticity(case, values, note))
    return found


def _pmr(worth: Array, loss: Array, theta: float) -> float:
    capacity = books.in_quanta(worth)
    budget = int(theta * loss.sum() * QUANTA_PER_USD)
    taken = proportional.pro_rata(capacity, budget)
    left = fairness.largest_survivor(capacity, taken) / QUANTA_PER_USD
    return fairness.pmr(left, float(loss.max()), theta)
