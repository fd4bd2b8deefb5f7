"""A step of the market against the same step written with plain Mesa agents."""

from __future__ import annotations

from typing import Any

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.genesis import new_world
from abm.scenario import from_mapping
from abm.world import World
from benchmarks.common import Row, interleaved
from benchmarks.plain_mesa import PlainModel

STEPS = 300
BAR = 200.0

SCENARIO: dict[str, Any] = {
    "name": "step",
    "time": {"duration_s": 600.0},
    "markets": {
        "ETH": {
            "tick_usd": 0.1,
            "lot": 0.001,
            "start_usd": 4_300.0,
            "tiers": [{"notional_usd": 0, "max_leverage": 25}],
            "depth_usd": 2e5,
            "daily_volatility": 0.1,
        }
    },
    "oracle": {"feedback": 0.0},
    "kinds": {
        "passive": {"share": 0.6, "act_mean_s": 1800},
        "leveraged": {
            "share": 0.3,
            "leverage_factor": 8.0,
            "act_mean_s": 120,
            "trend": 0.5,
        },
        "flipper": {"share": 0.05, "act_mean_s": 10, "flip_share": 0.3},
        "whale": {"share": 0.05, "size": "largest", "act_mean_s": 3600},
    },
    "venue": {"vault_usd": 1e6, "self_trade": "cancel-resting"},
}


def start(accounts: int) -> World:
    """The market with so many traders at time zero."""
    population = {"accounts": accounts, "positions": int(0.8 * accounts)}
    return new_world(from_mapping({**SCENARIO, "population": population}), 1)


def our_engine(world: World) -> Engine:
    """A market of its own that nobody rescues."""
    return Engine(w.copy(world), compose("none", PRESETS["none"]))


def compare(accounts: int) -> Row:
    """Time a minute of both, and how much was traded."""
    world = start(accounts)
    ours, theirs = interleaved(
        [
            (lambda engine: engine.run_to(STEPS), lambda: our_engine(world)),
            (
                lambda model: [model.step() for _ in range(STEPS)],
                lambda: PlainModel(world, 1),
            ),
        ],
        repetitions=5,
    )
    engine, model = our_engine(world), PlainModel(world, 1)
    engine.run_to(STEPS)
    for _ in range(STEPS):
        model.step()
    ratio, top = theirs / ours, engine.world.book.tops[0]
    return Row(
        what=f"a step of {accounts:,} accounts",
        ours=f"{1e6 * ours / STEPS:.1f} us",
        peer=f"plain Mesa {1e3 * theirs / STEPS:.1f} ms",
        ratio=ratio,
        bar=f"{BAR:.0f}x",
        met=ratio >= BAR,
        same_work=f"lots traded in {STEPS} steps: {top['volume']:,} and "
        f"{model.book.volume:,}",
    )


def run() -> list[Row]:
    """At 1,000 and at 10,000 accounts."""
    return [compare(1_000), compare(10_000)]


if __name__ == "__main__":
    for row in run():
        print(row)
