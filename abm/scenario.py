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
from typing import Annotated, Any, Literal

from pydantic import Field

from abm import checks, loading, units
from abm.faults import LARGEST, Fault
from abm.fields import (
    Dollars,
    Flag,
    Name,
    NotNegative,
    Number,
    Part,
    Positive,
    Real,
    Share,
    Text,
    Whole,
)
from abm.lasting import Episodes, Retention
from abm.loading import ScenarioError
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


class Tier(Part):
    """A margin tier: from this notional on, no more than this leverage."""

    notional_usd: NotNegative = Field(description="notional at which the tier begins, USD")
    max_leverage: Real = Field(
        ge=1.0, le=1000.0, description="most notional per unit of equity within the tier"
    )


class Market(Part):
    """One perpetual contract: its units, its margin tiers, its book and its price.

    Entries of open positions scatter about the start price:
    ``exp(entry_mean + entry_sd * Z)``. A market of no weight is held by nobody.
    """

    tick_usd: Positive = Field(description="price step, USD")
    lot: Positive = Field(description="size step, units of the asset")
    start_usd: Positive = Field(description="price at the start, USD")
    tiers: tuple[Tier, ...] = Field(
        min_length=1, max_length=16, description="margin tiers by rising notional"
    )
    maintenance_share: Real = Field(
        0.5, gt=0.0, lt=1.0, description="maintenance margin as a share of initial margin"
    )
    weight: NotNegative = Field(
        1.0, description="part of the open interest, relative to the other markets"
    )
    popularity: NotNegative | None = Field(
        None, description="part of positions by number; the root of weight if left out"
    )
    depth_usd: Dollars = Field(
        description="quoted within 1% of the middle a side when calm, USD"
    )
    half_spread_bps: Real = Field(
        1.0,
        gt=0.0,
        le=5000.0,
        description="half the calm spread, basis points of the price",
    )
    makers: Whole = Field(5, ge=1, le=64, description="number of market makers")
    daily_volatility: Real = Field(
        0.04, ge=0.0, le=10.0, description="standard deviation of a calm day's log-return"
    )
    beta: Real = Field(
        1.0,
        ge=-20.0,
        le=20.0,
        description="share of a shock to all markets that comes here",
    )
    entry_mean: Real = Field(
        0.0, ge=-3.0, le=3.0, description="mean of log(entry price / start price)"
    )
    entry_sd: Real = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="standard deviation of log(entry price / start price)",
    )

    def _faults(self) -> Iterable[Fault]:
        return checks.of_market(self)

    @property
    def unit(self) -> int:
        """Quanta in one tick times one lot."""
        return round(self.tick_usd * self.lot * units.QUANTA_PER_USD)

    @property
    def taste(self) -> float:
        """Popularity, given or by default; zero for a market of no weight."""
        if self.weight == 0.0:
            return 0.0
        return float(self.weight**0.5 if self.popularity is None else self.popularity)

    @property
    def start_tick(self) -> int:
        """Price at the start in ticks."""
        return round(self.start_usd / self.tick_usd)


class MarketTail(Part):
    """Many small markets at once, whose sizes fall off as a power of their rank."""

    count: Whole = Field(0, ge=0, le=2000, description="number of markets in the tail")
    exponent: Real = Field(
        1.6, gt=0.0, le=100.0, description="power of the rank by which they fall"
    )
    first_weight: Positive = Field(1.0, description="weight of the first, see markets")
    first_popularity: Positive | None = Field(
        None, description="popularity of the first, see markets"
    )
    first_depth_usd: Dollars = Field(1e5, description="depth of the first, USD")
    least_depth_usd: Dollars = Field(500.0, description="depth that none falls below, USD")
    prefix: Name = Field("ALT", description="what their names begin with; the rank follows")
    template: Market | None = Field(
        None, description="all else about them; the last of [markets] if left out"
    )

    def name(self, rank: int) -> str:
        """Name of the market of a rank (1 is the first)."""
        return f"{self.prefix}{rank:03d}"

    def weight(self, rank: int) -> float:
        """Weight of the market of a rank."""
        return float(self.first_weight * rank**-self.exponent)

    def popularity(self, rank: int) -> float | None:
        """Popularity of the market of a rank, None where it follows from the weight."""
        first = self.first_popularity
        return None if first is None else float(first * rank**-self.exponent)

    def depth_usd(self, rank: int) -> float:
        """Depth of the market of a rank in USD."""
        return float(max(self.first_depth_usd * rank**-self.exponent, self.least_depth_usd))


class Kind(Part):
    """One kind of trader: a row of parameters over the habits that all share."""

    share: Share = Field(description="share of accounts; all kinds together make 1")
    size: Literal["any", "largest"] = Field(
        "any", description="which accounts: any, or the largest by equity"
    )
    equity_factor: Real = Field(
        1.0, gt=0.0, le=1000.0, description="multiple of the population's equity"
    )
    leverage_factor: Real = Field(
        1.0, gt=0.0, le=1000.0, description="multiple of the population's leverage"
    )
    leverage_log_sd: Real | None = Field(
        None, ge=0.0, le=5.0, description="of this kind; the population's if left out"
    )
    max_leverage: Real = Field(
        50.0, gt=0.0, le=1000.0, description="most leverage at the start"
    )
    long_share: Share = Field(0.5, description="share of positions that are long")
    holds_position: Share = Field(
        1.0, description="how likely to hold one, relative to others"
    )
    act_mean_s: Positive = Field(
        600.0, description="mean time between actions when calm, s"
    )
    stress_haste: NotNegative = Field(
        0.0, description="speeding up per unit of fear above 1"
    )
    trend: Number = Field(0.0, description="how much it follows (+) or fades (-) the trend")
    market_order_share: Share = Field(
        0.5, description="share of orders that are market orders"
    )
    limit_offset_bps: Positive = Field(
        10.0, description="mean distance of limit orders from the mark, basis points"
    )
    turnover: Real = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="mean size of an order, share of the position it would like",
    )
    flip_share: Share = Field(
        0.0, description="share of actions that close or turn the position"
    )
    comfort: Real = Field(
        1.5,
        ge=1.0,
        le=100.0,
        description="equity below which it defends itself, in maintenance margins",
    )
    top_up_share: Share = Field(
        0.05, description="chance to add collateral when it defends"
    )
    cut_share: Share = Field(0.1, description="chance to cut the position when it defends")
    cut_size: Share = Field(0.5, description="share of the position that it cuts")
    stop_loss: Positive = Field(
        10.0, description="loss at which it closes, share of the cost"
    )
    rebuild_share: Share = Field(
        0.05, description="chance to rebuild what ADL has closed, if that was 1,000 USD"
    )
    rebuild_notional_slope: Real = Field(
        0.0,
        ge=-2.0,
        le=2.0,
        description="power of the notional closed by which those odds grow",
    )
    rebuild_latency_log_mean: Number = Field(
        5.39, description="mean of the log of the seconds until it rebuilds or leaves"
    )
    rebuild_latency_log_sd: NotNegative = Field(
        1.8, description="standard deviation of the log of those seconds"
    )
    rebuild_size: Share = Field(
        0.4, description="share of what was closed that it rebuilds"
    )
    rebuild_orders: Whole = Field(
        1, ge=1, le=1000, description="orders of equal size in which it does"
    )
    rebuild_pause_s: Positive = Field(30.0, description="mean time between these, s")
    sits_out: Flag = Field(
        False,
        description="once ADL has closed all it held, it does nothing unless it rebuilds",
    )
    leave_hazard: NotNegative = Field(
        5.0,
        description="beta of the chance to leave, 1 - exp(-beta * share of capacity taken)",
    )


class Population(Part):
    """Who is there: how many accounts, how rich, how levered, in which markets.

    * Equity is lognormal below `equity_tail_from_usd`; `equity_tail_share` of accounts
      are above it, in a Pareto tail. It is cut off at `equity_cap_usd`, or sooner, where
      one account would be worth more than `largest_share` of `positions` average ones:
      so a venue scaled down keeps the shape of the whole. Accounts without a position
      have `idle_equity_share` of it.
    * Log leverage is Student's with `leverage_degrees` of freedom (the fewer, the heavier
      both tails; normal by default) and scale `leverage_log_sd`. At an equity below
      `leverage_slope_below_usd` it goes with ``equity ** leverage_equity_slope``.
      `token_share` of the traders hold little more than a token, `token_leverage`. No
      position is opened below `least_position_usd`.
    * A holder has another market with odds ``more_markets_share / (1 - ...)``, which
      grow with equity to the power `more_markets_slope`. Small positions choose
      markets by popularity, those far above `large_position_usd` by weight; the more
      levered prefer markets that allow more leverage (`leverage_pull`), and nobody wants
      much more than `market_room` of a market's open interest. `mixed_share` of
      positions go against their holder's side.
    * The more levered have younger positions: how far entries lie from the start price
      goes with ``leverage ** entry_leverage_slope``.
    * `isolated_share` of positions have a margin account of their own.
    """

    accounts: Whole = Field(10_000, ge=2, le=5_000_000, description="number of traders")
    positions: Whole = Field(
        5_000, ge=1, le=20_000_000, description="number of open positions at the start"
    )
    equity_median_usd: Dollars = Field(910.0, description="median equity of the body, USD")
    equity_log_sd: Real = Field(
        2.7, ge=0.0, le=10.0, description="standard deviation of log equity in the body"
    )
    equity_tail_exponent: Real = Field(
        0.76, ge=0.01, le=10.0, description="Pareto exponent of the tail"
    )
    equity_tail_share: Real = Field(
        0.05, ge=0.0, lt=1.0, description="share of accounts in the tail"
    )
    equity_tail_from_usd: Dollars = Field(
        140_000.0, description="where the tail begins, USD"
    )
    equity_cap_usd: Dollars = Field(300e6, description="largest equity, USD")
    largest_share: Real = Field(
        1.0, gt=0.0, le=1.0, description="most that one account is of the whole equity"
    )
    idle_equity_share: Real = Field(
        0.05,
        gt=1e-6,
        le=1.0,
        description="equity of who holds nothing, share of the others'",
    )
    leverage_median: Positive = Field(
        0.65, description="median leverage, but for small accounts"
    )
    leverage_log_sd: Real = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="scale of log leverage at given equity",
    )
    leverage_degrees: Real = Field(
        LARGEST, ge=1.0, le=LARGEST, description="degrees of freedom of log leverage"
    )
    leverage_equity_slope: Real = Field(
        -0.1, ge=-2.0, le=2.0, description="rise of log leverage per unit of log equity"
    )
    leverage_slope_below_usd: Dollars = Field(
        910.0, description="equity below which leverage depends on it, USD"
    )
    token_share: Share = Field(
        0.07, description="share of traders who hold little more than a token"
    )
    token_leverage: Real = Field(
        0.01, ge=1e-6, le=100.0, description="median leverage of those"
    )
    least_position_usd: Dollars = Field(10.0, description="smallest position, USD")
    more_markets_share: Real = Field(
        0.3,
        ge=0.0,
        lt=1.0,
        description="chance of a further market for whoever holds a position",
    )
    more_markets_slope: Real = Field(
        0.1, ge=0.0, le=1.0, description="power of equity by which those odds grow"
    )
    leverage_pull: Real = Field(
        0.3, ge=0.0, le=2.0, description="pull of markets that allow more leverage"
    )
    large_position_usd: Dollars = Field(
        50_000.0, description="size from which weight, not popularity, chooses markets, USD"
    )
    market_room: Real = Field(
        0.1,
        gt=1e-6,
        le=100.0,
        description="part of a market's open interest that one wants",
    )
    entry_leverage_slope: Real = Field(
        -0.2, ge=-1.0, le=0.0, description="power of leverage by which entries spread"
    )
    mixed_share: Share = Field(
        0.1, description="share of positions against their holder's side"
    )
    isolated_share: Share = Field(
        0.0, description="share of positions with isolated margin"
    )


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
