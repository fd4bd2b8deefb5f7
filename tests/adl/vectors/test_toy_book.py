"""The papers' book of five positions."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl import scores
from abm.adl.answers import build
from abm.adl.wave import gather
from tests.adl.vectors.cases import Case, cases
from tests.adl.vectors.worlds import (
    HOUSE,
    equity,
    hold,
    lots_of,
    set_mark,
    venue,
)
from tests.adl.waves import everyone
from tests.crashes import FIRST


@cases("toy book")
def test_the_papers_toy_book_has_the_equities_that_it_says(case: Case) -> None:
    world = venue({"X": {"price": 1.0, "maintenance": 0.05, "lot": 1.0, "tick": 1e-4}})
    accounts = range(FIRST, FIRST + 5)
    lots = [round(q) * side for q, side in zip(case["size"], case["side"], strict=True)]
    for who, held, cash in zip(accounts, lots, case["collateral"], strict=True):
        hold(world, who, cash - held * 1.0, (0, held, 1.0))
    if sum(lots):
        hold(world, HOUSE + 10, 0.0, (0, -sum(lots), 1.0))
    # Funding accrues between the marks: the longs' rate times mark, as the paper sums it.
    long, short = 3.0, 5.0
    rates = [
        case["kappa"] * (long / short - mark / oracle)
        for mark, oracle in zip(case["marks"][1:], case["oracle"][1:], strict=True)
    ]
    assert rates == pytest.approx(case["funding"], abs=1e-8)
    for rate, mark in zip(rates, case["marks"][1:], strict=True):
        for who, held in zip(accounts, lots, strict=True):
            paid = round(-rate * mark * 1e6) * held
            world.ledger.accounts["cash"][who] -= paid
            world.ledger.accounts["cash"][HOUSE + 10] += paid
    set_mark(world, 0, case["marks"][-1], 1e-4)
    found = [equity(world, who) for who in accounts]
    assert found == pytest.approx(case["equity"], abs=1e-4)
    score = build("score", "leverage", scores.ANSWERS)
    now = gather(world, 0, everywhere=True)
    mine = np.isin(now.candidates["account"], list(accounts))
    assert score(now, everyone(now.candidates))[mine].sum() == pytest.approx(
        case["leverage_of_winners"], abs=1e-3
    )
    losers = [who for who, worth in zip(accounts, found, strict=True) if worth < 0]
    notional = case["marks"][-1]
    owed = sum(notional * abs(lots_of(world, who)) / -equity(world, who) for who in losers)
    assert owed == pytest.approx(case["leverage_of_losers"], abs=0.01)
