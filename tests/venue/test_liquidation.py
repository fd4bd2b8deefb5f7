"""The ladder, rung by rung. Numbers that venues publish are in tests/adl/vectors.toml."""

from __future__ import annotations

import pytest

from abm import world as w
from abm.market.book import BUY, LIMIT, SELL, submit
from abm.venue.liquidation import liquidate, shortfall
from abm.venue.margin import equity_of
from abm.world import find_position
from tests.crashes import FIRST, empty_venue, give, set_marks

ANN, BEN, CAT = FIRST, FIRST + 1, FIRST + 2


def _equity(world, account):
    return int(equity_of(world.ledger, world.markets, account)) / 1e6


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
