"""Accounts that come again and again, each taken once."""

from __future__ import annotations

import numpy as np

from abm.compiled import kernel
from abm.world import NONE, Array


def each_once(account: Array) -> tuple[Array, Array, Array]:
    """`numpy.unique` of small numbers, without sorting: each, its first row, its place.

    Parameters
    ----------
    account : array of int64, shape (rows,)
        At least 0.

    Returns
    -------
    account, first : array of int64, shape (accounts,)
        Rising, and the first row of each.
    place : array of int64, shape (rows,)
        Where each row's account stands among them.
    """
    first = np.full(int(account.max(initial=-1)) + 1, NONE)
    first[account[::-1]] = np.arange(len(account))[::-1]
    each = np.flatnonzero(first != NONE)
    place = np.cumsum(first != NONE) - 1
    return each, first[each], place[account]


def fresh_rows(account: Array, is_known: Array) -> Array:
    """The rows in which accounts come that were not known; from then on they are.

    Parameters
    ----------
    account : array of int64, shape (rows,)
    is_known : array of bool, shape (accounts,)
        Is set.

    Returns
    -------
    array of int64, shape (fresh,)
        The first row of each such account, rising.
    """
    rows = np.empty(len(account), np.int64)
    return rows[: int(_list_fresh(account, is_known, rows))]


@kernel
def _list_fresh(account: Array, is_known: Array, rows: Array) -> int:
    count = 0
    for i in range(account.shape[0]):
        if not is_known[account[i]]:
            is_known[account[i]] = True
            rows[count] = i
            count += 1
    return count
