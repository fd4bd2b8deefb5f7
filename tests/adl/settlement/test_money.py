"""Cash and charges: what is taken, in which units, and from whom else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.adl.settlement.money import round_cash, round_charge
from abm.adl.sharing.proportional import pro_rata
from abm.units import quanta
from tests import crashes
from tests.adl.books import (
    LONG,
    OTHER,
    SHORT,
    THIRD,
    UNIT,
    equity,
    missing,
    ruin,
    venue,
)
from tests.adl.settlement.parts import (
    INSURANCE,
    SEEDS,
    answer,
    settled,
)


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


# --- random crashes ---------------------------------------------------------------------


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
