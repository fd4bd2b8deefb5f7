"""A trader's question before entering a position, put to many simulated crashes.

The account is put into the scenario's world (see `abm.account`), which is run over many
seeds under every policy asked about. All policies of a seed see the same shocks and the
same intentions, and share one past until the first wave.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from abm import genesis
from abm.account import Account, open_in
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError
from abm.engine import Engine, policy_of
from abm.exposure.fate import Fate, Held, Known, Watch
from abm.exposure.twins import equities
from abm.montecarlo.foresight import Looks
from abm.montecarlo.pool import new_pool
from abm.montecarlo.store import StoreError
from abm.scenario import Scenario
from abm.units import usd
from abm.world import Array

_RUNS_AT_A_TIME = 2


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    scenario : Scenario
        Its `run` says nothing here but the seed of the first run and the gap of waves.
    account : Account
    policies : tuple of str
        Names of the scenario's policies or presets.
    nudge : float
        Also run everything again with the account's collateral larger by this share, and
        say what that changed; not if 0.
    """

    scenario: Scenario
    account: Account
    policies: tuple[str, ...]
    nudge: float = 0.0

    def of_policies(self, names: Sequence[str]) -> Question:
        """The same asked about other policies."""
        return replace(self, policies=tuple(names))

    def check(self) -> None:
        """See that the account can be opened.

        Raises
        ------
        ScenarioError
            If there is no such market, or the collateral is too little.
        """
        world = genesis.new_world(self.scenario, self.scenario.run.seed)
        open_in(world, self.account, self.scenario)

    def nudged(self) -> Question:
        """The same account with a little more collateral; nothing else is another."""
        more = 1.0 + self.nudge
        return Question(self.scenario, self.account.with_collateral(more), self.policies)


def exposure(
    question: Question, runs: int, *, workers: int | None = None, quiet: bool = False
) -> pd.DataFrame:
    """Put an account through many runs.

    Parameters
    ----------
    question : Question
    runs : int
        Seeds, from that of the scenario's first run on.
    workers : int, optional
        Processes; one a core if None.
    quiet : bool
        Show no progress bar.

    Returns
    -------
    DataFrame
        A row a run and policy, sorted by run, the policies in the order asked: the
        fields of :class:`Fate`, and of :class:`Moved` where the question has a nudge.
        Results do not depend on `workers`.

    Raises
    ------
    ScenarioError
        If the account cannot be opened in the scenario's venue.
    StoreError
        If a process dies.
    KeyboardInterrupt
        After Ctrl-C; no process is left behind.
    """
    question.check()
    chunks = [
        range(first, min(first + _RUNS_AT_A_TIME, runs))
        for first in range(0, runs, _RUNS_AT_A_TIME)
    ]
    wanted = min(workers or os.cpu_count() or 1, len(chunks))
    rows: list[dict[str, Any]] = []
    with tqdm(total=runs, unit="run", disable=True if quiet else None) as bar:
        for chunk, found in _computed(question, chunks, wanted):
            rows += found
            bar.update(len(chunk))
    rank = {name: i for i, name in enumerate(question.policies)}
    rows.sort(key=lambda row: (row["run"], rank[row["policy"]]))
    return pd.DataFrame(rows)


def _computed(
    question: Question, chunks: list[range], workers: int
) -> Iterator[tuple[range, list[dict[str, Any]]]]:
    """Rows of chunks of runs, in any order."""
    if workers <= 1:
        for chunk in chunks:
            yield chunk, _of_runs(question, chunk)
        return
    pool = new_pool(workers)
    waiting: dict[Future[list[dict[str, Any]]], range] = {}
    try:
        for chunk in chunks:
            waiting[pool.submit(_of_runs, question, chunk)] = chunk
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool:
        raise StoreError("exposure: a worker process died (out of memory?)") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _of_runs(question: Question, runs: range) -> list[dict[str, Any]]:
    return [row for run in runs for row in of_run(question, run)]


# --- one run ----------------------------------------------------------------------------


class Moved(NamedTuple):
    """What a little more collateral changed in the same run.

    Attributes
    ----------
    nudge_usd : float
        How much more.
    nudged_touched : bool
    nudged_haircut_usd : float
    nudged_equity_end_usd : float
        Of the account, with it.
    others_moved_usd : float
        Sum over all other accounts of how far their equity at the end is apart.
    """

    nudge_usd: float
    nudged_touched: bool
    nudged_haircut_usd: float
    nudged_equity_end_usd: float
    others_moved_usd: float


def of_run(question: Question, run: int) -> list[dict[str, Any]]:
    """The account's fate in one run under every policy, in order."""
    lives = _lives(question, run)
    rows: list[dict[str, Any]] = [life.fate._asdict() for life in lives]
    if question.nudge:
        for row, life, other in zip(
            rows, lives, _lives(question.nudged(), run), strict=True
        ):
            row |= _moved(life, other)._asdict()
    return rows


class _Life(NamedTuple):
    """A fate, and the equity of every account at the end (quanta)."""

    fate: Fate
    number: int
    equity: Array


def _moved(life: _Life, other: _Life) -> Moved:
    """What was another under a nudge; unknown where a policy failed."""
    fate, nudged = life.fate, other.fate
    apart = np.nan
    if len(life.equity) and len(other.equity):
        change = np.abs(other.equity - life.equity)
        apart = float(usd(int(np.delete(change, life.number).sum())))
    return Moved(
        nudge_usd=nudged.collateral_usd - fate.collateral_usd,
        nudged_touched=nudged.touched,
        nudged_haircut_usd=nudged.haircut_usd,
        nudged_equity_end_usd=nudged.equity_end_usd,
        others_moved_usd=apart,
    )


def _lives(question: Question, run: int) -> list[_Life]:
    scenario = question.scenario
    policies = [policy_of(scenario, name) for name in question.policies]
    world = genesis.new_world(scenario, scenario.run.seed + run)
    world, number = open_in(world, question.account, scenario)
    held = Held.of(world, number)
    past = Engine(world, policies[0], scenario.run.wave_gap_s)
    past.share(policies)
    looks = Looks(past.world, scenario.outputs.lights_every_s)
    looks.run_to_wave(past, scenario.time.steps)
    lives = []
    for policy in policies:
        watch = Watch(number, held)
        engine = past.fork(policy)
        try:
            look = looks.fork().run_to_first_call(engine, scenario.time.steps)
            watch.live(engine, scenario.time.steps)
        except PolicyError as error:
            lives.append(_Life(_failed(run, scenario, policy, error), number, _NOTHING))
            continue
        known = Known.of(policy, number, looks.start, look, engine.record.calls)
        fate = watch.fate(run, engine, policy, known)
        lives.append(_Life(fate, number, equities(engine.world)))
    return lives


_NOTHING = np.zeros(0, np.int64)


def _failed(run: int, scenario: Scenario, policy: Policy, error: PolicyError) -> Fate:
    empty: dict[str, Any] = dict.fromkeys(Fate._fields, np.nan)
    flags = dict.fromkeys(("called", "touched", "closed_in_full", "liquidated"), False)
    told = {"run": run, "seed": scenario.run.seed + run, "policy": policy.name}
    return Fate(**empty | flags | told | {"failed": True, "error": str(error)})
