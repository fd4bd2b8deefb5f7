"""H10: what taking from the levered first does to the next deficit.

Claim: risk-aware pro-rata, with shares of profit in proportion to the risk of an account's
leverage, minimises the deficit to be expected at the next step; with autocorrelated shocks
it may do worse over two steps.

Source: arXiv 2512.01112, section 7. Its model is linear in the shares, so the minimiser is
the greedy fractional knapsack and not its rule.

Prediction: next deficit under greedy <= risk-aware <= pro-rata. Where levered winners are
hedges of the venue, the order of the last two turns over two steps, the sooner the more
shocks persist.

Test: random books, Normal shocks, under three readings of a haircut: as in the paper's
model equity and exposure shrink together; cash is taken and positions stay; positions are
closed at the mark and cash stays. Ratios of expected next deficits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from abm.adl.policy import Policy
from abm.adl.sharing import leverage, proportional, queue, weights
from abm.adl.wave import Wave
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    FOUND,
    HOLDS,
    OUTSIDE,
    Effort,
    Estimate,
    Evidence,
    Finding,
    exact,
    mean_of,
    row,
    share_of,
)
from abm.theory.market import Market, ask, policy_of
from abm.world import Array

SHOCK = 0.1
_ACCOUNTS = 300
_BUDGET = 0.25
_FEWEST = 5

Rule = Callable[[Array, Array, Array, int], Array]
"""Takes capacities, leverages, equities (quanta) and a budget."""


def _risk(levered: Array) -> Array:
    return weights.normal_shock(levered, scale=SHOCK)


RULES: dict[str, Rule] = {
    "pro-rata": lambda capacity, levered, equity, budget: proportional.pro_rata(
        capacity, budget
    ),
    "risk-aware": lambda capacity, levered, equity, budget: proportional.risk_weighted(
        capacity, _risk(levered), budget
    ),
    "greedy": lambda capacity, levered, equity, budget: queue.greedy_by_risk(
        capacity, _risk(levered) * equity, budget
    ),
    "leverage-filling": lambda capacity, levered, equity, budget: leverage.leverage_filling(
        capacity, equity, budget
    ),
}


def examine(effort: Effort, market: Market) -> Evidence:
    """Next deficits by reading and rule, relative to pro-rata."""
    findings = [_order(effort)]
    for reading, rules in (
        ("both shrink", ("risk-aware", "greedy")),
        ("cash taken, positions stay", ("risk-aware", "greedy")),
        ("closed at the mark, cash stays", ("risk-aware", "greedy", "leverage-filling")),
    ):
        for rule in rules:
            findings.append(_ratio(effort, reading, rule))
    findings.extend(_hedges())
    findings.extend(_of_market(market))
    return Evidence(findings, [])


def _book(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Profits and equities in quanta, leverages."""
    equity = books.in_quanta(books.pareto(rng, 1.5, _ACCOUNTS))
    levered = np.exp(rng.normal(1.5, 0.8, _ACCOUNTS))
    profit = np.maximum((equity * rng.uniform(0.05, 0.9, _ACCOUNTS)).astype(np.int64), 1)
    return profit, equity, levered


def next_deficit(
    reading: str, share: Array, equity: Array, levered: Array, profit: Array
) -> float:
    """Expected deficit at the next step, in quanta, after shares were taken.

    Parameters
    ----------
    reading : str
        "both shrink": ``sum(rho(lambda) * e * (1 - h))``, the paper's model. "cash taken,
        positions stay": equity falls by ``h * profit``. "closed at the mark, cash stays":
        exposure falls by the share.
    """
    if reading == "both shrink":
        return float((_risk(levered) * equity * (1.0 - share)).sum())
    notional, left = levered * equity, equity.astype(float)
    if reading.startswith("cash"):
        left = equity - share * profit
    else:
        notional = notional * (1.0 - share)
    return float((left * _risk(notional / left)).sum())


def _after(rule: str, rng: np.random.Generator, reading: str) -> tuple[float, float]:
    """Next deficit under a rule and under pro-rata."""
    profit, equity, levered = _book(rng)
    closes = reading.startswith("closed")
    capacity = np.rint(levered * equity).astype(np.int64) if closes else profit
    budget = int(_BUDGET * capacity.sum())
    found = []
    for name in (rule, "pro-rata"):
        taken = RULES[name](capacity, levered, equity.astype(float), budget)
        share = taken / capacity
        found.append(next_deficit(reading, share, equity, levered, profit))
    return found[0], found[1]


def _ratio(effort: Effort, reading: str, rule: str) -> Finding:
    values = []
    for number in range(effort.books):
        here, even = _after(rule, effort.rng(10, number), reading)
        values.append(here / even)
    found = mean_of(np.array(values))
    verdict = OUTSIDE
    if reading == "both shrink":
        verdict = HOLDS if found.high < 1.0 else FAILS
    case = f"{reading}: next deficit under {rule} over pro-rata"
    return row("H10", case, np.nan, found, verdict, "predicted below 1")


def _order(effort: Effort) -> Finding:
    """How often greedy <= risk-aware <= pro-rata is broken in the paper's model."""
    wrong = 0
    for number in range(effort.books):
        told = [
            _after(rule, effort.rng(10, number), "both shrink")
            for rule in ("greedy", "risk-aware")
        ]
        greedy, aware, even = told[0][0], told[1][0], told[1][1]
        wrong += not greedy <= aware * (1 + 1e-9) <= even * (1 + 2e-9)
    case = "both shrink: greedy <= risk-aware <= pro-rata is broken, share of books"
    verdict = HOLDS if wrong == 0 else FAILS
    return row("H10", case, 0.0, share_of(wrong, effort.books), verdict, "")


def _hedges() -> list[Finding]:
    """How strongly levered winners must hedge the venue for the order to turn.

    Two winners as in the paper's example, equities 60 and 40, leverages 2 and 6. After a
    step of one shock, the venue's next deficit is ``(a - b * s) * Z`` for what the levered
    one still holds, s, and an adverse Z that follows the first by AR(1). The least b at
    which risk-aware is worse than pro-rata in the sum of both steps.
    """
    equity, levered = np.array([60.0, 40.0]), np.array([2.0, 6.0])
    capacity = books.in_quanta(equity)
    shares = {
        name: RULES[name](capacity, levered, equity, 40 * 10**6) / capacity
        for name in ("pro-rata", "risk-aware")
    }
    first = {
        name: next_deficit("both shrink", share, equity, levered, equity)
        for name, share in shares.items()
    }
    gain = first["pro-rata"] - first["risk-aware"]
    held = levered[1] * equity[1] * (1.0 - np.array([s[1] for s in shares.values()]))
    found = []
    for persistence in (0.0, 0.4, 0.8):
        least = gain / ((held[0] - held[1]) * adverse_move(persistence))
        case = f"two steps, AR(1) of {persistence:g}: least hedge for the order to turn"
        note = "share of a levered winner's position that offsets the venue's next deficit"
        found.append(row("H10", case, np.nan, exact(least), FOUND, note))
    return found


_OPTIMAL = {"rule": "optimal", "scale": SHOCK}

_POLICIES = {
    "pro-rata": policy_of("pro-rata"),
    "risk-aware": policy_of(
        "pro-rata", allocation={"rule": "risk-weighted", "risk": _OPTIMAL}
    ),
    "greedy": policy_of("pro-rata", allocation={"rule": "greedy", "risk": _OPTIMAL}),
}
"""Whole policies that take cash, put to waves of the market."""


def _of_market(market: Market) -> list[Finding]:
    """What haircuts add to the next deficit in waves of the market, over pro-rata."""
    added = {name: np.array([_added(p, w) for w in market.waves])
             for name, p in _POLICIES.items()}  # fmt: skip
    findings = []
    for name in ("risk-aware", "greedy"):
        known = added["pro-rata"] > 0.0
        if known.sum() < _FEWEST:
            continue
        logs = np.log(added[name][known] / added["pro-rata"][known])
        found = Estimate(*np.exp(mean_of(logs)))
        case = f"market, cash taken: what {name} adds to the next deficit over pro-rata"
        note = f"geometric mean of {known.sum()} waves; predicted below 1"
        findings.append(row("H10", case, np.nan, found, OUTSIDE, note))
    return findings


def _added(policy: Policy, wave: Wave) -> float:
    """Expected next deficit of the solvent after a wave less that before, in quanta."""
    rows = wave.candidates
    account, first = np.unique(rows["account"], return_index=True)
    equity = rows["equity"][first].astype(float)
    exposure = np.abs(rows["account_net"][first]).astype(float)
    answer = ask(policy, wave)
    paid = np.zeros(len(account))
    np.add.at(paid, np.searchsorted(account, answer.account), answer.paid)
    left = np.maximum(equity - paid, 1.0)
    after, before = (float((e * _risk(exposure / e)).sum()) for e in (left, equity))
    return after - before


def adverse_move(persistence: float) -> float:
    """Expected adverse part of a shock that follows one of a standard deviation."""
    mean = persistence * SHOCK
    deviation = SHOCK * math.sqrt(1.0 - persistence**2)
    z = mean / deviation
    return float(mean * stats.norm.cdf(z) + deviation * stats.norm.pdf(z))
