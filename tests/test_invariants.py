"""What must hold in every world, whatever happens in it."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.venue.margin import health
from tests import crashes


def _run(scenario, policy, paranoid=True):
    engine = Engine(
        genesis.new_world(scenario, 7), compose(policy, PRESETS[policy]), paranoid=paranoid
    )
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine


@pytest.mark.parametrize("seed", range(20))
def test_money_lots_and_books_hold_at_every_step_of_random_scenarios(seed):
    scenario = crashes.anything(seed)
    policy = list(PRESETS)[seed % len(PRESETS)]
    engine = _run(scenario, policy)
    assert int(engine.world.clock[0]["step"]) == scenario.time.steps


@pytest.mark.parametrize("seed", range(8))
def test_no_unsound_account_is_overlooked(seed):
    scenario = crashes.anything(100 + seed)
    engine = Engine(
        genesis.new_world(scenario, 3), compose("pro-rata", PRESETS["pro-rata"])
    )
    for done in range(1, scenario.time.steps + 1):
        engine.run_to(done)
        world = engine.world
        touched = world.ledger.accounts["touched"] != 0
        for account in np.flatnonzero((world.ledger.accounts["watched"] == 0) & ~touched):
            if world.ledger.accounts[account]["kind"] in (w.BACKSTOP, w.INSURANCE):
                continue
            equity, maintenance, _ = health(
                world.ledger, world.risk, world.markets, account
            )
            assert equity >= maintenance, f"account {account} at step {done}"


def test_the_random_scenarios_do_reach_every_rung_and_adl():
    rungs, fills, haircuts = set(), 0, 0
    for seed in range(20):
        policy = ("hyperliquid", "pro-rata")[seed % 2]
        engine = _run(crashes.anything(seed), policy, paranoid=False)
        for rows in engine.record.liquidations:
            rungs |= set(rows["rung"].tolist())
        fills += sum(len(call.outcome.fills) for call in engine.record.calls)
        haircuts += sum(len(call.outcome.haircuts) for call in engine.record.calls)
    assert rungs >= {0, 1, 2, 5}
    assert fills > 100
    assert haircuts > 100


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    scenario = crashes.crash()
    runs = [_run(scenario, "hyperliquid", paranoid=False).world for _ in range(2)]
    for name, array in w.arrays(runs[0]).items():
        assert np.array_equal(array, w.arrays(runs[1])[name]), name
    other = Engine(genesis.new_world(scenario, 8), compose("none", PRESETS["none"]))
    other.run_to(scenario.time.steps)
    assert not np.array_equal(other.world.markets.state, runs[0].markets.state)


def test_a_fork_shares_the_past_and_nothing_else():
    scenario = crashes.crash()
    past = Engine(genesis.new_world(scenario, 1), compose("none", PRESETS["none"]))
    past.run_to(60)
    before = past.world.ledger.accounts.copy()
    fork = past.fork(compose("pro-rata", PRESETS["pro-rata"]))
    fork.run_to(scenario.time.steps)
    assert np.array_equal(past.world.ledger.accounts, before)
    past.run_to(scenario.time.steps)
    alone = Engine(genesis.new_world(scenario, 1), compose("none", PRESETS["none"]))
    alone.run_to(scenario.time.steps)
    assert np.array_equal(alone.world.ledger.accounts, past.world.ledger.accounts)


def test_index_prices_do_not_depend_on_the_policy_when_nothing_feeds_back():
    scenario = crashes.crash(oracle={"feedback": 0.0})
    paths = [
        _run(scenario, policy, paranoid=False).world.markets.state["log_index"].tolist()
        for policy in PRESETS
    ]
    assert paths[0] == paths[1] == paths[2]
