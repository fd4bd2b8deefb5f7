"""Worlds of a few accounts, as the venues' own tests have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.adl.policy import Policy
from abm.adl.record import Payers
from abm.adl.wave import BANKRUPT, CANDIDATE, Wave, gather
from abm.venue.ledger import book_lots
from abm.venue.liquidation import bankruptcy_value, liquidate
from abm.venue.margin import equity_of, health
from abm.world import World, find_position
from tests.crashes import FIRST, empty_venue

ANN, BEN, CAT, HOUSE = FIRST, FIRST + 1, FIRST + 2, FIRST + 3
FUND = 1
TICK = 0.1


def venue(markets: dict[str, dict[str, float]], rungs: Any = None, **over: Any) -> World:
    """An empty venue; a market is its price, maintenance margin, and lot or tick.

    Sizes in a case are in units of the asset; lots are exact parts of it.
    """
    tables = {}
    for name, market in markets.items():
        tables[name] = {
            "tick_usd": market.get("tick", TICK),
            "lot": market.get("lot", 0.001),
            "start_usd": market["price"],
            "tiers": [{"notional_usd": 0, "max_leverage": 0.5 / market["maintenance"]}],
            "depth_usd": 1e6,
        }
    ladder = [{"rung": "wave"}] if rungs is None else rungs
    fees = {"taker_fee_bps": 0, "maker_fee_bps": 0, "funding_interval_s": 1e9}
    world = empty_venue(tables, venue={"ladder": ladder, "vault_usd": 0.0} | fees | over)
    for i, (name, market) in enumerate(markets.items()):
        set_mark(world, i, market["price"], tables[name]["tick_usd"])
    return world


def set_mark(world: World, market: int, price: float, tick: float = TICK) -> None:
    for field in ("mark", "previous_mark", "index"):
        world.markets.state[field][market] = round(price / tick)


def hold(world: World, account: int, quote: float, *held: tuple[int, int, float]) -> None:
    """An account with a quote balance and positions of (market, lots, USD a lot).

    The position is opened at that price and paid out of cash, so that cash less cost is
    the quote balance.
    """
    ledger = world.ledger
    cash = round(quote * 1e6)
    for market, lots, price in held:
        cost = round(lots * price * 1e6)
        level = int(world.book.tops[market]["first_level"])
        book_lots(ledger, world.risk, level, account, market, lots, cost)
        cash += cost
    ledger.accounts["cash"][account] += cash
    ledger.pots["deposits"] += round(quote * 1e6)


def quote(world: World, account: int) -> float:
    """Cash less what positions cost, in USD: the balance as dYdX keeps it."""
    positions = world.ledger.positions
    cost = positions["cost"][positions["account"] == account].sum()
    return float(world.ledger.accounts["cash"][account] - cost) / 1e6


def lots_of(world: World, account: int, market: int = 0) -> int:
    slot = find_position(world.ledger, account, market)
    return 0 if slot == w.NONE else int(world.ledger.positions["lots"][slot])


def equity(world: World, account: int) -> float:
    return int(equity_of(world.ledger, world.markets, account)) / 1e6


def wave_of(world: World, policy: Policy) -> Wave:
    return gather(world, 0, policy.looks_everywhere)


def bankrupt_row(world: World, account: int, market: int) -> np.ndarray:
    """An account's position as a wave has it, at the project's bankruptcy value.

    For accounts that a wave would not call bankrupt: the sources try the price on sound
    ones as well.
    """
    ledger, slot = world.ledger, find_position(world.ledger, account, market)
    worth, maintenance, _ = health(ledger, world.risk, world.markets, account)
    position = ledger.positions[slot]
    row = np.zeros(1, BANKRUPT)
    for name in ("account", "market", "lots", "cost"):
        row[name] = position[name]
    row["position"] = slot
    mark = int(world.markets.state["mark"][market] * world.markets.specs["unit"][market])
    row["value"] = position["lots"] * mark
    row["bankruptcy"] = bankruptcy_value(
        ledger, world.risk, world.markets, slot, worth, maintenance
    )
    return row


def close_at_bankruptcy(
    world: World, account: int, market: int, payers: dict[int, int]
) -> None:
    """Close lots of payers against an account through dYdX's settlement."""
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    rows = bankrupt_row(world, account, market)
    wave = replace(wave_of(world, policy), bankrupt=rows)
    slots = {who: find_position(world.ledger, who, market) for who in payers}
    table = np.zeros(len(payers), CANDIDATE)
    for row, (who, slot) in zip(table, slots.items(), strict=True):
        for name in ("lots", "cost"):
            row[name] = world.ledger.positions[name][slot]
        row["position"], row["account"], row["market"] = slot, who, market
    wave = replace(wave, candidates=table)
    group = 2 * market + (rows["lots"][0] > 0)
    lots = np.array(list(payers.values()), np.int64)
    asked = Payers(np.arange(len(lots)), np.full(len(lots), group), lots, lots)
    entries = policy.settlement.entries(wave, asked, lots, np.array([lots.sum()]))
    policy.settlement.book(world, wave, entries)


def deleverage(world: World) -> None:
    """Take every account down the ladder, then let dYdX's policy answer the wave."""
    for account in range(FIRST, FIRST + 10):
        w.touch(world.ledger, account)
    liquidate(world)
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    policy.answer(world, wave_of(world, policy))
    w.check(world)
