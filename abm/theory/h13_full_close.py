"""H13: how far closing whole positions overshoots.

Claim: production queues took many times (28 on 10 October 2025) what was needed.

Source: arXiv 2512.01112, first versions, queue overshoot; corrected versions measure
against what execution would have cost.

Prediction: a queue that closes positions whole takes more than its budget by less than its
marginal position. Ratios such as 28 arise where the budget is not the deficit, but what
winners have gained: the ratio is then profits over deficit, whatever the queue does.

Test: overshoot over the marginal position in generated books and in the waves of the
market, by this project's rule for whole positions; what is taken over the deficit, with
either budget.
"""

from __future__ import annotations

import numpy as np

from abm.adl.sharing import queue, rounding
from abm.adl.wave import Wave
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    FOUND,
    HOLDS,
    Effort,
    Evidence,
    Finding,
    Point,
    exact,
    mean_of,
    row,
)
from abm.theory.market import Market, ask, policy_of
from abm.world import Array

_ACCOUNTS = 500
PROFITS_OVER_DEFICIT = 28.0


def examine(effort: Effort, market: Market) -> Evidence:
    """Overshoot against the marginal position, and against the deficit."""
    cases = [_generated(effort, number) for number in range(effort.books)]
    findings = [_bounded("generated", cases)]
    points = [Point("generated", "book", m / b, o / b) for b, o, m, _ in cases]
    findings += _ratios("generated", cases, PROFITS_OVER_DEFICIT)
    waves = [case for wave in market.waves for case in _of_wave(wave)]
    if waves:
        findings.append(_bounded("market, lots by side and wave", waves))
        points += [Point("market", "wave", m / b, o / b) for b, o, m, _ in waves]
        findings += _of_market(market)
    return Evidence(findings, points)


def overshoot(capacity: Array, score: Array, budget: int) -> tuple[int, int, int]:
    """What a queue of whole positions takes, and its marginal position."""
    taken = queue.queue(capacity, score, budget)
    partial = (taken > 0) & (taken < capacity)
    marginal = int(capacity[partial].max(initial=0))
    whole = rounding.whole_positions(taken.astype(float), capacity, budget)
    total = int(whole.amounts.sum())
    return total, total - budget, marginal


def _generated(effort: Effort, number: int) -> tuple[float, float, float, float]:
    """Budget, overshoot, marginal position, profits; the deficit is the budget."""
    rng = effort.rng(13, number)
    capacity = books.in_quanta(books.pareto(rng, 1.5, _ACCOUNTS))
    profits = int(capacity.sum())
    budget = int(profits / PROFITS_OVER_DEFICIT)
    _, over, marginal = overshoot(capacity, rng.random(_ACCOUNTS), budget)
    return float(budget), float(over), float(marginal), float(profits)


def _bounded(where: str, cases: list[tuple[float, float, float, float]]) -> Finding:
    """Overshoot over the marginal position: never one or more."""
    ratios = [over / marginal for _, over, marginal, _ in cases if marginal > 0]
    most, least = max(ratios, default=0.0), min(ratios, default=0.0)
    verdict = HOLDS if least >= 0.0 and most < 1.0 else FAILS
    case = f"{where}: largest overshoot over the marginal position"
    reached = sum(ratio >= 1.0 for ratio in ratios)
    note = (
        f"mean {np.mean(ratios):.2f}; 1 or more in {reached} of {len(ratios)}, none is "
        "predicted"
    )
    return row("H13", case, 1.0, exact(most), verdict, note)


def _ratios(
    where: str, cases: list[tuple[float, float, float, float]], predicted: float
) -> list[Finding]:
    by_deficit = mean_of(np.array([(b + o) / b for b, o, _, _ in cases]))
    by_profit = mean_of(np.array([p / b for b, _, _, p in cases]))
    held = HOLDS if abs(by_profit.value - predicted) < 0.01 * predicted else FAILS
    note = "the marginal position is what it is above 1"
    return [
        row("H13", f"{where}: taken over deficit, budget the deficit", np.nan, by_deficit,
            FOUND, note),
        row("H13", f"{where}: taken over deficit, budget all winners' profits", predicted,
            by_profit, held, "profits over deficit, as generated"),
    ]  # fmt: skip


_WHOLE = policy_of(
    "hyperliquid",
    settlement={
        "rule": "contracts",
        "price": "previous-mark",
        "rounding": "whole-positions",
    },
)


def _of_wave(wave: Wave) -> list[tuple[float, float, float, float]]:
    """Need, overshoot and marginal position in lots, by side of a market."""
    decision = ask(_WHOLE, wave).decision
    payers = decision.payers
    found = []
    for group in np.unique(wave.bankrupt_group):
        need = int(decision.need[wave.bankrupt_group == group].sum())
        mine = np.flatnonzero(payers.group == group)
        capacity = payers.capacity[mine]
        if need == 0 or int(capacity.sum()) <= need:
            continue
        total, score = int(decision.amounts[mine].sum()), decision.score[mine]
        closed = decision.amounts[mine] > 0
        last = closed & (score == score[closed].min())
        marginal = int(capacity[last].max())
        found.append((float(need), float(total - need), float(marginal), float("nan")))
    return found


def _of_market(market: Market) -> list[Finding]:
    """Winners' profits over the deficit, wave by wave."""
    rates = []
    for wave in market.waves:
        rows = wave.candidates
        _, first = np.unique(rows["account"], return_index=True)
        profits = int(np.maximum(rows["account_profit"][first], 0).sum())
        rates.append(profits / wave.total_deficit)
    found = mean_of(np.log(np.array(rates)))
    middle = type(found)(*np.exp(found))
    case = "market: taken over deficit if the budget were all winners' profits"
    note = f"geometric mean of {len(rates)} waves; largest {max(rates):,.3g}"
    return [row("H13", case, np.nan, middle, FOUND, note)]
