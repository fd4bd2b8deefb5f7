"""Policies that go through a run together as long as they do the same.

What a policy changes in the world is what it books and what it tells those whom it hits.
While two policies book and tell the same they live in one world, which is simulated once;
when one answers a wave otherwise, it parts and goes on in a copy.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from abm.adl.policy import Policy
from abm.adl.record import Call, Decision
from abm.adl.settlement import Entries
from abm.adl.summary import in_brief
from abm.adl.wave import PolicyError, Wave, changed
from abm.onlookers import Watcher


def asks_for(policy: Policy) -> Hashable:
    """What a policy wants of the world that it answers in; None if it keeps to itself.

    Policies that want the same see the same waves.
    """
    if policy.is_settled_by_users:
        return None
    media = frozenset(stage.settlement.medium for stage in policy.stages)
    wants = policy.asks, policy.looks_everywhere, policy.alarms, policy.ages_s
    return *wants, media


@dataclass(eq=False)
class Companion:
    """A policy that has done the same as an engine's own in every wave so far.

    Attributes
    ----------
    policy : Policy
    watcher : Watcher or None
        Looks at the policy's calls.
    calls : list of Call
        What the policy says of each wave. Where it says all that the engine's own says,
        it is the same object.
    """

    policy: Policy
    watcher: Watcher | None = None
    calls: list[Call] = field(default_factory=list)

    def decide(
        self, wave: Wave, policy: Policy, decision: Decision, entries: Entries
    ) -> Decision | None:
        """What it decides in a wave; None if it does not do what another has decided.

        Parameters
        ----------
        policy : Policy
            The other, whose decision and entries follow.
        """
        try:
            own = self.policy.decide(wave, self.calls)
            if own.acted != decision.acted:
                return None
            theirs = _settlement(policy, decision)
            if own.acted and _settlement(self.policy, own) != theirs:
                return None
            if _is_whole_same(own, decision):
                return decision
            booked = self.policy.entries(wave, own)
        except PolicyError:
            return None
        same = _is_same(booked, entries) and _is_told_same(own, decision)
        return own if same else None

    def note(self, call: Call, decision: Decision) -> Call:
        """Keep its own call beside that of the engine's policy."""
        if decision is not call.outcome.decision:
            call = changed(call, outcome=changed(call.outcome, decision=decision))
        self.calls.append(call)
        return call

    def put_in_brief(self, whole: Call, brief: Call) -> None:
        """Keep its last call in brief; `brief` is what `whole` became."""
        last = self.calls[-1]
        self.calls[-1] = brief if last is whole else in_brief(last, self.policy)


def _settlement(policy: Policy, decision: Decision) -> Any:
    return policy.stages[decision.stage].settlement


def _is_same(one: Any, other: Any) -> bool:
    """Whether records have equal fields, arrays of one kind and bytes."""
    return all(
        a is b
        or (
            a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
            if isinstance(a, np.ndarray)
            else a == b
        )
        for a, b in zip(one, other, strict=True)
    )


def _is_whole_same(one: Decision, other: Decision) -> bool:
    """Whether decisions are one in all that they say."""
    names = ("acted", "theta", "budget", "stage", "need", "score", "amounts")
    pair = [[getattr(each, name) for name in names] for each in (one, other)]
    return _is_same(*pair) and _is_same(one.payers, other.payers)


def _is_told_same(one: Decision, other: Decision) -> bool:
    """Whether payers are told the same shares of what they could have given."""
    own, others = (each.payers.capacity[each.paid] for each in (one, other))
    return np.array_equal(own, others)
