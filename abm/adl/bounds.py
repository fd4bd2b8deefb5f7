"""What no policy could have avoided: bounds of a wave, to hold what it did against.

Whoever shares a need `B` among payers of capacity `c` can only do so well: the sum of
capacities may be too small, a few payers may have to carry what the others cannot, and
somebody must give at least the average share. The arithmetic is that of arXiv 2512.01112
(feasibility and caps, section 2) and arXiv 2602.15182 (proportional shares minimise the
largest one).

Where cash is taken, `B` and `c` are quanta, in one group. Where contracts are closed, a
group is one side of a market and `B` and `c` are its lots; money is then the profit in
the lots, `worth / capacity` a lot, so that a bound in money is what the cheapest choice
of lots gives up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from abm.adl.record import Decision, Payers
from abm.adl.settlement.base import Settlement
from abm.adl.wave import Wave
from abm.world import Array

HALF = 0.5
"""The share of capacity that a fairness cap most often allows."""


class Group(NamedTuple):
    """Payers that serve one need: arrays of int64, shape (payers,), and that need.

    `row` is their place among the decision's payers.
    """

    row: Array
    account: Array
    capacity: Array
    worth: Array
    need: int


@dataclass(frozen=True)
class Bounds:
    """Bounds of one call of a policy, or of the calls of a wave.

    Attributes
    ----------
    feasible : bool
        Whether every group's capacity covers its need.
    within_half : bool
        Whether it still does if nobody may give more than half of capacity.
    uncovered : int
        Need that exceeds capacity, quanta or lots in all groups.
    least_largest_share : float
        The largest share of capacity that somebody must give at least; above 1 where it
        is not feasible, infinite if nobody can pay.
    least_touched : int
        So many accounts must pay at least.
    least_top_1, least_top_10, least_top_percent : int
        Quanta that the 1, the 10, and the 1% of payers (rounded up) with the largest
        capacities of each group must give at least.
    granularity : int
        Quanta in the largest unit that the settlement rounds by.
    """

    feasible: bool
    within_half: bool
    uncovered: int
    least_largest_share: float
    least_touched: int
    least_top_1: int
    least_top_10: int
    least_top_percent: int
    granularity: int


def uncovered(need: int, capacity: Array, cap: float = 1.0) -> int:
    """What is left of a need if nobody gives more than the share `cap` of capacity.

    Zero exactly if a fair share of at most `cap` is feasible in whole units:
    ``max(0, B - sum(floor(cap * c)))``.

    Parameters
    ----------
    need : int
    capacity : array of int64, shape (payers,)
    cap : float
        From 0 to 1.
    """
    if cap >= 1.0:
        return max(0, need - int(capacity.sum()))
    most = capacity // 2 if cap == HALF else np.floor(capacity * np.longdouble(cap))
    return max(0, need - int(most.astype(np.int64, copy=False).sum()))


def least_of_top(need: int, capacity: Array, worth: Array, top: int) -> int:
    """The least worth that the `top` payers of largest capacity must give.

    The others give all they can first: ``max(0, B - sum of their capacity)`` units are
    left, which the top payers find where a unit is worth least. Rounded up.

    Parameters
    ----------
    need : int
    capacity, worth : array of int64, shape (payers,)
        Units that a payer has, and what all of them are worth.
    top : int
    """
    return least_of_tops(need, capacity, worth, [top])[0]


def least_of_tops(
    need: int, capacity: Array, worth: Array, tops: Sequence[int]
) -> list[int]:
    """`least_of_top` of several numbers of payers."""
    total, most = int(capacity.sum()), min(max(tops), len(capacity))
    if need <= total - most * int(capacity.max(initial=0)):
        return [0] * len(tops)
    falling, found = largest(capacity, most), []
    for top in tops:
        chosen = falling[:top]
        left = max(0, need - (total - int(capacity[chosen].sum())))
        found.append(_cheapest(left, capacity[chosen], worth[chosen]) if left else 0)
    return found


def largest(capacity: Array, top: int) -> Array:
    """Rows of the `top` largest capacities, falling, ties in the order of rows."""
    if top < len(capacity):
        # Found without sorting those that are not among them.
        least = np.partition(capacity, len(capacity) - top)[len(capacity) - top]
        above = np.flatnonzero(capacity > least)
        ties = np.flatnonzero(capacity == least)[: top - len(above)]
        rows = np.sort(np.concatenate([above, ties]))
    else:
        rows = np.arange(len(capacity))
    return np.asarray(rows[np.argsort(-capacity[rows], kind="stable")])


def _cheapest(units: int, capacity: Array, worth: Array) -> int:
    """The least worth of so many units, or of all there are; rounded up."""
    order = np.argsort(worth / np.maximum(capacity, 1), kind="stable")
    ahead = np.cumsum(capacity[order]) - capacity[order]
    taken = np.clip(units - ahead, 0, capacity[order])
    whole, rest = np.divmod(worth[order], np.maximum(capacity[order], 1))
    # Lots times profit a lot fit 64 bits; lots times the whole profit may not.
    part = taken * (rest / np.maximum(capacity[order], 1))
    return int((taken * whole).sum()) + math.ceil(float(part.sum()))


def least_largest_share(
    need: int, capacity: Array, endowment: Array | None = None
) -> float:
    """The smallest possible largest share of an endowment that somebody gives.

    Without caps ``B / sum(c)``, which is what pro-rata takes from everyone. With caps
    (capacities below endowments ``w``) it is the level ``h`` of
    ``sum(min(h * w, c)) = B``.

    Parameters
    ----------
    need : int
    capacity : array of int64, shape (payers,)
        The most that may be taken.
    endowment : array of int64, shape (payers,), optional
        What the share is of, at least capacity; capacity itself if not given.

    Returns
    -------
    float
        ``B / sum(c)``, above 1, if capacity is too small; infinite if there is none.
    """
    total = int(capacity.sum())
    if need <= 0:
        return 0.0
    if total == 0:
        return math.inf
    if endowment is None or need >= total:
        return need / total
    cap = capacity / np.maximum(endowment, 1)
    order = np.argsort(cap, kind="stable")
    # Those whose caps lie below the level give their capacity, the others the level.
    capped = np.concatenate([[0], np.cumsum(capacity[order])[:-1]])
    open_ended = np.cumsum(endowment[order][::-1])[::-1]
    level = (need - capped) / np.maximum(open_ended, 1)
    return float(level[np.argmax(level <= cap[order])])


def least_payers(need: int, capacity: Array) -> int:
    """The smallest number of payers that can meet a need: the largest ones.

    All who have any capacity if together they cannot.
    """
    if need <= 0:
        return 0
    if need <= capacity.max(initial=0):
        return 1
    falling = np.sort(capacity[capacity > 0])[::-1]
    enough = int(np.searchsorted(np.cumsum(falling), need)) + 1
    return min(enough, len(falling))


def least_touched(groups: Sequence[Group]) -> int:
    """So many accounts must pay at least, where one may stand in several groups.

    With one group that is exactly `least_payers`. With more it is at least the most that
    any group needs, and all that they need over the most groups that an account is in.
    """
    each = [least_payers(group.need, group.capacity) for group in groups]
    most = max(each, default=0)
    if most == sum(each):
        return most
    accounts = [g.account[g.capacity > 0] for g in groups if g.need > 0]
    times = int(np.bincount(np.concatenate(accounts)).max(initial=1))
    return max(most, math.ceil(sum(each) / times))


def rounding_unit(settlement: Settlement, wave: Wave, payers: Payers) -> int:
    """Quanta in the largest unit that a settlement rounds by.

    A lot, or a unit of money, of the payer where one is worth most, rounded up; a whole
    position where only those are closed; for a charge a quantum on every lot. A rule that
    stops at the first unit too many takes less than this above its budget.
    """
    capacity, worth = payers.capacity, payers.worth
    if str(getattr(settlement, "rounding", "")).startswith("whole"):
        return int(worth.max(initial=0))
    if settlement.medium == "charge":
        return int(np.abs(wave.candidates["lots"][payers.row]).sum())
    some = capacity > 0
    unit = int(getattr(settlement, "unit", 1))
    return unit * int((-(-worth[some] // capacity[some])).max(initial=0))


def of_decision(wave: Wave, decision: Decision, settlement: Settlement) -> Bounds:
    """Bounds of what a policy was asked for.

    Parameters
    ----------
    wave : Wave
    decision : Decision
        With payers who were asked, `acted`.
    settlement : Settlement
        In what they give: it says which need each group serves, and by what it rounds.
    """
    need_group, _ = settlement.need(wave, decision.theta)
    groups = groups_of(wave, decision, need_group)
    each = [
        least_of_tops(g.need, g.capacity, g.worth, tops_of(len(g.capacity))) for g in groups
    ]
    tops = [sum(of_top) for of_top in zip(*each, strict=True)] or [0] * 3
    missing = sum(uncovered(g.need, g.capacity) for g in groups)
    return Bounds(
        feasible=missing == 0,
        within_half=not any(uncovered(g.need, g.capacity, HALF) for g in groups),
        uncovered=missing,
        least_largest_share=max(
            (least_largest_share(g.need, g.capacity) for g in groups), default=0.0
        ),
        least_touched=least_touched(groups),
        least_top_1=tops[0],
        least_top_10=tops[1],
        least_top_percent=tops[2],
        granularity=rounding_unit(settlement, wave, decision.payers),
    )


def of_wave(calls: Sequence[Bounds]) -> Bounds:
    """Bounds of a wave from those of its calls.

    What the top payers must give adds up, each call having its own; shares and numbers
    are those of the call that asks for most.
    """
    return Bounds(
        feasible=all(call.feasible for call in calls),
        within_half=all(call.within_half for call in calls),
        uncovered=max(call.uncovered for call in calls),
        least_largest_share=max(call.least_largest_share for call in calls),
        least_touched=max(call.least_touched for call in calls),
        least_top_1=sum(call.least_top_1 for call in calls),
        least_top_10=sum(call.least_top_10 for call in calls),
        least_top_percent=sum(call.least_top_percent for call in calls),
        granularity=max(call.granularity for call in calls),
    )


def groups_of(wave: Wave, decision: Decision, need_group: Array) -> list[Group]:
    """Payers and need of every group that something is sought of, by rising group.

    Parameters
    ----------
    need_group : array of int64
        The group of each entry of the decision's `need`, see `Settlement.need`.
    """
    payers = decision.payers
    of_group, nobody = payers.by_group(), np.zeros(0, np.int64)
    account = wave.candidates["account"][payers.row]
    found = []
    for group in np.flatnonzero(np.bincount(need_group)).tolist():
        row = of_group.get(group, nobody)
        need = int(decision.need[need_group == group].sum())
        capacity, worth = payers.capacity[row], payers.worth[row]
        found.append(Group(row, account[row], capacity, worth, need))
    return found


def tops_of(payers: int) -> tuple[int, int, int]:
    """One, ten, and a hundredth of so many payers, rounded up."""
    return 1, 10, -(-payers // 100)
