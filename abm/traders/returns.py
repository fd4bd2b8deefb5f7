"""Who comes back to the next episode, and with which positions.

What a trader would like is drawn for everybody who ever arrived, in units of what it had
when it arrived, and so is the same under every policy. What it gets goes with what it has
now: nothing if it has left or is ruined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm import draws, units
from abm.scenario import Market, Scenario
from abm.traders import balance, endowments, holdings
from abm.traders.endowments import Endowments
from abm.world import Array


class Traits(NamedTuple):
    """What a trader keeps from episode to episode; arrays of shape (traders,).

    `kind`, the `leverage` it likes, its `equity` on arrival (quanta), and how many
    positions it `holds`.
    """

    kind: Array
    leverage: Array
    equity: Array
    holds: Array

    def and_(self, others: Traits) -> Traits:
        """These traders, and others after them."""
        return Traits(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


class Wishes(NamedTuple):
    """Positions that traders would like, had they what they had on arrival.

    Arrays of shape (positions,): `holder` (trader), `market`, `side` (1 or -1), `notional`
    (USD), how far the entry lies from the start price (`away`, a share of it), and whether
    it is to have a margin account of its own (`isolated`); of shape (traders,): the market
    in which each trades first (`home`).
    """

    holder: Array
    market: Array
    side: Array
    notional: Array
    away: Array
    isolated: Array
    home: Array


class Returns(NamedTuple):
    """Positions that traders open an episode with; arrays of shape (positions,).

    `wish` (its place among the wishes), `holder`, `market`, signed `lots` that sum to zero
    in every market, `cost` and `value` (quanta), and what its holder moves to the margin
    account of an isolated position (`moved`, quanta; 0 where it has none).
    """

    wish: Array
    holder: Array
    market: Array
    lots: Array
    cost: Array
    value: Array
    moved: Array


def traits_of(scenario: Scenario, crowd: Endowments) -> Traits:
    """The traits of those who are there at the start."""
    markets = list(scenario.all_markets().values())
    per_lot = np.array([market.start_tick * market.unit for market in markets], np.int64)
    owner = crowd.owner[crowd.account]
    equity = np.zeros(crowd.n_traders, np.int64)
    np.add.at(equity, crowd.owner, crowd.cash)
    np.add.at(equity, owner, crowd.lots * per_lot[crowd.market] - crowd.cost)
    holds = np.bincount(owner, minlength=crowd.n_traders)
    return Traits(crowd.kind, crowd.leverage, equity, holds)


def newcomers(scenario: Scenario, seed: int) -> Traits:
    """Those who arrive before an episode, as its seed has it.

    Their number is Poisson's; they are drawn like the scenario's population, and hold as
    many positions for their number.
    """
    episodes, population = scenario.episodes, scenario.population
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.NEWCOMER]))
    count = int(stream.poisson(episodes.newcomers_per_day * episodes.calm_days))
    if count == 0:
        nobody = np.zeros(0, np.int64)
        return Traits(nobody, np.zeros(0), nobody, nobody)
    here = _with_population(scenario, accounts=count)
    kind, equity = endowments.wealth(here, stream)
    leverage = endowments.leverages(here, equity, kind, stream)
    positions = round(population.positions * count / population.accounts)
    counts = holdings.how_many(
        _with_population(here, positions=positions), kind, equity, stream
    )
    equity[counts == 0] *= population.idle_equity_share
    quanta = np.ceil(equity * units.QUANTA_PER_USD).astype(np.int64)
    return Traits(kind, leverage, quanta, counts)


def _with_population(scenario: Scenario, **sizes: int) -> Scenario:
    population = scenario.population.model_copy(update=sizes)
    return scenario.model_copy(update={"population": population})


def wishes(scenario: Scenario, traits: Traits, seed: int) -> Wishes:
    """What everybody who ever arrived would like in an episode, as its seed has it."""
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.WISH]))
    equity = units.usd(traits.equity)
    kind, leverage, _, holds = traits
    wanted = endowments.wanted(scenario, kind, equity, leverage, holds, stream)
    gross = np.bincount(wanted.holder, wanted.notional, len(equity))
    of_holder = (gross / equity)[wanted.holder]
    away = endowments.entries(scenario, wanted.market, of_holder, stream)
    isolated = np.zeros(len(away), bool)
    isolated[endowments.isolated_positions(scenario, len(away), stream)] = True
    home = endowments.homes(
        scenario, wanted.holder, wanted.market, wanted.notional, len(equity), stream
    )
    return Wishes(*wanted, away, isolated, home)


def returns(scenario: Scenario, wished: Wishes, traits: Traits, equity: Array) -> Returns:
    """The positions that traders can have of those that they would like.

    Everybody's go with what it has now over what it had on arrival, as far as initial
    margin allows; then the larger side of every market shrinks to the smaller, so that
    nobody needs more margin than it has.

    Parameters
    ----------
    equity : array of int64, shape (traders,)
        What everybody has now in quanta; 0 for those who hold nothing any more.
    """
    markets = list(scenario.all_markets().values())
    grown = (equity / np.maximum(traits.equity, 1))[wished.holder]
    lots = _affordable(markets, wished, wished.notional * grown, units.usd(equity))
    lots = balance.matched(wished.market, wished.side, lots, len(markets))
    kept = np.flatnonzero(lots)
    holder, market = wished.holder[kept], wished.market[kept]
    positions = endowments.sized(markets, holder, market, (wished.side * lots)[kept])
    worth = units.usd(np.maximum(equity, 1))
    gross = np.bincount(holder, np.abs(positions.value), len(worth))
    leverage = (gross / worth)[holder]
    cost = endowments.costs(markets, positions, leverage, wished.away[kept])
    value = endowments.exact_values(markets, positions)
    moved = endowments.isolated_equity(positions, worth, value - cost)
    moved = np.where(wished.isolated[kept], moved, 0)
    return Returns(kept, holder, market, positions.lots, cost, value, moved)


def _affordable(
    markets: list[Market], wished: Wishes, notional: Array, equity: Array
) -> Array:
    """Lots of every wish that its holder's equity (USD) is enough initial margin for."""
    margin = endowments.initial_margin(markets, wished.market, notional)
    needed = endowments.ROOM * np.bincount(wished.holder, margin, len(equity))
    # Margin grows at least as fast as notional, so that so much less needs no more.
    part = np.minimum(1.0, equity / np.maximum(needed, 1e-300))[wished.holder]
    per_lot = units.usd(np.array([m.start_tick * m.unit for m in markets]))
    lots = np.floor(notional * part / per_lot[wished.market])
    return np.asarray(lots, np.int64)
