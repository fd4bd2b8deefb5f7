"""Nothing is taken in the wave: whoever withdraws from now on leaves a part behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from abm.adl.record import Payers
from abm.adl.settlement.base import Entries, Medium, Rounded, as_given
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.venue.ledger import cut_withdrawals, move_cash
from abm.world import Array, Ledger, World

Divisor = Literal["claims", "cash"]


@dataclass(frozen=True)
class Withdrawals:
    """A haircut of withdrawals, as long as the venue is short."""

    divisor: Divisor
    medium: ClassVar[Medium] = "withdrawals"
    looks_everywhere: ClassVar[bool] = False

    def worst(self, wave: Wave) -> Array:
        """No position is closed: the value at the mark."""
        return wave.candidates["value"].copy()

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Nothing is asked for in the wave."""
        return np.zeros(1, np.int64), np.zeros(1, np.int64)

    def rounded(
        self, wave: Wave, payers: Payers, members: Array, capacity: Array, amounts: Array
    ) -> Rounded:
        """Nothing was given."""
        return as_given(amounts)

    def entries(self, wave: Wave, payers: Payers, amounts: Array, need: Array) -> Entries:
        """The cut, by the debt that what was withheld does not pay."""
        debt = wave.total_deficit - min(wave.withheld, wave.total_deficit)
        excess = max(0, debt - max(0, wave.insurance))
        cash = max(0, wave.cash_held)
        divisor = cash + excess if self.divisor == "claims" else max(cash, excess)
        return Entries(excess_debt=excess, claims=max(divisor, 1))

    def book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Pay debts from what was withheld; cut withdrawals from now on."""
        _pay_withheld(world.ledger, wave.short_account, wave.deficit)
        cut_withdrawals(world.ledger, entries.excess_debt, entries.claims)


@kernel
def _pay_withheld(ledger: Ledger, short: Array, deficit: Array) -> None:
    """Pay the short accounts in order."""
    pots = ledger.pots[0]
    for i in range(short.shape[0]):
        paid = min(pots.withheld, deficit[i])
        if paid > 0:
            pots.withheld -= paid
            ledger.accounts[pots.insurance].cash += paid
            move_cash(ledger, pots.insurance, short[i], paid)


def withdrawals(*, divisor: Divisor = "claims") -> Withdrawals:
    """Withdrawals are cut by bad debt beyond the insurance fund, per dollar of claims.

    Paradex docs, "Socialized Losses" (docs.paradex.trade/risk/socialized-losses): the
    factor is ``EB / (cash + EB)`` with ``EB = max(0, bad debt - insurance)``, in force
    while the venue is short. The page's worked example divides by cash alone (1,000 over
    4,000 is called 25%, where the formula gives 20%): ``divisor = "cash"`` follows it.
    Cash is what the venue holds for its accounts: deposits less withdrawals and fees.
    Only with claims as the divisor is everybody paid the same if all withdraw at once.
    What is withheld pays debts at the next wave, and is the insurance fund's if none is
    left. A withdrawal's share is rounded up.
    """
    return Withdrawals(divisor)
