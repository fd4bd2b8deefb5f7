"""Looking at runs from outside: worths, marks some time later, and nothing disturbed."""

from __future__ import annotations

import numpy as np
import pytest

from abm import enlarge, genesis
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.measures.watch import Lookout, Watch, lags, roots, worth_of
from abm.step import WAVE
from abm.units import usd
from abm.venue.ledger import deposit, return_to_parent, withdraw
from tests import crashes
from tests.adl.books import LONG, OTHER, SHORT, UNIT, policy, ruin, venue

NONE = compose("none", PRESETS["none"])
SCENARIO = crashes.crash(population={"isolated_share": 0.2})


def engine_at_wave(seed: int = 4) -> Engine:
    """A crash at its first wave, which no policy has answered."""
    engine = Engine(genesis.new_world(SCENARIO, seed), NONE)
    assert engine.run_to(SCENARIO.time.steps, stop_at_wave=True) == WAVE
    return engine


def test_horizons_are_whole_steps_rounded_up():
    assert lags((0.0, 0.5, 1.0, 2.0), 1000) == [0, 1, 1, 2]
    assert lags((0.0, 0.5, 0.7, 1.0), 100) == [0, 5, 7, 10]
    assert lags((5.0, 30.0), 10_000) == [1, 3]


def test_worth_counts_what_was_withdrawn_and_isolated_accounts():
    """A long at 90 marked 100, 30 withdrawn, and an isolated short that was given 20."""
    world = venue(100.0)
    crashes.give(world, LONG, 1000.0, (0, UNIT, 90.0))
    crashes.give(world, OTHER, 50.0, (0, -UNIT, 80.0))
    world.ledger.accounts["parent"][OTHER] = LONG
    before = usd(worth_of(world))
    assert before[LONG] == 1000.0 + 10.0 + 50.0 - 20.0
    assert before[OTHER] == 0.0
    withdraw(world.ledger, LONG, 30 * 10**6, 10 * 10**6)
    deposit(world.ledger, OTHER, 20 * 10**6)
    assert usd(worth_of(world)).tolist() == before.tolist()
    return_to_parent(world.ledger, OTHER)
    assert usd(worth_of(world)).tolist() == before.tolist()


def test_watching_changes_nothing():
    """The same run with and without a watcher that looks at nearly every step."""
    rule = compose("hyperliquid", PRESETS["hyperliquid"])
    alone, watched = engine_at_wave().fork(rule), engine_at_wave().fork(rule)
    watched.watcher = watch = Watch(rule, (0.0, 1.0, 2.0, 7.0, 31.0), appraises=True)
    for engine in (alone, watched):
        engine.answer_if_asked()
        engine.run_to(SCENARIO.time.steps)
    watch.finish(watched.finish().marks)
    assert len(watch.marks) > 5
    assert np.array_equal(*(e.world.ledger.accounts for e in (alone, watched)))
    assert np.array_equal(*(e.world.markets.state for e in (alone, watched)))
    watched.world.clock["marks_until"] = alone.world.clock["marks_until"]
    assert alone.world.clock == watched.world.clock


@pytest.mark.parametrize("room", [3, 256])
def test_marks_are_those_of_their_step(room):
    rule = compose("hyperliquid", PRESETS["hyperliquid"])
    engine = engine_at_wave().fork(rule)
    logs = engine.world.logs
    logs = logs._replace(marks=np.zeros((room, logs.marks.shape[1]), np.int64))
    engine.world = engine.world._replace(logs=logs)
    engine.watcher = watch = Watch(rule, (0.0, 3.0))
    engine.answer_if_asked()
    seen = {}
    while int(engine.world.clock[0]["step"]) < SCENARIO.time.steps:
        engine.run_to(int(engine.world.clock[0]["step"]) + 1)
        done = int(engine.world.clock[0]["step"]) - 1
        seen[done] = engine.world.markets.state["mark"].copy()
    calls = engine.record.calls
    watch.finish(engine.finish().marks)
    wanted = {round(c.wave.now_s) + lag for c in calls for lag in (0, 3)}
    assert set(watch.marks) == {step for step in wanted if step in seen}
    for step, marks in watch.marks.items():
        assert np.array_equal(marks, seen[step])
    assert len(watch.burdens) == len(calls)


def test_a_policy_that_takes_nothing_leaves_everyone_as_in_the_fork_without_adl():
    """Whoever it is, and whenever one looks: the true counterfactual is zero."""
    nothing = policy("cash", "profits", severity={"rule": "fixed", "share": 0.0})
    past = engine_at_wave()
    everyone = np.unique(roots(past.world))
    first = int(past.world.clock[0]["step"])
    steps = range(first, SCENARIO.time.steps, 7)
    looks = []
    for rule in (nothing, NONE):
        engine = past.fork(rule)
        engine.watcher = lookout = Lookout(dict.fromkeys(steps, everyone))
        engine.answer_if_asked()
        engine.run_to(SCENARIO.time.steps)
        w.check(engine.world)
        looks.append(lookout)
    assert engine.record.calls
    for step in steps:
        here, there = (look.worths[step] for look in looks)
        assert np.array_equal(here.amount, there.amount)
        assert np.array_equal(*(look.marks[step] for look in looks))


def test_worths_are_of_all_hit_so_far_after_the_waves_last_call():
    """Two calls of one wave and one of the next; a wave that went on is looked at anew."""
    world = venue(100.0)
    crashes.give(world, LONG, 5.0, (0, UNIT, 110.0))
    crashes.give(world, SHORT, 1000.0, (0, -UNIT, 110.0))
    ruin(world, LONG)
    rule = policy("cash", "profits")
    engine = Engine(world, rule)
    engine.watcher = watch = Watch(rule, (0.0, 2.0), appraises=True)
    engine.answer_wave()
    assert watch.due == 0
    watch.look(world, 0)
    assert watch.worths[0, 0].account.tolist() == [SHORT]
    assert usd(watch.worths[0, 0].amount).tolist() == [1000.0 + 10.0 - 5.0]
    crashes.set_marks(world, 95.0)
    world.clock[0]["step"], world.clock[0]["now_ms"] = 1, 1000
    engine.answer_wave()
    watch.look(world, 1)
    watch.look(world, 2)
    assert (0, 1) not in watch.worths
    watch.look(world, 3)
    assert watch.due is None
    watch.finish([])
    assert {key: worth.step for key, worth in watch.worths.items()} == {
        (0, 0): 1,
        (0, 1): 3,
    }
    assert usd(watch.worths[0, 1].amount).tolist() == [1000.0 + 15.0 - 5.0 - 5.0]


def test_a_wave_that_cannot_be_followed_has_no_worth():
    world = venue(100.0)
    crashes.give(world, LONG, 5.0, (0, UNIT, 110.0))
    crashes.give(world, SHORT, 1000.0, (0, -UNIT, 110.0))
    ruin(world, LONG)
    rule = policy("cash", "profits")
    engine = Engine(world, rule)
    engine.watcher = watch = Watch(rule, (0.0, 2.0), appraises=True)
    engine.answer_wave()
    watch.look(world, 0)
    crashes.set_marks(world, 95.0)
    world.clock[0]["step"], world.clock[0]["now_ms"] = 1, 1000
    engine.answer_wave()
    assert watch.finish([])[0].acted
    assert watch.worths == {}


@pytest.mark.parametrize("horizons_s", [(), (0.0,)])
def test_nobody_is_appraised_who_was_not_asked_for(horizons_s):
    world = venue(100.0)
    crashes.give(world, LONG, 5.0, (0, UNIT, 110.0))
    crashes.give(world, SHORT, 1000.0, (0, -UNIT, 110.0))
    ruin(world, LONG)
    rule = policy("cash", "profits")
    engine = Engine(world, rule)
    engine.watcher = watch = Watch(rule, horizons_s)
    engine.answer_wave()
    assert watch.due is None
    assert watch.worths == {}


def test_an_account_that_is_opened_later_counts_with_its_traders_first():
    world = engine_at_wave().world
    trader = int(world.crowd.traders["account"][3])
    fresh = np.zeros(1, w.ACCOUNT)
    fresh["trader"], fresh["kind"] = 3, world.ledger.accounts["kind"][trader]
    before = worth_of(world)[trader]
    world = enlarge.add_accounts(world, fresh)
    opened = len(world.ledger.accounts) - 1
    assert roots(world)[opened] == trader
    world.ledger.accounts["cash"][trader] -= 5
    world.ledger.accounts["cash"][opened] += 5
    assert worth_of(world)[trader] == before
