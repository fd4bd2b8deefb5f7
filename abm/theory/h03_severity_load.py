"""H3: severity load, and the severity at which survivor and deficit keep step.

Claim: the load kappa = theta * n / b_n, where b_n is what the largest of n winners should
have, says how unfair a static rule is: PTSR goes like 1 / kappa. A severity that falls like
b_n / n keeps both constant.

Source: arXiv 2512.01112, section 3 (extreme-value severity) and the order parameter of the
price of anarchy.

Prediction: PTSR times kappa has slope 0 in n at fixed severity; with the severity
2 * b_n / n, PTSR itself has slope 0.

Test: slopes as in H1, under pro-rata; the falling severity is the part `extreme-value` of
this project with the tail exponent given, and with the exponent estimated from the book.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abm.adl import severity
from abm.adl.eligibility import Payers
from abm.adl.severity import Severity
from abm.adl.sharing import proportional
from abm.measures import fairness
from abm.theory import books
from abm.theory.books import PRO_RATA
from abm.theory.finding import (
    SLOPE_TOLERANCE,
    Effort,
    Evidence,
    Point,
    geometric_mean,
    judge,
    log_of,
    row,
)
from abm.theory.h01_ptsr_slope import slope_beyond
from abm.theory.market import Market
from abm.theory.waves import cash_wave, everyone
from abm.units import QUANTA_PER_USD
from abm.world import Array

TAILS = (1.5, 2.0, 3.0)

_SCALE = 2.0


def examine(effort: Effort, market: Market) -> Evidence:
    """Slopes of the load times PTSR, and of PTSR under the falling severity."""
    evidence = Evidence([], [])
    for alpha in TAILS:
        found = books.survey(effort, alpha, alpha if alpha != 2.0 else 3.0)
        b = np.array([books.largest_of(alpha, n / 2) for n in found.sizes])
        ptsr = found.ptsr(PRO_RATA)
        load = found.raised / found.deficit * found.sizes / b
        _add(evidence, f"alpha {alpha:g}, PTSR * kappa, fixed severity", found.sizes,
             ptsr * load)  # fmt: skip
        _curve(evidence, alpha, f"fixed, {books.THETA:g}", found.sizes, ptsr)
        for name, given in (("known", alpha), ("estimated", None)):
            falling = severity.extreme_value(scale=_SCALE, alpha=given)
            values = _under(falling, effort, alpha, found.sizes)
            case = f"alpha {alpha:g}, PTSR, severity {_SCALE:g} b_n/n, alpha {name}"
            _add(evidence, case, found.sizes, values)
            if given:
                label = f"falling, {_SCALE:g} b_n/n"
                _curve(evidence, alpha, label, found.sizes, values)
    return evidence


def _under(rule: Severity, effort: Effort, alpha: float, sizes: Array) -> Array:
    """PTSR under pro-rata with this severity, shape (books, sizes)."""
    rng = effort.rng(33, int(1000 * alpha))
    found = np.empty((effort.books, len(sizes)))
    half = int(sizes[-1]) // 2
    for book in found:
        worth = books.in_quanta(books.pareto(rng, alpha, half))
        loss = books.LOSSES * books.pareto(rng, alpha, half)
        for place, size in enumerate(sizes):
            book[place] = _ptsr(rule, worth[: size // 2], float(loss[: size // 2].sum()))
    return found


def _ptsr(rule: Severity, capacity: Array, deficit: float) -> float:
    theta = ask(rule, everyone(capacity))
    taken = proportional.pro_rata(capacity, int(theta * deficit * QUANTA_PER_USD))
    left = fairness.largest_survivor(capacity, taken) / QUANTA_PER_USD
    return fairness.ptsr(left, deficit, theta)


def ask(rule: Severity, payers: Payers, past: Sequence[object] = ()) -> float:
    """What a severity that looks only at payers answers."""
    return float(rule(cash_wave(1), payers, ()))


def _add(evidence: Evidence, case: str, sizes: Array, values: Array) -> None:
    slope = slope_beyond(sizes, log_of(values))
    verdict = judge(slope, 0.0, SLOPE_TOLERANCE)
    ends = geometric_mean(values)[[0, -1]]
    met = np.isfinite(log_of(values)).all(axis=1).mean()
    note = f"{ends[0]:.3g} at {sizes[0]:,}, {ends[1]:.3g} at {sizes[-1]:,} accounts"
    if met < 1.0:
        note += f"; {1.0 - met:.1%} of books had less profit than was asked for"
    evidence.findings.append(row("H3", case, 0.0, slope, verdict, note))


def _curve(
    evidence: Evidence, alpha: float, series: str, sizes: Array, values: Array
) -> None:
    middle = geometric_mean(values)
    evidence.points.extend(
        Point(f"{alpha:g}", series, float(n), float(y))
        for n, y in zip(sizes, middle, strict=True)
    )
