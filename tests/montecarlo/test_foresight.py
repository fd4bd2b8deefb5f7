"""When accounts are looked at, and what the row of a run says of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.engine import Engine, policy_of
from abm.montecarlo.foresight import Look, Looks
from abm.montecarlo.plan import Plan
from abm.montecarlo.ways import run_one
from tests import crashes


def past(seed=1, **over):
    scenario = crashes.crash(**over)
    engine = Engine(genesis.new_world(scenario, seed), policy_of(scenario, "hyperliquid"))
    return engine, scenario.time.steps


@pytest.mark.parametrize("every_s", [1.0, 5.0, 10.0, 1000.0])
def test_the_look_is_the_last_on_its_clock_that_is_early_enough(every_s):
    engine, steps = past()
    looks = Looks(engine.world, every_s)
    assert looks.run_to_wave(engine, steps)
    look = looks.run_to_first_call(engine, steps)
    assert len(engine.record.calls) == 1
    wanted = every_s * max(engine.now_s // every_s - 1, 0)
    assert look.wave.now_s == wanted
    assert look.wave.now_s + every_s <= engine.now_s or look.wave.now_s == 0.0


def test_looking_changes_nothing():
    looked, steps = past()
    Looks(looked.world, 5.0).run_to_wave(looked, steps)
    alone, _ = past()
    alone.run_to(steps, stop_at_wave=True)
    for name, array in w.arrays(looked.world).items():
        assert (array == w.arrays(alone.world)[name]).all(), name


def test_a_look_is_of_its_time_not_of_the_wave():
    engine, steps = past()
    start = Look(engine.world).wave
    looks = Looks(engine.world, 1000.0)
    looks.run_to_wave(engine, steps)
    look = looks.run_to_first_call(engine, steps)
    for name in ("candidates", "mark", "open_interest"):
        assert (getattr(look.wave, name) == getattr(start, name)).all()
    assert (look.wave.mark != engine.world.markets.state["mark"]).any()


def test_a_run_without_a_wave_has_no_look():
    engine, steps = past(shocks=[], time={"duration_s": 20.0})
    looks = Looks(engine.world, 5.0)
    assert not looks.run_to_wave(engine, steps)
    assert looks.run_to_first_call(engine, steps) is None


@pytest.fixture(scope="module")
def rows():
    scenario = crashes.crash(
        run={"policies": ["hyperliquid", "pro-rata", "none"]},
        outputs={"lights_every_s": 5.0, "nudges_of_first_runs": 1},
    )
    plan = Plan.of(scenario)
    policies = [policy_of(scenario, name) for name in plan.policies]
    tables = [list(run_one(plan, run, policies)) for run in (0, 1)]
    return [[one["runs"].to_pylist()[0] for one in run] for run in tables]


def test_runs_tell_how_well_it_could_be_seen_coming(rows):
    for run in rows:
        for row in run[:2]:
            assert -1.0 <= row["predict_spearman"] <= 1.0
            assert -1.0 <= row["predict_kendall"] <= 1.0
            assert 0.0 <= row["predict_brier"] <= 1.0
            assert 0.0 <= row["predict_coverage"] <= 1.0


def test_where_nobody_is_touched_nothing_is_told(rows):
    for run in rows:
        found = [run[2][f"predict_{name}"] for name in ("spearman", "brier", "coverage")]
        assert all(map(math.isnan, found))
        assert run[2]["jump_moved"] is None


def test_only_the_first_runs_are_nudged(rows):
    first, second = rows
    assert all(0.0 <= row["jump_moved"] <= 1.0 for row in first[:2])
    assert all(np.isfinite(row["jump_per_usd"]) for row in first[:2])
    assert all(row["jump_moved"] is None for row in second)


def test_a_policy_that_cannot_say_leaves_the_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shy.py").write_text(
        "def rank(wave, payers):\n"
        "    if wave.short_account[0] < 0:\n"
        "        raise ValueError('not yet')\n"
        "    return payers.capacity.astype(float)\n"
    )
    shy = {"rule": "queue", "score": "shy.py:rank"}
    scenario = crashes.crash(
        policies={"shy": {"preset": "hyperliquid", "allocation": shy}},
        run={"policies": ["shy"]},
    )
    (tables,) = run_one(Plan.of(scenario), 0, [policy_of(scenario, "shy")])
    row = tables["runs"].to_pylist()[0]
    assert not row["failed"]
    assert row["adl_accounts"] > 0
    assert math.isnan(row["predict_brier"])
