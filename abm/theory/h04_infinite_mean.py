"""H4: with tails as heavy as those measured, survivor and deficit grow alike.

Claim: where the tail exponent is below one, sums are as large as their largest term, so
PTSR and PMR do not vanish at fixed severity, and the conflict of fairness with solvency
that H1 describes is not there.

Source: arXiv 2512.01112, theorem on the scaling of PTSR, its last case; exponents of 0.76
to 0.78 are what the profits, equities and ADL amounts of 10 October 2025 give.

Prediction: slope 0 for PTSR and PMR with exponents of 0.77 on both sides.

Test: slopes as in H1, of medians over books, since means are infinite. Budgets that exceed
all profits take all of them; how often that is, is told.
"""

from __future__ import annotations

import numpy as np

from abm.theory import books
from abm.theory.books import BY_LOT, BY_WEALTH, PRO_RATA, Survey
from abm.theory.finding import (
    SLOPE_TOLERANCE,
    Effort,
    Evidence,
    Finding,
    Point,
    judge,
    row,
    slope_of,
)
from abm.theory.market import Market

ALPHA = 0.77

_LEAST = 1e-9
"""Stands for nothing left, which has no logarithm; below every median."""


def examine(effort: Effort, market: Market) -> Evidence:
    """Slopes of medians, and what the richest winner keeps."""
    found = books.survey(effort, ALPHA, ALPHA)
    evidence = Evidence([], [])
    for rule in (PRO_RATA, BY_LOT):
        evidence.findings.append(_slope(found, rule, "PTSR"))
        evidence.findings.append(_slope(found, rule, "PMR"))
    evidence.findings.append(_slope(found, BY_WEALTH, "PTSR"))
    for rule in (PRO_RATA, BY_LOT, BY_WEALTH):
        middle = np.median(found.ptsr(rule), axis=0)
        evidence.points.extend(
            Point(f"{ALPHA:g}", rule, float(n), float(y))
            for n, y in zip(found.sizes, middle, strict=True)
        )
    return evidence


def _slope(found: Survey, rule: str, measure: str) -> Finding:
    values = found.ptsr(rule) if measure == "PTSR" else found.pmr(rule)
    logs = np.log(np.maximum(values, _LEAST))
    slope = slope_of(found.sizes, logs, np.median)
    kept = np.median(found.kept[rule][:, -1])
    most = np.median(values, axis=0)
    unmet = float(np.mean(found.raised >= 0.999999 * found.profits))
    note = (
        f"median {most[0]:.2f} to {most[-1]:.2f}; the richest keeps {kept:.0%}; all "
        f"profits taken in {unmet:.0%} of books"
    )
    case = f"alpha {ALPHA:g}, {measure}, {rule}"
    # Medians of so few heavy draws scatter twice as much as means of logarithms do.
    verdict = judge(slope, 0.0, SLOPE_TOLERANCE)
    return row("H4", case, 0.0, slope, verdict, note)
