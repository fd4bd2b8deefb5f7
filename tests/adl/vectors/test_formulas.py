"""Arithmetic that venues publish for single accounts."""

from __future__ import annotations

import numpy as np
import pytest

from abm.measures.burden import Taken
from abm.venue import formulas
from tests.adl.vectors.cases import Case, cases


@cases("insurance fee")
def test_the_insurance_fee_is_drift_s(case: Case) -> None:
    fee = formulas.insurance_fee(
        case["shortage"], case["notional"], case["margin"], case["liquidator"],
        case["largest"],
    )  # fmt: skip
    assert fee == pytest.approx(case["fee"])


@cases("size that covers a shortage")
def test_the_size_that_covers_a_shortage_is_drift_s(case: Case) -> None:
    size = formulas.base_to_cover(
        case["shortage"], case["price"], case["margin"], case["fees"]
    )
    assert size == pytest.approx(case["size"], abs=1e-4)


@cases("inverse bankruptcy price")
def test_the_bankruptcy_price_of_an_inverse_contract_is_bybit_s(case: Case) -> None:
    entry, leverage = case["entry"], case["leverage"]
    exact = formulas.inverse_bankruptcy_price(entry, leverage, 1e-4)
    assert 0 <= exact - case["exact"] < 1.1e-4
    rounded = formulas.inverse_bankruptcy_price(entry, leverage, case["tick"])
    assert rounded == pytest.approx(case["rounded"])


@cases("close-out")
def test_a_close_out_is_dango_s(case: Case) -> None:
    holdings = [
        formulas.Holding(size, entry, price, case["maintenance"], bid)
        for size, entry, price, bid in case["held"]
    ]
    done = formulas.close_out(case["cash"], holdings, case["fee"])
    assert done.cash == pytest.approx(case["cash_after"])
    assert done.fund == pytest.approx(case["fund"])
    pairs = list(zip(done.closings, holdings, strict=True))
    gained = 0.0
    for closing, held in pairs:
        if closing.deleveraged > 0:
            side = np.sign(held.size)
            moved = held.entry - closing.bankruptcy_price
            gained += side * closing.deleveraged * moved
    if "other" in case:
        assert case["counterparty"] + gained == pytest.approx(case["other"])
    else:
        assert gained == 0.0
    if "price" in case:
        largest = max(pairs, key=lambda pair: abs(pair[1].size) * pair[1].price)
        assert largest[0].bankruptcy_price == pytest.approx(case["price"])


@cases("support capacity")
def test_the_capacity_of_liquidity_support_is_deribit_s(case: Case) -> None:
    capacity = formulas.support_capacity(
        case["now"], case["equity"], case["notional"], case["share"],
        [(time, amount) for time, amount in case["assigned"]],
    )  # fmt: skip
    assert capacity == case["capacity"]


@cases("markout")
def test_a_markout_is_split_at_the_mark_of_the_moment(case: Case) -> None:
    zero, cents = np.zeros(1, np.int64), 100
    held = np.array([-round(case["closed"])])
    taken = Taken(zero, zero, held, held * round(case["price"] * cents))
    at_once, in_all = (
        taken.losses(np.array([round(case[name] * cents)]))[0] / cents
        for name in ("mark", "mark_later")
    )
    wanted = (case["immediate"], case["opportunity"], case["total"])
    assert (-at_once, at_once - in_all, -in_all) == pytest.approx(wanted)
