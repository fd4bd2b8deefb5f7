"""What is said per second must not depend on the length of a step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abm.engine import Engine, policy_of
from abm.genesis import new_world
from abm.world import World
from tests.worlds import tiny_scenario

STEPS_S = (0.1, 1.0, 5.0)
SECOND = math.sqrt(1.0 / 86_400.0)

# Gaussian noise of steady volatility, and a crowd too poor to move anything.
QUIET = (
    "oracle.degrees=1e6",
    "oracle.log_volatility_sd=0",
    "oracle.feedback=0",
    "population.equity_median_usd=20",
    "population.equity_cap_usd=100",
    "population.equity_tail_share=0",
)


def at(step_s: float, until_s: float, *overrides: str, seed: int = 1) -> World:
    """A world after some time, in which one step has that length."""
    scenario = tiny_scenario(
        *QUIET, f"time.step_s={step_s}", f"time.duration_s={until_s}", *overrides
    )
    engine = Engine(new_world(scenario, seed), policy_of(scenario, "none"))
    engine.run_to(scenario.time.steps)
    return engine.world


def drift(log_return: float, duration_s: float) -> str:
    return f"shocks=[{{start_s=0,duration_s={duration_s},log_return={log_return}}}]"


def fear(world: World) -> float:
    spec, state = world.markets.specs[0], world.markets.state[0]
    return float(math.sqrt(state["variance"]) / spec["step_volatility"])


@pytest.mark.parametrize("step_s", [0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_a_steady_fall_is_as_frightening_at_any_step(step_s):
    still = "markets.ONE.daily_volatility=0.01"
    world = at(step_s, 100, still, drift(-0.5, 120), "makers.fear_halflife_s=5")
    assert fear(world) == pytest.approx(0.5 / 120 / (0.01 * SECOND), rel=0.03)


@pytest.mark.parametrize("step_s", STEPS_S)
def test_noise_and_drift_add_up_to_the_variance_of_returns_of_a_second(step_s):
    fall = -2.0 * 0.04 * SECOND * 2000
    long = "makers.fear_halflife_s=1000"
    found = [
        fear(at(step_s, 2000, drift(fall, 2000), long, seed=seed)) ** 2
        for seed in range(1, 4)
    ]
    # It begins at 1 and has three quarters of the way to 1 + 2 ** 2 behind it.
    assert np.mean(found) == pytest.approx(4.0, rel=0.15)


def test_what_comes_at_once_frightens_by_its_whole_square():
    sudden = drift(-0.05, 0)
    expected = 0.05**2 / (0.04 * SECOND) ** 2
    for step_s in (1.0, 5.0):
        weight = 1.0 - 0.5 ** (step_s / 30.0)
        squared = fear(at(step_s, step_s, sudden)) ** 2 * step_s
        assert squared == pytest.approx(expected * weight, rel=0.05)


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_steady_fall_is_as_much_of_a_trend_at_any_step(step_s):
    world = at(step_s, 300, drift(-0.5, 300))
    signal = world.markets.state["trend"][0] / world.markets.specs["trend_scale"][0]
    expected = -0.5 / 300 * 60 / math.log(2.0) / (0.04 * SECOND * 8.0)
    assert signal == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("step_s", STEPS_S)
def test_afraid_makers_leave_at_the_same_rate_at_any_step(step_s):
    settled = 0.5 / 120 / (0.01 * SECOND)
    world = at(
        step_s, 100, "markets.ONE.makers=64", "markets.ONE.daily_volatility=0.01",
        drift(-0.5, 120), "makers.fear_halflife_s=1", "makers.exit_loss=1",
        "makers.requote_s=2", f"makers.exit_fear={settled / 2}",
        "makers.exit_rate_per_s=0.01", "makers.return_halflife_s=1e6",
    )  # fmt: skip
    away = np.mean(world.makers.makers["away_until_ms"] > 0)
    # About four standard deviations of a share of 64.
    assert away == pytest.approx(1.0 - math.exp(-0.01 * 100), abs=0.24)
