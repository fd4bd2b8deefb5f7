"""Whole runs: an hour of one market, the crash at small and at full size."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from abm import genesis
from abm import scenario as scenarios
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.scenario import Scenario
from benchmarks.common import Row, seconds
from benchmarks.counting import orders_sent

HERE = Path(__file__).parent
CONFIGS = HERE.parent / "configs"
MIB_PER_RSS_UNIT = 1 / 2**20 if sys.platform == "darwin" else 1 / 2**10


def whole_run(scenario: Scenario, seed: int) -> Engine:
    """A run from its first quantum to its last check, under the rule of Hyperliquid."""
    engine = Engine(
        genesis.new_world(scenario, seed),
        compose("hyperliquid", PRESETS["hyperliquid"]),
        keep_whole=False,
    )
    engine.run_to(scenario.time.steps)
    engine.finish()
    return engine


def an_hour() -> Row:
    """One market hour with 1,100 traders and at least 100,000 order events."""
    scenario = scenarios.load(HERE / "hour.toml")
    taken = seconds(lambda _: whole_run(scenario, 1))
    events = sum(orders_sent(genesis.new_world(scenario, 1), scenario.time.steps))
    return Row(
        what="one market hour, 1,100 traders and 3 makers",
        ours=f"{taken:.3f} s",
        peer="",
        ratio=None,
        bar="0.2 s, 100,000 events",
        met=taken < 0.2 and events >= 100_000,
        same_work=f"{events:,} orders and cancels",
    )


def the_crash() -> Row:
    """One run of the small crash, warm."""
    scenario = scenarios.load(CONFIGS / "oct10.toml")
    whole_run(scenario, 1)
    seeds = iter(range(1, 100))
    taken = seconds(lambda _: whole_run(scenario, next(seeds)))
    return Row(
        what="one run of oct10: 10,000 accounts, 8 markets, 12 minutes",
        ours=f"{taken:.3f} s",
        peer="",
        ratio=None,
        bar="0.5 s",
        met=taken < 0.5,
        same_work="",
    )


def the_whole_crash() -> Row:
    """One run of the full crash in a process of its own, for its memory."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.runs", "full"],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
    )
    taken, mib, accounts, markets = (float(word) for word in out.stdout.split())
    return Row(
        what=f"one run of oct10-full: {accounts:,.0f} accounts, {markets:.0f} markets",
        ours=f"{taken:.1f} s, {mib:,.0f} MiB",
        peer="",
        ratio=None,
        bar="30 s, 2 GB",
        met=taken < 30.0 and mib * 2**20 < 2e9,
        same_work="",
    )


def _measure_full() -> str:
    scenario = scenarios.load(CONFIGS / "oct10-full.toml")
    world = whole_run(scenario, 1).world
    seeds = iter(range(2, 10))
    taken = seconds(lambda _: whole_run(scenario, next(seeds)), repetitions=5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_RSS_UNIT
    return f"{taken} {peak} {len(world.crowd.traders)} {len(world.markets.specs)}"


def run() -> list[Row]:
    """All of them."""
    return [an_hour(), the_crash(), the_whole_crash()]


if __name__ == "__main__":
    if sys.argv[1:] == ["full"]:
        print(_measure_full())
    else:
        for row in run():
            print(row)
