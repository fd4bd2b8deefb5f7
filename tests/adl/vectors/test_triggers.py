"""When ADL is due."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl import severity
from abm.adl.compose import PRESETS, compose
from abm.engine import equipped
from abm.venue.fund import watch_fund
from tests.adl.vectors.cases import Case, cases
from tests.adl.vectors.worlds import (
    FUND,
    hold,
    venue,
    wave_of,
)
from tests.adl.waves import candidates, everyone, wave


@cases("drawdown")
def test_a_fall_of_the_fund_calls_adl_as_at_bybit(case: Case) -> None:
    world = venue({"X": {"price": 100.0, "maintenance": 0.05}})
    policy = compose("bybit", PRESETS["bybit"])
    hold(world, FUND, case["funds"][0])
    world = equipped(world, [policy])
    for fund in case["funds"]:
        world.clock["now_ms"] += 60_000
        world.ledger.accounts["cash"][FUND] = round(fund * 1e6)
        watch_fund(world)
    wave = wave_of(world, policy)
    assert wave.is_alarmed == case["acts"]
    assert policy.decide(wave).acted == case["acts"]
    assert wave.total_deficit == round(case.get("sized", 0.0) * 1e6)


@cases("profit against the pool")
def test_adl_is_due_strictly_above_the_largest_factor_as_at_gmx(case: Case) -> None:
    trigger_ = {"rule": "pool-factor", "above": case["maximum"]}
    policy = compose("gmx", {"preset": "gmx", "trigger": trigger_})
    owed = case["size"] * (case["price"] - case["entry"])
    now = wave(
        candidates([]), deficit=np.array([round(owed * 1e6)]),
        insurance=round(case["pool"] * 1e6),
    )  # fmt: skip
    assert policy.trigger(now, ()) == case["is_due"]
    if "closed" in case:
        # Half of the position leaves half of the factor.
        whole = case["size"] * case["entry"]
        factor = owed / case["pool"] * case["left"] / whole
        share_ = severity.pool_factor(down_to=factor)(now, everyone(candidates([])), ())
        assert share_ * whole == pytest.approx(case["closed"])
