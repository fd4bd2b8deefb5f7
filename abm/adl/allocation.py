"""How is it shared? Allocation rules: pure functions of arrays, exact in integers.

Every rule takes capacities and a budget in whole units (lots or quanta) and gives whole
amounts with ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from abm.adl import scores
from abm.adl.answers import Answer, build
from abm.adl.scores import Score
from abm.adl.sharing import proportional
from abm.adl.sharing.queue import queue
from abm.world import Array


class Allocation(NamedTuple):
    """A rule and the score it works on (None if it looks at capacities alone).

    `share(capacity, score, budget)` gives whole amounts for one group of payers.
    """

    share: Callable[[Array, Array, int], Array]
    score: Score | None = None


def pro_rata(capacity: Array, score: Array, budget: int) -> Array:
    """The same share of every capacity; the score is not looked at."""
    return proportional.pro_rata(capacity, budget)


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
    built = build(question, answer, ANSWERS, arguments=("capacity", "score", "budget"))
    return built if isinstance(built, Allocation) else Allocation(built)
