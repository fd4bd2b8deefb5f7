"""What a policy decided in a wave, what was booked, and what was left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.world import Array

ADL_FILL = np.dtype(
    [
        ("market", "i8"),
        ("account", "i8"),
        ("bankrupt", "i8"),
        ("lots", "i8"),
        ("held", "i8"),
        ("value", "i8"),
        ("cost", "i8"),
    ]
)
"""A contract closed by ADL: lots closed (signed as the payer held them), lots held before,
the signed value at which they were closed, and the payer's cost of the whole position
before (quanta)."""

CASH_HAIRCUT = np.dtype([("account", "i8"), ("amount", "i8")])
"""Quanta taken from an account."""


@dataclass(frozen=True)
class Decision:
    """What a policy decided, as a function of the wave and the calls before it.

    Attributes
    ----------
    acted : bool
        Whether the trigger said yes; if not, nobody is asked for anything.
    theta : float
        The severity's answer: the share of the need that is asked for now.
    budget : int
        Money asked for in quanta: that share of the deficit.
    need : array of int64
        What must be raised: lots of every bankrupt position (contracts), or quanta in
        all, shape (1,) (cash).
    payers : Payers
        Who could have been asked, with capacities.
    score : array of float64, shape (payers,) or (payers, columns)
        What ranked or weighted them (NaN where the rule needs none).
    amounts : array of int64, shape (payers,)
        What each is asked for, in lots or quanta.
    stage : int
        Who decided: 0 the policy itself, 1 the policy that it falls back to, and so on.
    """

    acted: bool
    theta: float
    budget: int
    need: Array
    payers: Payers
    score: Array
    amounts: Array
    stage: int = 0


@dataclass(frozen=True)
class Outcome:
    """A decision and what was booked: arrays of `ADL_FILL` and of `CASH_HAIRCUT`."""

    decision: Decision
    fills: Array
    haircuts: Array


@dataclass(frozen=True)
class Call:
    """One call of the policy: the wave, what was done, and what was left.

    `short_before` and `short_after` are quanta missing before and after; `carried` is
    what was already missing after the previous call.
    """

    wave: Wave
    outcome: Outcome
    short_before: int
    short_after: int
    carried: int

    @cached_property
    def largest_worth(self) -> int:
        """Money in the richest of those who could have been asked, in quanta."""
        return int(self.outcome.decision.payers.worth.max(initial=0))
