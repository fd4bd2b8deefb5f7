"""H7: which rule leaves the largest survivor with least.

Claim: a queue leaves the largest survivor with least, and pro-rata with more, by
H * (1 - w_1 / U) while the budget H is below the largest profit w_1.

Source: arXiv 2512.01112, propositions on queue and pro-rata (appendix). It is true of the
survivor who had most before, and of a queue by profit.

Prediction: with the largest survivor as it is defined (the maximum over all), levelling
down leaves never more than the better of the two, whatever the book. Queue against
pro-rata depends on it: near-equal tops make the queue worse; heavy tails or a large budget
make it better.

Test: random books of 2 to 2,000 accounts, counted; how often the queue by profit leaves
less than pro-rata, by tail exponent and budget.
"""

from __future__ import annotations

import numpy as np

from abm.measures import fairness
from abm.theory import books
from abm.theory.books import BY_WEALTH, LEVELLING, PRO_RATA, RULES
from abm.theory.finding import (
    FAILS,
    FOUND,
    HOLDS,
    OPEN,
    Effort,
    Estimate,
    Evidence,
    Finding,
    Point,
    exact,
    row,
    share_of,
)
from abm.theory.market import Market
from abm.world import Array

ALPHAS = (0.8, 1.1, 1.5, 2.0, 3.0, 5.0)
BUDGETS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
"""Shares of all profits."""

TOLD = (1.1, 2.0, 5.0), (0.05, 0.75)
"""Exponents and budgets of the table; the figure has all."""

ACCOUNTS = 50
_TIES = 8


def examine(effort: Effort, market: Market) -> Evidence:
    """Violations of the order, the gap of the richest, and who wins how often."""
    findings = [_order(effort), _gap(effort), _near_equal(effort)]
    points: list[Point] = []
    for alpha in ALPHAS:
        for budget in BUDGETS:
            found = _queue_wins(effort, alpha, budget)
            points.append(Point("queue", f"{budget:g}", alpha, *found))
            if alpha in TOLD[0] and budget in TOLD[1]:
                findings.append(_told(alpha, budget, found))
    findings.extend(_of_market(market))
    return Evidence(findings, points)


def _told(alpha: float, budget: float, found: Estimate) -> Finding:
    """How often the queue leaves less, and whether that is as heavy tails would have it."""
    predicted = alpha < TOLD[0][1] or budget >= TOLD[1][1]
    verdict = OPEN
    if not found.low <= 0.5 <= found.high:
        verdict = HOLDS if (found.low > 0.5) == predicted else FAILS
    case = f"queue by profit leaves less than pro-rata, alpha {alpha:g}, "
    case += f"budget {budget:.0%} of {ACCOUNTS} profits"
    note = f"share of books; predicted {'above' if predicted else 'below'} a half"
    return row("H7", case, np.nan, found, verdict, note)


def largest(rule: str, capacity: Array, budget: int) -> float:
    """The largest survivor under a rule, in quanta."""
    taken = RULES[rule](capacity, np.zeros(len(capacity)), budget)
    return fairness.largest_survivor(capacity, taken)


def _random_book(rng: np.random.Generator) -> tuple[Array, int]:
    """Any book: few or many accounts, with ties or heavy tails, any budget."""
    count = int(2 * 10 ** rng.uniform(0.0, 3.0))
    if rng.random() < 0.5:
        capacity = rng.integers(1, _TIES, count) * 10**6
    else:
        capacity = books.in_quanta(books.pareto(rng, float(rng.uniform(0.7, 4.0)), count))
    return capacity, int(rng.uniform(0.0, 1.0) * capacity.sum())


def _order(effort: Effort) -> Finding:
    wrong = 0
    rng = effort.rng(7)
    trials = 20 * effort.books
    for _ in range(trials):
        capacity, budget = _random_book(rng)
        least = min(largest(rule, capacity, budget) for rule in (BY_WEALTH, PRO_RATA))
        # Pro-rata is rounded: it may leave a quantum less than its real amounts would.
        wrong += largest(LEVELLING, capacity, budget) > least
    verdict = HOLDS if wrong == 0 else FAILS
    note = f"in {trials:,} books of 2 to 2,000 accounts; at most {3 / trials:.1g} (95%)"
    case = "levelling leaves more than the better of the two, share of books"
    return row("H7", case, 0.0, share_of(wrong, trials), verdict, note)


def _gap(effort: Effort) -> Finding:
    """What the richest keeps more under pro-rata, over the formula, for H below w_1."""
    missed = 0.0
    rng = effort.rng(71)
    for _ in range(effort.books):
        capacity, _ = _random_book(rng)
        budget = int(rng.uniform(0.0, 1.0) * capacity.max())
        top = capacity.max()
        first = np.zeros(len(capacity))
        first[capacity.argmax()] = 1.0
        kept = [
            fairness.top_survivor(capacity, RULES[rule](capacity, first, budget))
            for rule in (PRO_RATA, books.BY_LOT)
        ]
        predicted = budget * (1.0 - top / capacity.sum())
        missed = max(missed, abs(kept[0] - kept[1] - predicted))
    verdict = HOLDS if missed <= 1.0 else FAILS
    case = "gap of the richest, H (1 - w_1/U) for H below w_1: largest miss, quanta"
    return row("H7", case, 0.0, exact(missed), verdict, "one quantum is rounding")


def _near_equal(effort: Effort) -> Finding:
    """Tops within a per cent of each other, budget below two of them."""
    rng = effort.rng(72)
    worse = 0
    for _ in range(effort.books):
        capacity = books.in_quanta(rng.uniform(0.99, 1.0, 10))
        budget = int(rng.uniform(0.1, 9.0) * 10**6)
        queue, even = (largest(rule, capacity, budget) for rule in (BY_WEALTH, PRO_RATA))
        worse += queue > even
    found = share_of(worse, effort.books)
    verdict = HOLDS if found.low > 0.9 else FAILS
    note = "ten profits within a per cent of each other"
    case = "near-equal tops: the queue leaves more, share of books"
    return row("H7", case, 1.0, found, verdict, note)


def _queue_wins(effort: Effort, alpha: float, budget: float) -> Estimate:
    rng = effort.rng(73, int(10 * alpha), int(100 * budget))
    wins = 0
    for _ in range(effort.books):
        capacity = books.in_quanta(books.pareto(rng, alpha, ACCOUNTS))
        asked = int(budget * capacity.sum())
        wins += largest(BY_WEALTH, capacity, asked) < largest(PRO_RATA, capacity, asked)
    return share_of(wins, effort.books)


def _of_market(market: Market) -> list[Finding]:
    """The same order on the profits of the market's waves."""
    wrong = wins = trials = 0
    for wave in market.waves:
        rows = wave.candidates
        _, first = np.unique(rows["account"], return_index=True)
        capacity = np.maximum(rows["account_profit"][first], 0)
        budget = min(wave.total_deficit, int(capacity.sum()))
        level, queue, even = (
            largest(rule, capacity, budget) for rule in (LEVELLING, BY_WEALTH, PRO_RATA)
        )
        trials, wrong = trials + 1, wrong + (level > min(queue, even))
        wins += queue < even
    if not trials:
        return []
    order = "market: levelling leaves more than the better of the two, share of waves"
    better = "market: queue by profit leaves less than pro-rata, share of waves"
    verdict = HOLDS if wrong == 0 else FAILS
    note = f"{trials} waves"
    return [
        row("H7", order, 0.0, share_of(wrong, trials), verdict, note),
        row("H7", better, np.nan, share_of(wins, trials), FOUND, note),
    ]
