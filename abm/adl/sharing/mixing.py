"""Rules made from rules: buckets of priority, and mixtures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from abm.adl.sharing.rounding import round_to_sum
from abm.adl.sharing.selection import payable, whole
from abm.world import Array

Rule = Callable[..., Array]
"""Takes capacities, arrays of its own and a budget."""


def in_buckets(
    capacity: Array, priority: Array, *arrays: Array, budget: int, rule: Rule
) -> Array:
    """Exhaust one bucket after the other; share within a bucket by a rule.

    A tiered ladder, as in the seniority designs that accompany arXiv 2512.01112. The cost
    of the rule, and O(n) a bucket.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    priority : array, shape (n,)
        Buckets; the smallest number pays first.
    *arrays : array, shape (n, ...)
        What the rule takes between capacities and budget.
    budget : int
    rule : callable
        Shares within a bucket.
    """
    capacity, priority = whole(capacity), np.asarray(priority)
    amounts = np.zeros_like(capacity)
    left = payable(capacity, budget)
    for bucket in np.unique(priority):
        if left == 0:
            break
        rows = np.flatnonzero(priority == bucket)
        given = rule(capacity[rows], *(array[rows] for array in arrays), left)
        amounts[rows] = given
        left -= int(given.sum())
    return amounts


def mixture(
    capacity: Array, answers: Sequence[Array], parts: Sequence[float], budget: int
) -> Array:
    """A convex combination of what several rules gave, in whole units.

    A hybrid of a queue and levered pro-rata, 0.2 and 0.8, is among the rules that arXiv
    2512.01112 compares. Minimises the weighted sum of squared distances to the answers.
    O(n) a rule.

    Parameters
    ----------
    capacity : array of int64, shape (n,)
    answers : sequence of arrays of int64, shape (n,)
        Each shares the whole budget.
    parts : sequence of float
        Not negative; they count in proportion to their sum.
    budget : int
    """
    capacity = whole(capacity)
    total = float(sum(parts))
    exact = np.zeros(len(capacity))
    for answer, part in zip(answers, parts, strict=True):
        exact += (part / total) * answer
    return round_to_sum(exact, capacity, payable(capacity, budget))
