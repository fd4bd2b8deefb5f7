"""What ranks or weighs payers: scores of positions and their accounts.

A score gives every payer a float; queues take the highest first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.world import Array

Score = Callable[[Wave, Payers], Array]
"""Gives floats of shape (payers,), or (payers, columns) for rules that look at several."""


def hyperliquid() -> Score:
    """``(mark / entry) * (notional / account value)``; for shorts ``entry / mark``.

    Hyperliquid docs, "Auto-deleveraging", which prints the formula for longs; the inverse
    for shorts is the reading under which a larger gain ranks higher on both sides.
    """
    return _hyperliquid


def _hyperliquid(wave: Wave, payers: Payers) -> Array:
    # Field by field: picking whole records is slow.
    rows, row = wave.candidates, payers.row
    value = np.abs(rows["value"][row].astype(np.float64))
    cost = np.abs(rows["cost"][row].astype(np.float64))
    gain = np.where(rows["lots"][row] > 0, value / cost, cost / np.maximum(value, 1.0))
    return np.asarray(gain * value / rows["equity"][row])


ANSWERS: dict[str, Callable[..., Score]] = {"hyperliquid": hyperliquid}
