"""Leverage water-filling: the most levered are cut to a common leverage.

Closing at the mark leaves equity as it is and removes exposure, so what ADL chooses is
whose exposure. Campbell, Hey, Moallemi and Nutz, "Risk-Based Auto-Deleveraging" (arXiv
2603.15963).
"""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.filling import fill, fill_clipped
from abm.adl.sharing.selection import payable, real, whole
from abm.world import Array


def leverage_filling(exposure: Array, equity: Array, budget: int) -> Array:
    """Exposure removed so that leverage becomes ``min(leverage, eta)`` for all.

    One market, isolated margin. Minimises the largest leverage that is left and, for
    every distribution of the next price move, the expected shortfall
    ``sum E[(move * (exposure - x) - equity)_+]`` (arXiv 2603.15963). Accounts without
    equity are closed first. O(n) a pass, with few passes.

    Parameters
    ----------
    exposure : array of int64, shape (n,)
        Lots, or quanta of notional: the capacity of this rule.
    equity : array of float64, shape (n,)
    budget : int
        Exposure to remove.

    Returns
    -------
    array of int64, shape (n,)
        Exposure removed from each.
    """
    exposure = whole(exposure)
    kept = int(exposure.sum()) - payable(exposure, budget)
    # Backwards, so that units nobody has a better claim to are kept by the later row.
    weight = np.maximum(real(equity), 0.0)[::-1]
    return exposure - fill(exposure[::-1], weight, kept)[::-1]


def factor_leverage_filling(
    exposure: Array, lowest: Array, highest: Array, equity: Array, budget: int
) -> Array:
    """Factor exposure removed so that factor leverage is ``clip(eta, lowest, highest)``.

    Cross margin with one common factor: an account's factor exposure is the sum of its
    positions times their loadings, and closing positions can bring it anywhere between
    two bounds. All accounts end at the same factor leverage, or at their bound next to
    it; this minimises the expected shortfall (arXiv 2603.15963, one-factor case). A well
    hedged account has little factor exposure and is left alone. O(n) a pass, about ten
    passes.

    Parameters
    ----------
    exposure : array of int64, shape (n,)
        Signed factor exposure of each account now.
    lowest, highest : array of int64, shape (n,)
        Bounds on what can be left of it, ``lowest <= highest``.
    equity : array of float64, shape (n,)
    budget : int
        Factor exposure to remove from all together, as far as the bounds allow.

    Returns
    -------
    array of int64, shape (n,)
        Exposure removed from each; negative where it is added to.
    """
    exposure, lowest, highest = whole(exposure), whole(lowest), whole(highest)
    kept = int(exposure.sum()) - int(budget) - int(lowest.sum())
    weight = np.maximum(real(equity), 0.0)
    return exposure - lowest - fill_clipped(-real(lowest), weight, highest - lowest, kept)
