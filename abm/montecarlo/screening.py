"""Which crowds a crash would ruin, judged before anything is simulated.

Whether a deficit is large is mostly decided by who holds what when the crash begins. What
accounts would owe if prices fell as the script says, and nobody closed anything, is known
from the endowments alone, in a small part of the time that a run takes. A regression on a
pilot's runs turns it into the chance of a large deficit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from abm import genesis
from abm.scenario import Scenario
from abm.traders import endowments
from abm.units import usd
from abm.world import Array

FALLS = (0.5, 1.0, 2.0, 4.0)
"""Multiples of the script at which crowds are looked at: feedback deepens a fall."""

FEWEST_RUNS = 20
"""Runs with a deficit below which nothing is learnt from a pilot."""

_DEGREES = 8.0
_UNSCRIPTED = -0.1


def owed_usd(scenario: Scenario, seed: int) -> Array:
    """What accounts would owe at once after falls as deep as multiples of the script.

    Parameters
    ----------
    seed : int
        Of the run: its crowd and its script are drawn as the run's would be.

    Returns
    -------
    array, shape (len(FALLS),)
        Negative equity of all accounts in USD, if nobody closed anything on the way.
    """
    markets = list(scenario.all_markets().values())
    crowd = endowments.draw(scenario, seed)
    value = np.array([market.start_tick * market.unit for market in markets], float)
    held = crowd.lots * value[crowd.market]
    fall = _furthest(scenario, seed)[crowd.market]
    worth = held * np.exp(np.multiply.outer(FALLS, fall)) - crowd.cost
    equity = np.tile(crowd.cash.astype(float), (len(FALLS), 1))
    for row, gains in zip(equity, worth, strict=True):
        row += np.bincount(crowd.account, weights=gains, minlength=len(row))
    return np.asarray(usd(np.maximum(-equity, 0.0).sum(axis=1)))


def _furthest(scenario: Scenario, seed: int) -> Array:
    """The scripted log-return furthest from zero of every market, shape (markets,).

    A fall of a tenth times beta where there is no script.
    """
    script = genesis.shocks(scenario, seed)
    beta = np.array([market.beta for market in scenario.all_markets().values()])
    if not len(script):
        return _UNSCRIPTED * beta
    ends = script["start_ms"] + script["duration_ms"]
    moments = np.unique(np.concatenate([script["start_ms"], ends]))
    share = (moments[:, None] - script["start_ms"]) / np.maximum(script["duration_ms"], 1)
    done = np.clip(share, 0.0, 1.0) * script["log_return"]
    common = done[:, script["market"] < 0].sum(axis=1)
    path = np.multiply.outer(common, beta)
    for shock, market in enumerate(script["market"]):
        if market >= 0:
            path[:, market] += done[:, shock]
    return np.asarray(path[np.abs(path).argmax(axis=0), np.arange(len(beta))])


class Fit(NamedTuple):
    """Log10 of the deficit as a linear function of log10 of what would be owed."""

    constant: float
    slopes: tuple[float, ...]
    spread: float


def fit(owed: Array, deficits: Array) -> Fit | None:
    """Least squares over runs with a deficit, slightly shrunk; None if they are too few.

    Parameters
    ----------
    owed : array, shape (runs, len(FALLS))
        :func:`owed_usd`.
    deficits : array, shape (runs,)
        In USD.
    """
    had = deficits > 0.0
    if had.sum() < FEWEST_RUNS:
        return None
    x, y = np.log10(1.0 + owed[had]), np.log10(1.0 + deficits[had])
    middle = x.mean(axis=0)
    away = x - middle
    ridge = 1e-3 * len(y) * np.eye(x.shape[1])
    slopes = np.linalg.solve(away.T @ away + ridge, away.T @ (y - y.mean()))
    left = y - y.mean() - away @ slopes
    return Fit(
        float(y.mean() - middle @ slopes), tuple(map(float, slopes)), float(left.std())
    )


@dataclass(frozen=True)
class Promise:
    """The chance, as far as it can be foreseen, that a run's deficit exceeds an amount.

    Called with a seed. A heavy-tailed error keeps crowds of little promise from being
    given up: whoever is wrong about them must not pay for it with much variance.
    """

    scenario: Scenario
    found: Fit
    deficit_usd: float

    def __call__(self, seed: int) -> float:
        """Chance of the run of a seed, between 0 and 1."""
        return float(self.of(owed_usd(self.scenario, seed)))

    def of(self, owed: Array) -> Array:
        """Chances from :func:`owed_usd`, shape (..., len(FALLS)) to (...)."""
        middle = self.found.constant + np.log10(1.0 + owed) @ np.array(self.found.slopes)
        above = middle - np.log10(1.0 + max(self.deficit_usd, 0.0))
        return np.asarray(stats.t.cdf(above / max(self.found.spread, 0.02), _DEGREES))


def owed_by(scenario: Scenario, seeds: Sequence[int]) -> Array:
    """:func:`owed_usd` of many seeds, shape (seeds, len(FALLS))."""
    rows = [owed_usd(scenario, seed) for seed in seeds]
    return np.array(rows).reshape(len(rows), len(FALLS))
