"""What traders do after ADL, counted by hand and followed in a run."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.genesis import new_world
from abm.measures.reactions import Trace, Tracker, moments, reactions
from abm.measures.watch import Together
from abm.world import NONE
from tests.crashes import crash

HYPERLIQUID = PRESETS["hyperliquid"]

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


class Snapshots:
    """Every position after every step, by (account, market)."""

    marks_until = -1

    def __init__(self):
        self.held = []

    @property
    def due(self):
        return len(self.held)

    def answered(self, world, call):
        pass

    def began(self, world):
        pass

    def look(self, world, step):
        rows = world.ledger.positions
        live = rows[rows["account"] != NONE]
        keys = zip(live["account"].tolist(), live["market"].tolist(), strict=True)
        self.held.append(dict(zip(keys, live["lots"].tolist(), strict=True)))


def followed(scenario, seed):
    """A run's trace, its engine, and all positions after every step."""
    engine = Engine(new_world(scenario, seed), compose("hyperliquid", HYPERLIQUID))
    tracker, snapshots = Tracker(), Snapshots()
    engine.watcher = Together([snapshots, tracker])
    engine.run_to(scenario.time.steps)
    return tracker.trace(), engine, snapshots.held


REBUILDERS = {
    "passive": {"rebuild_share": 0.6, "rebuild_latency_log_mean": 1.0, "sits_out": True},
    "flipper": {"rebuild_share": 1.0, "rebuild_orders": 3, "rebuild_pause_s": 2.0},
}


def test_a_tracker_sees_every_change_that_is_not_adl():
    found, engine, held = followed(crash(kinds=REBUILDERS), 3)
    assert min(len(found.step), len(found.when)) > 10
    closed, begun = Counter(), {}
    for call in engine.record.calls:
        step = round(call.wave.now_s)
        for fill in call.outcome.fills:
            key = int(fill["account"]), int(fill["market"])
            begun.setdefault(key, step)
            closed[step, key] += int(fill["lots"])
    expected = sorted(
        (step, held[step].get(key, 0) - held[step - 1].get(key, 0) + closed[step, key])
        for key, first in begun.items()
        for step in range(first + 1, len(held))
    )
    moved = zip(found.when.tolist(), found.moved.tolist(), strict=True)
    assert sorted(moved) == [(step, lots) for step, lots in expected if lots]
    assert found.lots.sum() == sum(closed.values())


def test_who_sits_out_does_nothing_after_adl_unless_it_rebuilds():
    # A limit order that it sent before may still be filled, so it sends none.
    still = {"rebuild_share": 0.0, "sits_out": True, "leave_hazard": 0.0,
             "market_order_share": 1.0}  # fmt: skip
    kinds = {name: dict(still) for name in ("passive", "leveraged", "flipper", "whale")}
    seen = 0
    for seed in (3, 4, 5):
        found, engine, _ = followed(crash(kinds=kinds), seed)
        _, row = np.unique(found.trader, return_inverse=True)
        only_once = np.bincount(row)[row] == 1
        flat = _closed_in_full(engine, found) & only_once
        seen += int(flat.sum())
        assert np.nansum(reactions(found, 20).traded[row[flat]]) == 0.0
    assert seen > 20


def _closed_in_full(engine, found):
    """Which events closed the whole position, by trader and lots."""
    trader = engine.world.ledger.accounts["trader"]
    whole = {
        (int(trader[fill["account"]]), int(fill["lots"]))
        for call in engine.record.calls
        for fill in call.outcome.fills
        if fill["lots"] == fill["held"]
    }
    pairs = zip(found.trader.tolist(), found.lots.tolist(), strict=True)
    return np.array([pair in whole for pair in pairs])


def test_the_odds_to_rebuild_grow_with_what_was_closed():
    habits = {"rebuild_share": 0.3, "rebuild_latency_log_sd": 0.0, "sits_out": True,
              "rebuild_latency_log_mean": 1.0, "leave_hazard": 0.0}  # fmt: skip
    shares = []
    for slope in (0.0, 2.0):
        given = habits | {"rebuild_notional_slope": slope}
        kinds = {name: dict(given) for name in ("passive", "leveraged", "flipper", "whale")}
        small = large = np.zeros(0)
        for seed in (3, 4, 5, 6):
            found, engine, _ = followed(crash(kinds=kinds), seed)
            rebuilt = engine.world.crowd.traders["rebuilt"][found.trader] > 0
            usd = found.notional / 1e6
            small = np.append(small, rebuilt[usd < 300.0])
            large = np.append(large, rebuilt[usd > 5_000.0])
        shares.append((small.mean(), large.mean()))
    assert shares[1][0] < 0.15 < 0.7 < shares[1][1]
    assert abs(shares[0][0] - shares[0][1]) < 0.3
