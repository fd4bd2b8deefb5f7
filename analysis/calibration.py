"""How runs of a scenario compare with what was measured of an event.

Each target stands beside the simulated moment: its mean over runs, or its median where
tails are so heavy that means do not settle; the interval of that; how many runs lie within
the range, and where among them the event would stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from abm.montecarlo.store import Batch, StoreError, read_index
from analysis import notation
from analysis.console import plain_console
from analysis.intervals import mean_interval, quantile_interval

INDEX = "calibration.json"
BEST = "best"
TABLE = "targets.csv"

_WIDTH = 112


def open_calibration(folder: str | Path) -> tuple[dict[str, Any], Batch]:
    """A calibration's index, and the batch that its table is made of.

    Raises
    ------
    StoreError
        If the folder is no calibration, or that batch cannot be read.
    """
    index = read_index(Path(folder), INDEX, "calibration")
    return index, Batch(Path(folder) / BEST)


def moments_by_run(batch: Batch, moments: Sequence[str]) -> pd.DataFrame:
    """Moments of every run of a batch, a row a run; NaN where a run has none.

    Raises
    ------
    StoreError
        If the batch holds no moments.
    """
    table = batch.frame("moments", columns=["run", "moment", "value"])
    if table.empty:
        raise StoreError(
            f"{batch.folder}: holds no moments: `adl calibrate CONFIG --check` writes them"
        )
    wide = table.pivot(index="run", columns="moment", values="value")
    return wide.reindex(columns=list(moments))


def target_table(batch: Batch, targets: Mapping[str, Any]) -> pd.DataFrame:
    """One row a target, in the order of the file.

    Parameters
    ----------
    batch : Batch
        With moments, of one policy.
    targets : mapping
        What a file of targets says.

    Returns
    -------
    DataFrame
        The target's `id`, `moment`, `says`, `unit`, `value`, `low`, `high`, `heavy`,
        `source`, `reliability`, `missed`; `simulated` (mean or median over runs) with its
        95% interval `simulated_low` and `simulated_high`; the `least` and the `most` of a
        run; `inside`, the share of runs within the range; `percentile`, the share of runs
        below the target; `runs` that have the moment; `in_range`.
    """
    rows = targets["targets"]
    runs = moments_by_run(batch, [row["moment"] for row in rows])
    return pd.DataFrame([_row(row, runs[row["moment"]].to_numpy(float)) for row in rows])


def _row(target: Mapping[str, Any], values: np.ndarray[Any, Any]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    heavy = bool(target["heavy"])
    middle, interval = np.nan, (np.nan, np.nan)
    if len(known):
        middle = float(np.median(known) if heavy else known.mean())
        interval = quantile_interval(known, 0.5) if heavy else mean_interval(known)
    within = (known >= target["low"]) & (known <= target["high"])
    keys = ("id", "moment", "says", "unit", "value", "low", "high", "heavy", "source")
    return {
        **{key: target[key] for key in (*keys, "range", "reliability", "missed")},
        "simulated": middle,
        "simulated_low": interval[0],
        "simulated_high": interval[1],
        "least": known.min() if len(known) else np.nan,
        "most": known.max() if len(known) else np.nan,
        "inside": within.mean() if len(known) else 0.0,
        "percentile": (known < target["value"]).mean() if len(known) else np.nan,
        "runs": len(known),
        "in_range": bool(target["low"] <= middle <= target["high"]),
    }


def whole_ids(table: pd.DataFrame) -> pd.Series:
    """For each id whether all of its rows are in range."""
    return table.groupby("id", sort=False)["in_range"].all()


def verdict(table: pd.DataFrame) -> str:
    """How many of the targets are in range, in a sentence."""
    ids = whole_ids(table)
    return (
        f"{int(table['in_range'].sum())} of {len(table)} moments are in range; of the "
        f"{len(ids)} entries that they belong to, {int(ids.sum())} in every moment."
    )


def written(row: Mapping[str, Any], name: str) -> str:
    """A value of a row as a person reads it."""
    value = float(row[name])
    if row["unit"] == "number":
        return f"{value:.3g}" if abs(value) < 1000 else notation.count(value)
    return notation.writer(row["unit"])(value)


def _spanned(row: Mapping[str, Any], low: str, high: str) -> str:
    return notation.span(written(row, low), written(row, high))


def render(table: pd.DataFrame, title: str) -> str:
    """The table for a terminal."""
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in (
        "",
        "Moment",
        "Target",
        "Range",
        "Simulated",
        "95% interval",
        "Runs in",
        "",
    ):
        left = name in ("", "Moment")
        shown.add_column(name, justify="left" if left else "right", no_wrap=not left)
    for _, row in table.iterrows():
        shown.add_row(
            row["id"],
            row["says"],
            written(row, "value"),
            _spanned(row, "low", "high"),
            written(row, "simulated") + ("*" if row["heavy"] else ""),
            _spanned(row, "simulated_low", "simulated_high"),
            notation.share(row["inside"]),
            "yes" if row["in_range"] else "no",
        )
    text = StringIO()
    plain_console(text, _WIDTH).print(shown)
    foot = "*: median over runs, since means do not settle; else mean."
    return f"{text.getvalue().rstrip()}\n\n{verdict(table)} {foot}\n"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table for programs; what is not finite is null."""
    plain = table.astype(object).where(table.notna(), None)
    return [
        {key: None if value in (np.inf, -np.inf) else value for key, value in row.items()}
        for row in plain.to_dict(orient="records")
    ]


def count_of_runs(table: pd.DataFrame) -> int:
    """Runs that the table rests on."""
    return int(table["runs"].max())


# --- the page ---------------------------------------------------------------------------


def page(
    index: Mapping[str, Any], batch: Batch, table: pd.DataFrame, command: str,
    pictures: Sequence[str] = (),
) -> str:  # fmt: skip
    """The table as a page in Markdown, with where it comes from and why targets are missed.

    Parameters
    ----------
    command : str
        What makes the page again.
    pictures : sequence of str
        Figures beside the page.
    """
    targets, manifest = index["targets"], batch.manifest
    first = manifest["first_seed"]
    seeds = f"{first} to {first + count_of_runs(table) - 1}"
    ids = whole_ids(table)
    parts = [
        f"# Calibration: {targets['title']}",
        f"{verdict(table)} Entries in range in every moment: {', '.join(ids[ids].index)}.",
        f"Written by `{command}`: scenario `{batch.name}` (SHA-256 "
        f"`{manifest['scenario_sha256']}`), policy `{batch.policies[0]}`, seeds {seeds}. "
        "The table says how the scenario's values do; where they were chosen with an eye "
        "on some of these seeds, by hand or by a fit, it is no test out of sample.",
        *(f"![Targets and simulated moments]({name})" for name in pictures),
        "A moment is simulated as its mean over runs, or (\\*) its median where tails are "
        "so heavy that means do not settle; the interval is that of the mean or the "
        "median, at 95%. *Runs in* is the share of runs whose own value lies in the "
        "range, *below* "
        "the share of runs that lie below what was measured: near 0% or 100%, the event "
        "would be an outlier among runs.",
        targets["notes"],
        _markdown(table),
        *_missed(table),
        "## What is not compared",
        *(
            f"- **{one['id']}**, {one['says']}: {one['why']}."
            for one in targets["left_out"]
        ),
        "## Sources and ranges",
        *_sources(table),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(table: pd.DataFrame) -> str:
    head = "| | moment | measured | range | simulated | interval | runs in | below | |"
    lines = [head, "| --- | --- | ---: | --- | ---: | --- | ---: | ---: | --- |"]
    for _, row in table.iterrows():
        cells = (
            row["id"],
            row["says"],
            written(row, "value"),
            _spanned(row, "low", "high"),
            written(row, "simulated") + ("\\*" if row["heavy"] else ""),
            _spanned(row, "simulated_low", "simulated_high"),
            notation.share(row["inside"]),
            notation.share(row["percentile"]),
            "in range" if row["in_range"] else "**out**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _missed(table: pd.DataFrame) -> list[str]:
    """Why targets are missed, reasons that several share once."""
    out = table[~table["in_range"]]
    if out.empty:
        return []
    reasons = out.groupby("missed", sort=False)
    told = []
    for reason, rows in reasons:
        names = ", ".join(rows["id"] + " " + rows["says"])
        told.append(f"- {names}: {reason or 'not known'}")
    return ["## Why moments are out of range", "\n".join(told)]


def _sources(table: pd.DataFrame) -> list[str]:
    lines = [
        f"- {row['id']}, {row['says']}: {row['source']} (reliability {row['reliability']}; "
        f"range: {row['range']})."
        for _, row in table.iterrows()
    ]
    return ["\n".join(lines)]
