"""H1: the largest survivor falls behind the deficit as the venue grows.

Claim: PTSR, the largest survivor over the socialised deficit, falls like
n^(1/alpha - 1) in the number n of accounts under any rule of fixed severity, where alpha
is the tail exponent of profits.

Source: arXiv 2512.01112, theorem on the scaling of PTSR (appendix) and proposition 5.1.

Prediction: slope 1/alpha - 1 for pro-rata and for queues whose score has nothing to do
with profit; -1 for a queue by profit and for levelling, which leave a level that does not
grow, once a book is large enough for the queue to end within the tail.

Test: log-log regression of the geometric mean of PTSR over books from 2,000 accounts on,
with a bootstrap over books; holds if the prediction lies in the interval widened by 0.05.
The same ratio without any ADL has the same slope: it is a maximum over a sum.
"""

from __future__ import annotations

from abm.theory import books
from abm.theory.books import BY_LOT, BY_WEALTH, LEVELLING, PRO_RATA, Survey
from abm.theory.finding import (
    OUTSIDE,
    SLOPE_TOLERANCE,
    Effort,
    Estimate,
    Evidence,
    Finding,
    Point,
    geometric_mean,
    judge,
    log_of,
    row,
    slope_of,
)
from abm.theory.market import Market
from abm.world import Array

TAILS = ((1.2, 2.5), (1.5, 1.5), (2.0, 3.0), (3.0, 3.0))
"""Tail exponents of winners and losers."""

FIRST_SIZE = 2_000
"""Smaller books are drawn, but not counted: the sums are not yet near their means."""

_IN_THE_TAIL = 10
"""So many winners must a queue by profit take for its end not to be left to chance."""


def examine(effort: Effort, market: Market) -> Evidence:
    """Slopes of PTSR by tail exponents and rule."""
    evidence = Evidence([], [])
    for winners, losers in TAILS:
        found = books.survey(effort, winners, losers)
        for rule in (None, PRO_RATA, BY_LOT, BY_WEALTH, LEVELLING):
            evidence.findings.append(_finding(found, rule, winners, losers))
            if rule is not None:
                evidence.points.extend(_points(found, rule, winners))
    return evidence


def _finding(found: Survey, rule: str | None, winners: float, losers: float) -> Finding:
    levels = rule in (BY_WEALTH, LEVELLING)
    prediction = -1.0 if levels else 1.0 / winners - 1.0
    logs = log_of(found.ptsr(rule))
    slope = slope_beyond(found.sizes, logs)
    verdict = judge(slope, prediction, SLOPE_TOLERANCE)
    note = f"{slope_of(found.sizes, logs).value:+.3f} over all sizes"
    enough = enough_accounts(winners, losers)
    if levels and enough > found.sizes[-1]:
        verdict = OUTSIDE
        note += f"; needs about {enough:,.1g} accounts".replace("e+0", "e")
    case = f"alpha {winners:g} and {losers:g}, {rule or 'nothing taken'}"
    return row("H1", case, prediction, slope, verdict, note)


def slope_beyond(sizes: Array, logs: Array) -> Estimate:
    """The slope over sizes from `FIRST_SIZE` on."""
    large = sizes >= FIRST_SIZE
    return slope_of(sizes[large], logs[:, large])


def enough_accounts(winners: float, losers: float) -> float:
    """Size from which a queue by profit ends well within the tail, on average.

    It takes all winners above L, with ``mean * L ** (1 - alpha) = budget`` a winner;
    of so many as are looked for here a book needs ``2 * count * L ** alpha``.
    """
    budget = books.THETA * books.LOSSES * books.pareto_mean(losers)
    level = (books.pareto_mean(winners) / budget) ** (1.0 / (winners - 1.0))
    return float(2.0 * _IN_THE_TAIL * level**winners)


def _points(found: Survey, rule: str, winners: float) -> list[Point]:
    """Geometric means by size."""
    middle = geometric_mean(found.ptsr(rule))
    return [
        Point(f"{winners:g}", rule, float(n), float(y))
        for n, y in zip(found.sizes, middle, strict=True)
    ]
