"""How old an account's gains are.

An account's gains are its equity above its principal, so no trade at the mark changes
them, whatever it closes and opens again. Gains are older than an age if they were there
all that time: the least that the account's gains have been since then, looked at by a
clock of its own. Each age is cut into at most four parts of whole steps; a ring remembers
the least of each part, so that gains become older between one and five quarters of the
age after they were made. What an account had gained before the run began is older than
any age.

The most recent gains are the first to go: losses, withdrawals and haircuts lower the
gains of now, and older ones only where they would exceed them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from abm.compiled import inlined_kernel, kernel
from abm.venue.margin import equity_of
from abm.world import AGE, LOW_SLOTS, Array, Ledger, Markets, World

_ALWAYS = np.iinfo(np.int64).max
"""A low that bounds nothing: no time has been seen yet in which gains were less."""


@inlined_kernel
def gains_of(ledger: Ledger, markets: Markets, account: int) -> int:
    """Equity above principal at the marks, at least zero, in quanta."""
    equity = equity_of(ledger, markets, account)
    return max(0, equity - ledger.accounts[account].principal)


@kernel
def note_gains(ledger: Ledger, markets: Markets) -> None:
    """Write down every account's gains of now."""
    for account in range(ledger.lows.shape[0]):
        gains = gains_of(ledger, markets, account)
        for k in range(ledger.ages.shape[0]):
            slot = ledger.ages[k].slot
            ledger.lows[account, k, slot] = min(ledger.lows[account, k, slot], gains)


@kernel
def age_gains(world: World) -> None:
    """Let gains grow older when the clock of an age strikes."""
    ledger = world.ledger
    now = world.clock[0].now_ms
    struck = False
    for k in range(ledger.ages.shape[0]):
        age = ledger.ages[k]
        if now >= age.due_ms:
            age.due_ms += age.period_ms
            age.slot = (age.slot + 1) % age.slots
            for account in range(ledger.lows.shape[0]):
                ledger.lows[account, k, age.slot] = _ALWAYS
            struck = True
    if struck:
        note_gains(ledger, world.markets)


@kernel
def older_gains(ledger: Ledger, accounts: Array, gains: Array, older: Array) -> None:
    """Fill in how much of some accounts' gains is older than each age.

    Parameters
    ----------
    accounts, gains : array of int64, shape (rows,)
        Accounts, and their gains of now.
    older : array of int64, shape (rows, ages)
        Is filled in; falls along the ages.
    """
    for i in range(accounts.shape[0]):
        least = gains[i]
        for k in range(ledger.ages.shape[0]):
            for slot in range(ledger.ages[k].slots):
                least = min(least, ledger.lows[accounts[i], k, slot])
            older[i, k] = least


def keep_ages(world: World, ages_s: Iterable[float]) -> World:
    """A world that tells gains by these ages and no others.

    Ages that it keeps already go on as they are; for a new one, gains of now count as
    old.
    """
    old = world.ledger
    if not (ages_ms := sorted({round(age * 1000) for age in ages_s})) and not len(old.ages):
        return world
    rows = np.array([_row(world, age) for age in ages_ms], AGE)
    lows = np.full((len(old.accounts), len(rows), LOW_SLOTS), _ALWAYS)
    fresh = old._replace(ages=rows, lows=lows)
    note_gains(fresh, world.markets)
    known = {int(row["age_ms"]): k for k, row in enumerate(old.ages)}
    for k, age in enumerate(ages_ms):
        if age in known:
            rows[k], lows[:, k] = old.ages[known[age]], old.lows[:, known[age]]
    return world._replace(ledger=fresh)


def _row(world: World, age_ms: int) -> tuple[int, ...]:
    """A fresh row of `AGE`: the age in at most four parts of whole steps."""
    step = int(world.clock[0]["step_ms"])
    now = int(world.clock[0]["now_ms"])
    period = step * max(1, -(-age_ms // ((LOW_SLOTS - 1) * step)))
    return age_ms, period, now + period, -(-age_ms // period) + 1, 0
