"""How the burden of a call fell on those who could have been asked.

A call is looked at once, while it is whole; what is kept of it is a few numbers, from
which a wave's measures follow (`abm.montecarlo.measured`). Two units of money are told
apart. What an account *lost* is cash, or the value at the mark that it was closed below:
what the table of haircuts says. What it *gave* is counted as the bounds of a wave are
(`abm.adl.bounds`): cash, or the profit in the lots that were closed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm.adl import bounds
from abm.adl.policy import Policy
from abm.adl.record import Call, Decision
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.measures import fairness
from abm.world import NONE, Array


class Burden(NamedTuple):
    """What is kept of a call; amounts in quanta, of all accounts that could be asked.

    Attributes
    ----------
    acted : bool
        Whether the trigger said yes; if not, nobody was asked and all else says nothing.
    accounts : int
        How many accounts could have been asked.
    profits, equity : int
        Unrealised profit, where there is one, and equity of the candidates' accounts.
    top_account, top_endowment : int
        The account with the largest endowment, and that: its profit (contracts) or its
        capacity (cash).
    largest_survivor : int
        The most that any account has left of its endowment after what it lost.
    neighbours, inversions : int
        Neighbours in the order of endowments, and those that changed places.
    given, forced : float
        What all gave, and what no rule could have placed elsewhere.
    top_1, top_10, top_percent : float
        What the payers with the largest capacities of each group gave.
    largest_share : float
        The largest share of its capacity (lots or quanta) that a payer was asked for.
    """

    acted: bool
    accounts: int = 0
    profits: int = 0
    equity: int = 0
    top_account: int = NONE
    top_endowment: int = 0
    largest_survivor: int = 0
    neighbours: int = 0
    inversions: int = 0
    given: float = 0.0
    forced: float = 0.0
    top_1: float = 0.0
    top_10: float = 0.0
    top_percent: float = 0.0
    largest_share: float = 0.0


def burden_of(call: Call, policy: Policy) -> Burden:
    """What is kept of a whole call."""
    decision = call.outcome.decision
    if not decision.acted:
        return Burden(False)
    in_contracts = policy.stages[decision.stage].settlement.medium == "contracts"
    accounts, endowment, left = _before_and_after(call, in_contracts=in_contracts)
    profits, equity = profits_and_equity(call.wave)
    found = Burden(True, len(accounts), profits, equity)
    if not len(accounts):
        return found
    top = int(np.argmax(endowment))
    neighbours, inversions = fairness.neighbours_turned(endowment, left)
    found = found._replace(
        top_account=int(accounts[top]),
        top_endowment=int(endowment[top]),
        largest_survivor=int(left.max()),
        neighbours=neighbours,
        inversions=inversions,
    )
    return _given(found, decision)


class Taken(NamedTuple):
    """What a call took, one row an entry: parallel arrays of int64, shape (entries,).

    Signed `lots` of a `market` were closed for `got` quanta, the price and the part of
    the bankrupt's collateral that came with it. A cash haircut is no lots for less than
    nothing.
    """

    account: Array
    market: Array
    lots: Array
    got: Array

    def losses(self, worth: Array) -> Array:
        """What each entry cost its account if a lot of each market is worth that, quanta.

        Negative where being closed spared a loss.
        """
        return np.asarray(self.lots * worth[self.market] - self.got)


def taken_by(call: Call) -> Taken:
    """What a call took from whom."""
    fills, haircuts = call.outcome.fills, call.outcome.haircuts
    none = np.zeros(len(haircuts), np.int64)
    got = fills["value"] + fills["collateral"]
    return Taken(
        np.concatenate([fills["account"], haircuts["account"]]),
        np.concatenate([fills["market"], none]),
        np.concatenate([fills["lots"], none]),
        np.concatenate([got, -haircuts["amount"]]),
    )


def _before_and_after(call: Call, *, in_contracts: bool) -> tuple[Array, Array, Array]:
    """Accounts that could be asked, what each could lose, and what it has left of that.

    int64, shape (accounts,); accounts rise, nobody has less than nothing left.
    """
    rows, payers, outcome = call.wave.candidates, call.outcome.decision.payers, call.outcome
    had = np.full(call.wave.account_slots, NONE)
    lost = np.zeros(len(had), np.int64)
    _add_endowments(rows, payers.row, payers.capacity, in_contracts, had)
    _add_losses(outcome.fills, outcome.haircuts, call.wave.mark * call.wave.unit, lost)
    accounts = np.flatnonzero(had != NONE)
    endowment, loss = had[accounts], np.maximum(lost[accounts], 0)
    return accounts, endowment, np.maximum(endowment - loss, 0)


@kernel
def _add_endowments(
    candidates: Array, row: Array, capacity: Array, in_contracts: bool, had: Array
) -> None:
    """Add profit, or capacity, of the payers to `had[account]`, `NONE` so far."""
    for i in range(row.shape[0]):
        own = candidates[row[i]]
        each = capacity[i]
        if in_contracts:
            each = max(own.value - own.cost, 0)
        had[own.account] = max(had[own.account], 0) + each


@kernel
def _add_losses(fills: Array, haircuts: Array, lot_worth: Array, lost: Array) -> None:
    """Add what was lost, as `Taken.losses` has it, to `lost[account]`."""
    for i in range(fills.shape[0]):
        fill = fills[i]
        got = fill.value + fill.collateral
        lost[fill.account] += fill.lots * lot_worth[fill.market] - got
    for i in range(haircuts.shape[0]):
        lost[haircuts[i].account] += haircuts[i].amount


def profits_and_equity(wave: Wave) -> tuple[int, int]:
    """Profits and equity of the candidates' accounts in quanta, each account once."""
    profits, equity = _sums_of_accounts(wave.candidates, np.zeros(wave.account_slots, bool))
    return int(profits), int(equity)


@kernel
def _sums_of_accounts(candidates: Array, seen: Array) -> tuple[int, int]:
    """Profits and equity; `seen[account]` is set for each account that was counted."""
    profits = 0
    equity = 0
    for i in range(candidates.shape[0]):
        row = candidates[i]
        if not seen[row.account]:
            seen[row.account] = True
            profits += max(row.account_profit, 0)
            equity += row.equity
    return profits, equity


def _given(found: Burden, decision: Decision) -> Burden:
    """With what was given in the units of the bounds: all, forced, by the largest."""
    payers, amounts = decision.payers, decision.amounts
    units = np.maximum(payers.capacity, 1)
    worth, share = payers.worth / units, amounts / units
    given = amounts * worth
    forced, tops = 0.0, [0.0] * 3
    for members in decision.members.values():
        # All payers are the columns themselves.
        rows = members if len(members) < len(amounts) else slice(None)
        capacity, taken = payers.capacity[rows], amounts[rows]
        if (raised := int(taken.sum())) == 0:
            continue
        if raised > int(capacity.sum() - capacity.max()):
            least = fairness.least_pain(capacity, float(raised))
            forced += float((np.minimum(least, taken) * worth[rows]).sum())
        counts = bounds.tops_of(len(members))
        falling = given[members[bounds.largest(capacity, max(counts))]]
        for i, top in enumerate(counts):
            tops[i] += float(falling[:top].sum())
    return found._replace(
        given=float(given.sum()),
        forced=forced,
        top_1=tops[0],
        top_10=tops[1],
        top_percent=tops[2],
        largest_share=float(share.max()),
    )
