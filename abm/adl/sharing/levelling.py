"""Levelling down: the largest are cut to a common level."""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.selection import equal_award, payable, whole
from abm.world import Array


def levelling_down(capacity: Array, budget: int) -> Array:
    """Cut the largest capacities to a common level: survivors are ``min(capacity, L)``.

    Constrained equal awards of the literature on bankruptcy problems (Thomson, 2003,
    doi:10.1016/S0165-4896(02)00070-7). The only rule that minimises the largest survivor,
    and of those the next, and so on; a queue by wealth does not (arXiv 2512.01112 ranks
    rules by the largest survivor). O(n) a pass, with few passes, in integers throughout.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    budget : int

    Returns
    -------
    array of int64, shape (n,)
    """
    capacity = whole(capacity)
    budget = payable(capacity, budget)
    if budget == 0:
        return np.zeros_like(capacity)
    kept = int(capacity.sum()) - budget
    level = equal_award(capacity, kept)
    amounts: Array = np.maximum(capacity - level, 0)
    spare = int(amounts.sum()) - budget
    if spare:
        # Units that the level cannot share equally stay with the later rows.
        amounts[np.flatnonzero(amounts)[-spare:]] -= 1
    return amounts
