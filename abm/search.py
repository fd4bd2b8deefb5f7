"""A search: which parameters of an ADL policy are on the front of several objectives.

A search is a scenario file with one more table, or a scenario and options of `adl search`.

    extends = "../oct10.toml"
    name = "search"

    [policies.mine]
    preset = "pro-rata"
    severity = { rule = "fixed", share = 0.5 }

    [search.over]
    "policies.mine.severity.share" = { low = 0.1, high = 1.0 }
    "policies.mine.allocation" = ["pro-rata", "levelling"]

    [[search.objectives]]
    measure = "residual_usd"

    [[search.objectives]]
    measure = "largest_haircut_share"

Every key leads into a policy of the scenario; the keys of one policy make a family, whose
members are that policy with other values. A list holds choices, a range numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from abm import loading
from abm import scenario as scenarios
from abm.design import Range
from abm.faults import Fault
from abm.fields import Name, Part, Whole
from abm.scenario import Scenario, ScenarioError
from abm.sweep import Factor, FactorRange, grid_of, ranges_of
from abm.toml_out import value_to_toml

Floats = NDArray[np.float64]
MOST_AT_ONCE = 224
"""Policies that share a past in one batch, with room for those to compare with."""


class Objective(Part):
    """A column of the table of runs whose mean over runs should be small or large."""

    measure: Name = Field(description="column of the table of runs")
    goal: Literal["min", "max"] = Field("min", description="whether less or more is better")


_OBJECTIVES = (
    Objective(measure="residual_usd"),
    Objective(measure="largest_haircut_share"),
)


class SearchTable(Part):
    """What the table `search` may say."""

    over: dict[str, Factor] = Field(
        min_length=1, max_length=100, description="keys with their choices or ranges"
    )
    objectives: tuple[Objective, ...] = Field(
        _OBJECTIVES, min_length=2, max_length=4, description="what is traded off"
    )
    candidates: Whole = Field(
        48, ge=2, le=MOST_AT_ONCE, description="policies tried in a round"
    )
    rounds: Whole = Field(
        3, ge=1, le=100, description="a first round all over, and others near its front"
    )
    runs: Whole = Field(16, ge=2, le=1_000_000, description="runs of a candidate")
    report_runs: Whole = Field(
        64, ge=5, le=1_000_000, description="runs of a reported policy, on other seeds"
    )
    members: Whole = Field(
        12, ge=2, le=MOST_AT_ONCE, description="most policies that are reported"
    )
    seed: Whole = Field(1, ge=0, lt=2**63, description="seed of the candidates' choice")

    def _faults(self) -> Iterable[Fault]:
        for key, factor in self.over.items():
            place = ("over", key)
            if not isinstance(factor, FactorRange) and not factor:
                yield Fault(place, "must be a list of at least 1 entries")
            if not _family(key):
                yield Fault(
                    place, "must lead into a policy, such as policies.mine.severity.share"
                )
        measures = [objective.measure for objective in self.objectives]
        for i, measure in enumerate(measures):
            if measure in measures[:i]:
                yield Fault(("objectives", i, "measure"), "must be another one", measure)


class _File(Part):
    search: SearchTable = Field(description="a search over policies")


@dataclass(frozen=True)
class Family:
    """A policy of the scenario and the keys of it that vary.

    Attributes
    ----------
    name : str
        The policy's name.
    over : mapping
        For each key within the policy its choices or its range.
    """

    name: str
    over: Mapping[str, Factor]

    def values(self, place: Floats) -> dict[str, Any]:
        """The values at a place in the unit cube, shape (keys,).

        A range's values are rounded to six digits: nobody would set more.
        """
        return {
            key: _value(factor, share)
            for (key, factor), share in zip(self.over.items(), place, strict=True)
        }

    def table(self, base: Scenario, values: Mapping[str, Any]) -> dict[str, Any]:
        """The policy's table with these values.

        Raises
        ------
        ScenarioError
            If a key leads nowhere.
        """
        document = loading.given(base.resolved()["policies"], "search.over")
        changes = [f"{self.name}.{key}={value_to_toml(v)}" for key, v in values.items()]
        try:
            return dict(reduce(loading.override, changes, document).data[self.name])
        except ScenarioError as error:
            raise ScenarioError(f"policies.{str(error).removeprefix('--set ')}") from None


def _value(factor: Factor, share: float) -> Any:
    if not isinstance(factor, FactorRange):
        return factor[min(int(share * len(factor)), len(factor) - 1)]
    [found] = Range(factor.low, factor.high, factor.log).at(np.array([share]))
    return min(max(float(f"{found:.6g}"), factor.low), factor.high)


@dataclass(frozen=True)
class Search:
    """A search, loaded and checked."""

    base: Scenario
    table: SearchTable

    @property
    def families(self) -> list[Family]:
        """The policies whose keys vary, in the order of the table."""
        found: dict[str, dict[str, Factor]] = {}
        for key, factor in self.table.over.items():
            name, rest = _family(key) or ("", "")
            found.setdefault(name, {})[rest] = factor
        return [Family(name, over) for name, over in found.items()]

    @property
    def measures(self) -> list[str]:
        """The objectives' columns."""
        return [objective.measure for objective in self.table.objectives]

    @property
    def search_seeds(self) -> range:
        """Seeds that candidates are tried on."""
        return range(self.base.run.seed, self.base.run.seed + self.table.runs)

    @property
    def report_seeds(self) -> range:
        """Seeds of what is reported, none of which was searched on."""
        start = self.search_seeds.stop
        return range(start, start + self.table.report_runs)

    def scenario(self, policies: Mapping[str, Any], seeds: range, block: int) -> Scenario:
        """The scenario with other policies on some seeds.

        Parameters
        ----------
        policies : mapping
            Tables by name; None for those that the scenario or the built-in ones have.
        seeds : range
        block : int
            Runs written at a time.
        """
        data = self.base.resolved()
        data["policies"] |= {name: t for name, t in policies.items() if t is not None}
        data["run"] |= {
            "policies": list(policies), "runs": len(seeds), "seed": seeds.start,
            "block": block,
        }  # fmt: skip
        data["run"].pop("stop", None)
        # Of every candidate's run a row is looked at; all else would fill gigabytes.
        data["outputs"] |= {
            "paths_of_first_runs": 0, "audit_of_first_runs": 0,
            "counterfactual_of_first_runs": 0,
        }  # fmt: skip
        return scenarios.from_mapping(data, source="search")


def load(
    path: str | Path,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Search:
    """Load a search and check that its keys lead into policies.

    Parameters
    ----------
    overrides : iterable of str
        Of the scenario, such as ``venue.vault_usd=1e5``.
    options : mapping, optional
        Keys of the table `search` that replace those of the file.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    data = scenarios.read(path)
    said = {**data.pop("search", {}), **(options or {})}
    if "over" not in said:
        raise ScenarioError(
            f"{path}: search: is missing: must be a table with keys to search over, or "
            "give --over KEY=LOW:HIGH"
        )
    return of_tables(scenarios.from_mapping(data, overrides, str(path)), said, str(path))


def of_tables(base: Scenario, table: Mapping[str, Any], source: str) -> Search:
    """A search over a scenario's policies, from its table.

    Raises
    ------
    ScenarioError
        If the table is wrong.
    """
    document = loading.given({"search": table}, source)
    found = Search(base, loading.check(_File, document).search)
    try:
        for family in found.families:
            _check(found, family)
    except ScenarioError as error:
        raise ScenarioError(f"{source}: search.over: {error}") from None
    return found


def _check(search: Search, family: Family) -> None:
    policies = search.base.policies
    if family.name not in policies:
        known = ", ".join(policies) or "there is none: `adl policies NAME` prints one"
        raise ScenarioError(
            f"{family.name!r} must be a policy of the table policies ({known})"
        )
    if any(name.startswith(f"{family.name}.") for name in search.base.run.policies):
        raise ScenarioError(f"run.policies must not begin with {family.name + '.'!r}")
    first = family.table(search.base, family.values(np.zeros(len(family.over))))
    search.scenario({family.name: first}, search.search_seeds, 1)


def _family(key: str) -> tuple[str, str] | None:
    """``policies.mine.severity.share`` is ``severity.share`` of ``mine``."""
    first, _, rest = key.partition(".")
    name, _, inside = rest.partition(".")
    return (name, inside) if first == "policies" and name and inside else None


def over_of(options: Sequence[str]) -> dict[str, Any]:
    """Keys from options such as ``policies.mine.severity.share=0.1:1`` or ``KEY=a,b``.

    Raises
    ------
    ScenarioError
        If an option is not of that form.
    """
    found: dict[str, Any] = {}
    for option in options:
        try:
            _, _, words = option.partition("=")
            ends = words.split(":")
            found |= ranges_of([option]) if len(ends) > 1 else grid_of([option])
        except ScenarioError:
            raise ScenarioError(
                f"--over {option}: must be KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,..."
            ) from None
    return found


def objectives_of(options: Sequence[str]) -> list[dict[str, str]]:
    """Objectives from options such as ``residual_usd`` or ``covered_usd:max``."""
    found = []
    for option in options:
        measure, _, goal = option.partition(":")
        found.append({"measure": measure, "goal": goal or "min"})
    return found
