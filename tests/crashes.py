"""Scenarios in which things go wrong, for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import genesis
from abm import scenario as scenarios
from abm import world as w
from abm.scenario import Scenario
from abm.venue.ledger import book_lots
from abm.world import World

LADDERS = ("hyperliquid", "binance", "bitmex", "dydx-v4", "aftermath")

MARKET: dict[str, Any] = {
    "tick_usd": 0.1,
    "lot": 0.01,
    "start_usd": 1000.0,
    "tiers": [
        {"notional_usd": 0, "max_leverage": 25},
        {"notional_usd": 1e6, "max_leverage": 10},
    ],
    "depth_usd": 2e4,
    "daily_volatility": 0.05,
}

KINDS: dict[str, Any] = {
    "passive": {"share": 0.5, "act_mean_s": 300},
    "leveraged": {
        "share": 0.35, "leverage_factor": 10, "long_share": 0.8, "act_mean_s": 60,
        "trend": 0.5,
    },
    "flipper": {
        "share": 0.1, "act_mean_s": 5, "flip_share": 0.3, "rebuild_share": 0.9,
        "rebuild_latency_log_mean": 1.5,
    },
    "whale": {"share": 0.05, "size": "largest"},
}  # fmt: skip


def crash(**over: Any) -> Scenario:
    """One thin market that loses a third in a minute, with 150 accounts."""
    data: dict[str, Any] = {
        "name": "crash",
        "time": {"duration_s": 150.0},
        "markets": {"X": MARKET},
        "shocks": [{"start_s": 20.0, "duration_s": 60.0, "log_return": -0.4}],
        "population": {"accounts": 150, "positions": 140},
        "kinds": KINDS,
        "venue": {"vault_usd": 5000.0},
    }
    merged = _laid_over(data, over)
    merged["markets"] = {name: m for name, m in merged["markets"].items() if m is not None}
    return scenarios.from_mapping(merged)


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged


def anything(seed: int) -> Scenario:
    """A random scenario: any ladder, step length, number of markets, fees, funding."""
    rng = np.random.default_rng(seed)
    markets = {}
    for i in range(int(rng.integers(1, 5))):
        start = float(10 ** rng.uniform(-1, 4))
        tick = start / 2000
        unit = max(1, round(tick * 10 ** rng.uniform(-1, 2) / start * 1000))
        tick = round(tick, 8)
        markets[f"M{i}"] = MARKET | {
            "tick_usd": tick,
            "lot": unit / (tick * 1e6),
            "start_usd": start,
            "depth_usd": float(10 ** rng.uniform(3, 5)),
            "daily_volatility": float(rng.uniform(0.02, 0.3)),
        }
    accounts = int(rng.integers(20, 300))
    step = float(rng.choice([0.1, 0.5, 1.0, 5.0, 10.0]))
    return crash(
        name=f"anything-{seed}",
        time={"duration_s": 150 * step, "step_s": step},
        markets=markets,
        shocks=[
            {
                "start_s": 20 * step,
                "duration_s": 60 * step,
                "log_return": float(rng.uniform(-1.6, 0.6)),
            }
        ],
        population={
            "accounts": accounts,
            "positions": int(rng.integers(2 * len(markets), accounts * len(markets))),
            "isolated_share": float(rng.choice([0.0, 0.3])),
        },
        venue={
            "ladder": str(rng.choice(LADDERS)),
            "vault_usd": float(rng.choice([1.0, 1e3, 1e5])),
            "insurance_usd": float(rng.choice([0.0, 1e3, 1e5])),
            "vault_unwind_per_s": float(rng.choice([0.0, 0.05])),
            "maker_fee_bps": float(rng.choice([-0.5, 1.5])),
            "liquidation_fee_bps": float(rng.choice([0.0, 50.0])),
            "fees_to_insurance": float(rng.choice([0.0, 0.4])),
            "funding_interval_s": float(rng.choice([30.0, 3600.0])),
            "self_trade": str(rng.choice(["allow", "cancel-resting", "cancel-incoming"])),
        },
        oracle={"feedback": float(rng.uniform(0, 1)), "jumps_per_day": 500.0},
    )


FIRST = 20
"""The first account that is nobody's in an empty venue."""


def empty_venue(markets: dict[str, dict[str, Any]], **over: Any) -> World:
    """A world in which nobody holds or quotes anything, with 40 idle accounts."""
    scenario = crash(
        markets={"X": None} | {name: MARKET | given for name, given in markets.items()},
        population={"accounts": 40, "positions": 4 * len(markets)},
        shocks=[],
        **over,
    )
    world = genesis.new_world(scenario, 1)
    for slot in np.flatnonzero(world.ledger.positions["account"] != w.NONE):
        row = world.ledger.positions[slot].copy()
        value = row["lots"] * world.markets.specs[row["market"]]["start"]
        value *= world.markets.specs[row["market"]]["unit"]
        _move(world, row["account"], row["market"], -row["lots"], -value)
    world.ledger.accounts["cash"] = 0
    world.ledger.accounts["principal"] = 0
    world.ledger.pots["deposits"] = 0
    return world


def _move(world: World, account: int, market: int, lots: int, value: int) -> None:
    level = int(world.book.tops[market]["first_level"])
    book_lots(world.ledger, world.risk, level, account, market, lots, value)


def give(
    world: World, account: int, cash_usd: float, *held: tuple[int, int, float]
) -> None:
    """Give an account cash and positions of (market, lots, price in USD)."""
    cash = round(cash_usd * 1e6)
    world.ledger.accounts["cash"][account] += cash
    world.ledger.pots["deposits"] += cash
    for market, lots, price_usd in held:
        spec = world.markets.specs[market]
        tick_usd = 0.1
        value = round(price_usd / tick_usd) * int(spec["unit"]) * lots
        _move(world, account, market, lots, value)


def set_marks(world: World, *marks_usd: float) -> None:
    """Set the marks, and the previous ones, of all markets (ticks of 0.1 USD)."""
    for market, mark in enumerate(marks_usd):
        for name in ("mark", "previous_mark", "index"):
            world.markets.state[name][market] = round(mark * 10)
