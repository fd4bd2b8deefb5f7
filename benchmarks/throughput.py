"""How much a core does, and how many runs come out of a machine, against plain Mesa.

python -m benchmarks.throughput          # rows; 1,000 runs are reckoned from fewer
python -m benchmarks.throughput --full   # really 1,000 runs of oct10 by 8 policies
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import mesa
import psutil

from abm import scenario as scenarios
from abm import world as w
from abm.genesis import new_world
from abm.montecarlo.blocks import compute_block
from abm.montecarlo.plan import Plan
from benchmarks.common import Row, interleaved
from benchmarks.counting import orders_sent
from benchmarks.plain_mesa import PlainModel
from benchmarks.step import our_engine, scenario, start

HERE = Path(__file__).parent
OCT10 = HERE.parent / "configs" / "oct10.toml"

POLICIES = (
    "hyperliquid",
    "pro-rata",
    "none",
    "binance",
    "bybit",
    "dydx-v4",
    "aftermath",
    "capped-pro-rata",
)
"""Closing positions and cash haircuts, one call a crash and hundreds of them.

In this crash the cap of `capped-pro-rata` does not bind: it does what `pro-rata` does, and
the two are simulated once.
"""

VENUES = (
    "hyperliquid",
    "binance",
    "bybit",
    "okx",
    "bitmex",
    "dydx-v4",
    "paradex",
    "ethereal",
)
"""Venues' documented rules that close positions."""

FEW, MANY, RUNS = 32, 80, 1_000
"""Runs of two batches that a thousand are reckoned from. The first block tells more and
takes three times as long: in the smaller batch, too, the other process has enough to do."""

LOOK_S, MEMORY_S = 1.0, 10.0
"""Seconds between two looks at a batch, and at its memory: that holds up what is measured,
since pages are counted under a lock."""

LIMIT_MIN, LIMIT_BYTES = 15.0, 3e9
STEPS, CROWD, MODELS = 300, 1_000, 12


class Cost(NamedTuple):
    """Of a batch in processes of its own: wall time, processor time, memory at most.

    `driver` is the memory of the process that hands out blocks, `peak` that of all
    (shared pages counted once), both in bytes.
    """

    wall_s: float
    cpu_s: float
    peak: int
    driver: int


def batch_cost(runs: int, workers: int) -> Cost:
    """Run oct10 by all policies and watch what it takes."""
    with tempfile.TemporaryDirectory(prefix="adl-bench-") as folder:
        policies = [word for name in POLICIES for word in ("--policy", name)]
        command = [
            sys.executable, "-m", "abm.cli", "run", str(OCT10), *policies,
            "--runs", str(runs), "--workers", str(workers), "--out", f"{folder}/run",
            "--no-figures", "--json",
        ]  # fmt: skip
        begun = time.monotonic()
        child = psutil.Popen(command, stdout=subprocess.DEVNULL)
        peak = driver = 0
        used: dict[int, float] = {}
        due = begun
        while child.poll() is None:
            processes = _processes(child)
            used |= _times(processes)
            if time.monotonic() >= due:
                memory = _memory(processes)
                driver = max(driver, memory.get(child.pid, 0))
                peak = max(peak, sum(memory.values()))
                due = time.monotonic() + MEMORY_S
            with suppress(psutil.TimeoutExpired):
                child.wait(LOOK_S)
        if child.returncode:
            raise RuntimeError(f"adl run ended with {child.returncode}")
        return Cost(time.monotonic() - begun, sum(used.values()), peak, driver)


def _processes(root: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    with suppress(psutil.NoSuchProcess):
        return [root, *root.children(recursive=True)]
    return []


def _times(processes: list[psutil.Process]) -> dict[int, float]:
    """Seconds of processor time of each so far."""
    found = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def _memory(processes: list[psutil.Process]) -> dict[int, int]:
    """Bytes of each, shared pages counted once."""
    found = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found[process.pid] = process.memory_full_info().pss
    return found


def batches() -> list[Row]:
    """A thousand runs by eight policies, and two processes against one."""
    two = [batch_cost(runs, 2) for runs in (FEW, MANY)]
    one = [batch_cost(runs, 1) for runs in (FEW, MANY)]
    a_run = [_slope(costs, "wall_s") for costs in (one, two)]
    minutes = (two[0].wall_s + (RUNS - FEW) * a_run[1]) / 60.0
    peak = max(cost.peak for cost in two)
    grown = two[1].driver - two[0].driver
    cpu = _slope(one, "cpu_s") / len(POLICIES)
    mesas = [_models_a_second(processes) for processes in (1, 2)]
    return [
        Row(
            what=f"{RUNS:,} runs of oct10 by {len(POLICIES)} policies, 2 processes",
            ours=f"{minutes:.1f} min, {peak / 1e9:.2f} GB",
            peer="",
            ratio=None,
            bar="15 min, 3 GB",
            met=minutes < LIMIT_MIN and peak < LIMIT_BYTES,
            same_work=f"reckoned from {FEW} and {MANY} runs; {cpu:.3f} s of a core a run "
            f"and policy; the driver takes {two[0].driver / 1e6:.0f} MB and "
            f"{grown / 1e6:+.1f} MB for {MANY - FEW} runs more",
        ),
        Row(
            what="runs of oct10 by 8 policies a minute, 2 processes against 1",
            ours=f"{60 / a_run[1]:.0f} and {60 / a_run[0]:.0f}",
            peer=f"mesa.batch_run {60 * mesas[1]:.1f} and {60 * mesas[0]:.1f} models",
            ratio=a_run[0] / a_run[1],
            bar="1.8x",
            met=a_run[0] / a_run[1] >= 1.8,
            same_work=f"mesa.batch_run gains {mesas[1] / mesas[0]:.2f}x with {MODELS} "
            f"plain models of {CROWD:,} accounts and {STEPS} steps",
        ),
    ]


def _slope(costs: list[Cost], name: str) -> float:
    """What one more run takes."""
    first, last = (float(getattr(cost, name)) for cost in costs)
    return (last - first) / (MANY - FEW)


class PlainRun(PlainModel):
    """The plain model as `mesa.batch_run` wants it: made from a seed alone."""

    def __init__(self, seed: int) -> None:
        super().__init__(new_world(scenario(CROWD), seed), seed)


def _models_a_second(processes: int) -> float:
    begun = time.monotonic()
    mesa.batch_run(
        PlainRun, {"seed": range(MODELS)}, number_processes=processes,
        max_steps=STEPS - 1, display_progress=False,
    )  # fmt: skip
    return MODELS / (time.monotonic() - begun)


def rates() -> list[Row]:
    """What a core does in a second: accounts stepped, order events, whole runs."""
    accounts, steps = 10_000, 150
    world = start(accounts)
    ours, theirs = interleaved(
        [
            (lambda engine: engine.run_to(steps), lambda: our_engine(world)),
            (
                lambda model: [model.step() for _ in range(steps)],
                lambda: PlainModel(world, 1),
            ),
        ],
        repetitions=3,
    )
    sent, model = orders_sent(w.copy(world), steps), PlainModel(world, 1)
    for _ in range(steps):
        model.step()
    events = sent.orders + sent.quotes, model.orders + model.quotes
    stepped = accounts * steps
    return [
        _rate("account-steps a second a core", (stepped / ours, stepped / theirs), 200.0,
              f"{accounts:,} accounts, {steps} steps of one market"),
        _rate("orders and quotes a second a core, in the same steps",
              (events[0] / ours, events[1] / theirs), 200.0,
              f"{events[0]:,} and {events[1]:,}"),
        _runs_a_minute(),
    ]  # fmt: skip


def _rate(what: str, rates: tuple[float, float], bar: float | None, same_work: str) -> Row:
    ours, theirs = rates
    return Row(
        what=what,
        ours=f"{ours:,.0f}",
        peer=f"plain Mesa {theirs:,.0f}",
        ratio=ours / theirs,
        bar="" if bar is None else f"{bar:.0f}x",
        met=None if bar is None else ours / theirs >= bar,
        same_work=same_work,
    )


def _runs_a_minute() -> Row:
    """The same market whole, through the blocks here and through mesa.batch_run there."""
    given = scenario(CROWD).resolved()
    given["run"] |= {"policies": ["none"], "runs": 64, "block": 64}
    given["time"]["duration_s"] = float(STEPS)
    given["outputs"] |= {"paths_of_first_runs": 0, "audit_of_first_runs": 0}
    plan = Plan.of(scenarios.from_mapping(given))
    [block] = plan.blocks()
    few = {"seed": range(2)}
    ours, theirs = interleaved(
        [
            (lambda _: compute_block(plan, block), lambda: None),
            (
                lambda _: mesa.batch_run(
                    PlainRun, few, max_steps=STEPS - 1, display_progress=False
                ),
                lambda: None,
            ),
        ],
        repetitions=3,
    )
    minute = 60 * len(block.runs) / ours, 60 * 2 / theirs
    return _rate(
        f"runs a minute a core, {CROWD:,} accounts and {STEPS} steps", minute, None,
        "mesa.batch_run; ours with all tables as Parquet",
    )  # fmt: skip


def forks() -> Row:
    """Eight policies against one where half an hour of market comes before the crash.

    A run beyond the first, of which more is written than of the thousands after them.
    """
    path = HERE / "half_hour.toml"
    plans = [_plan(path, VENUES), *(_plan(path, [policy]) for policy in VENUES)]
    block = plans[0].blocks()[-1]
    compute_block(plans[-1], block)
    together, *single = interleaved(
        [(lambda p: compute_block(p, block), lambda p=plan: p) for plan in plans],
        repetitions=1,
    )
    ratio = together / (sum(single) / len(single))
    return Row(
        what="8 venues' rules against one, half an hour of market before the crash",
        ours=f"{ratio:.2f} times one",
        peer=f"without forks {len(VENUES)} times",
        ratio=len(VENUES) / ratio,
        bar="3 times one",
        met=ratio < 3.0,
        same_work=f"100,000 accounts; all {together:.1f} s, one {min(single):.1f} to "
        f"{max(single):.1f} s",
    )


def _plan(path: Path, policies: Iterable[str]) -> Plan:
    overrides = [
        f"run.policies={json.dumps(list(policies))}", "run.runs=17", "run.block=16",
    ]  # fmt: skip
    return Plan.of(scenarios.load(path, overrides))


def run() -> list[Row]:
    """All of them."""
    return [*rates(), forks(), *batches()]


def main() -> None:
    """Print the rows, or measure a thousand runs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--full", action="store_true")
    options.add_argument("--runs", type=int, default=RUNS)
    options.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    given = options.parse_args()
    if not given.full:
        for row in run():
            print(row)
        return
    cost = batch_cost(given.runs, given.workers)
    a_run = cost.cpu_s / given.runs / len(POLICIES)
    print(
        f"{given.runs:,} runs by {len(POLICIES)} policies, {given.workers} processes: "
        f"{cost.wall_s / 60:.1f} min, {cost.peak / 1e9:.2f} GB in all, the driver "
        f"{cost.driver / 1e6:.0f} MB; {a_run:.3f} s of a core a run and policy"
    )


if __name__ == "__main__":
    main()
