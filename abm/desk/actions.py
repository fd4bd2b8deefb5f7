"""What a strategy answers: orders, and money and positions moved between own accounts.

An answer is written down first and checked whole; only then does the ledger see it. What is
wrong with it is a :class:`StrategyError`, never half a booking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from abm.market import book
from abm.world import NONE, Array

ACTION = np.dtype(
    [
        ("code", "i8"),
        ("account", "i8"),
        ("other", "i8"),
        ("market", "i8"),
        ("lots", "i8"),
        ("amount", "i8"),
        ("tick", "i8"),
        ("kind", "i8"),
        ("reduce_only", "i8"),
        ("cancel_first", "i8"),
        ("at_mark", "i8"),
    ],
    align=True,
)
"""One action: what is done (`OPEN` to `ORDER`), whose account, the account that it goes to,
market, signed lots, amount (quanta), limit tick, kind of order, and flags."""

OPEN, DEPOSIT, WITHDRAW, PAY, MOVE, ORDER = range(6)

VERBS = ("open", "deposit", "withdraw", "pay", "move", "order")
"""What the actions are called in messages: the methods of :class:`Actions`."""

KINDS = {
    "market": book.MARKET,
    "limit": book.LIMIT,
    "immediate": book.IOC,
    "post-only": book.POST_ONLY,
}

OrderKind = Literal["market", "limit", "immediate", "post-only"]

_LARGEST = 2**60
_FIRST_HANDLE = -2
"""Handles of accounts that an answer opens run down from here."""


class StrategyError(RuntimeError):
    """A strategy gave an answer that must not be booked."""

    def __init__(self, strategy: str, now_s: float, reason: str) -> None:
        super().__init__(f"strategy {strategy!r}, {now_s:g} s: {reason}")
        self.strategy, self.now_s, self.reason = strategy, now_s, reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes, which needs all three arguments."""
        return type(self), (self.strategy, self.now_s, self.reason)


class RefusedError(ValueError):
    """What is wrong with an answer, before it is known whose it is."""


class Actions:
    """An answer in the making: what is to be done, in the order in which it is said.

    Arguments are numbers or arrays of whole numbers, broadcast against each other: an
    entry an action. Accounts are numbers of own accounts, or handles from :meth:`open`;
    amounts are quanta (millionths of a USD), prices ticks, sizes lots. Transfers are booked
    at once; orders reach the book in this step, behind those of everybody else.
    """

    def __init__(self) -> None:
        self._parts: list[Array] = []
        self._opened = 0

    def open(self, beside: ArrayLike) -> Array:
        """Open an account for the owner of each of some accounts.

        Returns
        -------
        array of int64
            Handles, to be used as account numbers in the same answer.
        """
        beside = self._add("open", OPEN, account=beside)["account"]
        handles = _FIRST_HANDLE - self._opened - np.arange(len(beside))
        self._parts[-1]["other"] = handles
        self._opened += len(beside)
        return handles

    def deposit(self, account: ArrayLike, amount: ArrayLike) -> None:
        """Bring money in from outside."""
        self._add("deposit", DEPOSIT, account=account, amount=amount)

    def withdraw(self, account: ArrayLike, amount: ArrayLike) -> None:
        """Take money out: gains first, no more than is free."""
        self._add("withdraw", WITHDRAW, account=account, amount=amount)

    def pay(self, account: ArrayLike, to: ArrayLike, amount: ArrayLike) -> None:
        """Move money to another account of the same owner, no more than is free."""
        self._add("pay", PAY, account=account, other=to, amount=amount)

    def move(
        self,
        account: ArrayLike,
        to: ArrayLike,
        market: ArrayLike,
        lots: ArrayLike,
        price: Literal["entry", "mark"] = "mark",
    ) -> None:
        """Move a part of a position to another account of the same owner, off the book.

        Binance (developers.binance.com, "Move Position for Sub-account"), Bybit, Deribit
        and OKX offer it. Both sides pay the venue's fee for moving; what stays behind must
        cover its initial margin, and so must what arrives.

        Parameters
        ----------
        lots : array of int
            With the sign of the position, no more than is held.
        price : {"mark", "entry"}
            At the mark, as on Binance, profit is realised; at the entry price it goes
            along.
        """
        at_mark = {"mark": 1, "entry": 0}.get(price)
        if at_mark is None:
            raise RefusedError(f"move: price {price!r} must be 'mark' or 'entry'")
        self._add(
            "move", MOVE, account=account, other=to, market=market, lots=lots,
            at_mark=at_mark,
        )  # fmt: skip

    def order(
        self,
        account: ArrayLike,
        market: ArrayLike,
        lots: ArrayLike,
        *,
        kind: OrderKind = "market",
        tick: ArrayLike = 0,
        reduce_only: bool = False,
        cancel_first: bool = False,
    ) -> None:
        """Send orders.

        Parameters
        ----------
        lots : array of int
            Signed; positive buys.
        kind : {"market", "limit", "immediate", "post-only"}
            All but market orders need a `tick`.
        reduce_only, cancel_first : bool
            Only reduce a position; cancel the account's working orders first.
        """
        if kind not in KINDS:
            raise RefusedError(f"order: kind {kind!r} must be one of {', '.join(KINDS)}")
        self._add(
            "order", ORDER, account=account, market=market, lots=lots, tick=tick,
            kind=KINDS[kind], reduce_only=int(reduce_only), cancel_first=int(cancel_first),
        )  # fmt: skip

    @property
    def count(self) -> int:
        """How many actions there are."""
        return sum(len(part) for part in self._parts)

    def rows(self) -> Array:
        """All that was said, records of `ACTION` in order."""
        return np.concatenate([np.zeros(0, ACTION), *self._parts])

    def _add(self, verb: str, code: int, **given: ArrayLike) -> Array:
        whole = {name: _whole(verb, name, value) for name, value in given.items()}
        try:
            columns = np.broadcast_arrays(*whole.values())
        except ValueError:
            shapes = ", ".join(f"{name} {value.shape}" for name, value in whole.items())
            raise RefusedError(f"{verb}: shapes do not fit each other: {shapes}") from None
        if columns[0].ndim > 1:
            raise RefusedError(f"{verb}: must be numbers or lists of numbers")
        rows = np.zeros(columns[0].size, ACTION)
        rows["code"], rows["other"] = code, NONE
        for name, column in zip(whole, columns, strict=True):
            rows[name] = column
        self._parts.append(rows)
        return rows


def _whole(verb: str, name: str, value: ArrayLike) -> Array:
    """An argument as whole numbers."""
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if array.size == 0:
        return np.zeros(array.shape, np.int64)
    if array.dtype.kind != "f":
        raise RefusedError(f"{verb}: {name} must be whole numbers, not {array.dtype}")
    wrong = ~(np.abs(array) <= _LARGEST) | (array != np.round(array))
    if wrong.any():
        first = array[wrong].flat[0]
        raise RefusedError(f"{verb}: {name} = {first:g} must be a whole number")
    return array.astype(np.int64)


class Own(NamedTuple):
    """Accounts that an answer may speak of: numbers that rise, and whose each is."""

    account: Array
    owner: Array

    def owner_of(self, account: Array) -> Array:
        """Whose some accounts are; `NONE` where they are nobody's of these."""
        if not len(self.account):
            return np.full(len(account), NONE)
        place = np.searchsorted(self.account, account)
        place = np.minimum(place, len(self.account) - 1)
        return np.where(self.account[place] == account, self.owner[place], NONE)


def check(rows: Array, own: Own, n_ticks: Array, most_lots: Array) -> Array:
    """Whose each action is, once all that can be said without the ledger is right.

    Parameters
    ----------
    rows : structured array of `ACTION`
    own : Own
        The accounts of the strategy's adopters.
    n_ticks, most_lots : array of int64, shape (markets,)
        Prices of each market's grid, and the largest order that can be counted.

    Raises
    ------
    RefusedError
        Naming the first action that is wrong, and what would be right.
    """
    owner = owners(rows, rows["account"], own)
    _refuse(rows, owner == NONE, lambda r: f"account {r['account']} is not one's own")
    goes = np.isin(rows["code"], (PAY, MOVE))
    to = np.where(goes, owners(rows, rows["other"], own), owner)
    _refuse(rows, to != owner, lambda r: f"account {r['other']} is not the same owner's")
    same = goes & (rows["other"] == rows["account"])
    _refuse(rows, same, lambda r: f"must go to another account than {r['account']}")
    sized = np.isin(rows["code"], (MOVE, ORDER))
    wrong = sized & ((rows["market"] < 0) | (rows["market"] >= len(n_ticks)))
    last = len(n_ticks) - 1
    _refuse(rows, wrong, lambda r: f"market {r['market']} must be from 0 to {last}")
    most = np.where(sized, most_lots[np.where(sized, rows["market"], 0)], _LARGEST)
    wrong = sized & ((rows["lots"] == 0) | (np.abs(rows["lots"]) > most))
    _refuse(rows, wrong, lambda r: f"lots {r['lots']} must be a size that can be traded")
    wrong = (rows["amount"] < 0) | (rows["amount"] > _LARGEST)
    _refuse(rows, wrong, lambda r: f"amount {r['amount']} must not be negative")
    limited = (rows["code"] == ORDER) & (rows["kind"] != book.MARKET)
    top = n_ticks[np.where(sized, rows["market"], 0)] - 1
    wrong = limited & ((rows["tick"] < 1) | (rows["tick"] > top))
    _refuse(rows, wrong, lambda r: f"tick {r['tick']} must be a price of the market's grid")
    return owner


def owners(rows: Array, account: Array, own: Own) -> Array:
    """Whose some accounts are, handles of those that the answer itself opens, too."""
    opened = rows[rows["code"] == OPEN]
    beside = own.owner_of(opened["account"])
    for i in np.flatnonzero(opened["account"] <= _FIRST_HANDLE):
        before = _FIRST_HANDLE - int(opened["account"][i])
        beside[i] = beside[before] if before < i else NONE
    handle = _FIRST_HANDLE - account
    is_handle = (account <= _FIRST_HANDLE) & (handle < len(opened))
    if not is_handle.any():
        return own.owner_of(account)
    return np.where(
        is_handle, beside[np.where(is_handle, handle, 0)], own.owner_of(account)
    )


def _refuse(rows: Array, wrong: Array, words: Callable[[Any], str]) -> None:
    if wrong.any():
        row = rows[np.flatnonzero(wrong)[0]]
        raise RefusedError(f"{VERBS[row['code']]}: {words(row)}")
