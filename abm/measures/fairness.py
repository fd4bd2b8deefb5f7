"""Who carried the burden of a wave: survivors, haircuts, order, and what was a choice.

All functions take parallel arrays over the accounts that could have been asked:
`capacity`, the most that each could give, and `taken`, what it gave, in one unit of money.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abm.measures.ranks import spearman
from abm.world import Array

Floats = NDArray[np.float64]


def survivors(capacity: ArrayLike, taken: ArrayLike) -> Floats:
    """What each account has left of its capacity, never below zero, shape (n,)."""
    left = np.asarray(capacity, float) - np.asarray(taken, float)
    return np.asarray(np.maximum(left, 0.0))


def largest_survivor(capacity: ArrayLike, taken: ArrayLike) -> float:
    """The most that any account has left (0 without accounts)."""
    return float(survivors(capacity, taken).max(initial=0.0))


def top_survivor(capacity: ArrayLike, taken: ArrayLike) -> float:
    """What the account with the largest capacity has left (0 without accounts).

    The older convention of arXiv 2512.01112; the largest survivor may be another account.
    """
    whole = np.asarray(capacity, float)
    if not len(whole):
        return 0.0
    return float(survivors(whole, taken)[np.argmax(whole)])


# --- survivors against what was missing -------------------------------------------------


def ptsr(survivor: float, deficit: float, theta: float = 1.0) -> float:
    """Profitability to solvency ratio: a survivor over the deficit that was socialised.

    arXiv 2512.01112, section 3.1: ``survivor / (theta * deficit)``. NaN if nothing was
    socialised: the ratio has no meaning without a burden.
    """
    return _ratio(survivor, theta * deficit)


def pmr(survivor: float, largest_loss: float, theta: float = 1.0) -> float:
    """Profitability to maximum loss ratio: ``survivor / (theta * largest_loss)``.

    arXiv 2512.01112, section 3.1; `largest_loss` is the largest single shortfall. NaN if
    nothing was socialised.
    """
    return _ratio(survivor, theta * largest_loss)


def residual_ptsr(survivor: float, deficit: float, raised: float) -> float:
    """A survivor over what is still missing: ``survivor / (deficit - raised)``.

    The convention of the analysis code that accompanies arXiv 2512.01112
    (github.com/pluriholonomic/autodeleveraging-analysis). NaN once all is covered.
    """
    return _ratio(survivor, deficit - raised)


def residual_pmr(
    survivor: float, largest_loss: float, deficit: float, raised: float
) -> float:
    """A survivor over the part of the largest loss that is still missing.

    ``survivor / (largest_loss * (deficit - raised) / deficit)``, the fraction cut off to
    lie between 0 and 1; same source as :func:`residual_ptsr`.
    """
    if not deficit > 0.0:
        return float("nan")
    left = min(max((deficit - raised) / deficit, 0.0), 1.0)
    return _ratio(survivor, left * largest_loss)


def rd_nse(survivor: float, deficit: float, raised: float) -> float:
    """Survivor's part of survivor and remaining deficit together.

    ``survivor / (survivor + deficit - raised)``: 1 once all is covered, more than 1 if
    more was raised than was missing; same source as :func:`residual_ptsr`.
    """
    return _ratio(survivor, survivor + deficit - raised)


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0.0 else float("nan")


# --- haircuts ---------------------------------------------------------------------------


def haircuts(taken: ArrayLike, of: ArrayLike) -> Floats:
    """Share of profit, equity or capacity that was taken; 0 where there was nothing."""
    whole, part = np.asarray(of, float), np.asarray(taken, float)
    share = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0.0)
    return np.asarray(share)


def largest_haircut(taken: ArrayLike, of: ArrayLike) -> float:
    """The largest share that was taken from anybody, from 0 to 1."""
    return float(np.clip(haircuts(taken, of).max(initial=0.0), 0.0, 1.0))


def gini(values: ArrayLike, count: int) -> float:
    """Gini coefficient of values of which all but those given are zero, from 0 to 1.

    Half the mean difference over the mean; ``1 - m / n * (1 - G)`` with G that of the m
    given values and n the `count` of all. NaN if all are zero.
    """
    rising = np.sort(np.asarray(values, float))
    total, given = rising.sum(), len(rising)
    if not total > 0.0:
        return float("nan")
    place = 2.0 * np.arange(1, given + 1) - given - 1.0
    among = float((place * rising).sum() / (given * total))
    return 1.0 - given / count * (1.0 - among)


def neighbours_turned(before: ArrayLike, after: ArrayLike) -> tuple[int, int]:
    """Neighbours in the order of `before`, and how many stand the other way `after`.

    The monotonicity violations of arXiv 2602.15182, section 5.2, are their ratio. Pairs
    that were equal before do not count.
    """
    first, last = np.asarray(before), np.asarray(after)
    order = _rising(first)
    first, last = first[order], last[order]
    steps = first[1:] > first[:-1]
    turned = steps & (last[1:] < last[:-1])
    return int(np.count_nonzero(steps)), int(np.count_nonzero(turned))


def _rising(values: Array) -> Array:
    """Rows in the order of their values, equal ones as they stand.

    Whole numbers that leave room for it are sorted together with their rows, which is
    four times as fast as sorting rows by them.
    """
    bits = len(values).bit_length()
    most = 1 << (62 - bits)
    is_whole = values.dtype == np.int64 and len(values) > 0
    if not is_whole or values.min() < 0 or values.max() >= most:
        return np.argsort(values, kind="stable")
    packed = np.sort((values << bits) | np.arange(len(values)))
    return np.asarray(packed & ((1 << bits) - 1))


def order_inversions(before: ArrayLike, after: ArrayLike) -> float:
    """Share of neighbours in the order of `before` that stand the other way `after`.

    See :func:`neighbours_turned`. NaN for fewer than two different values.
    """
    neighbours, turned = neighbours_turned(before, after)
    return turned / neighbours if neighbours else float("nan")


def rank_stability(shares: ArrayLike, later_shares: ArrayLike) -> float:
    """Spearman correlation of accounts' burdens in two waves (arXiv 2602.15182, 5.2).

    NaN for fewer than two accounts or if all burdens of a wave are equal.
    """
    return spearman(shares, later_shares)


# --- what had to be, and what was a choice ----------------------------------------------


def least_pain(capacity: ArrayLike, budget: float) -> Floats:
    """What each account must give under any rule that raises the budget, shape (n,).

    ``max(0, budget - everybody else's capacity)``, the budget cut off at what there is.
    """
    whole = np.asarray(capacity, float)
    total = whole.sum()
    return np.asarray(np.maximum(min(budget, total) - (total - whole), 0.0))


def optional_pain(capacity: ArrayLike, taken: ArrayLike, budget: float) -> float:
    """Share of what was taken that the rule placed by choice, from 0 to 1.

    The rest no rule that raises the budget could have placed elsewhere
    (:func:`least_pain`). NaN if nothing was taken.
    """
    given = np.asarray(taken, float)
    total = given.sum()
    if total <= 0.0:
        return float("nan")
    forced = np.minimum(least_pain(capacity, budget), given).sum()
    return float(1.0 - forced / total)
