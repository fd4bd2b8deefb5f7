"""The table of horizons made again, from the audit of a run and from its paths.

At a horizon of zero the marks are those of the calls; later ones are in the paths, where
these are kept and tell of that step. What only the fork knew is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.measures.watch import Watch
from abm.montecarlo import horizons, tables
from abm.montecarlo.store import Batch
from abm.montecarlo.tables import Names
from abm.scenario import Scenario
from abm.world import Array


def revalued(
    batch: Batch,
    scenario: Scenario,
    policy: Policy,
    run: int,
    calls: Sequence[Call],
    waves: dict[str, Any],
) -> pa.Table:
    """What a run's rows must be, as far as one can tell; other cells as they are.

    Parameters
    ----------
    calls : sequence of Call
        Of the run, as they were recorded.
    waves : dict
        Its table of waves.
    """
    of_one = (pc.field("run") == run) & (pc.field("policy") == policy.name)
    step_ms = scenario.time.step_ms
    watch = Watch(policy, scenario.outputs.horizons_s)
    watch.marks = _marks(batch, Names.of(scenario), of_one, step_ms)
    for call in calls:
        watch.marks[round(call.wave.now_s * 1000.0 / step_ms)] = call.wave.mark
    made = horizons.of_run(calls, waves, watch, (step_ms, scenario.time.steps)).rows
    there = batch.table("horizons", where=of_one).to_pylist()
    if len(there) == len(made):
        made = [_with_sums(old | new) for old, new in zip(there, made, strict=True)]
    every = dict.fromkeys(name for row in made for name in row)
    columns = {name: [row.get(name) for row in made] for name in every}
    return tables.as_table("horizons", columns, run, policy.name)


def _marks(
    batch: Batch, names: Names, of_one: pc.Expression, step_ms: int
) -> dict[int, Array]:
    """Marks of all markets in ticks, by step, as far as the paths tell."""
    columns = ["time_s", "market", "mark_usd"]
    paths = batch.frame("paths", columns=columns, where=of_one)
    wide = paths.pivot(index="time_s", columns="market", values="mark_usd").dropna()
    if wide.empty:
        return {}
    ticks = np.rint(wide[names.markets].to_numpy(float) / names.tick_usd).astype(np.int64)
    steps = np.rint(wide.index.to_numpy(float) * 1000.0 / step_ms).astype(np.int64)
    return dict(zip(steps.tolist(), ticks, strict=True))


def _with_sums(row: dict[str, Any]) -> dict[str, Any]:
    """With the gap that follows from truth and path, if there was a fork."""
    found = dict(row)
    for part in ("", "_net"):
        path, true = row[f"path{part}_usd"], row[f"true{part}_usd"]
        if path is not None and true is not None:
            found[f"gap{part}_usd"] = true - path
    return found
