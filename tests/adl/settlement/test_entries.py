"""The ledger moves by the entries of a wave; what is short afterwards is known from it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from abm.adl.settlement import short_after
from abm.adl.wave import Wave, gather
from abm.units import quanta
from abm.venue import liquidation
from abm.venue.ledger import withdrawal_cut
from abm.world import World
from tests import crashes
from tests.adl.books import (
    LONG,
    SHORT,
    UNIT,
    live_positions,
    missing,
    policy,
    ruin,
    venue,
)
from tests.adl.settlement.parts import (
    ANY,
    INSURANCE,
    PRICES,
    SEEDS,
    answer,
    contracts,
    settled,
)

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
