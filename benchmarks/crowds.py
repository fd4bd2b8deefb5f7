"""Worlds of many accounts with one position each, in a market without makers or traders."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import world as w
from abm.genesis import new_world
from abm.scenario import from_mapping
from abm.venue.liquidation import triage
from abm.world import NONE, Array, Ledger, World, touch

START_TICK = 43_000
MAINTENANCE = 0.02

SCENARIO: dict[str, Any] = {
    "name": "crowd",
    "time": {"duration_s": 60.0},
    "markets": {
        "ONE": {
            "tick_usd": 0.1,
            "lot": 0.001,
            "start_usd": 4_300.0,
            "tiers": [{"notional_usd": 0, "max_leverage": 25}],
            "depth_usd": 1e5,
            "daily_volatility": 0.0,
        }
    },
    "mark": {"rule": "index"},
    "population": {"accounts": 4, "positions": 2},
    "kinds": {"passive": {"share": 1.0}},
    "venue": {"ladder": [{"rung": "insurance"}, {"rung": "wave"}]},
}
"""One market that does not move by itself; maintenance margin is 2%."""


def one_position_each(
    lots: Array, entry: Array, cash: Array, shocks: list[dict[str, float]] | None = None
) -> World:
    """A world in which each account holds one position; all are armed.

    Parameters
    ----------
    lots, entry, cash : arrays of int64, shape (accounts,)
        Signed lots, tick at which they were opened, and cash in quanta.
    shocks : list of tables
        The script of the index, as in a scenario.
    """
    world = new_world(from_mapping({**SCENARIO, "shocks": shocks or []}), 1)
    count = len(lots)
    accounts = np.zeros(2 + count, w.ACCOUNT)
    accounts["kind"] = w.USER
    accounts["kind"][:2] = w.BACKSTOP, w.INSURANCE
    for field in ("parent", "trader", "first_position", "first_order", "debt_market"):
        accounts[field] = NONE
    accounts["cash"][2:] = accounts["principal"][2:] = cash
    accounts["first_position"][2:] = np.arange(count)
    # Room for what the engine asks of the pool: as many again and an inbox.
    positions = np.zeros(2 * count + 2 * len(world.inbox), w.POSITION)
    positions["account"] = positions["trigger"] = positions["next"] = NONE
    positions["account"][:count] = 2 + np.arange(count)
    positions["lots"][:count] = lots
    positions["cost"][:count] = lots * entry * int(world.markets.specs["unit"][0])
    positions["next"][count:-1] = np.arange(count + 1, len(positions))
    pots = world.ledger.pots.copy()
    pots["free_position"] = pots["used_positions"] = count
    pots["n_touched"] = 0
    pots["deposits"] = accounts["cash"].sum() - positions["cost"].sum()
    open_interest = np.array([np.maximum(lots, 0).sum()])
    touched = np.zeros(len(accounts), "i4")
    world.crowd.wheel[:] = NONE
    world = world._replace(
        ledger=Ledger(accounts, positions, pots, open_interest, touched),
        risk=world.risk._replace(watched=np.zeros(len(accounts), "i4")),
        makers=world.makers._replace(makers=world.makers.makers[:0].copy()),
    )
    for account in range(len(accounts)):
        touch(world.ledger, account)
    triage(world.book, world.ledger, world.risk, world.markets)
    return world
