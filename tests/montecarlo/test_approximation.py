from __future__ import annotations

import numpy as np
import pytest

from abm.montecarlo.approximation import LEAST_SHARE, Chain, approximate, combined

HAWK_DOVE = np.array([[1.0, 0.0], [2.0, -1.0]])
DOMINANT = np.array([[0.0, 0.0], [1.0, 0.5]])
ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def _chains(
    game: np.ndarray, starts: list[list[float]], steps: int, noise: float, seed: int = 1
) -> list[Chain]:
    stream = np.random.default_rng(seed)

    def earned(shares: np.ndarray, _: int) -> np.ndarray:
        return game @ shares + noise * stream.standard_normal(len(shares))

    return [approximate(earned, np.array(start), steps) for start in starts]


LINE = [[1.0 - s, s] for s in (0.02, 0.3, 0.6, 0.9)]


def test_hawks_and_doves_meet_at_one_half_from_everywhere():
    held = 0
    for seed in range(15):
        found = combined(_chains(HAWK_DOVE, LINE, 100, 0.5, seed))
        held += bool(found.low[1] <= 0.5 <= found.high[1])
        assert found.shares[1] == pytest.approx(0.5, abs=0.15)
    assert held >= 10


def test_a_dominant_strategy_leaves_the_others_at_the_least_share():
    found = combined(_chains(DOMINANT, LINE, 80, 0.3))
    assert found.shares[1] > 0.95
    for chain in _chains(DOMINANT, LINE, 80, 0.3):
        assert chain.shares.min() >= LEAST_SHARE - 1e-12
        np.testing.assert_allclose(chain.shares.sum(axis=1), 1.0)


def test_chains_that_go_round_do_not_pretend_to_rest():
    starts = [[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6], [0.2, 0.2, 0.6]]
    chains = _chains(ROCK_PAPER_SCISSORS, starts, 100, 0.1)
    assert max(chain.travelled.max() for chain in chains) > 0.2
    found = combined(chains)
    assert (found.low <= 1 / 3).all()
    assert (found.high >= 1 / 3).all()


def test_a_payoff_that_is_not_known_leaves_its_share_in_place():
    chain = approximate(lambda x, _: np.array([0.0, np.nan]), np.array([0.6, 0.4]), 5)
    np.testing.assert_allclose(chain.shares, [[0.6, 0.4]] * 6)


def test_one_chain_has_no_interval():
    [chain] = _chains(HAWK_DOVE, LINE[:1], 10, 0.1)
    assert np.isnan(combined([chain]).low).all()
