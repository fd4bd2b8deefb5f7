"""Prices of liquidation and bankruptcy, and what the insurance fund gains and pays."""

from __future__ import annotations

import pytest

from abm import world as w
from abm.market.book import BUY, LIMIT, submit
from abm.venue import formulas
from abm.venue.liquidation import bankruptcy_value, limit_tick, liquidate, shortfall
from abm.venue.margin import health
from abm.world import find_position
from tests.adl.vectors.cases import Case, cases
from tests.adl.vectors.worlds import (
    ANN,
    BEN,
    FUND,
    HOUSE,
    TICK,
    close_at_bankruptcy,
    equity,
    hold,
    lots_of,
    quote,
    set_mark,
    venue,
)


@cases("liquidation price")
def test_the_liquidation_price_is_dydx_s_and_where_margin_says_so(case: Case) -> None:
    price = formulas.liquidation_price(
        case["equity"], case["size"], case["price"], case["maintenance"], case["others"]
    )
    assert price == pytest.approx(case["liquidated_at"], abs=0.01)
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    other = {"price": 1750.0, "maintenance": 0.1}
    world = venue({"ETH": market, "STRK": other})
    held = [(0, round(case["size"] * 1000), case["price"] / 1000)]
    if case["others"]:
        held.append((1, round(case["others"] / 0.1 / 1.75), 1.75))
    owed = sum(lots * each for _, lots, each in held)
    hold(world, ANN, case["equity"] - owed, *held)
    for mark, is_sound in ((price - 0.1, True), (price + 0.1, False)):
        set_mark(world, 0, mark)
        worth, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
        assert (worth >= maintenance) == is_sound


@cases("bankruptcy price")
def test_the_bankruptcy_price_is_dydx_s(case: Case) -> None:
    names = list(case["prices"])
    world = venue(
        {
            name: {"price": price, "maintenance": case["maintenance"]}
            for name, price in case["prices"].items()
        }
    )
    held = [
        (names.index(name), round(size * 1000), case["prices"][name] / 1000)
        for name, size in case["held"].items()
    ]
    hold(world, ANN, case["quote"], *held)
    ((name, closed),) = case["closes"].items()
    slot = find_position(world.ledger, ANN, names.index(name))
    equity_, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
    value = bankruptcy_value(
        world.ledger, world.risk, world.markets, slot, equity_, maintenance
    )
    part = -closed / case["held"][name]
    assert value * part == pytest.approx(case["for"] * 1e6, abs=1)


@cases("bankruptcy price, rounded")
def test_part_of_a_position_is_rounded_against_the_payer_as_at_dydx(case: Case) -> None:
    market = {"price": 50_000.0, "maintenance": 0.1, "lot": 1e-8, "tick": 100.0}
    world = venue({"BTC": market})
    each = 50_000.0 * 1e-8
    balance = case["quote"] / 1e6
    hold(world, ANN, balance, (0, case["lots"], each))
    hold(world, BEN, 1e6, (0, -case["lots"], each))
    close_at_bankruptcy(world, ANN, 0, {BEN: case["closes"]})
    assert round((quote(world, ANN) - balance) * 1e6) == case["for"]


@cases("fillable price")
def test_the_fillable_price_is_dydx_s(case: Case) -> None:
    spread = case["spread"] * case["adjustment"]
    rungs = [{"rung": "book", "price": "fillable", "spread": spread}, {"rung": "wave"}]
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market}, rungs, insurance_usd=1e6)
    hold(world, FUND, 1e6)
    hold(world, ANN, case["quote"], (0, round(case["size"] * 1000), case["price"] / 1000))
    equity_, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
    slot = find_position(world.ledger, ANN, 0)
    tick = limit_tick(world, world.risk.rungs[0], slot, equity_, maintenance)
    assert tick * TICK == pytest.approx(case["fillable"])


@cases("insurance fund")
def test_the_fund_gains_and_pays_as_dydx_s(case: Case) -> None:
    rung = {"rung": "book", "price": "market", "slippage": 0.5}
    if "spread" in case:
        rung = {"rung": "book", "price": "fillable", "spread": case["spread"]}
    rungs = [rung, {"rung": "insurance", "mode": "pay"}, {"rung": "wave"}]
    market = case["market"]
    tick = TICK if market["price"] > 100 else 0.001
    world = venue(
        {"X": market | {"tick": tick}}, rungs, liquidation_fee_bps=case["fee"] * 1e4
    )
    lots, each = round(case["size"] / market["lot"]), market["price"] * market["lot"]
    hold(world, FUND, case["fund_before"])
    hold(world, BEN, 1e6)
    hold(world, ANN, case["quote"], (0, lots, each))
    hold(world, HOUSE, 1e6, (0, -lots, each))
    bid = round(case["fill_price"] / tick)
    submit(world.book, world.ledger, 0, BEN, BUY, LIMIT, bid, lots, 0, 0)
    w.touch(world.ledger, ANN)
    liquidate(world)
    assert lots_of(world, ANN) == 0
    gain = equity(world, FUND) - case["fund_before"]
    assert gain == pytest.approx(case["fund_gain"], abs=1e-4)
    w.check(world)


@cases("insurance fund takes over")
def test_the_fund_takes_over_and_loses_what_flox_says(case: Case) -> None:
    rungs = [{"rung": "insurance", "mode": "takeover", "below": 0.0}, {"rung": "wave"}]
    world = venue({"X": {"price": case["mark"], "maintenance": 0.02, "lot": 1.0}}, rungs)
    hold(world, FUND, case["fund_before"])
    entry, lots = case["entry"], int(case["size"])
    hold(world, ANN, case["cash"] - entry * lots, (0, lots, entry))
    hold(world, HOUSE, 1e6 + entry * lots, (0, -lots, entry))
    w.touch(world.ledger, ANN)
    liquidate(world)
    assert equity(world, ANN) == 0.0
    assert equity(world, FUND) == case["fund_after"]
    assert shortfall(world.ledger, world.risk, world.markets) == 0
    w.check(world)
