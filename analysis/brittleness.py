"""How far does a little reach? Brittleness of a batch by policy, with intervals."""

from __future__ import annotations

import math

import pandas as pd

from abm.montecarlo.store import Batch
from analysis import intervals, notation

MEASURES = ("largest_usd", "moved", "per_usd", "typical_per_usd")


def brittleness(batch: Batch) -> pd.DataFrame:
    """What nudges of the first wave changed under each policy.

    Returns
    -------
    DataFrame
        One row a policy, in the plan's order. `runs` is how many runs were nudged.
        `largest_usd` (the largest change of anybody's part), `moved` (the largest part of
        the whole that moved to others), `per_usd` and `typical_per_usd` (dollars that
        moved for a dollar of the nudge: largest and median) are means over those runs,
        with ``*_low`` and ``*_high``, the ends of 95% intervals, and ``*_most``, the
        largest in any run; see `abm.measures.brittleness`. NaN where none was nudged.
    """
    runs = nudged_runs(batch)
    rows = {}
    for policy in batch.policies:
        mine = runs[runs["policy"] == policy]
        row: dict[str, float] = {"runs": len(mine)}
        for name in MEASURES:
            values = mine[f"jump_{name}"].dropna()
            row[name] = float(values.mean()) if len(values) else math.nan
            row[f"{name}_low"], row[f"{name}_high"] = intervals.mean_interval(
                values, most=1.0 if name == "moved" else math.inf
            )
            row[f"{name}_most"] = float(values.max()) if len(values) else math.nan
        rows[policy] = row
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    return found


def nudged_runs(batch: Batch) -> pd.DataFrame:
    """The runs whose first wave was nudged: run, policy and the columns of nudges."""
    columns = [f"jump_{name}" for name in MEASURES]
    runs = batch.frame("runs", columns=["run", "policy", *columns])
    return runs.dropna(subset=["jump_moved"]).reset_index(drop=True)


def findings(table: pd.DataFrame) -> list[str]:
    """What the table shows, in a sentence or two made from its numbers."""
    known = table.dropna(subset=["moved"])
    if known.empty:
        return ["No wave was nudged, so nothing is known of brittleness."]
    worst, best = known["moved"].idxmax(), known["moved"].idxmin()
    found = [
        f"Under {worst} a nudge of a thousandth of equity or of one tick moves up to "
        f"{notation.share(known.loc[worst, 'moved_most'])} of what is taken to others, "
        f"{notation.share(known.loc[worst, 'moved'])} in the mean of the first waves"
    ]
    if best != worst:
        found[0] += f"; under {best} {notation.share(known.loc[best, 'moved'])}"
    return [f"{found[0]}."]
