"""Waves settled, by hand and from random crashes: what tests of settlements share."""

from __future__ import annotations

import functools
from typing import Any

from abm import world as w
from abm.adl.record import Outcome
from abm.adl.wave import Wave, gather
from abm.world import World
from tests.adl.books import (
    crash_waves,
    live_positions,
    policy,
)

INSURANCE = 1
SEEDS = range(18)
ANY = {"rule": "positions", "profit": "any"}
QUEUE = {"rule": "queue", "score": "hyperliquid"}
PRICES = (
    "bankruptcy",
    "mark",
    "previous-mark",
    "index",
    "index-or-bankruptcy",
    "midpoint",
    "entry",
)


def contracts(price: str, **over: Any) -> dict[str, Any]:
    return {"rule": "contracts", "price": price, **over}


def answer(world: World, settlement: Any, eligibility: Any = ANY, **over: Any) -> Outcome:
    """Settle the wave that a world is in and check that nothing was lost or made.

    What was deposited is taken to be what is there: the books are made up.
    """
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    mine = policy(settlement, eligibility, **over)
    wave = gather(world, 0, mine.looks_everywhere)
    outcome = mine.answer(world, wave)
    w.check(world)
    return outcome


@functools.cache
def worlds(seed: int) -> list[World]:
    return [w.copy(world) for world in crash_waves(seed)]


def settled(seed: int, settlement: Any, eligibility: Any, **over: Any):
    """Every wave of a crash, settled: the world before and after, the wave, the outcome."""
    for before in worlds(seed):
        after = w.copy(before)
        mine = policy(settlement, eligibility, **over)
        wave = gather(after, 0, mine.looks_everywhere)
        outcome = mine.answer(after, wave)
        w.check(after)
        decision = outcome.decision
        assert (decision.amounts <= decision.payers.capacity).all()
        assert (decision.amounts >= 0).all()
        yield before, after, wave, outcome


def closed_whole(wave: Wave, after: World) -> list[int]:
    """Short accounts all of whose positions are gone."""
    held = set(live_positions(after)["account"].tolist())
    had = set(wave.bankrupt["account"].tolist())
    return sorted(had - held)
