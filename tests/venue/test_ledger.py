from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import world as w
from abm.market.book import BUY, KEEP_BOTH, LIMIT, SELL, submit
from abm.units import INT64_MAX
from abm.venue.ledger import (
    book_lots,
    charge_fee,
    cut_withdrawals,
    deposit,
    hand_over,
    move_cash,
    settle_fills,
    stop_cutting_withdrawals,
    withdraw,
)
from abm.world import NONE, find_position
from tests.worlds import make_book, make_ledger, make_risk

ACCOUNTS = range(2, 7)
UNIT = 100


@dataclass
class Twin:
    """Average-cost accounting with exact fractions, as a textbook does it."""

    lots: int = 0
    entry: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    closes: int = 0

    def trade(self, lots: int, price: int) -> None:
        """Add signed lots at a price: average in, or realise against the average."""
        if self.lots * lots >= 0:
            total = self.lots + lots
            if total:
                self.entry = (self.entry * self.lots + Fraction(price) * lots) / total
            self.lots = total
            return
        closed = min(abs(lots), abs(self.lots)) * (1 if self.lots > 0 else -1)
        self.realised += closed * (price - self.entry)
        self.closes += 1
        self.lots -= closed
        if abs(lots) > abs(closed):
            self.lots, self.entry = lots + closed, Fraction(price)


@dataclass
class Venue:
    """A ledger with one market and no book, and the realised profits it reported."""

    ledger: w.Ledger = field(default_factory=lambda: make_ledger(8))
    risk: w.Risk = field(default_factory=lambda: make_risk(make_book(), 8))

    def trade(self, account: int, lots: int, price: int) -> int:
        value = lots * price * UNIT
        return int(book_lots(self.ledger, self.risk, 0, account, 0, lots, value))

    def position(self, account: int) -> tuple[int, int]:
        """(lots, cost) that an account holds."""
        slot = find_position(self.ledger, account, 0)
        if slot == NONE:
            return 0, 0
        row = self.ledger.positions[slot]
        return int(row["lots"]), int(row["cost"])

    def cash(self, account: int) -> int:
        return int(self.ledger.accounts["cash"][account])


trades = st.lists(
    st.tuples(
        st.sampled_from(ACCOUNTS),
        st.sampled_from(ACCOUNTS),
        st.integers(1, 1000),
        st.integers(1, 50_000),
    ),
    min_size=1,
    max_size=60,
)
quick = settings(max_examples=300, deadline=None, derandomize=True)


@quick
@given(trades)
def test_trades_conserve_money_lots_and_open_interest(
    done: list[tuple[int, int, int, int]],
) -> None:
    venue = Venue()
    for buyer, seller, lots, price in done:
        venue.trade(buyer, lots, price)
        venue.trade(seller, -lots, price)
        assert w.money_missing(venue.ledger) == 0
        assert w.lots_out_of_balance(venue.ledger).tolist() == [0]
        held = [venue.position(account)[0] for account in ACCOUNTS]
        assert venue.ledger.open_interest[0] == sum(lots for lots in held if lots > 0)
        assert venue.ledger.pots["used_positions"][0] == sum(lots != 0 for lots in held)


@quick
@given(trades)
def test_profits_are_those_of_average_cost_accounting(
    done: list[tuple[int, int, int, int]],
) -> None:
    """To less than a quantum a close: each takes a whole number of quanta of the cost."""
    venue = Venue()
    twins = {account: Twin() for account in ACCOUNTS}
    realised = dict.fromkeys(ACCOUNTS, 0)
    for buyer, seller, lots, price in done:
        for account, signed in ((buyer, lots), (seller, -lots)):
            realised[account] += venue.trade(account, signed, price)
            twins[account].trade(signed, price)
    for account, twin in twins.items():
        lots, cost = venue.position(account)
        assert lots == twin.lots
        assert abs(cost - twin.lots * twin.entry * UNIT) <= twin.closes
        assert abs(realised[account] - twin.realised * UNIT) <= twin.closes
        assert venue.cash(account) == realised[account]


@quick
@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from([1, -1]),
    st.data(),
)
def test_a_partial_close_moves_a_whole_part_of_the_cost(
    lots: int, bought: int, sold: int, side: int, data: st.DataObject
) -> None:
    closed = data.draw(st.integers(1, lots))
    venue = Venue()
    venue.trade(2, side * lots, bought)
    realised = venue.trade(2, -side * closed, sold)
    part = side * (lots * bought * UNIT * closed // lots)
    assert venue.position(2) == (side * (lots - closed), side * lots * bought * UNIT - part)
    assert realised == side * closed * sold * UNIT - part


@pytest.mark.parametrize("side", [1, -1])
def test_a_flip_closes_the_old_position_and_opens_the_rest_at_the_price(side: int) -> None:
    venue = Venue()
    venue.trade(2, side * 10, 100)
    assert venue.trade(2, -side * 25, 130) == side * 10 * 30 * UNIT
    assert venue.position(2) == (-side * 15, -side * 15 * 130 * UNIT)
    assert venue.ledger.open_interest[0] == (15 if side < 0 else 0)


def test_a_closed_position_leaves_its_slot_to_the_next() -> None:
    venue = Venue()
    for turn in range(50):
        venue.trade(2, 5, 100 + turn)
        venue.trade(2, -5, 100)
    assert venue.ledger.pots["used_positions"][0] == 0
    assert venue.ledger.accounts["first_position"][2] == NONE
    assert venue.cash(2) == -5 * UNIT * sum(range(50))


def test_accounts_hold_one_position_a_market() -> None:
    ledger, risk = make_ledger(4, n_markets=6), make_risk(make_book(6), 4)
    for market in (3, 0, 5, 3, 1, 0):
        book_lots(ledger, risk, 1024 * market, 2, market, market + 1, 10)
    live = ledger.positions[ledger.positions["account"] == 2]
    held = dict(zip(live["market"].tolist(), live["lots"].tolist(), strict=True))
    assert held == {3: 8, 0: 2, 5: 6, 1: 2}
    book_lots(ledger, risk, 0, 2, 5, -6, -10)
    assert find_position(ledger, 2, 5) == NONE
    assert ledger.positions["lots"][find_position(ledger, 2, 3)] == 8


@pytest.mark.parametrize(("taker_ppm", "maker_ppm"), [(450, 150), (450, -100), (333, 0)])
def test_fees_and_rebates_go_from_traders_to_the_venue_and_its_fund(
    taker_ppm: int, maker_ppm: int
) -> None:
    ledger, book = make_ledger(6), make_book()
    risk = make_risk(book, 6)
    ledger.pots["taker_ppm"], ledger.pots["maker_ppm"] = taker_ppm, maker_ppm
    ledger.pots["insurance_ppm"] = 250_000
    submit(book, ledger, 0, 2, SELL, LIMIT, 100, 7, 0, KEEP_BOTH)
    submit(book, ledger, 0, 3, SELL, LIMIT, 101, 9, 0, KEEP_BOTH)
    submit(book, ledger, 0, 4, BUY, LIMIT, 101, 10, 0, KEEP_BOTH)
    assert settle_fills(ledger, risk, book, UNIT, 0, 4, BUY) == (700 + 303) * UNIT
    fees = [
        700 * UNIT * maker_ppm // 10**6,
        303 * UNIT * maker_ppm // 10**6,
        1003 * UNIT * taker_ppm // 10**6,
    ]
    assert ledger.accounts["fees"][2:5].tolist() == fees
    assert ledger.accounts["cash"][2:5].tolist() == [-fee for fee in fees]
    fund = sum(fee // 4 for fee in fees)
    assert ledger.accounts["cash"][1] == fund
    assert ledger.pots["fees"][0] == sum(fees) - fund
    assert w.money_missing(ledger) == 0


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pay", "in", "out", "fee"]),
            st.sampled_from(ACCOUNTS),
            st.sampled_from(ACCOUNTS),
            st.integers(0, 10**15),
        ),
        max_size=40,
    )
)
def test_moving_money_about_loses_none(
    moves: list[tuple[str, int, int, int]],
) -> None:
    ledger = make_ledger(8)
    ledger.pots["insurance_ppm"] = 333_333
    for what, account, other, amount in moves:
        if what == "pay":
            move_cash(ledger, account, other, amount)
        elif what == "in":
            deposit(ledger, account, amount)
        elif what == "out":
            withdraw(ledger, account, amount, amount // 2)
        else:
            charge_fee(ledger, account, amount // 1000 - 10**10)
        assert w.money_missing(ledger) == 0


def test_gains_leave_before_principal() -> None:
    ledger = make_ledger(4)
    deposit(ledger, 2, 1_000)
    move_cash(ledger, 3, 2, 300)
    withdraw(ledger, 2, 200, 300)
    assert ledger.accounts["principal"][2] == 1_000
    withdraw(ledger, 2, 250, 100)
    assert ledger.accounts["principal"][2] == 850
    withdraw(ledger, 2, 50, -400)
    assert ledger.accounts["principal"][2] == 800
    assert ledger.accounts["cash"][2] == 800
    assert ledger.pots["withdrawals"][0] == 500


@quick
@given(st.integers(1, 10**17), st.integers(1, 10**17), st.lists(st.integers(0, 10**15)))
def test_a_cut_withdrawal_keeps_its_share_back_rounded_up(
    debt: int, cash: int, amounts: list[int]
) -> None:
    ledger = make_ledger(4)
    cut_withdrawals(ledger, debt, debt + cash)
    kept = 0
    for amount in amounts:
        deposit(ledger, 2, amount)
        withdraw(ledger, 2, amount, 0)
        kept += -(-amount * debt // (debt + cash))
        assert ledger.accounts["cash"][2] == 0
        assert ledger.accounts["given"][2] == ledger.pots["withheld"][0] == kept
        assert w.money_missing(ledger) == 0
    stop_cutting_withdrawals(ledger)
    assert ledger.accounts["cash"][1] == kept
    assert w.money_missing(ledger) == 0
    withdraw(ledger, 1, kept, 0)
    assert ledger.pots["withheld"][0] == 0


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("taker_held", [0, 4, -4, -30])
def test_a_handed_over_position_is_sold_by_one_and_bought_by_the_other(
    side: int, taker_held: int
) -> None:
    venue, twins = Venue(), (Twin(), Twin())
    venue.trade(2, side * 10, 100)
    twins[0].trade(side * 10, 100)
    if taker_held:
        venue.trade(3, taker_held, 120)
        twins[1].trade(taker_held, 120)
    before = venue.cash(3)
    slot = find_position(venue.ledger, 2, 0)
    hand_over(venue.ledger, venue.risk, 0, slot, 3, side * 10 * 90 * UNIT)
    twins[0].trade(-side * 10, 90)
    twins[1].trade(side * 10, 90)
    assert venue.position(2) == (0, 0)
    assert venue.cash(2) == twins[0].realised * UNIT
    assert venue.position(3)[0] == twins[1].lots
    assert venue.position(3)[1] == twins[1].lots * twins[1].entry * UNIT
    assert venue.cash(3) - before == twins[1].realised * UNIT


def test_every_change_puts_the_account_on_the_list_of_the_touched_once() -> None:
    ledger, risk = make_ledger(8), make_risk(make_book(), 8)
    book_lots(ledger, risk, 0, 5, 0, 3, 30)
    move_cash(ledger, 5, 3, 1)
    deposit(ledger, 6, 1)
    withdraw(ledger, 6, 1, 0)
    count = int(ledger.pots["n_touched"][0])
    assert ledger.touched[:count].tolist() == [5, 3, 6]


def test_the_largest_position_that_a_scenario_may_have_closes_exactly() -> None:
    """Costs near the end of int64 go through 128-bit division."""
    venue = Venue()
    lots = 10**9 + 7
    price = INT64_MAX // (4 * lots * UNIT)
    venue.trade(2, lots, price)
    for _ in range(6):
        venue.trade(2, -lots // 7, price + 1)
    left, cost = venue.position(2)
    exact = Fraction(lots * price * UNIT) * left / lots
    assert abs(cost - exact) <= 6
    assert np.sign(cost) == 1
