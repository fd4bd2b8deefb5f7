"""Random waves, and every rule as a function of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.adl.sharing import (
    alike,
    convex,
    levelling,
    leverage,
    minmax,
    mixing,
    payouts,
    projection,
    proportional,
    queue,
)
from abm.world import Array


class Wave(NamedTuple):
    """Capacities, a budget, and one array of each sort that rules look at."""

    capacity: Array
    budget: int
    score: Array
    weight: Array
    cap: Array
    bucket: Array


def wave(rng: np.random.Generator, largest_bits: int = 62) -> Wave:
    """A wave of up to twelve payers: zeros, ties, tiny and huge numbers side by side."""
    n = int(rng.integers(0, 13))
    bits = rng.integers(0, largest_bits - 3, n)
    capacity = np.floor(rng.random(n) * 2.0**bits).astype(np.int64)
    capacity[rng.random(n) < 0.15] = 0
    if n and rng.random() < 0.1:
        capacity[0] = 2**largest_bits - 1
    total = int(capacity.sum())
    budgets = (0, -7, 1, total, total - 1, total + 1, 2**63 - 1, total // 2, total // 97)
    budget = budgets[rng.integers(len(budgets))]
    if rng.random() < 0.5:
        budget = int(rng.random() * total)
    score = np.where(rng.random(n) < 0.5, rng.integers(-2, 3, n), rng.normal(size=n))
    weight = np.where(rng.random(n) < 0.2, 0.0, rng.lognormal(0.0, 3.0, n))
    cap = np.clip(rng.normal(0.5, 0.5, n), 0.0, 1.0)
    return Wave(capacity, budget, score, weight, cap, rng.integers(0, 3, n))


def profitable(wave: Wave) -> Array:
    return np.maximum(wave.score, 0.0)


RULES: dict[str, Callable[[Wave], Array]] = {
    "queue": lambda w: queue.queue(w.capacity, w.score, w.budget),
    "lexicographic queue": lambda w: queue.lexicographic_queue(
        w.capacity, np.column_stack([w.score, -w.cap, w.bucket]), w.budget
    ),
    "cyclic order": lambda w: queue.cyclic_order(w.capacity, w.budget, start=5),
    "greedy by risk": lambda w: queue.greedy_by_risk(w.capacity, w.weight, w.budget),
    "pro-rata": lambda w: proportional.pro_rata(w.capacity, w.budget),
    "by weight": lambda w: proportional.by_weight(w.capacity, w.weight, w.budget),
    "capped pro-rata": lambda w: proportional.capped_pro_rata(w.capacity, w.cap, w.budget),
    "risk-weighted": lambda w: proportional.risk_weighted(w.capacity, w.weight, w.budget),
    "risk-weighted, capped": lambda w: proportional.risk_weighted(
        w.capacity, w.weight, w.budget, cap=w.cap
    ),
    "levelling down": lambda w: levelling.levelling_down(w.capacity, w.budget),
    "leverage filling": lambda w: leverage.leverage_filling(
        w.capacity, w.weight * w.score, w.budget
    ),
    "quadratic penalty": lambda w: convex.power_penalty(w.capacity, w.weight, w.budget),
    "power penalty": lambda w: convex.power_penalty(
        w.capacity, w.weight, w.budget, power=1.3
    ),
    "exponential penalty": lambda w: convex.exponential_penalty(
        w.capacity, w.weight, w.budget, rate=4.0
    ),
    "a user's penalty": lambda w: convex.convex_penalty(
        w.capacity, w.weight, w.budget, inverse=np.arctan
    ),
    "projection": lambda w: projection.projection(w.capacity, w.score, w.budget),
    "min-max": lambda w: minmax.min_max(w.capacity, w.weight, w.budget),
    "min-max of alike lots": lambda w: alike.min_max_alike(w.capacity, w.weight, w.budget),
    "last takes rest": lambda w: payouts.last_takes_rest(w.capacity, w.budget),
    "buckets": lambda w: mixing.in_buckets(
        w.capacity, w.bucket, w.score, budget=w.budget, rule=queue.queue
    ),
    "hybrid": lambda w: mixing.mixture(
        w.capacity,
        [
            queue.queue(w.capacity, w.score, w.budget),
            proportional.risk_weighted(w.capacity, w.weight, w.budget),
        ],
        [0.2, 0.8],
        w.budget,
    ),
}

CAPPED = ("capped pro-rata", "risk-weighted, capped")
"""Rules whose payers give a share of capacity at most."""
