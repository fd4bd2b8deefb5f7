"""What a sweep says: which keys move a measure, by how much, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich import box
from rich.table import Table
from scipy import stats
from scipy.stats import sobol_indices

from abm.montecarlo.store import Batch, read_index
from analysis.console import plain_console

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 999
SEED = 20251010

INDICES = ("first", "first_low", "first_high", "total", "total_low", "total_high")


def open_sweep(folder: str | Path) -> tuple[dict[str, Any], list[Batch]]:
    """A sweep's index and the batches of its points, in order.

    Raises
    ------
    StoreError
        If the folder is no sweep or a point's batch cannot be read.
    """
    index = read_index(Path(folder), "sweep.json", "sweep")
    return index, [Batch(Path(folder) / point["folder"]) for point in index["points"]]


def responses(folder: str | Path, measures: Sequence[str]) -> pd.DataFrame:
    """Mean measures at every point and policy of a sweep.

    Returns
    -------
    DataFrame
        One row a point and policy: `point`, `policy`, the design's keys, the measures
        (means over the runs that finished) and `runs`.
    """
    index, batches = open_sweep(folder)
    rows = []
    for number, (point, batch) in enumerate(zip(index["points"], batches, strict=True)):
        runs = batch.frame("runs", columns=["policy", "failed", *measures])
        runs = runs[~runs["failed"].astype(bool)]
        for policy in batch.policies:
            here = runs[runs["policy"] == policy]
            means = {measure: float(here[measure].mean()) for measure in measures}
            head = {"point": number, "policy": policy, **point["values"]}
            rows.append(head | means | {"runs": len(here)})
    return pd.DataFrame(rows)


def sensitivities(folder: str | Path, measures: Sequence[str]) -> pd.DataFrame:
    """How much of each measure's variance each key explains, by policy.

    For the design ``saltelli`` these are Sobol indices with bootstrap intervals, for a
    grid the exact shares of the analysis of variance, for the other designs partial rank
    correlations (`first`; there is no `total`).

    Returns
    -------
    DataFrame
        One row a policy, measure and key; columns as `INDICES`, NaN where undefined.
    """
    index, _ = open_sweep(folder)
    keys = list(index["factors"])
    table = responses(folder, measures)
    rows = []
    for policy in table["policy"].unique():
        here = table[table["policy"] == policy].sort_values("point")
        for measure in measures:
            values = here[measure].to_numpy(float)
            found = indices_of(index["design"], here[keys], values)
            for key in keys:
                rows.append({"policy": policy, "measure": measure, "key": key} | found[key])
    found = pd.DataFrame(rows, columns=["policy", "measure", "key", *INDICES])
    return found.set_index(["policy", "measure", "key"])


def indices_of(
    design: str, at: pd.DataFrame, values: Floats
) -> dict[str, dict[str, float]]:
    """What each column of `at` explains of the values at the points of a design."""
    if not np.isfinite(values).all() or np.ptp(values) == 0.0:
        return {key: {} for key in at}
    if design == "saltelli":
        return sobol(list(at), values)
    if design == "grid":
        return variance_shares(at, values)
    return rank_correlations(at, values)


def sobol(keys: Sequence[str], values: Floats) -> dict[str, dict[str, float]]:
    """Sobol indices from responses at the points of Saltelli's design.

    Parameters
    ----------
    keys : sequence of str
    values : array, shape (points * (keys + 2),)
        Responses to sample A, to B, and for each key to A with that column of B
        (Saltelli et al., Computer Physics Communications 181, 2010).
    """
    a, b, *mixed = np.split(values, len(keys) + 2)
    given: Mapping[Literal["f_A", "f_B", "f_AB"], Floats]
    given = {"f_A": a[None], "f_B": b[None], "f_AB": np.stack(mixed)[:, None, :]}
    found = sobol_indices(func=given, n=len(a), rng=np.random.default_rng(SEED))
    ends = found.bootstrap(confidence_level=LEVEL, n_resamples=RESAMPLES)
    columns = (
        found.first_order, ends.first_order.confidence_interval.low,
        ends.first_order.confidence_interval.high, found.total_order,
        ends.total_order.confidence_interval.low, ends.total_order.confidence_interval.high,
    )  # fmt: skip
    table = np.stack([np.ravel(column) for column in columns], axis=1)
    return {
        key: dict(zip(INDICES, map(float, row), strict=True))
        for key, row in zip(keys, table, strict=True)
    }


def variance_shares(at: pd.DataFrame, values: Floats) -> dict[str, dict[str, float]]:
    """Main and total shares of the variance on a full grid (analysis of variance).

    `first` is the variance of the means at each value of a key over the whole variance;
    `total` what is left after averaging over that key alone, taken from one.
    """
    whole = values.var()
    response = pd.Series(values)
    found = {}
    for key in at:
        main = response.groupby(at[key].astype(str).to_numpy()).transform("mean")
        others = [at[other].astype(str).to_numpy() for other in at if other != key]
        rest = response.groupby(others).transform("mean") if others else response.mean()
        left = np.var(np.broadcast_to(np.asarray(rest, float), len(values)))
        found[key] = {
            "first": float(main.to_numpy(float).var() / whole),
            "total": float(1.0 - left / whole),
        }
    return found


def rank_correlations(at: pd.DataFrame, values: Floats) -> dict[str, dict[str, float]]:
    """Partial rank correlation of the response with each key, given the others.

    With Fisher intervals. NaN where there are too few points.
    """
    ranks = np.column_stack([stats.rankdata(at[key]) for key in at])
    response = stats.rankdata(values)
    free = len(values) - ranks.shape[1] - 2
    found = {}
    for column, key in enumerate(at):
        others = np.delete(ranks, column, axis=1)
        others = np.column_stack([np.ones(len(values)), others])
        x, y = (_residual(others, v) for v in (ranks[:, column], response))
        if free < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
            found[key] = {}
            continue
        r = float(np.corrcoef(x, y)[0, 1])
        half = float(stats.norm.ppf(0.5 + LEVEL / 2)) / np.sqrt(free)
        z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
        ends = np.tanh([z - half, z + half])
        found[key] = {"first": r, "first_low": ends[0], "first_high": ends[1]}
    return found


def _residual(known: Floats, values: Floats) -> Floats:
    fitted = known @ np.linalg.lstsq(known, values, rcond=None)[0]
    return np.asarray(values - fitted)


# --- as text ----------------------------------------------------------------------------

_MOST_SHOWN = 40


def render_responses(table: pd.DataFrame) -> str:
    """The mean measures at every point for a terminal; the first points if many."""
    shown = table.drop(columns="point").head(_MOST_SHOWN)
    text = shown.to_string(index=False, float_format=lambda value: f"{value:,.6g}")
    more = len(table) - len(shown)
    return f"{text}\n({more:,} more rows)" if more else text


def render_sensitivities(table: pd.DataFrame, design: str) -> str:
    """The table for a terminal, one block a policy and measure."""
    text = StringIO()
    console = plain_console(text, 100)
    heads = ["Key", "Rank correlation"] if _by_rank(design) else ["Key", "Alone", "In all"]
    for (policy, measure), rows in table.groupby(level=["policy", "measure"], sort=False):
        shown = Table(*heads, box=box.SIMPLE, title=f"{measure} under {policy}")
        for (_, _, key), row in rows.iterrows():
            cells = [_cell(row, "first")]
            if not _by_rank(design):
                cells.append(_cell(row, "total"))
            shown.add_row(str(key), *cells)
        console.print(shown)
    return text.getvalue().rstrip()


def _by_rank(design: str) -> bool:
    return design in ("latin-hypercube", "sobol")


def _cell(row: Any, name: str) -> str:
    if np.isnan(row[name]):
        return "-"
    ends = row[f"{name}_low"], row[f"{name}_high"]
    interval = "" if np.isnan(ends[0]) else f"  ({ends[0]:.2f} to {ends[1]:.2f})"
    return f"{row[name]:.2f}{interval}"
