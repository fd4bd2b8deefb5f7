"""A call in brief: what is kept of one once later calls have been answered.

A wave of a large venue holds hundreds of thousands of candidates, a run hundreds of waves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.adl import bounds
from abm.adl.bounds import Bounds
from abm.adl.policy import Policy
from abm.adl.record import Call, Payers
from abm.adl.wave import CANDIDATE, changed
from abm.compiled import kernel
from abm.world import Array

PAID = np.dtype(
    [
        (name, CANDIDATE[name])
        for name in ("account", "market", "lots", "cost", "value", "equity", "principal")
    ]
)
"""What is kept of a candidate who paid (see `abm.adl.wave.CANDIDATE`)."""

_NOTHING = np.zeros(0, np.int64)


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
    if not decision.acted:
        return Summary(0, 0, 0, None, _NOTHING)
    settlement = policy.stages[decision.stage].settlement
    return Summary(
        eligible=len(decision.payers.row),
        capacity=_capacity(call, in_contracts=settlement.medium == "contracts"),
        largest_worth=call.largest_worth,
        bounds=bounds.of_decision(call.wave, decision, settlement),
        rank=_ranks(decision.score, decision.paid),
    )


def in_brief(call: Call, policy: Policy) -> Call:
    """The call with those who paid as its only candidates, and its summary.

    It says the same in every table but the audit. Of those who paid it keeps `PAID`, what
    they could give and what they were asked for; a crash of a large venue under a cash
    rule has tens of millions of them.
    """
    if call.summary is not None:
        return call
    summary = summarise(call, policy)
    decision = call.outcome.decision
    paid = decision.paid
    row = decision.payers.row[paid]
    candidates = np.empty(len(row), PAID)
    _keep(call.wave.candidates, row, candidates)
    payers = Payers(
        np.arange(len(paid)), _NOTHING, decision.payers.capacity[paid], _NOTHING
    )
    brief = changed(
        decision, payers=payers, score=np.zeros(0), amounts=decision.amounts[paid]
    )
    return changed(
        call,
        wave=changed(
            call.wave, candidates=candidates, older_gains=call.wave.older_gains[:0].copy()
        ),
        outcome=changed(call.outcome, decision=brief),
        summary=summary,
    )


@kernel
def _keep(candidates: Array, row: Array, kept: Array) -> None:
    """Copy every field of `PAID` of some candidates."""
    for i in range(row.shape[0]):
        own = candidates[row[i]]
        kept[i].account = own.account
        kept[i].market = own.market
        kept[i].lots = own.lots
        kept[i].cost = own.cost
        kept[i].value = own.value
        kept[i].equity = own.equity
        kept[i].principal = own.principal


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
