"""Sharing a budget among a million payers: each rule, and how others would compute it.

The peers are what a quant writes first: plain numpy with a sort or a bisection, compared
amount by amount; and a general convex solver (scipy's SLSQP) on the largest book that it
solves within ten seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from abm.adl.sharing.convex import exponential_penalty, power_penalty
from abm.adl.sharing.leverage import leverage_filling
from abm.adl.sharing.proportional import capped_pro_rata, pro_rata, risk_weighted
from abm.adl.sharing.queue import lexicographic_queue, queue
from abm.world import Array
from benchmarks.common import Row, interleaved

N_PAYERS = 1_000_000
SHARE = 0.3
SOLVER_LIMIT_S = 10.0


class Payers(NamedTuple):
    """Profits in quanta with a heavy tail, leverage, caps on the share, and equity."""

    capacity: Array
    leverage: Array
    cap: Array
    equity: Array
    budget: int


def payers(n: int = N_PAYERS, seed: int = 1) -> Payers:
    """A book whose profits have a tail exponent of 1.2; 30% of them are needed."""
    rng = np.random.default_rng(seed)
    capacity = np.ceil(1e9 * (1.0 + rng.pareto(1.2, n))).astype(np.int64)
    leverage = rng.lognormal(1.0, 1.0, n)
    cap = rng.uniform(0.2, 1.0, n)
    return Payers(capacity, leverage, cap, capacity / leverage, int(SHARE * capacity.sum()))


# --- plain numpy ------------------------------------------------------------------------


def rounded(exact: Array, capacity: Array, budget: int) -> Array:
    """Largest remainder with a full sort."""
    amounts = np.minimum(np.floor(exact).astype(np.int64), capacity)
    order = np.argsort(amounts - exact, kind="stable")
    amounts[order[: budget - int(amounts.sum())]] += 1
    return amounts


def sorted_queue(capacity: Array, order: Array, budget: int) -> Array:
    """A queue with a full sort."""
    ahead = np.cumsum(capacity[order]) - capacity[order]
    amounts = np.empty_like(capacity)
    amounts[order] = np.clip(budget - ahead, 0, capacity[order])
    return amounts


def sorted_fill(capacity: Array, weight: Array, budget: int) -> Array:
    """Water-filling by sorting the levels at which rows fill up."""
    full_at = capacity / weight
    order = np.argsort(full_at)
    paid = np.cumsum(capacity[order])
    active = np.cumsum(weight[order][::-1])[::-1]
    reached = np.append(0.0, paid[:-1]) + full_at[order] * active
    last = int(np.searchsorted(reached, budget))
    before = int(paid[last - 1]) if last else 0
    level = (budget - before) / active[last]
    return rounded(np.minimum(capacity, level * weight), capacity, budget)


def bisected_exponential(capacity: Array, budget: int) -> Array:
    """The exponential penalty's multiplier by bisection over plain arrays."""
    logs = np.log(capacity)
    low, high = -logs.max(), 1.0 - logs.min()
    for _ in range(60):
        middle = 0.5 * (low + high)
        exact = capacity * np.clip(middle + logs, 0.0, 1.0)
        if exact.sum() < budget:
            low = middle
        else:
            high = middle
    return rounded(exact, capacity, budget)


# --- a general solver -------------------------------------------------------------------


def solve(book: Payers, objective: Any, slope: Any, cap: Array) -> float:
    """Seconds that SLSQP takes to minimise an objective over the feasible shares."""
    size = book.capacity / book.capacity.mean()
    budget = SHARE * float(size.sum())
    start = time.process_time()
    optimize.minimize(
        lambda h: objective(h, size),
        np.full(len(size), 0.5 * SHARE),
        jac=lambda h: slope(h, size),
        bounds=[(0.0, most) for most in cap],
        constraints={
            "type": "eq",
            "fun": lambda h: size @ h - budget,
            "jac": lambda h: size,
        },
        method="SLSQP",
    )
    return time.process_time() - start


def largest_solved(objective: Any, slope: Any) -> str:
    """The largest book, in steps of two, that the solver manages in the time allowed."""
    found, n = "none", 25
    while True:
        book = payers(n)
        taken = solve(book, objective, slope, book.cap)
        if taken > SOLVER_LIMIT_S:
            return found
        found = f"SLSQP {n:,} rows in {taken:.1f} s"
        # Its work grows with the cube of the rows: the next book would take eight times.
        if 8.0 * taken > SOLVER_LIMIT_S:
            return found
        n *= 2


# --- rows -------------------------------------------------------------------------------


class Contest(NamedTuple):
    """A rule, the same in plain numpy, and the bar in milliseconds."""

    name: str
    ours: Callable[[], Array]
    theirs: Callable[[], Array]
    bar_ms: float


def contests(book: Payers) -> list[Contest]:
    """Every rule with its peer on one book."""
    c, leverage, budget = book.capacity, book.leverage, book.budget
    ranks = np.column_stack([np.round(leverage), np.round(book.cap, 2), -book.equity])
    most = np.floor(c * book.cap).astype(np.int64)
    ones, sizes = np.ones(len(c)), c.astype(np.float64)
    kept = int(c.sum()) - budget
    return [
        Contest(
            "pro-rata",
            lambda: pro_rata(c, budget),
            lambda: rounded(c * (budget / int(c.sum())), c, budget),
            30.0,
        ),
        Contest(
            "capped pro-rata",
            lambda: capped_pro_rata(c, book.cap, budget),
            lambda: sorted_fill(most, sizes, budget),
            30.0,
        ),
        Contest(
            "risk-weighted",
            lambda: risk_weighted(c, leverage, budget),
            lambda: sorted_fill(c, leverage * c, budget),
            30.0,
        ),
        Contest(
            "queue by one score",
            lambda: queue(c, leverage, budget),
            lambda: sorted_queue(c, np.argsort(-leverage, kind="stable"), budget),
            60.0,
        ),
        Contest(
            "queue by three scores",
            lambda: lexicographic_queue(c, ranks, budget),
            lambda: sorted_queue(c, np.lexsort(-ranks.T[::-1]), budget),
            60.0,
        ),
        Contest(
            "quadratic penalty",
            lambda: power_penalty(c, ones, budget),
            lambda: sorted_fill(c, sizes * sizes, budget),
            100.0,
        ),
        Contest(
            "exponential penalty",
            lambda: exponential_penalty(c, ones, budget),
            lambda: bisected_exponential(c, budget),
            100.0,
        ),
        Contest(
            "leverage water-filling",
            lambda: leverage_filling(c, book.equity, budget),
            lambda: c - sorted_fill(c, book.equity, kept),
            150.0,
        ),
    ]


SOLVED = {
    "capped pro-rata": (
        lambda h, size: float(size @ (h * h)),
        lambda h, size: 2.0 * size * h,
    ),
    "quadratic penalty": (lambda h, size: float(h @ h), lambda h, size: 2.0 * h),
}
"""Objectives, with their slopes, for the general solver."""


def run() -> list[Row]:
    """Time every rule and its peer in turns, and compare the amounts."""
    rows, book = [], payers()
    for contest in contests(book):
        mine, others = contest.ours(), contest.theirs()
        apart = int(np.abs(mine - others).max())
        exact = int(mine.sum()) == book.budget
        ours, theirs = interleaved(
            [
                (lambda _, rule=contest.ours: rule(), lambda: None),
                (lambda _, rule=contest.theirs: rule(), lambda: None),
            ]
        )
        peer = f"plain numpy {1e3 * theirs:.0f} ms"
        if contest.name in SOLVED:
            peer += f"; {largest_solved(*SOLVED[contest.name])}"
        rows.append(
            Row(
                what=f"{contest.name}, {N_PAYERS:,} payers",
                ours=f"{1e3 * ours:.0f} ms",
                peer=peer,
                ratio=theirs / ours,
                bar=f"{contest.bar_ms:.0f} ms",
                met=1e3 * ours < contest.bar_ms and exact,
                same_work=f"sum {'exact' if exact else 'NOT exact'}; "
                f"amounts within {apart} quanta",
            )
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
