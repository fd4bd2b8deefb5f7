"""How large the world of a scenario is: its memory, and the money that it must count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from abm.faults import Fault, Key
from abm.units import QUANTA_PER_USD

if TYPE_CHECKING:
    from abm.scenario import Market, Population, Scenario

GRID_HEADROOM = 4
"""Highest price on a market's grid, in prices at the start."""
MOST_USD = 2**62 / QUANTA_PER_USD
"""Half of what an int64 holds, so that a difference of two such sums fits as well."""
MOST_BYTES = 64e9

_POINTS = 1000
"""Points on either side of the median at which a law is evaluated."""
_DEVIATIONS = 6.0
"""Standard deviations by which a sum of random money may exceed its mean."""

# Bytes of a world's arrays by what makes them longer, room to grow included.
_TICK_BYTES = 24.2
_QUOTE_BYTES = 288.0
_ACCOUNT_BYTES = 290.0
_POSITION_BYTES = 80.0


def faults(scenario: Scenario) -> Iterator[Fault]:
    """What makes a scenario too large to hold, or too rich for 64-bit money.

    Each fault names the key that contributes most.
    """
    memory = bytes_by_key(scenario)
    needed = 2.0 * sum(memory.values())
    if needed > MOST_BYTES:
        yield _blame(
            memory,
            scenario,
            f"asks for too much memory: a world and its fork would take {needed / 1e9:.3g} "
            f"GB, must be at most {MOST_BYTES / 1e9:.3g} GB",
        )
    money = usd_by_key(scenario)
    total = sum(money.values())
    if total >= MOST_USD:
        yield _blame(
            money,
            scenario,
            f"would overflow 64-bit money: sums could reach {_usd(total)}, must stay below "
            f"{_usd(MOST_USD)}",
        )


def bytes_by_key(scenario: Scenario) -> dict[Key, float]:
    """Bytes that one world takes, by the key that asks for them."""
    population, levels = scenario.population, scenario.makers.levels

    def of_market(market: Market) -> float:
        ticks = GRID_HEADROOM * market.start_tick
        return ticks * _TICK_BYTES + market.makers * levels * _QUOTE_BYTES

    found: dict[Key, float] = {
        ("markets", name, "tick_usd"): of_market(market)
        for name, market in scenario.markets.items()
    }
    tail = scenario.market_tail
    found["market_tail", "count"] = tail.count * of_market(scenario.tail_template)
    found["population", "accounts"] = population.accounts * _ACCOUNT_BYTES
    found["population", "positions"] = population.positions * _POSITION_BYTES
    per_newcomer = population.accounts * _ACCOUNT_BYTES
    per_newcomer += population.positions * _POSITION_BYTES
    found["episodes", "newcomers_per_day"] = (
        _newcomers(scenario) * per_newcomer / population.accounts
    )
    return found


def _newcomers(scenario: Scenario) -> float:
    """How many accounts arrive after the first episode, on average."""
    episodes = scenario.episodes
    return (episodes.count - 1) * episodes.calm_days * episodes.newcomers_per_day


def usd_by_key(scenario: Scenario) -> dict[Key, float]:
    """USD that sums of money may reach, by the key that brings them in.

    Positions count at the top of the price grid, or at what they cost if that may be
    more; the largest single position at the leverage cap.
    """
    makers, venue = scenario.makers, scenario.venue
    usual, most = _leverages(scenario)
    markets = scenario.markets.values()
    cost = max(math.exp(m.entry_mean + 0.5 * m.entry_sd**2) for m in markets)
    worst = max(math.exp(m.entry_mean + _DEVIATIONS * m.entry_sd) for m in markets)
    capital = makers.capital_of_depth * max(1.0, makers.inventory_limit)
    ladder = (makers.reach / 0.01) ** makers.depth_exponent
    of_depth = GRID_HEADROOM * makers.depth_scale * max(1.0, capital, ladder)
    found: dict[Key, float] = {
        ("markets", name, "depth_usd"): of_depth * market.depth_usd
        for name, market in scenario.markets.items()
    }
    tail = scenario.market_tail
    found["market_tail", "first_depth_usd"] = of_depth * sum(
        tail.depth_usd(rank) for rank in range(1, tail.count + 1)
    )
    found["population", "accounts"] = (
        _likely_most(scenario.population) * usual * max(cost, GRID_HEADROOM)
    )
    newcomers = _newcomers(scenario) / scenario.population.accounts
    found["episodes", "newcomers_per_day"] = found["population", "accounts"] * newcomers
    found["population", "equity_cap_usd"] = (
        scenario.population.equity_cap_usd * most * max(worst, GRID_HEADROOM)
    )
    found["venue", "vault_usd"] = venue.vault_usd
    found["venue", "insurance_usd"] = venue.insurance_usd
    return found


def mean_equity_usd(population: Population, cap_usd: float | None = None) -> float:
    """Mean equity of an account that holds positions, before any is cut for its size.

    A lognormal body, truncated where the tail begins, and a Pareto tail, truncated at
    `cap_usd` (the population's `equity_cap_usd` if left out).
    """
    high = population.equity_cap_usd if cap_usd is None else cap_usd
    low = min(population.equity_tail_from_usd, high)
    median, sd = population.equity_median_usd, population.equity_log_sd
    body = min(median, low)
    if sd > 0.0:
        z = math.log(low / median) / sd
        below = _normal(z)
        partial = median * math.exp(0.5 * sd**2) * _normal(z - sd)
        body = min(partial / below, low) if below > 0.0 else low
    share = population.equity_tail_share
    return (1.0 - share) * body + share * _pareto_mean(low, high, population)


def _pareto_mean(low: float, high: float, population: Population) -> float:
    """Mean of a Pareto variate truncated to [low, high]."""
    a, span = population.equity_tail_exponent, math.log(high / low)
    if span < 1e-9:
        return low
    rest = math.expm1((1.0 - a) * span) / (1.0 - a) if a != 1.0 else span
    return low * a * rest / -math.expm1(-a * span)


def _normal(z: float) -> float:
    """Distribution function of the standard normal."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _likely_most(population: Population) -> float:
    """USD that all accounts together hold at most, but for a vanishing chance.

    Equity lies between 0 and the cap C, so its variance is at most C times its mean.
    """
    total = population.accounts * mean_equity_usd(population)
    cap = population.equity_cap_usd
    return min(total + _DEVIATIONS * math.sqrt(total * cap), population.accounts * cap)


def _leverages(scenario: Scenario) -> tuple[float, float]:
    """Usual leverage, weighted by equity, and the most that anybody can have."""
    population, kinds = scenario.population, scenario.kinds.values()
    allowed = max(m.tiers[0].max_leverage for m in scenario.markets.values())
    most = min(allowed, max(kind.max_leverage for kind in kinds))
    factor = max(
        sum(kind.share * kind.leverage_factor * kind.equity_factor for kind in kinds),
        *(k.leverage_factor * k.equity_factor for k in kinds if k.size == "largest"),
        0.0,
    )
    widest = population.equity_cap_usd / population.equity_median_usd
    of_the_rich = widest ** max(0.0, population.leverage_equity_slope)
    sd = max(kind.leverage_log_sd or population.leverage_log_sd for kind in kinds)
    mean = _mean_leverage(population.leverage_median, sd, population.leverage_degrees, most)
    return min(mean * of_the_rich * factor, most), most


@lru_cache(maxsize=64)
def _mean_leverage(median: float, sd: float, degrees: float, most: float) -> float:
    """Mean of ``min(median * exp(sd * T), most)`` with T Student's.

    Numerically: T = sinh(x) puts points where the law has its weight, far tails included.
    """
    whole = above = 0.0
    for i in range(-_POINTS, _POINTS + 1):
        x = 12.0 * i / _POINTS
        t = math.sinh(x)
        density = math.exp(-0.5 * (degrees + 1.0) * math.log1p(t * t / degrees))
        weight = density * math.cosh(x)
        whole += weight
        above += weight * math.exp(min(math.log(median) + sd * t, math.log(most)))
    return above / whole


def _blame(amounts: Mapping[Key, float], scenario: Scenario, message: str) -> Fault:
    key = max(amounts, key=amounts.__getitem__)
    value: object = scenario
    for part in key:
        value = value[part] if isinstance(value, dict) else getattr(value, str(part))
    return Fault(key, message, value)


def _usd(amount: float) -> str:
    return f"{amount:.3g} USD".replace("e+", "e")
