"""One payer after the other: queues by score, by several scores, by lot, in a circle."""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.selection import (
    find_marginal,
    keys_of,
    payable,
    real,
    take_by_key,
    take_first,
    whole,
)
from abm.world import Array


def queue(capacity: Array, score: Array, budget: int) -> Array:
    """Take all from the highest score, then the next, until the budget is met.

    The last payer is taken partially; ties go to the earlier row. Maximises
    ``sum(score * x)``, a vertex of the feasible set (arXiv 2602.15182); it has the fewest
    payers when the score is capacity. O(n): only the marginal payer is looked for.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    score : array of float64, shape (n,)
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    return take_by_key(keys_of(score), whole(capacity), budget)


def lexicographic_queue(capacity: Array, score: Array, budget: int) -> Array:
    """A queue by the first score, its ties by the second, and so on.

    Ethereal ranks so (docs.ethereal.trade, "Auto-deleveraging"): effective leverage, then
    unrealised profit, then the lowest balance, then the newest account. What comes first
    when low goes in with its sign turned. O(n) a column: only those that tie with the
    marginal payer are asked for their next score.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    score : array of float64, shape (n, columns)
        The first column counts first; highest first.
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    capacity, score = whole(capacity), np.asarray(score)
    budget = payable(capacity, budget)
    if budget == int(capacity.sum()):
        return capacity.copy()
    keys = keys_of(score[:, 0])
    marginal, left = find_marginal(keys, capacity, budget)
    amounts = take_first(keys, capacity, marginal, left)
    tied = np.flatnonzero(keys == marginal)
    if len(tied) > 1 and score.shape[1] > 1:
        amounts[tied] = lexicographic_queue(capacity[tied], score[tied, 1:], left)
    return amounts


def cyclic_order(capacity: Array, budget: int, *, start: int) -> Array:
    """In the order of rows from a starting row on, then from the first.

    dYdX v4 goes through the subaccounts with open positions on the other side from a
    pseudo-random start (dydxprotocol/v4-chain, ``OffsetSubaccountPerpetualPosition``).
    O(n).

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    budget : int
    start : int
        Row that pays first, modulo n.
    """
    capacity = whole(capacity)
    if not len(capacity):
        return capacity.copy()
    turned = np.roll(capacity, -start)
    ahead = np.cumsum(turned) - turned
    return np.roll(np.clip(payable(capacity, budget) - ahead, 0, turned), start)


def greedy_by_risk(capacity: Array, risk: Array, budget: int) -> Array:
    """Take first where a dollar removes most risk.

    With ``risk_i`` what the whole of row i adds to the next deficit, ``rho(leverage) *
    equity``, the expected next-step deficit is linear in the amounts, so its minimiser
    under a budget is the fractional knapsack: a queue by ``risk / capacity`` (the
    separable model of arXiv 2512.01112, section 7, whose own rule is
    :func:`abm.adl.sharing.proportional.risk_weighted`). O(n).

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    risk : array of float64, shape (n,)
    budget : int
    """
    capacity = whole(capacity)
    ratio = np.divide(real(risk), capacity, out=np.zeros(len(capacity)), where=capacity > 0)
    return queue(capacity, ratio, budget)
