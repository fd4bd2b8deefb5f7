"""Counterfactuals: fills valued later, needed budgets and regret, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from abm.measures import counterfactual as c


def test_a_short_that_was_closed_before_a_further_fall_lost_the_rest():
    # 5 lots short closed at 90; the mark falls to 80: 50 forgone. A long closed at 90
    # is spared 10 a lot.
    loss = c.forgone([-5, 2], [-450.0, 180.0], [80.0, 80.0])
    assert loss.tolist() == [50.0, -20.0]
    assert c.net_haircut(loss) == 30.0


def test_the_production_haircut_nets_within_accounts_only():
    loss = [50.0, -20.0, -40.0]
    assert c.production_haircut([1, 1, 2], loss) == 30.0
    assert c.production_haircut([1, 2, 3], loss) == 50.0
    assert c.production_haircut([], []) == 0.0


def test_chance_alone_makes_the_production_haircut_positive():
    rng = np.random.default_rng(1)
    loss = rng.normal(0.0, 1.0, 2000)
    # E max(0, Z) = 1 / sqrt(2 pi) an account.
    expected = 2000 / np.sqrt(2 * np.pi)
    assert c.production_haircut(np.arange(2000), loss) == pytest.approx(expected, rel=0.1)
    assert abs(c.net_haircut(loss)) < 4 * np.sqrt(2000)


def test_regret_adds_distance_from_the_need_and_from_the_fairest():
    found = c.regret(raised=120.0, needed=100.0, largest_haircut=0.9,
                     least_largest_haircut=0.4, weight=0.5)  # fmt: skip
    assert found.tracking == 20.0
    assert found.fairness == pytest.approx(50.0)
    assert found.total == pytest.approx(45.0)
    assert c.overshoot(80.0, 100.0) == -20.0
