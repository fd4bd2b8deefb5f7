"""Cash is taken from payers and given to the short; nobody's position changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from abm.adl.answers import CompositionError
from abm.adl.record import CASH_HAIRCUT, Payers
from abm.adl.settlement.base import Entries, Medium, Rounded, money_needed, portion
from abm.adl.sharing.rounding import ROUNDINGS
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.faults import LARGEST
from abm.units import quanta
from abm.venue.ledger import move_cash
from abm.world import Array, Ledger, World

CashRounding = Literal[
    "largest-remainder", "floor", "ceil", "whole-capacities", "fixed-point-scaling"
]
Side = Literal["both", "opposite"]


@dataclass(frozen=True)
class Cash:
    """A haircut of cash, in whole units of money."""

    rounding: CashRounding
    unit: int
    medium: ClassVar[Medium] = "cash"
    looks_everywhere: ClassVar[bool] = True

    def worst(self, wave: Wave) -> Array:
        """No position is closed: the value at the mark."""
        return wave.candidates["value"].copy()

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Quanta in all."""
        return np.zeros(1, np.int64), np.array([money_needed(wave, theta)], np.int64)

    def rounded(
        self, wave: Wave, payers: Payers, members: Array, capacity: Array, amounts: Array
    ) -> Rounded:
        """In whole units by the rounding rule; see :func:`cash`."""
        return round_cash(self.rounding, self.unit, capacity, amounts)

    def entries(self, wave: Wave, payers: Payers, amounts: Array, need: Array) -> Entries:
        """A haircut of every payer that pays."""
        return Entries(haircuts=cash_haircuts(wave, payers, amounts))

    def book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Move the cash."""
        transfer_cash(world, wave, entries.haircuts)


def round_cash(rounding: CashRounding, unit: int, capacity: Array, given: Array) -> Rounded:
    """Amounts in whole units, by a rule of `abm.adl.sharing.rounding`.

    Parameters
    ----------
    unit : int
        Quanta that payments are multiples of.
    capacity, given : array of int64, shape (payers,)
        Quanta; the sum of what was given is the budget.

    Returns
    -------
    Rounded
        With the bounds on the sum in quanta.
    """
    budget = int(given.sum())
    if rounding == "whole-capacities":
        whole = ROUNDINGS["whole-positions"](given.astype(np.float64), capacity, budget)
        return Rounded(*whole)
    if unit == 1:
        return Rounded(given, budget, budget)
    if rounding == "floor":
        lost = int(np.count_nonzero(given % unit)) * (unit - 1)
        return Rounded(given - given % unit, budget - lost, budget)
    if rounding == "ceil":
        # Who has less than the next whole unit pays all of it.
        amounts = np.minimum(-(-given // unit) * unit, capacity)
        gained = int(np.count_nonzero(given % unit)) * (unit - 1)
        return Rounded(amounts, budget, budget + gained)
    found = ROUNDINGS[rounding](given / unit, capacity // unit, -(-budget // unit))
    return Rounded(found.amounts * unit, found.least * unit, found.most * unit)


def cash_haircuts(wave: Wave, payers: Payers, amounts: Array) -> Array:
    """Quanta taken from payers: an array of `CASH_HAIRCUT`, one row a payer that pays.

    Parameters
    ----------
    amounts : array of int64, shape (payers,)
        What each payer gives.
    """
    taken = np.flatnonzero(amounts)
    haircuts = np.empty(len(taken), CASH_HAIRCUT)
    haircuts["account"] = wave.candidates["account"][payers.row[taken]]
    haircuts["amount"] = amounts[taken]
    return haircuts


def transfer_cash(world: World, wave: Wave, haircuts: Array) -> None:
    """Take quanta from payers and give them to the short accounts, in order.

    What is more than is missing goes to the insurance fund.

    Parameters
    ----------
    haircuts : structured array of `CASH_HAIRCUT`
    """
    _transfer(world.ledger, haircuts, wave.short_account, wave.deficit)


@kernel
def _transfer(ledger: Ledger, haircuts: Array, short: Array, deficit: Array) -> None:
    """Pay the short accounts in order, then the insurance fund."""
    j = 0
    paid = 0
    for i in range(haircuts.shape[0]):
        left = haircuts[i].amount
        ledger.accounts[haircuts[i].account].given += left
        while left > 0:
            if j == short.shape[0]:
                move_cash(ledger, haircuts[i].account, ledger.pots[0].insurance, left)
                break
            amount = min(left, deficit[j] - paid)
            move_cash(ledger, haircuts[i].account, short[j], amount)
            left -= amount
            paid += amount
            if paid == deficit[j]:
                j += 1
                paid = 0


@dataclass(frozen=True)
class Charge:
    """Every holder of a market pays the same quanta a lot."""

    side: Side
    medium: ClassVar[Medium] = "charge"
    looks_everywhere: ClassVar[bool] = True

    def worst(self, wave: Wave) -> Array:
        """No position is closed: the value at the mark."""
        return wave.candidates["value"].copy()

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Quanta of the debt that belongs to each market and side."""
        debts = np.zeros(2 * len(wave.mark), np.int64)
        rows = wave.bankrupt
        _add(debts, rows["market"], rows["lots"] > 0, rows["bankruptcy"] - rows["value"])
        if len(wave.debt_market):
            flat = ~np.isin(wave.short_account, rows["account"]) & (wave.debt_market >= 0)
            market, side = wave.debt_market[flat], wave.debt_side[flat]
            _add(debts, market, side > 0, wave.deficit[flat])
        if self.side == "both":
            debts[0::2] += debts[1::2]
            debts[1::2] = 0
        groups = np.flatnonzero(debts)
        return groups, portion(debts[groups], theta)

    def rounded(
        self, wave: Wave, payers: Payers, members: Array, capacity: Array, amounts: Array
    ) -> Rounded:
        """The least whole charge a lot that covers what everybody was asked for."""
        lots = np.abs(wave.candidates["lots"][payers.row[members]])
        return round_charge(lots, capacity, amounts)

    def entries(self, wave: Wave, payers: Payers, amounts: Array, need: Array) -> Entries:
        """What every holder is charged, lot by lot."""
        return Entries(haircuts=cash_haircuts(wave, payers, amounts))

    def book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Move the cash."""
        transfer_cash(world, wave, entries.haircuts)


def _add(debts: Array, market: Array, is_long: Array, debt: Array) -> None:
    np.add.at(debts, 2 * market + is_long, debt)


def round_charge(lots: Array, capacity: Array, given: Array) -> Rounded:
    """The same quanta a lot for all who can pay them, all that they have for the others.

    The charge is the least whole one that raises the budget: from the bound that all
    pay in full it rises as those who cannot are found out.

    Parameters
    ----------
    lots : array of int64, shape (payers,)
        Held by each, positive.
    capacity, given : array of int64, shape (payers,)
        Quanta; the sum of what was given is the budget.
    """
    budget = int(given.sum())
    each = capacity // lots
    charge, is_full = 0, np.zeros(len(lots), bool)
    while not is_full.all():
        left = budget - int(capacity[is_full].sum())
        better = -(-left // int(lots[~is_full].sum()))
        if better <= charge:
            break
        charge, is_full = better, each < better
    amounts = np.where(is_full, capacity, lots * np.where(is_full, 0, charge))
    return Rounded(amounts, budget, budget + int(lots.sum()))


UnitUsd = Annotated[float, Field(strict=True, ge=1e-6, le=LARGEST)]
"""Money is counted in quanta of 1e-6 USD: no unit is smaller."""


def cash(
    *, rounding: CashRounding = "largest-remainder", unit_usd: UnitUsd | None = None
) -> Cash:
    """A cash haircut, in whole units of money; nobody's position changes.

    Amounts within capacity sum to the budget B exactly (``largest-remainder``), or, with
    n payers: more than ``B - n * unit`` (``floor``); below ``B + n * unit`` (``ceil``,
    ``fixed-point-scaling``, which finds the least scale of all amounts that reaches B);
    below B plus the largest capacity taken (``whole-capacities``: those who are asked for
    the largest share of theirs give all of it). A B that is no multiple of the unit is
    rounded up. What is more than is missing goes to the insurance fund. The unit is
    ``unit_usd``, a quantum (1e-6) if not given; amounts are whole quanta before they are
    rounded, so it must be given for ``floor``, ``ceil`` and ``fixed-point-scaling``.

    Raises
    ------
    CompositionError
        If the rounding needs a unit, or does not look at the one that is given.
    """
    unit = 1 if unit_usd is None else quanta(unit_usd)
    if unit_usd is not None and rounding == "whole-capacities":
        raise CompositionError(
            f"settlement.unit_usd = {unit_usd}: is not looked at with rounding = "
            "'whole-capacities'; must be left out"
        )
    if unit == 1 and rounding in ("floor", "ceil", "fixed-point-scaling"):
        raise CompositionError(
            f"settlement.rounding = {rounding!r}: rounds nothing, since amounts are whole "
            "quanta already; must come with a unit_usd above 1e-06, such as 0.01"
        )
    return Cash(rounding, unit)


def charge(*, side: Side = "both") -> Charge:
    """Every position in the market of a debt pays the same quanta a lot.

    Drift (drift-labs/protocol-v2, ``resolve_perp_bankruptcy``) and Vertex (``PerpEngine``)
    charge both sides; Aftermath Finance (docs.aftermath.finance, perpetuals) the side that
    the bankrupt was not on. The charge is rounded up to a whole quantum a lot; what that
    raises too much goes to the insurance fund. Who has not enough pays all that the
    eligibility lets it, and the others more; what nobody has left stays missing. An
    account that the charge puts below maintenance is liquidated like any other. A debt
    belongs to the markets of the positions that it is shared among by maintenance
    margin, or to that where a liquidation of the account last traded.
    """
    return Charge(side)
