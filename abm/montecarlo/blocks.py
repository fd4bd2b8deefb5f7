"""Computes blocks: every seed of a block under every policy, as files."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

import abm
from abm.engine import policy_of
from abm.montecarlo import store
from abm.montecarlo.encoding import Encoder
from abm.montecarlo.plan import Block, Plan
from abm.montecarlo.ways import run_parts


@functools.cache
def code_sha256() -> str:
    """A hash over the source of this package: what numbers may depend on."""
    root = Path(abm.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
    files: dict[str, pa.Buffer]
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
        for _, part in run_parts(plan, run, policies, paranoid):
            files.add(part)
            if "runs" in part:
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
