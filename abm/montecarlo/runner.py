"""Runs a plan: blocks through a pool of processes, each written when it is whole."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from abm import genesis, step
from abm import world as w
from abm.adl.answers import users_files
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError
from abm.engine import Engine, policy_of, policy_table
from abm.montecarlo import store, tables
from abm.montecarlo.plan import Block, Plan
from abm.scenario import Scenario


def run_one(
    plan: Plan, run: int, policies: list[Policy], paranoid: bool = False
) -> list[dict[str, pa.Table]]:
    """Run one seed under every policy; the past until the first wave is shared.

    Returns
    -------
    list of dict
        The tables of each policy's run, in the order of `policies`.
    """
    scenario = plan.scenario
    first_runs = run < scenario.outputs.paths_of_first_runs
    world = genesis.new_world(scenario, plan.seed(run))
    if first_runs:
        interval = round(scenario.outputs.path_interval_s * 1000)
        world.clock[0]["path_interval_ms"] = interval
    start = w.copy(world)
    past = Engine(world, policies[0], scenario.run.wave_gap_s, paranoid)
    past.run_to(scenario.time.steps, stop_at_wave=True)
    names = tables.Names.of(scenario)
    audited = first_runs and scenario.outputs.audit
    found = []
    for policy in policies:
        engine = past.fork(policy)
        try:
            _go_on(engine, scenario)
            found.append(tables.of_run(engine, start, names, run, audited=audited))
        except PolicyError as error:
            found.append(tables.of_failure(run, policy.name, plan.seed(run), str(error)))
    return found


def _go_on(engine: Engine, scenario: Scenario) -> None:
    """Answer the wave that the past stopped at, if it did, and run to the end."""
    if int(engine.world.clock[0]["phase"]) == step.WAVING:
        engine.answer_wave()
    engine.run_to(scenario.time.steps)
    engine.finish()


def run_block(
    plan: Plan, block: Block, folder: Path, paranoid: bool = False
) -> dict[str, Any]:
    """Compute and write a block; return what the manifest says of it."""
    policies = [policy_of(plan.scenario, name) for name in plan.policies]
    parts = [part for run in block.runs for part in run_one(plan, run, policies, paranoid)]
    whole = {
        name: pa.concat_tables([part[name] for part in parts]) for name in store.SCHEMAS
    }
    hashes = store.write_block(folder, block.number, whole)
    return {
        "runs": [block.runs.start, block.runs.stop],
        "failed": int(sum(whole["runs"]["failed"].to_pylist())),
        "sha256": hashes,
    }


def new_manifest(plan: Plan) -> dict[str, Any]:
    """The manifest of a batch of which nothing has been done."""
    tables = {name: policy_table(plan.scenario, name) for name in plan.policies}
    files = sorted({file for table in tables.values() for file in users_files(table)})
    return {
        "name": plan.scenario.name,
        "version": importlib.metadata.version("adl-abm"),
        "scenario": plan.scenario.resolved(),
        "scenario_sha256": plan.scenario.sha256(),
        "policies": list(plan.policies),
        "policy_tables": tables,
        "policy_files": {file: store.file_hash(Path(file)) for file in files},
        "first_seed": plan.seed(0),
        "runs": plan.runs,
        "block": plan.scenario.run.block,
        "blocks": {},
    }


def run_batch(
    plan: Plan,
    folder: Path,
    *,
    workers: int | None = None,
    paranoid: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> store.Batch:
    """Run a plan into a new folder.

    Parameters
    ----------
    workers : int, optional
        Processes; one a core if not given. The result does not depend on it.
    paranoid : bool
        Check every invariant after every step.
    overwrite : bool
        Replace a run folder of the same name.
    quiet : bool
        Show no progress bar (there is none either where standard error is no terminal).

    Raises
    ------
    StoreError
        If the folder cannot be written.
    KeyboardInterrupt
        After Ctrl-C; the blocks that were whole are kept.
    """
    store.create(folder, overwrite=overwrite)
    manifest = new_manifest(plan)
    store.write_manifest(folder, manifest)
    blocks = plan.blocks()
    workers = min(workers or os.cpu_count() or 1, len(blocks))
    bar = tqdm(total=plan.runs, unit="run", disable=True if quiet else None)
    with bar:
        for block, entry in _compute(plan, blocks, folder, workers, paranoid):
            manifest["blocks"][str(block.number)] = entry
            store.write_manifest(folder, manifest)
            bar.update(len(block.runs))
    return store.Batch(folder)


def _compute(
    plan: Plan, blocks: list[Block], folder: Path, workers: int, paranoid: bool
) -> Iterator[tuple[Block, dict[str, Any]]]:
    """Blocks as they become whole, with what the manifest says of them."""
    if workers == 1:
        for block in blocks:
            yield block, run_block(plan, block, folder, paranoid)
        return
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupts)
    waiting: dict[Future[dict[str, Any]], Block] = {}
    queue = iter(blocks)
    try:
        while True:
            for block in queue:
                future = pool.submit(run_block, plan, block, folder, paranoid)
                waiting[future] = block
                if len(waiting) >= 2 * workers:
                    break
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent: a worker finishes its block."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
