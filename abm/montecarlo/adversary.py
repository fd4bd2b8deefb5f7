"""Searches strategies' parameters and mixtures for the largest gain against one policy.

Differential evolution (Storn and Price 1997) tries whole generations on the same seeds.
The best of many is too good: it was chosen for its luck as well. What is reported is run
again on seeds that nothing was chosen on, beside the strategies as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution

from abm.contest import playing
from abm.crowd import Question
from abm.gaming.strategies import catalogue
from abm.montecarlo.folders import (
    begin_question,
    reopened_question,
    sha256,
    whole_batch,
    write_json,
)
from abm.montecarlo.payoffs import payoffs
from abm.montecarlo.store import Batch
from abm.scenario import BUILT_IN_STRATEGIES, Scenario, ScenarioError
from abm.search import Family
from abm.sweep import Factor, FactorRange

Floats = NDArray[np.float64]

INDEX = "attack.json"
"""Says what is searched: scenario, table, keys, policy, seeds."""

FOUND = "tried.json"
"""Says what was tried and what it gained, once all is done."""

BEST, PLAIN, BASELINE = "report/best", "report/plain", "report/honest"
"""Batches on fresh seeds: the best candidate, the strategies as they were, nobody."""

_LEAST_WEIGHT = 0.05
_OPEN_RANGE = 4.0


class Candidate(NamedTuple):
    """What is tried: shares of players and parameters by strategy."""

    play: dict[str, float]
    tables: dict[str, dict[str, Any]]


def run_attack(
    question: Question, folder: Path, *, overwrite: bool = False, **how: Any
) -> Path:
    """Search into a folder: a batch a candidate, and those of the report.

    Raises
    ------
    ScenarioError
        If a strategy is not there, or no key could be searched.
    StoreError
        If the folder exists (unless `overwrite`, and it is an attack) or cannot be
        written.
    """
    over = {**_own_keys(question), **question.table.over}
    question = question._replace(table=question.table.model_copy(update={"over": over}))
    if not over:
        raise ScenarioError(
            "attack.over: is missing: must be a table with keys, or give --strategy"
        )
    names = _strategies(question, over)
    policy = question.table.policy or question.base.run.policies[0]
    _scenario(question, candidate_at(question, over, names, np.zeros(len(over))), policy)
    told = {
        "policy": policy, "strategies": names,
        "seeds": [question.seeds.start, question.seeds.stop],
        "fresh_seeds": [question.fresh_seeds.start, question.fresh_seeds.stop],
    }  # fmt: skip
    begin_question(folder, "attack", question, told, overwrite)
    return resume_attack(folder, **how)


def resume_attack(folder: Path, **how: Any) -> Path:
    """Go on with an attack; what is whole is not computed again.

    Raises
    ------
    StoreError
        If it is none, was changed, another process is working on it, or there was not
        enough time.
    """
    with reopened_question(folder, "attack") as (question, index):
        search = _Search(question, index["strategies"], index["policy"], folder, how)
        search.run()
        best = search.report()
        write_json(folder / FOUND, {"best": best, "tried": search.tried})
    return folder


class _Search:
    """The state of a search: what was tried so far."""

    def __init__(
        self, question: Question, names: list[str], policy: str, folder: Path,
        how: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.question, self.names, self.policy = question, names, policy
        self.folder, self.how = folder, how
        self.tried: list[dict[str, Any]] = []
        self._known: dict[str, float] = {}

    def run(self) -> None:
        """All generations; the best of each parent and its child goes on."""
        table = self.question.table
        dimensions = len(table.over)
        first = np.random.default_rng(table.seed).random((table.population, dimensions))
        first[0] = 0.5
        # scipy's stubs know nothing of functions of a whole generation.
        losses: Any = self._losses
        differential_evolution(
            losses, Bounds(np.zeros(dimensions), np.ones(dimensions)),
            maxiter=table.generations - 1, init=first, rng=table.seed, polish=False,
            vectorized=True, updating="deferred", tol=0.0, atol=0.0,
        )  # fmt: skip

    def report(self) -> dict[str, Any]:
        """Run the best again on fresh seeds, and what it is held against."""
        best = max(self.tried, key=lambda one: float(one["gain"]))
        seeds = self.question.fresh_seeds
        plain = Candidate(dict(best["play"]), {})
        found = Candidate(best["play"], best["tables"])
        for place, candidate in ((BEST, found), (PLAIN, plain)):
            self._batch(place, candidate, seeds)
        self._batch(BASELINE, plain, seeds, honest=True)
        return best

    def _losses(self, places: Floats) -> Floats:
        """Minus the gain of each candidate, places of shape (keys, candidates)."""
        return np.array([-self._gain(place) for place in np.atleast_2d(places.T)])

    def _gain(self, place: Floats) -> float:
        table = self.question.table
        found = candidate_at(self.question, table.over, self.names, place)
        identity = sha256(found.play, found.tables)[:16]
        if identity not in self._known:
            played = self._batch(f"tried/{identity}", found, self.question.seeds)
            honest = self._batch(
                f"tried/{identity}-honest" if len(found.play) > 1 else "tried/honest",
                found, self.question.seeds, honest=True,
            )  # fmt: skip
            earned = payoffs(played, honest, self.policy, list(found.play))
            total = earned.capacity_usd.sum()
            gain = float(earned.gain_usd.sum() / total) if total > 0.0 else 0.0
            self._known[identity] = gain
            entry = {"folder": f"tried/{identity}", **found._asdict(), "gain": gain}
            self.tried.append(entry)
        return self._known[identity]

    def _batch(
        self, place: str, found: Candidate, seeds: range, *, honest: bool = False
    ) -> Batch:
        scenario = _scenario(self.question, found, self.policy, seeds, honest=honest)
        title = f"{place} ({len(self.tried)} tried)"
        return whole_batch(self.folder, place, scenario, title, self.how)


def candidate_at(
    question: Question, over: Mapping[str, Factor], names: list[str], place: Floats
) -> Candidate:
    """The candidate at a place in the unit cube, shape (keys,).

    Weights of strategies are brought to the share of players; those of less than a
    twentieth play nothing.
    """
    values = Family("", over).values(place)
    tables: dict[str, dict[str, Any]] = {}
    weights = dict.fromkeys(names, 1.0)
    for key, value in values.items():
        first, _, rest = key.partition(".")
        if first == "play":
            weights[rest] = max(float(value), 0.0)
            continue
        name, _, parameter = rest.partition(".")
        own = {"rule": name, **question.base.strategies.get(name, {})}
        tables.setdefault(name, own)[parameter] = value
    total = sum(weights.values())
    parts = {k: w / total for k, w in weights.items()} if total > 0.0 else {}
    kept = {k: w for k, w in parts.items() if w >= _LEAST_WEIGHT} or {names[0]: 1.0}
    share = question.table.adopters / sum(kept.values())
    play = {name: float(f"{share * weight:.6g}") for name, weight in kept.items()}
    return Candidate(play, {k: t for k, t in tables.items() if k in play})


def _own_keys(question: Question) -> dict[str, Factor]:
    """All parameters of strategies without keys of their own, and weights of several."""
    over = question.table.over
    keyed = dict.fromkeys(key.split(".")[1] for key in over)
    names = list(dict.fromkeys([*question.table.strategies, *keyed]))
    entries = {entry.name: entry for entry in catalogue()}
    found: dict[str, Factor] = {}
    for name in names:
        if len(names) > 1:
            found[f"play.{name}"] = FactorRange(low=0.0, high=1.0)
        if name in keyed:
            continue
        rule = question.base.strategies.get(name, {}).get("rule", name)
        if rule not in entries:
            raise ScenarioError(
                f"attack.strategies = {name!r}: must be one of {', '.join(entries)}; of "
                f"others name the keys, such as --over strategies.{name}.KEY=LOW:HIGH"
            )
        for key, parameter in entries[rule].parameters.items():
            found[f"strategies.{name}.{key}"] = _factor(parameter)
    return found


def _factor(parameter: Any) -> Factor:
    """What to try of a parameter: its choices, or a range around its default.

    Ranges go from a quarter of the default to four times as much, within its bounds.
    """
    if parameter.kind == "choice":
        return tuple(parameter.choices)
    if parameter.kind == "flag":
        return (False, True)
    default = float(parameter.default)
    low, high = sorted((default / _OPEN_RANGE, default * _OPEN_RANGE or 1.0))
    low = low if parameter.least is None else max(low, parameter.least)
    high = high if parameter.most is None else min(high, parameter.most)
    if parameter.kind == "int":
        return tuple(sorted({round(x) for x in np.linspace(low, high, 8)}))
    return FactorRange(low=low, high=high) if high > low else (default,)


def _strategies(question: Question, over: Mapping[str, Factor]) -> list[str]:
    known = [*question.base.strategies, *BUILT_IN_STRATEGIES]
    names = list(dict.fromkeys(key.split(".")[1] for key in over))
    for name in names:
        if name not in known:
            raise ScenarioError(
                f"attack.over: strategy {name!r} must be one of {', '.join(known)}"
            )
    return names


def _scenario(
    question: Question, found: Candidate, policy: str, seeds: range | None = None,
    *, honest: bool = False,
) -> Scenario:  # fmt: skip
    seeds = seeds or question.seeds
    run = {"policies": [policy], "runs": len(seeds), "seed": seeds.start, "block": 4}
    tables = {} if honest else found.tables
    return playing(
        question.base, found.play, run=run, strategies=tables, honest=honest,
        source="attack",
    )  # fmt: skip
