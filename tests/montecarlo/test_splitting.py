"""Rare events: closed forms, unbiasedness, coverage, and brute force where it reaches."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from abm.montecarlo import screening, splitting
from abm.montecarlo.extremes import without_adl
from abm.montecarlo.plan import Plan
from abm.montecarlo.rare import Distress, deficit_probability
from abm.montecarlo.runner import run_batch
from abm.montecarlo.splitting import Screen
from tests import crashes

UP = 0.4


@dataclass
class Gambler:
    fortune: int
    best: int
    stream: random.Random
    bets: int = 0


class Ruin:
    """A gambler who has 1 and bets 1 until nothing is left (or 400 bets are made)."""

    def start(self, seed):
        return Gambler(1, 1, random.Random(seed))

    def fork(self, state, seed):
        return Gambler(state.fortune, state.best, random.Random(seed), state.bets)

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


class Bequest:
    """All is decided at the start: the score is what one has, and a little luck."""

    LUCK = 0.3

    def start(self, seed):
        return [self.has(seed), seed, None]

    @staticmethod
    def has(seed):
        return np.random.default_rng(seed).normal()

    def fork(self, state, seed):
        return [state[0], seed, None]

    def run(self, state, level):
        luck = np.random.default_rng([state[1], 1]).normal()
        state[2] = state[0] + self.LUCK * luck
        return state[2] > level

    def highest(self, state):
        return state[2]

    def age(self, state):
        return 0.0 if state[2] is None else 1.0


def test_a_screened_estimate_is_unbiased_and_gains_though_its_promise_is_wrong():
    target = 2.8
    exact = stats.norm.sf(target / math.hypot(1.0, Bequest.LUCK))

    def promise(seed):
        return float(special.ndtr((1.5 * Bequest.has(seed) - 3.5) / 0.8))

    screen = Screen(promise, starts=400, cost=0.02)
    found = splitting.estimate(
        Bequest(), target, effort=20, replications=60, seed=4, screen=screen
    )
    assert abs(found.probability - exact) < 4 * found.error
    plain = splitting.estimate(Bequest(), target, effort=20, replications=60, seed=4)
    assert found.gain > 4 > plain.gain
    assert found.starts == 61 * 400


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.0, 1.0), min_size=30, max_size=80), st.integers(1, 30))
def test_chances_to_be_run_sum_to_the_effort_and_nobody_has_none(promise, effort):
    chance = splitting.inclusion_chances(np.array(promise), effort)
    assert chance.sum() == pytest.approx(effort)
    assert (chance > 0.0).all()
    assert (chance <= 1.0).all()


def test_weights_of_chosen_starts_sum_to_one_on_average():
    stream = np.random.default_rng(1)
    screen = Screen(lambda seed: (seed % 97 / 97) ** 3, starts=60, cost=0.0)
    sums = []
    for _ in range(400):
        chosen = splitting.chosen_starts(12, stream, screen)
        assert len(chosen) in (11, 12, 13)
        sums.append(sum(weight for _, weight in chosen))
    assert abs(np.mean(sums) - 1.0) < 4 * np.std(sums) / math.sqrt(400)


def test_replications_do_not_depend_on_who_computes_them():
    def backwards(one, numbers):
        return [one(number) for number in reversed(list(numbers))][::-1]

    same = [
        splitting.estimate(Ruin(), 5.5, effort=30, replications=4, mapped=how)
        for how in (map, backwards)
    ]
    assert same[0] == same[1]


CRASH = crashes.crash(
    shocks=[{"start_s": 20.0, "duration_s": 60.0, "log_return": -0.25, "spread": 0.3}],
    time={"duration_s": 110.0},
    population={"accounts": 80, "positions": 75},
)


@functools.cache
def deficit(seed):
    """What is missing most at any time of a run of the crash, by brute force."""
    process = Distress(CRASH)
    path = process.start(seed)
    process.run(path, math.inf)
    return path.highest


def test_what_crowds_would_owe_foretells_their_deficits():
    deficits = [deficit(seed) for seed in range(1, 61)]
    owed = screening.owed_by(CRASH, range(1, 61))
    assert owed.shape == (60, len(screening.FALLS))
    assert stats.spearmanr(owed[:, 1], deficits).statistic > 0.7
    found = screening.fit(owed, np.array(deficits))
    assert found is not None
    chance = screening.Promise(CRASH, found, float(np.quantile(deficits, 0.9))).of(owed)
    worst = np.argsort(deficits)[-6:]
    assert chance[worst].mean() > 3 * chance.mean()
    assert screening.fit(owed[:5], np.array(deficits)[:5]) is None


def test_the_estimate_agrees_with_brute_force_on_a_crash_and_says_what_it_gains():
    ends = [deficit(seed) for seed in range(1, 121)]
    target = float(np.quantile(ends, 0.93))
    brute = float(np.mean(np.array(ends) > target))
    found = deficit_probability(CRASH, target, effort=20, replications=6, seed=3)
    apart = math.hypot(math.sqrt(brute * (1 - brute) / 120), found.error)
    assert 0.0 < found.probability < 1.0
    assert abs(found.probability - brute) < 4 * apart
    assert found.starts > 0
    assert found.gain == pytest.approx(found.brute_runs / found.runs)


def test_the_score_is_the_deficit_that_the_table_of_runs_has(tmp_path):
    plan = Plan(without_adl(CRASH), ("none",), 4)
    runs = run_batch(plan, tmp_path / "run", workers=1, quiet=True).frame("runs")
    for seed, told in zip(runs["seed"], runs["deficit_usd"], strict=True):
        assert max(deficit(int(seed)), 0.0) == pytest.approx(told)


def test_a_fork_shares_the_past_and_not_the_future():
    process = Distress(crashes.crash())
    path = process.start(1)
    path.engine.run_to(30)
    same, other = process.fork(path, 1), process.fork(path, 2)
    for branch in (path, same, other):
        branch.engine.run_to(90)
    index = [int(p.engine.world.markets.state["index"][0]) for p in (path, same, other)]
    assert index[0] == index[1] != index[2]
