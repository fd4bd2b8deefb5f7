"""Whether a user's allocation keeps the contract, tried on random waves.

The contract of an allocation: given capacities, scores and a budget it gives whole
amounts with ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``, the same
for the same input, and leaves its inputs as they were. `check` calls it as a policy would,
on sizes from nobody to many, and says what it breaks and with which input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from abm.adl.guard import in_words
from abm.world import Array

Share = Callable[[Array, Array, int], Any]

MANY = 100_000
"""Payers of the largest trial, by which speed is measured."""

LIMIT_S = 1.0
"""Seconds that the largest trial may take: a wave of a full-size venue has twice as many
payers, and a batch has many waves."""


class Trial(NamedTuple):
    """What an allocation is called with, and what it is a trial of."""

    name: str
    capacity: Array
    score: Array
    budget: int


class Breach(NamedTuple):
    """A rule of the contract that was broken: how, and by which input."""

    rule: str
    message: str
    trial: str
    capacity: list[int]
    score: list[float]
    budget: int


class Report(NamedTuple):
    """Breaches, one a rule, the first input each; trials made; seconds of the largest."""

    breaches: list[Breach]
    trials: int
    payers: int
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether nothing was broken."""
        return not self.breaches


def check(share: Share, seed: int = 1) -> Report:
    """Run an allocation through the contract.

    Parameters
    ----------
    share : callable
        ``share(capacity, score, budget)``, see `abm.adl.allocation`.
    seed : int
        Of the random waves.
    """
    breaches: dict[str, Breach] = {}
    count = 0
    for trial in trials(seed):
        count += 1
        for rule, message in _broken(share, trial):
            breaches.setdefault(rule, _breach(rule, message, trial))
    seconds, message = _speed(share, seed)
    if message and "exception" not in breaches:
        breaches["speed"] = _breach("speed", message, _many(seed))
    return Report(list(breaches.values()), count, MANY, seconds)


def trials(seed: int) -> Iterator[Trial]:
    """Inputs that a wave may bring, the plain ones first.

    Sizes 0, 1, few and many; capacities of zero, ties, and near the largest integer;
    scores with ties, negative and huge; budgets of nothing, one unit, a part, all, and
    more than there is.
    """
    rng = np.random.default_rng(seed)
    for size in (1, 2, 5, 40, 1000, 0):
        for name, capacity in _capacities(rng, size):
            score = rng.normal(size=size)
            total = int(capacity.sum())
            for budget in dict.fromkeys((0, 1, total // 3, total - 1, total, total + 7)):
                if budget >= 0:
                    yield Trial(f"{name}, {size} payers", capacity, score, budget)
    capacity = rng.integers(0, 100, 30)
    for name, score in _scores(rng, 30):
        for budget in (0, 17, int(capacity.sum()) // 2):
            yield Trial(f"{name}, 30 payers", capacity, score, budget)


def _capacities(rng: np.random.Generator, size: int) -> Iterator[tuple[str, Array]]:
    yield "small capacities", rng.integers(1, 10, size)
    yield (
        "heavy-tailed capacities",
        (rng.pareto(0.8, size) * 1e6).clip(1, 1e15).astype("i8"),
    )
    yield "some capacities of zero", rng.integers(0, 3, size)
    yield "all capacities zero", np.zeros(size, np.int64)
    yield "equal capacities", np.full(size, 7, np.int64)
    largest = 2**62 // max(size, 1)
    yield "huge capacities", rng.integers(largest // 2, largest, size)


def _scores(rng: np.random.Generator, size: int) -> Iterator[tuple[str, Array]]:
    yield "tied scores", np.ones(size)
    yield "few different scores", rng.integers(0, 3, size).astype(float)
    yield "negative scores", -rng.random(size)
    yield "scores of zero", np.zeros(size)
    yield "huge scores", rng.random(size) * 1e300
    yield "no scores (NaN)", np.full(size, np.nan)


def _broken(share: Share, trial: Trial) -> Iterator[tuple[str, str]]:
    """Rules that a call breaks, in words."""
    capacity, score = trial.capacity.copy(), trial.score.copy()
    try:
        given = share(capacity, score, trial.budget)
        again = share(trial.capacity.copy(), trial.score.copy(), trial.budget)
        amounts, others = np.asarray(given), np.asarray(again)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        yield "exception", in_words(error)
        return
    same = np.array_equal(score, trial.score, equal_nan=True)
    if not np.array_equal(capacity, trial.capacity) or not same:
        yield "mutation", "changed the arrays that it was given"
    yield from _of_amounts(amounts, trial)
    if not _alike(amounts, others):
        yield "determinism", "gave other amounts when called again with the same input"


def _of_amounts(amounts: Array, trial: Trial) -> Iterator[tuple[str, str]]:
    count = len(trial.capacity)
    if amounts.shape != (count,):
        yield "shape", f"gave an array of shape {amounts.shape}, must be ({count},)"
        return
    if not np.issubdtype(amounts.dtype, np.number) or np.iscomplexobj(amounts):
        yield "number", f"gave amounts of type {amounts.dtype}, must be whole numbers"
        return
    if not np.isfinite(amounts).all():
        yield "number", f"gave {amounts[~np.isfinite(amounts)][0]}, must be whole numbers"
        return
    if (amounts != np.floor(amounts)).any():
        part = amounts[amounts != np.floor(amounts)][0]
        yield "fraction", f"gave {part}, must be whole lots or quanta"
    if (amounts < 0).any():
        yield "negative", f"gave {amounts.min()}, must be at least 0"
    if (amounts > trial.capacity).any():
        at = int(np.argmax(amounts > trial.capacity))
        yield "capacity", f"gave {amounts[at]}, payer {at} has only {trial.capacity[at]}"
    total, wanted = _exact_sum(amounts), min(trial.budget, int(trial.capacity.sum()))
    if total != wanted:
        yield "sum", f"gave {total} in all, must be {wanted}"


def _exact_sum(amounts: Array) -> int | float:
    """The sum without rounding or overflow, where amounts are whole."""
    return sum(int(x) if float(x).is_integer() else float(x) for x in amounts.tolist())


def _alike(one: Array, other: Array) -> bool:
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(np.array_equal(one, other))


def _many(seed: int) -> Trial:
    rng = np.random.default_rng(seed)
    capacity = rng.integers(0, 10**9, MANY)
    return Trial("many payers", capacity, rng.random(MANY), int(capacity.sum()) // 2)


def _speed(share: Share, seed: int) -> tuple[float, str]:
    """Seconds for the largest trial, and what is wrong with that."""
    trial = _many(seed)
    begun = time.perf_counter()
    try:
        share(trial.capacity.copy(), trial.score.copy(), trial.budget)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return 0.0, ""
    seconds = time.perf_counter() - begun
    if seconds > LIMIT_S:
        return seconds, f"took {seconds:.1f} s for {MANY:,} payers, at most {LIMIT_S:g} s"
    return seconds, ""


_SHOWN = 12


def _breach(rule: str, message: str, trial: Trial) -> Breach:
    return Breach(
        rule,
        message,
        trial.name,
        trial.capacity[:_SHOWN].tolist(),
        trial.score[:_SHOWN].tolist(),
        trial.budget,
    )
