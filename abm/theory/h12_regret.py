"""H12: learning the severity, and the regret of a queue that learns nothing.

Claim: projected online gradient descent on the severity has dynamic regret of at most
sqrt((1 + 2 P) * sum D^2), where P is the path length of what was needed; a queue in a fixed
order has a fairness regret that grows with every round.

Source: arXiv 2602.15182, proposition 1 and its lower bound for queues.

Prediction: no sequence breaks the bound; on capacities (1, M) and (M, 1) in turn with one
unit needed the fixed queue regrets T / 2 * (1 - 1 / M).

Test: six kinds of sequences of needs and deficits, heavy-tailed deficits and an adversary
that answers the last iterate among them, with this project's step; regret over the bound.
The queue's regret is against the one that finds the large account each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from abm.adl import severity
from abm.adl.sharing import proportional, queue
from abm.measures import fairness
from abm.theory import books
from abm.theory.finding import (
    FAILS,
    HOLDS,
    SLOPE_TOLERANCE,
    Effort,
    Evidence,
    Finding,
    Point,
    exact,
    judge,
    row,
    slope_of,
)
from abm.theory.market import Market
from abm.world import Array

ROUNDS = (10, 30, 100, 300, 1_000)
LARGE = (2, 10, 100)
_UNIT = 10**6

Needs = Callable[[np.random.Generator, int], Array]

SEQUENCES: dict[str, Needs] = {
    "constant": lambda rng, rounds: np.full(rounds, rng.random()),
    "random": lambda rng, rounds: rng.random(rounds),
    "alternating": lambda rng, rounds: np.arange(rounds) % 2 * 1.0,
    "two regimes": lambda rng, rounds: np.where(np.arange(rounds) < rounds // 2, 0.1, 0.9),
    "random walk": lambda rng, rounds: np.clip(
        0.5 + np.cumsum(rng.normal(0.0, 0.05, rounds)), 0.0, 1.0
    ),
}
"""What share was needed, round by round; the adversary is not among them."""

ADVERSARY = "adversary"


def examine(effort: Effort, market: Market) -> Evidence:
    """Regret over its bound, by kind of sequence; the queue's regret by rounds."""
    evidence = Evidence([], [])
    for name in (*SEQUENCES, ADVERSARY):
        worst = max(_ratios(effort, name))
        verdict = HOLDS if worst <= 1.0 else FAILS
        trials = effort.books * len(ROUNDS)
        case = f"{name} needs: largest regret over sqrt((1 + 2P) sum D^2)"
        note = f"{trials:,} sequences; at most 1 is predicted"
        evidence.findings.append(row("H12", case, 1.0, exact(worst), verdict, note))
        evidence.points.extend(_curve(effort, name))
    for large in LARGE:
        evidence.findings.append(_queue(large))
    evidence.findings.append(_growth())
    evidence.points.extend(
        Point("queue", f"M = {large}", float(t), regret_of_queue(large, t))
        for large in LARGE
        for t in ROUNDS
    )
    return evidence


def descend(deficits: Array, needed: Array | None, path: float) -> tuple[float, Array]:
    """Regret of the descent with the best step for a path length, and what was needed.

    Without needs an adversary picks, each round, the end that is farther from the iterate.
    """
    squares = float((deficits**2).sum())
    eta = severity.GradientDescent(0.5, None, path, squares).step_size(deficits)
    theta, regret = 0.5, 0.0
    told = np.empty(len(deficits))
    for i, deficit in enumerate(deficits.tolist()):
        told[i] = float(theta < 0.5) if needed is None else needed[i]
        regret += deficit * abs(theta - told[i])
        theta = severity.gradient_step(theta, deficit, float(told[i]), eta)
    return regret, told


def bound(deficits: Array, needed: Array) -> float:
    """``sqrt((1 + 2 P) * sum D^2)``."""
    path = float(np.abs(np.diff(needed)).sum())
    return math.sqrt((1.0 + 2.0 * path) * float((deficits**2).sum()))


def _over_bound(rng: np.random.Generator, name: str, rounds: int) -> float:
    deficits = books.pareto(rng, 1.2, rounds)
    if name == ADVERSARY:
        # Its path is not known beforehand; the step is for the longest one.
        regret, told = descend(deficits, None, rounds - 1.0)
        return regret / math.sqrt((2.0 * rounds - 1.0) * float((deficits**2).sum()))
    needed = SEQUENCES[name](rng, rounds)
    path = float(np.abs(np.diff(needed)).sum())
    regret, told = descend(deficits, needed, path)
    return regret / bound(deficits, told)


def _ratios(effort: Effort, name: str) -> Iterator[float]:
    for rounds in ROUNDS:
        # Long sequences take long and say the same.
        for number in range(min(effort.books, max(1, 20_000 // rounds))):
            yield _over_bound(effort.rng(12, rounds, number), name, rounds)


def _curve(effort: Effort, name: str) -> list[Point]:
    """Mean regret over the bound by number of rounds."""
    found = []
    for rounds in ROUNDS:
        tries = range(min(effort.books, 20))
        values = [_over_bound(effort.rng(12, rounds, i), name, rounds) for i in tries]
        found.append(Point("bound", name, float(rounds), float(np.mean(values))))
    return found


def regret_of_queue(large: int, rounds: int) -> float:
    """Largest haircut of a queue in a fixed order less that of the best queue, summed."""
    order = np.array([2.0, 1.0])
    total = 0.0
    for number in range(rounds):
        capacity = np.array([1, large] if number % 2 == 0 else [large, 1]) * _UNIT
        fixed = queue.queue(capacity, order, _UNIT)
        best = queue.queue(capacity, capacity.astype(float), _UNIT)
        total += fairness.largest_haircut(fixed, capacity)
        total -= fairness.largest_haircut(best, capacity)
    return total


def _queue(large: int) -> Finding:
    rounds = ROUNDS[-1]
    found = regret_of_queue(large, rounds)
    predicted = rounds / 2 * (1.0 - 1.0 / large)
    even = 0.0
    for capacity in (np.array([1, large]) * _UNIT, np.array([large, 1]) * _UNIT):
        taken = proportional.pro_rata(capacity, _UNIT)
        even += fairness.largest_haircut(taken, capacity) / 2
    note = (
        f"T = {rounds:,}; against pro-rata, as published, it would be "
        f"{rounds * ((1 + 1 / large) / 2 - even):.4g}"
    )
    verdict = HOLDS if math.isclose(found, predicted, rel_tol=1e-9) else FAILS
    case = f"queue in a fixed order, M = {large}: fairness regret"
    return row("H12", case, predicted, exact(found), verdict, note)


def _growth() -> Finding:
    logs = np.log([[regret_of_queue(10, t) for t in ROUNDS]])
    slope = slope_of(ROUNDS, logs)
    verdict = judge(slope, 1.0, SLOPE_TOLERANCE)
    return row("H12", "queue in a fixed order: exponent of growth in T", 1.0, slope,
               verdict, "")  # fmt: skip
