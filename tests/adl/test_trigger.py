"""When ADL acts: thresholds, an empty fund, a drawdown from a rolling peak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.adl import allocation, eligibility, seniority, settlement, severity, trigger
from abm.adl.answers import CompositionError, build
from abm.adl.compose import PRESETS, compose
from abm.adl.policy import Policy
from abm.adl.wave import gather
from abm.engine import Engine
from abm.montecarlo.plan import Plan
from abm.montecarlo.ways import run_one
from abm.venue.fund import watch_fund
from abm.venue.margin import equity_of
from tests import crashes
from tests.crashes import FIRST, empty_venue, give, set_marks

USD = 10**6
FUND = 1
ANN, BEN, CAT = FIRST, FIRST + 1, FIRST + 2
ALARM = {"rule": "drawdown", "window_s": 60.0}


def rule(answer):
    return build("trigger", answer, trigger.ANSWERS)


def _short_by(debt_usd, fund_usd=0.0):
    """The vault is long 10 of X at 1000 and short of so much; Y is open, too."""
    world = empty_venue({"X": {}, "Y": {}})
    give(world, FUND, fund_usd)
    give(world, 0, -debt_usd, (0, 1_000, 1_000.0))
    give(world, ANN, 1e5, (0, -1_000, 1_000.0), (1, 500, 1_000.0))
    give(world, BEN, 1e5, (1, -500, 1_000.0))
    return gather(world, 0, everywhere=True)


# --- one wave at a time ------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["venue-short", "insurance-empty", "bad-debt", ALARM])
def test_nothing_acts_where_nobody_is_short(answer):
    table = {"rule": answer, "above_usd": 0.0} if answer == "bad-debt" else answer
    assert not rule(table)(_short_by(0.0), [])


@pytest.mark.parametrize(("fund_usd", "acts"), [(0.0, True), (-3.0, True), (0.01, False)])
def test_insurance_empty_acts_once_the_fund_has_nothing_left(fund_usd, acts):
    assert rule("insurance-empty")(_short_by(50.0, fund_usd), []) is acts


@pytest.mark.parametrize(
    ("debt_usd", "above_usd", "above_share", "acts"),
    [
        # X has 10 * 1000 USD open, of which 1% is 100; Y has no bankrupt position.
        (100.0, 0.0, 0.01, False),
        (100.01, 0.0, 0.01, True),
        (100.01, 101.0, 0.01, False),
        (101.01, 101.0, 0.01, True),
        (101.01, 101.0, 0.0, True),
    ],
)
def test_bad_debt_acts_above_the_larger_of_two_limits(
    debt_usd, above_usd, above_share, acts
):
    answer = {"rule": "bad-debt", "above_usd": above_usd, "above_share": above_share}
    assert rule(answer)(_short_by(debt_usd), []) is acts


def test_debt_without_a_position_counts_against_the_limit_in_dollars():
    world = empty_venue({"X": {}})
    give(world, 0, -50.0)
    wave = gather(world, 0, everywhere=True)
    assert rule({"rule": "bad-debt", "above_usd": 49.0})(wave, [])
    assert not rule({"rule": "bad-debt", "above_usd": 50.0})(wave, [])


@pytest.mark.parametrize(("fund_usd", "acts"), [(50.0, False), (49.0, True)])
def test_a_drawdown_acts_on_an_alarm_and_on_debt_that_is_more_than_the_fund(fund_usd, acts):
    wave = _short_by(50.0, fund_usd)
    assert rule("drawdown")(wave, []) is acts
    assert rule("drawdown")(replace(wave, is_alarmed=True), [])


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"rule": "drawdown", "start": 0.2, "stop": 0.25}, r"stop = 0.25: must be at most"),
        ({"rule": "drawdown", "start": 0.0}, "trigger.start = 0.0: must be"),
        ({"rule": "drawdown", "window_s": 0}, "trigger.window_s = 0: must be"),
        ({"rule": "bad-debt", "below": "hide"}, 'below = "hide": must be one of'),
        ({"rule": "bad-debt", "above_share": 2}, "above_share = 2: must be from 0 to 1"),
        ("sometimes", "must be one of venue-short, insurance-empty"),
    ],
)
def test_bad_answers_are_refused_in_one_line(answer, complaint):
    with pytest.raises(CompositionError, match=complaint) as error:
        rule(answer)
    assert "\n" not in str(error.value)


# --- falling back ------------------------------------------------------------------------


def _with_fallback(above_usd):
    def stage(number, when, theta, fallback=None):
        shared = allocation.part("allocation", "pro-rata")
        return Policy(
            f"stage {number}", when, severity.fixed(share=theta), eligibility.profits(),
            seniority.none(), shared, settlement.cash(), fallback, number,
        )  # fmt: skip

    large = trigger.bad_debt(above_usd=above_usd, above_share=0.0)
    return stage(0, large, 1.0, stage(1, trigger.venue_short(), 0.5))


@pytest.mark.parametrize(("above_usd", "stage", "left"), [(50.0, 0, 0), (200.0, 1, 50)])
def test_what_is_below_the_threshold_is_for_the_policy_it_falls_back_to(
    above_usd, stage, left
):
    world = empty_venue({"X": {}})
    give(world, 0, 900.0, (0, 1_000, 1_000.0))
    give(world, ANN, 1e5, (0, -1_000, 1_000.0))
    set_marks(world, 900.0)
    policy = _with_fallback(above_usd)
    outcome = policy.answer(world, gather(world, 0, everywhere=True))
    assert outcome.decision.stage == stage
    assert int(equity_of(world.ledger, world.markets, 0)) == -left * USD


@pytest.mark.parametrize("below", ["socialise", "leave"])
def test_small_bad_debt_is_charged_per_contract_or_left(below):
    """Aftermath Finance docs, "ADL": the side opposite of the bankrupt pays, by lots."""
    answer = {"rule": "bad-debt", "above_usd": 200.0, "above_share": 0.0, "below": below}
    policy = compose("small", PRESETS["pro-rata"] | {"trigger": answer})
    world = empty_venue({"X": {}})
    give(world, 0, 900.0, (0, 1_000, 1_000.0))
    for account, lots in ((ANN, -750), (BEN, -250)):
        give(world, account, 1e5, (0, lots, 1_000.0))
    set_marks(world, 900.0)
    before = {a: int(equity_of(world.ledger, world.markets, a)) for a in (ANN, BEN)}
    policy.answer(world, gather(world, 0, policy.looks_everywhere))
    paid = [
        was - int(equity_of(world.ledger, world.markets, a)) for a, was in before.items()
    ]
    expected = [75 * USD, 25 * USD] if below == "socialise" else [0, 0]
    assert paid == expected
    assert int(equity_of(world.ledger, world.markets, 0)) == sum(expected) - 100 * USD
    assert len(policy.stages) == 1 + (below == "socialise")
    # More than the threshold is for the policy itself: by profit, here alike a lot.
    set_marks(world, 700.0)
    outcome = policy.answer(world, gather(world, 1, policy.looks_everywhere))
    assert outcome.decision.stage == 0
    assert outcome.decision.acted


def test_a_stage_sees_only_the_calls_that_it_decided():
    seen = []

    def spy(wave, payers, past):
        seen.append([call.outcome.decision.stage for call in past])
        return 1.0

    policy = _with_fallback(150.0)
    policy = replace(policy, fallback=replace(policy.fallback, severity=spy))
    world = empty_venue({"X": {}})
    give(world, 0, 900.0, (0, 1_000, 1_000.0))
    give(world, ANN, 1e5, (0, -1_000, 1_000.0))
    engine = Engine(world, policy)
    for mark in (900.0, 880.0, 870.0):
        set_marks(world, mark)
        engine.answer_wave()
    assert [call.outcome.decision.stage for call in engine.record.calls] == [1, 0, 1]
    assert seen == [[], [1]]


# --- in a run ----------------------------------------------------------------------------

SCENARIO = {
    "venue": {"ladder": "binance", "insurance_usd": 20_000.0, "liquidation_fee_bps": 10.0},
    "policies": {"alarmed": {"preset": "pro-rata", "trigger": ALARM}},
}


def _run(scenario, policy, paranoid=False):
    engine = Engine(genesis.new_world(scenario, 4), policy, paranoid=paranoid)
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine


def _alarmed(**answers):
    return compose("alarmed", PRESETS["pro-rata"] | {"trigger": ALARM} | answers)


def test_in_a_crash_the_fund_is_brought_back_to_where_the_alarm_began():
    engine = _run(crashes.crash(**SCENARIO), _alarmed(), paranoid=True)
    early = 0
    for call in engine.record.calls:
        wave = call.wave
        is_too_much = wave.total_deficit > wave.insurance
        assert call.outcome.decision.acted == (wave.is_alarmed or is_too_much)
        floor = wave.insurance_peak - wave.insurance_peak * 3 // 10
        floor = floor if wave.is_alarmed else 0
        own = wave.deficit[wave.short_account == FUND].sum()
        assert own == max(0, floor - wave.insurance)
        if call.outcome.decision.payers.capacity.sum() >= wave.total_deficit:
            assert call.short_after == 0
        early += wave.insurance > 0
    assert early > 3


def test_the_others_wait_until_the_venue_itself_is_short():
    scenario = crashes.crash(**SCENARIO)
    plain = _run(scenario, compose("plain", PRESETS["pro-rata"])).record.calls
    alarmed = _run(scenario, _alarmed()).record.calls
    assert alarmed[0].wave.now_s < plain[0].wave.now_s


def _is_same(ours, theirs):
    for name, array in w.arrays(theirs.world).items():
        assert np.array_equal(array, w.arrays(ours.world)[name]), name
    calls = [[(c.wave.now_s, c.short_before, c.short_after) for c in e.record.calls]
             for e in (ours, theirs)]  # fmt: skip
    assert calls[0] == calls[1]


@pytest.mark.parametrize("settled", ["cash", "contracts"])
def test_a_shared_past_stops_at_the_first_alarm_and_hides_it_from_the_others(settled):
    """Policies that share a past end as those that ran alone, to the last byte."""
    scenario = crashes.crash(**SCENARIO)
    preset = PRESETS["pro-rata" if settled == "cash" else "hyperliquid"]
    policies = [
        compose("plain", preset),
        compose("alarmed", preset | {"trigger": ALARM}),
        compose("late", preset | {"trigger": ALARM | {"start": 0.9, "stop": 0.5}}),
        compose("never", preset | {"trigger": "never"}),
    ]
    past = Engine(genesis.new_world(scenario, 4), policies[0])
    past.share(policies)
    past.run_to(scenario.time.steps, stop_at_wave=True)
    assert len(past.world.risk.alarms) == 2
    for policy in policies:
        fork = past.fork(policy)
        fork.answer_if_asked()
        fork.run_to(scenario.time.steps)
        fork.finish()
        _is_same(fork, _run(scenario, policy))


def test_a_batch_gives_a_policy_the_same_results_in_any_company():
    scenario = crashes.crash(**SCENARIO)
    plan = Plan(scenario, ("pro-rata", "alarmed"), 1)
    plain, alarmed = compose("pro-rata", PRESETS["pro-rata"]), _alarmed()
    together = list(run_one(plan, 0, [plain, alarmed]))
    for i, policy in enumerate((plain, alarmed)):
        (alone,) = run_one(plan, 0, [policy])
        for name, table in alone.items():
            # How much past is shared is a matter of the company.
            ours, theirs = (
                found.to_pandas().drop(columns="shared_s", errors="ignore")
                for found in (table, together[i][name])
            )
            assert ours.equals(theirs), (policy.name, name)


def test_an_alarm_without_anything_to_do_calls_nobody():
    """A fund that is down but not short of a need, and holds nothing to hand on."""
    policy = _alarmed()
    world = empty_venue({"X": {}})
    give(world, FUND, 100.0)
    engine = Engine(world, policy)
    world = engine.world
    world.ledger.accounts["cash"][FUND] -= 28 * USD
    world.ledger.accounts["cash"][CAT] += 28 * USD
    watch_fund(world)
    engine.answer_if_asked()
    assert engine.record.calls == []
    world.ledger.accounts["cash"][FUND] -= 3 * USD
    world.ledger.accounts["cash"][CAT] += 3 * USD
    watch_fund(world)
    closing = Engine(world, replace(policy, settlement=settlement.contracts()))
    closing.answer_if_asked()
    assert closing.record.calls == []
    engine.answer_if_asked()
    assert [call.short_before for call in engine.record.calls] == [1 * USD]


@pytest.mark.parametrize(("mark", "left_usd"), [(940.0, 700.0), (973.0, 730.0)])
def test_adl_takes_only_what_the_fund_lost_beyond_the_alarm(mark, left_usd):
    """Bybit: the bankruptcy price is computed at the drawdown that starts ADL."""
    table = PRESETS["hyperliquid"] | {
        "trigger": "drawdown",
        "settlement": {"rule": "contracts", "price": "bankruptcy"},
    }
    world = empty_venue({"X": {}})
    give(world, FUND, 1_000.0, (0, 1_000, 1_000.0))
    give(world, ANN, 1e5, (0, -600, 1_000.0))
    give(world, BEN, 1e5, (0, -400, 1_000.0))
    engine = Engine(world, compose("bybit", table))
    for at in (940.0, mark):
        set_marks(engine.world, at)
        watch_fund(engine.world)
    engine.answer_if_asked()
    world = engine.world
    assert [call.outcome.decision.acted for call in engine.record.calls] == [True]
    assert w.find_position(world.ledger, FUND, 0) == w.NONE
    assert int(equity_of(world.ledger, world.markets, FUND)) == left_usd * USD
    w.check(world)


def test_a_policy_asks_the_world_for_what_its_stages_need():
    policy = _alarmed(seniority={"rule": "ladder", "ages_s": [5.0]})
    below = replace(policy, stage=1, seniority=seniority.ladder(ages_s=(7.0,)))
    both = replace(policy, fallback=replace(below, trigger=trigger.venue_short()))
    assert both.ages_s == {5.0, 7.0}
    assert [(a.window_s, a.start, a.stop) for a in both.alarms] == [(60.0, 0.3, 0.25)]
