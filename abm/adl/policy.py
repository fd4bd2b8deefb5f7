"""A policy: one answer to each of the six questions, asked in order for every wave.

When (trigger), how much now (severity), who can pay (eligibility), in which order of
capital (seniority), how shared (allocation), in what and at what price (settlement).
What a part answers is checked before anything is booked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from abm.adl.allocation import Allocation
from abm.adl.eligibility import Eligibility
from abm.adl.record import Call, Decision, Outcome, Payers
from abm.adl.seniority import Ladder, Seniority
from abm.adl.settlement import Entries, Settlement, money_needed
from abm.adl.severity import Severity
from abm.adl.trigger import Drawdown, Trigger
from abm.adl.wave import PolicyError, Wave
from abm.venue import fund
from abm.world import Array, BrokenWorldError, World

_NONE = np.zeros(0, np.int64)
_NOTHING = Decision(False, 0.0, 0, _NONE, Payers(*[_NONE] * 4), np.zeros(0), _NONE)


@dataclass(frozen=True)
class Policy:
    """An ADL rule, composed of six parts.

    Where its trigger says no, the policy that it falls back to is asked, if there is one.
    """

    name: str
    trigger: Trigger
    severity: Severity
    eligibility: Eligibility
    seniority: Seniority
    allocation: Allocation
    settlement: Settlement
    fallback: Policy | None = None
    stage: int = 0

    @property
    def stages(self) -> tuple[Policy, ...]:
        """The policy itself and those that it falls back to, in turn."""
        return (self, *(self.fallback.stages if self.fallback else ()))

    @property
    def looks_everywhere(self) -> bool:
        """Whether all positions are candidates: cash may come from any market."""
        return any(stage.settlement.looks_everywhere for stage in self.stages)

    @property
    def alarms(self) -> frozenset[fund.Drawdown]:
        """Alarms on the insurance fund that the world must keep for it."""
        triggers = (stage.trigger for stage in self.stages)
        return frozenset(t.alarm for t in triggers if isinstance(t, Drawdown))

    @property
    def ages_s(self) -> frozenset[float]:
        """Ages by which the world must tell gains for it."""
        ladders = (stage.seniority for stage in self.stages)
        return frozenset(
            age for rule in ladders if isinstance(rule, Ladder) for age in rule.ages_s
        )

    def answer(self, world: World, wave: Wave, past: Sequence[Call] = ()) -> Outcome:
        """Decide who gives what in a wave, and book it.

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much. Nothing is booked.
        """
        decision = self.decide(wave, past)
        entries = self.entries(wave, decision)
        if decision.acted:
            self._settlement(decision).book(world, wave, entries)
        cut = entries.withdrawal_cut(wave)
        return Outcome(decision, entries.fills, entries.haircuts, cut)

    def entries(self, wave: Wave, decision: Decision) -> Entries:
        """What is to be booked of a decision: a function of it and the wave alone."""
        if not decision.acted:
            return Entries()
        entries = self._settlement(decision).entries(
            wave, decision.payers, decision.amounts, decision.need
        )
        _check_entries(decision, entries)
        return entries

    def _settlement(self, decision: Decision) -> Settlement:
        return self.stages[decision.stage - self.stage].settlement

    def decide(self, wave: Wave, past: Sequence[Call] = ()) -> Decision:
        """Decide who gives what: a function of the wave and the calls before it alone.

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much.
        """
        mine = [call for call in past if call.outcome.decision.stage == self.stage]
        if not self._ask("trigger", wave, self.trigger, wave.without_candidates(), mine):
            return self.fallback.decide(wave, past) if self.fallback else _NOTHING
        worst = self.settlement.worst(wave)
        payers = self._ask("eligibility", wave, self.eligibility, wave, worst, mine)
        self._check_payers(wave, payers)
        theta = self._share(wave, payers, mine)
        groups, need = self.settlement.need(wave, theta)
        score, amounts = self._allocate(wave, payers, groups, need)
        budget = money_needed(wave, theta)
        return Decision(True, theta, budget, need, payers, score, amounts, self.stage)

    def _share(self, wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        theta = float(self._ask("severity", wave, self.severity, wave, payers, past))
        if not 0.0 <= theta <= 1.0:
            self._refuse("severity", wave, f"answered {theta}, must be a share from 0 to 1")
        return theta

    def _allocate(
        self, wave: Wave, payers: Payers, groups: Array, need: Array
    ) -> tuple[Array, Array]:
        """Scores and whole amounts of all payers, tier by tier and group by group."""
        score = self._score(wave, payers)
        amounts = np.zeros(len(payers.row), np.int64)
        wanted = np.zeros(2 * len(wave.mark), np.int64)
        np.add.at(wanted, groups, need)
        tiers = self._ask("seniority", wave, self._tiers, wave, payers)
        for asked in _asked_together(payers):
            for tier in tiers:
                for group in np.flatnonzero(wanted > 0):
                    members = np.flatnonzero((payers.group == group) & asked)
                    if not tier[members].any():
                        continue
                    given = self._share_out(
                        wave, payers, members, tier[members], score[members], wanted[group]
                    )
                    amounts[members] += given
                    wanted[group] -= int(given.sum())
        return score, amounts

    def _score(self, wave: Wave, payers: Payers) -> Array:
        """What ranks or weighs payers, NaN where the allocation needs nothing."""
        if self.allocation.score is None:
            return np.full(len(payers.row), np.nan)
        rank = self.allocation.score
        score: Array = self._ask("allocation score", wave, rank, wave, payers)
        self._check_score(wave, score, len(payers.row))
        return score

    def _share_out(
        self,
        wave: Wave,
        payers: Payers,
        members: Array,
        capacity: Array,
        score: Array,
        budget: int,
    ) -> Array:
        """What some payers of one group give, as it can be booked."""
        share = self.allocation.share
        given = self._ask("allocation", wave, share, capacity, score, int(budget))
        given = self._checked(wave, given, capacity, int(budget))
        amounts, least, most = self.settlement.rounded(
            wave, payers, members, capacity, given
        )
        total = int(amounts.sum())
        if not least <= total <= most or (amounts > capacity).any():
            self._refuse(
                "settlement",
                wave,
                f"rounded {int(given.sum())} to {total}, must be from {least} to {most} "
                "and within capacities",
            )
        return amounts

    def _ask(self, part: str, wave: Wave, function: Any, *args: Any) -> Any:
        """Call a part; an exception of its own becomes a `PolicyError`."""
        try:
            return function(*args)
        except Exception as error:
            reason = f"raised {type(error).__name__}: {error}"
            raise PolicyError(self.name, part, wave.number, reason) from error

    def _refuse(self, part: str, wave: Wave, reason: str) -> NoReturn:
        raise PolicyError(self.name, part, wave.number, reason)

    def _check_payers(self, wave: Wave, payers: Any) -> None:
        if not isinstance(payers, Payers):
            self._refuse("eligibility", wave, f"must give Payers, gave {type(payers)}")
        given = [payers.row, payers.group, payers.capacity, payers.worth]
        if any(np.shape(array) != (len(payers.row),) for array in given):
            self._refuse("eligibility", wave, "must give arrays of one length")
        if any(not np.issubdtype(array.dtype, np.integer) for array in given):
            self._refuse("eligibility", wave, "must give whole numbers")
        if not _lie_within(payers.row, len(wave.candidates)):
            self._refuse("eligibility", wave, "gave a row that is no candidate")
        if not _lie_within(payers.group, 2 * len(wave.mark)):
            self._refuse("eligibility", wave, "gave a number that is no group")
        if (payers.capacity < 0).any():
            self._refuse("eligibility", wave, "gave a negative capacity")

    def _tiers(self, wave: Wave, payers: Payers) -> list[Array]:
        """The capacity of every payer in each tier, known to be no more than it has."""
        tiers = [np.asarray(tier) for tier in self.seniority(wave, payers)]
        for tier in tiers:
            if tier.shape != payers.capacity.shape:
                raise ValueError(
                    f"must give a capacity for each of {len(payers.row)} payers"
                )
            if (tier < 0).any():
                raise ValueError("gave a negative capacity")
        if tiers and (np.sum(tiers, axis=0) > payers.capacity).any():
            raise ValueError("gave more than a payer's capacity in all tiers")
        return tiers

    def _check_score(self, wave: Wave, score: Array, count: int) -> None:
        if np.ndim(score) not in (1, 2) or len(score) != count:
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


def _lie_within(values: Array, end: int) -> bool:
    """True if all values are at least 0 and less than the end."""
    return len(values) == 0 or bool(values.min() >= 0 and values.max() < end)


def _asked_together(payers: Payers) -> list[Array]:
    """Masks of payers: those of the first tier, of the next, and so on."""
    if not len(payers.tier):
        return [np.ones(len(payers.row), bool)]
    return [payers.tier == tier for tier in np.unique(payers.tier)]


def _check_entries(decision: Decision, entries: Entries) -> None:
    """Exactly what was decided is to be booked."""
    booked = int(np.abs(entries.fills["lots"]).sum()) + int(
        entries.haircuts["amount"].sum()
    )
    decided = int(decision.amounts.sum())
    if booked != decided:
        raise BrokenWorldError(f"{booked} lots or quanta are to be booked, not {decided}")
