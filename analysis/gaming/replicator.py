"""How far strategies spread: replicator dynamics on payoffs fitted to simulated mixes.

The share of a strategy grows as fast as it earns more than the average trader does
(Taylor and Jonker 1978; Sandholm, Population Games and Evolutionary Dynamics, 2010).
Payoffs are polynomials of the shares, fitted to mixes that were simulated. Runs are
resampled whole, and each resample is fitted and followed to where it rests, so that the
resting point has an interval, and a chance that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

from analysis.intervals import LEVEL, SEED

Floats = npt.NDArray[np.float64]

DRAWS = 200
RESTS, CYCLES, MOVES = "rests", "cycles", "still moving"

_TIME = 1_000.0
_SAMPLES = 2_001
_STILL = 2e-3


@dataclass(frozen=True)
class Fit:
    """Payoffs as polynomials of the shares.

    Attributes
    ----------
    coefficients : array, shape (..., terms, strategies)
    degree : int
    """

    coefficients: Floats
    degree: int

    def __call__(self, shares: Floats) -> Floats:
        """Payoffs at mixes, shape (..., strategies) to the same."""
        rows = terms(shares, self.degree)
        return np.asarray(np.einsum("...t,...ts->...s", rows, self.coefficients))


def terms(shares: Floats, degree: int) -> Floats:
    """Products of up to `degree` shares but the first, shape (..., strategies) to terms.

    The first share is what the others leave, so it adds nothing.
    """
    free = shares[..., 1:]
    columns = [np.ones(shares.shape[:-1])]
    for order in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(free.shape[-1]), order):
            columns.append(np.prod(free[..., list(chosen)], axis=-1))
    return np.stack(columns, axis=-1)


def best_degree(mixes: Floats, most: int = 2) -> int:
    """The largest degree that leaves at least one mix over to check the fit."""
    for degree in range(most, 0, -1):
        rows = terms(mixes, degree)
        is_full = np.linalg.matrix_rank(rows) == rows.shape[1]
        if is_full and len(mixes) > rows.shape[1]:
            return degree
    return 1 if len(mixes) > 1 else 0


def fit(mixes: Floats, payoffs: Floats, degree: int) -> Fit:
    """Least squares over mixes, each strategy over those in which its payoff is known.

    Parameters
    ----------
    mixes : array, shape (mixes, strategies)
        Shares, each row adds up to 1.
    payoffs : array, shape (..., mixes, strategies)
        NaN where a strategy was not there.
    """
    rows = terms(mixes, degree)
    found = np.zeros((*payoffs.shape[:-2], rows.shape[1], payoffs.shape[-1]))
    for strategy in range(payoffs.shape[-1]):
        column = payoffs[..., strategy]
        known = np.isfinite(column).all(axis=tuple(range(column.ndim - 1)))
        found[..., strategy] = column[..., known] @ np.linalg.pinv(rows[known]).T
    return Fit(found, degree)


@dataclass(frozen=True)
class Course:
    """Where dynamics lead from a beginning.

    Attributes
    ----------
    path : array, shape (times, draws, strategies)
    shares : array, shape (draws, strategies)
        Where it rests; the average over time where it does not.
    ends : list of str
        ``rests``, ``cycles`` or ``still moving``, one a draw.
    """

    path: Floats
    shares: Floats
    ends: list[str]


def follow(payoffs: Fit, start: Floats) -> Course:
    """Replicator dynamics from a mix, for all of a fit's draws at once.

    Parameters
    ----------
    payoffs : Fit
        With one leading axis of draws, or none.
    start : array, shape (strategies,)
    """
    coefficients = payoffs.coefficients
    if coefficients.ndim == 2:
        coefficients = coefficients[None]
    draws, _, strategies = coefficients.shape
    scale = _scale(Fit(coefficients, payoffs.degree), draws, strategies)
    scaled = Fit(coefficients / scale[:, None, None], payoffs.degree)

    def velocity(_: float, flat: Floats) -> Floats:
        shares = _on_simplex(flat.reshape(draws, strategies))
        earned = scaled(shares)
        mean = (shares * earned).sum(axis=-1, keepdims=True)
        return np.asarray(shares * (earned - mean)).ravel()

    first = np.tile(start, (draws, 1)).ravel()
    times = np.linspace(0.0, _TIME, _SAMPLES)
    solved = solve_ivp(
        velocity, (0.0, _TIME), first, "DOP853", times, rtol=1e-6, atol=1e-10
    )
    path = _on_simplex(solved.y.T.reshape(-1, draws, strategies))
    ends = [_end_of(path[:, draw]) for draw in range(draws)]
    last, mean = path[-1], path[len(path) // 2 :].mean(axis=0)
    rests = np.array([end == RESTS for end in ends])
    return Course(path, np.where(rests[:, None], last, mean), ends)


def _on_simplex(shares: Floats) -> Floats:
    above = np.maximum(shares, 0.0)
    return np.asarray(above / above.sum(axis=-1, keepdims=True))


def _scale(payoffs: Fit, draws: int, strategies: int) -> Floats:
    """The largest difference between payoffs at corners and in the middle, by draw."""
    places = np.vstack([np.eye(strategies), np.full(strategies, 1.0 / strategies)])
    found = [payoffs(np.tile(place, (draws, 1))) for place in places]
    widest = np.max([np.ptp(one, axis=-1) for one in found], axis=0)
    return np.asarray(np.where(widest > 0.0, widest, 1.0))


def _end_of(path: Floats) -> str:
    """Whether a path, shape (times, strategies), came to rest."""
    late = path[len(path) // 2 :]
    if np.ptp(late[-len(late) // 4 :], axis=0).max() < _STILL:
        return RESTS
    moved = np.diff(late, axis=0)
    turns = (np.sign(moved[1:]) * np.sign(moved[:-1]) < 0).sum(axis=0).max()
    return CYCLES if turns >= 2 else MOVES


def best_response_path(payoffs: Fit, start: Floats, steps: int = 20) -> list[int]:
    """Best responses one after the other, each to a crowd that all played the last one.

    It ends with the first strategy that was there already: if that is the last but one,
    nobody wants to change; else the crowd goes round.
    """
    at, found = start, list[int]()
    for _ in range(steps):
        best = int(np.argmax(payoffs(at)))
        found.append(best)
        if best in found[:-1]:
            break
        at = np.eye(len(start))[best]
    return found


@dataclass(frozen=True)
class Rest:
    """Where a crowd comes to rest, with intervals.

    Attributes
    ----------
    shares, low, high : array, shape (strategies,)
        Of the fit itself, and the percentile bootstrap's ends.
    end : str
        Of the fit itself.
    chances : dict of str to float
        Share of the resamples that end so.
    levels, levels_low, levels_high : array, shape (measures,)
        Of the venue's measures at the resting point.
    course : Course
        Of the fit itself.
    fitted : Fit
    misfit : float
        The largest distance of a simulated payoff from the fit, in standard errors.
    """

    shares: Floats
    low: Floats
    high: Floats
    end: str
    chances: dict[str, float]
    levels: Floats
    levels_low: Floats
    levels_high: Floats
    course: Course
    fitted: Fit
    misfit: float


def resting_point(
    mixes: Floats,
    payoffs: Floats,
    levels: Floats,
    start: Floats,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Rest:
    """Fit payoffs, follow the dynamics to the end, and bootstrap both over runs.

    Parameters
    ----------
    mixes : array, shape (mixes, strategies)
    payoffs : array, shape (runs, mixes, strategies)
        One value a run whose mean is the payoff; the same seeds in every mix.
    levels : array, shape (runs, mixes, measures)
        What the venue looks like in every run; at least 0.
    start : array, shape (strategies,)
    """
    degree = best_degree(mixes)
    runs = len(payoffs)
    fitted = fit(mixes, payoffs.mean(axis=0), degree)
    course = follow(fitted, start)
    shares = course.shares[0]
    state = fit(mixes, levels.mean(axis=0), degree)
    stream = np.random.default_rng(SEED)
    weights = stream.multinomial(runs, np.full(runs, 1.0 / runs), draws) / runs
    again = fit(mixes, np.einsum("dr,rms->dms", weights, payoffs), degree)
    others = follow(again, start)
    states = fit(mixes, np.einsum("dr,rms->dms", weights, levels), degree)
    ends = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.quantile(others.shares, ends, axis=0)
    chances = {one: others.ends.count(one) / draws for one in (RESTS, CYCLES, MOVES)}
    venue = np.maximum(state(shares), 0.0)
    around = np.maximum(np.quantile(states(others.shares), ends, axis=0), 0.0)
    return Rest(
        shares, low, high, course.ends[0], chances, venue, *around, course, fitted,
        _misfit(fitted, mixes, payoffs),
    )  # fmt: skip


def _misfit(fitted: Fit, mixes: Floats, payoffs: Floats) -> float:
    mean = payoffs.mean(axis=0)
    error = payoffs.std(axis=0, ddof=1) / np.sqrt(len(payoffs))
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(mean - fitted(mixes)) / error
    known = away[np.isfinite(away)]
    return float(known.max()) if len(known) else np.nan
