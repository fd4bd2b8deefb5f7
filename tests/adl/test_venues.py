"""Built-in policies: they say where they are from, and do what is special about them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from abm import genesis
from abm import scenario as scenarios
from abm import world as w
from abm.adl.compose import PRESETS, QUESTIONS, compose
from abm.adl.venues import DESIGNS, REFERENCES, VENUES
from abm.adl.venues import PRESETS as ALL
from abm.adl.wave import gather
from abm.engine import Engine, equipped
from abm.scenario import BUILT_IN_POLICIES
from abm.venue import ladders
from tests import crashes
from tests.adl.books import LONG, OTHER, SHORT, THIRD, UNIT, equity, lots_of, ruin, venue

FIFTH = THIRD + 1
CONFIGS = Path(__file__).parents[2] / "configs"


def _answer(name, world):
    policy = compose(name, PRESETS[name])
    wave = gather(world, 0, policy.looks_everywhere)
    outcome = policy.answer(world, wave)
    w.check(world)
    return wave, outcome


def _balance(world):
    """Entry prices that do not cancel are money that was there before."""
    world.ledger.pots["deposits"] -= int(w.money_missing(world.ledger))


def _short_world(mark=120.0, previous=110.0):
    """SHORT sold 10 at 100 and has 100: at 120 it lacks 100 USD; two are long.

    OTHER bought 6 at 100 with little behind it, THIRD 4 at 90 with much.
    """
    world = venue(mark, previous_usd=previous)
    crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
    crashes.give(world, OTHER, 30.0, (0, 6 * UNIT, 100.0))
    crashes.give(world, THIRD, 5000.0, (0, 4 * UNIT, 90.0))
    _balance(world)
    ruin(world, SHORT)
    return world


# --- what they say of themselves --------------------------------------------------------


def test_there_are_twelve_venues_and_eight_designs_and_scenarios_know_them():
    assert (len(VENUES), len(DESIGNS), list(REFERENCES)) == (12, 8, ["none"])
    assert tuple(ALL) == tuple(PRESETS) == BUILT_IN_POLICIES


def test_the_study_of_all_policies_names_them_all():
    scenario = scenarios.load(CONFIGS / "studies" / "all-policies.toml")
    assert scenario.run.policies == (*VENUES, *DESIGNS)
    assert scenario.run.runs == 64


@pytest.mark.parametrize("name", ALL)
def test_a_preset_answers_six_questions_and_names_its_source(name):
    preset = ALL[name]
    assert tuple(preset.table) == QUESTIONS
    compose(name, preset.table)
    assert 10 < len(preset.summary) < 85
    assert "\n" not in preset.summary
    assert preset.ladder in ("", *ladders.PRESETS)
    if preset.kind == "venue":
        assert preset.ladder
        assert re.search(
            r"\.(com|io|trade|finance)/|github\.com/\S+@[0-9a-f]{7}|vega", preset.source
        )
        assert preset.readings
    elif preset.kind == "design":
        assert re.search(r"arXiv \d{4}\.\d{5}|doi:", preset.source)


# --- what is special about them ---------------------------------------------------------


@pytest.mark.parametrize("name", ["binance", "bitmex", "dydx-v4"])
def test_at_bankruptcy_the_bankrupt_ends_with_nothing_and_no_debt(name):
    world = _short_world()
    wave, outcome = _answer(name, world)
    assert wave.total_deficit == 100 * 10**6
    assert equity(world, SHORT) == 0
    assert lots_of(world, SHORT) == {}
    # 10 were sold at 100 with 100 behind them: bankrupt at 110.
    assert set(outcome.fills["value"] // outcome.fills["lots"]) == {110 * 10**6 // UNIT}


@pytest.mark.parametrize("name", ["okx", "leverage-waterfill"])
def test_at_the_mark_the_bankrupt_keeps_its_debt_and_payers_their_profit(name):
    world = _short_world()
    before = equity(world, OTHER), equity(world, THIRD)
    policy = compose(name, PRESETS[name] | {"trigger": "venue-short"})
    policy.answer(world, gather(world, 0, policy.looks_everywhere))
    assert (equity(world, OTHER), equity(world, THIRD)) == before
    assert equity(world, SHORT) == -100 * 10**6
    assert lots_of(world, SHORT) == {}


def test_hyperliquid_closes_at_the_previous_mark():
    world = _short_world(previous=115.0)
    _, outcome = _answer("hyperliquid", world)
    assert set(outcome.fills["value"] // outcome.fills["lots"]) == {115 * 10**6 // UNIT}


@pytest.mark.parametrize("name", ["binance", "bybit", "okx"])
def test_hedged_accounts_come_last(name):
    world = venue(120.0, 120.0)
    crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
    # Both are long 10 at 100; THIRD, more levered, is short as much elsewhere.
    crashes.give(world, OTHER, 5000.0, (0, 10 * UNIT, 100.0))
    crashes.give(world, THIRD, 500.0, (0, 10 * UNIT, 100.0), (1, -10 * UNIT, 120.0))
    crashes.give(world, LONG, 1e6, (0, -10 * UNIT, 100.0), (1, 10 * UNIT, 120.0))
    ruin(world, SHORT)
    policy = compose(name, PRESETS[name] | {"trigger": "venue-short"})
    policy.answer(world, gather(world, 0, policy.looks_everywhere))
    assert lots_of(world, OTHER) == {}
    assert lots_of(world, THIRD) == {0: 10 * UNIT, 1: -10 * UNIT}


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_a_fund_that_has_not_fallen_far_enough_pays_itself(name):
    world = _short_world()
    crashes.give(world, 1, 1e6)
    policy = compose(name, PRESETS[name])
    world = equipped(world, [policy])
    assert not policy.answer(world, gather(world, 0, False)).decision.acted


def test_dydx_makes_nobody_less_healthy():
    world = _short_world()
    # At 110 OTHER would lose 60 of the 150 that it has, and be flat: that is sound. A
    # second position that needs more margin than is left is not.
    _, outcome = _answer("dydx-v4", world)
    assert set(outcome.fills["account"]) == {OTHER, THIRD}
    world = venue(120.0, 500.0)
    crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
    crashes.give(world, OTHER, 20.0, (0, 10 * UNIT, 105.0), (1, 5 * UNIT, 500.0))
    crashes.give(world, LONG, 1e6, (1, -5 * UNIT, 500.0))
    _balance(world)
    ruin(world, SHORT)
    _, outcome = _answer("dydx-v4", world)
    assert len(outcome.fills) == 0


def test_drift_charges_both_sides_the_same_on_each_contract():
    world = _short_world()
    before = {a: equity(world, a) for a in (OTHER, THIRD)}
    _, outcome = _answer("drift", world)
    paid = {a: before[a] - equity(world, a) for a in before}
    assert paid[OTHER] / 6 == pytest.approx(paid[THIRD] / 4, abs=1)
    assert len(outcome.fills) == 0


def test_gmx_leaves_the_deficit_that_the_pool_can_owe():
    world = _short_world()
    policy = compose("gmx", PRESETS["gmx"])
    crashes.give(world, 1, 118.0)
    assert not policy.decide(gather(world, 0, False)).acted
    crashes.give(world, 1, -18.0)
    decision = policy.decide(gather(world, 0, False))
    assert decision.acted
    assert decision.theta == pytest.approx(1 - 0.77)
    assert decision.amounts.sum() == 230


def test_paradex_takes_nothing_in_the_wave_and_cuts_withdrawals():
    world = _short_world()
    before = equity(world, OTHER), equity(world, THIRD), lots_of(world, SHORT)
    _, outcome = _answer("paradex", world)
    assert (equity(world, OTHER), equity(world, THIRD), lots_of(world, SHORT)) == before
    assert outcome.withdrawal_cut > 0


def test_aftermath_leaves_payers_no_profit_and_no_loss():
    world = _short_world()
    table = PRESETS["aftermath"] | {"trigger": "venue-short"}
    policy = compose("aftermath", table)
    policy.answer(world, gather(world, 0, False))
    assert lots_of(world, OTHER) == lots_of(world, THIRD) == {}
    # Closed at 100 and 90, SHORT has 140 left, which goes to the two by contracts.
    assert equity(world, SHORT) == 0
    assert equity(world, OTHER) == (30 + 84) * 10**6
    assert equity(world, THIRD) == (5000 + 56) * 10**6


def test_ethereal_closes_at_the_oracle_where_that_is_better_for_the_bankrupt():
    for index, price in ((105.0, 105), (120.0, 110)):
        world = venue(120.0, index_usd=index)
        crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
        crashes.give(world, OTHER, 1000.0, (0, 10 * UNIT, 100.0))
        ruin(world, SHORT)
        _, outcome = _answer("ethereal", world)
        prices = outcome.fills["value"] // outcome.fills["lots"]
        assert set(prices) == {price * 10**6 // UNIT}


def test_vega_takes_only_what_the_last_step_gave():
    world = _short_world(mark=120.0, previous=119.0)
    _, outcome = _answer("vega", world)
    # Ten dollars were gained since 119, whatever was gained before.
    assert outcome.haircuts["amount"].sum() == 10 * 10**6
    assert outcome.haircuts["amount"].tolist() == [6 * 10**6, 4 * 10**6]


def test_the_leverage_waterfill_levels_leverage():
    world = venue(120.0)
    crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
    for account, cash in ((OTHER, 100.0), (THIRD, 300.0), (FIFTH, 4000.0)):
        crashes.give(world, account, cash, (0, 10 * UNIT, 110.0))
    crashes.give(world, LONG, 1e6, (0, -20 * UNIT, 110.0))
    _balance(world)
    ruin(world, SHORT)
    _answer("leverage-waterfill", world)
    left = {
        a: lots_of(world, a).get(0, 0) / (equity(world, a) / 1e6)
        for a in (OTHER, THIRD, FIFTH)
    }
    assert left[OTHER] == pytest.approx(left[THIRD], rel=0.01)
    assert left[FIFTH] < left[THIRD]
    assert lots_of(world, FIFTH) == {0: 10 * UNIT}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("binance", ("each underlying asset", "over all markets")),
        ("bybit", ("for losers too",)),
        ("vega", ("no more than it is owed", "32, 20 and 2")),
    ],
)
def test_what_a_preset_reads_into_its_source_is_said(name, words):
    readings = " ".join(VENUES[name].readings)
    assert all(word in readings for word in words)


def test_capped_pro_rata_takes_a_tenth_of_every_profit_in_a_call():
    world = _short_world()
    crashes.give(world, SHORT, -1e4)
    _, outcome = _answer("capped-pro-rata", world)
    capacity = outcome.decision.payers.capacity
    assert outcome.decision.amounts.tolist() == (capacity // 10).tolist()


def test_levelling_leaves_no_profit_above_the_level_of_those_it_cut():
    world = _short_world()
    _, outcome = _answer("levelling", world)
    left = outcome.decision.payers.capacity - outcome.decision.amounts
    cut = outcome.decision.amounts > 0
    assert np.ptp(left[cut]) <= 1
    assert (left[~cut] <= left[cut].min() + 1).all()


def test_profits_pay_before_principal():
    world = _short_world()
    for account, principal in ((OTHER, 30.0), (THIRD, 5000.0)):
        world.ledger.accounts["principal"][account] = round(principal * 1e6)
    # Gains by the ledger: 120 and 120; a debt of 200 is within them.
    crashes.give(world, SHORT, -100.0)
    _, outcome = _answer("profits-first", world)
    assert outcome.decision.amounts.tolist() == [100 * 10**6, 100 * 10**6]


def test_minmax_spreads_the_loss_by_equity():
    world = venue(120.0)
    crashes.give(world, SHORT, 100.0, (0, -10 * UNIT, 100.0))
    for account, cash in ((OTHER, 200.0), (THIRD, 800.0)):
        crashes.give(world, account, cash, (0, 10 * UNIT, 100.0))
    crashes.give(world, LONG, 1e6, (0, -10 * UNIT, 100.0))
    ruin(world, SHORT)
    _, outcome = _answer("minmax", world)
    # Equities of 400 and 1000 share 1000 lots: 285.7 and 714.3.
    assert sorted(outcome.decision.amounts.tolist()) in ([285, 715], [286, 714])
    assert lots_of(world, OTHER)[0] in (1000 - 285, 1000 - 286)


# --- all of them ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*VENUES, *DESIGNS])
def test_every_policy_gets_through_a_crash_on_its_own_ladder(name):
    ladder = ALL[name].ladder or "hyperliquid"
    venue_ = {"ladder": ladder, "vault_usd": 5000.0, "insurance_usd": 500.0}
    scenario = crashes.crash(venue=venue_)
    policy = compose(name, PRESETS[name])
    world = equipped(genesis.new_world(scenario, 4), [policy])
    engine = Engine(world, policy, paranoid=True)
    engine.run_to(scenario.time.steps)
    engine.finish()
    w.check(engine.world)
    for call in engine.record.calls:
        decision = call.outcome.decision
        assert (decision.amounts <= decision.payers.capacity).all()
        assert (decision.amounts >= 0).all()
