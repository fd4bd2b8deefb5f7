"""Withdrawals are cut while the venue is short."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm import world as w
from abm.adl.compose import compose
from abm.adl.settlement import short_after
from abm.adl.wave import gather
from abm.engine import Engine
from abm.units import quanta
from abm.venue import liquidation
from abm.venue.ledger import stop_cutting_withdrawals, withdraw, withdrawal_cut
from tests import crashes
from tests.adl.books import (
    LONG,
    OTHER,
    SHORT,
    THIRD,
    UNIT,
    equity,
    missing,
    policy,
    ruin,
    venue,
)
from tests.adl.settlement.parts import (
    INSURANCE,
    answer,
)


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
