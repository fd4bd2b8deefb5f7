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
    old = world.ledger
    account = len(old.accounts)
    accounts = np.append(old.accounts, np.zeros(1, w.ACCOUNT))
    accounts[account]["kind"] = kind
    accounts[account]["cash"] = accounts[account]["principal"] = cash
    for name in ("parent", "trader", "first_position", "first_order", "debt_market"):
        accounts[account][name] = NONE
    old.pots["deposits"] += cash
    touched = np.append(old.touched, np.zeros(1, old.touched.dtype))
    watched = np.append(world.risk.watched, np.zeros(1, world.risk.watched.dtype))
    ledger = old._replace(accounts=accounts, touched=touched)
    if len(old.ages):
        nothing = np.zeros((1, *old.lows.shape[1:]), np.int64)
        ledger = ledger._replace(lows=np.concatenate([old.lows, nothing]))
    return world._replace(ledger=ledger, risk=world.risk._replace(watched=watched)), account


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
