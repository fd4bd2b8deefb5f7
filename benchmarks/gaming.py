"""What playing costs: runs of the small crash with each strategy and with none."""

from __future__ import annotations

from pathlib import Path

from abm import genesis
from abm import scenario as scenarios
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.gaming.players import Players
from abm.gaming.strategies import STRATEGIES
from abm.scenario import Scenario
from benchmarks.common import Row, interleaved

CONFIG = Path(__file__).parents[1] / "configs" / "oct10.toml"
ADOPTERS = 0.017


def _run(scenario: Scenario) -> None:
    engine = Engine(
        genesis.new_world(scenario, 1),
        compose("hyperliquid", PRESETS["hyperliquid"]),
        keep_whole=False,
    )
    engine.players = Players(scenario, engine.world)
    engine.run_to(scenario.time.steps)
    engine.finish()


def _scenario(name: str, honest: bool) -> Scenario:
    play = f"gaming.play.{name}={ADOPTERS}"
    return scenarios.load(CONFIG, [play, f"gaming.honest={str(honest).lower()}"])


def run() -> list[Row]:
    """The slowest strategy against the baseline of the same seed."""
    cases = [_scenario("split", honest=True)]
    cases += [_scenario(name, honest=False) for name in STRATEGIES]
    pairs = [(lambda _, one=one: _run(one), lambda: None) for one in cases]
    honest, *played = interleaved(pairs, repetitions=3, warm_up=1)
    taken, name = max(zip(played, STRATEGIES, strict=True))
    row = Row(
        what=f"oct10, {ADOPTERS:.1%} of traders play {name}, the slowest strategy",
        ours=f"{taken:.3f} s",
        peer=f"{honest:.3f} s with nobody playing",
        ratio=taken / honest,
        bar="",
        met=None,
        same_work="same seed",
    )
    return [row]


if __name__ == "__main__":
    for row in run():
        print(row)
