"""Small books on which a settlement can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from abm import genesis
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.adl.policy import Policy
from abm.adl.wave import gather
from abm.engine import Engine
from abm.step import WAVE
from abm.venue.margin import equity_of
from abm.world import World
from tests import crashes

LONG, SHORT, OTHER, THIRD = range(crashes.FIRST, crashes.FIRST + 4)
UNIT = 100
"""Lots of one unit of the asset."""


def venue(*marks_usd: float, previous_usd: float = 0.0, index_usd: float = 0.0) -> World:
    """An empty venue of as many markets, at these marks."""
    world = crashes.empty_venue({f"M{i}": {} for i in range(len(marks_usd))})
    crashes.set_marks(world, *marks_usd)
    state = world.markets.state
    if previous_usd:
        state["previous_mark"][0] = round(previous_usd * 10)
    if index_usd:
        state["index"][0] = round(index_usd * 10)
    return world


def ruin(world: World, *accounts: int) -> None:
    """Put accounts at the bottom of the ladder, where ADL finds them."""
    for account in accounts:
        watch = world.risk.watch[0]
        world.risk.watched[watch["n"]] = account
        watch["n"] += 1
        world.ledger.accounts["watched"][account] = 1
        world.ledger.accounts["at_bottom"][account] = 1


def equity(world: World, account: int) -> int:
    """Equity in quanta."""
    return int(equity_of(world.ledger, world.markets, account))


def policy(settlement: Any, eligibility: Any, **over: Any) -> Policy:
    """A policy that shares pro rata unless told otherwise."""
    table = PRESETS["pro-rata"] | {"settlement": settlement, "eligibility": eligibility}
    return compose("mine", table | over)


def crash_waves(seed: int, calls: int = 9, every: int = 4) -> Iterator[World]:
    """Worlds with a wave of a random crash in which nothing is settled: every fourth."""
    scenario = crashes.anything(seed)
    engine = Engine(genesis.new_world(scenario, seed), compose("none", PRESETS["none"]))
    for call in range(calls):
        if engine.run_to(scenario.time.steps, stop_at_wave=True) != WAVE:
            return
        if call % every == 0:
            yield engine.world
        engine.answer_wave()


def missing(world: World) -> int:
    """Quanta missing: negative equity of all accounts that ADL looks at."""
    wave = gather(world, 0, everywhere=False)
    return wave.total_deficit


def lots_of(world: World, account: int) -> dict[int, int]:
    """Signed lots by market."""
    live = world.ledger.positions[world.ledger.positions["account"] == account]
    return {int(row["market"]): int(row["lots"]) for row in live}


def live_positions(world: World) -> np.ndarray[Any, Any]:
    """All positions that somebody holds."""
    positions = world.ledger.positions
    return positions[positions["account"] != w.NONE].copy()
