"""A call in brief says who paid, and where they stood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm import genesis
from abm.adl import summary
from abm.engine import Engine, policy_of
from abm.measures.watch import Watch
from abm.montecarlo import paid, tables
from tests.crashes import crash

SCORES = st.lists(st.one_of(st.integers(-3, 3), st.just(np.nan)), min_size=1, max_size=12)


@given(SCORES, st.data())
def test_ranks_are_those_of_all_scores_falling_and_ties_go_by_row(scores, data):
    rows = data.draw(st.lists(st.integers(0, len(scores) - 1), unique=True, max_size=6))
    # Unknown scores come last, in the order of rows.
    falling = [np.inf if np.isnan(score) else -score for score in scores]
    ranks = stats.rankdata(falling, method="ordinal")
    found = summary._ranks(np.array(scores, float), np.array(rows, np.int64))
    assert found.tolist() == ranks[rows].tolist()


@pytest.mark.parametrize("count", [1, 5, 300])
def test_ranks_of_scores_that_all_differ_need_no_order_of_rows(count):
    score = np.random.default_rng(count).permutation(count).astype(np.int64)
    every = np.arange(count)
    assert summary._ranks(score, every).tolist() == (count - score).tolist()


@pytest.mark.parametrize("name", ["pro-rata", "hyperliquid", "bybit"])
def test_a_crash_in_brief_has_the_tables_of_a_whole_one(name):
    scenario = crash(venue={"vault_usd": 500.0})
    policy = policy_of(scenario, name)
    kind = np.full(10_000, "trader")
    told = []
    for keep_whole in (True, False):
        world = genesis.new_world(scenario, 3)
        engine = Engine(world, policy, keep_whole=keep_whole)
        watch = engine.watcher = Watch(policy, [])
        engine.run_to(scenario.time.steps)
        calls = engine.record.calls
        names = tables.Names.of(scenario)
        burdens = watch.finish(engine.finish().marks)
        told.append(tables.of_calls(calls, policy, names, kind, burdens))
    assert len(calls) > 2
    assert {call.wave.candidates.dtype for call in calls[:-1]} == {summary.PAID}
    assert len(told[0]["haircuts"]["account"]) > 3
    for whole, brief in zip(told[0].values(), told[1].values(), strict=True):
        assert whole.keys() == brief.keys()
        for column in whole:
            np.testing.assert_array_equal(whole[column], brief[column], column)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), max_size=20))
def test_what_an_account_gave_before_is_the_sum_of_its_earlier_rows(rows):
    account, amount = np.array(rows, np.int64).reshape(-1, 2).T
    earlier = [
        sum(gave for who, gave in rows[:i] if who == rows[i][0]) for i in range(len(rows))
    ]
    assert paid._given_before(account, amount).tolist() == earlier
