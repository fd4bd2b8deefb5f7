"""A sweep: one scenario at many points of a design over its keys.

A sweep is a scenario file with one more table, or a scenario and options of `adl sweep`.

    extends = "../oct10.toml"
    name = "how-large-a-fund"

    [sweep]
    design = "grid"

    [sweep.factors]
    "venue.insurance_usd" = [1e5, 1e6, 1e7]
    "oracle.feedback" = [0.0, 0.2]

The designs ``latin-hypercube``, ``sobol`` and ``saltelli`` place `points` points in
ranges such as ``{ low = 0.0, high = 0.5 }``, evenly in the logarithm with ``log = true``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from abm import design, loading
from abm import scenario as scenarios
from abm.design import Point, Range
from abm.faults import Fault
from abm.fields import Flag, Number, Part, Whole
from abm.scenario import Scenario, ScenarioError
from abm.toml_out import value_to_toml

Design = Literal["grid", "latin-hypercube", "sobol", "saltelli"]
MOST_POINTS = 1_000_000


class FactorRange(Part):
    """A range of a number."""

    low: Number = Field(description="least value")
    high: Number = Field(description="largest value")
    log: Flag = Field(False, description="evenly in the logarithm")

    def _faults(self) -> Iterable[Fault]:
        if self.high <= self.low:
            yield Fault(("high",), f"must be greater than low ({self.low:g})", self.high)
        if self.log and self.low <= 0.0:
            yield Fault(("low",), "must be greater than 0 if log", self.low)


def _factor_form(factor: Any) -> str:
    return "values" if isinstance(factor, (list, tuple)) else "a range"


Factor = Annotated[
    Annotated[FactorRange, Tag("a range")] | Annotated[tuple[Any, ...], Tag("values")],
    Discriminator(_factor_form),
]


class SweepTable(Part):
    """What the table `sweep` may say."""

    design: Design = Field("grid", description="how points are placed")
    points: Whole = Field(
        64, ge=2, le=MOST_POINTS, description="number of points (grid: as many as it has)"
    )
    seed: Whole = Field(1, ge=0, lt=2**63, description="seed of the placing")
    factors: dict[str, Factor] = Field(
        min_length=1, max_length=100, description="keys with their values or ranges"
    )

    def _faults(self) -> Iterable[Fault]:
        for key, factor in self.factors.items():
            place = ("factors", key)
            if self.design == "grid" and not isinstance(factor, tuple):
                yield Fault(place, "must be a list of values, since design = 'grid'")
            elif self.design == "grid" and not factor:
                yield Fault(place, "must be a list of at least 1 entries")
            elif self.design != "grid" and isinstance(factor, tuple):
                yield Fault(
                    place,
                    "must be a range such as { low = 0.0, high = 1.0 }, since design is "
                    f"{self.design!r}",
                )

    def place(self) -> list[Point]:
        """The points of the design."""
        if self.design == "grid":
            lists = {k: f for k, f in self.factors.items() if isinstance(f, tuple)}
            return design.grid(lists)
        ranges = {
            key: Range(f.low, f.high, f.log)
            for key, f in self.factors.items()
            if isinstance(f, FactorRange)
        }
        place = {
            "latin-hypercube": design.latin_hypercube,
            "sobol": design.sobol,
            "saltelli": design.saltelli,
        }[self.design]
        return place(ranges, self.points, self.seed)


class _File(Part):
    sweep: SweepTable = Field(description="design of a sweep")


@dataclass(frozen=True)
class Sweep:
    """A sweep, loaded and checked: a scenario a point.

    `points` are the values of the keys, `scenarios` what they make of `base`.
    """

    name: str
    table: SweepTable
    base: Scenario
    points: tuple[Point, ...]
    scenarios: tuple[Scenario, ...]


def is_sweep(path: str | Path) -> bool:
    """True if a file, or what it extends, has a table `sweep`.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    return "sweep" in scenarios.read(path)


def load(
    path: str | Path,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Sweep:
    """Load a sweep and check the scenario of every point.

    Parameters
    ----------
    overrides : iterable of str
        For all points, such as ``run.runs=4``; a point's own keys win.
    options : mapping, optional
        Keys of the table `sweep` that replace those of the file.

    Raises
    ------
    ScenarioError
        One line that names the file, the point, the key and what would be right.
    """
    data = scenarios.read(path)
    said = {**data.pop("sweep", {}), **(options or {})}
    if not said:
        raise ScenarioError(
            f"{path}: sweep: is missing: must be a table, or give --grid KEY=V1,V2"
        )
    table = loading.check(_File, loading.given({"sweep": said}, str(path))).sweep
    count = _number_of_points(table)
    if count > MOST_POINTS:
        raise ScenarioError(
            f"{path}: sweep.factors: make {count:,} points: must be at most {MOST_POINTS:,}"
        )
    points = table.place()
    base = scenarios.from_mapping(data, overrides, str(path))
    return Sweep(
        name=base.name,
        table=table,
        base=base,
        points=tuple(points),
        scenarios=tuple(at_point(base, point, str(path)) for point in points),
    )


def _number_of_points(table: SweepTable) -> int:
    if table.design == "saltelli":
        return table.points * (len(table.factors) + 2)
    if table.design != "grid":
        return table.points
    count = 1
    for factor in table.factors.values():
        count *= len(factor) if isinstance(factor, tuple) else 1
    return count


def at_point(base: Scenario, point: Point, source: str) -> Scenario:
    """A scenario with the values of a point.

    Raises
    ------
    ScenarioError
        If it cannot be run; the message names the point.
    """
    changes = [f"{key}={value_to_toml(value)}" for key, value in point.items()]
    where = f"{source}: sweep point {', '.join(changes)}"
    try:
        return scenarios.from_mapping(base.resolved(), changes, where)
    except ScenarioError as error:
        message = str(error).removeprefix("--set ").removeprefix(f"{where}: ")
        raise ScenarioError(f"{where}: {message}") from None


def grid_of(options: Sequence[str]) -> dict[str, list[Any]]:
    """Factors of a grid from options such as ``venue.insurance_usd=1e6,1e7``.

    Raises
    ------
    ScenarioError
        If an option is not of that form.
    """
    factors: dict[str, list[Any]] = {}
    for option in options:
        key, separator, words = option.partition("=")
        if not separator or not key.strip() or not words.strip():
            raise ScenarioError(f"--grid {option}: must be KEY=VALUE,VALUE,...")
        factors[key.strip()] = [loading.value_of(word) for word in _split_values(words)]
    return factors


def ranges_of(options: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Factors from options such as ``oracle.feedback=0:0.5`` or ``KEY=1e5:1e8:log``.

    Raises
    ------
    ScenarioError
        If an option is not of that form.
    """
    factors: dict[str, dict[str, Any]] = {}
    for option in options:
        key, separator, words = option.partition("=")
        low, _, rest = words.partition(":")
        high, _, scale = rest.partition(":")
        named = separator and key.strip()
        if not named or not low or not high or scale not in ("", "log"):
            raise ScenarioError(
                f"--range {option}: must be KEY=LOW:HIGH or KEY=LOW:HIGH:log"
            )
        ends = {"low": loading.value_of(low), "high": loading.value_of(high)}
        factors[key.strip()] = ends | {"log": scale == "log"}
    return factors


def _split_values(words: str) -> list[str]:
    """Split at commas that lie outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in words:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
