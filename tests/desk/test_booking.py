"""Transfers, moves and new accounts in the ledger: exact, covered by margin, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import world as w
from abm.desk.actions import Actions, Own, RefusedError
from abm.desk.booking import booked
from abm.world import World
from tests.adl.books import equity, venue
from tests.crashes import FIRST, give
from tests.gaming.small import lots_of

ANN, BEN, OTHER = FIRST, FIRST + 1, FIRST + 2
USD = 10**6
TAKER = 450
"""Parts per million of the value that a move costs either side here."""


def _venue() -> World:
    world = venue(1000.0)
    give(world, ANN, 1000, (0, 400, 900.0))
    world.ledger.accounts["principal"][ANN] = 1000 * USD
    give(world, OTHER, 9000, (0, -400, 900.0))
    return world


def _book(world: World, actions: Actions, move_ppm: int = 0) -> tuple[World, Own]:
    own = Own(np.array([ANN, BEN]), np.array([0, 0]))
    found = booked(world, actions.rows(), own, move_ppm)
    w.check(found[0])
    return found


def test_a_position_moves_with_its_entry_price_and_its_profit():
    actions = Actions()
    actions.pay(ANN, BEN, 200 * USD)
    actions.move(ANN, BEN, 0, 100, "entry")
    world, _ = _book(_venue(), actions)
    assert (lots_of(world, ANN), lots_of(world, BEN)) == (300, 100)
    assert equity(world, BEN) == (200 + 100) * USD
    assert equity(world, ANN) == (800 + 300) * USD
    held = world.ledger.positions
    assert held["cost"][held["account"] == BEN].tolist() == [900 * USD]


def test_at_the_mark_the_profit_stays_behind_as_cash():
    actions = Actions()
    actions.pay(ANN, BEN, 200 * USD)
    actions.move(ANN, BEN, 0, 100, "mark")
    world, _ = _book(_venue(), actions)
    assert equity(world, BEN) == 200 * USD
    assert equity(world, ANN) == 1200 * USD
    assert int(world.ledger.accounts["cash"][ANN]) == 900 * USD


def test_moving_costs_either_side_the_fee():
    actions = Actions()
    actions.pay(ANN, BEN, 200 * USD)
    actions.move(ANN, BEN, 0, 100, "entry")
    world, _ = _book(_venue(), actions, TAKER)
    fee = 1000 * TAKER
    assert world.ledger.accounts["fees"][[ANN, BEN]].tolist() == [fee, fee]
    assert equity(world, BEN) == 300 * USD - fee


@given(
    st.integers(1, 400),
    st.integers(0, 300 * USD),
    st.sampled_from(["entry", "mark"]),
    st.sampled_from([0, TAKER]),
)
@settings(max_examples=60, deadline=None)
def test_moves_make_no_money_no_gain_and_no_principal(lots, more, price, move_ppm):
    world = _venue()
    principal = int(world.ledger.accounts["principal"][ANN])
    before = equity(world, ANN) + equity(world, BEN)
    actions = Actions()
    actions.pay(ANN, BEN, lots * USD // 2 + more)
    actions.move(ANN, BEN, 0, lots, price)
    world, _ = _book(world, actions, move_ppm)
    accounts = world.ledger.accounts[[ANN, BEN]]
    assert int(accounts["principal"].sum()) == principal
    fees = int(accounts["fees"].sum())
    assert equity(world, ANN) + equity(world, BEN) == before - fees


@pytest.mark.parametrize(
    ("method", "args", "words"),
    [
        ("withdraw", (ANN, 1001 * USD), "cannot give 1,001.00 USD: 1,000.00 USD are free"),
        ("pay", (ANN, BEN, 1001 * USD), "cannot give 1,001.00 USD"),
        ("move", (ANN, BEN, 0, 401), "holds 400 lots of market 0, not 401"),
        ("move", (ANN, BEN, 0, -1), "holds 400 lots of market 0, not -1"),
        ("move", (BEN, ANN, 0, 1), "holds 0 lots of market 0, not 1"),
        ("move", (ANN, BEN, 0, 100), f"leaves account {BEN} 40.00 USD short of its init"),
    ],
)
def test_what_is_not_there_or_not_covered_is_refused(method, args, words):
    actions = Actions()
    getattr(actions, method)(*args)
    with pytest.raises(RefusedError) as caught:
        _book(_venue(), actions)
    assert words in str(caught.value)


def test_initial_margin_stays_covered_when_money_leaves():
    world = _venue()
    give(world, BEN, 200, (0, 400, 1000.0))
    give(world, OTHER, 0, (0, -400, 1000.0))
    actions = Actions()
    actions.withdraw(BEN, 40 * USD)
    _book(world, actions)
    assert equity(world, BEN) == 160 * USD
    actions.withdraw(BEN, 1)
    with pytest.raises(RefusedError, match=f"leaves account {BEN} 40.00 USD short"):
        _book(world, actions)


def test_an_account_in_liquidation_is_left_alone():
    world = _venue()
    world.ledger.accounts["watched"][ANN] = 1
    actions = Actions()
    actions.withdraw(ANN, 1)
    with pytest.raises(RefusedError, match="is being liquidated"):
        _book(world, actions)


def test_new_accounts_are_of_the_kind_and_the_trader_of_the_first():
    world = _venue()
    actions = Actions()
    one = actions.open(ANN)
    two = actions.open(one)
    actions.deposit(two, 50 * USD)
    world, own = _book(world, actions)
    assert own.owner.tolist() == [0] * 4
    rows = world.ledger.accounts[own.account]
    for name in ("kind", "trader"):
        assert set(rows[name][2:].tolist()) == {int(rows[name][0])}
    assert equity(world, int(own.account[3])) == 50 * USD
    assert int(rows["principal"][3]) == 50 * USD


def test_more_orders_than_the_inbox_holds_all_arrive():
    world = _venue()
    count = len(world.inbox) + 500
    actions = Actions()
    actions.order(np.full(count, ANN), 0, 1, kind="limit", tick=500)
    world, _ = _book(world, actions)
    assert int(world.logs.counts[0]["inbox"]) == count
    assert world.inbox["account"][:count].tolist() == [ANN] * count
