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
