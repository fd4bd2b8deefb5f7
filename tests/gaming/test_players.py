"""Strategies in whole runs: money, groups, pairs, failures, the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm import scenario as scenarios
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.gaming.players import Players
from abm.gaming.strategies import STRATEGIES
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from abm.montecarlo.store import Batch
from abm.montecarlo.verify import verify
from abm.scenario import BUILT_IN_STRATEGIES, ScenarioError
from abm.world import NONE
from tests import crashes
from tests.gaming.small import POLICIES, runs_of, three_markets
from tests.montecarlo.test_runner import contents

ALL = dict.fromkeys(STRATEGIES, 0.11)


def _playing(scenario, **gaming):
    given = scenario.resolved() | {"gaming": {"play": ALL} | gaming}
    return scenarios.from_mapping(given)


def _run(scenario, policy, seed=7):
    world = genesis.new_world(scenario, seed)
    engine = Engine(world, compose(policy, PRESETS[policy]), paranoid=True)
    engine.players = Players(scenario, engine.world)
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine


@pytest.fixture(scope="module")
def played():
    """Tables of a crash in which everybody plays something, by policy."""
    return runs_of(_playing(three_markets()))


def test_the_built_in_names_of_a_scenario_are_those_of_the_registry():
    assert tuple(STRATEGIES) == BUILT_IN_STRATEGIES


@pytest.mark.parametrize("seed", range(5))
def test_money_and_lots_hold_at_every_step_while_all_strategies_play(seed):
    scenario = _playing(crashes.anything(seed), every_s=5.0)
    engine = _run(scenario, list(PRESETS)[seed % len(PRESETS)])
    assert int(engine.world.clock[0]["step"]) == scenario.time.steps


def test_all_strategies_do_something_in_a_crash(played):
    busy = played["hyperliquid"]["players"].set_index("group")
    moved = busy["volume_usd"] + busy["outside_money_usd"]
    assert (moved[list(STRATEGIES)].drop("withdraw-gains") > 0.0).all(), busy
    assert busy["traders"].sum() == busy.loc["makers", "traders"] + 400


def test_the_baseline_has_the_same_groups_and_nobody_plays(played):
    honest = runs_of(_playing(three_markets(), honest=True))
    plain = runs_of(three_markets())
    for policy in POLICIES:
        here, there = played[policy]["players"], honest[policy]["players"]
        same = ["group", "traders", "wealth_start_usd", "share", "adopters"]
        assert here[same].equals(there[same])
        assert set(there["strategy"]) == {"honest"}
        assert there["volume_usd"].sum() == 0.0
        mine, theirs = (runs[policy]["runs"].iloc[0] for runs in (honest, plain))
        assert mine["deficit_quanta"] == theirs["deficit_quanta"]
        assert mine["fees_usd"] == theirs["fees_usd"]
        assert (mine["strategy"], theirs["strategy"]) == ("honest", "")


def test_groups_nest_and_do_not_depend_on_who_plays_what():
    scenario = three_markets()
    world = genesis.new_world(scenario, 3)

    def traders(**play):
        given = scenario.resolved() | {"gaming": {"play": play}}
        return Players(scenarios.from_mapping(given), world).groups

    few, many = traders(split=0.1), traders(split=0.4)
    others = traders(**{"reset-entry": 0.1, "split": 0.3})
    assert set(np.flatnonzero(few == 0)) < set(np.flatnonzero(many == 0))
    assert np.array_equal(few == 0, others == 0)
    assert np.array_equal(many == NONE, others == NONE)
    holders = np.unique(world.ledger.accounts["trader"][
        (world.ledger.accounts["first_position"] != NONE)
        & (world.ledger.accounts["trader"] != NONE)
    ])  # fmt: skip
    assert set(np.flatnonzero(many == 0)) <= set(holders)
    assert abs((many[holders] == 0).mean() - 0.4) < 0.15


def test_the_table_adds_up_over_everybody(played):
    for policy in POLICIES:
        rows, run = played[policy]["players"], played[policy]["runs"].iloc[0]
        assert rows["fees_usd"].sum() >= run["fees_usd"] - 1.0
        hit = played[policy]["haircuts"]
        makers = hit.loc[hit["kind"] == "maker", "amount_usd"].sum()
        total = rows["adl_loss_usd"].sum()
        house = hit.loc[hit["kind"].isin(["backstop", "insurance"]), "amount_usd"].sum()
        assert total + house == pytest.approx(hit["amount_usd"].sum(), abs=1e-3)
        assert rows.set_index("group").loc["makers", "adl_loss_usd"] == pytest.approx(
            makers, abs=1e-3
        )


def test_a_batch_with_players_has_the_same_bytes_with_two_workers_and_verifies(tmp_path):
    run = {"runs": 4, "block": 2, "policies": ["hyperliquid", "pro-rata"]}
    over = {"run": run, "outputs": {"counterfactual_of_first_runs": 1}}
    plan = Plan.of(_playing(three_markets(**over)))
    for workers in (1, 2):
        run_batch(plan, tmp_path / str(workers), workers=workers, quiet=True)
    one, two = (contents(tmp_path / name) for name in "12")
    assert one == two
    assert verify(tmp_path / "1").findings == []
    rows = Batch(tmp_path / "1").table("players").to_pandas()
    assert len(rows) == 4 * 2 * (len(STRATEGIES) + 2)


MINE = """
from abm.desk.actions import Actions

def act(view, memory, share=0.5):
    actions = Actions()
    held = view.positions
    {body}
    return actions
"""


def _own(tmp_path, monkeypatch, body):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(body=body))
    given = three_markets().resolved() | {
        "strategies": {"mine": {"rule": "mine.py:act", "share": 0.25}},
        "gaming": {"play": {"mine": 0.5}},
    }
    return runs_of(scenarios.from_mapping(given))


def test_a_strategy_of_ones_own_plays_with_its_parameters(tmp_path, monkeypatch):
    body = (
        "actions.order(held['account'], held['market'], "
        "(-share * held['lots']).astype(int), reduce_only=True)"
        " if view.now_s == 0 and len(held) and (abs(held['lots']) > 3).all() else None"
    )
    tables = _own(tmp_path, monkeypatch, body)
    rows = tables["none"]["players"].set_index("group")
    assert rows.loc["mine", "traders"] > 20
    assert not tables["none"]["runs"]["failed"].any()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("actions.withdraw(held['account'], 10**15)", "are free"),
        ("actions.withdraw(0, 1)", "withdraw: account 0 is not one's own"),
        ("actions.deposit(held['account'], float('nan'))", "amount = nan must be a whole"),
        ("raise ValueError('no idea')", "raised ValueError: no idea"),
        ("raise SystemExit(3)", "must not end the program"),
        ("return None", "must answer with Actions, not NoneType"),
        ("view.positions['lots'][:] = 0", "read-only"),
    ],
)
def test_a_strategy_that_fails_fails_its_run_alone_and_says_when(
    tmp_path, monkeypatch, body, reason
):
    tables = _own(tmp_path, monkeypatch, body)
    for policy in POLICIES:
        row = tables[policy]["runs"].iloc[0]
        assert row["failed"]
        assert row["error"].startswith("strategy 'mine', 0 s: ")
        assert reason in row["error"]
        assert row["strategy"] == "mine"
        assert not len(tables[policy]["players"])


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"gaming": {"play": {"reset-enrty": 0.1}}}, "did you mean reset-entry?"),
        ({"gaming": {"play": {"split": 0.6, "extract": 0.6}}}, "must sum to 1 at most"),
        ({"gaming": {"kinds": ["wale"]}}, "did you mean whale?"),
        ({"strategies": {"mine": {"gain": 0.1}}}, "strategies.mine.rule"),
        ({"strategies": {"others": {"rule": "split"}}}, "must have another name"),
        (
            {"gaming": {"play": {"split": 0.1}}, "episodes": {"count": 2}},
            "must be 1 while strategies play",
        ),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused_in_one_line(over, words):
    with pytest.raises(ScenarioError, match=r"\w") as caught:
        scenarios.from_mapping(three_markets().resolved() | over)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
