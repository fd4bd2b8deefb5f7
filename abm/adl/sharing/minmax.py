"""The smallest possible largest haircut: in real amounts, and in whole lots."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.sharing.filling import fill, halfway, scaled
from abm.adl.sharing.selection import real, whole
from abm.world import Array


class UnsolvedError(ValueError):
    """A program that could not be solved to the optimum, with the reason."""


def min_max(capacity: Array, normaliser: Array, budget: int) -> Array:
    """Minimise the largest ``x / normaliser``: ``min(capacity, M * normaliser)``.

    The continuous relaxation of the min-max program of arXiv 2602.15182, in closed form
    (water-filling), to the nearest unit. O(n) a pass, with few passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    normaliser : array of float64, shape (n,)
        Equity or profit; rows of zero pay last.
    budget : int
    """
    return fill(capacity, normaliser, budget)


def min_max_lots(
    value: Array,
    most: Array,
    account: Array,
    equity: Array,
    budget: int,
    *,
    time_limit_s: float = 30.0,
    gap: float = 0.0,
) -> Array:
    """Whole lots that minimise the largest loss of an account against its equity.

    ``min M`` so that ``sum(k * value) >= budget``, an account's sum is at most ``M *
    equity`` and ``0 <= k <= most`` (arXiv 2512.01112, the min-max integer program; NP-hard
    in general). Where no account has two rows it is solved by bisection, O(n) a pass;
    else by branch and bound (HiGHS). Lots that the budget does not need are given back,
    so ``sum(k * value) - budget`` is below the value of every lot taken.

    Parameters
    ----------
    value : array of int64, shape (n,)
        Positive quanta that a lot of each row is worth.
    most : array of int64, shape (n,)
        Lots of each row.
    account : array of int64, shape (n,)
        Account that a row belongs to, an index into `equity`.
    equity : array of float64, shape (accounts,)
        Accounts without equity are not asked.
    budget : int
        Quanta; what all lots are worth, or more, takes all.
    time_limit_s : float
    gap : float
        Relative distance to the optimum that is accepted as proof. 0 wants the optimum
        itself, which with lots of many different values may take too long.

    Returns
    -------
    array of int64, shape (n,)
        Lots.

    Raises
    ------
    UnsolvedError
        If no optimum was found and proved in time.
    """
    value, account, equity = whole(value), whole(account), real(equity)
    most = np.where(equity[account] > 0, whole(most), 0) if len(value) else whole(most)
    worth = int((most * value).sum())
    if budget <= 0 or not len(value):
        return np.zeros_like(value)
    if budget >= worth:
        return most
    if np.bincount(account).max() == 1:
        lots = _solve_rows(value, most, equity[account], budget)
    else:
        options = {"time_limit": time_limit_s, "mip_rel_gap": gap}
        lots = _solve(value, most, account, equity, budget, options)
    return _give_back(lots, value, budget)


def _solve_rows(value: Array, most: Array, equity: Array, budget: int) -> Array:
    """Lots at the smallest M, where rows are accounts: each takes what M allows it."""
    equity = scaled(equity)
    # Without equity there are no lots to take either, or next to no equity at all.
    loss = value / np.where(equity > 0, equity, _LEAST)

    def lots(level: float) -> Array:
        count = np.minimum(np.floor(level / loss), most)
        # The division may round across a whole number; the loss itself decides.
        count += (count < most) & ((count + 1.0) * loss <= level)
        count -= count * loss > level
        return count.astype(np.int64)

    low, high = 0.0, float((most * loss).max())
    while low < (middle := halfway(low, high)) < high:
        if int((lots(middle) * value).sum()) >= budget:
            high = middle
        else:
            low = middle
    return lots(high)


_LEAST = 2.0**-800
"""Equity that counts as none, next to that of others."""


def _solve(
    value: Array,
    most: Array,
    account: Array,
    equity: Array,
    budget: int,
    options: Any,
) -> Array:
    """The program in HiGHS; money is in units of the largest lot, so that it is near 1."""
    from scipy import optimize, sparse  # slow to load, and few policies need them

    n, unit = len(value), float(value.max())
    worth = value / unit
    need = sparse.csr_array(np.append(worth, 0.0)[None, :])
    size = len(equity)
    paid = sparse.csr_array((worth, (account, np.arange(n))), shape=(size, n))
    within = sparse.hstack([paid, sparse.csr_array(-(equity / unit)[:, None])])
    cost = np.zeros(n + 1)
    cost[-1] = 1.0
    found = optimize.milp(
        cost,
        integrality=np.append(np.ones(n), 0),
        bounds=optimize.Bounds(0.0, np.append(most, np.inf)),
        constraints=[
            optimize.LinearConstraint(need, budget / unit, np.inf),
            optimize.LinearConstraint(within, -np.inf, 0.0),
        ],
        options=options,
    )
    if found.status != 0:
        raise UnsolvedError(str(found.message))
    lots = np.rint(found.x[:n]).astype(np.int64)
    if int((lots * value).sum()) < budget:
        raise UnsolvedError("the solver's tolerance leaves the budget uncovered")
    return lots


def _give_back(lots: Array, value: Array, budget: int) -> Array:
    """Drop lots that the budget does not need, those worth most first."""
    spare = int((lots * value).sum()) - budget
    for row in np.argsort(-value, kind="stable"):
        back = min(int(lots[row]), spare // int(value[row]))
        lots[row] -= back
        spare -= back * int(value[row])
    return lots
