"""A policy: one answer to each of the six questions, asked in order for every wave.

When (trigger), how much now (severity), who can pay (eligibility), in which order of
capital (seniority), how shared (allocation), in what and at what price (settlement).
What a part answers is checked before anything is booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from abm.adl import settlement
from abm.adl.allocation import Allocation
from abm.adl.eligibility import Eligibility, Payers
from abm.adl.seniority import Seniority
from abm.adl.severity import Severity
from abm.adl.trigger import Trigger
from abm.adl.wave import PolicyError, Wave
from abm.world import Array, World

PRICES = ("previous-mark", "mark", "index")


@dataclass(frozen=True)
class Settlement:
    """What is given, and for contracts at what price."""

    medium: Literal["contracts", "cash"]
    price: str = "mark"

    def ticks(self, wave: Wave) -> Array:
        """Price of every market in ticks, shape (markets,)."""
        prices = {
            "previous-mark": wave.previous_mark,
            "mark": wave.mark,
            "index": wave.index,
        }
        return prices[self.price]


@dataclass(frozen=True)
class Outcome:
    """What a policy did in a wave.

    Attributes
    ----------
    budget : int
        Money asked for in quanta: the severity's share of the deficit.
    payers : Payers
        Who could have been asked, with capacities.
    score : array of float64, shape (payers,)
        What ranked or weighted them (NaN where the rule needs none).
    amounts : array of int64, shape (payers,)
        What each was asked for, in lots or quanta.
    fills, haircuts : structured arrays
        What was booked, `settlement.ADL_FILL` and `settlement.CASH_HAIRCUT`.
    """

    budget: int
    payers: Payers
    score: Array
    amounts: Array
    fills: Array
    haircuts: Array


_NOBODY = Payers(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
_NO_FILLS = np.zeros(0, settlement.ADL_FILL)
_NO_HAIRCUTS = np.zeros(0, settlement.CASH_HAIRCUT)


@dataclass(frozen=True)
class Policy:
    """An ADL rule, composed of six parts."""

    name: str
    trigger: Trigger
    severity: Severity
    eligibility: Eligibility
    seniority: Seniority
    allocation: Allocation
    settlement: Settlement

    @property
    def looks_everywhere(self) -> bool:
        """Whether all positions are candidates: cash may come from any market."""
        return self.settlement.medium == "cash"

    def answer(self, world: World, wave: Wave) -> Outcome:
        """Decide who gives what in a wave, check it, and book it.

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much. Nothing is booked.
        """
        if not self._ask("trigger", wave, self.trigger, wave):
            return Outcome(
                0, _NOBODY, np.zeros(0), np.zeros(0, int), _NO_FILLS, _NO_HAIRCUTS
            )
        theta = self._share(wave)
        price = self.settlement.ticks(wave)
        payers = self._ask("eligibility", wave, self.eligibility, wave, price)
        if self.settlement.medium == "cash":
            need = settlement.cash_needed(wave, theta)
            groups = np.zeros(1, np.int64)
        else:
            need = settlement.contracts_needed(wave, theta)
            groups = settlement.bankrupt_group(wave)
        score, amounts = self._allocate(wave, payers, groups, need)
        fills, haircuts = _NO_FILLS, _NO_HAIRCUTS
        if self.settlement.medium == "cash":
            haircuts = settlement.transfer_cash(world, wave, payers, amounts)
        else:
            fills = settlement.close_contracts(world, wave, payers, amounts, need, price)
        budget = int(settlement.cash_needed(wave, theta).sum())
        return Outcome(budget, payers, score, amounts, fills, haircuts)

    def _share(self, wave: Wave) -> float:
        theta = float(self._ask("severity", wave, self.severity, wave))
        if not 0.0 <= theta <= 1.0:
            self._refuse("severity", wave, f"answered {theta}, must be a share from 0 to 1")
        return theta

    def _allocate(
        self, wave: Wave, payers: Payers, groups: Array, need: Array
    ) -> tuple[Array, Array]:
        """Scores and whole amounts of all payers, tier by tier and group by group."""
        rule = self.allocation
        score = np.full(len(payers.row), np.nan)
        if rule.score is not None:
            score = self._ask("allocation score", wave, rule.score, wave, payers)
            self._check_score(wave, score, len(payers.row))
        amounts = np.zeros(len(payers.row), np.int64)
        wanted = np.zeros(2 * len(wave.mark), np.int64)
        np.add.at(wanted, groups, need)
        for tier in self._ask("seniority", wave, self.seniority, wave, payers):
            for group in np.flatnonzero(wanted):
                members = np.flatnonzero(payers.group == group)
                if not len(members):
                    continue
                budget = int(wanted[group])
                capacity = tier[members]
                given = self._ask(
                    "allocation", wave, rule.share, capacity, score[members], budget
                )
                given = self._checked(wave, given, capacity, budget)
                amounts[members] += given
                wanted[group] -= int(given.sum())
        return score, amounts

    def _ask(self, part: str, wave: Wave, function: Any, *args: Any) -> Any:
        """Call a part; an exception of its own becomes a `PolicyError`."""
        try:
            return function(*args)
        except Exception as error:
            reason = f"raised {type(error).__name__}: {error}"
            raise PolicyError(self.name, part, wave.number, reason) from error

    def _refuse(self, part: str, wave: Wave, reason: str) -> None:
        raise PolicyError(self.name, part, wave.number, reason)

    def _check_score(self, wave: Wave, score: Array, count: int) -> None:
        if np.shape(score) != (count,):
            self._refuse("allocation score", wave, f"must give {count} scores")
        if np.isnan(score).any():
            self._refuse("allocation score", wave, "gave a NaN")

    def _checked(self, wave: Wave, given: Any, capacity: Array, budget: int) -> Array:
        """The amounts as int64 if they may be booked."""
        amounts = np.asarray(given)
        if amounts.shape != capacity.shape:
            self._refuse("allocation", wave, f"must give {len(capacity)} amounts")
        if not np.issubdtype(amounts.dtype, np.number) or not np.isfinite(amounts).all():
            self._refuse("allocation", wave, "gave an amount that is not a number")
        if (amounts < 0).any():
            self._refuse("allocation", wave, f"gave a negative amount ({amounts.min()})")
        if (amounts > capacity).any():
            self._refuse("allocation", wave, "gave more than a payer's capacity")
        if (amounts != np.floor(amounts)).any():
            self._refuse("allocation", wave, "gave a fraction of a lot or quantum")
        if int(amounts.sum()) > budget:
            self._refuse("allocation", wave, f"gave more than the budget of {budget}")
        return amounts.astype(np.int64)
