"""Runs a plan: blocks through a pool of processes, each written when it is whole."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from abm.adl.answers import users_files
from abm.engine import policy_table
from abm.montecarlo import cluster, store
from abm.montecarlo.blocks import Done, code_sha256, run_block
from abm.montecarlo.entries import Entries
from abm.montecarlo.plan import Block, Plan
from abm.montecarlo.pool import new_pool
from abm.scenario import ScenarioError, from_mapping

# --- batches ----------------------------------------------------------------------------


def new_manifest(plan: Plan) -> dict[str, Any]:
    """The manifest of a batch of which nothing has been done."""
    tables = {name: policy_table(plan.scenario, name) for name in plan.policies}
    given = [*tables.values(), *plan.scenario.played_tables().values()]
    files = sorted({file for table in given for file in users_files(table)})
    return {
        "name": plan.scenario.name,
        "version": importlib.metadata.version("adl-abm"),
        "code_sha256": code_sha256(),
        "scenario": plan.scenario.resolved(),
        "scenario_sha256": plan.scenario.sha256(),
        "policies": list(plan.policies),
        "policy_tables": tables,
        "policy_files": {file: store.file_hash(Path(file)) for file in files},
        "first_seed": plan.seed(0),
        "runs": plan.runs,
        "block": plan.scenario.run.block,
        "stopped": None,
        "blocks": {},
    }


class How(NamedTuple):
    """How a batch is computed; its results do not depend on it.

    `workers` are processes, one a core if None; `paranoid` checks every invariant after
    every step; `quiet` shows no progress bar (there is none either where standard error is
    no terminal), which begins with `title`; after `minutes` no new block is begun;
    `scheduler` is the address of a Dask scheduler whose workers compute the blocks.
    """

    workers: int | None = None
    paranoid: bool = False
    quiet: bool = False
    title: str | None = None
    minutes: float | None = None
    scheduler: str | None = None


def run_batch(
    plan: Plan, folder: Path, *, overwrite: bool = False, **how: Any
) -> store.Batch:
    """Run a plan into a new folder.

    Parameters
    ----------
    overwrite : bool
        Replace a run folder of the same name.
    **how
        The fields of :class:`How`.

    Raises
    ------
    StoreError
        If the folder cannot be written, or another process is working on it.
    KeyboardInterrupt
        After Ctrl-C; the blocks that were whole are kept.
    """
    begin_batch(plan, folder, overwrite=overwrite)
    with store.locked(folder):
        return _go_on_with(plan, folder, store.Batch(folder).manifest, How(**how))


def begin_batch(plan: Plan, folder: Path, *, overwrite: bool = False) -> None:
    """Make the folder of a batch of which nothing is computed yet.

    Raises
    ------
    StoreError
        If the folder cannot be written, or another process is working on it.
    """
    _check_measure(plan)
    store.create(folder, overwrite=overwrite)
    store.write_manifest(folder, new_manifest(plan))


def resume_batch(folder: Path, **how: Any) -> store.Batch:
    """Go on with a batch that was interrupted; whole blocks are not computed again.

    The result is byte for byte that of a batch that was never interrupted. Blocks whose
    files are missing or damaged are computed again.

    Raises
    ------
    StoreError
        If it is no run folder, if another process is working on it, or if the scenario or
        the code is not what the batch was begun with.
    KeyboardInterrupt
        After Ctrl-C; the blocks that were whole are kept.
    """
    with store.locked(folder):
        plan, manifest = reopened(folder)
        return _go_on_with(plan, folder, manifest, How(**how))


def reopened(folder: Path) -> tuple[Plan, dict[str, Any]]:
    """A batch's plan and manifest, less damaged blocks; the caller has the lock.

    Raises
    ------
    StoreError
        As :func:`resume_batch`.
    """
    manifest = store.Batch(folder).manifest
    plan = _plan_of(folder, manifest)
    store.remove_partial_files(folder)
    for number, block in list(manifest["blocks"].items()):
        if store.damage(folder, int(number), block["sha256"]) is not None:
            del manifest["blocks"][number]
            manifest["stopped"] = None
    return plan, manifest


def _plan_of(folder: Path, manifest: dict[str, Any]) -> Plan:
    """The plan that a batch was begun with, if this code still does the same."""
    changed = f"{folder / store.MANIFEST}: cannot go on: "
    try:
        scenario = from_mapping(manifest["scenario"])
    except ScenarioError as error:
        raise store.StoreError(f"{changed}its scenario is not valid: {error}") from None
    if scenario.sha256() != manifest["scenario_sha256"]:
        raise store.StoreError(
            f"{changed}its scenario was changed since the batch was begun "
            "(scenario_sha256 is of another)"
        )
    version = importlib.metadata.version("adl-abm")
    if version != manifest["version"]:
        raise store.StoreError(
            f"{changed}it was begun with version {manifest['version']}, this is {version}"
        )
    if code_sha256() != manifest["code_sha256"]:
        raise store.StoreError(
            f"{changed}the code of abm was changed since the batch was begun (version "
            f"{version} both; code_sha256 is of another)"
        )
    return Plan.of(scenario)


def _check_measure(plan: Plan) -> None:
    stop = plan.scenario.run.stop
    if stop is None:
        return
    known = store.numeric_columns("runs")
    if stop.measure not in known:
        raise store.StoreError(
            f"run.stop.measure = {stop.measure!r}: must be one of {', '.join(known)}"
        )


def _go_on_with(
    plan: Plan, folder: Path, manifest: dict[str, Any], how: How
) -> store.Batch:
    """Compute the blocks that are missing, entering each in the manifest once whole."""
    blocks = [b for b in plan.blocks() if str(b.number) not in manifest["blocks"]]
    if manifest["stopped"] is not None:
        blocks = []
    bar = tqdm(
        desc=how.title,
        total=plan.runs,
        initial=plan.runs - sum(len(block.runs) for block in blocks),
        unit="run",
        disable=True if how.quiet else None,
    )
    entries = Entries(plan, folder, manifest)
    with bar, entries:
        for block, done in compute(plan, blocks, folder, how):
            entries.enter(block, done)
            bar.update(len(block.runs))
            if manifest["stopped"] is not None:
                break
    if manifest["stopped"] is not None:
        _drop_blocks_beyond(folder, manifest)
    return store.Batch(folder)


def _drop_blocks_beyond(folder: Path, manifest: dict[str, Any]) -> None:
    """Forget blocks that were computed beyond where the batch stopped."""
    last = manifest["stopped"]["after_block"]
    for number in [n for n in manifest["blocks"] if int(n) > last]:
        del manifest["blocks"][number]
    store.write_manifest(folder, manifest)
    store.remove_unlisted_blocks(folder, manifest)


def compute(
    plan: Plan, blocks: list[Block], folder: Path, how: How
) -> Iterator[tuple[Block, Done]]:
    """Blocks as they become whole, in any order."""
    begun = time.monotonic()

    def in_time() -> Iterator[Block]:
        for block in blocks:
            if how.minutes is not None and time.monotonic() - begun > 60.0 * how.minutes:
                return
            yield block

    if how.scheduler is not None:
        for block, computed in cluster.compute(
            how.scheduler, plan, in_time(), how.paranoid
        ):
            yield block, computed.write(folder, block)
        return
    tasks = (Task(plan, block, folder) for block in in_time())
    for task, done in compute_tasks(tasks, how, len(blocks)):
        yield task.block, done


class Task(NamedTuple):
    """A block of a batch to compute and write."""

    plan: Plan
    block: Block
    folder: Path


def compute_tasks(
    tasks: Iterator[Task], how: How, count: int
) -> Iterator[tuple[Task, Done]]:
    """Blocks of one batch or of many as they become whole, in any order.

    Parameters
    ----------
    count : int
        How many there are at most; no more processes than that are started.
    """
    workers = min(how.workers or os.cpu_count() or 1, count)
    if workers <= 1:
        for task in tasks:
            yield task, run_block(*task, how.paranoid)
        return
    yield from _compute_in_pool(tasks, workers, how.paranoid)


def _compute_in_pool(
    tasks: Iterator[Task], workers: int, paranoid: bool
) -> Iterator[tuple[Task, Done]]:
    pool = new_pool(workers)
    waiting: dict[Future[Done], Task] = {}
    folder = Path()
    try:
        while True:
            for task in tasks:
                folder = task.folder
                waiting[pool.submit(run_block, *task, paranoid)] = task
                if len(waiting) > workers:
                    break
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except KeyboardInterrupt:
        # What is being computed is let finish, so that nothing computed is lost.
        begun = [future for future in waiting if not future.cancel()]
        for future in begun:
            yield waiting[future], future.result()
        raise
    except BrokenProcessPool:
        raise store.StoreError(
            f"{folder}: a worker process died (out of memory?): whole blocks are kept, "
            f"`adl resume {folder}` goes on"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
