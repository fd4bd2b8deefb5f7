"""How far a strategy spreads, by stochastic approximation.

At every step the present mix is simulated on fresh seeds, and shares move towards what
earned more, by steps that shrink (Robbins and Monro 1951). Shares are multiplied by the
exponential of what they earned, which in small steps is the replicator dynamics. What is
reported is the average of the later steps (Polyak and Juditsky 1992), over chains that
begin at different mixes and know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

EXPONENT = 0.7
"""Steps shrink as the step's number to this power, between 1/2 and 1."""
LEAST_SHARE = 0.005
"""No strategy's share falls below this, or nobody would be left to measure."""


class Chain(NamedTuple):
    """Shares before each step and after the last, shape (steps + 1, strategies)."""

    shares: Floats
    payoffs: Floats

    @property
    def average(self) -> Floats:
        """Mean shares over the later half of the steps."""
        return np.asarray(self.shares[len(self.shares) // 2 :].mean(axis=0))

    @property
    def travelled(self) -> Floats:
        """How far shares still moved in the later half, from least to largest."""
        return np.asarray(np.ptp(self.shares[len(self.shares) // 2 :], axis=0))


def approximate(
    payoffs: Callable[[Floats, int], Floats],
    start: Floats,
    steps: int,
    *,
    first_step: float = 1.0,
    least: float = LEAST_SHARE,
) -> Chain:
    """Follow noisy payoffs from one mix.

    Parameters
    ----------
    payoffs : callable
        Takes shares, shape (strategies,), and the step's number from 0; gives what each
        strategy earned, NaN where that is not known: then its share stays.
    start : array, shape (strategies,)
    steps : int
    first_step : float
        Size of the first step, in units of the spread of payoffs so far.
    """
    shares = [_floored(np.asarray(start, float), least)]
    earned: list[Floats] = []
    for step in range(steps):
        now = shares[-1]
        found = np.asarray(payoffs(now, step), float)
        known = np.isfinite(found)
        mean = np.average(found[known], weights=now[known]) if known.any() else 0.0
        ahead = np.where(known, found - mean, 0.0)
        earned.append(ahead)
        scale = np.sqrt(np.mean(np.square(earned))) or 1.0
        size = first_step / (step + 1) ** EXPONENT
        moved = now * np.exp(np.clip(size * ahead / scale, -3.0, 3.0))
        shares.append(_floored(moved / moved.sum(), least))
    return Chain(np.array(shares), np.array(earned).reshape(steps, len(start)))


def _floored(shares: Floats, least: float) -> Floats:
    """Shares of at least so much each, that add up to 1."""
    above = np.maximum(shares / shares.sum() - least, 0.0)
    room = 1.0 - least * len(shares)
    return np.asarray(least + room * above / above.sum())


class Estimate(NamedTuple):
    """Mean of the chains' averages with a Student t interval over chains."""

    shares: Floats
    low: Floats
    high: Floats


def combined(chains: list[Chain], level: float = 0.95) -> Estimate:
    """What independent chains say together; no interval of a single one."""
    averages = np.array([chain.average for chain in chains])
    mean = averages.mean(axis=0)
    if len(chains) < 2:
        return Estimate(mean, mean * np.nan, mean * np.nan)
    error = averages.std(axis=0, ddof=1) / np.sqrt(len(chains))
    half = stats.t.ppf(0.5 + level / 2, len(chains) - 1) * error
    return Estimate(mean, np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0))
