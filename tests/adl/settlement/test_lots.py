"""Contracts: at what price, to the last quantum, and what is left over for whom."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from abm.adl.record import Outcome
from abm.adl.wave import Wave
from abm.units import quanta
from abm.world import World
from tests import crashes
from tests.adl.books import (
    LONG,
    OTHER,
    SHORT,
    THIRD,
    UNIT,
    equity,
    live_positions,
    lots_of,
    missing,
    policy,
    ruin,
    venue,
)
from tests.adl.settlement.parts import (
    ANY,
    INSURANCE,
    PRICES,
    QUEUE,
    SEEDS,
    answer,
    closed_whole,
    contracts,
    settled,
)

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


# --- random crashes ---------------------------------------------------------------------


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
