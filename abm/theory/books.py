"""Generated books: Pareto winners and losers, growing, shared out by this project's rules.

Half the accounts are winners whose profits have the tail exponent ``alpha_+``, half are
losers whose shortfalls have ``alpha_-``; shortfalls are halved, so that the deficit can be
met, and half of it is asked for (the setting in which the exponents of arXiv 2512.01112
can be checked against independent runs). A book grows: a smaller one is the beginning of
a larger one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.adl.sharing import levelling, proportional, queue
from abm.measures import fairness
from abm.theory.finding import Effort
from abm.units import QUANTA_PER_USD
from abm.world import Array

LOSSES = 0.5
"""What shortfalls are multiplied by."""

THETA = 0.5
"""The share of the deficit that is asked for."""

_LARGEST_USD = 1e12
"""No account has more; with infinite means a draw could leave the range of quanta."""

PRO_RATA, BY_WEALTH = "pro-rata", "queue by profit"
BY_LOT, LEVELLING = "queue by another score", "levelling"

Rule = Callable[[Array, Array, int], Array]

RULES: dict[str, Rule] = {
    PRO_RATA: lambda capacity, score, budget: proportional.pro_rata(capacity, budget),
    BY_LOT: queue.queue,
    BY_WEALTH: lambda capacity, score, budget: queue.queue(
        capacity, capacity.astype(np.float64), budget
    ),
    LEVELLING: lambda capacity, score, budget: levelling.levelling_down(capacity, budget),
}
"""Take capacities, a score that has nothing to do with them, and a budget."""


def pareto(rng: np.random.Generator, alpha: float, count: int) -> Array:
    """Draws from ``P(X > x) = x ** -alpha`` for x above 1, in USD."""
    drawn = (1.0 - rng.random(count)) ** (-1.0 / alpha)
    return np.asarray(np.minimum(drawn, _LARGEST_USD))


def in_quanta(usd: Array) -> Array:
    """Dollars as whole quanta."""
    return np.asarray(np.rint(usd * QUANTA_PER_USD), np.int64)


def pareto_mean(alpha: float) -> float:
    """Mean of :func:`pareto`; infinite for an exponent of one or less."""
    return alpha / (alpha - 1.0) if alpha > 1.0 else np.inf


def largest_of(alpha: float, count: float) -> float:
    """``b_n``: the quantile at ``1 - 1 / count`` of :func:`pareto`."""
    return float(count ** (1.0 / alpha))


class Survey(NamedTuple):
    """Books of all sizes, each array of shape (books, sizes), in USD.

    Attributes
    ----------
    sizes : array of int, shape (sizes,)
        Accounts of a book, winners and losers.
    profits, deficit, largest_loss, largest : array
        Of the winners together, of the losers together and at most, of the richest winner.
    raised : array
        What was raised: half of the deficit, or all profits if that is less.
    survivor, kept : dict of str to array
        By rule, the most that anybody has left, and the share that the richest winner
        keeps.
    """

    sizes: Array
    profits: Array
    deficit: Array
    largest_loss: Array
    largest: Array
    raised: Array
    survivor: dict[str, Array]
    kept: dict[str, Array]

    def ptsr(self, rule: str | None = None) -> Array:
        """Survivor over socialised deficit; without a rule, as if nothing were taken."""
        left = self.largest if rule is None else self.survivor[rule]
        return _ratios(fairness.ptsr, left, self.deficit, self.raised / self.deficit)

    def pmr(self, rule: str) -> Array:
        """Survivor over the largest loss, of which as large a share is socialised."""
        theta = self.raised / self.deficit
        return _ratios(fairness.pmr, self.survivor[rule], self.largest_loss, theta)


def _ratios(measure: Callable[..., float], *columns: Array) -> Array:
    return np.asarray(np.vectorize(measure, otypes=[float])(*columns))


@functools.cache
def survey(effort: Effort, winners: float, losers: float, theta: float = THETA) -> Survey:
    """Generate books with these tail exponents and share out a part of their deficit."""
    rng = effort.rng(int(1000 * winners), int(1000 * losers))
    shape = (effort.books, len(effort.sizes))
    means = {name: np.empty(shape) for name in Survey._fields[1:6]}
    survivor = {rule: np.empty(shape) for rule in RULES}
    kept = {rule: np.empty(shape) for rule in RULES}
    for book in range(effort.books):
        half = max(effort.sizes) // 2
        worth = in_quanta(pareto(rng, winners, half))
        loss = LOSSES * pareto(rng, losers, half)
        score = rng.random(half)
        for place, size in enumerate(effort.sizes):
            capacity, short = worth[: size // 2], loss[: size // 2]
            budget = min(int(theta * short.sum() * QUANTA_PER_USD), int(capacity.sum()))
            told = (capacity.sum(), short.sum(), short.max(), capacity.max(), budget)
            scale = (1e-6, 1.0, 1.0, 1e-6, 1e-6)
            for array, value, unit in zip(means.values(), told, scale, strict=True):
                array[book, place] = value * unit
            for name, rule in RULES.items():
                taken = rule(capacity, score[: size // 2], budget)
                left = fairness.largest_survivor(capacity, taken)
                top = fairness.top_survivor(capacity, taken)
                survivor[name][book, place] = left * 1e-6
                kept[name][book, place] = top / capacity.max()
    return Survey(np.array(effort.sizes), **means, survivor=survivor, kept=kept)
