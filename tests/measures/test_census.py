"""What every trader has, by hand and against the ledger's own sums."""

from __future__ import annotations

import numpy as np

from abm import genesis
from abm import world as w
from abm.engine import Engine, policy_of
from abm.measures.census import by_trader, equities, take_census
from abm.traders.habits import GONE, LEAVING
from abm.venue.margin import equity_of
from abm.venue.standing import take_standing
from tests.crashes import crash


def _after_the_crash(**over):
    scenario = crash(**over)
    engine = Engine(genesis.new_world(scenario, 3), policy_of(scenario, "pro-rata"))
    engine.run_to(scenario.time.steps)
    return engine.world


def test_equities_are_those_of_the_margin_engine():
    world = _after_the_crash(population={"isolated_share": 0.3})
    ledger = world.ledger
    found = equities(ledger, world.markets)
    assert found.tolist() == [
        int(equity_of(ledger, world.markets, account))
        for account in range(len(ledger.accounts))
    ]


def test_a_debt_counts_as_nothing_and_isolated_accounts_are_their_traders():
    world = _after_the_crash(population={"isolated_share": 0.3})
    accounts, census = world.ledger.accounts, take_census(world)
    equity = np.maximum(equities(world.ledger, world.markets), 0)
    for trader in range(len(world.crowd.traders)):
        assert census.equity[trader] == equity[accounts["trader"] == trader].sum()
    assert len(np.unique(accounts["trader"])) < (accounts["trader"] != w.NONE).sum()
    theirs = accounts["trader"] != w.NONE
    assert census.fees.sum() == accounts["fees"][theirs].sum() > 0


def test_whoever_left_took_its_money_and_is_not_active():
    world = _after_the_crash()
    census, traders = take_census(world), world.crowd.traders
    gone = traders["mood"] == GONE
    assert gone.any()
    assert census.has_left.sum() == int(world.crowd.state[0]["left"])
    assert (census.equity[gone] == 0).all()
    assert census.withdrawn.sum() == int(world.ledger.pots[0]["withdrawals"]) > 0
    assert census.withdrawn[~gone].sum() == 0
    assert (census.is_leaving == (traders["mood"] == LEAVING)).all()
    assert census.active == ((census.equity > 0) & ~gone).sum()


def test_the_standing_of_the_venue_is_the_sum_of_its_accounts():
    for policy in ("pro-rata", "none"):
        scenario = crash(venue={"vault_usd": 500.0})
        engine = Engine(genesis.new_world(scenario, 3), policy_of(scenario, policy))
        for until in (1, 60, 90, 150):
            engine.run_to(until)
            world = engine.world
            row = np.zeros(1, w.STANDING)
            take_standing(world, row[0])
            accounts = world.ledger.accounts
            equity = equities(world.ledger, world.markets)
            ruined = (equity < 0) & (accounts["at_bottom"] == 1) & (accounts["kind"] > 1)
            # Whoever is below zero but not at the bottom of the ladder owes nothing yet.
            falling = (equity < 0) & ~ruined & (accounts["kind"] > w.MAKER)
            rich = by_trader(accounts, np.maximum(equity, 0), len(world.crowd.traders))
            assert row["traders"] == rich.sum() + equity[falling].sum()
            assert row["vault"] == equity[w.BACKSTOP_ACCOUNT]
            assert row["insurance"] == equity[w.INSURANCE_ACCOUNT]
            purses = sum(max(0, -int(row[name][0])) for name in ("vault", "insurance"))
            assert row["owed"] == purses - equity[ruined].sum()


def test_looks_of_compiled_code_are_those_of_somebody_who_stops_to_look():
    scenario = crash()
    looking = Engine(
        genesis.new_world(scenario, 5), policy_of(scenario, "pro-rata"), look_every=1
    )
    stopping = Engine(genesis.new_world(scenario, 5), policy_of(scenario, "pro-rata"))
    seen = []
    for until in range(151):
        stopping.run_to(until)
        seen.append(np.zeros(1, w.STANDING))
        take_standing(stopping.world, seen[-1][0])
    looking.run_to(51)
    looking = looking.fork(looking.policy)
    looking.run_to(150)
    found = np.concatenate(looking.finish().standings)
    assert len(found) == 151
    assert len(np.unique(found["owed"])) > 10
    assert found.tolist() == np.concatenate(seen).tolist()
