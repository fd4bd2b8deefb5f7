"""Small books, ledgers and worlds for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import world as w
from abm.genesis import free_orders, free_positions, new_world
from abm.scenario import Scenario, from_mapping
from abm.world import NONE, Array, Book, Ledger, Markets, Risk, World

TINY: dict[str, Any] = {
    "name": "tiny",
    "time": {"duration_s": 60, "step_s": 1.0},
    "markets": {
        "ONE": {
            "tick_usd": 0.1,
            "lot": 0.001,
            "start_usd": 400.0,
            "tiers": [{"notional_usd": 0, "max_leverage": 25}],
            "depth_usd": 2e5,
        }
    },
    "population": {"accounts": 60, "positions": 50},
    "kinds": {
        "patient": {"share": 0.7, "act_mean_s": 60},
        "hasty": {"share": 0.3, "leverage_factor": 6.0, "act_mean_s": 5},
    },
    "venue": {"vault_usd": 20_000.0, "insurance_usd": 5_000.0},
}
"""A scenario that is built and run in the blink of an eye."""


def tiny_scenario(*overrides: str) -> Scenario:
    """The tiny scenario with overrides such as ``population.accounts=500``."""
    return from_mapping(TINY, overrides)


def tiny_world(*overrides: str, seed: int = 1) -> World:
    """The world in which a run of the tiny scenario begins."""
    return new_world(tiny_scenario(*overrides), seed)


def make_book(n_markets: int = 1, n_ticks: int = 1024, n_orders: int = 4096) -> Book:
    """Empty books of `n_ticks` ticks (a multiple of 64) a market."""
    tops = np.zeros(n_markets, w.TOP)
    n_words, n_summary = n_ticks // 64, -(-n_ticks // 4096)
    tops["first_level"] = np.arange(n_markets) * n_ticks
    tops["first_word"] = np.arange(n_markets) * n_words
    tops["first_summary"] = np.arange(n_markets) * n_summary
    tops["size"] = tops["ask"] = n_ticks
    tops["bid"] = NONE
    levels = np.zeros(n_markets * n_ticks, w.LEVEL)
    levels["head"] = levels["tail"] = NONE
    return Book(
        tops=tops,
        levels=levels,
        bits=np.zeros(n_markets * n_words, np.uint64),
        summary=np.zeros(n_markets * n_summary, np.uint64),
        orders=free_orders(n_orders),
        pool=np.zeros(1, w.POOL),
        fills=np.zeros(n_orders, w.FILL),
    )


def make_ledger(n_accounts: int, n_markets: int = 1, n_positions: int = 0) -> Ledger:
    """A ledger without money in which accounts 0 and 1 are the venue's purses."""
    accounts = np.zeros(n_accounts, w.ACCOUNT)
    for field in ("first_position", "first_order", "parent", "trader", "debt_market"):
        accounts[field] = NONE
    accounts["kind"] = w.USER
    accounts["kind"][:2] = w.BACKSTOP, w.INSURANCE
    pots = np.zeros(1, w.POTS)
    pots["insurance"] = 1
    positions = free_positions(n_positions or n_accounts * n_markets)
    open_interest = np.zeros(n_markets, np.int64)
    return Ledger(accounts, positions, pots, open_interest, np.zeros(n_accounts, "i4"))


def make_risk(book: Book, n_accounts: int, tiers: Array | None = None) -> Risk:
    """Triggers for a book's ticks, a watch list, and no ladder."""
    return Risk(
        tiers=np.zeros(1, w.TIER) if tiers is None else tiers,
        rungs=np.zeros(0, w.RUNG),
        triggers=np.full((2, len(book.levels)), NONE, np.int32),
        watched=np.zeros(n_accounts, "i4"),
        watch=np.zeros(1, w.WATCH),
    )


def make_markets(marks: list[int], unit: int = 1, n_tiers: int = 1) -> Markets:
    """Markets at given marks that share one table of tiers."""
    specs = np.zeros(len(marks), w.SPEC)
    specs["unit"] = unit
    specs["n_tiers"] = n_tiers
    state = np.zeros(len(marks), w.MARKET)
    for field in ("index", "mark", "previous_mark", "swept"):
        state[field] = marks
    return Markets(np.zeros(1, w.ORACLE), specs, state, np.zeros(0, w.SHOCK))
