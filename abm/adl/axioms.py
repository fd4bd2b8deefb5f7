"""Which axioms of fair division a rule keeps: a search for counterexamples.

The axioms are those by which arXiv 2512.01112 characterises pro-rata, stated on what is
left to each payer, and three that the literature on bankruptcy problems adds (Thomson,
2003, doi:10.1016/S0165-4896(02)00070-7). A rule is any function ``share(capacity, score,
budget)``; the score is a property of the payer that splitting and scaling leave alone,
such as leverage. A search over small random books cannot prove an axiom; that none of
several hundred books breaks it is what `holds` means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

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
    "equal treatment": _equal,
    "budget monotone": _budget_monotone,
}
"""Each gives two related books and by how much the rule misses the axiom on them."""


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
