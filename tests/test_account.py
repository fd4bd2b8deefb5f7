"""An account of one's own: what may be said of it, and what its being there changes."""

from __future__ import annotations

import numpy as np
import pytest

from abm import account, genesis
from abm import world as w
from abm.account import load, open_in
from abm.engine import Engine, policy_of
from abm.scenario import ScenarioError
from abm.venue.margin import equity_of
from tests.worlds import tiny_scenario

SHORT = "market=ONE,side=short,notional_usd=5000,leverage=5"


def opened(text=SHORT, seed=1, **over):
    scenario = tiny_scenario(*(f"{key}={value}" for key, value in over.items()))
    return *open_in(genesis.new_world(scenario, seed), load([text]), scenario), scenario


def test_an_account_has_what_was_said():
    world, number, _ = opened("market=ONE,side=short,size=12.5,leverage=5,entry_usd=440")
    (row,) = world.ledger.positions[world.ledger.positions["account"] == number]
    assert (row["lots"], row["cost"]) == (-12_500, -5_500_000_000)
    assert world.ledger.accounts["cash"][number] == 1_100_000_000
    profit = 12_500 * (4400 - 4000) * 100
    assert equity_of(world.ledger, world.markets, number) == 1_100_000_000 + profit


def test_money_and_lots_still_balance():
    world, number, scenario = opened()
    w.check(world)
    engine = Engine(world, policy_of(scenario, "hyperliquid"), paranoid=True)
    engine.run_to(20)
    w.check(engine.world)
    assert engine.world.ledger.accounts["kind"][number] == w.USER


def test_two_positions_share_one_collateral():
    both = load([SHORT, "market=TWO,side=long,size=1,collateral_usd=100"])
    assert len(both.positions) == 2
    assert both.with_collateral(1.1).positions[1].collateral_usd == pytest.approx(110)
    assert both.with_collateral(1.25).positions[0].leverage == pytest.approx(4)


def test_nobody_else_notices_until_something_happens_to_it():
    scenario = tiny_scenario("time.duration_s=60")
    alone = Engine(genesis.new_world(scenario, 3), policy_of(scenario, "none"))
    world, _, _ = opened(seed=3)
    beside = Engine(world, policy_of(scenario, "none"))
    for engine in (alone, beside):
        engine.run_to(60)
    old, new = alone.world, beside.world
    others = len(old.ledger.accounts)
    assert (new.ledger.accounts[:others]["cash"] == old.ledger.accounts["cash"]).all()
    assert (new.markets.state == old.markets.state).all()
    held = slice(len(genesis.new_world(scenario, 3).ledger.positions))
    assert (new.ledger.positions[held] == old.ledger.positions[held]).all()


def test_it_is_liquidated_like_anybody():
    world, number, scenario = opened("market=ONE,side=long,notional_usd=5000,leverage=20")
    engine = Engine(world, policy_of(scenario, "none"))
    engine.run_to(1)
    engine.world.ledger.accounts["cash"][number] -= 200_000_000
    engine.world.ledger.pots["withdrawals"] += 200_000_000
    w.touch(engine.world.ledger, number)
    engine.run_to(10)
    rows = np.concatenate(engine.finish().liquidations)
    assert number in rows["account"]


BAD = [
    (["market=ONE,side=up,size=1,leverage=2"], "side"),
    (["market=ONE,side=long,size=1"], "leverage"),
    (["market=ONE,side=long,leverage=2"], "notional_usd"),
    (["market=ONE,side=long,size=1,notional_usd=5,leverage=2"], "notional_usd"),
    (["market=ONE,side=long,size=-1,leverage=2"], "size"),
    (["market=ONE,side=long,size=1,leverage=2,colour=red"], "colour"),
    (["market=ONE,side"], "KEY=VALUE"),
    (["market=ONE,market=ONE"], "market is there twice"),
    ([SHORT, SHORT], "twice"),
    ([SHORT, "account.toml"], "not both"),
    (["nowhere.toml"], "nowhere.toml"),
]


@pytest.mark.parametrize(("given", "names"), BAD)
def test_what_makes_no_account_is_named(given, names):
    with pytest.raises(ScenarioError, match=names.replace("(", r"\(")) as caught:
        load(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("market=SIX,side=long,size=1,leverage=2", "market = 'SIX'"),
        ("market=ONE,side=long,size=1e-9,leverage=2", "at least one lot"),
        ("market=ONE,side=long,notional_usd=1e12,leverage=2", "at most"),
        ("market=ONE,side=long,notional_usd=1e4,leverage=30", "initial margin"),
        ("market=ONE,side=long,size=10,leverage=5,entry_usd=900", "initial margin"),
    ],
)
def test_what_the_venue_would_not_open_is_named(text, names):
    with pytest.raises(ScenarioError, match=names):
        opened(text)


def test_a_file_says_the_same_as_the_option(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[positions]]\nmarket = "ONE"\nside = "short"\nnotional_usd = 5000\nleverage = 5\n'
    )
    assert load([str(path)]) == load([SHORT])
    path.write_text('[[positions]]\nmarket = "ONE"\nside = "short"\n')
    with pytest.raises(ScenarioError, match=r"mine\.toml: positions"):
        load([str(path)])


def test_the_option_names_itself():
    assert account.OPTION == "--account"
