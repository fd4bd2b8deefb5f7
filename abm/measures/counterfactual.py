"""What ADL cost those whom it hit, against a world in which it had not.

The fixed-path counterfactual values every closed position on the marks that were realised
afterwards: `H(delta)`, the production haircut of arXiv 2512.01112 (section 9 and the
two-pass replay of github.com/pluriholonomic/autodeleveraging-analysis). Prices react to
ADL in truth, so it is held against forks of the same world in which ADL is off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

HORIZONS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0)
"""Seconds after a wave at which its closed positions are valued."""


def forgone(lots: ArrayLike, value: ArrayLike, worth: ArrayLike) -> Floats:
    """What each closed position would have been worth more than it was closed for.

    Parameters
    ----------
    lots : array_like of int, shape (fills,)
        Lots closed, signed as they were held.
    value : array_like, shape (fills,)
        The signed value at which they were closed, with the sign of `lots`.
    worth : array_like, shape (fills,)
        The value of one lot at the later mark, in the unit of `value`.

    Returns
    -------
    array, shape (fills,)
        Positive where being closed cost money, negative where it spared a loss.
    """
    held = np.asarray(lots, float) * np.asarray(worth, float)
    return np.asarray(held - np.asarray(value, float))


def production_haircut(account: ArrayLike, loss: ArrayLike) -> float:
    """`H(delta)`: what accounts lost by being closed, gains of others not set off.

    Losses are netted within an account, then only the positive are added up, so chance
    alone makes it positive; :func:`net_haircut` does not have that bias.

    Parameters
    ----------
    account : array_like of int, shape (entries,)
        Numbers of accounts, from 0.
    loss : array_like, shape (entries,)
    """
    by_account = np.bincount(np.asarray(account, np.int64), np.asarray(loss, float))
    return float(np.maximum(by_account, 0.0).sum())


def net_haircut(loss: ArrayLike) -> float:
    """What all accounts together lost by being closed; negative if they gained."""
    return float(np.sum(np.asarray(loss, float)))


# --- against what was needed ------------------------------------------------------------


def overshoot(haircut: float, needed: float) -> float:
    """What was taken beyond what was needed; negative if it was too little."""
    return haircut - needed


class Regret(NamedTuple):
    """Loss against the wave's ex-post optimum (arXiv 2602.15182, section 5)."""

    tracking: float
    fairness: float
    weight: float

    @property
    def total(self) -> float:
        """Tracking and, weighted, fairness."""
        return self.tracking + self.weight * self.fairness


def regret(
    raised: float,
    needed: float,
    largest_haircut: float,
    least_largest_haircut: float,
    weight: float = 1.0,
) -> Regret:
    """Regret of a wave.

    Parameters
    ----------
    raised, needed : float
        What was taken and what ex post was needed; tracking is their distance.
    largest_haircut, least_largest_haircut : float
        The largest share taken and the smallest that any rule could have had; fairness
        is their distance times what was needed.
    weight : float
        Of fairness in the total.
    """
    apart = abs(largest_haircut - least_largest_haircut)
    return Regret(abs(raised - needed), apart * needed, weight)
