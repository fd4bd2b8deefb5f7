"""How numbers of a contest are written: basis points, and intervals around them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from analysis import notation

Write = Callable[[float], str]

MARKS = {
    "proof": "o",
    "self-defeating": "-",
    "exploitable, no harm": "+",
    "exploitable, harm unclear": "+?",
    "exploitable, harmful": "!!",
    "the runs cannot say": "?",
}
"""One sign a verdict, where there is no room for words."""


def basis_points(share: float) -> str:
    """A share in basis points: ``12 bp``, ``-0.3 bp``; in per cent from 1% on."""
    if not math.isfinite(share):
        return notation.UNDEFINED
    if abs(share) >= 0.01:
        return notation.share(share)
    points = 1e4 * share
    size = abs(points)
    if 0.0 < size < 0.005:
        return "<0.01 bp" if points > 0 else ">-0.01 bp"
    digits = 2 if size < 0.995 else 1 if size < 9.95 else 0
    return f"{points:.{digits}f} bp" if points else "0 bp"


def between(low: float, high: float, write: Write = basis_points) -> str:
    """``-1.2 bp to 3.4 bp``; an end that is not known is ``-`` or open."""
    if math.isnan(low) or math.isnan(high):
        return notation.UNDEFINED
    ends = ["open" if math.isinf(end) else write(end) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def value(row: pd.Series, name: str, write: Write = basis_points) -> str:
    """A measure of the matrix with its interval: ``3.0 bp (1.2 bp to 5.1 bp)``."""
    ends = between(row[f"{name}_low"], row[f"{name}_high"], write)
    text = notation.signed(write(row[name]))
    plain = ends in (notation.UNDEFINED, write(row[name]))
    return text if plain else f"{text} ({ends})"
