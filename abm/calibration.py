"""A calibration: which values of a scenario's keys make its runs look like an event.

What was measured of the event is a file of targets. Which keys may move, and how far, is
said by options of `adl calibrate`, or by one more table of the scenario:

    extends = "oct10.toml"
    name = "fitted"

    [calibration]
    targets = "targets/oct10.toml"
    moments = ["retrade.60s", "undo.60s"]

    [calibration.over]
    "kinds.passive.rebuild_share" = { low = 0.01, high = 0.5, log = true }
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from abm import loading
from abm import scenario as scenarios
from abm.design import Range
from abm.faults import Fault
from abm.fields import Flag, Name, Number, Part, Text, Whole
from abm.scenario import Scenario, ScenarioError
from abm.sweep import FactorRange
from abm.toml_out import value_to_toml

Floats = NDArray[np.float64]

RUNS = 20
"""Runs of every point, and of the table."""

Unit = Literal["number", "share", "usd", "seconds", "count"]


class Target(Part):
    """What was measured of an event, and how runs are held against it."""

    id: Name = Field(description="several rows may share one")
    moment: Text = Field(description="what is measured of a run")
    says: Text = Field(description="the same in words")
    value: Number = Field(description="what was measured of the event")
    low: Number = Field(description="lower end of the range")
    high: Number = Field(description="upper end of the range")
    range: Text = Field(description="where the range comes from")
    unit: Unit = Field("number", description="how it is written")
    heavy: Flag = Field(
        False,
        description="its mean over runs does not settle, so the runs' median is judged",
    )
    source: Text = Field(description="public source")
    reliability: Text = Field(description="A counted, B read from gaps, C told by others")
    missed: Text = Field("", description="why runs miss it, if they do")

    def _faults(self) -> Iterable[Fault]:
        if self.high <= self.low:
            yield Fault(("high",), f"must be greater than low ({self.low:g})", self.high)
        if not self.low <= self.value <= self.high:
            yield Fault(("value",), "must lie within low and high", self.value)

    @property
    def half_width(self) -> float:
        """Half of the range."""
        return 0.5 * (self.high - self.low)


class LeftOut(Part):
    """What was measured but cannot be held against a run."""

    id: Name = Field(description="names it")
    says: Text = Field(description="what was measured")
    why: Text = Field(description="why it is left out")


class Targets(Part):
    """A file of targets: one event."""

    name: Name = Field(description="names the event")
    title: Text = Field(description="the event in a few words")
    policy: Name = Field(description="the ADL rule that was in force")
    targets: tuple[Target, ...] = Field(
        min_length=1, max_length=1000, description="what was measured"
    )
    notes: Text = Field("", description="what a reader of the table should know")
    left_out: tuple[LeftOut, ...] = Field((), description="and cannot be used")

    def _faults(self) -> Iterable[Fault]:
        moments = [target.moment for target in self.targets]
        for i, moment in enumerate(moments):
            if moment in moments[:i]:
                yield Fault(("targets", i, "moment"), "must be another one", moment)


class CalibrationTable(Part):
    """What the table `calibration` may say."""

    targets: Text = Field(description="file of targets, as seen from the scenario's")
    over: dict[str, FactorRange] = Field(
        {}, max_length=50, description="keys that may move, with their ranges"
    )
    moments: tuple[Text, ...] = Field(
        (), max_length=1000, description="moments or ids that are fitted; all if none"
    )
    runs: Whole = Field(RUNS, ge=2, le=10_000, description="runs of every point")
    most_points: Whole = Field(
        60, ge=1, le=100_000, description="points after which the search stops"
    )


class _File(Part):
    calibration: Annotated[CalibrationTable, Field(description="what is fitted to what")]


@dataclass(frozen=True)
class Calibration:
    """A calibration, loaded and checked.

    `base` is the scenario as it is, with the runs, the policy and the outputs that its
    moments need; `path` the file that it came from.
    """

    base: Scenario
    table: CalibrationTable
    targets: Targets
    path: str

    @property
    def keys(self) -> list[str]:
        """Keys that may move."""
        return list(self.table.over)

    @property
    def fitted(self) -> list[Target]:
        """Targets that values are chosen by: those asked for, or all."""
        wanted = self.table.moments
        found = self.targets.targets
        return [t for t in found if not wanted or t.moment in wanted or t.id in wanted]

    def values(self, place: Floats) -> dict[str, Any]:
        """The keys' values at a place in the unit cube, rounded to six digits."""
        found = {}
        for (key, range_), share in zip(self.table.over.items(), place, strict=True):
            [value] = Range(range_.low, range_.high, range_.log).at(np.array([share]))
            rounded = float(f"{value:.6g}")
            rounded = min(max(rounded, range_.low), range_.high)
            found[key] = round(rounded) if self._is_whole(key) else rounded
        return found

    def start(self) -> Floats:
        """Where the scenario's own values lie in the unit cube, or the nearest place."""
        data = self.base.resolved()
        return np.array(
            [_share(float(at(data, key)), r) for key, r in self.table.over.items()]
        )

    def scenario(self, values: Mapping[str, Any]) -> Scenario:
        """The scenario with other values of its keys.

        Raises
        ------
        ScenarioError
            If a key leads nowhere, or a value is none that it may have.
        """
        changes = [f"{key}={value_to_toml(value)}" for key, value in values.items()]
        return scenarios.from_mapping(self.base.resolved(), changes, self.path)

    def _is_whole(self, key: str) -> bool:
        return isinstance(at(self.base.resolved(), key), int)


def _share(value: float, range_: FactorRange) -> float:
    low, high = range_.low, range_.high
    if range_.log:
        value, low, high = (math.log(max(x, 1e-300)) for x in (value, low, high))
    return min(max((value - low) / (high - low), 0.0), 1.0)


def at(data: Any, key: str) -> Any:
    """The value at a dotted key of nested tables and lists; None if there is none."""
    for part in key.replace('"', "").split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, Sequence) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def read_targets(path: str | Path) -> Targets:
    """Read a file of targets.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    return loading.check(Targets, loading.read(Path(path)))


def load(
    path: str | Path,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Calibration:
    """Load a scenario and what it is to be fitted to.

    Parameters
    ----------
    overrides : iterable of str
        Of the scenario.
    options : mapping, optional
        Keys of the table `calibration` that replace those of the file; `targets` is then
        a path as seen from here.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    data = scenarios.read(path)
    own = dict(data.pop("calibration", {}))
    if isinstance(own.get("targets"), str):
        own["targets"] = str(Path(path).parent / own["targets"])
    said = {**own, **(options or {})}
    if "targets" not in said:
        raise ScenarioError(f"{path}: calibration.targets: is missing: give --targets FILE")
    document = loading.given({"calibration": said}, str(path))
    table = loading.check(_File, document).calibration
    targets = read_targets(table.targets)
    scenario = scenarios.from_mapping(data, overrides, str(path))
    found = Calibration(_measured(scenario, table, targets), table, targets, str(path))
    _check(found)
    return found


def _measured(scenario: Scenario, table: CalibrationTable, targets: Targets) -> Scenario:
    """The scenario under the event's rule, with its moments written and little else."""
    data = scenario.resolved()
    data["run"] = {key: value for key, value in data["run"].items() if key != "stop"}
    data["run"] |= {"policies": [targets.policy], "runs": table.runs, "block": 1}
    data["episodes"] |= {"count": 1}
    data["outputs"] |= {
        "moments": True,
        "paths_of_first_runs": 0,
        "audit_of_first_runs": 0,
        "counterfactual_of_first_runs": 0,
        "nudges_of_first_runs": 0,
        "horizons_s": [],
    }
    return scenarios.from_mapping(data)


def _check(found: Calibration) -> None:
    """Every key is a number of the scenario, and every moment a target's."""
    known = {t.moment for t in found.targets.targets} | {
        t.id for t in found.targets.targets
    }
    for moment in found.table.moments:
        if moment not in known:
            raise ScenarioError(
                f"{found.path}: calibration.moments: {moment!r} must be a moment or an id "
                f"of {found.table.targets}"
            )
    data = found.base.resolved()
    for key in found.keys:
        value = at(data, key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ScenarioError(
                f"{found.path}: calibration.over: {key}: must be a number of the scenario"
            )
    for corner in (np.zeros(len(found.keys)), np.ones(len(found.keys))):
        found.scenario(found.values(corner))
