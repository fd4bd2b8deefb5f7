"""A step of the market against the same step written with plain Mesa agents."""

from __future__ import annotations

import tomllib
from pathlib import Path

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.genesis import new_world
from abm.scenario import Scenario, from_mapping
from abm.world import World
from benchmarks.common import Row, interleaved
from benchmarks.counting import orders_sent
from benchmarks.plain_mesa import PlainModel

CONFIGS = Path(__file__).parent.parent / "configs"
BAR = 200.0


def scenario(accounts: int) -> Scenario:
    """The crowd, makers and venue of oct10 in its ETH market alone, without the crash."""
    given = tomllib.loads((CONFIGS / "oct10.toml").read_text(encoding="utf-8"))
    given["markets"] = {"ETH": given["markets"]["ETH"]}
    given["shocks"] = []
    given["oracle"]["feedback"] = 0.0
    given["population"].update(accounts=accounts, positions=accounts // 2)
    return from_mapping(given)


def start(accounts: int) -> World:
    """The market with so many traders at time zero."""
    return new_world(scenario(accounts), 1)


def our_engine(world: World) -> Engine:
    """A market of its own that nobody rescues."""
    return Engine(w.copy(world), compose("none", PRESETS["none"]))


def compare(accounts: int, steps: int) -> Row:
    """Time so many steps of both, and count the orders sent in them."""
    world = start(accounts)
    ours, theirs = interleaved(
        [
            (lambda engine: engine.run_to(steps), lambda: our_engine(world)),
            (
                lambda model: [model.step() for _ in range(steps)],
                lambda: PlainModel(world, 1),
            ),
        ],
        repetitions=5,
    )
    sent, model = orders_sent(w.copy(world), steps), PlainModel(world, 1)
    for _ in range(steps):
        model.step()
    ratio = theirs / ours
    return Row(
        what=f"a step of {accounts:,} accounts",
        ours=f"{1e6 * ours / steps:.1f} us",
        peer=f"plain Mesa {1e3 * theirs / steps:.1f} ms",
        ratio=ratio,
        bar=f"{BAR:.0f}x",
        met=ratio >= BAR,
        same_work=f"in {steps} steps {sent.orders:,} and {model.orders:,} orders of "
        f"traders, {sent.quotes:,} and {model.quotes:,} quotes",
    )


def run() -> list[Row]:
    """At 1,000 and at 10,000 accounts."""
    return [compare(1_000, 2_000), compare(10_000, 200)]


if __name__ == "__main__":
    for row in run():
        print(row)
