"""The rooms of a world: tuples of arrays that compiled code takes and one call copies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from abm.compiled import inlined_kernel
from abm.world.records import AGE, ALARM, LOW_SLOTS, NONE, PEAK_SLOTS, Array


class Markets(NamedTuple):
    """Prices: what all markets share, each market's constants and state, the script."""

    oracle: Any
    specs: Any
    state: Any
    shocks: Any


class Book(NamedTuple):
    """All markets' order books: `tops` one a market, `levels` one a tick and market."""

    tops: Any
    levels: Any
    bits: Any
    summary: Any
    orders: Any
    pool: Any
    fills: Any


_NO_AGES = np.zeros(0, AGE)
_NO_LOWS = np.zeros((0, 0, LOW_SLOTS), np.int64)
_NO_ALARMS = np.zeros(0, ALARM)
_NO_PEAKS = np.zeros((0, PEAK_SLOTS), np.int64)


class Ledger(NamedTuple):
    """Who has what.

    `open_interest` is each market's long lots; `touched` lists the accounts that changed
    since they were last checked. `ages` and `lows[account, age, slot]` tell how old an
    account's gains are; both are empty unless a policy asks for it.
    """

    accounts: Any
    positions: Any
    pots: Any
    open_interest: Any
    touched: Any
    ages: Any = _NO_AGES
    lows: Any = _NO_LOWS


class Risk(NamedTuple):
    """Margin tiers, the liquidation ladder, and whom to look at when a mark moves.

    `triggers[side, level]` heads the list of positions to look at when the mark reaches
    that level from the other side; `watched` lists accounts below maintenance. `alarms`
    and `peaks[alarm, slot]` watch the insurance fund, if a policy asks for it.
    """

    tiers: Any
    rungs: Any
    triggers: Any
    watched: Any
    watch: Any
    alarms: Any = _NO_ALARMS
    peaks: Any = _NO_PEAKS


class Crowd(NamedTuple):
    """The traders and the two timing wheels (actions, reactions) that wake them."""

    kinds: Any
    traders: Any
    wheel: Any
    due: Any
    keys: Any
    hits: Any
    state: Any


class Makers(NamedTuple):
    """The market makers; `ladder[k]` is (offset of rung k as a fraction, its share)."""

    makers: Any
    quoting: Any
    ladder: Any


class Logs(NamedTuple):
    """What happened since Python last looked.

    A row of `marks` is a step, and the mark of each market after it in ticks.
    """

    liquidations: Any
    paths: Any
    standings: Any
    marks: Any
    counts: Any


class World(NamedTuple):
    """The whole state of one simulated venue."""

    clock: Any
    markets: Markets
    book: Book
    ledger: Ledger
    risk: Risk
    crowd: Crowd
    makers: Makers
    inbox: Any
    logs: Logs


def copy(world: World) -> World:
    """Fork history: a world equal to the given one that shares no memory with it."""
    rooms: list[Any] = [
        copied(room)
        if isinstance(room, np.ndarray)
        else type(room)(*(copied(array) for array in room))
        for room in world
    ]
    return World(*rooms)


def copied(array: Array) -> Array:
    """A copy byte by byte: numpy's own goes field by field, ten times as slowly."""
    return np.ascontiguousarray(array).view(np.uint8).copy().view(array.dtype)


def arrays(world: World) -> dict[str, Array]:
    """Every array of a world by its dotted name, in a fixed order."""
    found: dict[str, Array] = {}
    for name, room in zip(world._fields, world, strict=True):
        if isinstance(room, np.ndarray):
            found[name] = room
        else:
            pairs = zip(room._fields, room, strict=True)
            found.update({f"{name}.{field}": array for field, array in pairs})
    return found


def nbytes(world: World) -> int:
    """Memory of a world in bytes."""
    return sum(array.nbytes for array in arrays(world).values())


# --- lookups ----------------------------------------------------------------------------


def pair_keys(rows: Array, n_markets: int) -> Array:
    """``account * n_markets + market`` of each row, int64, shape (rows,)."""
    first: Array = rows["account"].astype(np.int64)
    return np.add(first * n_markets, rows["market"])


@inlined_kernel
def find_position(ledger: Ledger, account: int, market: int) -> int:
    """Slot of an account's position in a market, or `NONE`."""
    slot = ledger.accounts[account].first_position
    while slot != NONE and ledger.positions[slot].market != market:
        slot = ledger.positions[slot].next
    return slot


@inlined_kernel
def touch(ledger: Ledger, account: int) -> None:
    """Put an account on the list of those whose margin must be looked at again."""
    owner = ledger.accounts[account]
    if owner.touched == 0:
        owner.touched = 1
        pots = ledger.pots[0]
        ledger.touched[pots.n_touched] = account
        pots.n_touched += 1
