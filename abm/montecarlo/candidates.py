"""Candidates of a search: drawn all over at first, then near the front so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.adl.answers import CompositionError
from abm.adl.compose import compose
from abm.design import unit_sobol
from abm.scenario import ScenarioError
from abm.search import Family, Search
from abm.sweep import FactorRange

Floats = NDArray[np.float64]

FIRST_STEP = 0.2
"""Standard deviation of the first steps away from the front, in widths of the ranges."""
_TRIES = 20


@dataclass(frozen=True)
class Candidate:
    """A policy that is tried: where it lies in its family's unit cube, and what it is."""

    name: str
    round: int
    family: Family
    place: Floats
    values: dict[str, Any]
    table: dict[str, Any]


def first_round(search: Search) -> list[Candidate]:
    """Candidates all over: Sobol points, as many from every family.

    Values that make no policy are left out, and so are those that were there already.

    Raises
    ------
    ScenarioError
        If no values of a family make a policy.
    """
    found: list[Candidate] = []
    families = search.families
    for number, family in enumerate(families):
        wanted = len(range(number, search.table.candidates, len(families)))
        points = unit_sobol(len(family.over), _TRIES * wanted, search.table.seed + number)
        own = _composed(search, family, points, wanted, 0, found)
        if not own:
            raise ScenarioError(
                f"search.over: no values make a policy of {family.name!r}: "
                f"{_misfit(family.table(search.base, family.values(points[0])))}"
            )
        found += own
    return found


def next_round(
    search: Search, number: int, before: Sequence[Candidate], losses: Floats
) -> list[Candidate]:
    """Candidates near the front of those before, with steps that halve every round.

    Members of the front take turns, those with the most room around them first. A range
    is left by a normal step, at its ends cut off so that they are reached; a choice is
    made anew with a chance of the step's size.

    Parameters
    ----------
    number : int
        Of the round, from 1.
    before : sequence of Candidate
    losses : array, shape (before, objectives)
        Less is better.
    """
    front = np.flatnonzero(is_on_front(losses))
    if len(front) == 0:
        return []
    front = front[np.argsort(-crowding(losses[front]), kind="stable")]
    stream = np.random.default_rng([search.table.seed, number])
    step = FIRST_STEP * 0.5 ** (number - 1)
    found: list[Candidate] = []
    for turn in range(_TRIES * search.table.candidates):
        if len(found) == search.table.candidates:
            break
        parent = before[front[turn % len(front)]]
        place = _moved(parent.family, parent.place, step, stream)
        known = [*before, *found]
        found += _composed(search, parent.family, place[None], 1, number, known)
    return found


def _moved(
    family: Family, place: Floats, step: float, stream: np.random.Generator
) -> Floats:
    moved = np.clip(place + step * stream.standard_normal(len(place)), 0.0, 1.0)
    anew, fresh = stream.random((2, len(place)))
    choice = np.array([not isinstance(f, FactorRange) for f in family.over.values()])
    kept = np.where(anew < max(step, 0.5 / len(place)), fresh, place)
    return np.where(choice, kept, moved)


def _composed(
    search: Search,
    family: Family,
    places: Floats,
    wanted: int,
    number: int,
    known: Sequence[Candidate],
) -> list[Candidate]:
    """The first few places that make policies which are not known yet."""
    taken = {_identity(one.family, one.values) for one in known}
    found: list[Candidate] = []
    for place in places:
        if len(found) == wanted:
            break
        values = family.values(place)
        if _identity(family, values) in taken:
            continue
        taken.add(_identity(family, values))
        name = f"{family.name}.{len(known) + len(found):03d}"
        table = family.table(search.base, values)
        if _misfit(table) is None:
            found.append(Candidate(name, number, family, place, values, table))
    return found


def _misfit(table: dict[str, Any]) -> str | None:
    """Why a table makes no policy, if it does not."""
    try:
        compose("candidate", table)
    except CompositionError as error:
        return str(error)
    return None


def _identity(family: Family, values: dict[str, Any]) -> str:
    return json.dumps([family.name, values], sort_keys=True)


# --- the front --------------------------------------------------------------------------


def is_on_front(losses: Floats) -> NDArray[np.bool_]:
    """Which rows are nondominated: no other is as good everywhere and better somewhere.

    Parameters
    ----------
    losses : array, shape (points, objectives)
        Less is better. Rows that are not finite are never on the front.
    """
    finite = np.isfinite(losses).all(axis=1)
    on = np.zeros(len(losses), bool)
    for i in np.flatnonzero(finite):
        as_good = (losses <= losses[i]).all(axis=1)
        better = (losses < losses[i]).any(axis=1)
        on[i] = not (finite & as_good & better).any()
    return on


def crowding(losses: Floats) -> Floats:
    """How much room a member of a front has around it (Deb et al. 2002, NSGA-II).

    The sum over objectives of the distance between its neighbours, as a share of the
    whole range; infinite at the ends.
    """
    room = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        width = column[order[-1]] - column[order[0]]
        room[order[[0, -1]]] = np.inf
        if width > 0:
            room[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return room


def most_apart(losses: Floats, most: int) -> list[int]:
    """At most so many members of a front, leaving out one after another the most crowded.

    Returns
    -------
    list of int
        Rows, in the order given.
    """
    kept = list(range(len(losses)))
    while len(kept) > most:
        del kept[int(np.argmin(crowding(losses[kept])))]
    return kept


def losses_of(means: Floats, goals: Sequence[str]) -> Floats:
    """Means with the sign turned where more is better; not finite becomes infinite."""
    signs = np.array([1.0 if goal == "min" else -1.0 for goal in goals])
    turned = means * signs
    return np.where(np.isfinite(turned), turned, np.inf)
