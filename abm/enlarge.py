"""More room: copies of a world with larger pools and taller price grids.

Compiled code cannot enlarge arrays, so it returns to Python before one overflows.
"""

from __future__ import annotations

import numpy as np

from abm import world as w
from abm.world import NONE, Array, Book, World, touch


def make_room(world: World) -> World:
    """Enlarge whatever is nearly full; contents and meaning stay as they are."""
    n_markets = len(world.markets.specs)
    pool, pots = world.book.pool[0], world.ledger.pots[0]
    openings = len(world.inbox) + int(pool["used"]) + 2 * n_markets
    if int(pots["used_positions"]) + openings > len(world.ledger.positions):
        world = _more_positions(world, int(pots["used_positions"]) + 2 * openings)
    if 4 * int(pool["used"]) > 3 * len(world.book.orders) or pool["refused"]:
        world = _more_orders(world)
    cramped = 2 * world.markets.state["index"] > world.book.tops["size"]
    if cramped.any():
        world = _taller_grids(world, np.where(cramped, 4, 1))
    return world


def add_account(world: World, kind: int, cash: int) -> tuple[World, int]:
    """A world with one more account, and the account's number.

    Parameters
    ----------
    kind : int
        Such as `world.USER`.
    cash : int
        Deposited at once, in quanta.
    """
    row = np.zeros(1, w.ACCOUNT)
    row["kind"] = kind
    row["cash"] = row["principal"] = cash
    row["trader"] = NONE
    world.ledger.pots["deposits"] += cash
    return add_accounts(world, row), len(world.ledger.accounts)


def add_accounts(world: World, rows: Array) -> World:
    """A world with more accounts, which hold nothing but cash and wait for nothing.

    Parameters
    ----------
    rows : structured array of `world.ACCOUNT`
        Kind, trader, cash and principal count; deposits are the caller's to book.
    """
    old, count = world.ledger, len(rows)
    fresh = rows.copy()
    for name in ("parent", "first_position", "first_order", "debt_market"):
        fresh[name] = NONE
    ledger = old._replace(
        accounts=_followed_by(old.accounts, fresh),
        touched=np.append(old.touched, np.zeros(count, old.touched.dtype)),
    )
    if len(old.ages):
        nothing = np.zeros((count, *old.lows.shape[1:]), np.int64)
        ledger = ledger._replace(lows=np.concatenate([old.lows, nothing]))
    watched = np.append(world.risk.watched, np.zeros(count, world.risk.watched.dtype))
    return world._replace(ledger=ledger, risk=world.risk._replace(watched=watched))


def _followed_by(old: Array, fresh: Array) -> Array:
    """Both one after the other, byte by byte: numpy's own goes field by field."""
    parts = [old.view(np.uint8), fresh.view(np.uint8)]
    return np.concatenate(parts).view(old.dtype)


def room_for_orders(world: World, count: int) -> World:
    """A world whose inbox, book and pool of positions have room for more orders.

    Parameters
    ----------
    count : int
        Orders, or positions, about to be opened.
    """
    here = int(world.logs.counts[0]["inbox"])
    if here + count > len(world.inbox):
        more = np.zeros(here + 2 * count - len(world.inbox), w.REQUEST)
        world = world._replace(inbox=_followed_by(world.inbox, more))
    pots, n_markets = world.ledger.pots[0], len(world.markets.specs)
    used = int(pots["used_positions"]) + count
    openings = len(world.inbox) + int(world.book.pool[0]["used"]) + 2 * n_markets
    if used + openings > len(world.ledger.positions):
        world = _more_positions(world, used + 2 * openings)
    while 4 * (int(world.book.pool[0]["used"]) + count) > 3 * len(world.book.orders):
        world = _more_orders(world)
    return world


def _more_positions(world: World, count: int) -> World:
    old = world.ledger.positions
    positions = np.zeros(count, w.POSITION)
    positions[: len(old)] = old
    fresh = np.arange(len(old), count)
    positions["account"][fresh] = NONE
    positions["trigger"][fresh] = NONE
    positions["next"][fresh[:-1]] = fresh[1:]
    pots = world.ledger.pots
    positions["next"][fresh[-1]] = pots["free_position"][0]
    pots["free_position"] = len(old)
    return world._replace(ledger=world.ledger._replace(positions=positions))


def _more_orders(world: World) -> World:
    old, pool = world.book.orders, world.book.pool
    orders = np.zeros(2 * len(old), w.ORDER)
    orders[: len(old)] = old
    fresh = np.arange(len(old), len(orders))
    orders["id"][fresh] = NONE
    orders["after"][fresh[:-1]] = fresh[1:]
    orders["after"][fresh[-1]] = pool["free"][0]
    pool["free"] = len(old)
    pool["refused"] = 0
    fills = np.zeros(len(orders), w.FILL)
    return world._replace(book=world.book._replace(orders=orders, fills=fills))


def _taller_grids(world: World, factor: Array) -> World:
    """Multiply the number of ticks of each market by a whole factor."""
    old = world.book
    tops = old.tops.copy()
    empty_asks = tops["ask"] == tops["size"]
    tops["size"] = old.tops["size"] * factor
    tops["ask"] = np.where(empty_asks, tops["size"], tops["ask"])
    words = tops["size"] // 64
    blocks = -(-words // 64)
    tops["first_level"] = np.cumsum(tops["size"]) - tops["size"]
    tops["first_word"] = np.cumsum(words) - words
    tops["first_summary"] = np.cumsum(blocks) - blocks
    total = int(tops["size"].sum())
    levels = np.zeros(total, w.LEVEL)
    levels["head"] = levels["tail"] = NONE
    for before, after in zip(old.tops, tops, strict=True):
        start, size = int(before["first_level"]), int(before["size"])
        at = int(after["first_level"])
        levels[at : at + size] = old.levels[start : start + size]
    bits, summary = _bitmap(tops, levels, int(words.sum()), int(blocks.sum()))
    book = Book(tops, levels, bits, summary, old.orders, old.pool, old.fills)
    return _rehang(world._replace(book=book), total)


def _bitmap(tops: Array, levels: Array, n_words: int, n_blocks: int) -> tuple[Array, Array]:
    bits = np.zeros(n_words, np.uint64)
    summary = np.zeros(n_blocks, np.uint64)
    for top in tops:
        start, size = int(top["first_level"]), int(top["size"])
        ticks = np.flatnonzero(levels["head"][start : start + size] != NONE)
        word = ticks // 64
        one = np.uint64(1)
        np.bitwise_or.at(
            bits, int(top["first_word"]) + word, one << (ticks % 64).astype(np.uint64)
        )
        np.bitwise_or.at(
            summary,
            int(top["first_summary"]) + word // 64,
            one << (word % 64).astype(np.uint64),
        )
    return bits, summary


def _rehang(world: World, total: int) -> World:
    """Empty the trigger lists; every account is looked at, and armed, anew."""
    positions = world.ledger.positions
    positions["trigger"] = NONE
    triggers = np.full((2, total), NONE, np.int32)
    world = world._replace(risk=world.risk._replace(triggers=triggers))
    live = positions["account"][positions["account"] != NONE]
    for account in np.unique(live):
        touch(world.ledger, int(account))
    return world
