"""Settlements: at what price, to the last quantum, and what is left over for whom."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import genesis
from abm import world as w
from abm.adl import audit
from abm.adl.compose import CompositionError, compose
from abm.adl.record import Outcome
from abm.adl.settlement import ANSWERS, money_needed, short_after
from abm.adl.settlement.base import portion
from abm.adl.settlement.money import round_cash, round_charge
from abm.adl.sharing.proportional import pro_rata
from abm.adl.wave import BANKRUPT, Wave, gather
from abm.engine import Engine
from abm.units import quanta
from abm.venue import liquidation
from abm.venue.ledger import stop_cutting_withdrawals, withdraw, withdrawal_cut
from abm.world import World
from tests import crashes
from tests.adl import waves
from tests.adl.books import (
    LONG,
    OTHER,
    SHORT,
    THIRD,
    UNIT,
    crash_waves,
    equity,
    live_positions,
    lots_of,
    missing,
    policy,
    ruin,
    venue,
)

INSURANCE = 1
ANY = {"rule": "positions", "profit": "any"}
QUEUE = {"rule": "queue", "score": "hyperliquid"}
PRICES = (
    "bankruptcy",
    "mark",
    "previous-mark",
    "index",
    "index-or-bankruptcy",
    "midpoint",
    "entry",
)


def contracts(price: str, **over: Any) -> dict[str, Any]:
    return {"rule": "contracts", "price": price, **over}


def answer(world: World, settlement: Any, eligibility: Any = ANY, **over: Any) -> Outcome:
    """Settle the wave that a world is in and check that nothing was lost or made.

    What was deposited is taken to be what is there: the books are made up.
    """
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    mine = policy(settlement, eligibility, **over)
    wave = gather(world, 0, mine.looks_everywhere)
    outcome = mine.answer(world, wave)
    w.check(world)
    return outcome


# --- contracts: prices ------------------------------------------------------------------


def duel(index_usd: float = 980.0) -> World:
    """A bankrupt long of 10 at 1000 with 500 USD, a short of 10 with 600, a mark of 900.

    The long's equity is -500, its bankruptcy price 950. The short has 1600, so its zero
    price is 1060.
    """
    world = venue(900.0, previous_usd=940.0, index_usd=index_usd)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -10 * UNIT, 1000.0))
    ruin(world, LONG)
    return world


@pytest.mark.parametrize(
    ("price", "index_usd", "long_usd", "short_usd"),
    [
        (contracts("bankruptcy"), 980, 0, 1100),
        (contracts("mark"), 980, -500, 1600),
        (contracts("previous-mark"), 980, -100, 1200),
        (contracts("index"), 980, 300, 800),
        (contracts("index-or-bankruptcy"), 980, 300, 800),
        (contracts("index-or-bankruptcy"), 910, 0, 1100),
        (contracts("mark", spread_bps=100.0), 980, -590, 1690),
        (contracts("midpoint"), 980, 550, 550),
        (contracts("entry"), 980, 0, 1100),
    ],
)
def test_contracts_are_closed_at_the_price(price, index_usd, long_usd, short_usd):
    world = duel(index_usd)
    answer(world, price, ANY)
    assert equity(world, LONG) == quanta(long_usd)
    assert equity(world, SHORT) == quanta(short_usd)
    assert lots_of(world, LONG) == lots_of(world, SHORT) == {}


def test_prices_work_the_same_way_for_a_bankrupt_short():
    for price, short_usd in (
        (contracts("bankruptcy"), 0),
        (contracts("mark", spread_bps=100.0), -610),
        (contracts("index-or-bankruptcy"), 0),
        (contracts("midpoint"), 550),
    ):
        world = venue(1100.0, index_usd=1200.0)
        crashes.give(world, SHORT, 500.0, (0, -10 * UNIT, 1000.0))
        crashes.give(world, LONG, 600.0, (0, 10 * UNIT, 1000.0))
        ruin(world, SHORT)
        short_usd = -610 if price["price"] == "mark" else short_usd
        answer(world, price, ANY)
        assert equity(world, SHORT) == quanta(short_usd)
        assert equity(world, LONG) == quanta(1100 - short_usd)


def test_a_midpoint_never_takes_a_payer_below_zero():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    # Equity of 40 at the mark: the zero price, 904, is below the bankruptcy price, 950.
    crashes.give(world, SHORT, 40.0, (0, -10 * UNIT, 900.0))
    ruin(world, LONG)
    answer(world, contracts("midpoint"))
    assert equity(world, SHORT) == 0
    assert equity(world, LONG) == -quanta(460)


def test_at_entry_prices_what_the_bankrupt_has_left_is_shared_by_lots():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -7 * UNIT, 1000.0))
    crashes.give(world, OTHER, 600.0, (0, -3 * UNIT, 1010.0))
    ruin(world, LONG)
    outcome = answer(world, contracts("entry"))
    # 3 are closed at 1010 against an entry of 1000: 530 USD are left, 7 to 3.
    assert dict(
        zip(outcome.fills["account"], outcome.fills["collateral"], strict=True)
    ) == {SHORT: quanta(371), OTHER: quanta(159)}
    assert equity(world, SHORT) == quanta(971)
    assert equity(world, OTHER) == quanta(759)
    assert equity(world, LONG) == 0


def test_a_purse_keeps_what_it_has_left_at_entry_prices():
    world = venue(900.0)
    crashes.give(world, 0, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -10 * UNIT, 1000.0))
    answer(world, contracts("entry"))
    assert equity(world, 0) == quanta(500)
    assert equity(world, SHORT) == quanta(600)


# --- reference cases --------------------------------------------------------------------


def test_dydx_v3_offsets_the_whole_account():
    """dYdX help centre, article 4797358: A is worth -100 at an index of 900."""
    world = venue(900.0)
    crashes.give(world, LONG, 0.0, (0, UNIT, 1000.0))
    crashes.give(world, SHORT, 1000.0, (0, -9 * UNIT, 1000.0))
    crashes.give(world, OTHER, 9000.0, (0, 8 * UNIT, 1000.0))
    ruin(world, LONG)
    answer(world, contracts("bankruptcy"))
    assert equity(world, LONG) == 0
    assert lots_of(world, SHORT) == {0: -8 * UNIT}
    assert equity(world, SHORT) == quanta(1900 - 100)


def test_dydx_v4_documentation_closes_at_the_bankruptcy_price():
    """dydxprotocol/v4-documentation, contract loss mechanism; prices times 1000."""
    world = venue(2000.0)
    crashes.give(world, LONG, 100.0, (0, UNIT // 2, 1000.0))
    crashes.give(world, SHORT, 100.0, (0, -UNIT // 2, 1000.0))
    ruin(world, SHORT)
    outcome = answer(world, contracts("bankruptcy"))
    assert outcome.fills["value"].tolist() == [quanta(600)]
    assert equity(world, LONG) == quanta(200)
    assert equity(world, SHORT) == 0


@pytest.mark.parametrize(
    ("short_cash", "long_cash", "after"),
    [(54_999, 50_000, 104_999), (54_999, -45_001, 9_998), (49_999, 50_000, 99_999),
     (49_999, -45_001, 4_998)],
)  # fmt: skip
def test_dydx_v4_deleverages_at_the_bankruptcy_price(short_cash, long_cash, after):
    """v4-chain, ``deleveraging_test.go``, TestProcessDeleveraging; prices a tenth.

    Oracle price 50,000 and one unit each; cash is the quote balance, which here is cash
    less cost. A bankruptcy price below the oracle's is no matter for ADL here, which
    finds nobody short, so the short is put just under water by the mark.
    """
    mark = 5000.0 if short_cash < 50_000 else 5500.0
    world = venue(mark)
    crashes.give(world, SHORT, short_cash / 10 - 5000, (0, -UNIT, 5000.0))
    crashes.give(world, LONG, long_cash / 10 + 5000, (0, UNIT, 5000.0))
    ruin(world, SHORT)
    answer(world, contracts("bankruptcy"))
    assert equity(world, SHORT) == 0
    assert equity(world, LONG) == quanta(after / 10)


def test_ethereals_oracle_price_is_capped_at_bankruptcy():
    """Ethereal docs, auto-deleveraging: 10 at 4000 with 2000 move 2000 USD at 3800."""
    world = venue(3600.0)
    crashes.give(world, LONG, 2000.0, (0, 10 * UNIT, 4000.0))
    crashes.give(world, SHORT, 3000.0, (0, -10 * UNIT, 4000.0))
    ruin(world, LONG)
    outcome = answer(world, contracts("index-or-bankruptcy"))
    assert outcome.fills["value"].tolist() == [-quanta(38_000)]
    assert equity(world, LONG) == 0


def test_a_queues_head_bears_its_part_of_the_deficit():
    """Robinson's critique of queues: of 1500 for 2 ETH the head with 1 ETH bears 750."""
    world = venue(4000.0)
    crashes.give(world, SHORT, 500.0, (0, -2 * UNIT, 3000.0))
    crashes.give(world, LONG, 100.0, (0, UNIT, 3000.0))
    crashes.give(world, OTHER, 9000.0, (0, UNIT, 3000.0))
    ruin(world, SHORT)
    before = equity(world, LONG)
    answer(world, contracts("bankruptcy"), ANY, allocation=QUEUE)
    assert equity(world, LONG) == before - quanta(750)


@pytest.mark.parametrize(
    ("loss", "long", "short", "side", "each"),
    [(100, 5, 5, "both", 10), (50, 5, 5, "both", 5), (100, 7, 4, "both", None),
     (100, 5, 5, "opposite", 20)],
)  # fmt: skip
def test_drift_charges_every_contract_the_same(loss, long, short, side, each):
    """drift-labs/protocol-v2, ``controller/liquidation/tests.rs``: 100 over 5 and 5 is 10.

    The bankrupt is flat, as there. 100 over 11 is no whole number of quanta a lot.
    """
    world = venue(1000.0)
    world.ledger.accounts["cash"][LONG] -= quanta(loss)
    world.ledger.pots["deposits"] -= quanta(loss)
    world.ledger.accounts["debt_market"][LONG] = 0
    world.ledger.accounts["debt_side"][LONG] = -1
    ruin(world, LONG)
    crashes.give(world, SHORT, 1000.0, (0, -short * UNIT, 1000.0))
    crashes.give(world, OTHER, 1000.0, (0, long * UNIT, 1000.0))
    crashes.give(world, THIRD, 9000.0, (0, (short - long) * UNIT, 1000.0)) if (
        short - long
    ) else None
    fund = equity(world, INSURANCE)
    outcome = answer(
        world, {"rule": "charge", "side": side}, {"rule": "holders", "side": side}
    )
    assert equity(world, LONG) == 0
    raised = int(outcome.haircuts["amount"].sum())
    assert equity(world, INSURANCE) == fund + raised - quanta(loss)
    held = {SHORT: short, OTHER: long, THIRD: abs(short - long)}
    charges = {
        Fraction(int(row["amount"]), held[int(row["account"])] * UNIT)
        for row in outcome.haircuts
    }
    assert len(charges) == 1
    if each is not None:
        assert charges == {Fraction(quanta(each), UNIT)}
        assert raised == quanta(loss)
    assert 0 <= raised - quanta(loss) < 14 * UNIT
    if side == "opposite":
        assert outcome.haircuts["account"].tolist() == [OTHER]


def test_crypto_com_socialises_a_loss_in_whole_cents():
    """Crypto.com help, socialised loss: 10,000 over six profits, printed in cents.

    The printed amounts sum to a cent too much; exact ones take it from one of two equals.
    """
    capacity = np.array([50_000, 45_000, 30_000, 30_000, 15_000, 1_000]) * 10**6
    given_ = pro_rata(capacity, quanta(10_000))
    found = round_cash("largest-remainder", 10_000, capacity, given_)
    printed = [292_398, 263_158, 175_439, 175_439, 87_719, 5_848]
    assert (printed - found.amounts // 10_000).tolist() == [0, 0, 0, 1, 0, 0]
    assert found.amounts.sum() == quanta(10_000)


# --- whole positions --------------------------------------------------------------------


def test_whole_positions_leave_the_surplus_to_the_insurance_fund():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -7 * UNIT, 1000.0))
    crashes.give(world, OTHER, 6000.0, (0, -8 * UNIT, 1000.0))
    crashes.give(world, THIRD, 6000.0, (0, 5 * UNIT, 1000.0))
    fund = equity(world, INSURANCE)
    ruin(world, LONG)
    whole = contracts("bankruptcy", rounding="whole-positions")
    outcome = answer(world, whole, ANY, allocation=QUEUE)
    assert outcome.decision.amounts.sum() == 15 * UNIT
    assert lots_of(world, SHORT) == lots_of(world, OTHER) == lots_of(world, LONG) == {}
    assert lots_of(world, INSURANCE) == {0: -5 * UNIT}
    assert equity(world, LONG) == 0
    # The fund sold 5 at 950, and the mark is 900.
    assert equity(world, INSURANCE) == fund + quanta(250)


# --- the need ---------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_a_portion_is_the_decimals_share_rounded_up_in_whole_numbers(amount, parts):
    share = parts / 10**6
    assert portion(np.array([amount]), share).tolist() == [-(-amount * parts // 10**6)]


@pytest.mark.parametrize(
    ("amount", "share", "found"),
    [
        (100, 0.07, 7),
        (100, 0.55, 55),
        (100, 0.29, 29),
        (101, 0.07, 8),
        (2**53 + 1, 1.0, 2**53 + 1),
        (2**63 - 1, 1.0, 2**63 - 1),
        (3, 1e-300, 1),
        (3, 0.0, 0),
    ],
)
def test_every_settlement_asks_for_no_more_than_the_share(amount, share, found):
    bankrupt = np.zeros(1, BANKRUPT)
    bankrupt["lots"], bankrupt["bankruptcy"] = amount, amount
    one = np.array([1])
    asked = waves.wave(
        waves.candidates([]),
        bankrupt=bankrupt,
        short_account=one,
        deficit=np.array([amount]),
        mark=one,
        previous_mark=one,
        index=one,
        unit=one,
    )
    assert money_needed(asked, share) == found
    for part in (ANSWERS["contracts"](), ANSWERS["cash"](), ANSWERS["charge"]()):
        need = part.need(asked, share)[1]
        assert int(need.sum()) == found


# --- cash -------------------------------------------------------------------------------


amounts_and_capacity = st.lists(
    st.tuples(st.integers(1, 10**10), st.integers(0, 10**9)), min_size=1, max_size=30
).map(
    lambda rows: (
        np.array([most for most, _ in rows]),
        np.array([min(most, given) for most, given in rows]),
    )
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    amounts_and_capacity,
    st.sampled_from(
        ["largest-remainder", "floor", "ceil", "whole-capacities", "fixed-point-scaling"]
    ),
    st.sampled_from([1, 10_000, 1_000_000, 10**8]),
)
def test_rounded_cash_keeps_its_bound(rows, rounding, unit):
    capacity, exact = rows
    budget, n = int(exact.sum()), len(exact)
    found = round_cash(rounding, unit, capacity, exact)
    total = int(found.amounts.sum())
    assert found.least <= total <= found.most
    assert (found.amounts >= 0).all()
    assert (found.amounts <= capacity).all()
    if rounding == "whole-capacities":
        assert set(found.amounts[found.amounts != capacity]) <= {0}
        largest = int(found.amounts.max())
        assert budget <= total < budget + max(largest, 1)
        return
    # Only who has less than the next unit pays a part of one.
    broken = found.amounts % unit > 0
    assert not broken.any() or rounding in ("ceil",)
    assert (found.amounts[broken] == capacity[broken]).all()
    payable = int((capacity[exact > 0] // unit).sum()) * unit
    if rounding == "floor":
        assert budget - n * unit < total <= budget
    elif rounding == "ceil":
        assert budget <= total < budget + n * unit
    elif payable >= -(-budget // unit) * unit:
        assert budget <= total < budget + (n + 1) * unit


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 1000), st.integers(0, 10**6)), min_size=1, max_size=12
    ),
    st.floats(0, 1),
)
def test_a_charge_is_the_least_whole_one_that_raises_the_budget(rows, share):
    lots, capacity = np.array(rows).T
    given_ = np.floor(capacity * share).astype(np.int64)
    budget = int(given_.sum())
    found = round_charge(lots, capacity, given_)
    low, high = 0, 10**6
    while low < high:
        middle = (low + high) // 2
        if np.minimum(capacity, lots * middle).sum() >= budget:
            high = middle
        else:
            low = middle + 1
    assert found.amounts.tolist() == np.minimum(capacity, lots * low).tolist()
    assert budget <= found.amounts.sum() <= found.most


def test_a_charge_takes_no_more_than_there_is_and_the_rest_from_others():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 30.0, (0, -5 * UNIT, 900.0))
    crashes.give(world, OTHER, 9000.0, (0, -5 * UNIT, 900.0))
    ruin(world, LONG)
    answer(world, "charge", "holders")
    assert equity(world, LONG) == equity(world, SHORT) == 0
    assert equity(world, OTHER) == quanta(9000 - 470)
    # Whoever was charged is on the list that the margin engine looks at next.
    touched = world.ledger.touched[: int(world.ledger.pots["n_touched"][0])]
    assert {SHORT, OTHER} <= set(touched.tolist())


def test_what_nobody_can_be_charged_stays_missing():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 30.0, (0, -5 * UNIT, 900.0))
    crashes.give(world, OTHER, 70.0, (0, -5 * UNIT, 900.0))
    ruin(world, LONG)
    answer(world, "charge", "holders")
    assert missing(world) == quanta(400)


# --- withdrawals ------------------------------------------------------------------------


@pytest.mark.parametrize(("divisor", "cut"), [("claims", 0.20), ("cash", 0.25)])
def test_paradexes_example_can_be_read_in_two_ways(divisor, cut):
    """docs.paradex.trade, "Socialized Losses": 1,000 short, 4,000 of cash."""
    world = venue(900.0)
    fund = equity(world, INSURANCE)
    world.ledger.accounts["cash"][INSURANCE] -= fund
    world.ledger.pots["deposits"] -= fund
    crashes.give(world, LONG, -1000.0)
    crashes.give(world, SHORT, 4500.0)
    crashes.give(world, OTHER, 500.0)
    ruin(world, LONG)
    outcome = answer(world, {"rule": "withdrawals", "divisor": divisor}, "nobody")
    assert len(outcome.haircuts) == len(outcome.fills) == 0
    assert outcome.withdrawal_cut == pytest.approx(cut)
    withdraw(world.ledger, OTHER, quanta(500), 0)
    assert world.ledger.pots["withdrawals"][0] == quanta(500 * (1 - cut))
    assert world.ledger.accounts["given"][OTHER] == quanta(500 * cut)
    # At the next wave what was withheld pays the debt, and the cut is worked out anew.
    answer(world, {"rule": "withdrawals", "divisor": divisor}, "nobody")
    assert missing(world) == quanta(1000 - 500 * cut)
    debt, cash = 1000 - 500 * cut, 4000 - 500 * (1 - cut)
    after = debt / (cash + debt) if divisor == "claims" else debt / cash
    assert withdrawal_cut(world.ledger) == pytest.approx(after)
    stop_cutting_withdrawals(world.ledger)
    w.check(world)


def test_with_claims_as_the_divisor_it_does_not_matter_who_withdraws_first():
    world = venue(900.0)
    crashes.give(world, LONG, -1000.0)
    accounts = [SHORT, OTHER, THIRD]
    for account, cash in zip(accounts, (4000.0, 700.0, 300.0), strict=True):
        crashes.give(world, account, cash)
    ruin(world, LONG)
    paid = []
    for account in accounts:
        answer(world, "withdrawals", "nobody")
        withdraw(world.ledger, account, int(world.ledger.accounts["cash"][account]), 0)
        paid.append(int(world.ledger.accounts["given"][account]))
    # 1,000 are missing of claims of 5,000, so everybody leaves a fifth behind.
    assert paid == [quanta(800), quanta(140), quanta(60)]


def test_withdrawals_are_whole_again_when_nobody_is_short():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 4000.0, (0, -10 * UNIT, 1000.0))
    ruin(world, LONG)
    answer(world, "withdrawals", "nobody")
    assert liquidation.wave_is_due(world)
    withdraw(world.ledger, SHORT, quanta(900), 0)
    # 500 are short of claims of 5,000.
    assert world.ledger.pots["withheld"][0] == quanta(90)
    crashes.set_marks(world, 960.0)
    # Another strike of the wave's clock.
    world.clock["now_ms"] += 10_000
    assert not liquidation.wave_is_due(world)
    assert withdrawal_cut(world.ledger) == 0.0
    assert equity(world, INSURANCE) == quanta(90)
    w.check(world)


def test_the_insurance_fund_goes_before_withdrawals():
    world = venue(900.0)
    crashes.give(world, INSURANCE, 5000.0)
    crashes.give(world, LONG, -1000.0)
    ruin(world, LONG)
    outcome = answer(world, "withdrawals", "nobody")
    assert outcome.withdrawal_cut == 0.0


# --- random crashes ---------------------------------------------------------------------

SEEDS = range(18)


@functools.cache
def worlds(seed: int) -> list[World]:
    return [w.copy(world) for world in crash_waves(seed)]


def settled(seed: int, settlement: Any, eligibility: Any, **over: Any):
    """Every wave of a crash, settled: the world before and after, the wave, the outcome."""
    for before in worlds(seed):
        after = w.copy(before)
        mine = policy(settlement, eligibility, **over)
        wave = gather(after, 0, mine.looks_everywhere)
        outcome = mine.answer(after, wave)
        w.check(after)
        decision = outcome.decision
        assert (decision.amounts <= decision.payers.capacity).all()
        assert (decision.amounts >= 0).all()
        yield before, after, wave, outcome


def closed_whole(wave: Wave, after: World) -> list[int]:
    """Short accounts all of whose positions are gone."""
    held = set(live_positions(after)["account"].tolist())
    had = set(wave.bankrupt["account"].tolist())
    return sorted(had - held)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_bankruptcy_prices_whoever_is_closed_whole_ends_with_exactly_nothing(seed):
    for _, after, wave, _ in settled(seed, contracts("bankruptcy"), ANY):
        for account in closed_whole(wave, after):
            assert equity(after, account) == 0
        assert missing(after) <= wave.total_deficit


@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_mark_nobodys_equity_changes(seed):
    for before, after, wave, _ in settled(seed, contracts("mark"), ANY):
        for account in {*wave.candidates["account"], *wave.short_account}:
            assert equity(after, account) == equity(before, account)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_entry_prices_no_payer_has_any_profit(seed):
    for before, after, _, outcome in settled(seed, contracts("entry"), ANY):
        cash, now = before.ledger.accounts["cash"], after.ledger.accounts["cash"]
        got = np.zeros(len(cash), np.int64)
        np.add.at(got, outcome.fills["account"], outcome.fills["collateral"])
        payers = np.unique(outcome.fills["account"])
        payers = np.setdiff1d(payers, outcome.fills["bankrupt"])
        assert (now[payers] - cash[payers] == got[payers]).all()
        bankrupt = np.setdiff1d(outcome.fills["bankrupt"], [0, INSURANCE])
        held = live_positions(after)["account"]
        flat = np.setdiff1d(bankrupt, held)
        assert (now[flat] <= 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("price", PRICES)
def test_no_payer_loses_more_than_it_would_at_the_worst_price(seed, price):
    where = {"rule": "positions", "profit": "mark"}
    for _, _, wave, outcome in settled(seed, contracts(price), where):
        worst = policy(contracts(price), where).settlement.worst(wave)
        for value, bound, fills in worst_by_pair(wave, outcome, worst):
            # The ledger takes out whole quanta of the cost, fill by fill.
            assert value >= bound - (fills if price == "entry" else 1)


def worst_by_pair(wave: Wave, outcome: Outcome, worst: np.ndarray):
    """The value of a payer's closed lots, their part of the worst one, and its fills."""
    payers, amounts = outcome.decision.payers, outcome.decision.amounts
    for i in np.flatnonzero(amounts):
        row = wave.candidates[payers.row[i]]
        own = (outcome.fills["account"] == row["account"]) & (
            outcome.fills["market"] == row["market"]
        )
        part = Fraction(int(worst[payers.row[i]]) * int(amounts[i]), abs(int(row["lots"])))
        yield int(outcome.fills["value"][own].sum()), part, np.count_nonzero(own)


@pytest.mark.parametrize("seed", SEEDS)
def test_when_settled_in_profit_nobody_loses_more_than_its_profit(seed):
    for price in set(PRICES) - {"entry"}:
        for *_, wave, outcome in settled(seed, contracts(price), "positions"):
            row = wave.candidates[outcome.decision.payers.row]
            assert (outcome.decision.payers.worth > 0).all()
            for fill in outcome.fills:
                cost = Fraction(int(fill["cost"]) * int(fill["lots"]), int(fill["held"]))
                assert fill["value"] >= cost
            assert (row["value"] > row["cost"]).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("price", ["bankruptcy", "previous-mark", "midpoint", "entry"])
def test_whole_positions_overshoot_by_less_than_the_largest(seed, price):
    whole = contracts(price, rounding="whole-positions")
    for *_, wave, outcome in settled(seed, whole, ANY, allocation=QUEUE):
        decision = outcome.decision
        payers, amounts = decision.payers, decision.amounts
        touched = amounts > 0
        assert (amounts[touched] == payers.capacity[touched]).all()
        need = np.zeros(2 * len(wave.mark), np.int64)
        group = 2 * wave.bankrupt["market"] + (wave.bankrupt["lots"] > 0)
        np.add.at(need, group, decision.need)
        for g in range(len(need)):
            own = payers.group == g
            given_ = int(amounts[own].sum())
            asked = min(int(need[g]), int(payers.capacity[own].sum()))
            assert asked <= given_
            assert given_ == 0 or given_ < asked + int(amounts[own].max())
        surplus = outcome.fills[outcome.fills["bankrupt"] == INSURANCE]
        if not (wave.bankrupt["account"] == INSURANCE).any():
            assert (
                np.abs(surplus["lots"]).sum()
                == np.maximum(np.bincount(payers.group, amounts, len(need)) - need, 0).sum()
            )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "settlement",
    [
        {"rule": "cash"},
        {"rule": "cash", "unit_usd": 0.01},
        {"rule": "cash", "unit_usd": 0.01, "rounding": "floor"},
        {"rule": "cash", "unit_usd": 1.0, "rounding": "ceil"},
        {"rule": "cash", "unit_usd": 1.0, "rounding": "fixed-point-scaling"},
        {"rule": "cash", "rounding": "whole-capacities"},
    ],
)
def test_a_haircut_pays_what_is_missing_and_the_fund_gets_the_rest(seed, settlement):
    for before, after, wave, outcome in settled(seed, settlement, "profits"):
        raised = int(outcome.haircuts["amount"].sum())
        assert missing(after) == max(0, wave.total_deficit - raised)
        capacity = int(outcome.decision.payers.capacity.sum())
        asked = min(wave.total_deficit, capacity)
        unit = quanta(settlement.get("unit_usd", 1e-6))
        n = len(outcome.decision.payers.row)
        if settlement.get("rounding") == "whole-capacities":
            assert asked <= raised
        elif settlement.get("rounding") == "floor":
            assert asked - n * unit < raised <= asked or n == 0
        else:
            assert asked - n * unit < raised < asked + (n + 1) * unit
        if INSURANCE not in wave.short_account:
            rise = equity(after, INSURANCE) - equity(before, INSURANCE)
            assert rise == max(0, raised - wave.total_deficit)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", ["both", "opposite"])
def test_a_charge_is_the_same_for_every_lot_of_whoever_can_pay_it(seed, side):
    how = {"rule": "charge", "side": side}, {"rule": "holders", "side": side}
    for before, after, wave, outcome in settled(seed, *how):
        payers, amounts = outcome.decision.payers, outcome.decision.amounts
        lots = np.abs(wave.candidates["lots"][payers.row])
        for group in np.unique(payers.group[amounts > 0]):
            own = payers.group == group
            full = amounts[own] == payers.capacity[own]
            charge = np.unique(amounts[own][~full] / lots[own][~full])
            assert len(charge) <= 1
        for account in np.unique(outcome.haircuts["account"]):
            assert equity(after, account) >= 0
            paid = outcome.haircuts["amount"][outcome.haircuts["account"] == account]
            assert equity(before, account) - equity(after, account) == paid.sum()


# --- entries ----------------------------------------------------------------------------

HALF = {"severity": {"rule": "fixed", "share": 0.5}}
ENTERED = [
    *((contracts(price), ANY, {}) for price in PRICES),
    *((contracts(price), ANY, HALF) for price in PRICES),
    *((contracts(price, rounding="whole-positions"), ANY, {}) for price in PRICES),
    ({"rule": "cash", "rounding": "ceil", "unit_usd": 1.0}, "profits", {}),
    ("cash", "accounts", HALF),
    ("charge", "holders", {}),
    ({"rule": "withdrawals", "divisor": "claims"}, "nobody", {}),
    ({"rule": "withdrawals", "divisor": "cash"}, "nobody", {}),
]


def books(world: World) -> tuple[dict[int, int], dict[tuple[int, int], tuple[int, int]]]:
    """Cash by account; lots and cost by account and market."""
    cash = dict(enumerate(world.ledger.accounts["cash"].tolist()))
    rows = live_positions(world)
    held = zip(rows["lots"].tolist(), rows["cost"].tolist(), strict=True)
    pairs = zip(rows["account"].tolist(), rows["market"].tolist(), strict=True)
    return cash, dict(zip(pairs, held, strict=True))


def trade(cash: dict, held: dict, who: int, market: int, lots: int, value: int) -> None:
    """Buy lots for a value, or sell: what closes takes out its part of the cost."""
    before, cost = held.pop((who, market), (0, 0))
    if before * lots >= 0:
        held[who, market] = before + lots, cost + value
        return
    closed = min(abs(lots), abs(before))
    out = int(Fraction(cost * closed, abs(before)))
    paid = int(Fraction(value * closed, abs(lots)))
    cash[who] -= paid + out
    if before + lots:
        held[who, market] = before + lots, cost - out + value - paid


def entered(before: World, wave: Wave, fills: np.ndarray, haircuts: np.ndarray) -> tuple:
    """The books of a world after entries, one at a time in plain Python."""
    cash, held = books(before)
    for row in fills.tolist():
        market, account, bankrupt, lots, _, value, _, collateral = row
        trade(cash, held, account, market, -lots, -value)
        trade(cash, held, bankrupt, market, lots, value)
        cash[account] += collateral
        cash[bankrupt] -= collateral
    for account, amount in haircuts.tolist():
        cash[account] -= amount
    raised = int(haircuts["amount"].sum())
    for account, deficit in zip(wave.short_account, wave.deficit, strict=True):
        cash[int(account)] += min(raised, int(deficit))
        raised -= min(raised, int(deficit))
    cash[INSURANCE] += raised
    return cash, held


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("settlement", "eligibility", "over"), ENTERED, ids=str)
def test_the_ledger_moves_by_the_entries_and_nothing_else(
    seed, settlement, eligibility, over
):
    mine = policy(settlement, eligibility, **over)
    for before, after, wave, outcome in settled(seed, settlement, eligibility, **over):
        entries = mine.entries(wave, outcome.decision)
        assert entered(before, wave, entries.fills, entries.haircuts) == books(after)
        assert (entries.fills == outcome.fills).all()
        assert (entries.haircuts == outcome.haircuts).all()
        assert entries.withdrawal_cut(wave) == withdrawal_cut(after.ledger)
        left = liquidation.shortfall(after.ledger, after.risk, after.markets)
        assert short_after(wave, entries) == left


@pytest.mark.parametrize("divisor", ["claims", "cash"])
def test_debts_paid_from_what_was_withheld_are_known_from_the_wave(divisor):
    world = venue(900.0)
    crashes.give(world, LONG, -600.0)
    crashes.give(world, OTHER, -400.0)
    crashes.give(world, SHORT, 4500.0)
    ruin(world, LONG, OTHER)
    how = {"rule": "withdrawals", "divisor": divisor}, "nobody"
    answer(world, *how)
    withdraw(world.ledger, SHORT, quanta(2500), 0)
    wave = gather(world, 0, everywhere=False)
    assert 0 < wave.withheld < wave.total_deficit
    outcome = answer(world, *how)
    entries = policy(*how).entries(wave, outcome.decision)
    assert short_after(wave, entries) == missing(world) < wave.total_deficit
    assert entries.withdrawal_cut(wave) == withdrawal_cut(world.ledger)


def test_whoever_the_price_takes_below_zero_at_the_bottom_is_short_afterwards():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    # At the bankruptcy price of 950 this one loses 500 of an equity of 40.
    crashes.give(world, SHORT, 40.0, (0, -10 * UNIT, 900.0))
    ruin(world, LONG, SHORT)
    wave = gather(world, 0, everywhere=False)
    outcome = answer(world, contracts("bankruptcy"))
    entries = policy(contracts("bankruptcy"), ANY).entries(wave, outcome.decision)
    assert short_after(wave, entries) == missing(world) == quanta(460)


# --- what does not fit ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settlement", "eligibility", "over", "complaint"),
    [
        ("contracts", "profits", {}, "is for settlement = .cash., not for .contracts."),
        ("charge", "accounts", {}, "must be one of holders"),
        ("cash", "nobody", {}, "must be one of accounts, profits"),
        (contracts("entry"), "positions", {}, "nobody has a profit"),
        (contracts("bankruptcy", spread_bps=5.0), ANY, {}, "must be 0 at the price"),
        (contracts("average"), ANY, {}, "settlement.price"),
        ({"rule": "charge", "side": "opposite"}, "holders", {}, "must be 'opposite'"),
        ("charge", "holders", {"allocation": QUEUE}, "the same for every lot"),
        (
            "withdrawals",
            "nobody",
            {"severity": {"rule": "fixed", "share": 0.5}},
            "set by all that is missing",
        ),
        ("cash", {"rule": "accounts", "hedged": "weight"}, {}, "has no score"),
    ],
)
def test_settlements_that_do_not_fit_are_refused(settlement, eligibility, over, complaint):
    with pytest.raises(CompositionError, match=complaint):
        policy(settlement, eligibility, **over)


# --- whole runs -------------------------------------------------------------------------

FLOORED = {"rule": "cash", "rounding": "floor", "unit_usd": 0.01}
CAPPED = {"rule": "accounts", "capacity": "above-buffer", "share_per_wave": 0.3}
HEALTHY = {"rule": "positions", "profit": "any", "health": "not-worse", "hedged": "last"}
RUNS = [
    (contracts("bankruptcy"), HEALTHY, {"allocation": QUEUE}),
    (contracts("midpoint"), HEALTHY, {}),
    (contracts("entry"), ANY, {"allocation": QUEUE}),
    (contracts("index", spread_bps=30.0, rounding="whole-positions"), "positions", {}),
    (FLOORED, CAPPED, {"severity": {"rule": "fixed", "share": 0.5}}),
    ("charge", "holders", {"allocation": "contracts"}),
    ("withdrawals", "nobody", {}),
]


@pytest.mark.parametrize("seed", [0, 4, 5, 10, 15])
@pytest.mark.parametrize(("settlement", "eligibility", "over"), RUNS, ids=str)
def test_a_run_is_sound_at_each_step_and_its_decisions_can_be_made_again(
    seed, settlement, eligibility, over
):
    scenario = crashes.anything(seed)
    mine = policy(settlement, eligibility, **over)
    engine = Engine(genesis.new_world(scenario, seed), mine, paranoid=True)
    engine.run_to(scenario.time.steps)
    calls = engine.finish().calls
    assert calls
    assert list(audit.check(mine, calls[:40])) == []


def test_who_leaves_while_withdrawals_are_cut_leaves_its_share_behind():
    """Paradex's haircut in a run: an agent withdraws from a venue that is short."""
    table = {"preset": "paradex"}
    scenario = crashes.anything(4).model_copy(update={"policies": {}})
    engine = Engine(genesis.new_world(scenario, 4), compose("paradex", table))
    engine.run_to(scenario.time.steps, stop_at_wave=True)
    engine.answer_wave()
    cut = engine.record.calls[-1].outcome.withdrawal_cut
    assert 0.0 < cut < 1.0
    ledger = engine.world.ledger
    rich = int(np.argmax(ledger.accounts["cash"]))
    withdraw(ledger, rich, 10**6, 0)
    assert ledger.accounts["given"][rich] == int(np.ceil(cut * 10**6))
    engine.run_to(scenario.time.steps)
    engine.finish()
    waits = [call.outcome.withdrawal_cut for call in engine.record.calls]
    assert len(set(waits)) > 1
