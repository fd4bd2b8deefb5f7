"""A limit order book: integer ticks, integer lots, price-time priority.

An order is working, is filled, or is gone. Orders of one price wait in a queue (a linked
list); the levels of a market are an array over ticks, so a price can fall by any amount
without the book running out of room. A two-layer bitmap over the levels finds the next
price that has orders. No level ever holds both sides, since a book is never crossed, so
bids and asks share the array.

The functions below take the `Book` and the `Ledger` of a world; fills are left in
`book.fills` for the ledger to settle. There is room for as many fills as orders, since
no order fills more than once in a match.

`submit` and `cancel` are inlined into their callers: to hand over the dozen arrays of
book and ledger in a call costs as much as the matching.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from abm.compiled import inlined, inlined_kernel, inner, kernel
from abm.world import NONE, Book, Ledger, find_position

BUY = 1
SELL = -1

LIMIT = 0
"""Fill what crosses, let the rest work."""
MARKET = 1
"""Fill at any price, drop the rest."""
IOC = 2
"""Fill what crosses the limit, drop the rest."""
POST_ONLY = 3
"""Work, or be refused if it would cross."""

KEEP_BOTH = 0
"""Self-trades are allowed."""
CANCEL_RESTING = 1
"""A resting order of the taker's own is cancelled when the taker would meet it."""
CANCEL_INCOMING = 2
"""What is left of the incoming order is dropped when it would meet the taker's own."""

SELF_TRADE_NAMES = ("allow", "cancel-resting", "cancel-incoming")

REFUSED = -2
"""Returned instead of an order's slot when the book would not take the order."""

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@intrinsic
def _leading_zeros(_context: Any, word: Any) -> Any:
    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def _trailing_zeros(_context: Any, word: Any) -> Any:
    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


# --- the bitmap over levels -------------------------------------------------------------


@inlined
def _mark_level(bits: Any, summary: Any, top: Any, tick: int) -> None:
    word = tick >> 6
    bits[top.first_word + word] |= _ONE << np.uint64(tick & 63)
    summary[top.first_summary + (word >> 6)] |= _ONE << np.uint64(word & 63)


@inlined
def _clear_level(bits: Any, summary: Any, top: Any, tick: int) -> None:
    word = tick >> 6
    here = top.first_word + word
    bits[here] &= ~(_ONE << np.uint64(tick & 63))
    if bits[here] == 0:
        summary[top.first_summary + (word >> 6)] &= ~(_ONE << np.uint64(word & 63))


@kernel
def level_at_or_below(bits: Any, summary: Any, top: Any, tick: int) -> int:
    """Highest tick not above `tick` that has orders, or -1."""
    if tick < 0:
        return NONE
    word = tick >> 6
    found = bits[top.first_word + word] & (_ALL >> np.uint64(63 - (tick & 63)))
    if found != 0:
        return (word << 6) + 63 - _leading_zeros(found)
    word -= 1
    if word < 0:
        return NONE
    block = word >> 6
    found = summary[top.first_summary + block] & (_ALL >> np.uint64(63 - (word & 63)))
    while found == 0:
        block -= 1
        if block < 0:
            return NONE
        found = summary[top.first_summary + block]
    word = (block << 6) + 63 - _leading_zeros(found)
    return (word << 6) + 63 - _leading_zeros(bits[top.first_word + word])


@kernel
def level_at_or_above(bits: Any, summary: Any, top: Any, tick: int) -> int:
    """Lowest tick not below `tick` that has orders, or the market's number of ticks."""
    if tick >= top.size:
        return top.size
    word = tick >> 6
    found = bits[top.first_word + word] & (_ALL << np.uint64(tick & 63))
    if found != 0:
        return (word << 6) + _trailing_zeros(found)
    word += 1
    n_words = top.size >> 6
    if word >= n_words:
        return top.size
    block = word >> 6
    n_blocks = (n_words + 63) >> 6
    found = summary[top.first_summary + block] & (_ALL << np.uint64(word & 63))
    while found == 0:
        block += 1
        if block >= n_blocks:
            return top.size
        found = summary[top.first_summary + block]
    word = (block << 6) + _trailing_zeros(found)
    return (word << 6) + _trailing_zeros(bits[top.first_word + word])


# --- resting orders ---------------------------------------------------------------------


@inlined
def _rest(
    book: Book,
    ledger: Ledger,
    market: int,
    account: int,
    side: int,
    tick: int,
    lots: int,
    reduce_only: int,
) -> int:
    """Put an order at the end of its level's queue; return its slot."""
    pool = book.pool[0]
    slot = pool.free
    if slot == NONE:
        pool.refused += 1
        return REFUSED
    order = book.orders[slot]
    pool.free = order.after
    pool.used += 1
    order.id = pool.next_id
    pool.next_id += 1
    order.lots = lots
    order.tick = tick
    order.account = account
    order.market = market
    order.side = side
    order.reduce_only = reduce_only
    order.after = NONE

    top = book.tops[market]
    level = book.levels[top.first_level + tick]
    order.before = level.tail
    if level.tail == NONE:
        level.head = slot
        _mark_level(book.bits, book.summary, top, tick)
        if side == BUY:
            top.bid = max(top.bid, tick)
        else:
            top.ask = min(top.ask, tick)
    else:
        book.orders[level.tail].after = slot
    level.tail = slot
    level.lots += lots

    owner = ledger.accounts[account]
    order.own_before = NONE
    order.own_after = owner.first_order
    if owner.first_order != NONE:
        book.orders[owner.first_order].own_before = slot
    owner.first_order = slot
    return slot


@inlined
def _remove(book: Book, ledger: Ledger, slot: int) -> None:
    """Take an order off the book and free its slot."""
    order = book.orders[slot]
    top = book.tops[order.market]
    level = book.levels[top.first_level + order.tick]
    level.lots -= order.lots
    if order.before == NONE:
        level.head = order.after
    else:
        book.orders[order.before].after = order.after
    if order.after == NONE:
        level.tail = order.before
    else:
        book.orders[order.after].before = order.before
    if level.head == NONE:
        _clear_level(book.bits, book.summary, top, order.tick)
        if order.tick == top.bid:
            top.bid = level_at_or_below(book.bits, book.summary, top, order.tick)
        elif order.tick == top.ask:
            top.ask = level_at_or_above(book.bits, book.summary, top, order.tick)

    if order.own_before == NONE:
        ledger.accounts[order.account].first_order = order.own_after
    else:
        book.orders[order.own_before].own_after = order.own_after
    if order.own_after != NONE:
        book.orders[order.own_after].own_before = order.own_before

    pool = book.pool[0]
    order.id = NONE
    order.after = pool.free
    pool.free = slot
    pool.used -= 1


@inlined
def _is_working(book: Book, slot: int, order_id: int) -> bool:
    """True if the slot holds the order of that number; a free slot has none."""
    if slot < 0 or slot >= book.orders.shape[0] or order_id == NONE:
        return False
    return book.orders[slot].id == order_id


@inlined_kernel
def cancel(book: Book, ledger: Ledger, slot: int, order_id: int) -> int:
    """Cancel an order that is still working.

    Parameters
    ----------
    slot, order_id : int
        Where the order was put and its number; the number guards against a slot that
        meanwhile belongs to another order.

    Returns
    -------
    int
        The lots cancelled, 0 if the order is not working any more.
    """
    if not _is_working(book, slot, order_id):
        return 0
    lots = book.orders[slot].lots
    _remove(book, ledger, slot)
    return lots


@inlined_kernel
def cancel_all(book: Book, ledger: Ledger, account: int) -> int:
    """Cancel every working order of an account; return how many there were."""
    count = 0
    while ledger.accounts[account].first_order != NONE:
        _remove(book, ledger, ledger.accounts[account].first_order)
        count += 1
    return count


# --- matching ---------------------------------------------------------------------------


@kernel
def lots_held(ledger: Ledger, account: int, market: int) -> int:
    """Signed lots that an account holds in a market."""
    slot = find_position(ledger, account, market)
    return 0 if slot == NONE else ledger.positions[slot].lots


@inner
def _reducible(book: Book, ledger: Ledger, market: int, account: int, side: int) -> int:
    """Lots by which an order of `side` can still reduce the account's position.

    Fills of the order now being matched have not reached the ledger yet, so they are
    taken from the list of fills.
    """
    held = lots_held(ledger, account, market)
    for i in range(book.pool[0].n_fills):
        if book.fills[i].maker == account:
            held += side * book.fills[i].lots
    return max(0, -side * held)


@inlined
def _best_against(top: Any, side: int) -> int:
    """Best tick that an order of a side could trade at; out of reach if there is none."""
    bid, ask = top.bid, top.ask
    return ask if side == BUY else bid


@inlined
def _fill(book: Book, ledger: Ledger, slot: int, lots: int) -> None:
    """Fill part or all of a resting order and write the fill down."""
    order = book.orders[slot]
    pool = book.pool[0]
    fill = book.fills[pool.n_fills]
    fill.lots = lots
    fill.tick = order.tick
    fill.maker = order.account
    pool.n_fills += 1
    top = book.tops[order.market]
    top.last = order.tick
    top.volume += lots
    if order.lots == lots:
        _remove(book, ledger, slot)
    else:
        order.lots -= lots
        book.levels[top.first_level + order.tick].lots -= lots


@inlined
def _match(
    book: Book,
    ledger: Ledger,
    market: int,
    account: int,
    side: int,
    limit: int,
    lots: int,
    self_trade: int,
) -> int:
    """Fill an incoming order against the other side; return the lots left over."""
    top = book.tops[market]
    while lots > 0:
        best = _best_against(top, side)
        if side * (limit - best) < 0:
            break
        slot = book.levels[top.first_level + best].head
        order = book.orders[slot]
        if order.account == account and self_trade != KEEP_BOTH:
            if self_trade == CANCEL_INCOMING:
                return 0
            _remove(book, ledger, slot)
            continue
        size = min(lots, order.lots)
        if order.reduce_only:
            can = _reducible(book, ledger, market, order.account, -side)
            if can < order.lots:
                if can == 0:
                    _remove(book, ledger, slot)
                    continue
                book.levels[top.first_level + best].lots -= order.lots - can
                order.lots = can
                size = min(lots, can)
        _fill(book, ledger, slot, size)
        lots -= size
    return lots


@inlined_kernel
def submit(
    book: Book,
    ledger: Ledger,
    market: int,
    account: int,
    side: int,
    kind: int,
    tick: int,
    lots: int,
    reduce_only: int,
    self_trade: int,
) -> int:
    """Send an order; its fills are left in `book.fills[:book.pool[0].n_fills]`.

    Parameters
    ----------
    market, account : int
        Where, and whose.
    side : int
        `BUY` or `SELL`.
    kind : int
        `LIMIT`, `MARKET`, `IOC` or `POST_ONLY`.
    tick : int
        Limit price in ticks; ignored for a market order.
    lots : int
        Size, positive.
    reduce_only : int
        1 if the order may only make the account's position smaller.
    self_trade : int
        `KEEP_BOTH`, `CANCEL_RESTING` or `CANCEL_INCOMING`.

    Returns
    -------
    int
        Slot of the order if some of it now works, `NONE` if none of it does, `REFUSED`
        if the price is off the book's range, the size is not positive, a post-only order
        would cross or a reduce-only order has nothing to reduce.
    """
    book.pool[0].n_fills = 0
    top = book.tops[market]
    if kind == MARKET:
        tick = top.size - 1 if side == BUY else 1
    elif tick < 1 or tick >= top.size:
        return REFUSED
    if reduce_only:
        lots = min(lots, _reducible(book, ledger, market, account, side))
    if lots <= 0:
        return REFUSED
    crosses = side * (tick - _best_against(top, side)) >= 0
    if crosses:
        if kind == POST_ONLY:
            return REFUSED
        lots = _match(book, ledger, market, account, side, tick, lots, self_trade)
    if lots == 0 or kind in (MARKET, IOC):
        return NONE
    return _rest(book, ledger, market, account, side, tick, lots, reduce_only)


@kernel
def replace(
    book: Book,
    ledger: Ledger,
    slot: int,
    order_id: int,
    tick: int,
    lots: int,
    self_trade: int,
) -> int:
    """Change price and size of a working order.

    A smaller size at the same price keeps its place in the queue; anything else goes to
    the back as a new order, with a new number, and may trade.

    Returns
    -------
    int
        As :func:`submit`; `REFUSED` if the order is not working any more.
    """
    book.pool[0].n_fills = 0
    if not _is_working(book, slot, order_id):
        return REFUSED
    order = book.orders[slot]
    market, account, side = order.market, order.account, order.side
    if tick == order.tick and 0 < lots <= order.lots:
        book.levels[book.tops[market].first_level + tick].lots -= order.lots - lots
        order.lots = lots
        return slot
    reduce_only = order.reduce_only
    _remove(book, ledger, slot)
    return submit(
        book, ledger, market, account, side, LIMIT, tick, lots, reduce_only, self_trade
    )


# --- what anybody can see ---------------------------------------------------------------


@kernel
def mid_tick(book: Book, market: int, otherwise: float) -> float:
    """Middle of best bid and ask in ticks; `otherwise` if a side is empty."""
    top = book.tops[market]
    if top.bid < 0 or top.ask >= top.size:
        return otherwise
    return 0.5 * (top.bid + top.ask)


@kernel
def depth(book: Book, market: int, side: int, limit: int) -> int:
    """Lots that work on a side from the best price up to and including `limit`."""
    top = book.tops[market]
    total = 0
    if side == BUY:
        tick = top.bid
        while tick >= max(limit, 1):
            total += book.levels[top.first_level + tick].lots
            tick = level_at_or_below(book.bits, book.summary, top, tick - 1)
        return total
    tick = top.ask
    while tick <= limit and tick < top.size:
        total += book.levels[top.first_level + tick].lots
        tick = level_at_or_above(book.bits, book.summary, top, tick + 1)
    return total
