"""Nudges of a wave: what they are, and how far rules jump."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.compose import PRESETS, compose
from abm.adl.wave import gather
from abm.measures import brittleness as b
from abm.venue.ledger import deposit
from tests.adl import books
from tests.adl.waves import candidates, wave

USD = 10**6


def cash_rule(allocation):
    """Takes equity, in cash, by an allocation."""
    who = {"rule": "accounts", "capacity": "equity"}
    table = PRESETS["pro-rata"] | {"eligibility": who, "allocation": allocation}
    return compose("mine", table)


def accounts(*equities, deficit):
    """A wave of accounts with that equity (quanta) and a position each at the mark."""
    rows = candidates([{"lots": 1, "entry": 100.0, "mark": 100.0} for _ in equities])
    for name in ("cash", "equity", "principal"):
        rows[name] = equities
    prices = np.array([100 * USD])
    ages = np.zeros((len(rows), 0), np.int64)
    return wave(
        rows, deficit=np.array([deficit]), mark=prices, previous_mark=prices, index=prices,
        older_gains=ages,
    )  # fmt: skip


QUEUE = {"rule": "queue", "score": "wealth"}


def decided(rule, state):
    return b.taken(rule, state, rule.decide(state), state.mark * state.unit)


# --- how far rules jump -----------------------------------------------------------------


@pytest.mark.parametrize("need", [1, 7 * USD, 100 * USD])
def test_a_queue_jumps_by_twice_the_need_at_a_tie(need):
    # arXiv 2602.15182: the answers of a queue on both sides of a tie lie 2 B apart.
    state = accounts(100 * USD + 1, 100 * USD, 5 * USD, deficit=need)
    rule = cash_rule(QUEUE)
    after = b.richer(state, 1, 2)
    change = b.apart(decided(rule, after), decided(rule, state))
    assert np.abs(change).sum() == 2 * need


def test_pro_rata_changes_by_its_lipschitz_constant():
    own, others, need, more = 300 * USD, 700 * USD, 400 * USD, 10_000
    state = accounts(own, others, deficit=need)
    rule = cash_rule("pro-rata")
    change = b.apart(decided(rule, b.richer(state, 0, more)), decided(rule, state))
    total = own + others
    constant = 2.0 * need / total * (1.0 - own / total)
    assert np.abs(change).sum() / more == pytest.approx(constant, rel=1e-3)


def test_jumps_find_the_tie_of_a_queue_and_none_of_pro_rata():
    state = accounts(*[(100 + i) * USD // 10 for i in range(20)], deficit=11 * USD)
    of_queue = b.brittleness(b.jumps(cash_rule(QUEUE), state, share=0.02))
    of_shares = b.brittleness(b.jumps(cash_rule("pro-rata"), state, share=0.02))
    assert of_queue.moved > 0.5
    assert of_shares.moved < 0.02
    assert of_queue.per_usd > 10.0 * of_shares.per_usd
    # A queue changes nothing at most nudges, pro-rata a little at each.
    assert of_queue.typical_per_usd < of_shares.per_usd


def test_a_need_that_grows_is_not_counted_as_moved():
    jump = b.Jump("mark", 0, by=10, largest=6, total=8, swapped=1, asked=100)
    assert jump.moved == 0.01
    assert jump.per_dollar == 0.2


def test_nothing_is_known_where_nothing_is_taken():
    rule = compose("none", PRESETS["none"])
    found = b.jumps(rule, accounts(USD, USD, deficit=5))
    assert all(np.isnan(b.brittleness(found)))


def test_the_accounts_at_the_edge_are_nudged():
    state = accounts(*[100 * USD - i for i in range(50)], deficit=950 * USD)
    rule = cash_rule(QUEUE)
    chosen = b.whom(state, rule.decide(state), 3)
    assert {8, 9, 10} <= set(chosen)


# --- nudges -----------------------------------------------------------------------------


def crash():
    return next(world for seed in range(20) for world in books.crash_waves(seed, calls=1))


def unlike(found, wanted):
    """Names of the fields that differ anywhere."""
    return {name for name in wanted.dtype.names if (found[name] != wanted[name]).any()}


def test_a_deposit_is_what_the_ledger_makes_of_it():
    world = crash()
    before = gather(world, 0, everywhere=True)
    account = int(before.candidates["account"][3])
    deposit(world.ledger, account, 12_345)
    after = gather(world, 0, everywhere=True)
    assert not unlike(b.richer(before, account, 12_345).candidates, after.candidates)


@pytest.mark.parametrize("ticks", [1, -1])
def test_a_moved_mark_is_what_the_world_makes_of_it_but_for_margins(ticks):
    world = crash()
    before = gather(world, 0, everywhere=True)
    market = int(before.bankrupt["market"][0])
    world.markets.state["mark"][market] += ticks
    after, nudged = gather(world, 0, everywhere=True), b.at_mark(before, market, ticks)
    margins = {"maintenance", "initial", "own_maintenance", "own_initial"}
    assert unlike(nudged.candidates, after.candidates) <= margins
    assert (nudged.deficit == after.deficit).all()
    assert unlike(nudged.bankrupt, after.bankrupt) <= {"bankruptcy"}
    own = before.bankrupt["account"] == before.bankrupt["account"][0]
    total = int(after.bankrupt["bankruptcy"][own].sum())
    assert int(nudged.bankrupt["bankruptcy"][own].sum()) == total


def test_jitter_moves_everybody_by_the_share_and_the_same_way_each_time():
    state = accounts(100 * USD, 200 * USD, 300 * USD, deficit=5)
    nudged, by = b.jittered(state, 1e-3, 1)
    away = np.abs(nudged.candidates["equity"] - state.candidates["equity"])
    assert list(away) == [100_000, 200_000, 300_000]
    assert by == 600_000
    again, _ = b.jittered(state, 1e-3, 1)
    assert (again.candidates == nudged.candidates).all()


def test_who_has_nothing_left_is_no_candidate_any_more():
    state = accounts(10, 20, deficit=5)
    assert list(b.richer(state, 0, -10).candidates["account"]) == [1]
