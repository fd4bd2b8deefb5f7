"""What a scenario may say.

A scenario is a TOML file. It may extend another (``extends = "base.toml"``), and single
values may be overridden (``venue.insurance_usd=5e6``). Whatever is wrong with it is
reported in one line that names the file, the key, the value and what would be right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from abm import checks, loading
from abm.faults import LARGEST, Fault
from abm.fields import (
    Flag,
    Name,
    Part,
    Positive,
    Real,
    Share,
    Text,
    Whole,
)
from abm.lasting import Episodes, Retention
from abm.loading import ScenarioError
from abm.markets import Market, MarketTail, Tier
from abm.population import Kind, Population
from abm.prices import Makers, Mark, Oracle, Shock
from abm.rules import Policy, Rung, Venue

__all__ = [
    "BUILT_IN_POLICIES",
    "BUILT_IN_STRATEGIES",
    "Episodes",
    "Gaming",
    "Kind",
    "Makers",
    "Mark",
    "Market",
    "MarketTail",
    "Oracle",
    "Outputs",
    "Policy",
    "Population",
    "Retention",
    "Run",
    "Rung",
    "Scenario",
    "ScenarioError",
    "Shock",
    "Tier",
    "Time",
    "Venue",
    "from_mapping",
    "load",
    "read",
]

BUILT_IN_POLICIES = (
    "hyperliquid", "binance", "bybit", "okx", "bitmex", "dydx-v4", "drift", "gmx",
    "paradex", "aftermath", "ethereal", "vega", "pro-rata", "capped-pro-rata",
    "risk-weighted", "leverage-waterfill", "convex-penalty", "levelling", "profits-first",
    "minmax", "none",
)  # fmt: skip
"""Policies that a scenario can name without defining them."""


BUILT_IN_STRATEGIES = (
    "reset-entry", "split", "shave-leverage", "shuffle-markets", "withdraw-gains",
    "leave-early", "camouflage", "extract", "self-trade",
)  # fmt: skip
"""Strategies that a scenario can let play without defining them."""


class Time(Part):
    """How long the market runs, and how finely."""

    duration_s: Real = Field(
        720.0, gt=0.0, le=31 * 86_400, description="market time that a run covers, s"
    )
    step_s: Real = Field(1.0, ge=0.1, le=10.0, description="length of a step, s")

    def _faults(self) -> Iterable[Fault]:
        return checks.of_time(self)

    @property
    def step_ms(self) -> int:
        """Length of a step in milliseconds."""
        return round(self.step_s * 1000)

    @property
    def steps(self) -> int:
        """Number of steps in a run."""
        return int(self.duration_s * 1000 // self.step_ms)


class Stop(Part):
    """When a batch stops before all its runs: once a mean is known well enough."""

    measure: Name = Field("deficit_usd", description="column of the table of runs")
    policy: Name | None = Field(None, description="whose mean; the first policy's if none")
    less: Name | None = Field(
        None, description="policy whose value of the same run is subtracted"
    )
    half_width: Positive = Field(
        description="half-width of the interval of the mean to reach"
    )
    relative: Flag = Field(False, description="half_width is a share of the mean")
    level: Real = Field(0.95, ge=0.5, le=0.9999, description="confidence")
    least_runs: Whole = Field(
        32, ge=16, le=100_000_000, description="runs before which it does not stop"
    )


class Run(Part):
    """The Monte Carlo plan."""

    runs: Whole = Field(16, ge=1, le=100_000_000, description="number of runs")
    seed: Whole = Field(1, ge=0, lt=2**63, description="seed of the first run")
    policies: tuple[Name, ...] = Field(
        ("hyperliquid", "pro-rata", "none"),
        min_length=1,
        max_length=256,
        description="policies to compare: built-in ones, or those of [policies]",
    )
    wave_gap_s: Positive = Field(
        5.0, description="shortfalls closer together than this are one episode, s"
    )
    block: Whole = Field(8, ge=1, le=100_000, description="runs written at a time")
    stop: Stop | None = Field(None, description="stop early when a mean is known")

    def _faults(self) -> Iterable[Fault]:
        return checks.of_run(self)


class Gaming(Part):
    """Who plays which strategy against the rule (see `abm.gaming`).

    Adopters are drawn from the traders who hold a position at the start. Groups are the
    same under every policy and strategy, and grow by newcomers as shares do.
    """

    play: dict[Name, Share] = Field(
        {}, max_length=64, description="strategies and the share of traders who adopt them"
    )
    honest: Flag = Field(
        False, description="draw the same groups and let nobody play: the baseline"
    )
    every_s: Real = Field(
        5.0, ge=0.1, le=LARGEST, description="how often strategies look, s"
    )
    kinds: tuple[Name, ...] = Field(
        (), max_length=100, description="kinds of traders who may; all if left out"
    )
    move_fee: Real = Field(
        1.0,
        ge=0.0,
        le=10.0,
        description="fee for moving a position between own accounts, on either side, in "
        "taker fees",
    )


Horizon = Annotated[Real, Field(ge=0.0, le=86_400.0)]


class Outputs(Part):
    """What is written besides the tables that every batch has."""

    paths_of_first_runs: Whole = Field(
        4, ge=0, le=100_000, description="number of runs whose market paths are written"
    )
    path_interval_s: Real = Field(
        1.0, ge=0.1, le=LARGEST, description="time between rows of a path, s"
    )
    figures: Flag = Field(True, description="draw figures after a batch")
    audit_of_first_runs: Whole = Field(
        4,
        ge=0,
        le=100_000_000,
        description="number of runs of which all is written that waves were decided from",
    )
    horizons_s: tuple[Horizon, ...] = Field(
        (0.0, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0),
        max_length=32,
        description="seconds after ADL at which what it took is valued again, rising",
    )
    counterfactual: Name = Field(
        "none", description="policy of the other world that ADL is held against"
    )
    counterfactual_of_first_runs: Whole = Field(
        8,
        ge=0,
        le=100_000_000,
        description="number of runs that are forked and run again under that policy",
    )
    lights_every_s: Real = Field(
        60.0,
        ge=0.1,
        le=LARGEST,
        description="how often accounts are shown where they stand in ADL, s",
    )
    nudges_of_first_runs: Whole = Field(
        8,
        ge=0,
        le=100_000_000,
        description="number of runs whose first wave is put to policies again, nudged",
    )
    extremes: Flag = Field(
        False, description="write how bad each market got, of every run (see `adl stress`)"
    )
    moments: Flag = Field(
        False, description="write the moments of every run (see `adl calibrate`)"
    )

    def _faults(self) -> Iterable[Fault]:
        return checks.of_outputs(self)


class Scenario(Part):
    """A whole scenario: the market, the crowd, the venue, the rules and the plan."""

    name: Name = Field(description="names the run folder")
    description: Text = Field("", max_length=10_000, description="what it is for")
    time: Time = Field(Time(), description="duration and step")
    markets: dict[Name, Market] = Field(
        min_length=1, max_length=2000, description="the named markets"
    )
    market_tail: MarketTail = Field(MarketTail(), description="many small markets at once")
    oracle: Oracle = Field(Oracle(), description="how index prices move")
    mark: Mark = Field(Mark(), description="how positions are marked")
    makers: Makers = Field(Makers(), description="how makers quote")
    shocks: tuple[Shock, ...] = Field(
        (), max_length=10_000, description="scripted moves of the index"
    )
    population: Population = Field(Population(), description="who is there")
    kinds: dict[Name, Kind] = Field(
        min_length=1, max_length=100, description="kinds of traders and their habits"
    )
    venue: Venue = Field(Venue(), description="the venue's rules and purse")
    policies: dict[Name, Policy] = Field(
        {}, max_length=256, description="ADL rules by name"
    )
    strategies: dict[Name, dict[str, Any]] = Field(
        {}, max_length=256, description="what traders may do about the rule, by name"
    )
    gaming: Gaming = Field(Gaming(), description="who plays which strategy")
    retention: Retention = Field(Retention(), description="what haircuts cost later")
    episodes: Episodes = Field(Episodes(), description="crashes one after the other")
    run: Run = Field(Run(), description="the Monte Carlo plan")
    outputs: Outputs = Field(Outputs(), description="what is written")

    def _faults(self) -> Iterable[Fault]:
        yield from checks.of_scenario(self, BUILT_IN_POLICIES)
        yield from checks.of_gaming(self, BUILT_IN_STRATEGIES)

    @property
    def tail_template(self) -> Market:
        """The market that those of the tail are like."""
        return self.market_tail.template or next(reversed(self.markets.values()))

    def market_names(self) -> list[str]:
        """Names of all markets, in the order of :meth:`all_markets`."""
        tail = self.market_tail
        return [*self.markets, *(tail.name(rank) for rank in range(1, tail.count + 1))]

    def all_markets(self) -> dict[str, Market]:
        """Named markets and those of the tail, by name, in a fixed order."""
        tail, template = self.market_tail, self.tail_template
        found = dict(self.markets)
        for rank in range(1, tail.count + 1):
            sizes = {
                "weight": tail.weight(rank),
                "popularity": tail.popularity(rank),
                "depth_usd": tail.depth_usd(rank),
            }
            found[tail.name(rank)] = template.model_copy(update=sizes)
        if (scale := self.makers.depth_scale) == 1.0:
            return found
        return {
            name: market.model_copy(update={"depth_usd": scale * market.depth_usd})
            for name, market in found.items()
        }

    def played_tables(self) -> dict[str, dict[str, Any]]:
        """The tables of the strategies that are played, by name; empty without one."""
        return {name: self.strategies.get(name, {}) for name in self.gaming.play}

    def resolved(self) -> dict[str, Any]:
        """The scenario as plain nested tables, with every default filled in.

        Read again by :func:`from_mapping` it gives an equal scenario. The order of markets
        and kinds is part of it: random draws go by their place.
        """
        tables = self.model_dump(mode="json", exclude_none=True)
        for policy in tables["policies"].values():
            policy.update({part: _sorted(answer) for part, answer in policy.items()})
        tables["strategies"] = {
            name: _sorted(table) for name, table in tables["strategies"].items()
        }
        return tables

    def sha256(self) -> str:
        """SHA-256 of :meth:`resolved` as JSON without spaces, in hexadecimal."""
        text = json.dumps(self.resolved(), separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _sorted(answer: Any) -> Any:
    """Free tables with their keys in alphabetical order: there, order means nothing."""
    if isinstance(answer, dict):
        return {key: _sorted(answer[key]) for key in sorted(answer)}
    if isinstance(answer, list):
        return [_sorted(below) for below in answer]
    return answer


def load(path: str | Path, overrides: Iterable[str] = ()) -> Scenario:
    """Load a scenario file, what it extends, and overrides such as ``run.runs=4``.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    document = reduce(loading.override, overrides, loading.read(Path(path)))
    return loading.check(Scenario, document)


def read(path: str | Path) -> dict[str, Any]:
    """A file as nested mappings, laid over what it extends; not checked any further.

    Raises
    ------
    ScenarioError
        If a file is missing, is no TOML, or extends itself.
    """
    return dict(loading.read(Path(path)).data)


def from_mapping(
    data: Mapping[str, Any], overrides: Iterable[str] = (), source: str = "scenario"
) -> Scenario:
    """Check a scenario given as nested mappings; errors as :func:`load`."""
    document = reduce(loading.override, overrides, loading.given(data, source))
    return loading.check(Scenario, document)
