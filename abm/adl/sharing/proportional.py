"""In proportion to something: capacity, a weight, leverage; with and without caps."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.sharing.filling import fill, scaled
from abm.adl.sharing.rounding import hand_out
from abm.adl.sharing.selection import payable, real, whole
from abm.arithmetic import fraction_of
from abm.compiled import kernel
from abm.world import Array

_EXACT_AS_FLOAT = 1 << 50
_HALF_RANGE = 1 << 62


@kernel
def _shares(capacity: Any, budget: int, total: int, amounts: Any, remainders: Any) -> int:
    """Quotient and remainder of ``capacity * budget / total``; the sum of quotients.

    The quotient is guessed in floats, which misses by one at most while it is below
    2**50. The remainder says by how much; it fits a word although the product may not.
    """
    ratio = np.float64(budget) / np.float64(total)
    small = total < _HALF_RANGE
    paid = 0
    for i in range(capacity.shape[0]):
        share: Any = np.int64(np.float64(capacity[i]) * ratio)
        if not small or not 0 <= share < _EXACT_AS_FLOAT:
            share = fraction_of(capacity[i], budget, total)
        rest = capacity[i] * budget - share * total
        if rest < 0:
            share -= 1
            rest += total
        elif rest >= total:
            share += 1
            rest -= total
        amounts[i] = share
        remainders[i] = rest
        paid += share
    return paid


def pro_rata(capacity: Array, budget: int) -> Array:
    """The same share of every capacity, by largest remainder.

    The unique minimiser of the largest share ``max x / capacity`` (arXiv 2602.15182) and,
    for any strictly convex phi, of ``sum(capacity * phi(x / capacity))``. Remainders are
    compared as integers, so the result is the exact largest-remainder apportionment also
    where ``capacity * budget`` exceeds 64 bits. O(n).

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    capacity = whole(capacity)
    budget, total = payable(capacity, budget), int(capacity.sum())
    if budget == total:
        return capacity.copy()
    amounts = np.empty_like(capacity)
    remainders = np.empty_like(capacity)
    paid = _shares(capacity, budget, total, amounts, remainders)
    return hand_out(amounts, remainders.view(np.uint64), capacity, budget - paid)


def by_weight(capacity: Array, weight: Array, budget: int) -> Array:
    """In proportion to a weight, nobody above capacity: ``min(capacity, t * weight)``.

    With profits, equity or contracts as weights this is profit, equity or contracts
    pro-rata. Drift shares a bankrupt's loss by contracts, the same amount each (docs of
    Drift v2, "Bankruptcy"). Minimises ``max x / weight``. O(n) a pass, with few passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative; rows of weight zero pay last.
    budget : int
    """
    return fill(capacity, weight, budget)


@kernel
def _within(capacity: Any, cap: Any, most: Any) -> None:
    for i in range(capacity.shape[0]):
        part = np.int64(np.float64(capacity[i]) * min(max(cap[i], 0.0), 1.0))
        most[i] = capacity[i] if cap[i] >= 1.0 else min(part, capacity[i])


def capacity_within(capacity: Array, cap: Array) -> Array:
    """Whole units that a cap on the share of capacity leaves to be taken.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    cap : array of float64, shape (n,)
        Largest share of each, from 0 to 1.
    """
    capacity = whole(capacity)
    most = np.empty_like(capacity)
    _within(capacity, real(cap), most)
    return most


def capped_pro_rata(capacity: Array, cap: Array, budget: int) -> Array:
    """The same share of every capacity up to each row's own cap: ``h = min(eta, cap)``.

    Water-filling (arXiv 2512.01112, capped pro-rata): the unique minimiser of
    ``sum(capacity * phi(h))`` with ``h <= cap`` for any strictly convex phi. With unequal
    caps survivors may change order. The amounts sum to the budget or to what the caps
    leave, whichever is less. O(n) a pass, with few passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    cap : array of float64, shape (n,)
        Largest share of each, from 0 to 1.
    budget : int
    """
    return fill(capacity_within(capacity, cap), real(capacity), budget)


def risk_weighted(
    capacity: Array, weight: Array, budget: int, *, cap: Array | None = None
) -> Array:
    """Shares in proportion to a risk weight: ``h = min(cap, tau * weight)``.

    Risk-aware pro-rata (arXiv 2512.01112, section 7) with the weights of
    :mod:`abm.adl.sharing.weights`; with the leverage itself as weight, levered pro-rata in
    the form that balances the budget. Minimises ``max h / weight``. It does not minimise
    the next deficit, which :func:`abm.adl.sharing.queue.greedy_by_risk` does. O(n) a pass,
    with few passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    weight : array of float64, shape (n,)
        Not negative; rows of weight zero pay last.
    budget : int
    cap : array of float64, shape (n,), optional
        Largest share of each, from 0 to 1; all of it if not given.
    """
    most = capacity if cap is None else capacity_within(capacity, cap)
    # Scaled, so that the products are within the range of floats.
    return fill(most, scaled(weight) * capacity, budget)
