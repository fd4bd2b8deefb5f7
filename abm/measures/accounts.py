"""Accounts that come again and again, each taken once."""

from __future__ import annotations

import numpy as np

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
