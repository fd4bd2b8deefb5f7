"""The probability that a venue without ADL ends up short by more than an amount."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from abm import genesis
from abm.engine import Engine, policy_of
from abm.montecarlo import screening, splitting
from abm.montecarlo.pool import worker_pool
from abm.montecarlo.screening import Promise
from abm.montecarlo.splitting import RareEvent, Screen
from abm.scenario import Scenario
from abm.units import QUANTA_PER_USD
from abm.venue.distress import distress

STARTS_A_RUN = 20
"""Crowds that are looked at for each that is run.

Looking at one takes 2 to 5% of the time of a run in the scenarios of `configs/`, so that
about as much work goes into looking as into running.
"""


@dataclass
class Path:
    """A run on its way, and the highest distress that it has had (USD)."""

    engine: Engine
    highest: float
    calls: int = 0


@dataclass(frozen=True)
class Distress:
    """Runs of a scenario in which nobody is deleveraged, scored by distress in USD.

    Above zero the score is the deficit as the table of runs has it: the most that was
    missing when a wave was due. Below it is what the purses can still lose, after every
    step. A :class:`abm.montecarlo.splitting.Process`.
    """

    scenario: Scenario

    def start(self, seed: int) -> Path:
        """A new world."""
        world = genesis.new_world(self.scenario, seed)
        policy = policy_of(self.scenario, "none")
        engine = Engine(world, policy, self.scenario.run.wave_gap_s, keep_whole=False)
        return Path(engine, min(0.0, float(distress(world)) / QUANTA_PER_USD))

    def fork(self, state: Path, seed: int) -> Path:
        """The same past; draws come from another seed from now on."""
        engine = state.engine.fork(state.engine.policy)
        engine.world.clock[0]["seed"] = seed
        return replace(state, engine=engine)

    def run(self, state: Path, level: float) -> bool:
        """Step until distress exceeds a level or the run ends."""
        steps = self.scenario.time.steps
        while state.highest <= level:
            done = int(state.engine.world.clock[0]["step"])
            if done == steps:
                return False
            state.engine.run_to(done + 1)
            state.highest = max(state.highest, self._now(state))
        return True

    def highest(self, state: Path) -> float:
        """The highest distress so far, USD."""
        return state.highest

    def age(self, state: Path) -> float:
        """Part of the scenario's duration that has passed."""
        return float(state.engine.world.clock[0]["step"]) / self.scenario.time.steps

    @staticmethod
    def _now(state: Path) -> float:
        calls = state.engine.record.calls
        if len(calls) > state.calls:
            state.calls = len(calls)
            return calls[-1].short_before / QUANTA_PER_USD
        if state.highest >= 0.0:
            return -math.inf
        return min(0.0, float(distress(state.engine.world)) / QUANTA_PER_USD)


def deficit_probability(
    scenario: Scenario, deficit_usd: float, *, effort: int = 100, replications: int = 20,
    seed: int = 1, workers: int | None = 1, quiet: bool = True,
) -> RareEvent:  # fmt: skip
    """Probability that the venue is at some time short by more than `deficit_usd`.

    Crowds are screened first (:mod:`abm.montecarlo.screening`), since who holds what
    decides most of a deficit; then runs are split on their way.

    Parameters
    ----------
    scenario : Scenario
        Its policies are not asked: nobody is deleveraged. Of several episodes it is the
        first.
    deficit_usd : float
        In USD.
    effort, replications, seed
        Of :func:`abm.montecarlo.splitting.estimate`.
    workers : int, optional
        Processes, one a core if None; results do not depend on it.
    quiet : bool
        Show no progress bar (there is none either where standard error is no terminal).
    """
    process = Distress(scenario)
    with _mapper(workers, effort, replications, quiet) as mapped:
        screen, spent = find_screen(process, deficit_usd, effort, seed, mapped)
        return splitting.estimate(
            process, deficit_usd, effort=effort, replications=replications, seed=seed,
            screen=screen, spent=spent, mapped=mapped,
        )  # fmt: skip


@contextmanager
def _mapper(
    workers: int | None, effort: int, replications: int, quiet: bool
) -> Iterator[splitting.Mapped]:
    """A `map` over a pool of processes, with a bar that counts what is done."""
    bar = tqdm(
        total=2 * effort + replications, unit="part", disable=True if quiet else None
    )
    with bar, worker_pool(workers) as over:

        def mapped(one: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
            for result in over(one, numbers):
                bar.update()
                yield result

        yield mapped


def _highest_of(process: Distress, seed: int) -> tuple[float, float]:
    """The highest distress of the whole run of a seed in USD, and its processor time."""
    begun = time.process_time()
    path = process.start(seed)
    process.run(path, math.inf)
    return path.highest, time.process_time() - begun


def find_screen(
    process: Distress, deficit_usd: float, effort: int, seed: int, mapped: splitting.Mapped
) -> tuple[Screen | None, float]:
    """A screen that favours crowds of large deficits, and the whole runs spent on it.

    A pilot runs `effort` crowds as they come and as many of those that it finds most
    promising. No screen if deficits are too rare in it to learn from.
    """
    scenario = process.scenario
    stream = splitting.stream_of(seed, 1 << 32)
    seeds = [int(one) for one in stream.integers(1, 2**62, effort)]
    begun = time.process_time()
    owed = screening.owed_by(scenario, seeds)
    look_s = (time.process_time() - begun) / effort
    ends = list(mapped(partial(_highest_of, process), seeds))
    deficits = np.array([highest for highest, _ in ends])
    run_s = float(np.median([taken for _, taken in ends]))
    cost = look_s / run_s
    found = screening.fit(owed, deficits)
    if found is None:
        return None, effort * (1.0 + cost)
    starts = effort * STARTS_A_RUN
    first = Screen(Promise(scenario, found, deficit_usd), starts, cost)
    again = [one for one, _ in splitting.chosen_starts(effort, stream, first)]
    more = screening.owed_by(scenario, again)
    ends = list(mapped(partial(_highest_of, process), again))
    deficits = np.concatenate([deficits, [highest for highest, _ in ends]])
    found = screening.fit(np.concatenate([owed, more]), deficits) or found
    spent = effort + len(again) + cost * (effort + starts + len(again))
    return Screen(Promise(scenario, found, deficit_usd), starts, cost), spent
