"""Who can pay, and up to what? An eligibility picks candidates and their capacity.

Capacity is in the unit of the settlement: lots where contracts are closed, quanta where
cash is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.adl.wave import Wave
from abm.world import Array


class Payers(NamedTuple):
    """Candidates that may be asked, as parallel arrays of shape (payers,).

    `row` points into `Wave.candidates` (for cash: the account's first row). `group` says
    which need a payer can serve: for contracts ``2 * market + 1`` where it stands against
    bankrupt longs and ``2 * market`` against shorts, for cash 0. `capacity` is the most
    that may be taken (lots or quanta); `worth` the money that is in it: the profit that a
    payer would give up, in quanta.
    """

    row: Array
    group: Array
    capacity: Array
    worth: Array


Eligibility = Callable[[Wave, Array], Payers]
"""Called with the wave and the settlement's worst value of a lot for those who are closed
against each group, in quanta, shape (2 * markets,), float64."""


def opposite_in_profit() -> Eligibility:
    """Positions in profit on the other side of a bankrupt one, in lots.

    In profit at the mark and at the price of the settlement, so that what a payer loses
    by being closed there is never more than its profit.
    """
    return _opposite_in_profit


def _opposite_in_profit(wave: Wave, worst: Array) -> Payers:
    rows = wave.candidates
    side = np.flatnonzero(_opposes(wave))
    # Field by field: picking whole records is slow.
    lots, market, cost = (rows[name][side] for name in ("lots", "market", "cost"))
    group = 2 * market + (lots < 0)
    profit = np.minimum(rows["value"][side] - cost, lots * worst[group] - cost)
    gains = profit > 0
    worth = profit[gains].astype(np.int64)
    return Payers(side[gains], group[gains], np.abs(lots[gains]), worth)


def profits() -> Eligibility:
    """Accounts up to their unrealised profit, net over positions, or equity if less.

    The endowment ``w = (PNL)_+`` of arXiv 2512.01112, in quanta, less what haircuts took
    before: cash that is gone still shows as unrealised profit. The floor at equity keeps
    an account with spent collateral from going under.
    """
    return _profits


def _profits(wave: Wave, worst: Array) -> Payers:
    rows = wave.candidates
    _, first = np.unique(rows["account"], return_index=True)
    profit = rows["account_profit"][first] - rows["given"][first]
    capacity = np.minimum(profit, rows["equity"][first])
    paying = capacity > 0
    row, capacity = first[paying], capacity[paying]
    return Payers(row, np.zeros(len(row), np.int64), capacity, capacity)


def _opposes(wave: Wave) -> Array:
    """Candidates that stand against a bankrupt position of their market."""
    bankrupt_side = np.zeros((2, len(wave.mark)), bool)
    bankrupt_side[(wave.bankrupt["lots"] > 0).astype(int), wave.bankrupt["market"]] = True
    side = (wave.candidates["lots"] < 0).astype(int)
    return np.asarray(bankrupt_side[side, wave.candidates["market"]])


ANSWERS: dict[str, Callable[..., Eligibility]] = {
    "opposite-in-profit": opposite_in_profit,
    "profits": profits,
}

MEDIUM = {"opposite-in-profit": "contracts", "profits": "cash"}
"""The unit that each eligibility's capacity is in."""
