"""What a scenario may say, and how it is loaded, combined and checked.

A scenario is a TOML file. It may extend others (``extends = "base.toml"``), and single
values may be overridden (``venue.insurance_usd=5e6``). Whatever is wrong with it is
reported in one line that names the file, the key, the value and what would be right.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from abm import units


class ScenarioError(ValueError):
    """A scenario that cannot be run; the message is one line for a person."""


class _Part(BaseModel):
    """Base of all parts: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]


class Time(_Part):
    """How long the market runs, and how finely."""

    duration_s: Annotated[float, Field(gt=0.0, le=31 * 86_400)] = 720.0
    step_s: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0

    @model_validator(mode="after")
    def _whole(self) -> Time:
        if abs(self.step_s * 1000 - round(self.step_s * 1000)) > 1e-9:
            raise ValueError("step_s must be a whole number of milliseconds")
        if self.duration_s < self.step_s:
            raise ValueError("duration_s must be at least step_s")
        return self

    @property
    def step_ms(self) -> int:
        """Length of a step in milliseconds."""
        return round(self.step_s * 1000)

    @property
    def steps(self) -> int:
        """Number of steps in a run."""
        return int(self.duration_s * 1000 // self.step_ms)


class Tier(_Part):
    """A margin tier: from this notional on, no more than this leverage."""

    notional_usd: NotNegative
    max_leverage: Annotated[float, Field(ge=1.0, le=1000.0)]


class Market(_Part):
    """One perpetual contract: its units, its margin tiers, its book and its price."""

    tick_usd: Positive
    lot: Positive
    start_usd: Positive
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=16)]
    maintenance_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    weight: NotNegative = 1.0
    depth_usd: Positive
    half_spread_bps: Positive = 1.0
    makers: Annotated[int, Field(ge=1, le=64)] = 5
    daily_volatility: NotNegative = 0.04
    beta: float = 1.0
    entry_mean: float = 0.0
    entry_sd: NotNegative = 0.1

    @model_validator(mode="after")
    def _units_fit(self) -> Market:
        unit = self.tick_usd * self.lot * units.QUANTA_PER_USD
        if round(unit) < 1 or abs(unit - round(unit)) > 1e-6 * unit:
            raise ValueError(
                f"tick_usd * lot must be a whole number of micro-dollars, not {unit:.6g}"
            )
        ticks = self.start_usd / self.tick_usd
        if not 20 <= ticks <= 2**24:
            raise ValueError(
                f"start_usd must be 20 to 16777216 ticks, not {ticks:.6g}"
            )
        floors = [tier.notional_usd for tier in self.tiers]
        if floors[0] != 0.0 or any(b <= a for a, b in zip(floors, floors[1:], strict=False)):
            raise ValueError("tiers must start at notional_usd = 0 and rise")
        leverages = [tier.max_leverage for tier in self.tiers]
        if any(b > a for a, b in zip(leverages, leverages[1:], strict=False)):
            raise ValueError("max_leverage must not rise from tier to tier")
        return self

    @property
    def unit(self) -> int:
        """Quanta in one tick times one lot."""
        return round(self.tick_usd * self.lot * units.QUANTA_PER_USD)

    @property
    def start_tick(self) -> int:
        """Price at the start in ticks."""
        return round(self.start_usd / self.tick_usd)


class MarketTail(_Part):
    """Many small markets at once, whose sizes fall off as a power of their rank."""

    count: Annotated[int, Field(ge=0, le=2000)] = 0
    exponent: Positive = 1.6
    first_weight: Positive = 1.0
    first_depth_usd: Positive = 1e5
    least_depth_usd: Positive = 500.0
    prefix: Name = "ALT"
    template: Market | None = None


class Oracle(_Part):
    """How index prices move.

    The log-return of market i over dt is ``sigma_i e^v sqrt(dt) (rho_i F + sqrt(1 -
    rho_i^2) Z_i)`` with Student-t factor F and noise Z_i of unit variance, v a common
    mean-reverting log-volatility, plus jumps, scripted shocks and feedback.
    """

    degrees: Annotated[float, Field(gt=2.0, le=1e6)] = 4.0
    factor_share: Share = 0.6
    log_volatility_sd: NotNegative = 0.4
    log_volatility_halflife_s: Positive = 900.0
    excitation: NotNegative = 0.0
    jumps_per_day: NotNegative = 0.0
    jump_mean: float = 0.0
    jump_sd: NotNegative = 0.02
    feedback: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    feedback_halflife_s: Positive = 60.0


class Shock(_Part):
    """A scripted move of the index: `log_return` spread evenly over `duration_s`.

    In each run the size is multiplied by a lognormal factor of mean one whose logarithm
    has standard deviation `spread`.
    """

    market: str = "all"
    start_s: NotNegative
    duration_s: NotNegative = 0.0
    log_return: Annotated[float, Field(ge=-5.0, le=2.0)]
    spread: Annotated[float, Field(ge=0.0, le=3.0)] = 0.0


class Mark(_Part):
    """The mark price: median of index, index plus average basis, and the book."""

    rule: Literal["median", "index", "book"] = "median"
    basis_halflife_s: Positive = 150.0


class Makers(_Part):
    """How makers quote, fear, leave and return.

    Cumulative depth within distance x of the middle grows as ``x ** depth_exponent``.
    """

    levels: Annotated[int, Field(ge=1, le=64)] = 10
    reach: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.08
    depth_exponent: Positive = 1.16
    size_tail: Annotated[float, Field(gt=0.0)] = 1.2
    capital_of_depth: Positive = 3.0
    inventory_limit: Positive = 2.0
    skew: NotNegative = 1.0
    fear_halflife_s: Positive = 30.0
    thinning: NotNegative = 1.0
    widening: NotNegative = 0.5
    max_thinning: Annotated[float, Field(ge=1.0)] = 600.0
    exit_fear: Annotated[float, Field(ge=1.0)] = 8.0
    exit_rate_per_s: NotNegative = 0.05
    exit_loss: Share = 0.3
    return_halflife_s: Positive = 120.0
    requote_s: Positive = 1.0


class Kind(_Part):
    """One kind of trader: a row of parameters over the habits that all share."""

    share: Share
    size: Literal["any", "largest"] = "any"
    leverage_factor: Positive = 1.0
    max_leverage: Positive = 50.0
    long_share: Share = 0.5
    holds_position: Share = 1.0
    act_mean_s: Positive = 600.0
    stress_haste: NotNegative = 0.0
    trend: float = 0.0
    market_order_share: Share = 0.5
    limit_offset_bps: Positive = 10.0
    turnover: Annotated[float, Field(ge=0.0, le=2.0)] = 0.1
    flip_share: Share = 0.0
    comfort: Annotated[float, Field(ge=1.0)] = 1.5
    top_up_share: Share = 0.05
    cut_share: Share = 0.1
    cut_size: Share = 0.5
    stop_loss: Positive = 10.0
    rebuild_share: Share = 0.05
    rebuild_latency_log_mean: float = 5.39
    rebuild_latency_log_sd: NotNegative = 1.8
    rebuild_size: Share = 0.4
    leave_hazard: NotNegative = 5.0


class Population(_Part):
    """Who is there: how many accounts, how rich, how levered, in which markets.

    Equity is lognormal in the body with a truncated Pareto tail; log leverage is normal,
    falling with log equity.
    """

    accounts: Annotated[int, Field(ge=2, le=5_000_000)] = 10_000
    positions: Annotated[int, Field(ge=1, le=20_000_000)] = 5_000
    equity_median_usd: Positive = 910.0
    equity_log_sd: NotNegative = 2.7
    equity_tail_exponent: Annotated[float, Field(gt=0.0, le=10.0)] = 0.76
    equity_tail_from_usd: Positive = 140_000.0
    equity_cap_usd: Positive = 300e6
    leverage_median: Positive = 0.65
    leverage_log_sd: NotNegative = 1.6
    leverage_equity_slope: float = -0.18
    more_markets_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    small_account_tilt: Share = 0.5
    isolated_share: Share = 0.0


class Rung(_Part):
    """One rung of the liquidation ladder.

    * ``book``: close through the order book, `share` of the position first if it is
      above `above_usd`, the rest after `cooldown_s`; `price` says how bad it may get
      (`slippage` from the mark, the bankruptcy price, or the fillable price of dYdX v4
      with its `spread`); not tried below `down_to` times maintenance.
    * ``backstop``: the vault takes over position and margin below `below` times
      maintenance, on a clock of `tick_s`.
    * ``insurance``: the fund takes the position over at its bankruptcy price
      (``mode = "takeover"``) or pays what an account without positions owes
      (``mode = "pay"``).
    * ``socialise``: bad debt up to `max(up_to_usd, up_to_open_interest * open interest)`
      is charged to the other side per contract.
    * ``wave``: what is still short goes to ADL on a clock of `tick_s`.
    """

    rung: Literal["book", "backstop", "insurance", "socialise", "wave"]
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    above_usd: NotNegative = 0.0
    cooldown_s: NotNegative = 0.0
    until: Literal["flat", "initial", "maintenance"] = "flat"
    price: Literal["market", "bankruptcy", "fillable"] = "market"
    slippage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    spread: NotNegative = 1.5
    down_to: Share = 0.0
    below: Share = 1.0
    mode: Literal["takeover", "pay"] = "pay"
    up_to_usd: NotNegative = 0.0
    up_to_open_interest: Share = 0.0
    tick_s: NotNegative = 0.0


class Venue(_Part):
    """The venue's own rules and purse."""

    ladder: Literal["hyperliquid", "binance", "bitmex", "dydx-v4", "aftermath"] | tuple[
        Rung, ...
    ] = "hyperliquid"
    vault_usd: NotNegative = 0.0
    vault_unwind_per_s: Share = 0.0
    insurance_usd: NotNegative = 0.0
    taker_fee_bps: Annotated[float, Field(ge=0.0, le=1000.0)] = 4.5
    maker_fee_bps: Annotated[float, Field(ge=-100.0, le=1000.0)] = 1.5
    liquidation_fee_bps: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    fees_to_insurance: Share = 0.0
    funding_interval_s: Annotated[float, Field(gt=0.0)] = 3600.0
    funding_interest_per_8h: float = 1e-4
    funding_cap_per_hour: NotNegative = 0.04
    self_trade: Literal["cancel-resting", "cancel-incoming", "allow"] = "cancel-resting"

    @model_validator(mode="after")
    def _maker_rebate_is_paid(self) -> Venue:
        if self.maker_fee_bps + self.taker_fee_bps < 0:
            raise ValueError("maker_fee_bps + taker_fee_bps must not be negative")
        return self


class Policy(_Part):
    """An ADL rule: a preset by name, or one answer to each of the six questions."""

    preset: str | None = None
    trigger: dict[str, Any] | str | None = None
    severity: dict[str, Any] | str | None = None
    eligibility: dict[str, Any] | str | None = None
    seniority: dict[str, Any] | str | None = None
    allocation: dict[str, Any] | str | None = None
    settlement: dict[str, Any] | str | None = None


class Run(_Part):
    """The Monte Carlo plan."""

    runs: Annotated[int, Field(ge=1, le=100_000_000)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    policies: Annotated[tuple[Name, ...], Field(min_length=1)] = (
        "hyperliquid",
        "pro-rata",
        "none",
    )
    wave_gap_s: Positive = 5.0
    block: Annotated[int, Field(ge=1, le=100_000)] = 8


class Outputs(_Part):
    """What is written besides the tables that every batch has."""

    paths_of_first_runs: Annotated[int, Field(ge=0)] = 4
    path_interval_s: Positive = 1.0
    figures: bool = True
    audit: bool = True


class Scenario(_Part):
    """A whole scenario: the market, the crowd, the venue, the rules and the plan."""

    name: Name
    description: str = ""
    time: Time = Time()
    markets: Annotated[dict[Name, Market], Field(min_length=1, max_length=2000)]
    market_tail: MarketTail = MarketTail()
    oracle: Oracle = Oracle()
    mark: Mark = Mark()
    makers: Makers = Makers()
    shocks: tuple[Shock, ...] = ()
    population: Population = Population()
    kinds: Annotated[dict[Name, Kind], Field(min_length=1, max_length=100)]
    venue: Venue = Venue()
    policies: dict[Name, Policy] = {}
    run: Run = Run()
    outputs: Outputs = Outputs()

    def resolved(self) -> dict[str, Any]:
        """Plain nested mappings of everything, defaults filled in."""
        return self.model_dump(mode="json", exclude_none=True)

    def sha256(self) -> str:
        """Hash of the resolved scenario, the same for equal scenarios."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def all_markets(self) -> dict[str, Market]:
        """Named markets and those of the tail, by name, in a fixed order."""
        tail = self.market_tail
        found = dict(self.markets)
        for rank in range(1, tail.count + 1):
            template = tail.template or next(reversed(self.markets.values()))
            scale = rank**-tail.exponent
            found[f"{tail.prefix}{rank:03d}"] = template.model_copy(
                update={
                    "weight": tail.first_weight * scale,
                    "depth_usd": max(tail.first_depth_usd * scale, tail.least_depth_usd),
                }
            )
        return found


def load(path: str | Path, overrides: Iterable[str] = ()) -> Scenario:
    """Load a scenario file, what it extends, and overrides such as ``run.runs=4``.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    return from_mapping(read(path), overrides, source=str(path))


def read(path: str | Path) -> dict[str, Any]:
    """A file as nested mappings, laid over what it extends; not checked any further.

    Raises
    ------
    ScenarioError
        If a file is missing, is no TOML, or extends itself.
    """
    return _read(Path(path), ())


def from_mapping(
    data: Mapping[str, Any], overrides: Iterable[str] = (), source: str = "scenario"
) -> Scenario:
    """Check a scenario given as nested mappings; errors as :func:`load`."""
    merged = dict(data)
    for text in overrides:
        merged = _merge(merged, _parse_override(text))
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise ScenarioError(_one_line(source, error)) from None


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Read a file and what it extends, nearest last."""
    if path.resolve() in seen:
        raise ScenarioError(f"{path}: extends: the files extend each other in a circle")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read as text: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from None
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str):
        raise ScenarioError(f"{path}: extends = {parent!r}: must be the path of a scenario file")
    return _merge(_read(path.parent / parent, (*seen, path.resolve())), data)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of tables over another; lists and values are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _parse_override(text: str) -> dict[str, Any]:
    """``a.b=3`` as ``{"a": {"b": 3}}``; a value that is no TOML is taken as text."""
    key, separator, value = text.partition("=")
    if not separator or not all(key.strip().split(".")):
        raise ScenarioError(f"--set {text}: must be key=value, such as run.runs=4")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def _one_line(source: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "scenario"
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = "" if isinstance(given, Mapping) else f" = {given!r}"
    return f"{source}: {where}{shown}: {message}"
