"""What a policy decided in a wave, what was booked, and what was left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

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
        ("collateral", "i8"),
    ]
)
"""A contract closed by ADL: lots closed (signed as the payer held them), lots held before,
the signed value at which they were closed, the payer's cost of the whole position before,
and what it got of the bankrupt account's collateral besides (quanta). The bankrupt account
is the insurance fund's where it took what was closed beyond the need."""

CASH_HAIRCUT = np.dtype([("account", "i8"), ("amount", "i8")])
"""Quanta taken from an account."""

_ALIKE = np.zeros(0, np.int64)
_UNWEIGHTED = np.zeros(0)


class Payers(NamedTuple):
    """Candidates that may be asked, as parallel arrays of shape (payers,).

    `row` points into `Wave.candidates` (for cash: the account's first row). `group` says
    which need a payer can serve: for contracts ``2 * market + 1`` where it stands against
    bankrupt longs and ``2 * market`` against shorts, for cash 0. `capacity` is the most
    that may be taken (lots or quanta); `worth` the money that is in it: the profit that a
    payer would give up, in quanta. `tier` is the order in which payers are asked: nobody
    of tier 1 before all of tier 0 are exhausted (empty where all are asked together).
    `weight` multiplies scores, and divides negative ones (empty where none does).
    """

    row: Array
    group: Array
    capacity: Array
    worth: Array
    tier: Array = _ALIKE
    weight: Array = _UNWEIGHTED

    def by_group(self) -> dict[int, Array]:
        """Places of the payers of every group that has any, both rising."""
        counts = np.bincount(self.group)
        if len(counts) == 1:
            return {0: np.arange(len(self.group))}
        # Numbers of groups are small, and sorting short integers is sorting by radix.
        short = self.group.astype(np.min_scalar_type(len(counts)))
        order = np.argsort(short, kind="stable")
        ends = np.cumsum(counts)
        return {
            group: order[ends[group] - counts[group] : ends[group]]
            for group in np.flatnonzero(counts).tolist()
        }


@dataclass(frozen=True)
class Decision:
    """What a policy decided, as a function of the wave and the calls before it.

    Attributes
    ----------
    acted : bool
        Whether the trigger said yes; if not, nobody is asked for anything.
    theta : float
        The severity's answer: the share of the need that this wave asks for.
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

    @cached_property
    def paid(self) -> Array:
        """Places among the payers of those who are asked for anything, rising."""
        return np.flatnonzero(self.amounts)

    @cached_property
    def members(self) -> dict[int, Array]:
        """Places of the payers of every group that has any, both rising."""
        return self.payers.by_group()


@dataclass(frozen=True)
class Outcome:
    """A decision and what was booked: arrays of `ADL_FILL` and of `CASH_HAIRCUT`.

    `withdrawal_cut` is the share of every withdrawal that is withheld from then on.
    """

    decision: Decision
    fills: Array
    haircuts: Array
    withdrawal_cut: float = 0.0


@dataclass(frozen=True)
class Call:
    """One call of the policy: the wave, what was done, and what was left.

    `short_before` and `short_after` are quanta missing before and after; `carried` is
    what was already missing after the previous call. An earlier call may be in brief: its
    only candidates are those who paid, with the fields `abm.adl.summary.PAID`, its payers
    have no group, worth, tier, weight and score, and `summary` (an
    `abm.adl.summary.Summary`) says what there was to say of the others.
    """

    wave: Wave
    outcome: Outcome
    short_before: int
    short_after: int
    carried: int
    summary: Any = None

    @cached_property
    def largest_worth(self) -> int:
        """Money in the richest of those who could have been asked, in quanta."""
        if self.summary is not None:
            return int(self.summary.largest_worth)
        return int(self.outcome.decision.payers.worth.max(initial=0))
