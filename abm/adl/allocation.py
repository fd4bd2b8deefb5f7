"""How is it shared? Allocation rules: pure functions of arrays, exact in integers.

Every rule takes capacities and a budget in whole units (lots or quanta) and gives whole
amounts with ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from abm.adl import scores
from abm.adl.answers import Answer, build
from abm.adl.scores import Score
from abm.world import Array


class Allocation(NamedTuple):
    """A rule and the score it works on (None if it looks at capacities alone).

    `share(capacity, score, budget)` gives whole amounts for one group of payers.
    """

    share: Callable[[Array, Array, int], Array]
    score: Score | None = None


def queue(capacity: Array, score: Array, budget: int) -> Array:
    """Take all from the highest score, then the next, until the budget is met.

    The rule with the fewest payers when the score is capacity. The last payer is taken
    partially. Ties go to the earlier row.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    score : array of float64, shape (n,)
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    order = _from_the_highest(score)
    ahead = np.cumsum(capacity[order]) - capacity[order]
    amounts = np.empty_like(capacity)
    amounts[order] = np.clip(budget - ahead, 0, capacity[order])
    return amounts


def _from_the_highest(score: Array) -> Array:
    """Rows in falling order of score, ties in the order of rows."""
    order = np.argsort(-score)
    ranked = score[order]
    if (ranked[1:] == ranked[:-1]).any():
        # Only a stable sort keeps ties in order; it takes four times as long.
        return np.argsort(-score, kind="stable")
    return order


def pro_rata(capacity: Array, score: Array, budget: int) -> Array:
    """Take the same share of every capacity, by largest remainder.

    Minimises the largest share taken, ``max x / capacity``. Exact in integers also where
    ``capacity * budget`` exceeds 64 bits.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    score : array, shape (n,)
        Not looked at.
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    total = int(capacity.sum())
    if budget >= total:
        return capacity.copy()
    if total == 0 or budget <= 0:
        return np.zeros_like(capacity)
    exact = capacity.astype(np.longdouble) * (np.longdouble(budget) / np.longdouble(total))
    return round_to_sum(exact, capacity, budget)


def round_to_sum(exact: Array, capacity: Array, budget: int) -> Array:
    """Whole amounts next to exact ones, within capacity, that sum to the budget.

    Largest remainder (Hamilton's method); ties go to the earlier row. The budget must
    not exceed the sum of capacities.
    """
    whole = np.minimum(np.floor(exact).astype(np.int64), capacity)
    rest = (exact - whole).astype(np.float64)
    missing = budget - int(whole.sum())
    while missing > 0:
        open_rows = np.flatnonzero(whole < capacity)
        chosen = open_rows[np.argsort(-rest[open_rows], kind="stable")[:missing]]
        whole[chosen] += 1
        missing -= len(chosen)
    if missing < 0:
        chosen = np.flatnonzero(whole > 0)
        chosen = chosen[np.argsort(rest[chosen], kind="stable")[:-missing]]
        whole[chosen] -= 1
    return whole


# --- answers ----------------------------------------------------------------------------


def by_queue(*, score: Answer) -> Allocation:
    """The highest score pays all it can, then the next."""
    return Allocation(queue, build("allocation.score", score, scores.ANSWERS))


def by_capacity() -> Allocation:
    """Everyone pays the same share of capacity."""
    return Allocation(pro_rata)


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "queue": by_queue,
    "pro-rata": by_capacity,
}


def part(question: str, answer: Any) -> Allocation:
    """The allocation that an answer describes; a user's function shares by capacity.

    Raises
    ------
    CompositionError
        If the answer makes no allocation.
    """
    built = build(question, answer, ANSWERS)
    return built if isinstance(built, Allocation) else Allocation(built)
