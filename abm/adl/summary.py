"""A call in brief: what is kept of one once later calls have been answered.

A wave of a large venue holds hundreds of thousands of candidates, a run hundreds of waves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from abm.adl import bounds
from abm.adl.bounds import Bounds
from abm.adl.policy import Policy
from abm.adl.record import Call, Payers
from abm.world import Array


@dataclass(frozen=True)
class Summary:
    """What a call says of all who could have been asked.

    Attributes
    ----------
    eligible : int
        How many they were.
    capacity : int
        Their unrealised profit (contracts) or capacity (cash), in quanta.
    largest_worth : int
        Money in the richest of them, in quanta.
    bounds : Bounds or None
        What no policy could have avoided; None if nobody was asked.
    rank : array of int64, shape (paid,)
        Rank by score among them, 1 for the highest, of each of those who paid.
    """

    eligible: int
    capacity: int
    largest_worth: int
    bounds: Bounds | None
    rank: Array


def summarise(call: Call, policy: Policy) -> Summary:
    """The summary of a call by a policy; that of a call in brief is the one it has."""
    if isinstance(call.summary, Summary):
        return call.summary
    decision = call.outcome.decision
    settlement = policy.stages[decision.stage].settlement
    acted = decision.acted
    return Summary(
        eligible=len(decision.payers.row),
        capacity=_capacity(call, in_contracts=settlement.medium == "contracts"),
        largest_worth=call.largest_worth,
        bounds=bounds.of_decision(call.wave, decision, settlement) if acted else None,
        rank=_ranks(decision.score, np.flatnonzero(decision.amounts)),
    )


def in_brief(call: Call, policy: Policy) -> Call:
    """The call with those who paid as its only candidates, and its summary.

    It says the same in every table but the audit.
    """
    summary = summarise(call, policy)
    decision = call.outcome.decision
    paid = np.flatnonzero(decision.amounts)
    row = decision.payers.row[paid]
    wave = replace(
        call.wave,
        # numpy's own index goes field by field, twenty times as slowly.
        candidates=np.take(call.wave.candidates, row),
        older_gains=call.wave.older_gains[row],
    )
    columns = [_chosen(column, paid) for column in decision.payers]
    payers = Payers(*columns)._replace(row=np.arange(len(paid)))
    brief = replace(
        decision, payers=payers, score=decision.score[paid], amounts=decision.amounts[paid]
    )
    return replace(
        call,
        wave=wave,
        outcome=replace(call.outcome, decision=brief),
        summary=summary,
    )


def _chosen(column: Array, rows: Array) -> Array:
    """Some rows of a column of payers, which is empty where it says nothing."""
    return column[rows] if len(column) else column


def _capacity(call: Call, *, in_contracts: bool) -> int:
    if in_contracts:
        row, all_rows = call.outcome.decision.payers.row, call.wave.candidates
        # Field by field: picking whole records is slow.
        return int((all_rows["value"][row] - all_rows["cost"][row]).sum())
    return int(call.outcome.decision.payers.capacity.sum())


def _ranks(score: Array, rows: Array) -> Array:
    """Of some rows, 1 for the highest score (by the first column if there are several).

    Of equal scores, and of those that are not known, the first row has the higher rank.
    """
    score = score if score.ndim == 1 else score[:, 0]
    known = len(score) - np.count_nonzero(np.isnan(score))
    if known == 0:
        return rows + 1
    rising, asked = np.sort(score)[:known], score[rows]
    above = len(rising) - np.searchsorted(rising, asked, "right")
    least = len(rising) - np.searchsorted(rising, asked, "left")
    # Sorting values is far quicker than sorting rows, and enough where none are equal.
    if np.array_equal(above + 1, least) and not np.isnan(asked).any():
        return np.asarray(least)
    ranks = np.empty(len(score), np.int64)
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return ranks[rows]
