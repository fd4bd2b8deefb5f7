"""Whom ADL drives away, and what that costs in fees.

A haircut makes an account leave with a hazard that grows with it, and an account that
leaves takes the fees of its lifetime along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CHURN_BETA = 5.0
"""Sensitivity to haircuts in arXiv 2512.01112, where 10% drives 39% away."""

SIZES_USD = (0.0, 1e2, 1e3, 1e4, 1e5, 1e6)
"""Where the classes of accounts by equity begin, in USD."""


class Fees(NamedTuple):
    """What a dollar of an account's equity earns the venue.

    The defaults are those of the empirical section of arXiv 2512.01112.

    Attributes
    ----------
    funding_per_hour : float
        Size of the funding rate of which the venue has its part.
    turnover_per_day : float
        Volume over equity.
    fee : float
        Taker fee, share of volume.
    horizon_days : float
        How long an account that stays trades on.
    """

    funding_per_hour: float = 1.5e-5
    turnover_per_day: float = 1.0
    fee: float = 4e-4
    horizon_days: float = 730.0

    @property
    def per_day(self) -> float:
        """Dollars a dollar and day."""
        return 24.0 * abs(self.funding_per_hour) + self.turnover_per_day * self.fee

    @property
    def lifetime(self) -> float:
        """Dollars a dollar over the horizon."""
        return self.horizon_days * self.per_day


def churn(haircut: ArrayLike, beta: float = CHURN_BETA) -> Floats:
    """Probability that accounts leave, ``1 - exp(-beta * haircut)``.

    Parameters
    ----------
    haircut : array_like
        Shares of capacity taken, from 0 to 1.
    beta : float
        Sensitivity (arXiv 2512.01112, section 9).
    """
    return np.asarray(-np.expm1(-beta * np.asarray(haircut, float)))


def expected_value_lost(
    wealth: ArrayLike,
    haircut: ArrayLike,
    fees: Fees | None = None,
    beta: float = CHURN_BETA,
) -> float:
    """Fees lost with the accounts that are expected to leave.

    ``lifetime * sum(wealth * churn)``: the revenue loss of arXiv 2512.01112.
    """
    per_dollar = (fees or Fees()).lifetime
    return float(per_dollar * (np.asarray(wealth, float) * churn(haircut, beta)).sum())


def retained_share(
    wealth: ArrayLike, haircut: ArrayLike, beta: float = CHURN_BETA
) -> float:
    """Share of the wealth that is expected to stay; 1 if there is none."""
    held = np.asarray(wealth, float)
    total = held.sum()
    if total <= 0.0:
        return 1.0
    return float(1.0 - (held * churn(haircut, beta)).sum() / total)


def participation(haircuts: ArrayLike, beta: float = CHURN_BETA) -> Floats:
    """Mass of each account that is left after a sequence of haircuts.

    Each haircut h keeps ``exp(-beta * h)`` of what was left.

    Parameters
    ----------
    haircuts : array_like, shape (waves, accounts)

    Returns
    -------
    array, shape (accounts,)
    """
    return np.asarray(
        np.exp(-beta * np.atleast_2d(np.asarray(haircuts, float)).sum(axis=0))
    )


def recovery_time(time_s: ArrayLike, values: ArrayLike, threshold: float) -> float:
    """Seconds from the first time below a threshold until values are back for good.

    0 if they never fall below it, infinite if they end below it.
    """
    at, found = np.asarray(time_s, float), np.asarray(values, float)
    below = np.flatnonzero(found < threshold)
    if not len(below):
        return 0.0
    if below[-1] == len(found) - 1:
        return float("inf")
    return float(at[below[-1] + 1] - at[below[0]])


def size_class(equity_usd: ArrayLike) -> NDArray[np.int64]:
    """The class of each equity, counted from 0 (see :data:`SIZES_USD`)."""
    found = np.digitize(np.asarray(equity_usd, float), SIZES_USD[1:])
    return np.asarray(found, np.int64)


def taken_share(amount: ArrayLike, base: ArrayLike) -> Floats:
    """What part of a base was taken, from 0 to 1.

    Nothing where nothing was taken, all of it where the base was nothing.
    """
    taken, whole = np.asarray(amount, float), np.asarray(base, float)
    part = np.minimum(taken / np.where(whole > 0, whole, 1.0), 1.0)
    return np.where(taken <= 0, 0.0, np.where(whole > 0, part, 1.0))


def longest_recovery(
    time_s: ArrayLike, values: ArrayLike, threshold: float, starts: Sequence[int]
) -> float:
    """The longest that it took values to come back, over some episodes.

    In each it counts from the first time below the threshold until they are back for the
    rest of it (see :func:`recovery_time`); the next one's first look belongs to both, and
    if values are still below then, the count goes on.

    Parameters
    ----------
    starts : sequence of int
        Where in the arrays episodes begin, the first at 0.
    """
    at, found = np.asarray(time_s, float), np.asarray(values, float)
    longest, begun = 0.0, 0
    for end in (*starts[1:], len(found) - 1):
        took = recovery_time(at[begun : end + 1], found[begun : end + 1], threshold)
        if np.isfinite(took):
            longest, begun = max(longest, took), end
    return float("inf") if found[-1] < threshold else longest


def solvency_recovery(
    time_s: ArrayLike,
    purses: ArrayLike,
    owed: ArrayLike,
    solvent_share: float,
    starts: Sequence[int] = (0,),
) -> float:
    """Seconds from when the venue is short until it is solvent, in the worst episode.

    The clock tau_solv of arXiv 2512.01112: it is solvent while it owes nothing and its
    purses hold `solvent_share` of what they held at the start. 0 if it never was short,
    infinite if it is at the end.

    Parameters
    ----------
    time_s, purses, owed : array_like, shape (looks,)
        The first look is the start.
    starts : sequence of int
        Where episodes begin (see :func:`longest_recovery`).
    """
    held, debt = np.asarray(purses, float), np.asarray(owed, float)
    solvent = np.where(debt > 0, -debt, held)
    return longest_recovery(time_s, solvent, solvent_share * held[0], starts)


def revenue_recovery(time_s: ArrayLike, wealth: ArrayLike, tolerance: float) -> float:
    """Seconds from when lifetime value first falls until it is back for good.

    The clock tau_rev of arXiv 2512.01112: back means within `tolerance` of that at the
    start. Value goes with what traders have, whose first entry is the start's. Seconds as
    :func:`recovery_time`.
    """
    held = np.asarray(wealth, float)
    return recovery_time(time_s, held, (1.0 - tolerance) * held[0])
