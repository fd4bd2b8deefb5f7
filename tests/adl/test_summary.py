"""Calls in brief tell the same in every table as whole ones."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.measures.watch import Watch
from abm.montecarlo import tables
from tests import crashes

POLICIES = ("hyperliquid", "bybit", "profits-first", "drift", "paradex", "capped-pro-rata")


def told(policy, seed, keep_whole):
    scenario = crashes.crash()
    rule = compose(policy, PRESETS[policy])
    engine = Engine(genesis.new_world(scenario, seed), rule, keep_whole=keep_whole)
    engine.watcher = watch = Watch(rule, ())
    engine.run_to(scenario.time.steps)
    names = tables.Names.of(scenario)
    kind = names.kinds[engine.world.ledger.accounts["kind"]]
    engine.finish()
    return engine, tables.of_calls(engine.record.calls, rule, names, kind, watch.burdens)


@pytest.mark.parametrize("policy", POLICIES)
def test_calls_in_brief_tell_the_same_as_whole_ones(policy):
    whole, expected = told(policy, 4, keep_whole=True)
    brief, found = told(policy, 4, keep_whole=False)
    assert len(whole.record.calls) > 1
    for name, columns in expected.items():
        assert columns.keys() == found[name].keys()
        for column, values in columns.items():
            assert np.array_equal(
                np.asarray(values), np.asarray(found[name][column]),
                equal_nan=np.asarray(values).dtype.kind == "f",
            ), (name, column)  # fmt: skip
    kept = sum(len(call.wave.candidates) for call in brief.record.calls[:-1])
    paid = sum(
        np.count_nonzero(call.outcome.decision.amounts) for call in whole.record.calls[:-1]
    )
    assert kept == paid


def test_the_richest_payer_is_remembered():
    whole, _ = told("hyperliquid", 4, keep_whole=True)
    brief, _ = told("hyperliquid", 4, keep_whole=False)
    assert [call.largest_worth for call in whole.record.calls] == [
        call.largest_worth for call in brief.record.calls
    ]
