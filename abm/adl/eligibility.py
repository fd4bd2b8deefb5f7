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
    that may be taken (lots or quanta).
    """

    row: Array
    group: Array
    capacity: Array


Eligibility = Callable[[Wave, Array], Payers]
"""Called with the wave and the settlement's price of every market in ticks."""


def opposite_in_profit(wave: Wave, price: Array) -> Payers:
    """Positions in profit on the other side of a bankrupt one, in lots.

    In profit at the mark and at the price of the settlement, so that what a payer loses
    by being closed there is never more than its profit.
    """
    rows = wave.candidates
    settled = rows["lots"] * (price * wave.unit)[rows["market"]]
    gains = np.minimum(rows["value"], settled) > rows["cost"]
    row = np.flatnonzero(_opposes(wave) & gains)
    lots = rows["lots"][row]
    return Payers(row, 2 * rows["market"][row] + (lots < 0), np.abs(lots))


def profits(wave: Wave, price: Array) -> Payers:
    """Accounts up to their unrealised profit, net over positions, or equity if less.

    The endowment ``w = (PNL)_+`` of arXiv 2512.01112, in quanta, less what haircuts took
    before: cash that is gone still shows as unrealised profit. The floor at equity keeps
    an account with spent collateral from going under.
    """
    rows = wave.candidates
    _, first = np.unique(rows["account"], return_index=True)
    profit = rows["account_profit"][first] - rows["given"][first]
    capacity = np.minimum(profit, rows["equity"][first])
    paying = capacity > 0
    row = first[paying]
    return Payers(row, np.zeros(len(row), np.int64), capacity[paying])


def _opposes(wave: Wave) -> Array:
    """Candidates that stand against a bankrupt position of their market."""
    bankrupt_side = np.zeros((2, len(wave.mark)), bool)
    bankrupt_side[(wave.bankrupt["lots"] > 0).astype(int), wave.bankrupt["market"]] = True
    side = (wave.candidates["lots"] < 0).astype(int)
    return np.asarray(bankrupt_side[side, wave.candidates["market"]])


ELIGIBILITIES: dict[str, Eligibility] = {
    "opposite-in-profit": opposite_in_profit,
    "profits": profits,
}

MEDIUM = {"opposite-in-profit": "contracts", "profits": "cash"}
"""The unit that each eligibility's capacity is in."""
