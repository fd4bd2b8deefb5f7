"""Everything that holds for any drawn crowd, and the laws its sizes are drawn from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from abm import genesis
from abm.scenario import Market, Population, Scenario
from abm.traders import endowments
from abm.traders.endowments import Endowments
from abm.venue import margin
from abm.world import NONE, Array
from tests.traders.crowds import random_scenario
from tests.worlds import tiny_scenario

SEEDS = range(40)
USD = 1_000_000


@pytest.fixture(scope="module")
def crowds() -> list[tuple[Scenario, Endowments]]:
    """Random scenarios, each with a crowd that was drawn for it."""
    given = [random_scenario(seed) for seed in SEEDS]
    return [(one, endowments.draw(one, seed)) for seed, one in enumerate(given)]


Crowds = list[tuple[Scenario, Endowments]]


def values_of(scenario: Scenario, crowd: Endowments) -> Array:
    """Signed values at the start in quanta, an exact product for every position."""
    markets = list(scenario.all_markets().values())
    return np.array(
        [
            int(lots) * markets[m].start_tick * markets[m].unit
            for m, lots in zip(crowd.market, crowd.lots, strict=True)
        ]
    )


def equity_of(scenario: Scenario, crowd: Endowments) -> Array:
    """Cash and unrealised profit of every account in quanta."""
    profit = values_of(scenario, crowd) - crowd.cost
    equity = crowd.cash.copy()
    np.add.at(equity, crowd.account, profit)
    return equity


def published_margin(market: Market, notional: float) -> float:
    """``rate * notional - deduction``, with the deductions that make it continuous."""
    deduction, rate = 0.0, 1.0 / market.tiers[0].max_leverage
    for tier in market.tiers[1:]:
        if notional < tier.notional_usd:
            break
        deduction += tier.notional_usd * (1.0 / tier.max_leverage - rate)
        rate = 1.0 / tier.max_leverage
    return rate * notional - deduction


# --- what holds for any crowd -----------------------------------------------------------


def test_there_are_exactly_as_many_accounts_and_positions_as_asked_for(
    crowds: Crowds,
) -> None:
    for scenario, crowd in crowds:
        population = scenario.population
        isolated = round(population.isolated_share * population.positions)
        assert crowd.n_traders == population.accounts == len(crowd.home)
        assert crowd.n_accounts == population.accounts + isolated == len(crowd.owner)
        assert len(crowd.lots) == population.positions
        assert len(crowd.account) == len(crowd.market) == len(crowd.cost)


def test_every_market_has_two_sides_of_the_same_number_of_lots(crowds: Crowds) -> None:
    for scenario, crowd in crowds:
        assert (crowd.lots != 0).all()
        for market in range(len(scenario.all_markets())):
            lots = crowd.lots[crowd.market == market]
            assert (lots > 0).any()
            assert (lots < 0).any()
            assert lots.sum() == 0


def test_nobody_holds_a_market_twice(crowds: Crowds) -> None:
    for _, crowd in crowds:
        held = crowd.owner[crowd.account], crowd.market
        assert len(np.unique(np.stack(held), axis=1).T) == len(crowd.lots)


def test_every_account_passes_initial_margin_with_room(crowds: Crowds) -> None:
    """Cross or isolated, by the venue's published formula, at start prices."""
    for scenario, crowd in crowds:
        markets = list(scenario.all_markets().values())
        needed = np.zeros(crowd.n_accounts)
        for account, market, value in zip(
            crowd.account, crowd.market, values_of(scenario, crowd), strict=True
        ):
            needed[account] += published_margin(markets[market], abs(int(value)) / USD)
        equity = equity_of(scenario, crowd) / USD
        assert (equity >= 1.049 * needed - 2e-6).all(), scenario.name
        assert (equity >= 0.0).all(), scenario.name


def test_an_isolated_account_has_one_position_and_a_trader_with_a_cross_account(
    crowds: Crowds,
) -> None:
    seen = 0
    for _, crowd in crowds:
        traders = crowd.n_traders
        np.testing.assert_array_equal(crowd.owner[:traders], np.arange(traders))
        assert ((crowd.owner >= 0) & (crowd.owner < traders)).all()
        of_isolated = np.bincount(crowd.account, minlength=crowd.n_accounts)[traders:]
        assert (of_isolated == 1).all()
        seen += len(of_isolated)
    assert seen > 100


def test_isolated_accounts_of_a_world_belong_to_their_trader_s_cross_account() -> None:
    world = genesis.new_world(tiny_scenario("population.isolated_share=0.5"), 3)
    accounts, traders = world.ledger.accounts, world.crowd.traders
    isolated = np.flatnonzero(accounts["parent"] != NONE)
    assert len(isolated) == 25
    for row in accounts[isolated]:
        assert traders["account"][row["trader"]] == row["parent"]
        assert accounts["parent"][row["parent"]] == NONE


def test_some_of_an_account_s_equity_was_deposited(crowds: Crowds) -> None:
    """Unrealised profit is at most four fifths of equity, or nearly: costs are whole."""
    for scenario, crowd in crowds:
        profit = np.zeros(crowd.n_traders)
        trader = crowd.owner[crowd.account]
        np.add.at(profit, trader, values_of(scenario, crowd) - crowd.cost)
        equity = np.zeros(crowd.n_traders)
        np.add.at(equity, crowd.owner, equity_of(scenario, crowd))
        assert (profit <= 0.8 * equity + 200).all(), scenario.name


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    for seed in range(5):
        given = random_scenario(seed)
        first, again = endowments.draw(given, 11), endowments.draw(given, 11)
        other = endowments.draw(given, 12)
        for name, array in first._asdict().items():
            assert array.tobytes() == getattr(again, name).tobytes(), name
        assert first.cash.tobytes() != other.cash.tobytes()
        assert first.lots.tobytes() != other.lots.tobytes()


# --- kinds ------------------------------------------------------------------------------


def test_kinds_have_the_shares_they_were_given(crowds: Crowds) -> None:
    for scenario, crowd in crowds:
        counts = np.bincount(crowd.kind, minlength=len(scenario.kinds))
        for kind, count in zip(scenario.kinds.values(), counts, strict=True):
            # The most numerous kind gets what the others' rounding leaves over.
            assert abs(count - kind.share * crowd.n_traders) <= len(scenario.kinds)


def test_shares_that_divide_the_crowd_are_met_exactly() -> None:
    crowd = endowments.draw(tiny_scenario("population.accounts=400"), 1)
    assert np.bincount(crowd.kind).tolist() == [280, 120]


def test_the_largest_accounts_are_of_the_kind_of_the_largest() -> None:
    """With factors of 1 and no idle accounts, equities are ordered as drawn."""
    kinds = ("kinds.patient.share=0.6", "kinds.whale.share=0.1", "kinds.whale.size=largest")
    given = tiny_scenario(*kinds, "population.accounts=200", "population.positions=150")
    stream = np.random.default_rng(4)
    kind, equity = endowments.wealth(given, stream)
    whales = kind == list(given.kinds).index("whale")
    assert whales.sum() == 20
    assert equity[whales].min() > equity[~whales].max()


# --- the law of equity ------------------------------------------------------------------


def cdf(population: Population, usd: Array) -> Array:
    """Closed form: lognormal below where the tail begins, truncated Pareto above."""
    low, high = population.equity_tail_from_usd, endowments.largest_equity(population)
    body = stats.lognorm(population.equity_log_sd, scale=population.equity_median_usd)
    a, share = population.equity_tail_exponent, population.equity_tail_share
    inside = np.clip(usd, low, high)
    tail = (1.0 - (inside / low) ** -a) / (1.0 - (high / low) ** -a)
    return np.asarray(
        (1.0 - share) * np.minimum(body.cdf(usd) / body.cdf(low), 1.0) + share * tail
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"equity_tail_share": 0.3, "equity_tail_exponent": 1.6, "equity_log_sd": 1.0},
        {"equity_tail_share": 0.2, "equity_tail_from_usd": 500.0, "largest_share": 1e-3},
        {"equity_tail_share": 0.0},
    ],
)
def test_equities_follow_the_closed_form(given: dict[str, float]) -> None:
    """Kolmogorov-Smirnov at a level of 1e-5, over the whole and within the tail."""
    population = Population(accounts=100_000, positions=50_000, **given)
    drawn = endowments._equities(population, np.random.default_rng(9))
    assert stats.ks_1samp(drawn, lambda x: cdf(population, x)).pvalue > 1e-5
    assert drawn.max() <= endowments.largest_equity(population) * (1.0 + 1e-12)
    start = population.equity_tail_from_usd
    tail = drawn[drawn > start]
    expected = population.equity_tail_share * len(drawn)
    assert abs(len(tail) - expected) <= 5.0 * np.sqrt(expected)
    if len(tail):
        below = 1.0 - population.equity_tail_share
        within = stats.ks_1samp(
            tail, lambda x: (cdf(population, x) - below) / population.equity_tail_share
        )
        assert within.pvalue > 1e-5


def test_the_largest_equity_is_the_share_of_the_whole_that_it_may_be() -> None:
    """Against the sum of many quantiles of the law that is cut off there."""
    population = Population(
        accounts=20_000, positions=10_000, largest_share=0.02, equity_cap_usd=1e12
    )
    high = endowments.largest_equity(population)
    grid = np.geomspace(1e-6, high, 400_001)
    mean = np.trapezoid(1.0 - cdf(population, grid), grid)
    assert high == pytest.approx(0.02 * 10_000 * mean, rel=1e-3)
    capped = population.model_copy(update={"equity_cap_usd": high / 3.0})
    assert endowments.largest_equity(capped) == pytest.approx(high / 3.0, rel=1e-9)


def test_leverages_have_the_median_spread_and_tails_that_were_asked_for() -> None:
    """Quantiles of ``exp(sd * T)`` with T Student's, at equities where it has no slope."""
    given = tiny_scenario(
        "kinds.hasty.leverage_factor=1",
        "population.leverage_median=0.5",
        "population.leverage_log_sd=0.4",
        "population.leverage_degrees=3",
        "population.token_share=0",
    )
    count = 200_000
    leverage = endowments.leverages(
        given, np.full(count, 1e5), np.zeros(count, np.int64), np.random.default_rng(3)
    )
    for p in (0.01, 0.1, 0.5, 0.9, 0.99):
        quantile = 0.5 * np.exp(0.4 * stats.t(3).ppf(p))
        share = (leverage < quantile).mean()
        assert abs(share - p) < 5.0 * np.sqrt(p * (1.0 - p) / count)


def test_leverage_falls_with_equity_below_a_threshold_only() -> None:
    given = tiny_scenario(
        "population.leverage_log_sd=0",
        "population.token_share=0",
        "population.leverage_equity_slope=-0.4",
        "population.leverage_slope_below_usd=1000",
    )
    usual = given.population.leverage_median
    leverage = endowments.leverages(
        given,
        np.array([10.0, 100.0, 1e3, 1e6]),
        np.zeros(4, np.int64),
        np.random.default_rng(0),
    )
    np.testing.assert_allclose(leverage, usual * np.array([100**0.4, 10**0.4, 1.0, 1.0]))


# --- entries ----------------------------------------------------------------------------


def test_entries_of_the_levered_are_nearer_to_the_start_price() -> None:
    """The spread of log(entry / start) goes with leverage to the power of the slope."""
    spreads = {}
    for median in (0.04, 0.32):
        given = tiny_scenario(
            "population.accounts=20000",
            "population.positions=20000",
            "population.leverage_log_sd=0",
            "population.leverage_equity_slope=0",
            "population.leverage_median=0.04",
            f"kinds.patient.leverage_factor={median / 0.04}",
            "kinds.hasty.share=0",
            "kinds.patient.share=1",
            "population.token_share=0",
            "population.entry_leverage_slope=-0.5",
            "population.equity_log_sd=0",
            "population.equity_tail_share=0",
            "population.equity_median_usd=1e5",
            "markets.ONE.entry_sd=0.02",
        )
        crowd = endowments.draw(given, 1)
        away = np.log(crowd.cost / values_of(given, crowd))
        spreads[median] = away.std()
    assert spreads[0.04] == pytest.approx(0.02, rel=0.03)
    assert spreads[0.04] / spreads[0.32] == pytest.approx(8.0**0.5, rel=0.05)


# --- the venue's view -------------------------------------------------------------------


def test_nobody_begins_below_maintenance() -> None:
    """By the kernels of the venue, in worlds of many random crowds."""
    for seed in itertools.islice(SEEDS, 15):
        world = genesis.new_world(random_scenario(seed), seed)
        for account in range(len(world.ledger.accounts)):
            equity, maintenance, _ = margin.health(
                world.ledger, world.risk, world.markets, account
            )
            assert equity >= maintenance, (seed, account)
