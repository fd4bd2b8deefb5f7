"""Rare events: closed forms, unbiasedness, coverage, and brute force where it reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from abm.montecarlo import splitting
from abm.montecarlo.rare import Distress, deficit_probability
from tests import crashes

UP = 0.4


@dataclass
class Gambler:
    fortune: int
    best: int
    stream: np.random.Generator
    bets: int = 0


class Ruin:
    """A gambler who has 1 and bets 1 until nothing is left (or 400 bets are made)."""

    def start(self, seed):
        return Gambler(1, 1, np.random.default_rng(seed))

    def fork(self, state, seed):
        fresh = np.random.default_rng(seed)
        return Gambler(state.fortune, state.best, fresh, state.bets)

    def run(self, state, level):
        while state.best <= level:
            if state.fortune == 0 or state.bets == 400:
                return False
            state.fortune += 1 if state.stream.random() < UP else -1
            state.bets += 1
            state.best = max(state.best, state.fortune)
        return True

    def highest(self, state):
        return float(state.best)

    def age(self, state):
        return state.bets / 400


def reaching(fortune: int) -> float:
    """Probability to reach it before ruin (Feller, "Introduction to Probability", XIV)."""
    odds = (1 - UP) / UP
    return (odds - 1) / (odds**fortune - 1)


@pytest.mark.parametrize("fortune", [5, 14])
def test_the_estimate_is_the_gamblers_closed_form(fortune):
    found = splitting.estimate(Ruin(), fortune - 0.5, effort=200, replications=60, seed=2)
    exact = reaching(fortune)
    sd = np.std(found.replications, ddof=1) / math.sqrt(60)
    assert abs(found.probability - exact) < 4 * sd
    assert found.low < exact < found.high
    assert list(found.levels) == sorted(set(found.levels))


def test_the_interval_covers_and_the_gain_is_large_for_rare_events():
    exact = reaching(14)
    found = [
        splitting.estimate(Ruin(), 13.5, effort=60, replications=20, seed=seed)
        for seed in range(25)
    ]
    covered = sum(event.low <= exact <= event.high for event in found)
    # 23.75 of 25 on average; binomial odds of fewer than 17 are below 1 in 10,000.
    assert covered >= 17
    assert np.median([event.gain for event in found]) > 5


def test_an_event_that_never_happens_has_probability_zero_and_no_gain():
    found = splitting.estimate(Ruin(), 1e6, effort=20, replications=3)
    assert found.probability == found.low == 0.0
    assert math.isnan(found.gain)


def test_splitting_agrees_with_brute_force_on_a_crash():
    scenario = crashes.crash(
        shocks=[{"start_s": 20.0, "duration_s": 60.0, "log_return": -0.12}],
        venue={"vault_usd": 20000.0},
    )
    process = Distress(scenario)
    ends = []
    for seed in range(200):
        path = process.start(seed + 1)
        process.run(path, math.inf)
        ends.append(path.highest)
    target = float(np.quantile(ends, 0.95))
    brute = float(np.mean(np.array(ends) > target))
    found = deficit_probability(scenario, target, effort=40, replications=8, seed=3)
    sd = math.hypot(
        math.sqrt(brute * (1 - brute) / 200),
        float(np.std(found.replications, ddof=1)) / math.sqrt(8),
    )
    assert 0.0 < found.probability < 1.0
    assert abs(found.probability - brute) < 4 * sd


def test_a_fork_shares_the_past_and_not_the_future():
    process = Distress(crashes.crash())
    path = process.start(1)
    path.engine.run_to(30)
    same, other = process.fork(path, 1), process.fork(path, 2)
    for branch in (path, same, other):
        branch.engine.run_to(90)
    index = [int(p.engine.world.markets.state["index"][0]) for p in (path, same, other)]
    assert index[0] == index[1] != index[2]
