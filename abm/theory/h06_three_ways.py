"""H6: when a static rule can have solvency, fairness and revenue at once.

Claim: no static rule is solvent (what is left of the deficit stays bounded), fair (PTSR
stays between two constants) and keeps its revenue (all but a constant share of fees) if the
mean deficit exceeds mean fees; where fees exceed the deficit, all three can be had.

Source: arXiv 2512.01112, trilemma (theorem and appendix J). Fairness has two halves there,
PTSR and PMR; the second cannot hold with the first (see the counterexamples), so only PTSR
is asked for here.

Prediction: all three somewhere in the plane of severity and diverted share of fees exactly
if fees are at least the deficit.

Test: every severity and diverted share on books of Pareto tails, with fees from a quarter
to four times the deficit: solvent if a tenth of the deficit at most is left, fair if PTSR
lies between 0.2 and 5, revenue kept if at least half of fees are.
"""

from __future__ import annotations

import numpy as np

from abm.adl.sharing import proportional
from abm.measures import fairness
from abm.theory import books
from abm.theory.finding import (
    FOUND,
    Effort,
    Evidence,
    Finding,
    Point,
    exact,
    resampled,
    row,
)
from abm.theory.market import Market
from abm.units import QUANTA_PER_USD
from abm.world import Array

ALPHA = 1.5
KEPT = 0.5
"""The share of fees that must be kept."""

UNMET = 0.1
FAIR = (0.2, 5.0)
RATIOS = np.linspace(0.25, 2.5, 46)
"""Mean fees over mean deficit."""

SIZES = (200, 2_000, 20_000)
DRAWN = (0.5, 1.25, 2.5)
"""Ratios of which the plane is drawn, at the largest size."""

_SEVERITIES = np.concatenate([np.geomspace(1e-4, 0.05, 12), np.linspace(0.1, 1.0, 19)])
_DIVERTED = np.linspace(0.0, 1.0, 41)
_BOOKS = 40


def examine(effort: Effort, market: Market) -> Evidence:
    """Least fees at which all three hold, by size; the market's own regime."""
    evidence = Evidence([], [])
    for size in SIZES:
        ptsr = ptsr_by_severity(effort, size)
        evidence.findings.append(_least(size, ptsr))
        if size == max(SIZES):
            for ratio in DRAWN:
                evidence.points.extend(_points(ratio, frontier(ptsr, ratio)))
    evidence.findings.extend(_of_market(market))
    return evidence


def frontier(ptsr: Array, ratio: float) -> Array:
    """Whether each of the three holds, shape (3, severities, diverted shares).

    ADL pays first, the fund that diverted fees have filled next; the rest is left.
    """
    residual = np.maximum(1.0 - _SEVERITIES[:, None] - _DIVERTED[None, :] * ratio, 0.0)
    solvent = residual <= UNMET
    fair = (ptsr >= FAIR[0]) & (ptsr <= FAIR[1])
    kept = _DIVERTED <= 1.0 - KEPT + 1e-12
    grid = np.ones_like(residual, bool)
    return np.stack([solvent, fair[:, None] & grid, kept[None, :] & grid])


def ptsr_by_severity(effort: Effort, size: int) -> Array:
    """Median PTSR under pro-rata by severity, shape (severities,)."""
    count = min(effort.books, _BOOKS)
    found = np.empty((count, len(_SEVERITIES)))
    for number, values in enumerate(found):
        rng = effort.rng(6, number)
        capacity = books.in_quanta(books.pareto(rng, ALPHA, size // 2))
        deficit = float(books.LOSSES * books.pareto(rng, ALPHA, size // 2).sum())
        for place, theta in enumerate(_SEVERITIES):
            budget = int(theta * deficit * QUANTA_PER_USD)
            taken = proportional.pro_rata(capacity, budget)
            left = fairness.largest_survivor(capacity, taken) / QUANTA_PER_USD
            values[place] = fairness.ptsr(left, deficit, float(theta))
    return np.asarray(np.median(found, axis=0))


def _least(size: int, ptsr: Array) -> Finding:
    """The least fees over deficit at which some rule has all three."""
    planes = {float(ratio): frontier(ptsr, float(ratio)) for ratio in RATIOS}
    possible = [ratio for ratio, three in planes.items() if three.all(axis=0).any()]
    fair = _SEVERITIES[(ptsr >= FAIR[0]) & (ptsr <= FAIR[1])]
    most = float(fair.max(initial=0.0))
    note = (
        f"fair severities end at {most:.3g}; what must be kept cannot be diverted, so "
        f"(1 - {UNMET:g} - {most:.3g}) / (1 - {KEPT:g}) = "
        f"{(1 - UNMET - most) / (1 - KEPT):.3g}, and {(1 - UNMET) / (1 - KEPT):.3g} at "
        "infinite size"
    )
    found = exact(min(possible, default=np.nan))
    case = f"{size:,} accounts: least fees over deficit at which a rule has all three"
    return row("H6", case, 1.0, found, FOUND, note)


def _points(ratio: float, three: Array) -> list[Point]:
    """How many of the three hold, a point a cell: its bits are S, F and R."""
    bits = three[0] * 1 + three[1] * 2 + three[2] * 4
    return [
        Point(f"{ratio:g}", f"{theta:.6g}", float(share), float(bits[i, j]))
        for i, theta in enumerate(_SEVERITIES)
        for j, share in enumerate(_DIVERTED)
    ]


def _of_market(market: Market) -> list[Finding]:
    """Mean fees over mean deficit of recorded runs, policy by policy taken together."""
    frame = market.frame("runs", ["run", "policy", "failed", "deficit_usd", "fees_usd"])
    if frame is None:
        return []
    done = frame[~frame["failed"].astype(bool)]
    by_run = done.groupby(["batch", "run"])[["fees_usd", "deficit_usd"]].mean()
    if not by_run["deficit_usd"].sum() > 0.0:
        return []

    def ratio(rows: Array) -> Array:
        return np.asarray(rows[..., 0].sum(axis=1) / rows[..., 1].sum(axis=1))

    found = resampled(by_run.to_numpy(float), ratio)
    note = "below 1 is the regime of the trilemma; fees and deficits are the run's own"
    case = "market: fees over deficit of a run"
    return [row("H6", case, np.nan, found, FOUND, note)]
