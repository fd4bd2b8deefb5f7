"""Fronts against brute force, and candidates that stay where they may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abm import search
from abm.montecarlo import candidates
from abm.scenario import ScenarioError

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"


@given(arrays(float, (12, 3), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.inf])))
def test_the_front_is_what_nobody_is_better_than_by_definition(losses):
    on = candidates.is_on_front(losses)
    for i, row in enumerate(losses):
        beaten = any(
            all(other <= row) and any(other < row)
            for other in losses
            if np.isfinite(other).all()
        )
        assert on[i] == (np.isfinite(row).all() and not beaten)


@given(st.integers(3, 20), st.integers(2, 6))
@settings(max_examples=30)
def test_the_ends_of_a_front_are_kept_however_few_are_wanted(points, most):
    x = np.linspace(0.0, 1.0, points) ** 3
    kept = candidates.most_apart(np.column_stack([x, 1.0 - x]), most)
    assert len(kept) == min(points, most)
    assert {0, points - 1} <= set(kept)


def tried(**table):
    base = search.load(
        MINIMAL,
        ["policies.mine={preset='pro-rata', severity={rule='fixed', share=0.5}}"],
        {
            "over": {
                "policies.mine.severity.share": {"low": 0.01, "high": 1.0, "log": True},
                "policies.mine.allocation": ["pro-rata", "levelling", "min-max-lots"],
            },
            **table,
        },
    )
    return base, candidates.first_round(base)


def test_values_that_make_no_policy_are_left_out_and_the_rest_fills_the_range():
    _, found = tried(candidates=32)
    assert len(found) == 32
    # Whole lots cannot be shared out in cash.
    assert {one.values["allocation"] for one in found} == {"pro-rata", "levelling"}
    shares = np.array([one.values["severity.share"] for one in found])
    assert np.histogram(np.log10(shares), 4, (-2, 0))[0].min() >= 4
    assert len({one.name for one in found}) == 32


def test_a_family_that_is_no_policy_is_refused_with_the_reason():
    policies = "policies.mine={preset='hyperliquid'}"
    over = {"policies.mine.allocation.score": ["leverage"]}
    base = search.load(MINIMAL, [policies], {"over": over})
    with pytest.raises(ScenarioError, match="make a policy of 'mine': allocation"):
        candidates.first_round(base)


def test_later_rounds_stay_near_the_front_and_reach_the_ends_of_a_range():
    base, found = tried(candidates=32)
    shares = np.array([one.values["severity.share"] for one in found])
    # Best near the upper end in both: the front is the largest share alone.
    losses = np.column_stack([1.0 - shares, 2.0 - shares])
    later = candidates.next_round(base, 2, found, losses)
    assert candidates.next_round(base, 2, found, losses)[0].values == later[0].values
    near = [one.place[0] for one in later]
    assert np.mean(np.array(near) > 0.6) > 0.9
    assert max(one.values["severity.share"] for one in later) == 1.0
    everyone = [str(one.values) for one in [*found, *later]]
    assert len(set(everyone)) == len(everyone)
