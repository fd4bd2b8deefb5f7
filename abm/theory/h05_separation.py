"""H5: what is left of the deficit depends on the severity alone.

Claim: the residual is (1 - theta) * D under any rule of severity theta; how the burden is
split moves fairness and revenue only.

Source: arXiv 2512.01112, section 4, separation principle.

Prediction: exactly the same residual under all rules of one severity, as long as there is
profit enough and neither caps nor whole lots bind.

Test: whole policies decide on generated waves and on waves of the market at severities of
0.2, 0.5 and 0.8; the spread of residuals over rules is counted to the last quantum. Rules
that cap shares, and rules that close whole lots at the bankruptcy price, are set apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abm.adl.policy import Policy
from abm.adl.settlement.base import portion
from abm.adl.wave import Wave
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    HOLDS,
    OUTSIDE,
    Effort,
    Evidence,
    Finding,
    Point,
    exact,
    row,
)
from abm.theory.market import Market, ask, policy_of
from abm.theory.waves import cash_wave

THETAS = (0.2, 0.5, 0.8)

FREE = ("pro-rata", "risk-weighted", "convex-penalty", "levelling")
"""Cash rules in which nothing binds but what there is."""

CAPPED = "capped-pro-rata"
LOTS = ("hyperliquid", "bitmex", "minmax")

_BOOKS = 40
_WINNERS = 1_000


def examine(effort: Effort, market: Market) -> Evidence:
    """Spread of residuals over rules, generated and in the market."""
    evidence = Evidence([], [])
    for where, waves in (
        ("generated", _generated(effort)),
        ("market", [wave for wave in market.waves if _is_plain(wave)]),
    ):
        if not waves:
            continue
        evidence.findings.append(_spread(where, waves))
        evidence.findings.append(_misses(where, waves, (CAPPED,), "caps of a tenth"))
        if where == "market":
            evidence.findings.append(_misses(where, waves, LOTS, "lots closed at a price"))
        evidence.points.extend(_points(where, waves))
    return evidence


def at(name: str, theta: float) -> Policy:
    """A built-in policy at a fixed severity."""
    return policy_of(
        name, severity={"rule": "fixed", "share": theta}, trigger="venue-short"
    )


def _generated(effort: Effort) -> list[Wave]:
    """Waves of a thousand winners whose profits are four times the deficit."""
    found = []
    for number in range(min(effort.books, _BOOKS)):
        rng = effort.rng(5, number)
        profit = books.in_quanta(books.pareto(rng, 1.5, _WINNERS))
        leverage = rng.uniform(1.0, 20.0, _WINNERS)
        found.append(cash_wave(int(profit.sum()) // 4, profit, leverage))
    return found


def _is_plain(wave: Wave) -> bool:
    """Enough profit for all of the deficit, which no alarm on the fund has raised."""
    profit = np.maximum(wave.candidates["account_profit"], 0)
    _, first = np.unique(wave.candidates["account"], return_index=True)
    return wave.defended == 0 and int(profit[first].sum()) >= wave.total_deficit


def _residuals(waves: Sequence[Wave], names: Sequence[str], theta: float) -> np.ndarray:
    """Residual over what is predicted, in quanta, shape (rules, waves)."""
    found = np.empty((len(names), len(waves)))
    for i, name in enumerate(names):
        policy = at(name, theta)
        for j, wave in enumerate(waves):
            asked = int(portion(np.array([wave.total_deficit]), theta)[0])
            found[i, j] = ask(policy, wave).left - (wave.total_deficit - asked)
    return found


def _spread(where: str, waves: Sequence[Wave]) -> Finding:
    apart = np.concatenate([_residuals(waves, FREE, theta).ravel() for theta in THETAS])
    most = float(np.abs(apart).max())
    note = (
        f"{len(FREE)} rules, {len(THETAS)} severities, {len(waves)} waves; quanta of a "
        "millionth of a dollar"
    )
    case = f"{where}: most that a residual differs from (1 - theta) D, quanta"
    return row("H5", case, 0.0, exact(most), HOLDS if most == 0.0 else FAILS, note)


def _misses(where: str, waves: Sequence[Wave], names: Sequence[str], why: str) -> Finding:
    """Largest miss, as a share of the deficit, of rules in which something binds."""
    deficit = np.array([wave.total_deficit for wave in waves], float)
    apart = max(
        float((np.abs(_residuals(waves, names, theta)) / deficit).max()) for theta in THETAS
    )
    verdict = HOLDS if apart == 0.0 else OUTSIDE
    case = f"{where}: most that a residual differs, share of D, {why}"
    return row("H5", case, 0.0, exact(apart), verdict, ", ".join(names))


def _points(where: str, waves: Sequence[Wave]) -> list[Point]:
    """Share of the deficit that is left, by severity and rule, mean over waves."""
    deficit = sum(wave.total_deficit for wave in waves)
    names = (*FREE, CAPPED, *(LOTS if where == "market" else ()))
    found = []
    for name in names:
        for theta in (0.0, *THETAS, 1.0):
            policy = at(name, theta)
            left = sum(ask(policy, wave).left for wave in waves)
            found.append(Point(where, name, theta, left / deficit))
    return found
