from __future__ import annotations

import numpy as np
import pytest

from analysis.gaming.replicator import (
    CYCLES,
    RESTS,
    Rest,
    best_response_path,
    resting_point,
)

HAWK_DOVE = np.array([[1.0, 0.0], [2.0, -1.0]])
"""Doves first; value 2, cost 4: half are hawks in the end."""
DOMINANT = np.array([[0.0, 0.0], [1.0, 0.5]])
COORDINATION = np.array([[1.0, 0.0], [0.0, 1.0]])
ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])

LINE = np.array([[1.0 - s, s] for s in (0.05, 0.3, 0.5, 0.7, 0.95)])
TRIANGLE = np.array(
    [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4],
     [0.4, 0.2, 0.4], [1 / 3, 1 / 3, 1 / 3]]
)  # fmt: skip


def _rest(
    game: np.ndarray, mixes: np.ndarray, start: list[float], noise: float, seed: int = 1,
    draws: int = 60,
) -> Rest:  # fmt: skip
    stream = np.random.default_rng(seed)
    earned = mixes @ game.T
    payoffs = earned + noise * stream.standard_normal((40, *earned.shape))
    levels = np.broadcast_to(mixes[:, 1:2], (40, len(mixes), 1))
    return resting_point(mixes, payoffs, levels, np.array(start), draws=draws)


def test_hawks_and_doves_rest_at_one_half():
    rest = _rest(HAWK_DOVE, LINE, [0.98, 0.02], 0.3)
    assert rest.end == RESTS
    assert rest.low[1] < 0.5 < rest.high[1]
    assert rest.high[1] - rest.low[1] < 0.5
    assert rest.chances[RESTS] > 0.95
    # The venue's measure was made the share of hawks itself.
    assert rest.levels[0] == pytest.approx(rest.shares[1], abs=1e-6)


def test_the_interval_of_the_resting_point_holds_over_many_worlds():
    held = 0
    for seed in range(10):
        rest = _rest(HAWK_DOVE, LINE, [0.9, 0.1], 0.3, seed=seed, draws=20)
        held += bool(rest.low[1] <= 0.5 <= rest.high[1])
    assert held >= 7


def test_a_dominant_strategy_takes_the_whole_crowd():
    rest = _rest(DOMINANT, LINE, [0.98, 0.02], 0.1)
    assert rest.end == RESTS
    assert rest.shares[1] == pytest.approx(1.0, abs=1e-3)
    assert best_response_path(rest.fitted, np.array([0.98, 0.02])) == [1, 1]


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.0), (0.8, 1.0)])
def test_where_both_ends_are_stable_the_beginning_decides(start: float, end: float):
    rest = _rest(COORDINATION, LINE, [1.0 - start, start], 0.05)
    assert rest.shares[1] == pytest.approx(end, abs=1e-3)


def test_rock_paper_scissors_goes_round_and_is_told_so():
    rest = _rest(ROCK_PAPER_SCISSORS, TRIANGLE, [0.5, 0.3, 0.2], 1e-6, draws=4)
    assert rest.end == CYCLES
    assert rest.chances[CYCLES] == 1.0
    np.testing.assert_allclose(rest.shares, 1.0 / 3.0, atol=0.02)
    path = best_response_path(rest.fitted, np.array([0.5, 0.3, 0.2]))
    assert len(set(path[:-1])) == 3
    assert path[-1] in path[:-2]


def test_a_curve_that_the_fit_cannot_follow_is_noticed():
    stream = np.random.default_rng(1)
    zigzag = np.array([0.0, 1.0, -1.0, 1.0, 0.0])
    payoffs = np.zeros((40, 5, 2))
    payoffs[:, :, 1] = zigzag + 0.05 * stream.standard_normal((40, 5))
    rest = resting_point(
        LINE, payoffs, np.zeros((40, 5, 1)), np.array([0.9, 0.1]), draws=10
    )
    assert rest.misfit > 10.0
    assert _rest(HAWK_DOVE, LINE, [0.9, 0.1], 0.3, draws=10).misfit < 4.0
