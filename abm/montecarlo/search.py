"""Searches policies: rounds of candidates on some seeds, then a report on others.

All candidates of a round are policies of one batch, so they share a run's past until they
could first differ, and its shocks ever after. The best means of many are too good: they
were chosen for their luck as well. What is reported comes from seeds on which nothing was
chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import search as loading
from abm.montecarlo import candidates, store
from abm.montecarlo.candidates import Candidate
from abm.montecarlo.folders import sha256, whole_batch, write_json
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import from_mapping
from abm.search import Search

Floats = NDArray[np.float64]

INDEX = "search.json"
"""Says what is searched: the scenario, the table `search`, the seeds."""

FOUND = "candidates.json"
"""Says what was tried and how it did, once all is done."""

REPORT = "report"
"""The batch of the front and of the policies to compare it with, on seeds of its own."""


def run_search(
    search: Search, folder: Path, *, overwrite: bool = False, **how: Any
) -> Path:
    """Search into a folder: a batch a round, and one for the report.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`.

    Raises
    ------
    ScenarioError
        If no values of a policy's keys make a policy.
    StoreError
        If an objective is no column, or the folder exists (unless `overwrite`, and it is
        a search) or cannot be written.
    """
    _check_measures(search)
    candidates.first_round(search)
    store.create(folder, overwrite=overwrite, index=INDEX)
    scenario, table = search.base.resolved(), search.table.model_dump(mode="json")
    index = {
        "name": search.base.name,
        "search": table,
        "scenario": scenario,
        "sha256": sha256(scenario, table),
        "search_seeds": [search.search_seeds.start, search.search_seeds.stop],
        "report_seeds": [search.report_seeds.start, search.report_seeds.stop],
        "compared": list(search.base.run.policies),
    }
    write_json(folder / INDEX, index)
    return resume_search(folder, **how)


def resume_search(folder: Path, **how: Any) -> Path:
    """Go on with a search; what is whole is not computed again.

    Raises
    ------
    StoreError
        If it is no search, was changed, another process is working on it, or there was
        not enough time.
    """
    with store.locked(folder):
        search = _search_of(folder)
        tried: list[Candidate] = []
        means = np.zeros((0, len(search.measures)))
        for number in range(search.table.rounds):
            found = _candidates(search, number, tried, means)
            if not found:
                break
            policies: dict[str, Any] = {one.name: one.table for one in found}
            title = f"round {number + 1} of {search.table.rounds}"
            scenario = search.scenario(policies, search.search_seeds, block=1)
            batch = whole_batch(folder, f"rounds/{number:02d}", scenario, title, how)
            tried += found
            means = np.vstack([means, _means(batch, list(policies), search.measures)])
        chosen = _chosen(search, folder, means)
        policies = {tried[i].name: tried[i].table for i in chosen}
        policies |= dict.fromkeys(search.base.run.policies)
        scenario = search.scenario(policies, search.report_seeds, block=1)
        whole_batch(folder, REPORT, scenario, "report", how)
        write_json(folder / FOUND, _records(search, tried, means, chosen))
    return folder


def _search_of(folder: Path) -> Search:
    """The search that a folder was begun with."""
    index = store.read_index(folder, INDEX, "search")
    if sha256(index["scenario"], index["search"]) != index["sha256"]:
        raise StoreError(
            f"{folder / INDEX}: cannot go on: it was changed since the search was begun "
            "(sha256 is of another)"
        )
    source = str(folder / INDEX)
    base = from_mapping(index["scenario"], source=source)
    return loading.of_tables(base, index["search"], source)


def _check_measures(search: Search) -> None:
    known = store.numeric_columns("runs")
    for number, measure in enumerate(search.measures):
        if measure not in known:
            raise StoreError(
                f"search.objectives.{number}.measure = {measure!r}: must be one of "
                f"{', '.join(known)}"
            )


def _candidates(
    search: Search, number: int, tried: Sequence[Candidate], means: Floats
) -> list[Candidate]:
    if number == 0:
        return candidates.first_round(search)
    return candidates.next_round(search, number, tried, _losses(search, means))


def _losses(search: Search, means: Floats) -> Floats:
    return candidates.losses_of(means, [one.goal for one in search.table.objectives])


def _means(batch: Batch, policies: Sequence[str], measures: Sequence[str]) -> Floats:
    """Mean measures of policies, shape (policies, measures); NaN where a run failed."""
    runs = batch.frame("runs", columns=["policy", "failed", *measures])
    by_policy = runs.groupby("policy")
    found = by_policy[list(measures)].mean()
    found[by_policy["failed"].any()] = np.nan
    return np.asarray(found.loc[list(policies)].to_numpy(float))


def _chosen(search: Search, folder: Path, means: Floats) -> list[int]:
    """The front on the search's seeds, at most as many as are to be reported."""
    losses = _losses(search, means)
    front = np.flatnonzero(candidates.is_on_front(losses))
    if len(front) == 0:
        raise StoreError(
            f"{folder}: every candidate failed in some run: `adl compare "
            f"{folder / 'rounds' / '00'}` says why"
        )
    return [
        int(front[i]) for i in candidates.most_apart(losses[front], search.table.members)
    ]


def _records(
    search: Search, tried: Sequence[Candidate], means: Floats, chosen: Sequence[int]
) -> list[dict[str, Any]]:
    front = candidates.is_on_front(_losses(search, means))
    return [
        {
            "policy": one.name,
            "round": one.round,
            "family": one.family.name,
            "values": one.values,
            "means": {
                measure: float(mean) if np.isfinite(mean) else None
                for measure, mean in zip(search.measures, row, strict=True)
            },
            "on_front": bool(front[i]),
            "reported": i in chosen,
        }
        for i, (one, row) in enumerate(zip(tried, means, strict=True))
    ]
