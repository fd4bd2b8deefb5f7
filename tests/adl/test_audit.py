"""The record of a call: rebuilt exactly, and whatever is changed in it is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from abm import genesis
from abm.adl import audit
from abm.adl.compose import PRESETS, compose
from abm.adl.record import Decision, Payers
from abm.adl.wave import CANDIDATE, Wave
from abm.engine import Engine
from abm.montecarlo import store
from tests import crashes

POLICIES = ("hyperliquid", "pro-rata", "ethereal", "profits-first", "drift")
OF_TABLES = {"run", "policy", "bankrupt_kind", "candidates_kind", "fills_bankrupt_kind"}


def calls_under(name, seed=4):
    scenario = crashes.crash()
    engine = Engine(genesis.new_world(scenario, seed), compose(name, PRESETS[name]))
    engine.run_to(scenario.time.steps)
    return engine.record.calls


@pytest.fixture(scope="module")
def recorded():
    """Calls by policy: as they were, and as they come back from the record."""
    found = {}
    for name in POLICIES:
        calls = calls_under(name)
        assert any(call.outcome.decision.acted for call in calls), name
        found[name] = calls, [audit.rebuilt(_plain(call)) for call in calls]
    return found


def _plain(call):
    """The columns of a call as the table gives them back: lists in place of arrays."""
    types = dict(store.COLUMNS["audit"])
    row = {}
    for name, value in audit.flattened(call).items():
        is_list = isinstance(value, np.ndarray)
        assert is_list == types[name].endswith("[]"), name
        kind = types[name].removesuffix("[]").replace("double", "float64")
        row[name] = np.array(value.tolist(), kind) if is_list else value
    return row


def same(one, other):
    if isinstance(one, Payers):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        if one.dtype.names:
            return all(same(one[name], other[name]) for name in one.dtype.names)
        equal_nan = one.dtype.kind == "f"
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=equal_nan)
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


def test_the_table_has_a_column_for_every_field_and_no_other(recorded):
    calls, _ = recorded["hyperliquid"]
    names = {name for name, _ in store.COLUMNS["audit"]} - OF_TABLES
    assert names == set(audit.flattened(calls[0]))


@pytest.mark.parametrize("name", POLICIES)
def test_a_call_is_rebuilt_exactly_from_its_record(recorded, name):
    for was, rebuilt in zip(*recorded[name], strict=True):
        if not was.outcome.decision.acted:
            was = dataclasses.replace(was, wave=was.wave.without_candidates())
        assert same(was, rebuilt)


@pytest.mark.parametrize("name", POLICIES)
def test_an_honest_record_has_no_differences(recorded, name):
    policy = compose(name, PRESETS[name])
    assert list(audit.check(policy, recorded[name][1])) == []


def _first_acted(calls):
    return next(i for i, call in enumerate(calls) if call.outcome.decision.amounts.any())


@pytest.mark.parametrize("name", ["hyperliquid", "pro-rata"])
@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Decision)])
def test_a_decision_that_was_changed_is_named(recorded, name, field):
    calls = list(recorded[name][1])
    at = _first_acted(calls)
    decision = calls[at].outcome.decision
    changed = {
        "acted": False,
        "theta": decision.theta / 2,
        "budget": decision.budget + 1,
        "need": decision.need + 1,
        "payers": decision.payers._replace(capacity=decision.payers.capacity + 1),
        "score": np.where(np.isnan(decision.score), 0.0, decision.score * (1 + 1e-6)),
        "amounts": np.roll(decision.amounts, 1),
        "stage": 1,
    }[field]
    outcome = dataclasses.replace(
        calls[at].outcome, decision=dataclasses.replace(decision, **{field: changed})
    )
    calls[at] = dataclasses.replace(calls[at], outcome=outcome)
    places = {d.place for d in audit.check(compose(name, PRESETS[name]), calls)}
    assert field in places or f"{field}_capacity" in places


def test_the_account_and_both_amounts_are_named(recorded):
    calls = list(recorded["pro-rata"][1])
    at = _first_acted(calls)
    decision = calls[at].outcome.decision
    payer = int(np.argmax(decision.amounts))
    amounts = decision.amounts.copy()
    amounts[payer] -= 5
    decision = dataclasses.replace(decision, amounts=amounts)
    outcome = dataclasses.replace(calls[at].outcome, decision=decision)
    calls[at] = dataclasses.replace(calls[at], outcome=outcome)
    found = list(audit.check(compose("pro-rata", PRESETS["pro-rata"]), calls))
    wrong = next(d for d in found if d.place == "amounts")
    account = calls[at].wave.candidates["account"][decision.payers.row[payer]]
    assert (wrong.wave, wrong.account) == (calls[at].wave.number, account)
    assert (wrong.recorded, wrong.rebuilt) == (amounts[payer], amounts[payer] + 5)
    # What was booked is no longer what the record says was decided.
    assert "haircuts_amount" in {d.place for d in found}


# What a queue by return and leverage in contracts, and pro-rata in cash, look at.
HEEDED = {
    "hyperliquid": ("lots", "cost", "equity", "market"),
    "pro-rata": ("equity", "account_profit", "given", "account"),
}


@pytest.mark.parametrize(("name", "field"), [(n, f) for n in HEEDED for f in HEEDED[n]])
def test_a_candidate_that_was_changed_changes_the_decision(recorded, name, field):
    calls = list(recorded[name][1])
    at = _first_acted(calls)
    rows = calls[at].wave.candidates.copy()
    paid = calls[at].outcome.decision
    row = paid.payers.row[np.argmax(paid.amounts)]
    rows[field][row] = 1 if field in ("market", "equity") else rows[field][row] // 3 + 1
    wave = dataclasses.replace(calls[at].wave, candidates=rows)
    calls[at] = dataclasses.replace(calls[at], wave=wave)
    assert list(audit.check(compose(name, PRESETS[name]), calls))


def test_another_policy_is_not_what_was_recorded(recorded):
    policy = compose("mine", PRESETS["hyperliquid"] | {"allocation": "pro-rata"})
    assert list(audit.check(policy, recorded["hyperliquid"][1]))


def test_every_field_of_a_wave_is_recorded_or_follows():
    left_out = {"value", "equity"}
    kept = {name for name, _ in store.COLUMNS["audit"]}
    for name in CANDIDATE.names:
        column = audit.ELSEWHERE.get(f"candidates_{name}", f"candidates_{name}")
        assert (column in kept) != (name in left_out)
    for field in dataclasses.fields(Wave):
        name = audit.RENAMED.get(field.name, field.name)
        assert name in kept or name in audit.STRUCTURED
