"""How many positions, in which markets."""

from __future__ import annotations

import numpy as np
import pytest

from abm.traders import holdings
from tests.traders.crowds import random_scenario
from tests.worlds import tiny_scenario

TWO = (
    "markets.TWO={tick_usd=0.1,lot=0.001,start_usd=400,depth_usd=2e5,weight=3.0,"
    "tiers=[{notional_usd=0,max_leverage=5}]}"
)


@pytest.mark.parametrize("seed", range(10))
def test_counts_sum_to_the_positions_and_fit_into_the_markets(seed: int) -> None:
    given = random_scenario(seed)
    accounts = given.population.accounts
    rng = np.random.default_rng(seed)
    counts = holdings.how_many(
        given, rng.integers(0, 4, accounts), rng.lognormal(7.0, 3.0, accounts), rng
    )
    assert counts.sum() == given.population.positions
    assert counts.min() >= 0
    assert counts.max() <= len(given.all_markets())


def test_markets_are_chosen_by_popularity_or_by_weight() -> None:
    """Small positions by the roots of 1 and 3, large ones by 1 and 3 themselves."""
    given = tiny_scenario(TWO, "population.leverage_pull=0", "population.market_room=100")
    count = 40_000
    for notional, share in ((1.0, 3**0.5 / (1 + 3**0.5)), (1e9, 0.75)):
        market = holdings.choose_markets(
            given,
            np.ones(count, np.int64),
            np.full(count, notional),
            np.full(count, 1.0),
            np.random.default_rng(1),
        )
        assert abs(market.mean() - share) < 5.0 * np.sqrt(0.25 / count)


def test_nobody_chooses_a_market_that_does_not_allow_the_leverage() -> None:
    market = holdings.choose_markets(
        tiny_scenario(TWO),
        np.ones(2000, np.int64),
        np.full(2000, 10.0),
        np.full(2000, 6.0),
        np.random.default_rng(1),
    )
    assert (market == 0).all()


def test_empty_markets_are_filled_with_the_smallest_positions() -> None:
    markets = list(tiny_scenario(TWO).all_markets().values())
    filled = holdings.fill_empty_markets(
        markets, np.arange(5), np.zeros(5, np.int64), np.array([5.0, 1.0, 9.0, 2.0, 7.0])
    )
    assert filled.tolist() == [0, 1, 0, 1, 0]
