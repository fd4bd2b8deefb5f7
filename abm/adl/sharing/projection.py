"""The nearest feasible shares to those that one would like."""

from __future__ import annotations

import numpy as np

from abm.adl.sharing.filling import fill_clipped
from abm.adl.sharing.selection import real, whole
from abm.world import Array


def projection(capacity: Array, share: Array, budget: int) -> Array:
    """Project desired shares onto ``{h in [0, 1]**n: capacity @ h = budget}``.

    Minimises the Euclidean distance ``sum((h - share)**2)``; the solution is
    ``clip(share - tau * capacity, 0, 1)``. The projection step of vector mirror descent
    (arXiv 2512.01112; from shares of zero it is ``min(1, kappa * capacity)``). O(n) a
    pass, about ten passes.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    share : array of float64, shape (n,)
        Desired share of each capacity; any number.
    budget : int
    """
    capacity = whole(capacity)
    room = capacity.astype(np.float64)
    return fill_clipped(room * real(share), room * room, capacity, budget)
