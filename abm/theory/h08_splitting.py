"""H8: what splitting an account saves its owner.

Claim: pro-rata cannot be gamed by splitting an account into many (Sybil attack); a queue
can: a split account pays less.

Source: arXiv 2512.01112, section 5 and the appendix on the uniqueness of pro-rata; the
discussion of splitting in arXiv 2602.15182.

Prediction: splitting a top account into k equal parts lowers what its owner pays under a
queue by profit and leaves it as it was under pro-rata. A score that does not change with
size, such as return times leverage, gives each part the rank of the whole: nothing is won.

Test: the richest account of generated books in 2 to 16 parts; then the accounts that pay
most in waves of the market, each split in two and in eight and the wave decided again by
whole policies.
"""

from __future__ import annotations

import numpy as np

from abm.adl.policy import Policy
from abm.adl.wave import Wave
from abm.theory import books
from abm.theory.books import BY_LOT, BY_WEALTH, LEVELLING, PRO_RATA, RULES
from abm.theory.finding import (
    FAILS,
    FOUND,
    HOLDS,
    OUTSIDE,
    Effort,
    Estimate,
    Evidence,
    Finding,
    Point,
    mean_of,
    row,
)
from abm.theory.market import Market, ask, policy_of
from abm.theory.waves import split
from abm.world import Array

PARTS = (2, 4, 8, 16)
_ACCOUNTS = 500
_BUDGET = 0.1
_ALPHA = 1.5
_WAVES = 16
_PAYERS = 3

_SAME = 1e-4
"""Less is what whole units leave."""

_TOLD = {
    PRO_RATA: ("changes nothing", 0.0),
    BY_LOT: ("changes nothing", 0.0),
    BY_WEALTH: ("lowers it", np.nan),
    LEVELLING: ("lowers it", np.nan),
}

_POLICIES: dict[str, dict[str, object]] = {
    "pro-rata": {},
    "levelling": {},
    "risk-weighted": {},
    "queue by profit": {"allocation": {"rule": "queue", "score": "account-profit"}},
    "hyperliquid": {},
    "binance": {},
    "ethereal": {},
}
"""Rules put to the market's waves; the queue is a cash rule."""


def examine(effort: Effort, market: Market) -> Evidence:
    """What splitting saves, by rule and number of parts."""
    evidence = Evidence([], [])
    for rule in RULES:
        for parts in PARTS:
            found = mean_of(np.array(_saved(effort, rule, parts)))
            evidence.points.append(Point("generated", rule, parts, *found))
            if parts in (2, 8):
                evidence.findings.append(_finding(rule, parts, found))
    for name in _POLICIES:
        evidence.findings.extend(_of_market(market, name))
    return evidence


def _finding(rule: str, parts: int, found: Estimate) -> Finding:
    prediction, number = _TOLD[rule]
    lowers = found.low > _SAME
    same = abs(found.value) <= _SAME
    held = same if number == 0.0 else lowers
    case = f"generated, {rule}, {parts} parts: share of the payment saved"
    note = f"predicted: {prediction}"
    return row("H8", case, number, found, HOLDS if held else FAILS, note)


def _saved(effort: Effort, rule: str, parts: int) -> list[float]:
    """Share of its payment that the richest account saves, a book each.

    Under the queue by another score the richest is given the highest one, so that it pays.
    """
    found = []
    for number in range(effort.books):
        rng = effort.rng(8, number)
        capacity = books.in_quanta(books.pareto(rng, _ALPHA, _ACCOUNTS))
        score = rng.random(_ACCOUNTS)
        top = int(capacity.argmax())
        score[top] = 2.0
        budget = int(_BUDGET * capacity.sum())
        whole = int(RULES[rule](capacity, score, budget)[top])
        pieces = np.full(parts, capacity[top] // parts)
        pieces[0] += capacity[top] - pieces.sum()
        others = np.delete(capacity, top)
        after = np.concatenate([pieces, others])
        rank = np.concatenate([np.full(parts, 2.0), np.delete(score, top)])
        paid = int(RULES[rule](after, rank, budget)[:parts].sum())
        found.append(1.0 - paid / whole)
    return found


def _of_market(market: Market, name: str) -> list[Finding]:
    """Mean share saved by the accounts that pay most, each split alone."""
    base = "pro-rata" if name == "queue by profit" else name
    policy = policy_of(base, **_POLICIES[name])
    found: list[Finding] = []
    for parts in (2, 8):
        values = [
            saved
            for wave in market.waves[:_WAVES]
            for saved in saved_in(policy, wave, parts)
        ]
        if not values:
            return []
        case = f"market, {name}, {parts} parts: share of the payment saved"
        note = f"{len(values)} accounts of {min(len(market.waves), _WAVES)} waves"
        estimate = mean_of(np.array(values))
        prediction, verdict, why = _verdict(name, estimate)
        found.append(row("H8", case, prediction, estimate, verdict, f"{note}{why}"))
    return found


def _verdict(name: str, found: Estimate) -> tuple[float, str, str]:
    """What is predicted for a policy, whether it holds, and what else there is to say."""
    if name == PRO_RATA:
        return 0.0, HOLDS if abs(found.value) <= _SAME else FAILS, ""
    if name == BY_WEALTH:
        if found.low > _SAME:
            return np.nan, HOLDS, "; predicted: lowers it"
        outside = abs(found.value) <= _SAME or found.low >= 0.0
        return np.nan, OUTSIDE if outside else FAILS, "; most parts still rank first"
    if name == "binance":
        return np.nan, FOUND, "; winners whose collateral is spent rank by size"
    return np.nan, FOUND, ""


def saved_in(policy: Policy, wave: Wave, parts: int) -> list[float]:
    """Share of what the largest payers give that each would save by splitting.

    In what a policy asks for: lots of an account's positions, or quanta.
    """
    decision = ask(policy, wave).decision
    owner = wave.candidates["account"][decision.payers.row]
    given: dict[int, int] = {}
    for account, amount in zip(owner.tolist(), decision.amounts.tolist(), strict=True):
        given[account] = given.get(account, 0) + amount
    largest = sorted(given, key=lambda account: -given[account])[:_PAYERS]
    newest = int(wave.candidates["account"].max())
    found = []
    for account in largest:
        if given[account] == 0:
            continue
        after = ask(policy, split(wave, account, parts)).decision
        owners = split(wave, account, parts).candidates["account"][after.payers.row]
        mine = (owners == account) | (owners > newest)
        found.append(1.0 - _total(after.amounts, mine) / given[account])
    return found


def _total(amounts: Array, mine: Array) -> int:
    return int(amounts[mine].sum())
