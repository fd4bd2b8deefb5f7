from __future__ import annotations

from typing import Any

import numpy as np
import pyorderbook
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import world as w
from abm.market.book import (
    BUY,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    IOC,
    KEEP_BOTH,
    LIMIT,
    MARKET,
    POST_ONLY,
    REFUSED,
    SELL,
    cancel,
    cancel_all,
    depth,
    level_at_or_above,
    level_at_or_below,
    mid_tick,
    replace,
    submit,
)
from abm.venue.ledger import settle_fills
from abm.world import NONE, Array, Book
from tests.market.driver import (
    CANCEL,
    CANCEL_ALL,
    EVENT,
    REPLACE,
    SUBMIT,
    Compiled,
    Naive,
    fall_and_recovery,
    random_stream,
)
from tests.worlds import make_book, make_ledger, make_risk

N_ACCOUNTS = 40


# --- against the naive book -------------------------------------------------------------


def assert_agree(
    ours: Compiled, twin: Naive, events: Array, first: int, n_markets: int
) -> None:
    """Run events through both books: same outcomes, fills, queues and positions."""
    outcomes, tape = ours.run(events, first)
    expected_outcomes, expected_tape = twin.run(events, first)
    assert tape == expected_tape
    assert outcomes == expected_outcomes
    for market in range(n_markets):
        assert ours.queue(market) == twin.queue(market)
        assert ours.positions(market) == twin.positions(market)


def test_a_million_random_orders_match_as_in_the_naive_book() -> None:
    n_events, n_markets, chunk = 1_000_000, 2, 20_000
    path = fall_and_recovery(n_events, top=10_000, bottom=2_000, seed=1)
    events = random_stream(n_events, path, n_markets, N_ACCOUNTS, seed=2)
    ours = Compiled(n_markets, 16_384, N_ACCOUNTS, n_events)
    twin = Naive(n_markets, 16_384)
    lowest = 16_384
    for first in range(0, n_events, chunk):
        assert_agree(ours, twin, events[first : first + chunk], first, n_markets)
        lowest = min(lowest, int(ours.book.tops["last"].min()))
    assert lowest < 2_100
    assert ours.book.tops["last"].min() > 9_500
    assert ours.book.tops["volume"].sum() > 3_000_000
    assert w.money_missing(ours.ledger) == 0
    assert not w.lots_out_of_balance(ours.ledger).any()


@st.composite
def small_streams(draw: st.DrawFn) -> Array:
    """A few events on a grid of two words, many of them at the same few prices."""
    tick = st.one_of(st.integers(60, 68), st.integers(-1, 129))
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [SUBMIT] * 6 + [CANCEL, CANCEL, REPLACE, REPLACE, CANCEL_ALL]
                ),
                st.just(0),
                st.integers(0, 3),
                st.sampled_from([BUY, SELL]),
                st.sampled_from([LIMIT, LIMIT, MARKET, IOC, POST_ONLY]),
                tick,
                st.integers(0, 6),
                st.booleans(),
                st.sampled_from([KEEP_BOTH, CANCEL_RESTING, CANCEL_INCOMING]),
                st.integers(0, 40),
            ),
            min_size=10,
            max_size=40,
        )
    )
    events = np.array(rows, EVENT)
    events["target"] %= np.arange(1, len(events) + 1)
    return events


@settings(max_examples=200, deadline=None, derandomize=True)
@given(small_streams())
def test_any_stream_keeps_the_book_sound_and_matches_the_naive_book(events: Array) -> None:
    ours, twin = Compiled(1, 128, 4, len(events)), Naive(1, 128)
    for i in range(len(events)):
        resting = sum(row[3] for row in ours.queue(0))
        before = int(ours.book.tops["volume"][0])
        assert_agree(ours, twin, events[i : i + 1], i, 1)
        assert_sound(ours.book)
        filled = int(ours.book.tops["volume"][0]) - before
        assert filled <= resting
        if events["action"][i] in (SUBMIT, REPLACE):
            assert filled <= events["lots"][i]


def assert_sound(book: Book) -> None:
    """Everything that holds of a book at any time, computed from its orders alone."""
    working = book.orders[book.orders["id"] != NONE]
    assert (working["lots"] > 0).all()
    assert book.pool["used"][0] == len(working)
    for top in book.tops:
        ticks, side = working["tick"], working["side"]
        bids, asks = ticks[side == BUY], ticks[side == SELL]
        assert top["bid"] == max(bids, default=NONE)
        assert top["ask"] == min(asks, default=top["size"])
        assert top["bid"] < top["ask"]
    lots = np.zeros(len(book.levels), np.int64)
    np.add.at(lots, working["tick"], working["lots"])
    assert (book.levels["lots"] == lots).all()
    flags = np.unpackbits(book.bits.view(np.uint8), bitorder="little")
    assert (flags.astype(bool) == (lots > 0)).all()
    words = np.unpackbits(book.summary.view(np.uint8), bitorder="little")
    assert (words[: len(book.bits)].astype(bool) == (book.bits != 0)).all()
    for tick in np.unique(working["tick"]):
        numbers = [book.orders["id"][slot] for slot in _chain(book, int(tick))]
        assert numbers == sorted(working["id"][working["tick"] == tick])


def _chain(book: Book, tick: int) -> list[int]:
    """Slots of a level's queue, the oldest first, read forwards and backwards."""
    slots, slot = [], int(book.levels["head"][tick])
    while slot != NONE:
        slots.append(slot)
        slot = int(book.orders["after"][slot])
    back, slot = [], int(book.levels["tail"][tick])
    while slot != NONE:
        back.append(slot)
        slot = int(book.orders["before"][slot])
    assert back == slots[::-1]
    return slots


# --- against a published engine ---------------------------------------------------------


def test_limit_market_and_cancel_fill_as_in_pyorderbook() -> None:
    """The types that both know; that engine has no owners, replaces or reduce-only."""
    n_events = 100_000
    path = fall_and_recovery(n_events, top=10_000, bottom=2_000, seed=3)
    events = random_stream(n_events, path, 1, N_ACCOUNTS, seed=4)
    events["action"][events["action"] > CANCEL] = SUBMIT
    events["kind"][events["kind"] == POST_ONLY] = LIMIT
    events["reduce_only"] = 0
    events["self_trade"] = KEEP_BOTH
    _, tape = Compiled(1, 16_384, N_ACCOUNTS, n_events).run(events, 0)
    assert len(tape) > 50_000
    assert tape == _fills_of_pyorderbook(events)


def _fills_of_pyorderbook(events: Array) -> list[tuple[int, ...]]:
    """(event, tick, lots, maker) of every fill of the published engine."""
    book = pyorderbook.Book()
    sent: dict[int, Any] = {}
    owner: dict[Any, int] = {}
    tape = []
    for name, event in enumerate(events.tolist()):
        action, _, account, side, kind, tick, lots, _, _, target = event
        if action == CANCEL:
            if target in sent and book.get_order(sent[target].id):
                book.cancel(sent[target])
            continue
        if kind == MARKET:
            tick = 16_383 if side == BUY else 1
        make = pyorderbook.bid if side == BUY else pyorderbook.ask
        sent[name] = order = make("ONE", tick, lots)
        owner[order.id] = account
        for trade in book.match(order).trades:
            maker = owner[trade.standing_order_id]
            tape.append((name, int(trade.fill_price), trade.fill_quantity, maker))
        if kind in (MARKET, IOC) and book.get_order(order.id):
            book.cancel(order)
    return tape


# --- one behaviour at a time ------------------------------------------------------------


class Desk:
    """A book of one market to which single orders are sent by hand."""

    def __init__(self, n_orders: int = 64) -> None:
        self.book = make_book(1, 256, n_orders)
        self.ledger = make_ledger(8)
        self.risk = make_risk(self.book, 8)

    def send(
        self, account: int, side: int, tick: int, lots: int, kind: int = LIMIT,
        reduce_only: int = 0, self_trade: int = CANCEL_RESTING,
    ) -> int:  # fmt: skip
        """Send an order; its fills are in `fills` and in the ledger."""
        slot = submit(
            self.book, self.ledger, 0, account, side, kind, tick, lots, reduce_only,
            self_trade,
        )  # fmt: skip
        self._settle(account, side)
        return slot

    def replace(self, slot: int, tick: int, lots: int) -> int:
        order = self.book.orders[slot]
        account, side = int(order["account"]), int(order["side"])
        number = int(order["id"])
        found = replace(self.book, self.ledger, slot, number, tick, lots, CANCEL_RESTING)
        self._settle(account, side)
        return found

    def _settle(self, account: int, side: int) -> None:
        count = int(self.book.pool["n_fills"][0])
        self.fills = [
            (int(f["maker"]), int(f["tick"]), int(f["lots"]))
            for f in self.book.fills[:count]
        ]
        settle_fills(self.ledger, self.risk, self.book, 1, 0, account, side)

    def held(self, account: int) -> int:
        owner = self.ledger.positions["account"] == account
        return int(self.ledger.positions["lots"][owner].sum())


def test_better_prices_fill_first_and_older_orders_before_younger() -> None:
    desk = Desk()
    for account, tick in ((2, 101), (3, 100), (4, 100), (5, 102)):
        desk.send(account, SELL, tick, 5)
    desk.send(6, BUY, 101, 12)
    assert desk.fills == [(3, 100, 5), (4, 100, 5), (2, 101, 2)]


def test_a_smaller_size_keeps_its_place_and_a_larger_one_goes_to_the_back() -> None:
    desk = Desk()
    first, second = desk.send(2, SELL, 100, 5), desk.send(3, SELL, 100, 5)
    assert desk.replace(first, 100, 4) == first
    desk.replace(second, 100, 6)
    desk.send(4, SELL, 100, 1)
    desk.send(5, BUY, 100, 10)
    assert desk.fills == [(2, 100, 4), (3, 100, 6)]
    third = desk.send(2, SELL, 100, 2)
    desk.replace(third, 100, 3)
    desk.send(5, BUY, 100, 4)
    assert desk.fills == [(4, 100, 1), (2, 100, 3)]


def test_a_replaced_order_may_trade_at_its_new_price() -> None:
    desk = Desk()
    desk.send(2, BUY, 99, 3)
    offer = desk.send(3, SELL, 105, 5)
    desk.replace(offer, 99, 5)
    assert desk.fills == [(2, 99, 3)]
    assert int(desk.book.tops["ask"][0]) == 99


def test_post_only_is_refused_when_it_would_trade() -> None:
    desk = Desk()
    desk.send(2, SELL, 100, 5)
    assert desk.send(3, BUY, 100, 1, POST_ONLY) == REFUSED
    assert desk.send(3, BUY, 99, 1, POST_ONLY) >= 0


def test_market_and_ioc_orders_leave_nothing_in_the_book() -> None:
    desk = Desk()
    assert desk.send(2, BUY, 0, 7, MARKET) == NONE
    desk.send(3, SELL, 100, 5)
    assert desk.send(2, BUY, 99, 7, IOC) == NONE
    assert desk.fills == []
    assert desk.send(2, BUY, 101, 7, IOC) == NONE
    assert desk.fills == [(3, 100, 5)]
    assert desk.book.pool["used"][0] == 0


@pytest.mark.parametrize(
    ("rule", "fills", "left"),
    [
        (KEEP_BOTH, [(2, 100, 5), (3, 101, 2)], 3),
        (CANCEL_RESTING, [(3, 101, 5)], 2),
        (CANCEL_INCOMING, [], 10),
    ],
)
def test_self_trades_follow_the_rule(
    rule: int, fills: list[tuple[int, int, int]], left: int
) -> None:
    desk = Desk()
    desk.send(2, SELL, 100, 5)
    desk.send(3, SELL, 101, 5)
    desk.send(2, BUY, 101, 7, self_trade=rule)
    assert desk.fills == fills
    assert depth(desk.book, 0, SELL, 255) + depth(desk.book, 0, BUY, 1) == left


def test_reduce_only_never_turns_a_position_around() -> None:
    desk = Desk()
    desk.send(2, SELL, 100, 8)
    desk.send(3, BUY, 100, 8)
    assert desk.send(3, BUY, 90, 1, reduce_only=1) == REFUSED
    slots = [desk.send(3, SELL, tick, 20, reduce_only=1) for tick in (110, 111)]
    assert [int(desk.book.orders["lots"][s]) for s in slots] == [8, 8]
    desk.send(2, BUY, 111, 20, IOC)
    assert desk.fills == [(3, 110, 8)]
    assert desk.held(3) == 0
    assert desk.book.pool["used"][0] == 0


def test_a_resting_reduce_only_order_shrinks_with_the_position() -> None:
    desk = Desk()
    desk.send(2, SELL, 100, 8)
    desk.send(3, BUY, 100, 8)
    desk.send(3, SELL, 110, 8, reduce_only=1)
    desk.send(2, BUY, 105, 5)
    desk.send(3, SELL, 105, 5)
    desk.send(4, BUY, 110, 8)
    assert desk.fills == [(3, 110, 3)]
    assert desk.held(3) == 0


def test_cancelling_what_does_not_work_any_more_changes_nothing() -> None:
    desk = Desk(n_orders=4)
    slot = desk.send(2, SELL, 100, 5)
    number = int(desk.book.orders["id"][slot])
    assert cancel(desk.book, desk.ledger, slot, number) == 5
    desk.send(3, SELL, 101, 5)
    before = [array.copy() for array in (*desk.book, *desk.ledger)]
    for stale in [(slot, number), (NONE, number), (REFUSED, 0), (4, 0), (99, number)]:
        assert cancel(desk.book, desk.ledger, *stale) == 0
    for free in range(4):
        assert cancel(desk.book, desk.ledger, free, NONE) == 0
        assert replace(desk.book, desk.ledger, free, NONE, 50, 1, 0) == REFUSED
    after = (*desk.book, *desk.ledger)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_cancel_all_takes_one_account_s_orders_and_nobody_else_s() -> None:
    desk = Desk()
    for tick in (90, 91, 92):
        desk.send(2, BUY, tick, 1)
        desk.send(3, BUY, tick, 1)
    desk.send(2, SELL, 120, 1)
    assert cancel_all(desk.book, desk.ledger, 2) == 4
    assert depth(desk.book, 0, BUY, 1) == 3
    assert cancel_all(desk.book, desk.ledger, 2) == 0
    assert mid_tick(desk.book, 0, -5.0) == -5.0


def test_a_full_pool_refuses_and_says_so() -> None:
    desk = Desk(n_orders=2)
    assert desk.send(2, BUY, 90, 1) >= 0
    assert desk.send(2, BUY, 91, 1) >= 0
    assert desk.send(2, BUY, 92, 1) == REFUSED
    assert desk.book.pool["refused"][0] == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.sets(st.integers(1, 64 * 64 * 3 - 1), max_size=30),
    st.lists(st.integers(-1, 64 * 64 * 3), min_size=1, max_size=50),
)
def test_the_bitmap_finds_the_nearest_level(ticks: set[int], asked: list[int]) -> None:
    book, ledger = make_book(1, 64 * 64 * 3), make_ledger(4)
    for tick in ticks:
        submit(book, ledger, 0, 2, BUY, LIMIT, tick, 1, 0, KEEP_BOTH)
    top = book.tops[0]
    for tick in asked:
        below = max((t for t in ticks if t <= tick), default=NONE)
        above = min((t for t in ticks if t >= tick), default=int(top["size"]))
        if tick < top["size"]:
            assert level_at_or_below(book.bits, book.summary, top, tick) == below
        if tick >= 0:
            assert level_at_or_above(book.bits, book.summary, top, tick) == above
