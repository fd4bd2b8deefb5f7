"""One payer after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abm.adl import scores
from abm.adl.allocation.base import Allocation, ranked
from abm.adl.answers import Answer, build
from abm.adl.scores import Score
from abm.adl.sharing import queue
from abm.world import Array


def by_queue(*, score: Answer) -> Allocation:
    """The highest score pays all it can, then the next; the last pays a part.

    The rule of Hyperliquid, Binance, Bybit, OKX and BitMEX, each with a score of its own.
    Asks the fewest accounts if the score is capacity.
    """
    rank = build("allocation.score", score, scores.ANSWERS, "score")
    return _queue_by(rank, score)


def _queue_by(rank: Score, answer: Answer) -> Allocation:
    columns = scores.columns_of(answer)
    if scores.is_measure(answer):
        return ranked(_in_a_queue, rank, columns)
    return Allocation(_in_a_queue, rank, columns)


def _in_a_queue(capacity: Array, score: Array, budget: int) -> Array:
    if score.ndim == 2:
        return queue.lexicographic_queue(capacity, score, budget)
    return queue.queue(capacity, score, budget)


def lexicographic(*, by: scores.Several) -> Allocation:
    """A queue by several scores, each of which breaks the ties of those before it.

    Ethereal's order is ``by = ["leverage", "profit", "smallest-balance", "newest"]``.
    """
    return _queue_by(scores.lexicographic(by=by), {"rule": "lexicographic", "by": by})


def in_random_order() -> Allocation:
    """A queue in an order drawn by lot for each wave."""
    return ranked(_in_a_queue, scores.random())


def from_random_start(*, scan: scores.Scan = 500) -> Allocation:
    """One account after the other from a random one on; no more than `scan` are asked.

    dYdX v4 (dydxprotocol/v4-chain at 84d4664, protocol/x/clob/keeper/deleveraging.go),
    which scans at most 500.
    """
    return Allocation(_as_far_as_scanned, scores.random_start(scan=scan))


def _as_far_as_scanned(capacity: Array, score: Array, budget: int) -> Array:
    return queue.queue(np.where(np.isfinite(score), capacity, 0), score, budget)


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "queue": by_queue,
    "lexicographic": lexicographic,
    "random": in_random_order,
    "random-start": from_random_start,
}
