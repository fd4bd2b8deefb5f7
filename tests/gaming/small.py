"""Strategies in small venues, through the real view, booking and matching."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import world as w
from abm.desk.actions import Own
from abm.desk.booking import booked
from abm.desk.seeing import see_markets, see_own, see_purses, see_tiers
from abm.desk.view import Fees, View
from abm.engine import policy_of
from abm.gaming.strategies import Memory, Strategy
from abm.montecarlo import ways
from abm.montecarlo.plan import Plan
from abm.scenario import Scenario
from abm.step import match_inbox
from abm.world import World
from tests import crashes

POLICIES = ["hyperliquid", "pro-rata", "none"]


def three_markets(**over: Any) -> Scenario:
    """A crash of three thin markets under three policies."""
    markets = {f"M{i}": crashes.MARKET for i in range(3)}
    given: dict[str, Any] = {
        "markets": {"X": None} | markets,
        "population": {"accounts": 400, "positions": 500},
        "run": {"policies": POLICIES, "runs": 1},
    }
    return crashes.crash(**given | over)


def own(*accounts: int) -> Own:
    """Accounts of as many owners."""
    return Own(np.array(accounts), np.arange(len(accounts)))


def look(world: World, mine: Own, move_ppm: int = 0, **over: Any) -> View:
    """What the owners of some accounts can see."""
    order = np.lexsort((mine.account, mine.owner))
    accounts, positions = see_own(world, mine.account[order], mine.owner[order])
    view = View(
        now_s=float(world.clock[0]["now_ms"]) / 1000.0,
        step_s=1.0,
        every_s=5.0,
        traders=len(np.unique(mine.owner)),
        names=tuple(f"M{i}" for i in range(len(world.markets.specs))),
        markets=see_markets(world),
        tiers=see_tiers(world),
        fees=Fees(0.0, 0.0, move_ppm * 1e-6),
        purses=see_purses(world),
        policy=None,
        accounts=accounts,
        positions=positions,
        lights=np.zeros(0),
    )
    return view._replace(**over)


def play(
    world: World, strategy: Strategy, mine: Own, memory: Memory, move_ppm: int = 0
) -> tuple[World, Own]:
    """Let a strategy act once; its orders meet the book."""
    answer = strategy.act(look(world, mine, move_ppm), memory)
    world, mine = booked(world, answer.rows(), mine, move_ppm)
    match_inbox(world)
    w.check(world)
    return world, mine


def lots_of(world: World, account: int, market: int = 0) -> int:
    """Signed lots that an account holds."""
    rows = world.ledger.positions
    here = (rows["account"] == account) & (rows["market"] == market)
    return int(rows["lots"][here].sum())


def runs_of(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """The first seed of a scenario, checked at every step: frames by policy and table."""
    plan = Plan.of(scenario)
    policies = [policy_of(scenario, name) for name in plan.policies]
    found = ways.run_one(plan, 0, policies, paranoid=True)
    return {
        name: {key: table.to_pandas() for key, table in tables.items()}
        for name, tables in zip(plan.policies, found, strict=True)
    }
