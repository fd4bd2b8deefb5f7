"""Ticks, lots and quanta: the integer units in which everything is counted.

A price is a whole number of ticks, a size a whole number of lots, and money a whole
number of quanta (micro-dollars), all int64. `unit` of a market is the money in one tick
times one lot, a whole number of quanta, so every value is exact.
"""

from __future__ import annotations

from typing import Any

QUANTA_PER_USD = 1_000_000
PPM = 1_000_000
INT64_MAX = 2**63 - 1


def quanta(usd: float) -> int:
    """Dollars as the nearest whole number of quanta."""
    return round(usd * QUANTA_PER_USD)


def usd(amount: Any) -> Any:
    """Quanta (a number or an array of any shape) as dollars."""
    return amount / QUANTA_PER_USD


def ppm(share: float) -> int:
    """A share (1 is all) as the nearest whole number of parts per million."""
    return round(share * PPM)
