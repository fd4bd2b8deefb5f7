"""Who owns what at the start: heavy-tailed equity, leverage that falls with size.

Equity is lognormal in the body and Pareto, truncated, in the tail. The logarithm of
leverage is Student's, and its middle falls with log equity among small accounts. Longs
take the other side of the shorts, with equity in proportion, so leverage is as drawn on
both sides. Every account passes initial margin with some room.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from abm import draws, extent, units
from abm.scenario import Market, Population, Scenario
from abm.traders import balance, holdings
from abm.world import Array

ROOM = 1.05
"""Equity over initial margin that an account has at least."""
_PROFIT_LIMIT = 0.8
"""Share of equity that may be unrealised profit: the rest was once deposited."""
_OLD = 6.0
"""How many times the usual age of a position the oldest may have."""


class Endowments(NamedTuple):
    """All traders and their accounts and positions at time zero.

    Arrays over traders: `kind`, `home` (market), `leverage`. Arrays over accounts, the
    traders' cross accounts first: `owner` (trader), `cash` (quanta). Arrays over
    positions: `account`, `market`, `lots`, `cost` (quanta).
    """

    kind: Array
    home: Array
    leverage: Array
    owner: Array
    cash: Array
    account: Array
    market: Array
    lots: Array
    cost: Array

    @property
    def n_traders(self) -> int:
        """Number of traders."""
        return len(self.kind)

    @property
    def n_accounts(self) -> int:
        """Number of their accounts, isolated ones included."""
        return len(self.cash)


class Wanted(NamedTuple):
    """Positions that traders would like: holder (trader), market, side, notional (USD)."""

    holder: Array
    market: Array
    side: Array
    notional: Array


class Positions(NamedTuple):
    """Positions under construction: holder (trader), market, signed lots, values (USD)."""

    holder: Array
    market: Array
    lots: Array
    value: Array
    margin: Array


def draw(scenario: Scenario, seed: int) -> Endowments:
    """Draw the crowd of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Its population, kinds and markets.
    seed : int
        The crowd is a function of it and the scenario.

    Returns
    -------
    Endowments
        Exactly `population.accounts` traders and `population.positions` positions.
    """
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.ENDOWMENT]))
    kind, equity = wealth(scenario, stream)
    leverage = leverages(scenario, equity, kind, stream)
    counts = holdings.how_many(scenario, kind, equity, stream)
    equity[counts == 0] *= scenario.population.idle_equity_share
    positions, equity = _positions(scenario, kind, equity, leverage, counts, stream)
    cost = _costs(scenario, positions, equity, stream)
    owner, cash, account = _accounts(scenario, positions, equity, cost, stream)
    return Endowments(
        kind=kind,
        home=homes(
            scenario, positions.holder, positions.market, positions.value, len(kind), stream
        ),
        leverage=leverage,
        owner=owner,
        cash=cash,
        account=account,
        market=positions.market,
        lots=positions.lots,
        cost=cost,
    )


# --- traders ----------------------------------------------------------------------------


def wealth(scenario: Scenario, stream: np.random.Generator) -> tuple[Array, Array]:
    """Kind and equity in USD of every trader."""
    population = scenario.population
    equity = _equities(population, stream)
    kind = _kinds(scenario, equity, stream)
    factor = np.array([k.equity_factor for k in scenario.kinds.values()])
    return kind, equity * factor[kind]


def _equities(population: Population, stream: np.random.Generator) -> Array:
    """Account equities in USD, by inversion: lognormal body, truncated Pareto tail."""
    u, v = stream.random(population.accounts), stream.random(population.accounts)
    high = largest_equity(population)
    low = min(population.equity_tail_from_usd, high)
    below = ndtr(_score(population, low))
    sd = population.equity_log_sd
    body = np.minimum(population.equity_median_usd * np.exp(sd * ndtri(u * below)), low)
    a = population.equity_tail_exponent
    tail = low * (1.0 - u * (1.0 - (low / high) ** a)) ** (-1.0 / a)
    return np.where(v < population.equity_tail_share, tail, body)


def _score(population: Population, usd: float) -> float:
    """How many standard deviations the log of an equity lies above the median."""
    sd = max(population.equity_log_sd, 1e-12)
    return float(np.log(usd / population.equity_median_usd) / sd)


@functools.lru_cache(maxsize=64)
def largest_equity(population: Population) -> float:
    """Where the tail of equity is cut off, in USD.

    The cap, or less: the point at which one account would be worth `largest_share` of
    `positions` average accounts of a crowd that is cut off there (found by bisection).
    """
    low, high = population.equity_median_usd, population.equity_cap_usd
    scale = population.largest_share * population.positions
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        if middle > scale * extent.mean_equity_usd(population, middle):
            high = middle
        else:
            low = middle
    return high


def _kinds(scenario: Scenario, equity: Array, stream: np.random.Generator) -> Array:
    """A kind for every trader; kinds of the largest take the top of the size order."""
    kinds = list(scenario.kinds.values())
    shares = np.array([kind.share for kind in kinds])
    counts = np.floor(shares / shares.sum() * len(equity)).astype(np.int64)
    counts[np.argmax(counts)] += len(equity) - counts.sum()
    chosen = np.full(len(equity), -1)
    by_size = np.argsort(-equity, kind="stable")
    start = 0
    for i, kind in enumerate(kinds):
        if kind.size == "largest":
            chosen[by_size[start : start + counts[i]]] = i
            start += counts[i]
    rest = np.flatnonzero(chosen < 0)
    others = [i for i, kind in enumerate(kinds) if kind.size != "largest"]
    chosen[stream.permutation(rest)] = np.repeat(others, counts[others])
    return chosen


def leverages(
    scenario: Scenario, equity: Array, kind: Array, stream: np.random.Generator
) -> Array:
    """Gross leverage that each trader likes."""
    population, kinds = scenario.population, list(scenario.kinds.values())
    factor = np.array([k.leverage_factor for k in kinds])[kind]
    spread = [k.leverage_log_sd for k in kinds]
    sd = np.array([population.leverage_log_sd if s is None else s for s in spread])[kind]
    small = np.minimum(np.log(equity / population.leverage_slope_below_usd), 0.0)
    middle = np.log(factor * population.leverage_median)
    log = middle + population.leverage_equity_slope * small
    token = stream.random(len(kind)) < population.token_share
    token &= equity * population.token_leverage >= population.least_position_usd
    log = np.where(token, np.log(population.token_leverage), log)
    deviate = stream.standard_t(population.leverage_degrees, len(kind))
    log += np.where(token, 0.3, sd) * deviate
    most = np.array([k.max_leverage for k in kinds])[kind]
    return np.asarray(np.exp(np.minimum(log, np.log(most))))


def homes(
    scenario: Scenario, holder: Array, market: Array, value: Array, n_traders: int,
    stream: np.random.Generator,
) -> Array:  # fmt: skip
    """The market in which each trader trades first: that of its largest position."""
    chance = np.array([one.taste for one in scenario.all_markets().values()])
    home = stream.choice(len(chance), n_traders, p=chance / chance.sum())
    by_size = np.argsort(np.abs(value), kind="stable")
    home[holder[by_size]] = market[by_size]
    return home


# --- positions --------------------------------------------------------------------------


def wanted(
    scenario: Scenario, kind: Array, equity: Array, leverage: Array, counts: Array,
    stream: np.random.Generator,
) -> Wanted:  # fmt: skip
    """What all holders would like, before both sides of a market are balanced.

    Parameters
    ----------
    kind, equity, leverage, counts : Array
        Of each trader: its kind, USD, the leverage it likes, its number of positions.
    """
    markets = list(scenario.all_markets().values())
    holders = np.flatnonzero(counts)
    holder = np.repeat(holders, counts[holders])
    notional = _notionals(scenario, holder, equity, leverage, stream)
    gross = np.bincount(holder, notional, len(kind))
    market = holdings.choose_markets(
        scenario, counts[holders], (gross / np.maximum(counts, 1))[holders],
        (gross / equity)[holders], stream,
    )  # fmt: skip
    market = holdings.fill_empty_markets(markets, holder, market, notional)
    usable = holdings.usable_leverage(markets)[market]
    notional *= np.minimum(1.0, usable / (gross / equity)[holder])
    side = balance.both_sides(_sides(scenario, kind, holder, stream), market, notional)
    return Wanted(holder, market, side, notional)


def _positions(
    scenario: Scenario, kind: Array, equity: Array, leverage: Array, counts: Array,
    stream: np.random.Generator,
) -> tuple[Positions, Array]:  # fmt: skip
    """Positions of all holders, and everybody's equity once both sides are balanced."""
    markets = list(scenario.all_markets().values())
    holder, market, side, notional = wanted(
        scenario, kind, equity, leverage, counts, stream
    )
    lots = balance.balanced_lots(markets, market, side, notional)
    positions = sized(markets, holder, market, lots)
    after = np.bincount(holder, np.abs(positions.value), len(kind))
    before = np.bincount(holder, notional, len(kind))
    equity = equity * np.where(counts > 0, after / np.where(counts > 0, before, 1.0), 1.0)
    needed = ROOM * np.bincount(holder, positions.margin, len(kind))
    return positions, np.maximum(equity, needed)


def sized(markets: list[Market], holder: Array, market: Array, lots: Array) -> Positions:
    """Positions of signed lots, with their values and initial margins in USD."""
    per_lot = np.array([m.start_tick * m.unit for m in markets]) / units.QUANTA_PER_USD
    value = lots * per_lot[market]
    margin = initial_margin(markets, market, np.abs(value))
    return Positions(holder, market, lots, value, margin)


def _notionals(
    scenario: Scenario, holder: Array, equity: Array, leverage: Array,
    stream: np.random.Generator,
) -> Array:  # fmt: skip
    """Notional in USD of every position: each holder's, cut at random among them."""
    part = stream.exponential(size=len(holder))
    whole = np.bincount(holder, part, len(equity))[holder]
    notional = leverage[holder] * equity[holder] * part / whole
    return np.maximum(notional, scenario.population.least_position_usd)


def _sides(
    scenario: Scenario, kind: Array, holder: Array, stream: np.random.Generator
) -> Array:
    """A side for every position: its holder's, but for a share that goes against it."""
    long_share = np.array([k.long_share for k in scenario.kinds.values()])[kind]
    theirs = np.where(stream.random(len(kind)) < long_share, 1, -1)[holder]
    against = stream.random(len(holder)) < scenario.population.mixed_share
    several = np.bincount(holder, minlength=len(kind))[holder] > 1
    return np.where(against & several, -theirs, theirs)


def initial_margin(markets: list[Market], market: Array, notional: Array) -> Array:
    """Initial margin in USD of positions, tier by tier (as the venue will ask it).

    A tier asks its rate of the notional that lies within it, so margin is continuous:
    the same as rate times notional less a deduction.
    """
    margin = np.zeros(len(market))
    for i, given in enumerate(markets):
        here = np.flatnonzero(market == i)
        floors = [tier.notional_usd for tier in given.tiers] + [np.inf]
        for tier, ceiling in zip(given.tiers, floors[1:], strict=True):
            within = np.clip(notional[here], tier.notional_usd, ceiling) - tier.notional_usd
            margin[here] += within / tier.max_leverage
    return margin


def _costs(
    scenario: Scenario, positions: Positions, equity: Array, stream: np.random.Generator
) -> Array:
    """Signed cost in quanta of every position, opened before at another price."""
    gross = np.bincount(positions.holder, np.abs(positions.value), len(equity))
    leverage = (gross / equity)[positions.holder]
    away = entries(scenario, positions.market, leverage, stream)
    return costs(list(scenario.all_markets().values()), positions, leverage, away)


def entries(
    scenario: Scenario, market: Array, leverage: Array, stream: np.random.Generator
) -> Array:
    """How far each position's entry lies from the start price, as a share of that.

    Entries scatter about it, less for the levered, whose positions are young.
    """
    markets, population = list(scenario.all_markets().values()), scenario.population
    age = (leverage / population.leverage_median) ** population.entry_leverage_slope
    mean = np.array([m.entry_mean for m in markets])[market]
    sd = np.array([m.entry_sd for m in markets])[market]
    age = np.minimum(age, _OLD)
    return np.expm1(age * (mean + sd * stream.standard_normal(len(sd))))


def costs(
    markets: list[Market], positions: Positions, leverage: Array, away: Array
) -> Array:
    """Signed costs in quanta; neither profit nor loss is more than a part of equity.

    Parameters
    ----------
    leverage, away : Array
        Of each position: its holder's leverage, and its entry (see :func:`entries`).
    """
    within = away / (1.0 + np.abs(away) * leverage / _PROFIT_LIMIT)
    value = exact_values(markets, positions)
    return np.asarray(value + np.round(value * within), np.int64)


def exact_values(markets: list[Market], positions: Positions) -> Array:
    """Signed values at the start in quanta, shape (positions,)."""
    per_lot = np.array([m.start_tick * m.unit for m in markets], np.int64)
    return np.asarray(positions.lots * per_lot[positions.market])


# --- accounts ---------------------------------------------------------------------------


def _accounts(
    scenario: Scenario, positions: Positions, equity: Array, cost: Array,
    stream: np.random.Generator,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Owner and cash of every account, and the account of every position.

    Cross accounts come first, then one for each isolated position, with the money that
    its trader moved there.
    """
    markets = list(scenario.all_markets().values())
    n_traders, n_positions = len(equity), len(cost)
    profit = exact_values(markets, positions) - cost
    isolated = isolated_positions(scenario, n_positions, stream)
    account = positions.holder.copy()
    account[isolated] = n_traders + np.arange(len(isolated))
    owner = np.concatenate([np.arange(n_traders), positions.holder[isolated]])
    moved = isolated_equity(positions, equity, profit)[isolated]
    worth = np.zeros(len(owner), np.int64)
    worth[:n_traders] = np.ceil(equity * units.QUANTA_PER_USD)
    np.subtract.at(worth, positions.holder[isolated], moved)
    worth[n_traders:] = moved
    np.subtract.at(worth, account, profit)
    return owner, worth, account


def isolated_positions(
    scenario: Scenario, count: int, stream: np.random.Generator
) -> Array:
    """Which of some positions have a margin account of their own, in rising order."""
    n_isolated = round(scenario.population.isolated_share * count)
    return np.sort(stream.choice(count, n_isolated, replace=False))


def isolated_equity(positions: Positions, equity: Array, profit: Array) -> Array:
    """Quanta of equity that a position would have in an account of its own.

    Its initial margin with room, and its part by notional of what its holder has beyond
    that for all positions; but no more than the whole notional, or than keeps its
    unrealised profit within bounds.
    """
    holder, size = positions.holder, np.abs(positions.value)
    needed = ROOM * positions.margin
    spare = equity - np.bincount(holder, needed, len(equity))
    gross = np.bincount(holder, size, len(equity))
    part = np.maximum(spare, 0.0)[holder] * size / gross[holder]
    enough = np.maximum(size, profit / units.QUANTA_PER_USD / _PROFIT_LIMIT)
    room = np.maximum(enough - needed, 0.0)
    return np.asarray(
        ((needed + np.minimum(part, room)) * units.QUANTA_PER_USD).astype(np.int64)
    )
