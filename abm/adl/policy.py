"""A policy: one answer to each of the six questions, asked in order for every wave.

When (trigger), how much now (severity), who can pay (eligibility), in which order of
capital (seniority), how shared (allocation), in what and at what price (settlement).
What a part answers is checked before anything is booked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from abm.adl import checked
from abm.adl.allocation import Allocation
from abm.adl.eligibility import Eligibility
from abm.adl.guard import call, in_words, is_ours
from abm.adl.record import Call, Decision, Outcome, Payers
from abm.adl.seniority import Ladder, Seniority
from abm.adl.settlement import Entries, Settlement, money_needed
from abm.adl.settlement.base import portion
from abm.adl.severity import Severity
from abm.adl.trigger import Drawdown, Never, Trigger
from abm.adl.wave import PolicyError, Wave
from abm.venue import fund
from abm.world import Array, BrokenWorldError, World, check

Accepted = TypeVar("Accepted")

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
    def asks(self) -> bool:
        """Whether anybody may ever be asked."""
        return not all(isinstance(stage.trigger, Never) for stage in self.stages)

    @property
    def looks_everywhere(self) -> bool:
        """Whether all positions are candidates: cash may come from any market.

        Not where nobody is ever asked.
        """
        return any(
            stage.settlement.looks_everywhere
            for stage in self.stages
            if not isinstance(stage.trigger, Never)
        )

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

    @property
    def is_settled_by_users(self) -> bool:
        """Whether a settlement that is not of this package books in the world."""
        return not all(is_ours(type(stage.settlement)) for stage in self.stages)

    def answer(self, world: World, wave: Wave, past: Sequence[Call] = ()) -> Outcome:
        """Decide who gives what in a wave, and book it.

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much. Nothing is booked,
            unless it is a user's settlement that fails while it books.
        BrokenWorldError
            If a settlement of this package has entries other than what was decided.
        """
        decision = self.decide(wave, past)
        return self.book(world, wave, decision, self.entries(wave, decision))

    def book(
        self, world: World, wave: Wave, decision: Decision, entries: Entries
    ) -> Outcome:
        """Book what was decided, as its entries say.

        Raises
        ------
        PolicyError
            If a user's settlement fails while it books.
        """
        if decision.acted:
            self.stages[decision.stage - self.stage]._book(world, wave, entries)
        cut = entries.withdrawal_cut(wave)
        return Outcome(decision, entries.fills, entries.haircuts, cut)

    def entries(self, wave: Wave, decision: Decision) -> Entries:
        """What is to be booked of a decision: a function of it and the wave alone.

        Raises
        ------
        PolicyError
            If a user's settlement gives other entries than what was decided.
        BrokenWorldError
            If one of this package does.
        """
        if not decision.acted:
            return Entries()
        stage = self.stages[decision.stage - self.stage]
        settlement, payers, amounts = stage.settlement, decision.payers, decision.amounts
        args = (wave, payers, amounts, decision.need)
        if stage.is_settled_by_users:
            accept = functools.partial(checked.entries, wave, payers, amounts)
            return stage._ask("settlement", wave, accept, settlement.entries, *args)
        entries = settlement.entries(*args)
        _check_entries(decision, entries)
        return entries

    def _book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Book entries; after a user's settlement has, see that the world is sound."""
        if not self.is_settled_by_users:
            self.settlement.book(world, wave, entries)
            return

        def book(world: World, wave: Wave, entries: Entries) -> None:
            checked.parties(world, entries)
            call(self.settlement.book, world, wave, entries)
            check(world)

        self._ask("settlement", wave, lambda booked: booked, book, world, wave, entries)

    def decide(self, wave: Wave, past: Sequence[Call] = ()) -> Decision:
        """Decide who gives what: a function of the wave and the calls before it alone.

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much.
        """
        mine = tuple(past)
        if self.stage or self.fallback:
            mine = tuple(c for c in past if c.outcome.decision.stage == self.stage)
        blind = wave.without_candidates()
        if not self._ask("trigger", wave, checked.trigger, self.trigger, blind, mine):
            return self.fallback.decide(wave, past) if self.fallback else _NOTHING
        payers = self._payers(wave, mine)
        theta = self._ask(
            "severity", wave, checked.severity, self.severity, wave, payers, mine
        )
        groups, need = self._need(wave, theta)
        score, tiers = self._score(wave, payers), self._tiers(wave, payers)
        amounts = self._allocate(wave, payers, (score, tiers), groups, need)
        budget = money_needed(wave, theta)
        return Decision(True, theta, budget, need, payers, score, amounts, self.stage)

    def reach(self, wave: Wave, shares: Sequence[float]) -> tuple[Payers, Array]:
        """Who could be asked in a wave, and what of them if a share of it were needed.

        Whatever the trigger and the severity say: what a venue could publish beforehand.

        Parameters
        ----------
        shares : sequence of float
            Of what the payers of each group can give together, from 0 to 1.

        Returns
        -------
        payers : Payers
        amounts : array of int64, shape (shares, payers)

        Raises
        ------
        PolicyError
            If a part raises or gives a NaN, a negative or too much.
        """
        payers = self._payers(wave, ())
        groups, member = np.unique(payers.group, return_inverse=True)
        total = np.zeros(len(groups), np.int64)
        np.add.at(total, member, payers.capacity)
        amounts = np.zeros((len(shares), len(payers.row)), np.int64)
        order = self._score(wave, payers), self._tiers(wave, payers)
        for asked, share in zip(amounts, shares, strict=True):
            need = portion(total, share)
            asked[:] = self._allocate(wave, payers, order, groups, need)
        return payers, amounts

    def _payers(self, wave: Wave, past: Sequence[Call]) -> Payers:
        signed = functools.partial(checked.worst, wave)
        worst = self._ask("settlement", wave, signed, self.settlement.worst, wave)
        fresh = is_ours(self.eligibility)
        accept = functools.partial(checked.payers, wave, self.settlement, is_fresh=fresh)
        return self._ask("eligibility", wave, accept, self.eligibility, wave, worst, past)

    def _need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        accept = functools.partial(checked.need, wave, self.settlement.medium)
        return self._ask("settlement", wave, accept, self.settlement.need, wave, theta)

    def _allocate(
        self,
        wave: Wave,
        payers: Payers,
        order: tuple[Array, Sequence[Array]],
        groups: Array,
        need: Array,
    ) -> Array:
        """Whole amounts of all payers, tier by tier and group by group.

        `order` are the scores of payers, and their capacity in each tier.
        """
        score, tiers = order
        amounts = np.zeros(len(payers.row), np.int64)
        wanted = np.zeros(2 * len(wave.mark), np.int64)
        np.add.at(wanted, groups, need)
        of_group = payers.by_group()
        for asked in _asked_together(payers):
            for tier in tiers:
                for group in np.flatnonzero(wanted > 0):
                    members = of_group.get(int(group), _NONE)
                    if asked is not None:
                        members = members[asked[members]]
                    # Rows of all payers are the columns themselves.
                    rows = members if len(members) < len(amounts) else slice(None)
                    capacity = tier[rows]
                    if not capacity.any():
                        continue
                    given = self._share_out(
                        wave, payers, members, capacity, score[rows], wanted[group]
                    )
                    amounts[rows] += given
                    wanted[group] -= int(given.sum())
        return amounts

    def _tiers(self, wave: Wave, payers: Payers) -> Sequence[Array]:
        """Capacity of payers in each tier, the most junior first."""
        accept = functools.partial(checked.tiers, payers.capacity)
        return self._ask("seniority", wave, accept, self.seniority, wave, payers)

    def _score(self, wave: Wave, payers: Payers) -> Array:
        """What ranks or weighs payers, NaN where the allocation needs nothing."""
        count, rank = len(payers.row), self.allocation.score
        if rank is None:
            return np.full(count, np.nan)
        accept = functools.partial(checked.score, count=count)
        return self._ask("allocation score", wave, accept, rank, wave, payers)

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
        budget = int(budget)
        accept = functools.partial(checked.amounts, capacity=capacity, budget=budget)
        share = self.allocation.share
        given = self._ask("allocation", wave, accept, share, capacity, score, budget)
        bookable = functools.partial(checked.rounded, capacity=capacity, before=given)
        rounded, args = self.settlement.rounded, (wave, payers, members, capacity, given)
        return self._ask("settlement", wave, bookable, rounded, *args)

    def _ask(
        self,
        part: str,
        wave: Wave,
        accept: Callable[[Any], Accepted],
        function: Callable[..., Any],
        *args: Any,
    ) -> Accepted:
        """What a part answers, once accepted.

        What it raises itself becomes a `PolicyError`, and so does an end of the program.
        """
        try:
            return accept(call(function, *args))
        except KeyboardInterrupt:
            raise
        except checked.RefusedError as error:
            raise PolicyError(self.name, part, wave.number, str(error)) from error
        except BaseException as error:
            reason = in_words(error)
            raise PolicyError(self.name, part, wave.number, reason) from error


def _asked_together(payers: Payers) -> list[Array | None]:
    """Masks of payers: those of the first tier, of the next, and so on; None for all."""
    if not len(payers.tier):
        return [None]
    return [payers.tier == tier for tier in np.unique(payers.tier)]


def _check_entries(decision: Decision, entries: Entries) -> None:
    """Exactly what was decided is to be booked."""
    booked, decided = entries.booked, int(decision.amounts.sum())
    if booked != decided:
        raise BrokenWorldError(f"{booked} lots or quanta are to be booked, not {decided}")
