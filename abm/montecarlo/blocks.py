"""Computes blocks: every seed of a block under every policy, as tables and as files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

import abm
from abm import genesis, step
from abm.adl.guard import in_words
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError
from abm.engine import Engine, policy_of
from abm.montecarlo import store, tables
from abm.montecarlo.encoding import Encoder
from abm.montecarlo.plan import Block, Plan
from abm.scenario import Scenario


@functools.cache
def code_sha256() -> str:
    """A hash over the source of this package: what numbers may depend on."""
    root = Path(abm.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run_one(
    plan: Plan, run: int, policies: list[Policy], paranoid: bool = False
) -> Iterator[dict[str, pa.Table]]:
    """Run one seed under every policy; the past until the first wave is shared.

    Yields
    ------
    dict
        The tables of each policy's run, in the order of `policies`.
    """
    scenario = plan.scenario
    first_runs = run < scenario.outputs.paths_of_first_runs
    world = genesis.new_world(scenario, plan.seed(run))
    if first_runs:
        interval = round(scenario.outputs.path_interval_s * 1000)
        world.clock[0]["path_interval_ms"] = interval
    start = tables.purses(world)
    audited = run < scenario.outputs.audit_of_first_runs
    past = Engine(world, policies[0], scenario.run.wave_gap_s, paranoid, keep_whole=audited)
    past.share(policies)
    past.run_to(scenario.time.steps, stop_at_wave=True)
    names, shared_s = tables.Names.of(scenario), past.now_s
    for policy in policies:
        engine = past.fork(policy)
        try:
            _go_on(engine, scenario)
            yield tables.of_run(engine, start, names, run, shared_s, audited=audited)
        except PolicyError as error:
            yield tables.of_failure(run, policy.name, plan.seed(run), str(error))
        except Exception as error:
            # A user's settlement has the world in its hands; without one it is our bug.
            if not policy.is_settled_by_users:
                raise
            reason = f"policy {policy.name!r}, settlement: {in_words(error)}"
            yield tables.of_failure(run, policy.name, plan.seed(run), reason)


def _go_on(engine: Engine, scenario: Scenario) -> None:
    """Answer the wave that the past stopped at, if it did, and run to the end."""
    if int(engine.world.clock[0]["phase"]) == step.WAVING:
        engine.answer_if_asked()
    engine.run_to(scenario.time.steps)
    engine.finish()


class Done(NamedTuple):
    """A block that is whole.

    `digests` are the SHA-256 of its tables' files; `values` what the stopping rule looks
    at, one a run, if the plan has one.
    """

    failed: int
    digests: dict[str, str]
    values: list[float]


class Computed(NamedTuple):
    """A block that is computed but not yet written: its files' contents by table."""

    failed: int
    files: dict[str, bytes]
    values: list[float]

    def write(self, folder: Path, block: Block) -> Done:
        """Write it.

        Raises
        ------
        StoreError
            If a file cannot be written.
        """
        digests = store.write_block(folder, block.number, self.files)
        return Done(self.failed, digests, self.values)


def compute_block(plan: Plan, block: Block, paranoid: bool = False) -> Computed:
    """Compute a block."""
    policies = [policy_of(plan.scenario, name) for name in plan.policies]
    files, runs = Encoder(), []
    for run in block.runs:
        for part in run_one(plan, run, policies, paranoid):
            files.add(part)
            runs.append(part["runs"])
    rows = pa.concat_tables(runs)
    failed = int(sum(rows["failed"].to_pylist()))
    return Computed(failed, files.finish(), watched_values(plan, rows))


def run_block(plan: Plan, block: Block, folder: Path, paranoid: bool = False) -> Done:
    """Compute and write a block.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    return compute_block(plan, block, paranoid).write(folder, block)


def watched_values(plan: Plan, runs: pa.Table) -> list[float]:
    """What the plan's stopping rule looks at, one value a run; none without a rule."""
    stop = plan.scenario.run.stop
    if stop is None:
        return []
    wide = runs.to_pandas().pivot(index="run", columns="policy", values=stop.measure)
    found = wide[stop.policy or plan.policies[0]].astype(float)
    if stop.less is not None:
        found = found - wide[stop.less].astype(float)
    return [float(value) for value in found]
