"""Who owns what at the start: heavy-tailed equity, leverage that falls with size.

Equity is lognormal in the body and Pareto, truncated, in the tail. The logarithm of
leverage is normal with a mean that falls with log equity. Every market's longs and shorts
are balanced to the lot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm import draws, units
from abm.scenario import Market, Population, Scenario
from abm.world import Array

_LARGE = 0.02
"""Share of a market's positions, the largest, whose side is chosen to balance it."""
_BALANCING = 0.85
"""Chance that a large position takes the lighter side rather than its kind's."""


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


def draw(scenario: Scenario, seed: int) -> Endowments:
    """Draw the crowd of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Its population, kinds and markets.
    seed : int
        The crowd is a function of it.
    """
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.ENDOWMENT]))
    markets = list(scenario.all_markets().values())
    population = scenario.population
    equity = _equities(population, stream)
    kind = _kinds(scenario, equity, stream)
    leverage = _leverages(scenario, equity, kind, stream)
    holder, market = _holdings(scenario, equity, kind, stream)
    home = _choose_markets(scenario, equity, stream)
    home[holder] = market
    side = _sides(scenario, kind[holder], stream)
    notional = _notionals(markets, holder, market, equity, leverage)
    lots = _balanced_lots(markets, market, side, notional, stream)
    kept = lots != 0
    holder, market, lots = holder[kept], market[kept], lots[kept]
    cost = _costs(markets, market, lots, stream)
    cash = _cash(markets, equity, holder, market, lots, cost)
    return Endowments(
        kind=kind,
        home=home,
        leverage=leverage,
        owner=np.arange(len(equity)),
        cash=cash,
        account=holder,
        market=market,
        lots=lots,
        cost=cost,
    )


def _equities(population: Population, stream: np.random.Generator) -> Array:
    """Account equities in USD: lognormal body, truncated Pareto above a threshold."""
    count = population.accounts
    body = population.equity_median_usd * np.exp(
        population.equity_log_sd * stream.standard_normal(count)
    )
    u = stream.random(count)
    low, high = population.equity_tail_from_usd, population.equity_cap_usd
    if low >= high:
        return np.minimum(body, high)
    exponent = population.equity_tail_exponent
    tail = low * (1.0 - u * (1.0 - (low / high) ** exponent)) ** (-1.0 / exponent)
    return np.where(body > low, tail, body)


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


def _leverages(
    scenario: Scenario, equity: Array, kind: Array, stream: np.random.Generator
) -> Array:
    """Gross leverage that each trader likes."""
    population = scenario.population
    factor = np.array([k.leverage_factor for k in scenario.kinds.values()])
    most = np.array([k.max_leverage for k in scenario.kinds.values()])
    log = (
        np.log(population.leverage_median)
        + population.leverage_equity_slope * np.log(equity / population.equity_median_usd)
        + population.leverage_log_sd * stream.standard_normal(len(equity))
    )
    return np.minimum(np.exp(log) * factor[kind], most[kind])


def _holdings(
    scenario: Scenario, equity: Array, kind: Array, stream: np.random.Generator
) -> tuple[Array, Array]:
    """(holder, market) of every position: some hold one market, some several."""
    population = scenario.population
    n_markets = len(scenario.all_markets())
    wanted = min(population.positions, len(equity) * n_markets)
    weight = np.array([k.holds_position for k in scenario.kinds.values()])[kind]
    order = np.argsort(-weight * stream.random(len(equity)), kind="stable")
    extra = stream.geometric(1.0 - population.more_markets_share, len(equity))
    extra = np.minimum(extra, n_markets)
    taken = np.searchsorted(np.cumsum(extra[order]), wanted) + 1
    holder = np.repeat(order[:taken], extra[order[:taken]])[:wanted]
    market = _choose_markets(scenario, equity[holder], stream)
    pairs = np.unique(np.column_stack([holder, market]), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _choose_markets(
    scenario: Scenario, equity: Array, stream: np.random.Generator
) -> Array:
    """A market for each of some accounts; small accounts spread more evenly."""
    population = scenario.population
    weight = np.array([market.weight for market in scenario.all_markets().values()])
    chosen = np.empty(len(equity), np.int64)
    large = equity >= population.equity_tail_from_usd
    for group, tilt in ((large, 1.0), (~large, population.small_account_tilt)):
        chance = weight**tilt
        chosen[group] = stream.choice(len(weight), group.sum(), p=chance / chance.sum())
    return chosen


def _sides(scenario: Scenario, kind: Array, stream: np.random.Generator) -> Array:
    long_share = np.array([k.long_share for k in scenario.kinds.values()])
    return np.where(stream.random(len(kind)) < long_share[kind], 1, -1)


def _notionals(
    markets: list[Market], holder: Array, market: Array, equity: Array, leverage: Array
) -> Array:
    """Notional in USD of every position, within what initial margin allows."""
    count = np.bincount(holder, minlength=len(equity))[holder]
    most = np.array([tier.tiers[0].max_leverage for tier in markets])[market]
    share = np.minimum(leverage[holder], 0.9 * most) / count
    notional = share * equity[holder]
    for i, given in enumerate(markets):
        for tier in given.tiers[1:]:
            above = (market == i) & (notional > tier.notional_usd)
            cap = np.maximum(
                0.9 * tier.max_leverage * equity[holder] / count, tier.notional_usd
            )
            notional = np.where(above, np.minimum(notional, cap), notional)
    return notional


def _balanced_lots(
    markets: list[Market], market: Array, side: Array, notional: Array,
    stream: np.random.Generator,
) -> Array:  # fmt: skip
    """Signed lots of every position, summing to zero in every market."""
    lots = np.zeros(len(market), np.int64)
    order = np.argsort(market, kind="stable")
    bounds = np.searchsorted(market[order], np.arange(len(markets) + 1))
    for i, given in enumerate(markets):
        here = order[bounds[i] : bounds[i + 1]]
        per_lot = given.start_tick * given.unit / units.QUANTA_PER_USD
        size = np.round(notional[here] / per_lot).astype(np.int64)
        lots[here] = _balance(size, side[here], stream)
    return lots


def _balance(size: Array, side: Array, stream: np.random.Generator) -> Array:
    """Choose the sides of the largest, then shrink the heavier side to fit."""
    side = side.copy()
    large = np.argsort(-size, kind="stable")[: int(np.ceil(_LARGE * len(size)))]
    small = np.ones(len(size), bool)
    small[large] = False
    net = int((size * side)[small].sum())
    for i, u in zip(large, stream.random(len(large)), strict=True):
        if u < _BALANCING and net != 0:
            side[i] = -1 if net > 0 else 1
        net += int(size[i] * side[i])
    longs, shorts = int(size[side > 0].sum()), int(size[side < 0].sum())
    target = min(longs, shorts)
    out = np.empty(len(size), np.int64)
    for s in (1, -1):
        group = np.flatnonzero(side == s)
        out[group] = s * _shrink(size[group], target)
    return out


def _shrink(size: Array, target: int) -> Array:
    """Scale whole numbers down to a given sum, by largest remainder."""
    total = int(size.sum())
    if total == target or total == 0:
        return size
    exact = size * (target / total)
    floor = np.minimum(np.floor(exact).astype(np.int64), size)
    missing = target - int(floor.sum())
    order = np.argsort(floor - exact, kind="stable")
    whole, rest = divmod(missing, len(size))
    floor += whole
    floor[order[:rest]] += 1
    return floor


def _costs(
    markets: list[Market], market: Array, lots: Array, stream: np.random.Generator
) -> Array:
    """Signed cost of every position, opened some time before at another price."""
    mean = np.array([m.entry_mean for m in markets])[market]
    sd = np.array([m.entry_sd for m in markets])[market]
    value = np.array([m.start_tick * m.unit for m in markets])[market] * lots
    factor = np.exp(mean + sd * stream.standard_normal(len(lots)))
    return np.round(value * factor).astype(np.int64)


def _cash(
    markets: list[Market], equity: Array, holder: Array, market: Array, lots: Array,
    cost: Array,
) -> Array:  # fmt: skip
    """Cash that makes each account's equity what was drawn."""
    value = np.array([m.start_tick * m.unit for m in markets])[market] * lots
    cash = np.round(equity * units.QUANTA_PER_USD).astype(np.int64)
    np.add.at(cash, holder, cost - value)
    return cash
