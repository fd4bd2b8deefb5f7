"""H11: what churn does under queues and under pro-rata.

Claim: accounts that are closed in full leave, so a queue's burden falls on other people in
every round: it is more volatile, drives more value away, and takes no less time to make
the venue solvent.

Source: arXiv 2602.15182 (instability of queues under churn); arXiv 2512.01112, section 9
(hazard of leaving 1 - exp(-beta h)) and its comparison of queue and pro-rata.

Prediction: path length of the effective price impact (T - 1) * (a_max - a_min) for the
queue on the published sequence, 0 for pro-rata; less lifetime value under the queue.

Test: the published sequence exactly; ten rounds on Pareto books in which each haircut
keeps exp(-beta h) of an account; recorded batches of several crashes, paired by run. What
stays under that hazard is convex in h, so by Jensen's inequality the same share of
everybody keeps the least of all ways to raise a budget.
"""

from __future__ import annotations

import numpy as np

from abm.measures import retention
from abm.theory import books
from abm.theory.books import BY_LOT, BY_WEALTH, LEVELLING, PRO_RATA, RULES
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
from abm.theory.market import Market
from abm.world import Array

_ROUNDS = 10
_ACCOUNTS = 200
BUDGETS = (0.01, 0.05)
"""Shares of the wealth at the start that each round asks for."""
_SLOPES = (0.1, 2.0)


def examine(effort: Effort, market: Market) -> Evidence:
    """The published sequence, rounds of churn, and crashes in a row."""
    evidence = Evidence(_published(), [])
    for share in BUDGETS:
        told = {
            rule: np.array(
                [rounds_of(rule, effort.rng(11, i), share) for i in range(effort.books)]
            )
            for rule in RULES
        }
        evidence.findings.extend(_rounds(share, told))
        evidence.points.extend(
            Point(f"{share:g}", rule, float(told[rule][:, 0].mean()),
                  *mean_of(told[rule][:, 1]))
            for rule in RULES
        )  # fmt: skip
    evidence.findings.extend(_of_market(market))
    return evidence


def _published() -> list[Finding]:
    """2T accounts of one unit, one unit needed a round, slopes alternating."""
    rounds, slopes = 50, (0.1, 2.0)
    found = []
    for rule, predicted in (
        (BY_LOT, (rounds - 1) * (slopes[1] - slopes[0])),
        (PRO_RATA, 0.0),
    ):
        capacity = np.full(2 * rounds, 10**6)
        impact = np.array([slopes[i % 2] for i in range(2 * rounds)])
        effective = []
        for _ in range(rounds):
            order = -np.arange(len(capacity), dtype=float)
            taken = RULES[rule](capacity, order, 10**6)
            effective.append(effective_slope(impact, taken))
            stays = taken < capacity
            capacity, impact = capacity[stays], impact[stays]
        path = float(np.abs(np.diff(effective)).sum())
        case = f"published sequence, {rule}: path of the effective slope"
        verdict = HOLDS if abs(path - predicted) < 1e-3 else FAILS
        found.append(row("H11", case, predicted, exact(path), verdict, f"T = {rounds}"))
    return found


def effective_slope(impact: Array, taken: Array) -> float:
    """Impact slopes weighted by squared amounts (arXiv 2602.15182)."""
    squares = taken.astype(float) ** 2
    return float((impact * squares).sum() / squares.sum())


def rounds_of(
    rule: str, rng: np.random.Generator, budget_share: float
) -> tuple[float, float, float]:
    """Path of the effective slope, wealth that stays, and rounds that were met in full.

    In each round a share of all wealth at the start is asked for. An account that is
    asked for the share h of what it has left keeps exp(-beta h) of the rest.
    """
    worth = books.pareto(rng, 1.5, _ACCOUNTS)
    impact = rng.uniform(*_SLOPES, _ACCOUNTS)
    score = rng.random(_ACCOUNTS)
    budget = int(budget_share * worth.sum() * 1e6)
    left = worth.copy()
    effective, met = [], 0
    for _ in range(_ROUNDS):
        capacity = books.in_quanta(left)
        taken = RULES[rule](capacity, score, budget)
        met += int(taken.sum()) >= budget
        if not taken.any():
            break
        effective.append(effective_slope(impact, taken))
        share = np.divide(taken, capacity, out=np.zeros(len(left)), where=capacity > 0)
        left = (left - taken / 1e6) * retention.participation(share[None, :])
    path = float(np.abs(np.diff(effective)).sum())
    return path, float(max(left.sum() / worth.sum(), 0.0)), float(met)


_MEASURES = (
    ("path of the effective slope", 1.0),
    ("share of wealth that stays", -1.0),
    ("rounds met in full", -1.0),
)
"""Columns of `rounds_of`, and the sign that is predicted of queue less pro-rata."""


def _rounds(share: float, told: dict[str, Array]) -> list[Finding]:
    """Queues and levelling against pro-rata, book by book."""
    findings = []
    for rule in (BY_WEALTH, BY_LOT, LEVELLING):
        for column, (name, sign) in enumerate(_MEASURES):
            here, even = told[rule][:, column], told[PRO_RATA][:, column]
            apart = mean_of(here - even)
            held = apart.low > 0.0 if sign > 0 else apart.high <= 0.0
            verdict = FOUND if rule == LEVELLING else HOLDS if held else FAILS
            case = f"ten rounds of {share:.0%}, {rule} less pro-rata: {name}"
            note = (
                f"{here.mean():.3g} against {even.mean():.3g}; predicted "
                f"{'above' if sign > 0 else 'at most'} 0"
            )
            findings.append(row("H11", case, np.nan, apart, verdict, note))
    return findings


_COLUMNS = ("retained_value_share", "accounts_left", "solvency_recovery_s")


def _of_market(market: Market) -> list[Finding]:
    """Batches of several episodes that have a queue and pro-rata, paired by run."""
    findings = []
    for batch in market.batches:
        episodes = batch.scenario.get("episodes") or {}
        queues = [name for name in batch.policies if name in ("hyperliquid", "binance")]
        if int(episodes.get("count", 1)) < 2 or "pro-rata" not in batch.policies:
            continue
        frame = batch.frame("runs", columns=["run", "policy", "failed", *_COLUMNS])
        frame = frame[~frame["failed"].astype(bool)]
        for queue in queues:
            for column in _COLUMNS:
                wide = frame.pivot(index="run", columns="policy", values=column)
                apart = (wide[queue] - wide["pro-rata"]).replace(np.inf, np.nan).dropna()
                if len(apart) < 2:
                    continue
                case = f"market, {batch.name}, {queue} less pro-rata: {column}"
                note = f"{len(apart)} runs of {episodes['count']} crashes"
                found = mean_of(apart.to_numpy(float))
                findings.append(row("H11", case, np.nan, found, FOUND, note))
    return findings
