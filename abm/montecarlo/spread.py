"""Simulates how far strategies spread, in two ways that share nothing but the model.

A grid of mixes is simulated on the same seeds, to fit payoffs to; and chains of stochastic
approximation follow payoffs of fresh seeds (`abm.montecarlo.approximation`). Every mix is
run twice: as it is, and with the same traders measured and nobody playing.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.contest import playing
from abm.crowd import Question
from abm.montecarlo.approximation import Chain, approximate, combined
from abm.montecarlo.folders import (
    begin_question,
    reopened_question,
    whole_batch,
    write_json,
)
from abm.montecarlo.payoffs import HONEST, payoffs
from abm.montecarlo.store import Batch
from abm.scenario import BUILT_IN_STRATEGIES, Scenario, ScenarioError

Floats = NDArray[np.float64]

INDEX = "spread.json"
"""Says what is asked: scenario, table, strategies, policy, mixes and where they lie."""

FOUND = "chains.json"
"""Says where the chains of the stochastic approximation went, once all is done."""

_MOST_PLAYERS = 0.9


def run_spread(
    question: Question, folder: Path, *, overwrite: bool = False, **how: Any
) -> Path:
    """Simulate the mixes and the chains of a spread into a folder.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`.

    Raises
    ------
    ScenarioError
        If a strategy is not there.
    StoreError
        If the folder exists (unless `overwrite`, and it is a spread) or cannot be
        written.
    """
    strategies, policy = _names(question)
    mixes = mixes_of(len(strategies), question.table.shares)
    for mix in mixes:
        _scenario(question, strategies, policy, mix, question.seeds, honest=False)
    told = {
        "strategies": strategies,
        "policy": policy,
        "mixes": [
            {"shares": list(mix), "folder": f"grid/{number:02d}"}
            for number, mix in enumerate(mixes)
        ],
    }
    begin_question(folder, "spread", question, told, overwrite)
    return resume_spread(folder, **how)


def resume_spread(folder: Path, **how: Any) -> Path:
    """Go on with a spread; what is whole is not computed again.

    Raises
    ------
    StoreError
        If it is none, was changed, another process is working on it, or there was not
        enough time.
    """
    with reopened_question(folder, "spread") as (question, index):
        strategies, policy = index["strategies"], index["policy"]
        for one in index["mixes"]:
            mix, seeds = np.array(one["shares"]), question.seeds
            _pair(question, strategies, policy, mix, seeds, folder, one["folder"], how)
        chains = [
            _chain(question, strategies, policy, number, folder, how)
            for number in range(question.table.chains)
        ]
        found = combined(chains)
        write_json(
            folder / FOUND,
            {
                "strategies": [HONEST, *strategies],
                "shares": found.shares.tolist(),
                "low": found.low.tolist(),
                "high": found.high.tolist(),
                "chains": [
                    {
                        "shares": chain.shares.tolist(),
                        "payoffs": chain.payoffs.tolist(),
                        "average": chain.average.tolist(),
                        "travelled": chain.travelled.tolist(),
                    }
                    for chain in chains
                ],
            },
        )
    return folder


def mixes_of(strategies: int, shares: tuple[float, ...]) -> list[Floats]:
    """Mixes to simulate: each strategy alone, pairs, and all alike, at every share.

    Returns
    -------
    list of array, shape (strategies,)
        Shares of the strategies; what is missing to 1 plays nothing.
    """
    sizes = sorted({1, min(2, strategies), strategies})
    found = []
    for share in shares:
        for size in sizes:
            for chosen in combinations(range(strategies), size):
                mix = np.zeros(strategies)
                mix[list(chosen)] = round(share / size, 6)
                found.append(mix)
    return found


def _names(question: Question) -> tuple[list[str], str]:
    table = question.table
    known = [*question.base.strategies, *BUILT_IN_STRATEGIES]
    names = list(table.strategies) or known[:1]
    for name in names:
        if name not in known:
            raise ScenarioError(
                f"spread.strategies = {name!r}: must be one of {', '.join(known)}"
            )
    return names, table.policy or question.base.run.policies[0]


def _scenario(
    question: Question, strategies: list[str], policy: str, mix: Floats, seeds: range,
    *, honest: bool,
) -> Scenario:  # fmt: skip
    play = {name: float(x) for name, x in zip(strategies, mix, strict=True) if x > 0.0}
    run = {"policies": [policy], "runs": len(seeds), "seed": seeds.start}
    return playing(question.base, play, run=run, honest=honest, source="spread")


def _pair(
    question: Question, strategies: list[str], policy: str, mix: Floats, seeds: range,
    folder: Path, place: str, how: Mapping[str, Any],
) -> tuple[Batch, Batch]:  # fmt: skip
    """The batches of a mix, played and honest."""
    found = []
    for name in ("played", "honest"):
        honest = name == "honest"
        scenario = _scenario(question, strategies, policy, mix, seeds, honest=honest)
        where = f"{place}/{name}"
        found.append(whole_batch(folder, where, scenario, where, how))
    return found[0], found[1]


def _chain(
    question: Question, strategies: list[str], policy: str, number: int, folder: Path,
    how: Mapping[str, Any],
) -> Chain:  # fmt: skip
    """One chain of the stochastic approximation, with seeds of its own."""
    table = question.table
    groups = [HONEST, *strategies]

    def earned(shares: Floats, step: int) -> Floats:
        start = question.seeds.stop + (number * table.steps + step) * table.step_runs
        seeds = range(start, start + table.step_runs)
        place = f"chains/{number:02d}/{step:04d}"
        mix = np.round(shares[1:], 6)
        pair = _pair(question, strategies, policy, mix, seeds, folder, place, how)
        return payoffs(*pair, policy, groups).per_dollar

    players = float(np.linspace(min(table.shares), _MOST_PLAYERS, table.chains)[number])
    start = [1.0 - players] + [players / len(strategies)] * len(strategies)
    return approximate(earned, np.array(start), table.steps)
