"""Leverage water-filling against direct minimisation of the expected loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from abm.adl.sharing.leverage import factor_leverage_filling, leverage_filling
from abm.adl.sharing.proportional import pro_rata
from abm.adl.sharing.queue import queue

QUANTA = 1e9


def _normal_loss(exposure, equity, scale):
    """``E[(scale * exposure * Z - equity)_+]`` for a standard Normal Z."""
    size = np.maximum(scale * np.abs(exposure), 1e-12)
    distance = equity / size
    return size * stats.norm.pdf(distance) - equity * stats.norm.sf(distance)


def _normal_slope(exposure, equity, scale):
    size = np.maximum(scale * np.abs(exposure), 1e-12)
    return np.sign(exposure) * scale * stats.norm.pdf(equity / size)


def _least_loss(low, high, equity, kept, scale):
    """Exposures left that minimise the expected loss, by trust-constr."""
    found = optimize.minimize(
        lambda left: _normal_loss(left, equity, scale).sum(),
        low + (high - low) * (kept - low.sum()) / (high - low).sum(),
        jac=lambda left: _normal_slope(left, equity, scale),
        bounds=optimize.Bounds(low, high),
        constraints=optimize.LinearConstraint(np.ones((1, len(low))), kept, kept),
        method="trust-constr",
        options={"gtol": 1e-10, "xtol": 1e-12, "maxiter": 1500},
    )
    return float(found.fun)


def test_all_end_at_the_leverage_they_had_or_at_a_common_one():
    rng = np.random.default_rng(1)
    for _ in range(200):
        equity = rng.uniform(1.0, 5.0, 8) * QUANTA
        exposure = np.rint(equity * rng.lognormal(1.0, 1.0, 8)).astype(np.int64)
        removed = leverage_filling(exposure, equity, int(0.5 * exposure.sum()))
        after, before = (exposure - removed) / equity, exposure / equity
        eta = after.max()
        assert after == pytest.approx(np.minimum(before, eta), rel=1e-6)


@pytest.mark.filterwarnings("ignore:delta_grad")
def test_no_split_has_a_smaller_expected_loss():
    rng = np.random.default_rng(2)
    for _ in range(6):
        equity, leverage = rng.uniform(0.5, 2.0, 4), rng.uniform(1.0, 8.0, 4)
        exposure = equity * leverage
        budget = rng.uniform(0.2, 0.6) * exposure.sum()
        whole = np.rint(exposure * QUANTA).astype(np.int64)
        removed = leverage_filling(whole, equity, round(budget * QUANTA)) / QUANTA
        ours = float(_normal_loss(exposure - removed, equity, 0.3).sum())
        kept = exposure.sum() - budget
        solved = _least_loss(np.zeros(4), exposure, equity, kept, 0.3)
        assert ours <= solved * (1.0 + 1e-6)
        assert ours == pytest.approx(solved, rel=1e-3)


@pytest.mark.parametrize("freedom", [1.5, 3.0, 30.0])
def test_it_is_best_whatever_the_distribution(freedom):
    rng = np.random.default_rng(3)
    moves = np.abs(rng.standard_t(freedom, 4000)) * 0.1
    equity, leverage = rng.uniform(0.5, 2.0, 6), rng.uniform(1.0, 20.0, 6)
    exposure = np.rint(equity * leverage * QUANTA).astype(np.int64)
    budget = int(0.4 * exposure.sum())

    def loss(removed):
        left = (exposure - removed) / QUANTA
        return np.maximum(np.outer(moves, left) - equity, 0.0).sum(axis=1).mean()

    best = loss(leverage_filling(exposure, equity, budget))
    assert best < loss(queue(exposure, leverage, budget))
    assert best < loss(pro_rata(exposure, budget))


def test_removing_in_two_rounds_is_removing_at_once():
    rng = np.random.default_rng(4)
    equity = rng.uniform(1.0, 5.0, 8)
    exposure = rng.integers(10**8, 10**10, 8)
    once = leverage_filling(exposure, equity, 5 * 10**9)
    first = leverage_filling(exposure, equity, 2 * 10**9)
    second = leverage_filling(exposure - first, equity, 3 * 10**9)
    assert np.abs(first + second - once).max() <= 2


def test_accounts_without_equity_are_closed_first():
    exposure, equity = np.array([100, 100, 100]), np.array([50.0, 0.0, -20.0])
    assert leverage_filling(exposure, equity, 60).tolist() == [0, 30, 30]
    assert leverage_filling(exposure, equity, 250).tolist() == [50, 100, 100]


def test_one_factor_with_room_on_one_side_only_is_the_single_market_rule():
    rng = np.random.default_rng(5)
    for _ in range(100):
        equity, exposure = rng.uniform(1.0, 5.0, 6), rng.integers(1, 10**9, 6)
        budget = int(rng.random() * exposure.sum())
        removed = factor_leverage_filling(
            exposure, np.zeros(6, np.int64), exposure, equity, budget
        )
        assert removed.sum() == budget
        assert np.abs(removed - leverage_filling(exposure, equity, budget)).max() <= 1


@pytest.mark.filterwarnings("ignore:delta_grad")
def test_no_cross_margin_split_has_a_smaller_expected_loss():
    rng = np.random.default_rng(6)
    for _ in range(6):
        equity = rng.uniform(0.5, 2.0, 4)
        low, high = -rng.uniform(0.0, 4.0, 4), rng.uniform(0.0, 8.0, 4)
        exposure = rng.uniform(low, high)
        kept = rng.uniform(0.3, 0.8) * high.sum()
        whole, bottom, top = (
            np.rint(x * QUANTA).astype(np.int64) for x in (exposure, low, high)
        )
        budget = int(whole.sum()) - round(kept * QUANTA)
        removed = factor_leverage_filling(whole, bottom, top, equity, budget)
        left = whole - removed
        assert removed.sum() == budget
        assert ((bottom <= left) & (left <= top)).all()
        ours = float(_normal_loss(left / QUANTA, equity, 0.3).sum())
        solved = _least_loss(low, high, equity, kept, 0.3)
        assert ours <= solved * (1.0 + 1e-6)


def test_a_hedged_account_is_left_alone():
    # The second account's legs nearly cancel: it has a tenth of the factor exposure.
    exposure, nothing = np.array([10_000, 1_000]), np.zeros(2, np.int64)
    removed = factor_leverage_filling(exposure, nothing, exposure, np.ones(2), 4_000)
    assert removed.tolist() == [4_000, 0]


def test_closing_a_hedge_adds_exposure():
    lowest, highest = np.array([0, -4_500]), np.array([10_000, 5_500])
    removed = factor_leverage_filling(
        np.array([10_000, 1_000]), lowest, highest, np.ones(2), 4_000
    )
    assert removed.tolist() == [6_500, -2_500]
