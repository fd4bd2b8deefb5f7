"""The ladder, against the numbers that venues publish."""

from __future__ import annotations

import pytest

from abm import world as w
from abm.market.book import BUY, LIMIT, SELL, submit
from abm.venue.liquidation import bankruptcy_value, limit_tick, liquidate, shortfall
from abm.venue.margin import equity_of, health
from abm.world import find_position
from tests.crashes import FIRST, empty_venue, give, set_marks

ANN, BEN, CAT = FIRST, FIRST + 1, FIRST + 2

# One tick times one lot is a cent times a thousandth: 0.0001 BTC at ticks of 0.1 USD.
TEN_PERCENT = {"tiers": [{"notional_usd": 0, "max_leverage": 5.0}]}
DYDX = {
    "BTC": TEN_PERCENT | {"start_usd": 50_000.0, "lot": 0.001},
    "ETH": TEN_PERCENT | {"start_usd": 3_000.0, "lot": 0.001},
}


def _dydx(ladder="dydx-v4", **venue):
    world = empty_venue(DYDX, venue={"ladder": ladder, "vault_usd": 0.0} | venue)
    set_marks(world, 50_000.0, 3_000.0)
    return world


def _equity(world, account):
    return int(equity_of(world.ledger, world.markets, account)) / 1e6


def _at_cost_zero(world, account, cash_usd, *held):
    """dYdX books a position as quote balance less price: all of its cost is in cash."""
    for market, lots in held:
        mark = int(world.markets.state["mark"][market]) / 10
        give(world, account, 0.0, (market, lots, mark))
        give(world, CAT, 0.0, (market, -lots, mark))
        size = lots * mark * (0.001)
        cash_usd += size
    give(world, account, cash_usd)


# dYdX v4-chain, protocol/x/clob/keeper/liquidations_test.go,
# TestGetBankruptcyPriceInQuoteQuantums (commit 84d4664): BTC at 50,000, ETH at 3,000,
# maintenance 10%.
BANKRUPTCY_QUOTES = [
    (-4501, [(0, 100)], 0, 4501),
    (5499, [(0, -100)], 0, -5499),
    (-5000, [(0, 100)], 0, 5000),
    (-5100, [(0, 100)], 0, 5100),
    (4900, [(0, -100)], 0, -4900),
    (-490, [(0, 4), (1, 100)], 1, 294),
    (510, [(0, -4), (1, -100)], 1, -306),
    (110, [(0, 4), (1, -100)], 1, -306),
]


@pytest.mark.parametrize(("cash", "held", "closed", "quote"), BANKRUPTCY_QUOTES)
def test_bankruptcy_values_equal_those_of_dydx_v4(cash, held, closed, quote):
    world = _dydx()
    _at_cost_zero(world, ANN, cash, *held)
    ledger, risk, markets = world.ledger, world.risk, world.markets
    equity, maintenance, _ = health(ledger, risk, markets, ANN)
    slot = find_position(ledger, ANN, closed)
    value = bankruptcy_value(ledger, risk, markets, slot, equity, maintenance)
    assert value == pytest.approx(quote * 1e6, abs=1)


# The same file, near line 3280: fillable prices with a bankruptcy adjustment of 1 and a
# spread-to-maintenance ratio of 0.1 (or 0.2).
FILLABLE = [
    (-4501, 100, 0.1, 49_999.0),
    (-4501, 100, 0.2, 49_998.0),
    (-5000, 100, 0.1, 49_500.0),
    (5000, -100, 0.1, 50_500.0),
]


@pytest.mark.parametrize(("cash", "lots", "spread", "price"), FILLABLE)
def test_fillable_prices_equal_those_of_dydx_v4(cash, lots, spread, price):
    rungs = [{"rung": "book", "price": "fillable", "spread": spread}, {"rung": "wave"}]
    world = _dydx(rungs, insurance_usd=1e6)
    give(world, 1, 1e6)
    _at_cost_zero(world, ANN, cash, (0, lots))
    equity, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
    slot = find_position(world.ledger, ANN, 0)
    tick = limit_tick(world, world.risk.rungs[0], slot, equity, maintenance)
    assert tick / 10 == pytest.approx(price)


# The same file, lines 3542 to 3760: what a fill does to the insurance fund; 0.1 BTC long
# that is bankrupt at 5,100.
FUND_DELTAS = [
    (5610.0, 0.005, 28.05),
    (5610.0, 0.025, 140.25),
    (5610.0, 0.1, 510.0),
    (5100.0, 0.005, 0.0),
    (5050.0, 0.005, -50.0),
]


@pytest.mark.parametrize(("fill", "fee", "delta"), FUND_DELTAS)
def test_the_insurance_fund_gains_and_pays_as_in_dydx_v4(fill, fee, delta):
    rungs = [
        {"rung": "book", "price": "market", "slippage": 0.5},
        {"rung": "insurance", "mode": "pay"},
        {"rung": "wave"},
    ]
    world = _dydx(rungs, liquidation_fee_bps=fee * 1e4, taker_fee_bps=0, maker_fee_bps=0)
    give(world, 1, 1000.0)
    _at_cost_zero(world, ANN, -5100.0, (0, 100))
    give(world, BEN, 1e6)
    submit(world.book, world.ledger, 0, BEN, BUY, LIMIT, round(fill / 0.1 * 10), 100, 0, 0)
    set_marks(world, 50_000.0, 3_000.0)
    liquidate(world)
    assert find_position(world.ledger, ANN, 0) == w.NONE
    assert _equity(world, 1) - 1000.0 == pytest.approx(delta, abs=0.01)
    w.check(world)


HYPERLIQUID = {"X": {"tiers": [{"notional_usd": 0, "max_leverage": 25.0}]}}


def _hyperliquid(cash_usd, lots=1000, vault_usd=500.0):
    """Ann is long 10 at 1000, maintenance 2%; there is nobody in the book."""
    world = empty_venue(HYPERLIQUID, venue={"ladder": "hyperliquid"})
    give(world, 0, vault_usd)
    give(world, ANN, cash_usd, (0, lots, 1000.0))
    give(world, CAT, 1e6, (0, -lots, 1000.0))
    return world


def test_between_two_thirds_and_all_of_maintenance_only_the_book_is_tried():
    world = _hyperliquid(1000.0)
    set_marks(world, 917.0)
    liquidate(world)
    assert world.ledger.accounts["watched"][ANN] == 1
    assert find_position(world.ledger, ANN, 0) != w.NONE


def test_below_two_thirds_of_maintenance_the_vault_takes_position_and_margin():
    world = _hyperliquid(1000.0)
    set_marks(world, 910.0)
    liquidate(world)
    assert _equity(world, ANN) == 0.0
    assert _equity(world, 0) == pytest.approx(500 + 100)
    assert world.clock[0]["first_takeover_ms"] == 0
    w.check(world)


def test_the_vault_waits_for_its_clock_and_adl_waits_for_the_vault():
    world = _hyperliquid(1000.0)
    world.clock["backstop_due_ms"] = 5000
    set_marks(world, 890.0)
    liquidate(world)
    assert _equity(world, ANN) == pytest.approx(-100)
    assert shortfall(world.ledger, world.risk, world.markets) == 0
    world.clock["now_ms"] = 5000
    liquidate(world)
    assert _equity(world, ANN) == 0.0
    assert world.clock[0]["backstop_due_ms"] == 5000 + 6290


def test_large_positions_are_sold_by_a_fifth_and_the_rest_after_the_cooldown():
    world = _hyperliquid(19_400.0, lots=20_000)
    give(world, BEN, 1e6)
    set_marks(world, 916.0)
    submit(world.book, world.ledger, 0, BEN, BUY, LIMIT, 9160, 50_000, 0, 0)

    def held():
        slot = find_position(world.ledger, ANN, 0)
        return 0 if slot == w.NONE else world.ledger.positions["lots"][slot]

    liquidate(world)
    assert held() == 16_000
    world.clock["now_ms"] = 29_000
    liquidate(world)
    assert held() == 16_000
    world.clock["now_ms"] = 30_000
    liquidate(world)
    assert held() == 0
    assert _equity(world, ANN) == pytest.approx(2600 - 4.5e-4 * 200 * 916, rel=1e-6)


def test_the_fund_takes_over_at_the_bankruptcy_price():
    world = empty_venue(HYPERLIQUID, venue={"ladder": "binance"})
    give(world, 1, 500.0)
    give(world, ANN, 1000.0, (0, 1000, 1000.0))
    give(world, CAT, 1e6, (0, -1000, 1000.0))
    set_marks(world, 880.0)
    liquidate(world)
    slot = find_position(world.ledger, 1, 0)
    assert world.ledger.positions["cost"][slot] == 10 * 900 * 10**6
    assert _equity(world, ANN) == 0.0
    assert _equity(world, 1) == pytest.approx(300.0)


def test_a_fund_that_cannot_bear_the_loss_leaves_the_account_to_adl():
    world = empty_venue(HYPERLIQUID, venue={"ladder": "bitmex"})
    give(world, 1, 100.0)
    give(world, ANN, 1000.0, (0, 1000, 1000.0))
    give(world, CAT, 1e6, (0, -1000, 1000.0))
    set_marks(world, 880.0)
    liquidate(world)
    assert shortfall(world.ledger, world.risk, world.markets) == 200 * 10**6
    assert _equity(world, 1) == 100.0


def test_small_bad_debt_is_charged_per_contract_to_the_other_side():
    world = empty_venue(HYPERLIQUID, venue={"ladder": "aftermath"})
    give(world, ANN, 1000.0, (0, 1000, 1000.0))
    give(world, BEN, 1e5, (0, -250, 1000.0))
    give(world, CAT, 1e5, (0, -750, 1000.0))
    give(world, FIRST + 3, 1e6)
    set_marks(world, 890.0)
    before = {a: _equity(world, a) for a in (BEN, CAT)}
    submit(world.book, world.ledger, 0, FIRST + 3, BUY, LIMIT, 8900, 1000, 0, 0)
    liquidate(world)
    assert _equity(world, ANN) == 0.0
    paid = {a: before[a] - _equity(world, a) for a in (BEN, CAT)}
    owed = 100 + 8900 * 4.5e-4
    assert sum(paid.values()) == pytest.approx(owed, abs=0.01)
    assert paid[CAT] == pytest.approx(3 * paid[BEN])
    w.check(world)


def test_a_liquidated_short_is_bought_back():
    world = empty_venue(HYPERLIQUID, venue={"ladder": "bitmex"})
    give(world, ANN, 1000.0, (0, -1000, 1000.0))
    give(world, CAT, 1e6, (0, 1000, 1000.0))
    give(world, BEN, 1e6)
    set_marks(world, 1085.0)
    submit(world.book, world.ledger, 0, BEN, SELL, LIMIT, 10850, 1000, 0, 0)
    liquidate(world)
    assert find_position(world.ledger, ANN, 0) == w.NONE
    assert 0 < _equity(world, ANN) < 150
