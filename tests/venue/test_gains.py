"""How old gains are, against the definition worked out from the whole past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import enlarge, genesis
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.market.book import BUY, LIMIT, SELL, submit
from abm.venue.gains import age_gains, gains_of, keep_ages, note_gains, older_gains
from abm.venue.ledger import (
    book_lots,
    deposit,
    return_to_parent,
    settle_fills,
    withdraw,
)
from abm.venue.margin import equity_of
from tests.crashes import FIRST, anything, crash, empty_venue, give, set_marks

USD = 10**6
ANN, BEN, CAT = FIRST, FIRST + 1, FIRST + 2


def _venue(ages_s, step_s=1.0, gain_usd=0.0):
    """Ann has deposited 1000 and gained some; Ben is on the other side of everything."""
    world = empty_venue({"X": {}}, time={"duration_s": 150 * step_s, "step_s": step_s})
    for account in (ANN, BEN):
        deposit(world.ledger, account, 1_000 * USD)
    _gain(world, gain_usd)
    return keep_ages(world, ages_s)


def _gain(world, usd):
    quanta = round(usd * USD)
    world.ledger.accounts["cash"][ANN] += quanta
    world.ledger.accounts["cash"][BEN] -= quanta


def _older(world, account=ANN):
    """Gains of now, and how much of them is older than each age, in USD."""
    gains = np.array([gains_of(world.ledger, world.markets, account)])
    older = np.zeros((1, len(world.ledger.ages)), np.int64)
    older_gains(world.ledger, np.array([account]), gains, older)
    return [float(x) / USD for x in (gains[0], *older[0])]


def _pass(world, seconds):
    step = int(world.clock[0]["step_ms"])
    for _ in range(round(seconds * 1000 / step)):
        world.clock["now_ms"] += step
        age_gains(world)


def test_gains_grow_older_with_time_and_only_with_time():
    world = _venue([40.0, 400.0], gain_usd=5.0)
    assert _older(world) == [5.0, 5.0, 5.0]
    _gain(world, 10.0)
    age_gains(world)
    note_gains(world.ledger, world.markets)
    assert _older(world) == [15.0, 5.0, 5.0]
    _pass(world, 39)
    assert _older(world) == [15.0, 5.0, 5.0]
    _pass(world, 11)
    assert _older(world) == [15.0, 15.0, 5.0]
    _pass(world, 350)
    assert _older(world) == [15.0, 15.0, 5.0]
    _pass(world, 100)
    assert _older(world) == [15.0, 15.0, 15.0]


def test_what_is_lost_and_made_again_is_recent():
    world = _venue([40.0], gain_usd=20.0)
    _gain(world, -15.0)
    assert _older(world) == [5.0, 5.0]
    _pass(world, 10)
    _gain(world, 15.0)
    assert _older(world) == [20.0, 5.0]
    _pass(world, 60)
    assert _older(world) == [20.0, 20.0]


def test_withdrawals_take_recent_gains_first_then_older_ones_then_principal():
    world = _venue([40.0], gain_usd=20.0)
    _gain(world, 30.0)

    def take(usd):
        gains = int(equity_of(world.ledger, world.markets, ANN))
        gains -= int(world.ledger.accounts["principal"][ANN])
        withdraw(world.ledger, ANN, round(usd * USD), gains)
        principal = int(world.ledger.accounts["principal"][ANN]) / USD
        return [principal, *_older(world)]

    assert take(25) == [1_000, 25, 20]
    assert take(10) == [1_000, 15, 15]
    # Made again at once, without a tick of the clock between: it is recent all the same.
    _gain(world, 10.0)
    assert _older(world) == [25, 15]
    assert take(35) == [990, 0, 0]
    w.check(world)


def test_a_deposit_is_principal_and_changes_no_gain():
    world = _venue([40.0], gain_usd=20.0)
    deposit(world.ledger, ANN, 500 * USD)
    assert _older(world) == [20.0, 20.0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0.4, 90.0), min_size=1, max_size=4, unique=True),
    st.sampled_from([0.1, 0.5, 1.0, 5.0]),
    st.integers(0, 2**32 - 1),
)
def test_older_gains_are_the_least_that_the_clock_has_seen(ages_s, step_s, seed):
    """Brute force: the least at all ticks within each age and up to its parts' length."""
    rng = np.random.default_rng(seed)
    world = _venue(ages_s, step_s)
    rows = world.ledger.ages
    part_s = rows["period_ms"] / 1000
    ages = rows["age_ms"] / 1000
    assert (part_s <= np.maximum(step_s, ages / 4 + step_s)).all()
    ticks, seen = [0.0], [0.0]
    for _ in range(150):
        _gain(world, float(rng.normal()) * 10)
        before = rows["slot"].copy()
        _pass(world, step_s)
        now = int(world.clock[0]["now_ms"]) / 1000
        gains, *older = _older(world)
        if (rows["slot"] != before).any():
            ticks.append(now)
            seen.append(gains)
        if rng.random() < 0.05:
            note_gains(world.ledger, world.markets)
            ticks.append(now)
            seen.append(gains)
        past = now - np.array(ticks)
        least = np.array(seen)
        for k, age in enumerate(ages):
            # What was seen within the age bounds it; nothing from before its parts does.
            upper = least[past <= age + 1e-9].min(initial=gains)
            lower = least[past <= (rows["slots"] * part_s)[: k + 1].max() + 1e-9]
            assert older[k] <= upper + 1e-9
            assert older[k] >= lower.min(initial=gains) - 1e-9
        assert older == sorted(older, reverse=True)


trades = st.lists(
    st.tuples(
        st.sampled_from([ANN, BEN, CAT]), st.sampled_from([ANN, BEN, CAT]),
        st.integers(1, 400), st.integers(1, 40_000),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(trades, st.integers(1, 40_000), st.data())
def test_closing_and_reopening_at_the_mark_changes_nothing(done, mark, data):
    """To the last quantum, whatever the book: gains, older gains, principal, equity."""
    world = empty_venue({"X": {}})
    for account in (ANN, BEN, CAT):
        deposit(world.ledger, account, 10**15)
    world = keep_ages(world, [2.0])
    ledger, risk = world.ledger, world.risk
    unit = int(world.markets.specs["unit"][0])

    def trade(account, lots, tick):
        level = int(world.book.tops["first_level"][0])
        book_lots(ledger, risk, level, account, 0, lots, lots * tick * unit)

    for buyer, seller, lots, tick in done:
        trade(buyer, lots, tick)
        trade(seller, -lots, tick)
        _pass(world, 1)
    world.markets.state["mark"] = mark
    before = {a: (_older(world, a), _equity(world, a)) for a in (ANN, BEN, CAT)}
    principal = ledger.accounts["principal"].copy()
    for _ in range(data.draw(st.integers(1, 3))):
        account = data.draw(st.sampled_from([ANN, BEN, CAT]))
        slot = w.find_position(ledger, account, 0)
        held = 0 if slot == w.NONE else int(ledger.positions["lots"][slot])
        trade(account, -held, mark) if held else None
        trade(account, held, mark) if held else None
    assert {a: (_older(world, a), _equity(world, a)) for a in before} == before
    assert np.array_equal(ledger.accounts["principal"], principal)
    assert w.money_missing(ledger) == 0


def _equity(world, account):
    return int(equity_of(world.ledger, world.markets, account))


def test_through_the_market_it_costs_the_fee_and_nothing_else():
    world = empty_venue({"X": {}})
    give(world, ANN, 0.0, (0, 500, 900.0))
    give(world, BEN, 0.0, (0, -500, 900.0))
    for account in (ANN, BEN):
        deposit(world.ledger, account, 10**10)
    give(world, CAT, 1e6)
    world = keep_ages(world, [3600.0])
    set_marks(world, 1_000.0)
    before = _older(world)
    book, ledger, risk = world.book, world.ledger, world.risk
    unit = int(world.markets.specs["unit"][0])
    for side in (SELL, BUY):
        submit(book, ledger, 0, CAT, -side, LIMIT, 10_000, 500, 0, 0)
        submit(book, ledger, 0, ANN, side, LIMIT, 10_000, 500, 0, 0)
        settle_fills(ledger, risk, book, unit, 0, ANN, side)
    fee = 2 * 5_000 * 4.5e-4
    assert int(ledger.accounts["fees"][ANN]) == round(fee * USD)
    assert _older(world) == pytest.approx([gain - fee for gain in before], abs=1e-9)


def test_an_isolated_account_gives_its_principal_back_with_its_cash():
    """What changes pockets is no gain, and what was lost on the way stays lost."""
    world = _venue([40.0])
    accounts = world.ledger.accounts
    accounts["parent"][CAT] = ANN
    deposit(world.ledger, CAT, 100 * USD)
    accounts["cash"][CAT] -= 30 * USD
    accounts["cash"][BEN] += 30 * USD
    return_to_parent(world.ledger, CAT)
    assert accounts["cash"][[ANN, CAT]].tolist() == [1_070 * USD, 0]
    assert accounts["principal"][[ANN, CAT]].tolist() == [1_100 * USD, 0]
    assert _older(world) == [0.0, 0.0]
    w.check(world)


def test_in_a_crash_isolated_accounts_give_their_principal_back():
    scenario = crash(population={"isolated_share": 0.5})
    engine = Engine(genesis.new_world(scenario, 3), compose("none", PRESETS["none"]))
    accounts = engine.world.ledger.accounts
    isolated = np.flatnonzero(accounts["parent"] != w.NONE)
    had = accounts["principal"][isolated] > 0
    engine.run_to(scenario.time.steps)
    accounts = engine.world.ledger.accounts[isolated]
    gave_back = had & (accounts["principal"] == 0)
    assert gave_back.any()
    assert (accounts["cash"][gave_back] == 0).all()


def test_a_new_account_has_no_gains_and_no_past():
    world = _venue([40.0], gain_usd=20.0)
    world, account = enlarge.add_account(world, w.USER, 100 * USD)
    w.check(world)
    assert _older(world, account) == [0.0, 0.0]
    _pass(world, 100)
    assert _older(world, account) == [0.0, 0.0]


def test_ages_that_stay_keep_their_past_and_new_ones_begin_now():
    world = _venue([40.0], gain_usd=20.0)
    _gain(world, 5.0)
    more = keep_ages(world, [40.0, 10.0])
    assert _older(more) == [25.0, 25.0, 20.0]
    again = keep_ages(more, [40.0])
    assert again.ledger.lows.tobytes() == world.ledger.lows.tobytes()
    assert again.ledger.ages.tobytes() == world.ledger.ages.tobytes()
    assert keep_ages(again, []).ledger.lows.size == 0


def test_nothing_is_kept_unless_it_is_asked_for():
    world = genesis.new_world(anything(1), 1)
    assert world.ledger.lows.size == world.risk.peaks.size == 0
    kept = keep_ages(world, [3600.0, 86_400.0])
    accounts = len(world.ledger.accounts)
    assert kept.ledger.lows.nbytes == accounts * 2 * w.LOW_SLOTS * 8
    assert "gains by 3 ages" in w.describe(kept)


def test_check_finds_gains_that_are_not_kept_for_all():
    world = _venue([40.0])
    broken = world._replace(ledger=world.ledger._replace(lows=world.ledger.lows[:-1]))
    with pytest.raises(w.BrokenWorldError, match="gains by age"):
        w.check(broken)
    world.ledger.lows[3, 0, 0] = -1
    with pytest.raises(w.BrokenWorldError, match="negative"):
        w.check(world)
