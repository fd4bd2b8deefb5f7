"""H9: what whole contracts cost pro-rata.

Claim: rounding shares to whole contracts makes pro-rata miss its budget.

Source: arXiv 2512.01112, section 6 (contract pro-rata falls short of its target) and the
code that accompanies it.

Prediction: rounding down falls short by exactly the sum of the fractional parts, about half
a contract a payer; rounding the budget up and giving the remainders to the largest
fractions misses nothing.

Test: shares of generated books and of the market's waves, rounded by each rule of this
project; the miss in contracts over the sum of fractional parts, and over the number of
payers.
"""

from __future__ import annotations

import math

import numpy as np

from abm.adl.sharing import rounding
from abm.adl.wave import Wave
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    FOUND,
    HOLDS,
    Effort,
    Evidence,
    Finding,
    exact,
    judge,
    mean_of,
    row,
)
from abm.theory.market import Market
from abm.world import Array

_ACCOUNTS = 500
_BUDGET = 0.3
_LEAST, _MOST = 0.1, 0.9
_ALPHA = 1.5
_CONTRACTS = 40.0
"""Contracts that the smallest position has."""


def examine(effort: Effort, market: Market) -> Evidence:
    """Misses of rounding down and of the largest remainder."""
    cases = [_generated(effort, number) for number in range(effort.books)]
    findings = _findings("generated", cases)
    waves = [case for wave in market.waves for case in _sides(wave)]
    if waves:
        findings += _findings("market", waves, half=False)
    return Evidence(findings, [])


def _generated(effort: Effort, number: int) -> tuple[Array, float]:
    """Positions in whole contracts, and a budget that is not whole."""
    rng = effort.rng(9, number)
    held = _CONTRACTS * books.pareto(rng, _ALPHA, _ACCOUNTS)
    capacity = np.floor(held).astype(np.int64)
    return capacity, rng.uniform(_LEAST, _MOST) * float(capacity.sum())


def _sides(wave: Wave) -> list[tuple[Array, float]]:
    """Positions of each side of each market, and three tenths of them as budget."""
    rows = wave.candidates
    group = 2 * rows["market"] + (rows["lots"] < 0)
    found = []
    for side in np.unique(group):
        capacity = np.abs(rows["lots"][group == side])
        if len(capacity) > 1:
            found.append((capacity, _BUDGET * float(capacity.sum())))
    return found


def misses(capacity: Array, budget: float) -> tuple[float, float, float, float]:
    """Fractions, and by how much rounding down, largest remainder and up miss, contracts.

    The budget of the last two is rounded up first.
    """
    exact_shares = capacity * (budget / capacity.sum())
    fractions = float((exact_shares - np.floor(exact_shares)).sum())
    up = math.ceil(budget)
    scaled = capacity * (up / capacity.sum())
    down = budget - float(rounding.floor(exact_shares, capacity, up).amounts.sum())
    remainder = float(rounding.largest_remainder(scaled, capacity, up).amounts.sum()) - up
    above = float(rounding.ceil(exact_shares, capacity, up).amounts.sum()) - budget
    return fractions, down, remainder, above


def _findings(
    where: str, cases: list[tuple[Array, float]], half: bool = True
) -> list[Finding]:
    table = np.array([misses(*case) for case in cases])
    payers = np.array([len(capacity) for capacity, _ in cases], float)
    fractions, down, remainder, above = table.T
    apart = float(np.abs(down - fractions).max())
    most = float(np.abs(remainder).max())
    each = mean_of(down / payers)
    total = sum(int(capacity.sum()) for capacity, _ in cases)
    note = f"{len(cases)} books or sides, {total:,.3g} contracts".replace("e+", "e")
    return [
        row("H9", f"{where}, rounding down: most that the miss differs from the sum of "
            "fractions, contracts", 0.0, exact(apart),
            HOLDS if apart < 1e-6 * total else FAILS, note),
        row("H9", f"{where}, rounding down: contracts missed a payer",
            0.5 if half else np.nan, each,
            judge(each, 0.5, 0.02) if half else FOUND,
            "half where fractions are even; fewer where positions are small"),
        row("H9", f"{where}, budget up and largest remainder: most contracts missed", 0.0,
            exact(most), HOLDS if most == 0.0 else FAILS, ""),
        row("H9", f"{where}, rounding up: contracts too many a payer",
            0.5 if half else np.nan, mean_of(above / payers),
            judge(mean_of(above / payers), 0.5, 0.02) if half else FOUND, ""),
    ]  # fmt: skip
