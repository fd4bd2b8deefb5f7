"""What becomes of an account: against counts by hand, identities, and the impossible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm import genesis, step
from abm import scenario as scenarios
from abm.account import load, open_in
from abm.engine import Engine, policy_of, policy_table
from abm.exposure.most import stated_most
from abm.exposure.question import Question, exposure
from abm.exposure.twins import equities, median_holder, twins
from abm.venue.margin import equity_of

MINIMAL = str(Path(__file__).parent.parent.parent / "configs" / "minimal.toml")
SHORT = load(["market=ETH,side=short,notional_usd=50000,leverage=5"])
POLICIES = ("hyperliquid", "pro-rata", "none")
RUNS = 6


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load(MINIMAL)


@pytest.fixture(scope="module")
def fates(scenario):
    return exposure(Question(scenario, SHORT, POLICIES), RUNS, workers=1, quiet=True)


def by_hand(scenario, policy, seed, account=SHORT):
    """The finished engine of one run under one policy alone, and the account's number."""
    world, number = open_in(genesis.new_world(scenario, seed), account, scenario)
    engine = Engine(world, policy_of(scenario, policy), scenario.run.wave_gap_s)
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine, number


def test_touched_closed_and_lost_are_what_one_counts_by_hand(scenario, fates):
    for policy in POLICIES:
        told = fates[fates["policy"] == policy].set_index("run")
        for run in range(RUNS):
            engine, number = by_hand(scenario, policy, scenario.run.seed + run)
            lost = hits = 0
            for call in engine.record.calls:
                fills, cuts = call.outcome.fills, call.outcome.haircuts
                for fill in fills[fills["account"] == number]:
                    lot = call.wave.mark[fill["market"]] * call.wave.unit[fill["market"]]
                    lost += int(fill["lots"] * lot - fill["value"] - fill["collateral"])
                    hits += 1
                lost += int(cuts["amount"][cuts["account"] == number].sum())
                hits += int((cuts["account"] == number).sum())
            row = told.loc[run]
            assert row["touched"] == (hits > 0)
            assert row["haircut_usd"] == pytest.approx(lost / 1e6)
            end = engine.world
            is_flat = end.ledger.accounts["first_position"][number] == -1
            assert row["closed_in_full"] == (is_flat and policy == "hyperliquid")
            equity = int(equity_of(end.ledger, end.markets, number))
            assert row["equity_end_usd"] == pytest.approx(equity / 1e6)


def test_somebody_is_hit_under_each_rule_that_takes_and_nobody_under_none(fates):
    touched = fates.groupby("policy")["touched"].mean()
    assert touched["hyperliquid"] > 0.5
    assert touched["pro-rata"] > 0.5
    assert touched["none"] == 0.0
    assert (fates.loc[fates["policy"] == "none", "haircut_usd"] == 0.0).all()


def test_a_haircut_is_never_more_than_could_have_been_asked(fates):
    assert (fates["haircut_usd"] <= fates["could_usd"] + 1e-6).all()
    hit = fates[fates["touched"]]
    assert (hit["haircut_usd"] <= hit["profit_usd"] + 1e-6).all()


def test_closing_and_forgoing_add_up_to_holding_on(fates):
    # Whoever is closed and holds still ends with its equity at the closing: what it would
    # have at the end's marks is that and what it has forgone.
    closed = fates[fates["closed_in_full"]]
    assert len(closed)
    had = closed["equity_end_usd"] - closed["collateral_usd"]
    at_closing = closed["profit_usd"] - closed["haircut_usd"]
    np.testing.assert_allclose(had, at_closing, atol=1e-3)


def test_an_account_that_nobody_can_hit_is_never_hit(scenario):
    # A long in a market that falls by a third has no profit, and enough to survive it.
    safe = load(["market=ETH,side=long,notional_usd=1000,collateral_usd=5000"])
    found = exposure(Question(scenario, safe, POLICIES), 4, workers=1, quiet=True)
    for name in ("touched", "closed_in_full", "liquidated"):
        assert not found[name].any()
    for name in ("haircut_usd", "could_usd", "closed_share"):
        assert (found[name] == 0.0).all()


def test_an_overlevered_long_is_liquidated_and_not_deleveraged(scenario):
    thin = load(["market=ETH,side=long,notional_usd=1000,leverage=20"])
    found = exposure(Question(scenario, thin, ("hyperliquid",)), 3, workers=1, quiet=True)
    assert found["liquidated"].all()
    assert not found["touched"].any()


def test_the_rows_do_not_depend_on_workers(scenario, fates):
    question = Question(scenario, SHORT, POLICIES)
    again = exposure(question, RUNS, workers=2, quiet=True)
    pd.testing.assert_frame_equal(fates, again)


def test_a_nudge_is_told_beside_what_was(scenario):
    question = Question(scenario, SHORT, ("hyperliquid",), nudge=0.01)
    found = exposure(question, 2, workers=1, quiet=True)
    np.testing.assert_allclose(found["nudge_usd"], 0.01 * found["collateral_usd"], 1e-4)
    assert (found["others_moved_usd"] >= 0.0).all()
    moved = found["nudged_equity_end_usd"] - found["equity_end_usd"] - found["nudge_usd"]
    same = found["nudged_haircut_usd"] == found["haircut_usd"]
    assert (moved[same & (found["others_moved_usd"] == 0.0)].abs() < 1e-6).all()


# --- twins ------------------------------------------------------------------------------


def test_twins_without_a_nudge_are_one_world(scenario):
    for apart in twins(scenario, 3, POLICIES, share=0.0):
        assert apart[2:] == (0.0, 0.0, 0.0, 0)


def test_a_hair_moves_the_world_further_under_a_queue_than_under_shares(scenario):
    apart = {one.policy: one for one in twins(scenario, 3, ("dydx-v4", "pro-rata"))}
    assert apart["dydx-v4"].equity_usd > 1000.0 * apart["dydx-v4"].nudge_usd
    assert apart["pro-rata"].equity_usd < 10.0 * apart["pro-rata"].nudge_usd


def test_equities_are_those_of_the_margin_engine(scenario):
    world = genesis.new_world(scenario, 2)
    engine = Engine(world, policy_of(scenario, "none"))
    assert engine.run_to(scenario.time.steps, stop_at_wave=True) == step.WAVE
    world = engine.world
    wanted = [
        int(equity_of(world.ledger, world.markets, i))
        for i in range(len(world.ledger.accounts))
    ]
    assert list(equities(world)) == wanted
    assert world.ledger.accounts["trader"][median_holder(world)] >= 0


# --- what a rule may take ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("hyperliquid", "at most its profit"),
        ("binance", "at most its equity"),
        ("okx", "at most its equity"),
        ("leverage-waterfill", "whatever price"),
        ("pro-rata", "profit and its equity"),
        ("profits-first", "all of its equity"),
        ("drift", "part of its equity"),
        ("paradex", "withdrawn"),
        ("none", "never"),
    ],
)
def test_the_most_that_a_rule_may_take_is_told_from_its_parts(scenario, policy, words):
    told = stated_most(policy_of(scenario, policy), policy_table(scenario, policy))
    assert words in told
