"""Waves without a simulation: a deficit, winners with profits, and who could pay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.wave import BANKRUPT, CANDIDATE, Wave
from abm.world import Array

_FIRST = 10
"""Numbers below are the venue's own accounts and the short one."""


def cash_wave(
    deficit: int, profit: Array | None = None, leverage: Array | None = None
) -> Wave:
    """A wave in which one account owes a deficit and others have unrealised profits.

    Parameters
    ----------
    deficit : int
        Quanta.
    profit : array of int64, shape (accounts,), optional
        Quanta; an account's equity is its profit, and its collateral nothing.
    leverage : array of float64, shape (accounts,), optional
        Notional over equity; 1 if not given.
    """
    worth = np.zeros(0, np.int64) if profit is None else np.asarray(profit, np.int64)
    levered = np.ones(len(worth)) if leverage is None else leverage
    rows = np.zeros(len(worth), CANDIDATE)
    value = np.rint(worth * levered).astype(np.int64)
    rows["position"] = np.arange(len(worth))
    rows["account"] = _FIRST + rows["position"]
    rows["lots"] = np.maximum(value, 1)
    for name in ("value", "account_notional", "account_net"):
        rows[name] = rows["lots"]
    rows["cost"] = rows["value"] - worth
    rows["equity"] = rows["account_profit"] = worth
    one = np.ones(1, np.int64)
    return Wave(
        number=0,
        now_s=0.0,
        short_account=np.array([_FIRST - 1]),
        deficit=np.array([deficit]),
        bankrupt=np.zeros(0, BANKRUPT),
        candidates=rows,
        mark=one,
        previous_mark=one,
        index=one,
        unit=one,
        open_interest=one,
        insurance=0,
        older_gains=np.zeros((len(rows), 0), np.int64),
    )


def everyone(capacity: Array) -> Payers:
    """Payers of these capacities in quanta, all of them profit."""
    group = np.zeros(len(capacity), np.int64)
    return Payers(np.arange(len(capacity)), group, capacity, capacity)


def split(wave: Wave, account: int, parts: int) -> Wave:
    """The wave as it were if an account had been split evenly into several beforehand.

    Every position, its cost, the account's cash and all its sums are divided; what does
    not divide stays with the first part. The other parts get new account numbers.
    """
    rows, older = wave.candidates.copy(), wave.older_gains.copy()
    mine = np.flatnonzero(rows["account"] == account)
    whole, gains = wave.candidates[mine], wave.older_gains[mine] // parts
    pieces, aged = [rows], [older]
    for part in range(1, parts):
        piece = whole.copy()
        for name in _AMOUNTS:
            # Towards zero, so that no part has more than its share.
            piece[name] = np.sign(whole[name]) * (np.abs(whole[name]) // parts)
            rows[name][mine] -= piece[name]
        piece["account"] = int(rows["account"].max()) + part
        piece["position"] = int(rows["position"].max()) + 1 + part * len(mine)
        older[mine] -= gains
        is_held = piece["lots"] != 0
        pieces.append(piece[is_held])
        aged.append(gains[is_held])
    return replace(
        wave, candidates=np.concatenate(pieces), older_gains=np.concatenate(aged)
    )


_AMOUNTS = [
    name
    for name in CANDIDATE.names or ()
    if name not in ("position", "account", "market", "at_bottom")
]
"""Fields of a candidate that are divided with it."""
