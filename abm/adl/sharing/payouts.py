"""Shares of what was collected, rounded down by payout, the last taking what is left."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.sharing.selection import payable, whole
from abm.arithmetic import fraction_of
from abm.compiled import kernel
from abm.world import Array


@kernel
def _round_up(capacity: Any, budget: int, total: int, amounts: Any) -> None:
    """What a payout rounded down leaves each to give, until the budget is met."""
    left = budget
    for i in range(capacity.shape[0]):
        paid_out = fraction_of(capacity[i], total - budget, total)
        amounts[i] = min(capacity[i] - paid_out, left)
        left -= amounts[i]


def last_takes_rest(capacity: Array, budget: int) -> Array:
    """Pay ``floor(capacity * collected / owed)`` to each; the last gets what remains.

    Vega's settlement at a mark (vegaprotocol/vega, core/collateral/simple_distributor.go):
    capacities are the gains that are owed, the budget what of them could not be collected.
    The result depends on the order of rows by up to n - 1 units. O(n).

    Nobody is paid more than it is owed: where rounding leaves more than that for the last,
    the one before it gets the rest. The venue's distributor pays the last all of it: gains
    of 42, 27 and 1 with 54 collected are paid 32, 20 and 2 there, and 32, 21 and 1 here.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
        In the order in which they ask.
    budget : int

    Returns
    -------
    array of int64, shape (n,)
        What each goes without.
    """
    capacity = whole(capacity)
    amounts = np.zeros_like(capacity)
    if len(capacity):
        total = max(int(capacity.sum()), 1)
        _round_up(capacity, payable(capacity, budget), total, amounts)
    return amounts
