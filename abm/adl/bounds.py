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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from abm.adl.record import Decision, Payers
from abm.adl.settlement.base import Settlement
from abm.adl.wave import Wave
from abm.compiled import inlined, kernel
from abm.world import Array

_NOBODY = np.zeros(0, np.int64)

_FEW = 64
"""So many payers are selected before all are sorted."""


class Group(NamedTuple):
    """Payers that serve one need: arrays of int64, shape (payers,), and that need.

    `row` is their place among the decision's payers.
    """

    row: Array
    capacity: Array
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
    """Rows of the `top` largest capacities, falling, ties in the order of rows.

    O(n + top log(top) log(n)) on rows in random order: few are sorted.
    """
    rows = np.empty(min(top, len(capacity)), np.int64)
    _select(capacity, rows)
    return rows


@kernel
def _select(capacity: Array, rows: Array) -> None:
    """Fill `rows` with the first so many in the order of `largest`.

    They are a heap with the last of them on top, which whoever precedes it replaces;
    in the end it is taken apart from the last to the first.
    """
    count = rows.shape[0]
    for i in range(count):
        rows[i] = i
    for i in range(count // 2 - 1, -1, -1):
        _sink(capacity, rows, i, count)
    for i in range(count, capacity.shape[0] if count else 0):
        if capacity[i] > capacity[rows[0]]:
            rows[0] = i
            _sink(capacity, rows, 0, count)
    for last in range(count - 1, 0, -1):
        rows[0], rows[last] = rows[last], rows[0]
        _sink(capacity, rows, 0, last)


@inlined
def _sink(capacity: Array, rows: Array, place: int, count: int) -> None:
    """Move a row of a heap down until no row below it comes after it."""
    child = 2 * place + 1
    while child < count:
        if child + 1 < count and _precedes(capacity, rows[child], rows[child + 1]):
            child += 1
        if not _precedes(capacity, rows[place], rows[child]):
            break
        rows[place], rows[child] = rows[child], rows[place]
        place = child
        child = 2 * place + 1


@inlined
def _precedes(capacity: Array, one: int, other: int) -> bool:
    if capacity[one] == capacity[other]:
        return one < other
    return bool(capacity[one] > capacity[other])


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
    raised = np.cumsum(capacity[largest(capacity, _FEW)])
    if not len(raised) or raised[-1] < need:
        raised = np.cumsum(np.sort(capacity[capacity > 0])[::-1])
    return min(int(np.searchsorted(raised, need)) + 1, len(raised))


def least_touched(each: Sequence[int], account: Array) -> int:
    """So many accounts must pay at least, where one may stand in several groups.

    At least the most that any group needs, and all that they need over the most groups
    that an account is in.

    Parameters
    ----------
    each : sequence of int
        The least payers of each group.
    account : array of int64
        Whoever could pay in a group that needs anything, once a group.
    """
    times = int(np.bincount(account).max(initial=1))
    return max(*each, math.ceil(sum(each) / times))


def rounding_unit(settlement: Settlement, wave: Wave, payers: Payers, dearest: int) -> int:
    """Quanta in the largest unit that a settlement rounds by.

    A lot, or a unit of money, of the payer where one is worth most (`dearest`); a whole
    position where only those are closed; for a charge a quantum on every lot. A rule that
    stops at the first unit too many takes less than this above its budget.
    """
    if str(getattr(settlement, "rounding", "")).startswith("whole"):
        return int(payers.worth.max(initial=0))
    if settlement.medium == "charge":
        return int(np.abs(wave.candidates["lots"][payers.row]).sum())
    return int(getattr(settlement, "unit", 1)) * dearest


class _Sums(NamedTuple):
    """A group's need, its payers, and of their capacities sum, largest, sum of halves."""

    need: int
    payers: int
    total: int
    largest: int
    halves: int

    @property
    def is_light(self) -> bool:
        """Whether the largest could do it alone, and the others without the top."""
        most = min(max(tops_of(self.payers)), self.payers)
        return self.need <= min(self.largest, self.total - most * self.largest)


@kernel
def _add_up(group: Array, capacity: Array, worth: Array, sums: Array) -> int:
    """Add the payers of each group to its row of `sums`, all of `_Sums` but the need.

    Returns the quanta in a unit of the payer where that is worth most, rounded up.
    """
    dearest = 0
    for i in range(group.shape[0]):
        own, most = group[i], capacity[i]
        sums[own, 0] += 1
        sums[own, 1] += most
        sums[own, 2] = max(sums[own, 2], most)
        sums[own, 3] += most // 2
        if most > 0:
            dearest = max(dearest, -(-worth[i] // most))
    return dearest


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
    payers = decision.payers
    groups, dearest = _summed(decision, need_group)
    each, tops = {}, [0] * 3
    for number, group in groups.items():
        each[number] = int(group.need > 0)
        if not group.is_light:
            row = decision.members.get(number, _NOBODY)
            capacity, worth = payers.capacity[row], payers.worth[row]
            each[number] = least_payers(group.need, capacity)
            least = least_of_tops(group.need, capacity, worth, tops_of(len(row)))
            tops = [above + more for above, more in zip(tops, least, strict=True)]
    missing = [max(0, group.need - group.total) for group in groups.values()]
    # Pro-rata is the least for all payers of a group as for one who has all of theirs.
    share = [
        least_largest_share(group.need, np.array([group.total]))
        for group in groups.values()
    ]
    return Bounds(
        feasible=not any(missing),
        within_half=all(group.need <= group.halves for group in groups.values()),
        uncovered=sum(missing),
        least_largest_share=max(share, default=0.0),
        least_touched=_least_touched(wave, decision, each),
        least_top_1=tops[0],
        least_top_10=tops[1],
        least_top_percent=tops[2],
        granularity=rounding_unit(settlement, wave, payers, dearest),
    )


def _summed(decision: Decision, need_group: Array) -> tuple[dict[int, _Sums], int]:
    """Sums of every group that something is sought of, rising, and the dearest unit."""
    payers, count = decision.payers, np.bincount(need_group)
    most = max(len(count), int(payers.group.max(initial=-1)) + 1)
    needs, sums = np.zeros(most, np.int64), np.zeros((most, 4), np.int64)
    np.add.at(needs, need_group, decision.need)
    dearest = int(_add_up(payers.group, payers.capacity, payers.worth, sums))
    return {
        group: _Sums(int(needs[group]), *sums[group].tolist())
        for group in np.flatnonzero(count).tolist()
    }, dearest


def _least_touched(wave: Wave, decision: Decision, each: Mapping[int, int]) -> int:
    """`least_touched`, without looking for accounts where one group needs anybody."""
    needing = [group for group, payers in each.items() if payers]
    if len(needing) < 2:
        return sum(each.values())
    payers = decision.payers
    needs = np.zeros(int(payers.group.max(initial=-1)) + 1, bool)
    needs[[group for group in needing if group < len(needs)]] = True
    asked = needs[payers.group] & (payers.capacity > 0)
    account = wave.candidates["account"][payers.row[asked]]
    return least_touched(list(each.values()), account)


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


def groups_of(decision: Decision, need_group: Array) -> list[Group]:
    """Payers and need of every group that something is sought of, by rising group.

    Parameters
    ----------
    need_group : array of int64
        The group of each entry of the decision's `need`, see `Settlement.need`.
    """
    found = []
    for group in np.flatnonzero(np.bincount(need_group)).tolist():
        row = decision.members.get(group, _NOBODY)
        need = int(decision.need[need_group == group].sum())
        found.append(Group(row, decision.payers.capacity[row], need))
    return found


def tops_of(payers: int) -> tuple[int, int, int]:
    """One, ten, and a hundredth of so many payers, rounded up."""
    return 1, 10, -(-payers // 100)
