"""Designs of experiments: which values of which keys a sweep tries together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Floats = NDArray[np.float64]
Point = dict[str, Any]
"""A value for every key."""


class Range(NamedTuple):
    """A number from `low` to `high`, evenly or, if `log`, evenly in its logarithm."""

    low: float
    high: float
    log: bool = False

    def at(self, share: Floats) -> Floats:
        """The values that lie given shares of the way from low to high."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** share)
        return np.asarray(self.low + (self.high - self.low) * share)


def grid(factors: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination of the values, the last key varying fastest."""
    combined = itertools.product(*factors.values())
    return [dict(zip(factors, values, strict=True)) for values in combined]


def latin_hypercube(factors: Mapping[str, Range], points: int, seed: int) -> list[Point]:
    """Points such that each key's values fall once in each of as many equal parts."""
    sampler = qmc.LatinHypercube(len(factors), rng=np.random.default_rng(seed))
    return _placed(factors, sampler.random(points))


def sobol(factors: Mapping[str, Range], points: int, seed: int) -> list[Point]:
    """Scrambled Sobol points; balanced best if their number is a power of two."""
    return _placed(factors, unit_sobol(len(factors), points, seed))


def saltelli(factors: Mapping[str, Range], points: int, seed: int) -> list[Point]:
    """The ``points * (keys + 2)`` points from which Sobol indices are estimated.

    Two independent samples A and B and, for each key, A with that key's column of B
    (Saltelli et al., "Variance based sensitivity analysis of model output", Computer
    Physics Communications 181, 2010); in this order.
    """
    both = unit_sobol(2 * len(factors), points, seed)
    a, b = np.hsplit(both, 2)
    mixed = []
    for column in range(len(factors)):
        with_b = a.copy()
        with_b[:, column] = b[:, column]
        mixed.append(with_b)
    return _placed(factors, np.vstack([a, b, *mixed]))


def unit_sobol(dimensions: int, points: int, seed: int) -> Floats:
    """Scrambled Sobol points in the unit cube, shape (points, dimensions)."""
    sampler = qmc.Sobol(dimensions, rng=np.random.default_rng(seed))
    # Drawn as the next power of two: scipy warns of any other number.
    whole = sampler.random_base2(max(points - 1, 1).bit_length())
    return np.asarray(whole[:points])


def _placed(factors: Mapping[str, Range], shares: Floats) -> list[Point]:
    columns = [range_.at(shares[:, i]) for i, range_ in enumerate(factors.values())]
    rows = np.column_stack(columns)
    return [dict(zip(factors, map(float, row), strict=True)) for row in rows]
