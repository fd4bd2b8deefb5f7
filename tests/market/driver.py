"""Streams of book events, and how both books are driven by them.

An event is a row: an order to send, a cancel or replace of the order that an earlier event
left working, or a cancel of all that an account has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import kernel
from abm.market.book import (
    LIMIT,
    POST_ONLY,
    REFUSED,
    SELF_TRADE_NAMES,
    cancel,
    cancel_all,
    replace,
    submit,
)
from abm.venue.ledger import settle_fills
from abm.world import NONE, Array, Book, Ledger, Risk
from tests.market.naive_book import NaiveBook, Order, Refused
from tests.worlds import make_book, make_ledger, make_risk

SUBMIT, CANCEL, REPLACE, CANCEL_ALL = 0, 1, 2, 3
KINDS = ("limit", "market", "ioc", "post-only")

EVENT = np.dtype(
    [
        ("action", "i8"),
        ("market", "i8"),
        ("account", "i8"),
        ("side", "i8"),
        ("kind", "i8"),
        ("tick", "i8"),
        ("lots", "i8"),
        ("reduce_only", "i8"),
        ("self_trade", "i8"),
        ("target", "i8"),
    ],
    align=True,
)

FILLED = np.dtype([("event", "i8"), ("tick", "i8"), ("lots", "i8"), ("maker", "i8")])


@kernel
def replay(
    book: Book, ledger: Ledger, risk: Risk, events: Any, first: int, handles: Any,
    names: Any, outcomes: Any, tape: Any,
) -> int:  # fmt: skip
    """Drive the compiled book; return the number of fills written to `tape`.

    `handles[event]` gets (slot, id) of the order that an event left working, `names[id]`
    the event that first did. An outcome is 1 or 0 (works or not), `REFUSED`, for a
    cancel the lots cancelled, for a cancel of all the orders.
    """
    n_fills = 0
    for i in range(events.shape[0]):
        event = events[i]
        slot, number = handles[event.target, 0], handles[event.target, 1]
        market, account, side = event.market, event.account, event.side
        handles[first + i, 0] = NONE
        if event.action == CANCEL:
            outcomes[i] = cancel(book, ledger, slot, number)
            continue
        if event.action == CANCEL_ALL:
            outcomes[i] = cancel_all(book, ledger, account)
            continue
        if event.action == SUBMIT:
            slot = submit(
                book, ledger, market, account, side, event.kind, event.tick, event.lots,
                event.reduce_only, event.self_trade,
            )  # fmt: skip
        else:
            if slot != NONE:
                market = book.orders[slot].market
                account = book.orders[slot].account
                side = book.orders[slot].side
            slot = replace(
                book, ledger, slot, number, event.tick, event.lots, event.self_trade
            )
        outcomes[i] = slot if slot == REFUSED else slot != NONE
        if slot >= 0:
            handles[first + i, 0] = slot
            number = book.orders[slot].id
            handles[first + i, 1] = number
            if names[number] == NONE:
                names[number] = first + i
        for k in range(book.pool[0].n_fills):
            tape[n_fills].event = first + i
            tape[n_fills].tick = book.fills[k].tick
            tape[n_fills].lots = book.fills[k].lots
            tape[n_fills].maker = book.fills[k].maker
            n_fills += 1
        settle_fills(ledger, risk, book, 1, market, account, side)
    return n_fills


class Compiled:
    """The compiled book with a real ledger behind it."""

    def __init__(
        self, n_markets: int, n_ticks: int, n_accounts: int, n_events: int
    ) -> None:
        self.book = make_book(n_markets, n_ticks, n_orders=max(64, n_events // 8))
        self.ledger = make_ledger(n_accounts, n_markets)
        self.risk = make_risk(self.book, n_accounts)
        self.handles = np.full((n_events, 2), NONE, np.int64)
        self.names = np.full(n_events, NONE, np.int64)
        self.tape = np.zeros(max(64, 4 * n_events), FILLED)

    def run(self, events: Array, first: int) -> tuple[list[int], list[tuple[int, ...]]]:
        """Outcomes of events and their fills as (event, tick, lots, maker)."""
        outcomes = np.zeros(len(events), np.int64)
        count = replay(
            self.book, self.ledger, self.risk, events, first, self.handles, self.names,
            outcomes, self.tape,
        )  # fmt: skip
        return outcomes.tolist(), self.tape[:count].tolist()

    def queue(self, market: int) -> list[tuple[int, str, int, int]]:
        """(price, side, order, lots) of every working order in price-time order."""
        orders, top = self.book.orders, self.book.tops[market]
        levels = self.book.levels[top["first_level"] : top["first_level"] + top["size"]]
        found = []
        for tick in np.flatnonzero(levels["head"] != NONE).tolist():
            slot = int(levels["head"][tick])
            while slot != NONE:
                side = "buy" if orders["side"][slot] > 0 else "sell"
                name = int(self.names[orders["id"][slot]])
                found.append((tick, side, name, int(orders["lots"][slot])))
                slot = int(orders["after"][slot])
        return sorted(found, key=lambda row: (row[1], row[0]))

    def positions(self, market: int) -> dict[int, int]:
        """Signed lots by account of those who hold any."""
        live = self.ledger.positions[self.ledger.positions["account"] != NONE]
        live = live[live["market"] == market]
        return dict(zip(live["account"].tolist(), live["lots"].tolist(), strict=True))


class Naive:
    """The naive books of several markets, with the same interface."""

    def __init__(self, n_markets: int, n_ticks: int) -> None:
        self.books = [NaiveBook(n_ticks) for _ in range(n_markets)]
        self.working: dict[int, tuple[NaiveBook, Order]] = {}

    def run(self, events: Array, first: int) -> tuple[list[int], list[tuple[int, ...]]]:
        outcomes, tape = [], []
        for name, event in enumerate(events.tolist(), first):
            book, order = self.books[event[1]], None
            if event[0] != SUBMIT:
                book, order = self.working.get(event[-1], (book, None))
            if event[0] == CANCEL:
                outcomes.append(book.cancel(order))
                continue
            if event[0] == CANCEL_ALL:
                outcomes.append(sum(b.cancel_all(event[2]) for b in self.books))
                continue
            try:
                left = self._send(book, order, name, event)
                outcomes.append(0 if left is None else 1)
                if left is not None:
                    self.working[name] = (book, left)
            except Refused:
                outcomes.append(REFUSED)
            tape += [(name, fill.tick, fill.lots, fill.maker) for fill in book.fills]
        return outcomes, tape

    def _send(
        self, book: NaiveBook, order: Order | None, name: int, event: tuple[int, ...]
    ) -> Order | None:
        action, _, account, side, kind, tick, lots, reduce_only, self_trade, _ = event
        rule = SELF_TRADE_NAMES[self_trade]
        if action == REPLACE:
            return book.replace(order, name, tick, lots, rule)
        side_name = "buy" if side > 0 else "sell"
        return book.submit(
            name, account, side_name, KINDS[kind], tick, lots, bool(reduce_only), rule
        )

    def queue(self, market: int) -> list[tuple[int, str, int, int]]:
        return sorted(self.books[market].queue(), key=lambda row: (row[1], row[0]))

    def positions(self, market: int) -> dict[int, int]:
        held = self.books[market].positions
        return {account: lots for account, lots in held.items() if lots != 0}


def random_stream(
    n_events: int, path: Array, n_markets: int, n_accounts: int, seed: int
) -> Array:
    """Random events of every type around a path of prices, shape (n_events,)."""
    rng = np.random.default_rng(seed)
    events = np.zeros(n_events, EVENT)
    events["action"] = rng.choice(4, n_events, p=[0.676, 0.2, 0.12, 0.004])
    events["market"] = rng.integers(0, n_markets, n_events)
    events["account"] = rng.integers(0, n_accounts, n_events)
    events["side"] = rng.choice([-1, 1], n_events)
    events["kind"] = rng.choice(4, n_events, p=[0.65, 0.12, 0.11, 0.12])
    away = np.floor(rng.exponential(0.004, n_events) * path) - np.floor(0.003 * path)
    events["tick"] = path - events["side"] * away
    events["lots"] = rng.integers(1, 50, n_events)
    events["reduce_only"] = rng.random(n_events) < 0.15
    events["self_trade"] = rng.integers(0, 3, n_events)
    events["target"] = _recent(events, rng)
    # Half of the replaces only shrink: they repeat the price of the order they are for.
    shrinks = (events["action"] == REPLACE) & (rng.random(n_events) < 0.5)
    events["tick"][shrinks] = events["tick"][events["target"][shrinks]]
    return events


def _recent(events: Array, rng: np.random.Generator) -> Array:
    """For every event a recent one, mostly one that may have left an order working."""
    n_events = len(events)
    recent = np.maximum(np.arange(n_events) - rng.integers(1, 300, n_events), 0)
    may_rest = np.isin(events["kind"], (LIMIT, POST_ONLY)) & (events["action"] == SUBMIT)
    resting = np.flatnonzero(may_rest)
    found = resting[np.maximum(np.searchsorted(resting, recent, "right") - 1, 0)]
    return np.where((rng.random(n_events) < 0.9) & (found <= recent), found, recent)


def fall_and_recovery(n_events: int, top: int, bottom: int, seed: int) -> Array:
    """Prices that fall from `top` to `bottom` and come back, with noise, in ticks."""
    half = np.geomspace(top, bottom, n_events // 2)
    path = np.concatenate([half, half[::-1], np.full(n_events % 2, top)])
    noise = np.random.default_rng(seed).normal(0.0, 0.0005, n_events)
    return np.rint(path * np.exp(noise)).astype(np.int64)
