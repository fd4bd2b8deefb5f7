"""Could accounts see it coming? Predictability of a batch by policy, with intervals."""

from __future__ import annotations

import math

import pandas as pd

from abm.montecarlo.store import Batch
from analysis import intervals, notation

MEASURES = ("spearman", "kendall", "brier", "coverage")


def predictability(batch: Batch) -> pd.DataFrame:
    """How well lights and bounds shown before the first wave foretold what came.

    Returns
    -------
    DataFrame
        One row a policy, in the plan's order. `runs` is how many runs could be judged:
        those in which somebody was touched. `spearman`, `kendall`, `brier` and `coverage`
        are means over the runs in which each has a meaning, ``*_runs`` how many those
        are, ``*_low`` and ``*_high`` the ends of 95% intervals; see
        `abm.measures.predictability`. NaN where there is no such run.
    """
    columns = [f"predict_{name}" for name in MEASURES]
    runs = batch.frame("runs", columns=["policy", *columns])
    rows = {}
    for policy in batch.policies:
        mine = runs[runs["policy"] == policy]
        row: dict[str, float] = {"runs": int(mine["predict_brier"].notna().sum())}
        for name in MEASURES:
            values = mine[f"predict_{name}"].dropna()
            row[name] = float(values.mean()) if len(values) else math.nan
            row[f"{name}_low"], row[f"{name}_high"] = intervals.mean_interval(
                values, most=1.0
            )
            row[f"{name}_runs"] = len(values)
        rows[policy] = row
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    return found


def is_known(table: pd.DataFrame, measure: str) -> pd.Series:
    """Whether a measure has a meaning in at least half of the runs that could be judged."""
    return (table[f"{measure}_runs"] > 0) & (2 * table[f"{measure}_runs"] >= table["runs"])


def findings(table: pd.DataFrame) -> list[str]:
    """What the table shows, in a sentence or two made from its numbers."""
    known = table[is_known(table, "spearman")]
    if known.empty:
        return ["Lights and haircuts cannot be compared: nobody was hit, or all alike."]
    best, worst = known["spearman"].idxmax(), known["spearman"].idxmin()
    found = [
        f"Lights foretold burdens best under {best} (rank correlation "
        f"{known.loc[best, 'spearman']:.2f})"
        + (
            f" and least under {worst} ({known.loc[worst, 'spearman']:.2f})."
            if worst != best
            else "."
        )
    ]
    scores = table["brier"].dropna()
    if len(scores) > 1:
        sharp, dull = scores.idxmin(), scores.idxmax()
        found.append(
            f"Who would be hit at all they foretold best under {sharp} (Brier score "
            f"{scores[sharp]:.2f}) and least under {dull} ({scores[dull]:.2f})."
        )
    held = table["coverage"].dropna()
    if len(held):
        least = held.idxmin()
        found.append(
            f"The loss that was stated beforehand was exceeded most often under {least}: "
            f"it held for {notation.share(held[least])} of those who were hit."
        )
    return found
