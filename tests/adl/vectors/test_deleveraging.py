"""Positions closed against each other, and charges per contract."""

from __future__ import annotations

import numpy as np
import pytest

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.venue.liquidation import liquidate
from abm.world import World, find_position
from tests.adl.vectors.cases import Case, cases
from tests.adl.vectors.worlds import (
    ANN,
    BEN,
    CAT,
    HOUSE,
    TICK,
    close_at_bankruptcy,
    deleverage,
    equity,
    hold,
    lots_of,
    quote,
    venue,
    wave_of,
)


@cases("deleveraging")
def test_a_bankrupt_account_is_closed_at_bankruptcy_as_at_dydx(case: Case) -> None:
    market = case["market"]
    tick = TICK if market["price"] > 100 else 0.001
    world = venue({"X": market | {"tick": tick}})
    each = market["price"] * market["lot"]
    sizes = [case[who]["size"] for who in ("bankrupt", "counterparty")]
    lots = [round(size / market["lot"]) for size in sizes]
    hold(world, ANN, case["bankrupt"]["quote"], (0, lots[0], each))
    # Somebody in profit, so that the dearer price is only a loss of profit.
    hold(world, BEN, case["counterparty"]["quote"], (0, lots[1], each))
    if sum(lots):
        hold(world, HOUSE, 1e7, (0, -sum(lots), each))
        world.ledger.accounts["kind"][HOUSE] = w.BACKSTOP
    before = equity(world, BEN)
    deleverage(world)
    for who, account in (("bankrupt", ANN), ("counterparty", BEN)):
        after = case[f"{who}_after"]
        assert quote(world, account) == pytest.approx(after["quote"], abs=1e-4)
        assert lots_of(world, account) == round(after["size"] / market["lot"])
    if "counterparty_loss" in case:
        assert before - equity(world, BEN) == pytest.approx(case["counterparty_loss"])
        notional = (abs(lots[1]) * each, abs(lots_of(world, BEN)) * each)
        margins = (before / notional[0], equity(world, BEN) / notional[1])
        assert margins == pytest.approx(case["counterparty_margin"], abs=1e-4)


def one_bitcoin(case: Case, short: float, *longs: tuple[float, float]) -> World:
    """Ann is short a Bitcoin; Ben, and then Cat, are long."""
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market})
    each = case["price"] / 1000
    hold(world, ANN, short, (0, -1000, each))
    for account, (balance, size) in zip((BEN, CAT), longs, strict=False):
        hold(world, account, balance, (0, round(size * 1000), each))
    return world


@cases("deleveraging of one Bitcoin")
def test_a_bitcoin_is_offset_at_bankruptcy_as_at_dydx(case: Case) -> None:
    world = one_bitcoin(case, case["short"], (case["long"], 1.0))
    close_at_bankruptcy(world, ANN, 0, {BEN: round(case["closed"] * 1000)})
    assert quote(world, ANN) == pytest.approx(case["short_after"], abs=1e-5)
    assert quote(world, BEN) == pytest.approx(case["long_after"], abs=1e-5)
    assert lots_of(world, BEN) == 1000 - round(case["closed"] * 1000)
    w.check(world)


@cases("deleveraging that is refused")
def test_a_counterparty_that_would_go_under_is_left_alone_as_at_dydx(case: Case) -> None:
    world = one_bitcoin(case, case["short"], (case["long"], 1.0))
    deleverage(world)
    assert quote(world, ANN) == case["short"]
    assert quote(world, BEN) == case["long"]


@cases("deleveraging of one position of two")
def test_one_of_two_positions_takes_its_part_of_equity_as_at_dydx(case: Case) -> None:
    names = list(case["prices"])
    markets = {
        name: {"price": price, "maintenance": case["maintenance"]}
        for name, price in case["prices"].items()
    }
    world = venue(markets)
    each = {name: price / 1000 for name, price in case["prices"].items()}
    held = {name: round(size * 1000) for name, size in case["held"].items()}
    hold(
        world, ANN, case["quote"],
        *((names.index(name), lots, each[name]) for name, lots in held.items()),
    )  # fmt: skip
    closed = names.index(case["closes"])
    balance = case["counterparty_quote"]
    hold(world, BEN, balance, (closed, -held[names[closed]], each[names[closed]]))
    other = 1 - closed
    hold(world, HOUSE, 0.0, (other, -held[names[other]], each[names[other]]))
    close_at_bankruptcy(world, ANN, closed, {BEN: abs(held[names[closed]])})
    assert quote(world, ANN) == pytest.approx(case["quote_after"], abs=1e-4)
    assert quote(world, BEN) == pytest.approx(case["counterparty_after"], abs=1e-4)
    assert quote(world, ANN) - case["quote"] == pytest.approx(-case["price"])


@cases("deleveraging against two")
def test_two_counterparties_each_take_half_as_at_dydx(case: Case) -> None:
    pair = [(one["quote"], one["size"]) for one in case["counterparties"]]
    world = one_bitcoin(case, case["short"], *pair)
    close_at_bankruptcy(world, ANN, 0, {BEN: 500, CAT: 500})
    assert [quote(world, who) for who in (BEN, CAT)] == pytest.approx(case["after"])


@cases("who is short")
def test_only_negative_equity_is_deleveraged_as_at_dydx(case: Case) -> None:
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market})
    lots = round(case["size"] * 1000)
    hold(world, ANN, case["quote"], (0, lots, case["price"] / 1000))
    hold(world, BEN, 1e6, (0, -lots, case["price"] / 1000))
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    assert policy.decide(wave_of(world, policy)).acted == case["is_short"]


@cases("head of the queue")
def test_the_head_of_a_queue_bears_its_contracts_part_of_the_debt(case: Case) -> None:
    world = venue({"ETH": {"price": 4000.0, "maintenance": 0.05}})
    lots = round(case["bankrupt_size"] * 1000)
    balance = -case["bankrupt_size"] * 4000.0 - case["deficit"]
    hold(world, ANN, balance, (0, lots, 4.0))
    # Both won: long since 2000. Ben's leverage is higher.
    head = round(case["head_size"] * 1000)
    hold(world, BEN, -1000.0, (0, head, 4.0))
    hold(world, CAT, 3000.0, (0, -lots - head, 4.0))
    for who in (BEN, CAT):
        slot = find_position(world.ledger, who, 0)
        row = world.ledger.positions[slot]
        gain = int(row["cost"]) // 2
        world.ledger.positions["cost"][slot] -= gain
        world.ledger.accounts["cash"][who] -= gain
    before = equity(world, BEN)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("bitmex", PRESETS["bitmex"])
    now = wave_of(world, policy)
    decision = policy.answer(world, now).decision
    head_row = decision.payers.row[np.argmax(decision.score)]
    assert now.candidates["account"][head_row] == BEN
    assert before - equity(world, BEN) == pytest.approx(case["head_bears"])
    w.check(world)


@cases("oracle-capped price")
def test_the_better_of_oracle_and_bankruptcy_moves_what_ethereal_says(case: Case) -> None:
    world = venue({"ETH": {"price": case["oracle"], "maintenance": 0.05, "lot": 1.0}})
    lots, entry = int(case["size"]), case["entry"]
    hold(world, ANN, case["collateral"] - lots * entry, (0, lots, entry))
    hold(world, BEN, 5000.0 + lots * entry, (0, -lots, entry))
    before = equity(world, BEN)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("ethereal", PRESETS["ethereal"])
    fills = policy.answer(world, wave_of(world, policy)).fills
    assert (fills["value"] / fills["lots"] / 1e6).tolist() == [case["price"]]
    assert before - equity(world, BEN) == pytest.approx(case["transfer"])
    assert equity(world, ANN) == 0.0


@cases("charge per contract")
def test_the_charge_per_contract_is_drift_s(case: Case) -> None:
    world = venue({"X": {"price": 100.0, "maintenance": 0.05, "lot": 1.0}})
    # The debtor is flat; its liquidation last sold a long. What the pool has is paid.
    hold(world, ANN, -(case["loss"] - case["fee_pool"]))
    world.ledger.accounts["debt_market"][ANN] = 0
    world.ledger.accounts["debt_side"][ANN] = 1
    hold(world, BEN, 1e4, (0, case["long"], 100.0))
    hold(world, CAT, 1e4, (0, -case["short"], 100.0))
    rest = case["short"] - case["long"]
    if rest:
        # The other side of the market is the vault's, which is not charged.
        hold(world, 0, 1e6, (0, rest, 100.0))
    before = equity(world, BEN), equity(world, CAT)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("drift", PRESETS["drift"])
    policy.answer(world, wave_of(world, policy))
    paid = before[0] - equity(world, BEN), before[1] - equity(world, CAT)
    assert paid[0] / case["long"] == pytest.approx(case["charge"], abs=1e-9)
    assert paid[1] / case["short"] == pytest.approx(case["charge"], abs=1e-9)
    assert equity(world, ANN) == 0.0
    w.check(world)
