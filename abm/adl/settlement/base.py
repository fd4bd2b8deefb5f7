"""What a settlement is: the contract that its answers keep."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple, Protocol

import numpy as np

from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Payers
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.units import INT64_MAX
from abm.world import Array, World

NO_FILLS = np.zeros(0, ADL_FILL)
NO_HAIRCUTS = np.zeros(0, CASH_HAIRCUT)

Medium = Literal["contracts", "cash", "charge", "withdrawals"]
"""What is given: lots; quanta of an account; quanta a lot held; nothing in the wave."""


class Rounded(NamedTuple):
    """Amounts as they are booked, and the least and the most that they may sum to."""

    amounts: Array
    least: int
    most: int


class Entries(NamedTuple):
    """What is to be booked: arrays of `ADL_FILL` and of `CASH_HAIRCUT`, and the cut.

    From then on withdrawals are cut by ``excess_debt / claims``, or, where `claims` is
    zero, as they were before.
    """

    fills: Array = NO_FILLS
    haircuts: Array = NO_HAIRCUTS
    excess_debt: int = 0
    claims: int = 0

    @property
    def booked(self) -> int:
        """Lots and quanta that are taken from payers in all."""
        return int(_lots_closed(self.fills)) + int(self.haircuts["amount"].sum())

    def withdrawal_cut(self, wave: Wave) -> float:
        """The share of every withdrawal that is withheld once they are booked."""
        if self.claims:
            return self.excess_debt / self.claims
        return wave.excess_debt / max(wave.claims, 1)


@kernel
def _lots_closed(fills: Array) -> int:
    lots = 0
    for i in range(fills.shape[0]):
        lots += abs(fills[i].lots)
    return lots


class Settlement(Protocol):
    """In what payers give, at what price, and how it is booked."""

    @property
    def medium(self) -> Medium:
        """What is given, and so the unit of capacities and of the need."""

    @property
    def looks_everywhere(self) -> bool:
        """Whether payers may come from any market and side."""

    def worst(self, wave: Wave) -> Array:
        """Signed value at which each candidate is closed at worst, whole, in quanta.

        int64, shape (candidates,); the value at the mark where nothing is closed.
        """

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """The group of each need, and how much of it: the share `theta`, rounded up."""

    def rounded(
        self, wave: Wave, payers: Payers, members: Array, capacity: Array, amounts: Array
    ) -> Rounded:
        """The amounts that an allocation gave some payers, in units that can be booked.

        Parameters
        ----------
        members : array of int64, shape (members,)
            Indices of these payers, all of one group.
        capacity, amounts : array of int64, shape (members,)
        """

    def entries(self, wave: Wave, payers: Payers, amounts: Array, need: Array) -> Entries:
        """What is to be booked of a decision, as a function of it and the wave alone.

        Parameters
        ----------
        amounts : array of int64, shape (payers,)
            What each payer gives.
        need : array of int64
            What is sought; see :meth:`need`.
        """

    def book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Book the entries of a wave in the ledger, as they are."""


def as_given(amounts: Array) -> Rounded:
    """Amounts that are booked as they are."""
    total = int(amounts.sum())
    return Rounded(amounts, total, total)


def money_needed(wave: Wave, theta: float) -> int:
    """Quanta asked for in all: the share `theta` of what is missing, rounded up."""
    return int(portion(np.array([wave.total_deficit]), theta)[0])


def portion(amounts: Array, theta: float) -> Array:
    """A share of whole amounts, rounded up, exactly.

    The share is the decimal that it is written as, not the float next to it: 0.07 of 100
    is 7, although the product of the floats is a hair more.

    Parameters
    ----------
    amounts : array of int64, shape (n,)
        Not negative.
    theta : float
        From 0 to 1.
    """
    if theta == 1.0:
        return amounts.astype(np.int64)
    part, whole = Fraction(repr(float(theta))).as_integer_ratio()
    if whole <= INT64_MAX and int(amounts.max(initial=0)) <= INT64_MAX // max(part, 1):
        return np.asarray(-(-amounts * part // whole), np.int64)
    found = [-(-amount * part // whole) for amount in amounts.tolist()]
    return np.array(found, np.int64)
