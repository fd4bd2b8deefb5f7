"""In what, and at what price? Settlement books what an allocation decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.compiled import inlined, kernel
from abm.venue.ledger import book_lots, move_cash
from abm.world import Array, Ledger, World

ADL_FILL = np.dtype(
    [
        ("market", "i8"),
        ("account", "i8"),
        ("bankrupt", "i8"),
        ("lots", "i8"),
        ("held", "i8"),
        ("price", "i8"),
        ("cost", "i8"),
    ]
)
"""A contract closed by ADL: lots closed (signed as the payer held them), lots held before,
price in ticks, the payer's cost of the whole position before (quanta)."""


CASH_HAIRCUT = np.dtype([("account", "i8"), ("amount", "i8")])
"""Quanta taken from an account."""


def contracts_needed(wave: Wave, theta: float) -> Array:
    """Lots to close of every bankrupt position: the share `theta` of it, rounded up."""
    lots = np.ceil(np.abs(wave.bankrupt["lots"]) * theta)
    return np.asarray(lots, np.int64)


def cash_needed(wave: Wave, theta: float) -> Array:
    """Quanta asked for in all, shape (1,): the share `theta` of what is missing."""
    return np.array([int(np.ceil(wave.total_deficit * theta))], np.int64)


def bankrupt_group(wave: Wave) -> Array:
    """The group that each bankrupt position forms with those who stand against it."""
    return np.asarray(2 * wave.bankrupt["market"] + (wave.bankrupt["lots"] > 0))


def close_contracts(
    world: World, wave: Wave, payers: Payers, lots: Array, need: Array, price: Array
) -> Array:
    """Close payers' positions against the bankrupt ones of their group.

    Parameters
    ----------
    lots : array of int64, shape (payers,)
        Lots to close of each payer; no more by group than is needed.
    need : array of int64, shape (bankrupt,)
        Lots to close of each bankrupt position.
    price : array of int64, shape (markets,)
        Ticks at which each market's contracts are closed.

    Returns
    -------
    structured array of `ADL_FILL`
        One row a pair of payer and bankrupt position.
    """
    taken = np.flatnonzero(lots)
    order = taken[np.argsort(payers.group[taken], kind="stable")]
    group = bankrupt_group(wave)
    sought = np.flatnonzero(need)
    sought = sought[np.argsort(group[sought], kind="stable")]
    fills = np.empty(len(order) + len(sought), ADL_FILL)
    count = _close_pairs(
        world,
        wave.candidates,
        payers.row[order],
        payers.group[order],
        lots[order],
        wave.bankrupt,
        sought,
        group[sought],
        need[sought],
        price,
        fills,
    )
    return fills[:count]


@kernel
def _close_pairs(
    world: World,
    candidates: Array,
    payer_row: Array,
    payer_group: Array,
    lots: Array,
    bankrupt: Array,
    bankrupt_row: Array,
    bankrupt_group: Array,
    need: Array,
    price: Array,
    fills: Array,
) -> int:
    """Pair payers with bankrupt positions of their group, both sorted by group."""
    count = 0
    j = 0
    for i in range(payer_row.shape[0]):
        left = lots[i]
        while left > 0:
            while bankrupt_group[j] < payer_group[i] or need[j] == 0:
                j += 1
            size = min(left, need[j])
            payer = candidates[payer_row[i]]
            fill = fills[count]
            fill.market = payer.market
            fill.account = payer.account
            fill.bankrupt = bankrupt[bankrupt_row[j]].account
            fill.lots = size if payer.lots > 0 else -size
            fill.held = payer.lots
            fill.price = price[payer.market]
            fill.cost = payer.cost
            _close_pair(world, fill)
            count += 1
            need[j] -= size
            left -= size
    return count


@inlined
def _close_pair(world: World, fill: Any) -> None:
    market = fill.market
    level = world.book.tops[market].first_level
    value = fill.lots * fill.price * world.markets.specs[market].unit
    ledger, risk = world.ledger, world.risk
    book_lots(ledger, risk, level, fill.account, market, -fill.lots, -value)
    book_lots(ledger, risk, level, fill.bankrupt, market, fill.lots, value)


def transfer_cash(world: World, wave: Wave, payers: Payers, amounts: Array) -> Array:
    """Take quanta from payers and give them to the short accounts.

    Parameters
    ----------
    amounts : array of int64, shape (payers,)
        What each payer gives; in all no more than is missing.

    Returns
    -------
    structured array of `CASH_HAIRCUT`
        One row an account that paid.
    """
    taken = np.flatnonzero(amounts)
    haircuts = np.empty(len(taken), CASH_HAIRCUT)
    haircuts["account"] = wave.candidates["account"][payers.row[taken]]
    haircuts["amount"] = amounts[taken]
    _transfer(world.ledger, haircuts, wave.short_account, wave.deficit)
    return haircuts


@kernel
def _transfer(ledger: Ledger, haircuts: Array, short: Array, deficit: Array) -> None:
    """Pay the short accounts in order; the pot is empty when both lists are done."""
    j = 0
    paid = 0
    for i in range(haircuts.shape[0]):
        left = haircuts[i].amount
        ledger.accounts[haircuts[i].account].given += left
        while left > 0:
            amount = min(left, deficit[j] - paid)
            move_cash(ledger, haircuts[i].account, short[j], amount)
            left -= amount
            paid += amount
            if paid == deficit[j]:
                j += 1
                paid = 0
