"""What traders do after ADL, counted by hand and followed in a run."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.genesis import new_world
from abm.measures.reactions import Trace, Tracker, moments, reactions
from tests.crashes import crash

# Trader 7 is closed twice (a long of 10 in place 0 at step 5, a short of 4 in place 1 at
# step 9), trader 8 once (a long of 20 in place 2 at step 5).
STEP, PLACE, TRADER = [5, 9, 5], [0, 1, 2], [7, 7, 8]
LOTS, NOTIONAL = [10, -4, 20], [100, 40, 300]
# Trader 7 buys 3 back at step 7 and 4 at step 30; in place 1 it buys, which undoes nothing,
# at step 11. Trader 8 does nothing until step 400.
WHEN, WHERE, MOVED = [7, 30, 11, 400], [0, 0, 1, 2], [3, 4, 2, 20]


def trace(last: int) -> Trace:
    arrays = STEP, PLACE, TRADER, LOTS, NOTIONAL, WHEN, WHERE, MOVED
    return Trace(*(np.array(values, np.int64) for values in arrays), last)


@pytest.mark.parametrize(
    ("lag", "traded", "undone"),
    [
        (1, [0.0, 0.0], [0.0, 0.0]),
        (2, [1.0, 0.0], [0.15, 0.0]),
        (25, [1.0, 0.0], [0.35, 0.0]),
        (395, [1.0, 1.0], [0.35, 1.0]),
    ],
)
def test_reactions_are_means_over_what_was_closed_of_a_trader(lag, traded, undone):
    found = reactions(trace(1000), lag)
    assert found.traded.tolist() == pytest.approx(traded)
    assert found.undone.tolist() == pytest.approx(undone)


def test_what_happens_in_the_step_of_the_adl_is_not_a_reaction():
    assert reactions(trace(1000), 0).traded.tolist() == [0.0, 0.0]


def test_horizons_that_end_after_the_run_are_left_out():
    found = reactions(trace(30), 25)
    assert found.traded.tolist() == [1.0, 0.0]
    assert found.undone.tolist() == pytest.approx([0.7, 0.0])
    assert np.isnan(reactions(trace(29), 25).traded).all()


def test_moments_by_account_and_by_notional():
    found = moments(trace(1000), 1.0)
    assert found["retrade.5s"] == 0.5
    assert found["retrade.5s.by_notional"] == pytest.approx(140 / 440)
    assert found["undo.60s"] == pytest.approx(0.35 / 2)
    assert found["undo.60s.if_traded"] == pytest.approx(0.35)
    assert (found["react.passive"], found["react.strategic"]) == (0.5, 0.5)
    assert np.isnan(found["react.passive.many"])


def test_steps_shorter_than_a_second_make_horizons_longer():
    assert moments(trace(1000), 0.1)["undo.60s"] == pytest.approx((0.35 + 1.0) / 2)


def test_a_tracker_sees_what_traders_rebuild_and_nothing_else():
    scenario = crash(
        kinds={
            "flipper": {"rebuild_latency_log_mean": 1.0, "rebuild_latency_log_sd": 0.0},
            **{
                name: {"rebuild_share": 0.0, "sits_out": True, "leave_hazard": 0.0}
                for name in ("passive", "leveraged", "whale")
            },
        }
    )
    seen = 0
    for seed in range(1, 9):
        world = new_world(scenario, seed)
        engine = Engine(world, compose("hyperliquid", PRESETS["hyperliquid"]))
        engine.watcher = tracker = Tracker()
        engine.run_to(scenario.time.steps)
        found = tracker.trace()
        flat = engine.world.crowd.traders["mood"] >= 0
        assert flat.all()
        if not len(found.step):
            continue
        kind = engine.world.crowd.traders["kind"][found.trader]
        again = reactions(found, 10)
        _, first = np.unique(found.trader, return_index=True)
        flippers = kind[first] == list(scenario.kinds).index("flipper")
        known = ~np.isnan(again.traded)
        seen += int((known & flippers).sum())
        whole = np.abs(found.lots) > 0
        assert whole.all()
        assert again.traded[known & flippers].sum() > 0 or not (known & flippers).any()
    assert seen > 0
