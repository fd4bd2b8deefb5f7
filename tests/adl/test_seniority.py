"""Tiers of capital: what they sum to, what moves capital between them, and what not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import genesis
from abm import world as w
from abm.adl import seniority
from abm.adl.answers import CompositionError, build
from abm.adl.compose import PRESETS, compose
from abm.adl.eligibility import Payers
from abm.adl.wave import BANKRUPT, CANDIDATE, PolicyError, Wave, gather
from abm.engine import Engine
from abm.venue.gains import note_gains
from abm.venue.ledger import book_lots, deposit, withdraw
from abm.venue.margin import equity_of
from tests import crashes
from tests.crashes import FIRST, empty_venue, give, set_marks

USD = 10**6
LADDER = {"rule": "ladder", "ages_s": [10.0, 60.0]}
NONE = np.zeros(0, np.int64)


def rule(answer):
    return build("seniority", answer, seniority.ANSWERS)


def _wave(rows, older=None, ages_s=(10.0, 60.0)):
    """Candidates of (account, equity, principal), and their older gains, in quanta."""
    candidates = np.zeros(len(rows), CANDIDATE)
    for out, row in zip(candidates, rows, strict=True):
        out["account"], out["equity"], out["principal"] = row
    older = np.zeros((len(rows), len(ages_s))) if older is None else older
    return Wave(
        0, 0.0, NONE, NONE, np.zeros(0, BANKRUPT), candidates, NONE, NONE, NONE, NONE, NONE,
        0, ages_s=np.array(ages_s), older_gains=np.array(older, np.int64),
    )  # fmt: skip


def _payers(capacity, worth=None, row=None):
    capacity = np.array(capacity, np.int64)
    worth = capacity if worth is None else np.array(worth, np.int64)
    row = np.arange(len(capacity)) if row is None else np.array(row)
    return Payers(row, np.zeros_like(capacity), capacity, worth)


def _lists(tiers):
    return [tier.tolist() for tier in tiers]


def test_gains_pay_before_principal():
    wave = _wave([(1, 150, 100), (2, 80, 100), (3, 300, 100)])
    tiers = rule("profits-first")(wave, _payers([150, 80, 40]))
    assert _lists(tiers) == [[50, 0, 40], [100, 80, 0]]


def test_the_ladder_goes_from_recent_gains_to_principal():
    wave = _wave([(1, 150, 100), (2, 300, 100)], older=[[30, 10], [0, 0]])
    tiers = rule(LADDER)(wave, _payers([150, 300]))
    assert _lists(tiers) == [[20, 200], [20, 0], [10, 0], [100, 100]]


def test_a_tier_in_lots_is_what_its_money_covers_rounded_down():
    # 7 lots in which there are 100: of 50 gained, 3.5 lots are covered.
    wave = _wave([(1, 150, 100)])
    assert _lists(rule("profits-first")(wave, _payers([7], [100]))) == [[3], [4]]


def test_an_accounts_gains_are_shared_by_its_positions_in_proportion_to_their_worth():
    wave = _wave([(1, 190, 100), (1, 190, 100), (2, 500, 100)])
    payers = _payers([10, 10, 10], [40, 140, 100])
    assert _lists(rule("profits-first")(wave, payers)) == [[5, 5, 10], [5, 5, 0]]


def test_lots_that_cost_their_owner_nothing_are_in_the_first_tier():
    wave = _wave([(1, 100, 100)])
    assert _lists(rule("profits-first")(wave, _payers([7], [0]))) == [[7], [0]]


amounts, money = st.integers(0, 2**62), st.integers(0, 10**15)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 4), *[money] * 4, amounts, money), max_size=12),
)
def test_tiers_sum_to_capacity_and_none_is_negative(rows):
    accounts = {row[0]: row for row in rows}
    rows = [(*accounts[row[0]][:5], *row[5:]) for row in rows]
    candidates = [(account, equity, principal) for account, equity, principal, *_ in rows]
    older = [
        sorted((min(a, max(0, e - p)), min(b, max(0, e - p))), reverse=True)
        for _, e, p, a, b, *_ in rows
    ]
    wave = _wave(candidates, np.array(older).reshape(-1, 2))
    payers = _payers([row[5] for row in rows], [row[6] for row in rows])
    for answer in ("none", "profits-first", LADDER):
        tiers = rule(answer)(wave, payers)
        assert (sum(tiers) == payers.capacity).all()
        assert all((tier >= 0).all() for tier in tiers)
    first, _ = rule("profits-first")(wave, payers)
    assert (sum(rule(LADDER)(wave, payers)[:3]) == first).all()


# --- on a real ledger --------------------------------------------------------------------

ANN, BEN, CAT = FIRST, FIRST + 1, FIRST + 2


def _book():
    """Ann and Ben are short and gain, the vault is long and loses; each deposited 1000."""
    world = empty_venue({"X": {}})
    for account in (0, ANN, BEN):
        deposit(world.ledger, account, 1_000 * USD)
    for account, lots, price in ((0, 1_000, 1_000.0), (ANN, -600, 1_000.0)):
        give(world, account, 0.0, (0, lots, price))
    give(world, BEN, 0.0, (0, -400, 1_000.0))
    return world


def _equities(world, wave):
    """Payers who can give all of their equity."""
    _, first = np.unique(wave.candidates["account"], return_index=True)
    return _payers(wave.candidates["equity"][first], row=first)


def _tiers_by_account(world, answer):
    wave = gather(world, 0, everywhere=True)
    payers = _equities(world, wave)
    tiers = _lists(rule(answer)(wave, payers))
    accounts = wave.candidates["account"][payers.row].tolist()
    return {a: [tier[i] for tier in tiers] for i, a in enumerate(accounts)}


@pytest.mark.parametrize("answer", ["profits-first", LADDER])
def test_resetting_the_entry_price_moves_no_capital_between_tiers(answer):
    policy = compose("p", PRESETS["pro-rata"] | {"seniority": answer})
    world = Engine(_book(), policy).world
    set_marks(world, 880.0)
    before = _tiers_by_account(world, answer)
    unit = int(world.markets.specs["unit"][0])
    level = int(world.book.tops["first_level"][0])
    for lots in (-600, 600):
        book_lots(world.ledger, world.risk, level, ANN, 0, -lots, -lots * 8800 * unit)
    slot = w.find_position(world.ledger, ANN, 0)
    assert world.ledger.positions["cost"][slot] == -600 * 8800 * unit
    assert _tiers_by_account(world, answer) == before
    assert before[ANN][-1] == 1_000 * USD
    assert sum(before[ANN][:-1]) == 720 * USD


def test_withdrawing_takes_gains_and_leaves_the_tiers_of_the_others():
    world = _book()
    set_marks(world, 880.0)
    before = _tiers_by_account(world, "profits-first")
    gains = int(equity_of(world.ledger, world.markets, ANN)) - 1_000 * USD
    withdraw(world.ledger, ANN, 800 * USD, gains)
    after = _tiers_by_account(world, "profits-first")
    assert after[ANN] == [0, 920 * USD]
    assert after[BEN] == before[BEN]


def test_each_tier_is_exhausted_before_the_next_whatever_shares_within():
    table = PRESETS["pro-rata"] | {"seniority": LADDER}
    policy = compose("p", table)
    engine = Engine(_book(), policy)
    world = engine.world
    # Ben's gains are of old, Ann made hers just now.
    set_marks(world, 990.0)
    world.ledger.lows[BEN] = 40 * USD
    note_gains(world.ledger, world.markets)
    set_marks(world, 890.0)
    wave = gather(world, 0, everywhere=True)
    assert wave.total_deficit == 100 * USD
    # Recent: all 660 of Ann's (nothing was old), 400 of Ben's 440.
    amounts = _by_account(wave, policy.decide(wave))
    assert amounts[ANN] == pytest.approx(100 * USD * 660 / 1060, abs=1)
    assert amounts[BEN] == pytest.approx(100 * USD * 400 / 1060, abs=1)
    set_marks(world, 790.0)
    wave = gather(world, 0, everywhere=True)
    assert wave.total_deficit == 1_100 * USD
    # Recent: 1260 of Ann's, 800 of Ben's; that is enough.
    amounts = _by_account(wave, policy.decide(wave))
    assert amounts[ANN] <= 1_260 * USD
    assert amounts[BEN] <= 800 * USD
    assert sum(amounts.values()) == 1_100 * USD


def _by_account(wave, decision):
    accounts = wave.candidates["account"][decision.payers.row].tolist()
    return dict(zip(accounts, decision.amounts.tolist(), strict=True))


def test_a_policy_whose_ages_the_world_does_not_keep_is_refused_by_name():
    world = _book()
    set_marks(world, 880.0)
    policy = compose("mine", PRESETS["pro-rata"] | {"seniority": LADDER})
    with pytest.raises(PolicyError, match=r"mine.*seniority.*age of 10 s"):
        policy.answer(world, gather(world, 0, everywhere=True))


# --- in a run ----------------------------------------------------------------------------


SHORT = {"rule": "ladder", "ages_s": [1.0, 60.0]}


def _policy(name, **answers):
    return compose(name, PRESETS["pro-rata"] | answers)


@pytest.fixture(scope="module")
def run():
    scenario = crashes.crash()
    engine = Engine(genesis.new_world(scenario, 4), _policy("ladder", seniority=SHORT))
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine


def test_in_a_crash_no_senior_capital_pays_before_junior_is_exhausted(run):
    several = 0
    for call in run.record.calls:
        decision = call.outcome.decision
        paid = int(decision.amounts.sum())
        tiers = rule(SHORT)(call.wave, decision.payers)
        assert (sum(tiers) == decision.payers.capacity).all()
        sizes = np.cumsum([int(tier.sum()) for tier in tiers])
        reached = int(np.searchsorted(sizes, paid))
        if paid:
            junior = sum(tiers[:reached], np.zeros_like(decision.amounts))
            assert (decision.amounts >= junior).all()
            upto = sum(tiers[: reached + 1], np.zeros_like(decision.amounts))
            assert (decision.amounts <= upto).all()
            several += reached > 0
    assert len(run.record.calls) > 2
    assert several > 0


def test_the_same_seed_gives_the_same_bytes(run):
    scenario = crashes.crash()
    again = Engine(genesis.new_world(scenario, 4), _policy("ladder", seniority=SHORT))
    again.run_to(scenario.time.steps)
    again.finish()
    theirs = w.arrays(again.world)
    for name, array in w.arrays(run.world).items():
        assert np.array_equal(array, theirs[name]), name


def test_a_fork_keeps_its_gains_and_a_shared_past_those_of_every_policy(run):
    scenario = crashes.crash()
    other = _policy("other", seniority={"rule": "ladder", "ages_s": [25.0]})
    plain = _policy("plain")
    mine = _policy("ladder", seniority=SHORT)
    past = Engine(genesis.new_world(scenario, 4), plain)
    past.share([plain, mine, other])
    assert past.world.ledger.ages["age_ms"].tolist() == [1_000, 25_000, 60_000]
    past.run_to(scenario.time.steps, stop_at_wave=True)
    fork = past.fork(mine)
    assert fork.world.ledger.ages["age_ms"].tolist() == [1_000, 60_000]
    assert past.fork(plain).world.ledger.lows.size == 0
    fork.answer_if_asked()
    fork.run_to(scenario.time.steps)
    fork.finish()
    theirs = w.arrays(run.world)
    for name, array in w.arrays(fork.world).items():
        assert np.array_equal(array, theirs[name]), name


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"rule": "ladder", "ages_s": []}, "seniority.ages_s"),
        ({"rule": "ladder", "ages_s": [-1]}, r"seniority.ages_s.0 = -1"),
        ({"rule": "ladder", "ages_s": 60}, "seniority.ages_s = 60: must be a list"),
        ("by-age", "must be one of none, profits-first, ladder"),
    ],
)
def test_bad_answers_are_refused_in_one_line(answer, complaint):
    with pytest.raises(CompositionError, match=complaint):
        rule(answer)
