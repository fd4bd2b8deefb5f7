"""Designs cover what they promise; sensitivities are those of known functions."""

from __future__ import annotations

import numpy as np
import pytest

from abm import design
from abm.design import Range

FACTORS = {"a": Range(0.0, 1.0), "b": Range(1.0, 1000.0, log=True), "c": Range(-3.0, 3.0)}


def columns(points):
    return {key: np.array([point[key] for point in points]) for key in points[0]}


def test_a_grid_has_every_combination_once():
    points = design.grid({"x": [1, 2], "rule": ["a", "b", "c"]})
    assert len(points) == 6
    assert len({tuple(point.values()) for point in points}) == 6
    assert points[0] == {"x": 1, "rule": "a"}
    assert points[1] == {"x": 1, "rule": "b"}


def test_a_latin_hypercube_puts_one_value_in_each_part():
    found = columns(design.latin_hypercube(FACTORS, 40, seed=3))
    for key, range_ in FACTORS.items():
        low, high = (np.log([range_.low, range_.high]) if range_.log
                     else np.array([range_.low, range_.high]))  # fmt: skip
        values = np.log(found[key]) if range_.log else found[key]
        parts = np.floor((values - low) / (high - low) * 40).astype(int)
        assert sorted(parts) == list(range(40))


@pytest.mark.parametrize("make", [design.sobol, design.latin_hypercube, design.saltelli])
def test_points_lie_within_their_ranges_and_follow_from_the_seed(make):
    points = make(FACTORS, 20, 5)
    for key, range_ in FACTORS.items():
        values = columns(points)[key]
        assert (values >= range_.low).all()
        assert (values <= range_.high).all()
    assert points == make(FACTORS, 20, 5)
    assert points != make(FACTORS, 20, 6)


def test_sobol_points_fill_space_more_evenly_than_chance():
    found = columns(design.sobol(FACTORS, 256, seed=1))["a"]
    assert np.abs(np.sort(found) - (np.arange(256) + 0.5) / 256).max() < 1 / 256


def test_saltelli_mixes_one_column_at_a_time():
    points = design.saltelli(FACTORS, 8, seed=1)
    assert len(points) == 8 * 5
    a, b, with_b = points[:8], points[8:16], points[16:24]
    assert all(m["a"] == y["a"] and m["c"] == x["c"]
               for x, y, m in zip(a, b, with_b, strict=True))  # fmt: skip
