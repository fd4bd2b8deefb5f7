"""Which axioms of fair division a rule keeps: a search for counterexamples.

The axioms are those by which arXiv 2512.01112 characterises pro-rata, stated on what is
left to each payer, and three that the literature on bankruptcy problems adds (Thomson,
2003, doi:10.1016/S0165-4896(02)00070-7). A rule is any function ``share(capacity, score,
budget)``; the score is a property of the payer that splitting and scaling leave alone,
such as leverage. A search over small random books cannot prove an axiom; that none of
several hundred books breaks it is what `holds` means.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.adl.sharing import convex, levelling, leverage, mixing, proportional, queue
from abm.world import Array

Share = Callable[[Array, Array, int], Array]


class Book(NamedTuple):
    """A small book: whole capacities, scores, and the budget to be shared."""

    capacity: Array
    score: Array
    budget: int


class Counterexample(NamedTuple):
    """Two books that an axiom relates, and what the rule took in each."""

    before: Book
    taken: Array
    after: Book
    taken_after: Array
    by: float
    """By how much the axiom is missed, as a share of all capacity."""


class Finding(NamedTuple):
    """What the search says of one axiom."""

    axiom: str
    counterexample: Counterexample | None

    @property
    def holds(self) -> bool:
        """Whether no book was found that breaks it."""
        return self.counterexample is None


_UNIT = 100_000_000
"""Quanta in one step of a random capacity: roundings are a hundred-millionth of it."""

_TOLERANCE = 1e-5
"""Share of all capacity below which a difference counts as rounding."""

_NUDGE = 1e-8
"""Relative size of the change that a continuous rule must hardly notice."""


def _random_book(rng: np.random.Generator) -> Book:
    """Two to five payers with few sizes and scores, so that ties are common."""
    n = int(rng.integers(2, 6))
    capacity = rng.integers(1, 13, n) * _UNIT
    score = rng.choice([0.5, 1.0, 1.5, 2.0, 4.0, 8.0], n)
    return Book(capacity, score, int(rng.uniform(0.05, 0.95) * capacity.sum()))


def _sybil(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """Splitting an account in two does not change what its owner pays."""
    row = int(rng.integers(len(book.capacity)))
    part = int(book.capacity[row] * rng.choice([0.1, 0.3, 0.5]))
    parts = np.append(book.capacity, part)
    parts[row] -= part
    after = Book(parts, np.append(book.score, book.score[row]), book.budget)
    taken, taken_after = share(*book), share(*after)
    change = abs(int(taken_after[row] + taken_after[-1] - taken[row]))
    return _compare(book, taken, after, taken_after, change)


def _scale(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """In another unit of money everybody pays the same."""
    factor = int(rng.integers(2, 50))
    after = Book(factor * book.capacity, book.score, factor * book.budget)
    taken, taken_after = share(*book), share(*after)
    change = np.abs(taken_after / factor - taken).max()
    return _compare(book, taken, after, taken_after, change)


def _monotone(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """Who had more before has not less after."""
    taken = share(*book)
    left = book.capacity - taken
    richer = book.capacity[:, None] >= book.capacity[None, :]
    inversion = np.where(richer, left[None, :] - left[:, None], 0).max()
    return _compare(book, taken, book, taken, inversion)


def _continuous(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """A tiny change of capacities and scores changes what is paid by a tiny amount."""
    n = len(book.capacity)
    capacity = book.capacity * (1.0 + _NUDGE * rng.choice([-1, 0, 1], n))
    score = book.score * (1.0 + _NUDGE * rng.choice([-1, 0, 1], n))
    after = Book(np.rint(capacity).astype(np.int64), score, book.budget)
    taken, taken_after = share(*book), share(*after)
    return _compare(book, taken, after, taken_after, np.abs(taken_after - taken).max())


def _equal(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """Payers who are alike pay alike."""
    capacity, score = book.capacity.copy(), book.score.copy()
    capacity[-1], score[-1] = capacity[0], score[0]
    after = Book(capacity, score, min(book.budget, int(capacity.sum())))
    taken = share(*after)
    return _compare(after, taken, after, taken, abs(int(taken[0] - taken[-1])))


def _budget_monotone(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """When more is needed nobody pays less."""
    more = int(rng.uniform(book.budget, int(book.capacity.sum())))
    after = book._replace(budget=more)
    taken, taken_after = share(*book), share(*after)
    return _compare(book, taken, after, taken_after, (taken - taken_after).max())


def _full(share: Share, book: Book, rng: np.random.Generator) -> Counterexample:
    """All of the budget is raised wherever there is so much to take."""
    taken = share(*book)
    return _compare(book, taken, book, taken, book.budget - int(taken.sum()))


def _compare(
    before: Book, taken: Array, after: Book, taken_after: Array, missed: float
) -> Counterexample:
    by = float(missed) / float(before.capacity.sum())
    return Counterexample(before, taken, after, taken_after, by)


AXIOMS: dict[str, Callable[[Share, Book, np.random.Generator], Counterexample]] = {
    "sybil": _sybil,
    "scale": _scale,
    "monotone": _monotone,
    "continuous": _continuous,
    "equal": _equal,
    "budget": _budget_monotone,
    "full": _full,
}
"""Each gives two related books and by how much the rule misses the axiom on them."""

DEFINITIONS = {name: inspect.getdoc(axiom) or "" for name, axiom in AXIOMS.items()}
"""What each axiom says, in a sentence."""


def examine(share: Share, *, seed: int = 0, books: int = 300) -> dict[str, Finding]:
    """Search for the worst counterexample to each axiom.

    Parameters
    ----------
    share : callable
        Takes capacities (int64 quanta), scores (float64) and a budget; gives whole
        amounts.
    seed : int
    books : int
        Random books tried for each axiom.

    Returns
    -------
    dict of str to Finding
    """
    findings = {}
    for number, (name, axiom) in enumerate(AXIOMS.items()):
        rng = np.random.default_rng([seed, number])
        tries = (axiom(share, _random_book(rng), rng) for _ in range(books))
        worst = max(tries, key=lambda found: found.by)
        findings[name] = Finding(name, worst if worst.by > _TOLERANCE else None)
    return findings


# --- rule by axiom ----------------------------------------------------------------------

_CAP = 0.5


def _capped(capacity: Array, score: Array, budget: int) -> Array:
    cap = np.full(len(capacity), _CAP)
    return proportional.capped_pro_rata(capacity, cap, budget)


def _capped_apart(capacity: Array, score: Array, budget: int) -> Array:
    return proportional.capped_pro_rata(capacity, 1.0 / score, budget)


_MIX = (0.2, 0.8)
_MIXED = (queue.queue, proportional.risk_weighted)


def _mixed(capacity: Array, score: Array, budget: int) -> Array:
    parts = [rule(capacity, score, budget) for rule in _MIXED]
    return mixing.mixture(capacity, parts, _MIX, budget)


RULES: dict[str, Share] = {
    "pro-rata": lambda capacity, score, budget: proportional.pro_rata(capacity, budget),
    'risk-weighted, risk = "leverage"': proportional.risk_weighted,
    f"capped, cap = {_CAP}": _capped,
    "capped, cap = 1 / leverage": _capped_apart,
    "levelling": lambda capacity, score, budget: levelling.levelling_down(capacity, budget),
    "leverage-filling": lambda capacity, score, budget: leverage.leverage_filling(
        capacity, capacity / score, budget
    ),
    "power-penalty": lambda capacity, score, budget: convex.power_penalty(
        capacity, np.ones(len(capacity)), budget
    ),
    'queue, score = "profit"': lambda capacity, score, budget: queue.queue(
        capacity, capacity.astype(float), budget
    ),
    'queue, score = "leverage"': queue.queue,
    f"hybrid, weights = {list(_MIX)}": _mixed,
}
"""Rules of which the axioms are asked, as `adl policies --answers` calls them.

The score of a book stands for leverage, and capacity for profit. Leverage-filling takes
capacity for the position, so that equity is capacity over leverage. Caps of one's own, as
a floor under everybody's equity sets them, are no answer of a policy but the form in which
arXiv 2512.01112 states capped pro-rata: survivors then change order. The hybrid is the one
that the paper compares: of a queue and levered pro-rata, here both by leverage.
"""

LEVERED = {
    "capped, cap = 1 / leverage",
    f"hybrid, weights = {list(_MIX)}",
    'risk-weighted, risk = "leverage"',
    "leverage-filling",
    'queue, score = "leverage"',
}
"""Those that look at leverage."""


class Row(NamedTuple):
    """Of a rule: which axioms it keeps, and the worst book in words for the others."""

    rule: str
    axioms: dict[str, bool]
    counterexamples: dict[str, str]


def table(seed: int = 1, books: int = 300) -> list[Row]:
    """Search for every axiom and rule; parameters as :func:`examine`."""
    rows = []
    for name, share in RULES.items():
        found = examine(share, seed=seed, books=books)
        worst = {axiom: f.counterexample for axiom, f in found.items()}
        words = {
            axiom: in_words(axiom, case, with_leverage=name in LEVERED)
            for axiom, case in worst.items()
            if case is not None
        }
        rows.append(Row(name, {axiom: f.holds for axiom, f in found.items()}, words))
    return rows


# --- in words ---------------------------------------------------------------------------


def in_words(axiom: str, case: Counterexample, *, with_leverage: bool) -> str:
    """A counterexample on one line, in the units that capacities are drawn in.

    Inputs are written with all their digits, so that it can be computed again.
    """
    before = f"{_inputs(case.before, with_leverage)} it takes {_units(case.taken)}"
    after = f"{_inputs(case.after, with_leverage)} it takes {_units(case.taken_after)}"
    return _TOLD[axiom](case, before, after)


def _tell_split(case: Counterexample, before: str, after: str) -> str:
    n = len(case.before.capacity)
    row = int(np.flatnonzero(case.after.capacity[:n] != case.before.capacity)[0])
    both = case.taken_after[row] + case.taken_after[-1]
    return (
        f"with {before}; with account {row + 1} split into accounts {row + 1} and {n + 1}, "
        f"{after}: its owner pays {_unit(both)}, not {_unit(case.taken[row])}"
    )


def _tell_scaled(case: Counterexample, before: str, after: str) -> str:
    factor = round(float(case.after.capacity[0] / case.before.capacity[0]))
    return f"with {before}; with all amounts times {factor}, {after}"


def _tell_order(case: Counterexample, before: str, after: str) -> str:
    capacity = case.before.capacity
    left = capacity - case.taken
    behind = np.where(capacity[:, None] >= capacity[None, :], left[None] - left[:, None], 0)
    rich, poor = (int(i) for i in np.unravel_index(behind.argmax(), behind.shape))
    return (
        f"with {before}: account {rich + 1} had {_unit(capacity[rich])} and is left with "
        f"{_unit(left[rich])}, account {poor + 1} had {_unit(capacity[poor])} and is left "
        f"with {_unit(left[poor])}"
    )


def _tell_alike(case: Counterexample, before: str, after: str) -> str:
    n = len(case.taken)
    return (
        f"with {before}: accounts 1 and {n} are alike, but pay {_unit(case.taken[0])} and "
        f"{_unit(case.taken[-1])}"
    )


def _tell_both(case: Counterexample, before: str, after: str) -> str:
    return f"with {before}; with {after}"


def _tell_missing(case: Counterexample, before: str, after: str) -> str:
    missing = case.before.budget - int(case.taken.sum())
    return f"with {before}: {_unit(missing)} less than the budget"


_TOLD: dict[str, Callable[[Counterexample, str, str], str]] = {
    "sybil": _tell_split,
    "scale": _tell_scaled,
    "monotone": _tell_order,
    "continuous": _tell_both,
    "equal": _tell_alike,
    "budget": _tell_both,
    "full": _tell_missing,
}


def _inputs(book: Book, with_leverage: bool) -> str:
    leverage = f", leverages {_listed(book.score, 12)}" if with_leverage else ""
    capacities = _listed(book.capacity / _UNIT, 12)
    return f"capacities {capacities}{leverage} and budget {book.budget / _UNIT:.12g}"


def _units(amounts: Array) -> str:
    return _listed(amounts / _UNIT, 6)


def _unit(amount: int) -> str:
    return f"{amount / _UNIT:.6g}"


def _listed(values: Array, digits: int) -> str:
    return f"({', '.join(f'{value:.{digits}g}' for value in values)})"
