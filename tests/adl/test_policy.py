"""Policies on small books: who pays, in what, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.adl import eligibility, seniority, settlement, severity, trigger
from abm.adl.allocation import Allocation
from abm.adl.compose import PRESETS, CompositionError, compose
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError, gather
from abm.engine import Engine
from abm.venue.ledger import book_lots
from abm.venue.margin import equity_of
from tests import crashes

ALICE, BOB, CAROL, VAULT = 10, 11, 12, 0


def _book(mark_usd, previous_usd=None):
    """The vault is long 10 at 1000; three accounts are short 5, 3 and 2 at other prices."""
    world = genesis.new_world(crashes.crash(population={"accounts": 20, "positions": 2}), 1)
    ledger, risk = world.ledger, world.risk
    live = np.flatnonzero(ledger.positions["account"] != w.NONE)
    for slot in live:
        row = ledger.positions[slot].copy()
        value = int(row["lots"]) * 10000 * 1000
        book_lots(ledger, risk, 0, row["account"], 0, -row["lots"], -value)
    unit = int(world.markets.specs[0]["unit"])
    ledger.accounts["cash"][[ALICE, BOB, CAROL, VAULT]] = [600e6, 3000e6, 8000e6, 500e6]
    for account, lots, price in (
        (VAULT, 1000, 1000.0),
        (ALICE, -500, 1000.0),
        (BOB, -300, 1100.0),
        (CAROL, -200, 900.0),
    ):
        book_lots(ledger, risk, 0, account, 0, lots, round(lots * price * 10) * unit)
    ledger.pots["deposits"] += int(w.money_missing(ledger)) * -1
    state = world.markets.state
    state["mark"] = round(mark_usd * 10)
    state["previous_mark"] = round((previous_usd or mark_usd) * 10)
    return world


def _equity(world, account):
    return int(equity_of(world.ledger, world.markets, account)) / 1e6


def _policy(share, name="mine"):
    return Policy(
        name, trigger.venue_short(), severity.everything(), eligibility.profits(),
        seniority.none(), Allocation(share), settlement.cash(),
    )  # fmt: skip


def test_the_wave_knows_who_is_short_and_who_could_pay():
    wave = gather(_book(900.0), 3, everywhere=False)
    assert wave.short_account.tolist() == [VAULT]
    assert wave.deficit.tolist() == [500_000_000]
    assert sorted(wave.candidates["account"].tolist()) == [ALICE, BOB, CAROL]
    assert "wave 3" in wave.describe()


def test_hyperliquid_closes_the_highest_scores_and_the_marginal_one_in_part():
    world = _book(900.0, previous_usd=940.0)
    wave = gather(world, 0, everywhere=False)
    outcome = compose("hyperliquid", PRESETS["hyperliquid"]).answer(world, wave)
    # entry/mark * notional/equity: Alice 1000/900 * 4500/1100, Bob 1100/900 * 2700/3600;
    # Carol is at a loss at the previous mark and is not asked.
    assert outcome.decision.score.tolist() == pytest.approx(
        [1000 / 900 * 4500 / 1100, 1100 / 900 * 2700 / 3600]
    )
    assert outcome.fills["account"].tolist() == [ALICE, BOB]
    assert outcome.fills["lots"].tolist() == [-500, -300]
    assert set(outcome.fills["value"] // outcome.fills["lots"]) == {9400 * 1000}
    assert _equity(world, ALICE) == pytest.approx(600 + 5 * 60)
    assert _equity(world, BOB) == pytest.approx(3000 + 3 * 160)
    # The vault sold 8 of 10 at 940 instead of the mark of 900.
    assert _equity(world, VAULT) == pytest.approx(-500 + 8 * 40)
    w.check(world)


def test_a_queue_takes_the_marginal_account_partially():
    world = _book(900.0)
    # The vault sells 4 of its 10 to somebody else at 1000, so that only 6 must be closed.
    value = 400 * 10000 * 1000
    book_lots(world.ledger, world.risk, 0, VAULT, 0, -400, -value)
    book_lots(world.ledger, world.risk, 0, 13, 0, 400, value)
    world.ledger.accounts["cash"][VAULT] = 100e6
    wave = gather(world, 0, everywhere=False)
    outcome = compose("q", PRESETS["hyperliquid"]).answer(world, wave)
    assert outcome.decision.amounts.tolist() == [500, 100]
    assert outcome.fills["held"].tolist() == [-500, -300]
    assert w.lots_out_of_balance(world.ledger).tolist() == [0]


def test_pro_rata_takes_the_same_share_of_every_profit():
    world = _book(850.0)
    before = {a: _equity(world, a) for a in (ALICE, BOB, CAROL)}
    wave = gather(world, 0, everywhere=True)
    outcome = compose("pro-rata", PRESETS["pro-rata"]).answer(world, wave)
    profit = {ALICE: 5 * 150, BOB: 3 * 250, CAROL: 2 * 50}
    share = 1000 / sum(profit.values())
    for account, gain in profit.items():
        paid = before[account] - _equity(world, account)
        assert paid == pytest.approx(share * gain, abs=1e-6)
    assert _equity(world, VAULT) == 0
    assert outcome.haircuts["amount"].sum() == 1000 * 10**6
    w.check(world)


def test_none_leaves_the_shortfall_where_it_is():
    world = _book(900.0)
    wave = gather(world, 0, everywhere=True)
    outcome = compose("none", PRESETS["none"]).answer(world, wave)
    assert len(outcome.fills) == len(outcome.haircuts) == outcome.decision.budget == 0
    assert _equity(world, VAULT) == -500


def test_when_capacity_is_less_than_the_budget_everyone_pays_all_of_it():
    world = _book(300.0)
    world.ledger.accounts["cash"][VAULT] = -500e6
    wave = gather(world, 0, everywhere=True)
    outcome = compose("pro-rata", PRESETS["pro-rata"]).answer(world, wave)
    assert outcome.decision.amounts.tolist() == outcome.decision.payers.capacity.tolist()
    assert _equity(world, VAULT) < 0


def _raise(capacity, score, budget):
    raise RuntimeError("out of ideas")


BAD = {
    "raised RuntimeError: out of ideas": _raise,
    "not a number": lambda capacity, score, budget: capacity * np.nan,
    "negative": lambda capacity, score, budget: -np.ones_like(capacity),
    "more than a payer's capacity": lambda capacity, score, budget: capacity + 1,
    "more than the budget": lambda capacity, score, budget: capacity,
    "fraction": lambda capacity, score, budget: np.full(len(capacity), 0.5),
    "amounts": lambda capacity, score, budget: capacity[:1],
}


@pytest.mark.parametrize("reason", BAD)
def test_an_answer_that_must_not_be_booked_leaves_the_ledger_untouched(reason):
    world = _book(850.0)
    wave = gather(world, 5, everywhere=True)
    before = world.ledger.accounts.copy()
    with pytest.raises(PolicyError, match=r"mine.*allocation.*wave 5") as error:
        _policy(BAD[reason]).answer(world, wave)
    assert reason in str(error.value)
    assert np.array_equal(world.ledger.accounts, before)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({}, "trigger: is missing"),
        ({"preset": "nobody"}, "must be one of hyperliquid"),
        ({"preset": "pro-rata", "severity": "some"}, "severity"),
        ({"preset": "pro-rata", "severity": {"rule": "fixed", "share": 2}}, "from 0 to 1"),
        (
            {"preset": "pro-rata", "settlement": "contracts"},
            "is for settlement = .cash., not",
        ),
        ({"preset": "pro-rata", "allocation": {"rule": "queue", "score": "luck"}}, "score"),
        ({"preset": "pro-rata", "allocation": "nothing.py:share"}, "no file"),
        (
            {"preset": "hyperliquid", "settlement": {"rule": "contracts", "price": "x"}},
            "price",
        ),
    ],
)
def test_a_table_that_makes_no_policy_is_refused_with_the_reason(table, complaint):
    with pytest.raises(CompositionError, match=complaint):
        compose("p", table)


def test_a_users_function_in_a_file_is_an_allocation(tmp_path):
    rules = tmp_path / "my_rules.py"
    rules.write_text(
        "import numpy as np\n"
        "def first_pays(capacity, score, budget):\n"
        "    amounts = np.zeros_like(capacity)\n"
        "    amounts[0] = min(capacity[0], budget)\n"
        "    return amounts\n"
    )
    table = {"preset": "pro-rata", "allocation": f"{rules}:first_pays"}
    world = _book(900.0)
    wave = gather(world, 0, everywhere=True)
    outcome = compose("mine", table).answer(world, wave)
    assert np.count_nonzero(outcome.decision.amounts) == 1
    w.check(world)


def test_a_fixed_severity_asks_for_its_share_of_the_deficit():
    world = _book(850.0)
    table = PRESETS["pro-rata"] | {"severity": {"rule": "fixed", "share": 0.25}}
    compose("quarter", table).answer(world, gather(world, 0, everywhere=True))
    assert _equity(world, VAULT) == -750


@pytest.mark.parametrize("policy", ["hyperliquid", "pro-rata"])
def test_no_haircut_in_a_crash_exceeds_its_capacity(policy):
    scenario = crashes.crash()
    engine = Engine(genesis.new_world(scenario, 4), compose(policy, PRESETS[policy]))
    engine.run_to(scenario.time.steps)
    paid = 0
    for call in engine.record.calls:
        decision = call.outcome.decision
        assert (decision.amounts <= decision.payers.capacity).all()
        assert (decision.amounts >= 0).all()
        paid += int(np.count_nonzero(decision.amounts))
    assert paid > 0
