"""A contest: strategies against policies at some shares of adopters, on the same seeds.

A contest is a scenario file with one more table. The policies are those of the scenario,
the strategies built in or of its table `strategies`.

    extends = "../oct10.toml"
    name = "gaming"

    [contest]
    strategies = ["split", "leave-early"]
    adopters = [0.017]

    [[contest.more]]
    strategies = ["split"]
    policies = ["pro-rata"]
    adopters = [0.05, 0.2]
    runs = 16

Every strategy and share is a batch of its own, and so is every share at which nobody
plays: the same accounts, honest, which the others are held against. Who adopts depends on
the seed and the share alone, so one such baseline serves all strategies of a share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from abm import loading
from abm import scenario as scenarios
from abm.faults import Fault
from abm.fields import Name, Part, Whole
from abm.scenario import Scenario

Adopters = Annotated[float, Field(strict=True, gt=0.0, le=1.0)]

MEASURED_SHARE = 0.017
"""Accounts that trade strategically around ADL: 322 of 19,351, or 1.7%.

Of the accounts deleveraged on 10 October 2025 those with five events or more that traded
again within a minute and undid what was done to them; arXiv 2512.01112, with the data of
github.com/ConejoCapital/HyperMultiAssetedADL.
"""


class More(Part):
    """Further cells, coarser or finer than the others."""

    strategies: tuple[Name, ...] = Field(
        (), max_length=100, description="strategies; those of the contest if not given"
    )
    policies: tuple[Name, ...] = Field(
        (), max_length=256, description="policies; those of run if not given"
    )
    adopters: tuple[Adopters, ...] = Field(
        min_length=1, max_length=100, description="shares of the traders with positions"
    )
    runs: Whole | None = Field(
        None, ge=2, le=1_000_000, description="runs; those of run if not given"
    )


class ContestTable(Part):
    """What the table `contest` may say."""

    question: str = Field("", description="what the contest is to find out")
    strategies: tuple[Name, ...] = Field(
        (), max_length=100, description="strategies; all built-in ones if not given"
    )
    adopters: tuple[Adopters, ...] = Field(
        (MEASURED_SHARE,), min_length=1, max_length=100,
        description="shares of the traders with positions",
    )  # fmt: skip
    more: tuple[More, ...] = Field((), max_length=100, description="further cells")

    def _faults(self) -> Iterable[Fault]:
        for place, values in (
            (("strategies",), self.strategies), (("adopters",), self.adopters),
            *(((("more", i, "adopters")), m.adopters) for i, m in enumerate(self.more)),
        ):  # fmt: skip
            if len(set(values)) < len(values):
                yield Fault(place, "must not name one twice")


class _File(Part):
    contest: ContestTable = Field(description="strategies against policies")


@dataclass(frozen=True)
class Entry:
    """One batch of a contest.

    Attributes
    ----------
    strategy : str
        Empty where nobody plays.
    adopters : float
        Share of the traders with positions.
    part : int
        0 of the contest itself, from 1 of its `more`: a batch is held against the baseline
        of its own part and share.
    scenario : Scenario
    """

    strategy: str
    adopters: float
    part: int
    scenario: Scenario

    @property
    def folder(self) -> str:
        """Where the batch lies: ``split-at-0.017``, of a further part ``1-split-...``."""
        name = f"{self.strategy or 'honest'}-at-{self.adopters:g}"
        return f"{self.part}-{name}" if self.part else name


@dataclass(frozen=True)
class Contest:
    """A contest, loaded and checked; baselines stand before what is held against them."""

    name: str
    question: str
    entries: tuple[Entry, ...]


def is_contest(path: str | Path) -> bool:
    """True if a file, or what it extends, has a table `contest`.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    return "contest" in scenarios.read(path)


def load(
    path: str | Path,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Contest:
    """Load a contest and check the scenario of every batch.

    A file without a table `contest` is taken as one of all built-in strategies.

    Parameters
    ----------
    overrides : iterable of str
        For all batches, such as ``run.runs=4``.
    options : mapping, optional
        Keys of the table `contest` that replace those of the file; then its `more` is
        left out.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    base, table = read(path, overrides, options)
    return of_table(base, table, str(path))


def read(
    path: str | Path,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    other_tables: Iterable[str] = (),
) -> tuple[Scenario, ContestTable]:
    """A file's scenario and its table `contest`; errors as :func:`load`.

    Parameters
    ----------
    other_tables : iterable of str
        Tables beside `contest` that are none of the scenario's.
    """
    data = scenarios.read(path)
    said = data.pop("contest", {})
    for name in ("spread", "attack", "commit", *other_tables):
        data.pop(name, None)
    given = {key: value for key, value in (options or {}).items() if value}
    if given:
        said = {**said, **given}
        said.pop("more", None)
    document = loading.given({"contest": said}, str(path))
    table = loading.check(_File, document).contest
    return scenarios.from_mapping(data, overrides, str(path)), table


def of_table(base: Scenario, table: ContestTable, source: str) -> Contest:
    """The batches that a table asks for.

    Raises
    ------
    ScenarioError
        If a strategy or a policy is not there, or a batch cannot be run.
    """
    entries = _entries(base, table.strategies, table.adopters, {}, 0, source)
    for number, more in enumerate(table.more, 1):
        strategies = more.strategies or table.strategies
        run: dict[str, Any] = {}
        if more.policies:
            run["policies"] = list(more.policies)
        if more.runs:
            run["runs"] = more.runs
        entries += _entries(base, strategies, more.adopters, run, number, source)
    return Contest(base.name, table.question, tuple(entries))


def _entries(
    base: Scenario,
    strategies: tuple[str, ...],
    shares: tuple[float, ...],
    run: Mapping[str, Any],
    part: int,
    source: str,
) -> list[Entry]:
    found = []
    names = strategies or scenarios.BUILT_IN_STRATEGIES
    for share in shares:
        for strategy in ("", *names):
            play = {strategy or next(iter(names)): share}
            changed = playing(base, play, run=run, honest=not strategy, source=source)
            found.append(Entry(strategy, share, part, changed))
    return found


def playing(
    base: Scenario,
    play: Mapping[str, float],
    *,
    run: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Any] | None = None,
    policies: Mapping[str, Any] | None = None,
    honest: bool = False,
    source: str = "contest",
) -> Scenario:
    """A scenario in which some play.

    Parameters
    ----------
    play : mapping
        Shares of the traders with positions by strategy.
    run : mapping, optional
        Keys of the table `run` to replace.
    strategies, policies : mapping, optional
        Tables to add, by name.
    honest : bool
        True if the same traders are measured and nobody plays.

    Raises
    ------
    ScenarioError
        If it cannot be run.
    """
    data = base.resolved()
    for name, more in (("strategies", strategies), ("policies", policies)):
        data[name] = {**data.get(name, {}), **(more or {})}
    data["run"] |= run or {}
    data["run"].pop("stop", None)
    data["gaming"] = {**data.get("gaming", {}), "play": dict(play), "honest": honest}
    return scenarios.from_mapping(data, source=source)
