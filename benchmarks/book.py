"""The order book: one stream of events through ours and through bourse (Rust).

bourse executes a batch of events in compiled code only in its step environment, which
shuffles the batch. The shuffle depends on the seed and the size of the batch alone, so it
is measured first and undone by handing the events over in the order that it turns into
the right one. Its step is timed without the handing over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bourse import core

from abm import world as w
from abm.compiled import kernel
from abm.genesis import free_orders, free_positions
from abm.market.book import BUY, KEEP_BOTH, LIMIT, MARKET, cancel, submit
from abm.world import NONE, Array, Book, Ledger
from benchmarks.common import Row, interleaved

N_EVENTS = 200_000
CANCEL = 9
SEED = 7
N_TICKS = 16_384

EVENT = np.dtype(
    [("kind", "i4"), ("side", "i4"), ("tick", "i4"), ("lots", "i4"), ("target", "i8")]
)
"""`kind` is a kind of order or `CANCEL`; `target` is the event that sent the order."""

TRADE = np.dtype([("tick", "i8"), ("lots", "i8"), ("taker", "i8"), ("maker", "i8")])


def stream(n_events: int = N_EVENTS, seed: int = 1) -> Array:
    """55% limit orders, 20% market orders, 25% cancels around a random walk."""
    rng = np.random.default_rng(seed)
    events = np.zeros(n_events, EVENT)
    events["kind"] = rng.choice([LIMIT, MARKET, CANCEL], n_events, p=[0.55, 0.2, 0.25])
    events["kind"][0] = LIMIT
    events["side"] = rng.choice([-1, 1], n_events)
    middle = 8_000 + np.cumsum(rng.choice([-1, 0, 1], n_events))
    away = np.floor(rng.exponential(20.0, n_events)) - 3
    events["tick"] = middle - events["side"] * away
    events["lots"] = rng.integers(1, 50, n_events)
    limits = np.flatnonzero(events["kind"] == LIMIT)
    sent = np.searchsorted(limits, np.arange(n_events))
    back = rng.integers(1, 2_000, n_events)
    events["target"] = limits[np.maximum(sent - back, 0)]
    return events


@kernel
def replay(book: Book, ledger: Ledger, events: Any, handles: Any, trades: Any) -> int:
    """Drive our book with a stream; return the number of trades written down."""
    count = 0
    for i in range(events.shape[0]):
        event = events[i]
        if event.kind == CANCEL:
            target = event.target
            cancel(book, ledger, handles[target, 0], handles[target, 1])
            continue
        slot = submit(
            book, ledger, 0, 0, event.side, event.kind, event.tick, event.lots, 0, KEEP_BOTH
        )
        handles[i, 0] = slot
        if slot >= 0:
            handles[i, 1] = book.orders[slot].id
        for k in range(book.pool[0].n_fills):
            fill, trade = book.fills[k], trades[count]
            trade.tick = fill.tick
            trade.lots = fill.lots
            trade.maker = fill.maker
            trade.taker = i
            count += 1
    return count


def our_book() -> tuple[Book, Ledger, Array, Array]:
    """An empty book of one market, and room for handles and trades."""
    tops = np.zeros(1, w.TOP)
    tops["size"] = tops["ask"] = N_TICKS
    tops["bid"] = NONE
    levels = np.zeros(N_TICKS, w.LEVEL)
    levels["head"] = levels["tail"] = NONE
    words = np.zeros(N_TICKS // 64, np.uint64)
    summary = np.zeros(N_TICKS // 4096, np.uint64)
    orders = free_orders(N_EVENTS)
    fills = np.zeros(N_EVENTS, w.FILL)
    book = Book(tops, levels, words, summary, orders, np.zeros(1, w.POOL), fills)
    accounts = np.zeros(1, w.ACCOUNT)
    accounts["first_position"] = accounts["first_order"] = NONE
    ledger = Ledger(
        accounts,
        free_positions(2),
        np.zeros(1, w.POTS),
        np.zeros(1, "i8"),
        np.zeros(1, "i4"),
    )
    handles = np.full((N_EVENTS, 2), NONE, np.int64)
    return book, ledger, handles, np.zeros(2 * N_EVENTS, TRADE)


def shuffle_of(n_events: int) -> Array:
    """Which of the events handed over bourse executes first, second, and so on."""
    environment = core.StepEnv(SEED, 0, 1, 10 * n_events)
    for _ in range(n_events):
        environment.place_order(True, 1, 0, price=50)
    environment.step()
    arrivals = [order[2] for order in environment.get_orders()]
    return np.argsort(arrivals)


def their_book(events: Array, shuffle: Array) -> core.StepEnv:
    """A step environment of bourse that will execute the events in their order."""
    at = np.empty(len(events), np.int64)
    at[shuffle] = np.arange(len(events))
    is_order = events["kind"][at] != CANCEL
    numbers = np.full(len(events), -1)
    numbers[at[is_order]] = np.arange(is_order.sum())
    environment = core.StepEnv(SEED, 0, 1, 10 * len(events))
    for kind, side, tick, lots, target in events[at].tolist():
        if kind == CANCEL:
            environment.cancel_order(int(numbers[target]))
        elif kind == LIMIT:
            environment.place_order(side == BUY, lots, 0, price=tick)
        else:
            environment.place_order(side == BUY, lots, 0)
    return environment


def run() -> list[Row]:
    """Time both; compare every trade."""
    events = stream()
    shuffle = shuffle_of(len(events))
    ours, theirs = interleaved(
        [
            (lambda books: replay(books[0], books[1], events, *books[2:]), our_book),
            (lambda environment: environment.step(), lambda: their_book(events, shuffle)),
        ],
        repetitions=15,
    )
    books = our_book()
    count = replay(books[0], books[1], events, *books[2:])
    environment = their_book(events, shuffle)
    environment.step()
    mine = books[3][:count][["tick", "lots"]].tolist()
    same = mine == [trade[2:4] for trade in environment.get_trades()]
    volume = sum(lots for _, lots in mine)
    rate, ratio = len(events) / ours / 1e6, theirs / ours
    return [
        Row(
            what=f"order book, {len(events):,} events (55% limit, 20% market, 25% cancel)",
            ours=f"{rate:.1f} million events/s",
            peer=f"bourse {len(events) / theirs / 1e6:.1f} million events/s",
            ratio=ratio,
            bar="15 million/s and 8x",
            met=rate >= 15.0 and ratio >= 8.0 and same,
            same_work=f"{count:,} trades {'alike' if same else 'NOT alike'}, "
            f"{volume:,} lots",
        )
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
