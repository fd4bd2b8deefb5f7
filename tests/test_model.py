"""The Mesa model: stepping, own agents, batch runs."""

from __future__ import annotations

import mesa
import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.gaming.players import players_of
from abm.model import Group, StressModel, Trader
from tests import crashes


class DipBuyer(Trader):
    """Buys once when the mark has fallen by a tenth."""

    def step(self):
        if self.venue.quote("X").mark < 900 and not self.position("X"):
            self.buy("X", 2.0)


class Quoter(Trader):
    """Keeps one bid a little below the mark."""

    def step(self):
        price = self.venue.quote("X").mark * 0.999
        self.buy("X", 0.5, price, post_only=True, cancel_first=True)


def _run(model):
    while model.running:
        model.step()
    return model


def test_the_model_runs_as_the_engine_does():
    scenario = crashes.crash()
    model = _run(StressModel(scenario, "pro-rata", seed=5))
    engine = Engine(
        genesis.new_world(scenario, 5), compose("pro-rata", PRESETS["pro-rata"])
    )
    engine.run_to(scenario.time.steps)
    for name, array in w.arrays(engine.world).items():
        assert np.array_equal(array, w.arrays(model.world)[name]), name


def test_an_idle_trader_changes_nobody_elses_draws():
    scenario = crashes.crash()
    alone = _run(StressModel(scenario, "none", seed=5))
    model = StressModel(scenario, "none", seed=5)
    Trader(model, 100.0)
    _run(model)
    assert np.array_equal(alone.world.markets.state, model.world.markets.state)


def test_a_users_trader_buys_the_dip_and_money_is_conserved():
    model = StressModel(crashes.crash(), seed=5)
    buyer, quoter = DipBuyer(model, 5000.0), Quoter(model, 5000.0)
    _run(model)
    assert buyer.position("X") == pytest.approx(2.0) or buyer.equity_usd < 5000
    assert quoter.position("X") > 0
    w.check(model.world)


def test_the_agents_are_the_kinds_the_makers_and_the_users_own():
    model = StressModel(crashes.crash(), seed=1)
    DipBuyer(model)
    names = [agent.name for agent in model.agents if isinstance(agent, Group)]
    assert names == ["passive", "leveraged", "flipper", "whale", "makers of X"]
    assert sum(g.size for g in model.agents if isinstance(g, Group)) == 150 + 5
    assert len(model.agents.select(agent_type=Trader)) == 1


def test_an_interval_of_ten_steps_collects_a_tenth_of_the_rows_of_the_same_run():
    scenario = crashes.crash()
    rows = []
    for interval in (1.0, 10.0):
        model = _run(StressModel(scenario, seed=2, interval_s=interval))
        rows.append(model.datacollector.get_model_vars_dataframe())
    assert len(rows[0]) == 150
    assert len(rows[1]) == 15
    assert rows[0].iloc[-1].equals(rows[1].iloc[-1])


def test_mesas_batch_run_works_on_the_model():
    grid = {"policy": ["none", "pro-rata"], "seed": [1, 2], "interval_s": 50.0}
    found = mesa.batch_run(
        StressModel,
        grid | {"scenario": [crashes.crash()]},
        number_processes=1,
        data_collection_period=-1,
        display_progress=False,
    )
    assert {(row["policy"], row["seed"]) for row in found} == {
        ("none", 1), ("none", 2), ("pro-rata", 1), ("pro-rata", 2),
    }  # fmt: skip
    assert all(row["time_s"] == 150.0 for row in found)


def test_money_that_is_bound_cannot_be_withdrawn():
    model = StressModel(crashes.crash(), seed=1)
    buyer = DipBuyer(model, 100.0)
    with pytest.raises(ValueError, match="free"):
        buyer.withdraw(101.0)
    buyer.withdraw(40.0)
    assert buyer.equity_usd == pytest.approx(60.0)
    w.check(model.world)


def test_orders_that_cannot_be_are_refused_in_words():
    model = StressModel(crashes.crash(), seed=1)
    buyer = DipBuyer(model, 100.0)
    with pytest.raises(ValueError, match="no market 'Y': there are X"):
        buyer.buy("Y", 1.0)
    with pytest.raises(ValueError, match="below one lot"):
        buyer.buy("X", 0.001)


def test_players_of_the_scenario_are_given_from_outside():
    given = crashes.crash(gaming={"play": {"split": 0.5}})
    with pytest.raises(ValueError, match="needs players_of="):
        StressModel(given, seed=1)
    model = StressModel(given, seed=1, players_of=players_of)
    assert model.engine.players is not None
    assert StressModel(crashes.crash(), seed=1).engine.players is None
