"""Standings on a front, on made-up measures of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.front import DOMINATED, ON_FRONT, UNCLEAR, standings

RUNS = 40


def measured(first: float, second: float, noise: float = 0.0, seed: int = 0):
    own = np.random.default_rng(seed).standard_normal((RUNS, 2)) * noise
    shared = np.random.default_rng(99).standard_normal((RUNS, 2))
    return pd.DataFrame(own + shared + [first, second], columns=["a", "b"])


def words(*values: pd.DataFrame, goals=("min", "min")) -> list[str]:
    return [word for word, _ in standings(values, goals)]


def test_a_clear_trade_off_is_on_the_front_and_what_is_worse_in_both_is_dominated():
    found = standings([measured(0, 1), measured(1, 0), measured(2, 2)], ["min", "min"])
    assert [word for word, _ in found] == [ON_FRONT, ON_FRONT, DOMINATED]
    assert found[2][1] in (0, 1)


def test_a_goal_that_is_to_be_large_turns_the_order_around():
    assert words(measured(0, 1), measured(1, 0), goals=("min", "max")) == [
        ON_FRONT,
        DOMINATED,
    ]


def test_a_lead_within_noise_keeps_nobody_on_the_front():
    # The second is clearly worse in one; its lead in the other is mere luck.
    lead = measured(1.0, 0.0, noise=3.0, seed=5)
    lead["b"] += measured(0, 0)["b"].mean() - lead["b"].mean() - 0.05
    lead["a"] = measured(1.0, 0.0)["a"]
    assert words(measured(0, 0), lead) == [ON_FRONT, UNCLEAR]


def test_what_shares_its_luck_is_told_apart_by_less_than_its_spread():
    close = measured(0.01, -0.01)
    assert measured(0, 0)["a"].std() > 0.5
    assert words(measured(0, 0), close) == [ON_FRONT, ON_FRONT]


def test_equal_policies_do_not_dominate_each_other():
    assert words(measured(0, 0), measured(0, 0)) == [ON_FRONT, ON_FRONT]


def test_false_alarms_among_equals_are_rarer_than_the_level_says():
    alarms = 0
    for seed in range(100):
        equals = [measured(0, 0, 1.0, 1000 * seed + i) for i in range(5)]
        alarms += DOMINATED in words(*equals)
    # At most 5 in 100 are expected; 16 or more have a chance below 1 in 10,000.
    assert alarms < 16
