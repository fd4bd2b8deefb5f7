"""Rare events: the probability that a run goes beyond a level that few reach.

Multilevel splitting with fixed effort. The way to the level is cut into stages; in each
stage a fixed number of runs start from states that the stage before reached, with fresh
randomness, and the product of the stages' shares of success estimates the probability
without bias (Garvels, "The splitting method in rare event simulation", University of
Twente 2000; L'Ecuyer, Le Gland, Lezaud and Tuffin, "Splitting techniques", in Rubino and
Tuffin, "Rare Event Simulation using Monte Carlo Methods", Wiley 2009). Independent
replications give the interval.

Splitting cannot help where the outcome is decided when a run begins. There, a `Screen`
looks at many starts before any is run, and gives those that promise more a larger chance
to be run; each is weighted by one over its chance, which keeps the estimate without bias
(Horvitz and Thompson, "A generalization of sampling without replacement from a finite
universe", JASA 47, 1952).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

from abm import draws

S = TypeVar("S")
Mapped = Callable[[Callable[[int], tuple[float, float]], Iterable[int]], Iterable[Any]]
"""A `map` of one function over numbers: the built-in, or that of a pool of processes."""

_MOST_LEVELS = 10
_LEAST_CHANCE = 0.02
"""Least chance to be run, as a part of the mean one."""


class Process(Protocol[S]):
    """What is run: states with a score that a run may raise."""

    def start(self, seed: int) -> S:
        """A new run's state at time zero."""

    def fork(self, state: S, seed: int) -> S:
        """The same past, and from now on the randomness of another seed."""

    def run(self, state: S, level: float) -> bool:
        """Run until the score exceeds a level (True), or to the end (False)."""

    def highest(self, state: S) -> float:
        """The highest score that a run has had so far."""

    def age(self, state: S) -> float:
        """The part of a whole run that lies behind a state, from 0 to 1."""


@dataclass(frozen=True)
class Screen:
    """How starts are chosen.

    Attributes
    ----------
    promise : callable
        From a seed to about the probability that its run succeeds.
    starts : int
        How many are looked at in each replication; at least its effort.
    cost : float
        Of looking at one, in whole runs.
    """

    promise: Callable[[int], float]
    starts: int
    cost: float


@dataclass(frozen=True)
class RareEvent:
    """An estimated probability.

    Attributes
    ----------
    probability, low, high : float
        Estimate and ends of its interval.
    level : float
        Confidence of the interval.
    levels : tuple of float
        Scores that the stages ended at; the last is the event's.
    replications : tuple of float
        Independent estimates whose mean is `probability`.
    runs : float
        What it took, in whole runs.
    starts : int
        How many starts were looked at by a screen.
    brute_runs : float
        How many whole runs brute force would take for the same variance; infinite where
        no replication differs, NaN where none succeeded.
    """

    probability: float
    low: float
    high: float
    level: float
    levels: tuple[float, ...]
    replications: tuple[float, ...]
    runs: float
    starts: int
    brute_runs: float

    @property
    def gain(self) -> float:
        """How many times the runs that it took brute force would need."""
        return self.brute_runs / self.runs

    @property
    def error(self) -> float:
        """Standard error of the probability."""
        sd = float(np.std(self.replications, ddof=1))
        return sd / math.sqrt(len(self.replications))


def estimate(
    process: Process[S],
    target: float,
    *,
    effort: int = 100,
    replications: int = 20,
    share: float = 0.2,
    seed: int = 1,
    level: float = 0.95,
    screen: Screen | None = None,
    spent: float = 0.0,
    mapped: Mapped = map,
) -> RareEvent:
    """Estimate the probability that a run's score exceeds a target.

    Parameters
    ----------
    process : Process
        What is run.
    target : float
        The score to exceed.
    effort : int
        Runs a stage.
    replications : int
        Independent repetitions, at least 2.
    share : float
        Share of a stage's runs that should succeed; sets the levels, in a pilot whose
        runs are counted but not used.
    seed : int
        Makes all of it reproducible.
    level : float
        Confidence of the interval, Student's t over the replications.
    screen : Screen, optional
        Chooses the starts; without it, all that are drawn are run.
    spent : float
        Whole runs that finding the screen took, to be counted.
    mapped : callable
        Computes the replications. Results do not depend on it.
    """
    stream = stream_of(seed, 0)
    levels, cost = choose_levels(process, target, effort, share, stream, screen)
    one = partial(replication, process, tuple(levels), effort, seed, screen)
    parts = list(mapped(one, range(1, replications + 1)))
    found = [probability for probability, _ in parts]
    cost += spent + sum(part for _, part in parts)
    mean, sd = float(np.mean(found)), float(np.std(found, ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, replications - 1)) * sd
    half /= math.sqrt(replications)
    return RareEvent(
        probability=mean,
        low=max(0.0, mean - half),
        high=min(1.0, mean + half),
        level=level,
        levels=tuple(levels),
        replications=tuple(found),
        runs=cost,
        starts=0 if screen is None else screen.starts * (replications + 1),
        brute_runs=_brute_runs(mean, sd**2 / replications),
    )


def _brute_runs(mean: float, variance: float) -> float:
    if mean == 0.0:
        return math.nan
    return mean * (1.0 - min(mean, 1.0)) / variance if variance > 0.0 else math.inf


def stream_of(seed: int, lane: int) -> np.random.Generator:
    """Random numbers of an estimate's pilot (lane 0) or of one of its replications."""
    return np.random.Generator(
        np.random.Philox(key=[seed, draws.SPLITTING], counter=[0, 0, 0, lane])
    )


def choose_levels(
    process: Process[S],
    target: float,
    effort: int,
    share: float,
    stream: np.random.Generator,
    screen: Screen | None = None,
) -> tuple[list[float], float]:
    """Levels that about a share of the runs from one to the next reach, and the cost.

    The last is the target. Levels stop rising early if runs get hardly any further: what
    is random on the way does not decide then, and the target is tried from the highest.
    """
    levels: list[float] = []
    reached: list[tuple[S, float]] = []
    cost = 0.0
    while True:
        ends, spent = _stage(process, reached, math.inf, effort, stream, screen)
        cost += spent
        highest = [process.highest(state) for state, _ in ends]
        following = float(np.quantile(highest, 1.0 - share))
        stuck = (
            bool(levels) and following - levels[-1] < (target - levels[-1]) / _MOST_LEVELS
        )
        if following >= target or stuck:
            return [*levels, target], cost
        reached, spent = _stage(process, reached, following, effort, stream, screen)
        cost += spent
        if not reached:
            return [*levels, target], cost
        levels.append(following)


def replication(
    process: Process[S],
    levels: Sequence[float],
    effort: int,
    seed: int,
    screen: Screen | None,
    number: int,
) -> tuple[float, float]:
    """One unbiased estimate of the probability to exceed the last level, and its cost."""
    stream = stream_of(seed, number)
    probability, cost = 1.0, 0.0
    reached: list[tuple[S, float]] = []
    for level in levels:
        reached, spent = _stage(process, reached, level, effort, stream, screen)
        cost += spent
        probability *= sum(weight for _, weight in reached)
        if not reached:
            break
    return probability, cost


def _stage(
    process: Process[S],
    states: list[tuple[S, float]],
    level: float,
    effort: int,
    stream: np.random.Generator,
    screen: Screen | None,
) -> tuple[list[tuple[S, float]], float]:
    """The states of the runs that exceed a level, when they do, and what all cost.

    If the level is infinite, the states of all runs at their ends. Each comes with its
    weight; the weights estimate the share that gets there.
    """
    reached, cost = [], 0.0
    if not states and screen is not None:
        cost += screen.starts * screen.cost
    for state, weight in _begin(process, states, effort, stream, screen):
        cost -= process.age(state)
        if process.run(state, level) or level == math.inf:
            reached.append((state, weight))
        cost += process.age(state)
    return reached, cost


def _begin(
    process: Process[S],
    states: list[tuple[S, float]],
    effort: int,
    stream: np.random.Generator,
    screen: Screen | None,
) -> Iterable[tuple[S, float]]:
    """New runs, or runs that go on from states picked at random by their weights."""
    if not states:
        for seed, weight in chosen_starts(effort, stream, screen):
            yield process.start(seed), weight
        return
    weights = np.array([weight for _, weight in states])
    picked = stream.choice(len(states), size=effort, p=weights / weights.sum())
    for number in picked:
        seed = int(stream.integers(1, 2**62))
        yield process.fork(states[number][0], seed), 1.0 / effort


def chosen_starts(
    effort: int, stream: np.random.Generator, screen: Screen | None
) -> list[tuple[int, float]]:
    """Seeds to start runs from, and their weights, which sum to 1 on average."""
    if screen is None:
        return [(int(seed), 1.0 / effort) for seed in stream.integers(1, 2**62, effort)]
    seeds = stream.integers(1, 2**62, max(screen.starts, effort))
    promise = np.array([screen.promise(int(seed)) for seed in seeds])
    order = np.argsort(promise, kind="stable")
    seeds, chance = seeds[order], inclusion_chances(promise[order], effort)
    # Systematic sampling: each is hit with its own chance, and those of like promise are
    # hit about as often as they should be.
    ends = np.cumsum(chance) + stream.random()
    chosen = np.flatnonzero(np.diff(np.floor(ends), prepend=np.floor(ends[0] - chance[0])))
    return [(int(seeds[i]), 1.0 / (len(seeds) * chance[i])) for i in chosen]


def inclusion_chances(
    promise: npt.NDArray[np.float64], effort: int
) -> npt.NDArray[np.float64]:
    """Chances to be run that sum to `effort`, none above 1.

    They grow as the root of the promise, which makes the variance least if it is the
    probability of success.
    """
    size = np.sqrt(np.maximum(promise, 0.0))
    size = np.maximum(size, _LEAST_CHANCE * size.mean() if size.any() else 1.0)
    chance = np.minimum(size * effort / size.sum(), 1.0)
    while True:
        free = chance < 1.0
        left = effort - float(np.count_nonzero(~free))
        if not free.any() or left <= 0.0:
            return np.asarray(chance)
        grown = size[free] * left / size[free].sum()
        chance[free] = np.minimum(grown, 1.0)
        if grown.max() <= 1.0:
            return np.asarray(chance)
