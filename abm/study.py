"""A study: one scenario in several variants that share seeds.

A study is a scenario file with one more table. Every variant is a name and the keys that
it overrides; the first one is what the others are held against.

    extends = "../oct10.toml"
    name = "ablation"

    [study]
    question = "Which ingredient makes the deficit?"

    [study.variants]
    "full model" = []
    "no feedback" = ["oracle.feedback=0"]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from abm import scenario as scenarios
from abm.scenario import Scenario, ScenarioError


class _Table(BaseModel):
    """What the table `study` may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = ""
    variants: Annotated[dict[str, tuple[str, ...]], Field(min_length=1, max_length=1000)]

    @field_validator("variants")
    @classmethod
    def _slugs_differ(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        taken: dict[str, str] = {}
        for name in value:
            slug = slug_of(name)
            if not slug:
                raise ValueError(f"{name!r} must have a letter or a digit in its name")
            if slug in taken:
                raise ValueError(
                    f"{name!r} and {taken[slug]!r} would share the folder {slug}"
                )
            taken[slug] = name
        return value


@dataclass(frozen=True)
class Variant:
    """One scenario of a study: its name, its folder and the keys that it overrides."""

    name: str
    slug: str
    changes: tuple[str, ...]
    scenario: Scenario


@dataclass(frozen=True)
class Study:
    """A study, loaded and checked; the first variant is the base."""

    name: str
    question: str
    variants: tuple[Variant, ...]


def slug_of(name: str) -> str:
    """A name as part of a path: ``No leverage`` as ``no-leverage``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def is_study(path: str | Path) -> bool:
    """True if a file, or what it extends, has a table `study`.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    return "study" in scenarios.read(path)


def load(path: str | Path, overrides: Iterable[str] = ()) -> Study:
    """Load a study and check all its variants.

    Parameters
    ----------
    overrides : iterable of str
        For all variants, such as ``run.runs=4``; a variant's own keys win.

    Raises
    ------
    ScenarioError
        One line that names the file, the variant, the key and what would be right.
    """
    data = scenarios.read(path)
    table = _check(path, data.pop("study", None))
    name = data.get("name")
    if not isinstance(name, str):
        raise ScenarioError(f"{path}: name = {name!r}: a study needs a name")
    given = tuple(overrides)
    variants = []
    for title, changes in table.variants.items():
        slug = slug_of(title)
        own = {**data, "name": f"{name}-{slug}"}
        base = scenarios.from_mapping(own, given, str(path))
        scenario = _changed(base, changes, f"{path}: study.variants.{title!r}")
        variants.append(Variant(title, slug, changes, scenario))
    return Study(name, table.question, tuple(variants))


def _changed(base: Scenario, changes: tuple[str, ...], source: str) -> Scenario:
    """A scenario with a variant's keys; what is wrong with them is told by its name."""
    try:
        return scenarios.from_mapping(base.resolved(), changes, source)
    except ScenarioError as error:
        message = str(error).removeprefix("--set ").removeprefix(f"{source}: ")
        raise ScenarioError(f"{source}: {message}") from None


def _check(path: str | Path, table: Any) -> _Table:
    if table is None:
        raise ScenarioError(
            f"{path}: study: is missing, so this is a scenario, not a study"
        )
    try:
        return _Table.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["study", *(str(part) for part in first["loc"])])
        message = first["msg"].removeprefix("Value error, ")
        raise ScenarioError(f"{path}: {where}: {message}") from None
