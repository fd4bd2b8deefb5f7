"""Who holds how many positions, and in which markets.

Exactly as many positions as the scenario asks for, no account twice in a market, and at
least two positions in every market that has weight, so that it can have two sides.
"""

from __future__ import annotations

import numpy as np

from abm.scenario import Market, Scenario
from abm.world import Array

_CHUNK = 8192
"""Accounts that choose their markets at a time: bounds memory, not results."""
_USABLE = 0.9
"""Share of a market's largest leverage that a trader goes to at most."""
_SOON = np.float32(1e-30)
"""Least time on an exponential clock: single precision can draw zero."""


def active_markets(markets: list[Market]) -> Array:
    """Indices of the markets that have weight, so somebody holds them."""
    return np.flatnonzero([market.weight > 0.0 for market in markets])


def usable_leverage(markets: list[Market]) -> Array:
    """Leverage at which somebody may start in each market, shape (markets,)."""
    return np.array([_USABLE * market.tiers[0].max_leverage for market in markets])


def how_many(
    scenario: Scenario, kind: Array, equity: Array, stream: np.random.Generator
) -> Array:
    """Number of positions of every trader, shape (traders,).

    Holders come in a random order, weighted by their kind's `holds_position`, until the
    scenario's number of positions is reached; whoever cannot afford the least position
    comes last. The number of each is geometric, with odds that grow with equity.
    """
    population = scenario.population
    markets = list(scenario.all_markets().values())
    most = len(active_markets(markets))
    odds = (equity / population.equity_median_usd) ** population.more_markets_slope
    odds *= population.more_markets_share / (1.0 - population.more_markets_share)
    more = odds / (1.0 + odds)
    with np.errstate(divide="ignore"):
        extra = np.floor(np.log(1.0 - stream.random(len(kind))) / np.log(more))
    counts = 1 + np.minimum(extra, most - 1).astype(np.int64)
    taste = np.array([k.holds_position for k in scenario.kinds.values()])[kind]
    best = usable_leverage(markets).max()
    taste = np.where(equity * best >= population.least_position_usd, taste, 0.0)
    with np.errstate(divide="ignore"):
        order = np.argsort(stream.exponential(size=len(kind)) / taste, kind="stable")
    return _first_up_to(counts, order, population.positions, most)


def _first_up_to(counts: Array, order: Array, wanted: int, most: int) -> Array:
    """Keep the counts of the first in an order until they sum to `wanted`."""
    sums = np.cumsum(counts[order])
    kept = np.zeros_like(counts)
    kept[order] = np.clip(wanted - (sums - counts[order]), 0, counts[order])
    missing = wanted - int(kept.sum())
    while missing > 0:
        room = order[kept[order] < most][:missing]
        kept[room] += 1
        missing -= len(room)
    return kept


def choose_markets(
    scenario: Scenario, counts: Array, notional: Array, leverage: Array,
    stream: np.random.Generator,
) -> Array:  # fmt: skip
    """Markets of every position, holder by holder, none twice for the same holder.

    Each holder's markets finish first in a race of exponential clocks whose rates are the
    holder's tastes: a draw without replacement.

    Parameters
    ----------
    counts, notional, leverage : Array
        Of each holder: number of positions (at least 1), mean notional of them in USD,
        leverage. Shape (holders,).

    Returns
    -------
    Array
        Market indices, shape (sum of counts,).
    """
    markets = list(scenario.all_markets().values())
    active = active_markets(markets)
    interest = 0.5 * float((counts * notional).sum())
    first = np.cumsum(counts) - counts
    chosen = np.empty(int(counts.sum()), np.int64)
    for group in (np.flatnonzero(counts == 1), np.flatnonzero(counts > 1)):
        for start in range(0, len(group), _CHUNK):
            who = group[start : start + _CHUNK]
            taste = _log_taste(
                scenario, markets, active, interest, notional[who], leverage[who]
            )
            wait = np.maximum(stream.standard_exponential(taste.shape, np.float32), _SOON)
            clock = np.log(wait) - taste
            if counts[who[0]] == 1:
                chosen[first[who]] = active[np.argmin(clock, axis=1)]
                continue
            ranked = np.argsort(clock, axis=1)[:, : counts[who].max()]
            taken = np.arange(ranked.shape[1]) < counts[who][:, None]
            place = first[who][:, None] + np.arange(ranked.shape[1])
            chosen[place[taken]] = active[ranked[taken]]
    return chosen


def _log_taste(
    scenario: Scenario, markets: list[Market], active: Array, interest: float,
    notional: Array, leverage: Array,
) -> Array:  # fmt: skip
    """Log rates at which holders choose markets, shape (holders, active markets)."""
    population = scenario.population
    weight = np.array([markets[i].weight for i in active])
    popular = np.maximum([markets[i].taste for i in active], 1e-300)
    allowed = usable_leverage(markets)[active]
    large = (notional / (notional + population.large_position_usd))[:, None]
    taste = (1.0 - large) * np.log(popular / popular.sum()) + large * np.log(
        weight / weight.sum()
    )
    pull = population.leverage_pull * np.log(leverage / population.leverage_median)
    taste += pull[:, None] * np.log(allowed)
    room = population.market_room * interest * weight / weight.sum()
    taste -= np.log1p((notional[:, None] / room) ** 2)
    taste -= 50.0 * (leverage[:, None] > allowed)
    return np.asarray(taste, np.float32)


def fill_empty_markets(
    markets: list[Market], holder: Array, market: Array, notional: Array
) -> Array:
    """Move the smallest positions so that each market with weight has two or more.

    Parameters
    ----------
    holder, market, notional : Array
        Of each position; no two have the same holder and market.

    Returns
    -------
    Array
        Market indices, shape (positions,), still distinct for each holder.
    """
    market = market.copy()
    count = np.bincount(market, minlength=len(markets))
    active = active_markets(markets)
    smallest_first = np.argsort(notional, kind="stable")
    for lacking in active[count[active] < 2]:
        for _ in range(2 - count[lacking]):
            inside = set(holder[market == lacking].tolist())
            movable = smallest_first[count[market[smallest_first]] > 2]
            row = next(r for r in movable if holder[r] not in inside)
            count[market[row]] -= 1
            market[row] = lacking
            count[lacking] += 1
    return market
