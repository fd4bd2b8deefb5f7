"""Books what strategies answer: accounts, transfers, moves of positions, orders.

Whoever takes money or positions out of an account leaves its initial margin covered, and
so is that of the account where positions arrive. Orders are not refused for want of
margin: the venue cuts them when they reach the book, as anybody's.

A move between own accounts makes no gain and hides none: principal goes along in proportion
to the equity that changes places.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import enlarge, units
from abm import world as w
from abm.arithmetic import fraction_of, share_of
from abm.compiled import inlined, inner, kernel
from abm.desk.actions import (
    DEPOSIT,
    MOVE,
    OPEN,
    ORDER,
    PAY,
    VERBS,
    WITHDRAW,
    Own,
    RefusedError,
    check,
)
from abm.traders.habits import ask
from abm.venue.ledger import book_lots, charge_fee, deposit, withdraw
from abm.venue.margin import equity_of, initial_margin
from abm.world import NONE, Array, Ledger, World, find_position

_FINE = 0
_LIQUIDATED = 1
_BEYOND_CASH = 2
_BEYOND_MARGIN = 3
_BEYOND_POSITION = 4

_MOST = 2**60
"""Quanta that an order may be worth at the highest price: twice it fits in 64 bits."""


def booked(world: World, rows: Array, own: Own, move_ppm: int) -> tuple[World, Own]:
    """Book an answer.

    Parameters
    ----------
    world : World
        Between the crowd's orders and the matching of a step; is changed.
    rows : structured array of `ACTION`
    own : Own
        Accounts of the strategy's adopters.
    move_ppm : int
        What moving a position costs each side, parts per million of its value.

    Returns
    -------
    world : World
    own : Own
        With the accounts that were opened.

    Raises
    ------
    RefusedError
        Naming the first action that is wrong, and what would be right.
    """
    n_ticks = world.book.tops["size"]
    owner = check(rows, own, n_ticks, _MOST // (n_ticks * world.markets.specs["unit"]))
    world, own, rows = _with_accounts(world, rows, own, owner)
    n_orders = int((rows["code"] == ORDER).sum())
    n_moves = int((rows["code"] == MOVE).sum())
    if n_orders or n_moves:
        world = enlarge.room_for_orders(world, n_orders + n_moves)
    wrong = np.zeros(2, np.int64)
    reason = _book(world, rows, move_ppm, wrong)
    if reason != _FINE:
        raise RefusedError(_in_words(reason, rows[wrong[0]], int(wrong[1])))
    return world, own


def _with_accounts(
    world: World, rows: Array, own: Own, owner: Array
) -> tuple[World, Own, Array]:
    """The accounts that an answer opens, and the answer with their numbers in it."""
    opening = np.flatnonzero(rows["code"] == OPEN)
    if not len(opening):
        return world, own, rows
    first = len(world.ledger.accounts)
    beside = rows["account"][opening]
    # One may open an account beside one that the same answer opens.
    whose, at = np.unique(own.owner, return_index=True)
    known = own.account[at[np.searchsorted(whose, owner[opening])]]
    fresh = np.zeros(len(opening), w.ACCOUNT)
    for name in ("kind", "trader"):
        fresh[name] = world.ledger.accounts[name][np.where(beside >= 0, beside, known)]
    world = enlarge.add_accounts(world, fresh)
    number = first + np.arange(len(opening))
    rows = rows.copy()
    handles = -rows["other"][opening]
    lookup = np.zeros(handles.max() + 1, np.int64)
    lookup[handles] = number
    for name in ("account", "other"):
        is_handle = rows[name] < NONE
        rows[name] = np.where(
            is_handle, lookup[np.where(is_handle, -rows[name], 0)], rows[name]
        )
    account = np.concatenate([own.account, number])
    return world, Own(account, np.concatenate([own.owner, owner[opening]])), rows


def _in_words(reason: int, row: Any, most: int) -> str:
    """What is wrong with an action of these accounts."""
    who = f"{VERBS[row['code']]}: account {row['account']}"
    free = f"{units.usd(max(0, most)):,.2f} USD"
    if reason == _LIQUIDATED:
        return f"{who} is being liquidated and must be left alone"
    if reason == _BEYOND_CASH:
        asked = f"{units.usd(int(row['amount'])):,.2f} USD"
        return f"{who} cannot give {asked}: {free} are free"
    if reason == _BEYOND_POSITION:
        return f"{who} holds {most} lots of market {row['market']}, not {row['lots']}"
    account = row["other"] if most < 0 else row["account"]
    lacking = f"{units.usd(abs(most)):,.2f} USD"
    return f"{who}: leaves account {account} {lacking} short of its initial margin"


@kernel
def _book(world: World, rows: Array, move_ppm: int, wrong: Array) -> int:
    """Book actions in turn; at the first that is wrong, say which (and a number on it)."""
    ledger = world.ledger
    for i in range(rows.shape[0]):
        row = rows[i]
        wrong[0] = i
        if row.code == ORDER:
            side = 1 if row.lots > 0 else -1
            ask(
                world.inbox, world.logs, row.account, row.market, side, row.kind, row.tick,
                abs(row.lots), row.reduce_only, row.cancel_first,
            )  # fmt: skip
            continue
        if row.code == OPEN:
            continue
        if row.code == DEPOSIT:
            deposit(ledger, row.account, row.amount)
            continue
        if ledger.accounts[row.account].watched:
            return _LIQUIDATED
        if row.code == MOVE:
            if ledger.accounts[row.other].watched:
                return _LIQUIDATED
            held = _held(ledger, row.account, row.market)
            if abs(row.lots) > abs(held) or (row.lots > 0) != (held > 0):
                wrong[1] = held
                return _BEYOND_POSITION
            _move(world, row, held, move_ppm)
            continue
        if row.amount > ledger.accounts[row.account].cash:
            wrong[1] = ledger.accounts[row.account].cash
            return _BEYOND_CASH
        _give(world, row)
    return _covered(world, rows, wrong)


@inner
def _covered(world: World, rows: Array, wrong: Array) -> int:
    """See that initial margin is covered wherever something left, or positions arrived."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    for i in range(rows.shape[0]):
        row = rows[i]
        if row.code != WITHDRAW and row.code != PAY and row.code != MOVE:
            continue
        wrong[0] = i
        equity = equity_of(ledger, markets, row.account)
        margin = initial_margin(ledger, risk, markets, row.account)
        if equity < margin:
            wrong[1] = margin - equity
            return _BEYOND_MARGIN
        if row.code == MOVE:
            equity = equity_of(ledger, markets, row.other)
            margin = initial_margin(ledger, risk, markets, row.other)
            if equity < margin:
                wrong[1] = equity - margin
                return _BEYOND_MARGIN
    return _FINE


@inlined
def _held(ledger: Ledger, account: int, market: int) -> int:
    slot = find_position(ledger, account, market)
    return 0 if slot == NONE else ledger.positions[slot].lots


@inner
def _give(world: World, row: Any) -> None:
    """Take money out, or pay it to another account."""
    ledger = world.ledger
    owner = ledger.accounts[row.account]
    equity = equity_of(ledger, world.markets, row.account)
    if row.code == WITHDRAW:
        withdraw(ledger, row.account, row.amount, equity - owner.principal)
        return
    _carry(ledger, row.account, row.other, row.amount, equity)
    owner.cash -= row.amount
    ledger.accounts[row.other].cash += row.amount
    w.touch(ledger, row.account)
    w.touch(ledger, row.other)


@inlined
def _carry(ledger: Ledger, account: int, other: int, amount: int, equity: int) -> None:
    """Let principal go along with a part of the equity."""
    principal = ledger.accounts[account].principal
    if equity <= 0:
        return
    part = fraction_of(principal, min(abs(amount), equity), equity)
    if amount < 0:
        part = -part
    ledger.accounts[account].principal -= part
    ledger.accounts[other].principal += part


@kernel
def _move(world: World, row: Any, held: int, move_ppm: int) -> None:
    """Move a part of a position, at the mark or with its entry price, for a fee."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    level = world.book.tops[row.market].first_level
    worth = markets.state[row.market].mark * markets.specs[row.market].unit
    value = row.lots * worth
    if not row.at_mark:
        slot = find_position(ledger, row.account, row.market)
        cost = fraction_of(ledger.positions[slot].cost, abs(row.lots), abs(held))
        equity = equity_of(ledger, markets, row.account)
        _carry(ledger, row.account, row.other, value - cost, equity)
        value = cost
    book_lots(ledger, risk, level, row.account, row.market, -row.lots, -value)
    book_lots(ledger, risk, level, row.other, row.market, row.lots, value)
    fee = share_of(abs(row.lots) * worth, move_ppm)
    charge_fee(ledger, row.account, fee)
    charge_fee(ledger, row.other, fee)
