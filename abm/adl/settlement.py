"""In what, and at what price? Settlement books what an allocation decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.record import ADL_FILL, CASH_HAIRCUT
from abm.adl.wave import Wave
from abm.compiled import inlined, kernel
from abm.venue.ledger import book_lots, move_cash
from abm.world import Array, Ledger, World

Medium = Literal["contracts", "cash"]


class Settlement(Protocol):
    """In what payers give, at what price, and how it is booked.

    Attributes
    ----------
    medium : {"contracts", "cash"}
        The unit of capacities: lots or quanta.
    looks_everywhere : bool
        Whether payers may come from any market and side.
    """

    medium: ClassVar[Medium]
    looks_everywhere: ClassVar[bool]

    def worst(self, wave: Wave) -> Array:
        """Worst value of a lot for those closed against each group, quanta, float64."""

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """The group of each need, and how much of it: the share `theta`, rounded up."""

    def book(
        self, world: World, wave: Wave, payers: Payers, amounts: Array, need: Array
    ) -> tuple[Array, Array]:
        """Book what was decided; give arrays of `ADL_FILL` and `CASH_HAIRCUT`."""


@dataclass(frozen=True)
class Contracts:
    """Positions of payers are closed against bankrupt ones at one price a market."""

    price: Literal["previous-mark", "mark", "index"]
    medium: ClassVar[Medium] = "contracts"
    looks_everywhere: ClassVar[bool] = False

    def ticks(self, wave: Wave) -> Array:
        """Price of every market in ticks, shape (markets,)."""
        prices = {
            "previous-mark": wave.previous_mark,
            "mark": wave.mark,
            "index": wave.index,
        }
        return prices[self.price]

    def worst(self, wave: Wave) -> Array:
        """The same for both sides of a market."""
        return np.repeat((self.ticks(wave) * wave.unit).astype(np.float64), 2)

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Lots of every bankrupt position."""
        lots = np.ceil(np.abs(wave.bankrupt["lots"]) * theta).astype(np.int64)
        return bankrupt_group(wave), lots

    def book(
        self, world: World, wave: Wave, payers: Payers, amounts: Array, need: Array
    ) -> tuple[Array, Array]:
        """Pair payers with bankrupt positions."""
        fills = close_contracts(world, wave, payers, amounts, need, self.ticks(wave))
        return fills, _NO_HAIRCUTS


@dataclass(frozen=True)
class Cash:
    """Payers give cash to the short accounts; nobody's position changes."""

    medium: ClassVar[Medium] = "cash"
    looks_everywhere: ClassVar[bool] = True

    def worst(self, wave: Wave) -> Array:
        """No position is closed: the mark."""
        return np.repeat((wave.mark * wave.unit).astype(np.float64), 2)

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Quanta in all."""
        return np.zeros(1, np.int64), np.array([money_needed(wave, theta)], np.int64)

    def book(
        self, world: World, wave: Wave, payers: Payers, amounts: Array, need: Array
    ) -> tuple[Array, Array]:
        """Move the cash."""
        return _NO_FILLS, transfer_cash(world, wave, payers, amounts)


_NO_FILLS = np.zeros(0, ADL_FILL)
_NO_HAIRCUTS = np.zeros(0, CASH_HAIRCUT)


def contracts(*, price: Literal["previous-mark", "mark", "index"] = "mark") -> Settlement:
    """Positions are closed against the bankrupt ones, at a price."""
    return Contracts(price)


def cash() -> Settlement:
    """A cash haircut of profits."""
    return Cash()


ANSWERS: dict[str, Callable[..., Settlement]] = {"contracts": contracts, "cash": cash}


def money_needed(wave: Wave, theta: float) -> int:
    """Quanta asked for in all: the share `theta` of what is missing, rounded up."""
    return int(np.ceil(wave.total_deficit * theta))


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
            fill.cost = payer.cost
            unit = world.markets.specs[payer.market].unit
            fill.value = fill.lots * price[payer.market] * unit
            _close_pair(world, fill)
            count += 1
            need[j] -= size
            left -= size
    return count


@inlined
def _close_pair(world: World, fill: Any) -> None:
    market = fill.market
    level = world.book.tops[market].first_level
    ledger, risk = world.ledger, world.risk
    book_lots(ledger, risk, level, fill.account, market, -fill.lots, -fill.value)
    book_lots(ledger, risk, level, fill.bankrupt, market, fill.lots, fill.value)


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
