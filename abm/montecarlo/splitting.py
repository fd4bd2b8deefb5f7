"""Rare events: the probability that a run goes beyond a level that few reach.

Multilevel splitting with fixed effort. The way to the level is cut into stages; in each
stage a fixed number of runs start from states that the stage before reached, with fresh
randomness, and the product of the stages' shares of success estimates the probability
without bias (Garvels, "The splitting method in rare event simulation", University of
Twente 2000; L'Ecuyer, Le Gland, Lezaud and Tuffin, "Splitting techniques", in Rubino and
Tuffin, "Rare Event Simulation using Monte Carlo Methods", Wiley 2009). Independent
replications give the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from scipy import stats

from abm import draws

S = TypeVar("S")


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
    gain : float
        How many whole runs brute force would take for the same variance, over `runs`;
        infinite where no replication differs, NaN where none succeeded.
    """

    probability: float
    low: float
    high: float
    level: float
    levels: tuple[float, ...]
    replications: tuple[float, ...]
    runs: float
    gain: float


def estimate(
    process: Process[S],
    target: float,
    *,
    effort: int = 100,
    replications: int = 20,
    share: float = 0.2,
    seed: int = 1,
    level: float = 0.95,
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
    """
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.SPLITTING]))
    levels, cost = choose_levels(process, target, effort, share, stream)
    found = []
    for _ in range(replications):
        probability, spent = replicate(process, levels, effort, stream)
        found.append(probability)
        cost += spent
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
        gain=_gain(mean, sd**2 / replications, cost),
    )


def _gain(mean: float, variance: float, cost: float) -> float:
    if mean == 0.0:
        return math.nan
    return mean * (1.0 - mean) / variance / cost if variance > 0.0 else math.inf


def choose_levels(
    process: Process[S],
    target: float,
    effort: int,
    share: float,
    stream: np.random.Generator,
) -> tuple[list[float], float]:
    """Levels that about a share of the runs from one to the next reach, and the cost.

    The last is the target. Levels stop rising early if no run gets any further; then the
    target is tried from the highest one.
    """
    levels: list[float] = []
    states: list[S] = []
    cost = 0.0
    while True:
        ends, spent = _reach(process, states, math.inf, effort, stream)
        cost += spent
        highest = [process.highest(state) for state in ends]
        following = float(np.quantile(highest, 1.0 - share))
        stuck = following <= levels[-1] if levels else False
        if following >= target or stuck:
            return [*levels, target], cost
        reached, spent = _reach(process, states, following, effort, stream)
        cost += spent
        if not reached:
            return [*levels, target], cost
        levels.append(following)
        states = reached


def replicate(
    process: Process[S], levels: Sequence[float], effort: int, stream: np.random.Generator
) -> tuple[float, float]:
    """One unbiased estimate of the probability to exceed the last level, and its cost."""
    probability, cost = 1.0, 0.0
    states: list[S] = []
    for level in levels:
        states, spent = _reach(process, states, level, effort, stream)
        cost += spent
        probability *= len(states) / effort
        if not states:
            break
    return probability, cost


def _reach(
    process: Process[S],
    states: list[S],
    level: float,
    effort: int,
    stream: np.random.Generator,
) -> tuple[list[S], float]:
    """The states of the runs that exceed a level, when they do, and what all cost.

    If the level is infinite, the states of all runs at their ends.
    """
    reached, cost = [], 0.0
    for _ in range(effort):
        state = _begin(process, states, stream)
        cost -= process.age(state)
        if process.run(state, level) or level == math.inf:
            reached.append(state)
        cost += process.age(state)
    return reached, cost


def _begin(process: Process[S], states: list[S], stream: np.random.Generator) -> S:
    """A new run, or one that goes on from a state picked at random."""
    seed = int(stream.integers(1, 2**62))
    if not states:
        return process.start(seed)
    return process.fork(states[int(stream.integers(len(states)))], seed)
