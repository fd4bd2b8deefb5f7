"""Policies that see it coming: the venue moves first, the crowd answers as suits it best.

Settings of a policy are tried under every strategy of the crowd, and under none, on the
same seeds. A naive venue takes the setting of least loss with nobody playing; one that sees
the crowd coming takes that of least loss under the crowd's best response to each setting
(von Stackelberg 1934). Both are run again on fresh seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import search as searches
from abm.contest import playing
from abm.crowd import Question
from abm.montecarlo import candidates, store
from abm.montecarlo.candidates import Candidate
from abm.montecarlo.folders import (
    begin_question,
    reopened_question,
    whole_batch,
    write_json,
)
from abm.montecarlo.payoffs import payoffs
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import BUILT_IN_STRATEGIES, ScenarioError

Floats = NDArray[np.float64]

INDEX = "commit.json"
"""Says what is asked: scenario, table, strategies, seeds."""

FOUND = "settings.json"
"""Says what was tried, what the crowd answered and what was chosen, once all is done."""


def run_commitment(
    question: Question, folder: Path, *, overwrite: bool = False, **how: Any
) -> Path:
    """Try the settings and report the naive and the far-sighted choice into a folder.

    Raises
    ------
    ScenarioError
        If a strategy is not there, or a key leads nowhere.
    StoreError
        If a loss is no column, or the folder exists (unless `overwrite`, and it is a
        commitment) or cannot be written.
    """
    _check(question)
    _settings(question)
    told = {
        "strategies": _strategies(question),
        "seeds": [question.seeds.start, question.seeds.stop],
        "fresh_seeds": [question.fresh_seeds.start, question.fresh_seeds.stop],
    }
    begin_question(folder, "commit", question, told, overwrite)
    return resume_commitment(folder, **how)


def resume_commitment(folder: Path, **how: Any) -> Path:
    """Go on with a commitment; what is whole is not computed again.

    Raises
    ------
    StoreError
        If it is none, was changed, another process is working on it, or there was not
        enough time.
    """
    with reopened_question(folder, "commit") as (question, _):
        found = _settings(question)
        tables = {one.name: one.table for one in found}
        batches = _played(question, tables, question.seeds, folder, "tried", how)
        tried = [_record(question, one, batches) for one in found]
        naive = min(range(len(tried)), key=lambda i: float(tried[i]["naive_loss_usd"]))
        wise = min(range(len(tried)), key=lambda i: float(tried[i]["loss_usd"]))
        chosen = {found[i].name: found[i].table for i in dict.fromkeys((naive, wise))}
        _played(question, chosen, question.fresh_seeds, folder, "report", how)
        write_json(
            folder / FOUND,
            {"naive": tried[naive], "chosen": tried[wise], "tried": tried},
        )
    return folder


def _check(question: Question) -> None:
    known = [*question.base.strategies, *BUILT_IN_STRATEGIES]
    for name in question.table.strategies:
        if name not in known:
            raise ScenarioError(
                f"commit.strategies = {name!r}: must be one of {', '.join(known)}"
            )
    columns = [name for name in store.numeric_columns("runs") if name.endswith("_usd")]
    for measure in question.table.loss:
        if measure not in columns:
            raise StoreError(
                f"commit.loss = {measure!r}: must be one of {', '.join(columns)}"
            )
    if not question.table.over:
        raise ScenarioError(
            "commit.over: is missing: must be a table with keys of a policy, or give "
            "--over KEY=LOW:HIGH"
        )


def _strategies(question: Question) -> list[str]:
    return list(question.table.strategies) or list(BUILT_IN_STRATEGIES)


def _settings(question: Question) -> list[Candidate]:
    """The settings to compare: points all over the ranges."""
    table = question.table
    said = {
        "over": table.model_dump(mode="json")["over"], "candidates": table.candidates,
        "runs": table.runs, "report_runs": table.report_runs, "seed": table.seed,
    }  # fmt: skip
    return candidates.first_round(searches.of_tables(question.base, said, "commit"))


def _played(
    question: Question, policies: Mapping[str, Any], seeds: range, folder: Path, place: str,
    how: Mapping[str, Any],
) -> dict[str, Batch]:  # fmt: skip
    """A batch a strategy, and one (without a name) in which nobody plays."""
    names, share = _strategies(question), question.table.adopters
    run = {
        "policies": list(policies), "runs": len(seeds), "seed": seeds.start, "block": 4
    }  # fmt: skip
    found = {}
    for name in ("", *names):
        scenario = playing(
            question.base, {name or names[0]: share}, run=run, policies=policies,
            honest=not name, source="commit",
        )  # fmt: skip
        where = f"{place}/{name or 'honest'}"
        found[name] = whole_batch(folder, where, scenario, where, how)
    return found


def _record(
    question: Question, setting: Candidate, batches: Mapping[str, Batch]
) -> dict[str, Any]:
    """What the crowd answers to a setting, and what the venue loses then."""
    losses = {
        name: loss_usd(batch, setting.name, question.table.loss)
        for name, batch in batches.items()
    }
    first = next(name for name in batches if name)
    gains = {"": 0.0}
    for name, batch in batches.items():
        if name:
            gains[name] = _gain(batch, batches[""], setting.name, name, first)
    answer = max(gains, key=lambda name: gains[name])
    return {
        "policy": setting.name,
        "values": setting.values,
        "answer": answer,
        "gains": {name: gain for name, gain in gains.items() if name},
        "losses_usd": {name or "honest": loss for name, loss in losses.items()},
        "naive_loss_usd": losses[""],
        "loss_usd": losses[answer],
    }


def _gain(played: Batch, honest: Batch, policy: str, name: str, first: str) -> float:
    """Gain per dollar of capacity; the baseline knows the group by the first name."""
    return float(payoffs(played, honest, policy, [name], [first]).per_dollar[0])


def loss_usd(batch: Batch, policy: str, measures: tuple[str, ...]) -> float:
    """The mean sum of some columns of the table of runs; infinite if a run failed."""
    runs = batch.frame("runs", columns=["policy", "failed", *measures])
    mine = runs[runs["policy"] == policy]
    if mine["failed"].any():
        return float("inf")
    return float(mine[list(measures)].sum(axis=1).mean())
