"""From an answer to an allocation, also to one that is made of others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from abm.adl import checked, scores
from abm.adl.allocation.base import Allocation, Sharing
from abm.adl.allocation.by_objective import ANSWERS as BY_OBJECTIVE
from abm.adl.allocation.by_risk import ANSWERS as BY_RISK
from abm.adl.allocation.in_proportion import ANSWERS as IN_PROPORTION
from abm.adl.allocation.queues import ANSWERS as QUEUES
from abm.adl.answers import Answer, CompositionError, build
from abm.adl.eligibility import Payers
from abm.adl.guard import guarded, is_ours
from abm.adl.scores import Score
from abm.adl.sharing import mixing
from abm.adl.wave import Wave
from abm.fields import Number, Positive
from abm.world import Array


def buckets(
    *,
    score: Answer,
    edges: Annotated[list[Number], Field(min_length=1)],
    inside: Answer = "pro-rata",
) -> Allocation:
    """Payers fall into buckets by score; the highest bucket pays first, one after another.

    `edges` are the scores at which a higher bucket begins; within a bucket another
    allocation shares, `inside`.
    """
    if any(above <= below for below, above in itertools.pairwise(edges)):
        raise CompositionError("allocation.edges: must rise")
    rank = build("allocation.score", score, scores.ANSWERS, "score")
    if is_rank := scores.is_measure(score):
        rank = scores.weighed(rank)
    inner = part("allocation.inside", inside)
    widths = (scores.columns_of(score), inner.columns)
    columns = _Columns((rank, inner.score), widths)

    def share(capacity: Array, score: Array, budget: int) -> Array:
        first = columns.of(score, 0)
        ranked = first if first.ndim == 1 else first[:, 0]
        bucket = -np.searchsorted(np.array(edges), ranked, side="right")
        return mixing.in_buckets(
            capacity, bucket, columns.of(score, 1), budget=budget, rule=inner.share
        )

    ranks = is_rank and (inner.ranks or inner.score is None)
    return Allocation(share, columns, sum(widths), ranks)


def hybrid(
    *, parts: Annotated[list[Answer], Field(min_length=1)], weights: list[Positive]
) -> Allocation:
    """A mix of what several allocations would take, each with its weight.

    arXiv 2512.01112 compares 0.2 of a queue with 0.8 of levered pro-rata.
    """
    if len(parts) != len(weights):
        raise CompositionError(f"allocation.weights: must be {len(parts)}, one a part")
    rules = [part(f"allocation.parts[{i}]", one) for i, one in enumerate(parts)]
    widths = [rule.columns for rule in rules]
    columns = _Columns([rule.score for rule in rules], widths)

    def share(capacity: Array, score: Array, budget: int) -> Array:
        given = [
            rule.share(capacity, columns.of(score, i), budget)
            for i, rule in enumerate(rules)
        ]
        return mixing.mixture(capacity, given, weights, budget)

    return Allocation(share, columns, sum(widths), all(rule.ranks for rule in rules))


class _Columns:
    """Scores of several rules side by side, as one score."""

    def __init__(self, ranks: Sequence[Score | None], widths: Sequence[int]) -> None:
        self.ranks, self.widths = ranks, widths

    def __call__(self, wave: Wave, payers: Payers) -> Array:
        """Every rule's columns; one of zeros for a rule that needs none.

        Raises
        ------
        ValueError
            If a score of the user's own gives more than one column.
        """
        blocks = [
            np.zeros((len(payers.row), 1))
            if rank is None
            else _as_columns(rank(wave, payers))
            for rank in self.ranks
        ]
        for block, width in zip(blocks, self.widths, strict=True):
            if block.shape[1] != width:
                raise ValueError(f"gave {block.shape[1]} columns, must give {width}")
        return np.hstack(blocks)

    def of(self, score: Array, i: int) -> Array:
        """The columns of one rule; flat if there is only one."""
        begin = sum(self.widths[:i])
        block = np.ascontiguousarray(score[:, begin : begin + self.widths[i]])
        return block[:, 0].copy() if self.widths[i] == 1 else block


def _as_columns(score: Array) -> Array:
    return score if score.ndim > 1 else score[:, np.newaxis]


# --- by name ----------------------------------------------------------------------------

ANSWERS: dict[str, Callable[..., Allocation]] = {
    **QUEUES,
    **IN_PROPORTION,
    **BY_RISK,
    **BY_OBJECTIVE,
    "buckets": buckets,
    "hybrid": hybrid,
}
"""The allocations that can be named."""


def part(question: str, answer: Any) -> Allocation:
    """The allocation that an answer describes; a user's function shares by capacity.

    A user's function that wants a score is given one by the key `score` of its table.

    Raises
    ------
    CompositionError
        If the answer makes no allocation.
    """
    score = None
    if isinstance(answer, Mapping) and ":" in str(answer.get("rule")):
        answer = dict(answer)
        named = answer.pop("score", None)
        if named is not None:
            score = build(f"{question}.score", named, scores.ANSWERS, "score")
    built = build(question, answer, ANSWERS, "allocation")
    if not isinstance(built, Allocation):
        built = Allocation(built, score)
    return built if is_ours(built.share) else built._replace(share=_accepted(built.share))


def _accepted(share: Sharing) -> Sharing:
    """A user's rule, whose amounts are looked at before another rule uses them."""
    own = guarded(share)
    return lambda capacity, score, budget: checked.amounts(
        own(capacity, score, budget), capacity, budget
    )
