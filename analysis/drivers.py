"""Which assumptions drive each headline measure, and the ranking of policies.

A sweep's points vary all assumptions at once. Deficits are so heavy-tailed that a few
points would decide a variance, so everything is about the ranks of the points (Saltelli
and Sobol 1995, Reliability Engineering & System Safety 50:225, on rank transformation):
what is explained is which points are worse, not by how much. The design ``saltelli``
gives total Sobol indices, other designs partial rank correlations.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import stats

from analysis import notation
from analysis.robustness import MEASURES
from analysis.sensitivity import INDICES, indices_of, open_sweep, responses


def drivers(folder: str | Path) -> pd.DataFrame:
    """Sensitivity of the measures under the first policy, and of how others differ.

    Returns
    -------
    DataFrame
        One row a measure, response (the first policy, or another less the first) and key:
        the columns of :data:`analysis.sensitivity.INDICES`, and `positive`, the share of
        points at which the response is above zero.
    """
    index, batches = open_sweep(folder)
    table = responses(folder, list(MEASURES.values()))
    table = table.fillna({MEASURES["largest haircut of equity"]: 0.0})
    first, *others = batches[0].policies
    rows = []
    for measure, column in MEASURES.items():
        wide = table.pivot(index="point", columns="policy", values=column).sort_index()
        for name, values in _responses(wide, first, others).items():
            at = _points(table, index["factors"])
            found = indices_of(index["design"], at, stats.rankdata(values))
            share = float((values > 0).mean())
            for key in index["factors"]:
                head = {"measure": measure, "response": name, "key": key}
                rows.append(head | found[key] | {"positive": share})
    columns = ["measure", "response", "key", *INDICES, "positive"]
    return pd.DataFrame(rows, columns=columns).set_index(["measure", "response", "key"])


def _responses(wide: pd.DataFrame, first: str, others: Sequence[str]) -> dict[str, Any]:
    found = {first: wide[first].to_numpy(float)}
    for other in others:
        found[f"{other} less {first}"] = (wide[other] - wide[first]).to_numpy(float)
    return found


def _points(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    return table.drop_duplicates("point").sort_values("point")[list(keys)]


def about(folder: str | Path) -> str:
    """Which sweep: name, scenario's SHA-256, design, points, runs, seeds."""
    index, batches = open_sweep(folder)
    manifest = batches[0].manifest
    return (
        f"{index['name']} (scenario SHA-256 {index['scenario_sha256'][:16]}), design "
        f"{index['design']}, {len(batches):,} points of {manifest['runs']} runs, "
        f"first seed {manifest['first_seed']}"
    )


def index_of(table: pd.DataFrame) -> str:
    """Which index a table has: ``total`` (Sobol) or ``first`` (rank correlation)."""
    return "total" if table["total"].notna().any() else "first"


def leading(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """The keys of largest index of every measure and response, of those that are clear.

    An index is clear if its interval leaves zero out.
    """
    index = index_of(table)
    clear = table[(table[f"{index}_low"] > 0) | (table[f"{index}_high"] < 0)]
    order = clear[index].abs().sort_values(ascending=False, kind="stable").index
    return clear.loc[order].groupby(level=["measure", "response"], sort=False).head(count)


def _parts(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Measure, response, share above zero, leading keys with their indices."""
    rows, index, known = [], index_of(table), leading(table)
    for (measure, response), here in table.groupby(
        level=["measure", "response"], sort=False
    ):
        mine = known[known.index.isin(here.index)]
        words = [f"{key[2]} {_index(row, index)}" for key, row in mine.iterrows()]
        share = notation.share(float(here["positive"].iloc[0]))
        rows.append((measure, response, share, ", ".join(words) or "none is clear"))
    return rows


def _index(row: Any, index: str) -> str:
    return f"{row[index]:.2f} ({row[f'{index}_low']:.2f} to {row[f'{index}_high']:.2f})"


NAMES = {"total": "total Sobol index", "first": "partial rank correlation"}
"""What the indices of a table are called."""


def heads(table: pd.DataFrame) -> tuple[str, str, str, str]:
    """Headings of the table."""
    name = NAMES[index_of(table)]
    return "Measure", "Response", "Above 0", f"Largest by {name} (95% interval)"


def render_drivers(table: pd.DataFrame) -> str:
    """The leading keys of every response for a terminal."""
    text = StringIO()
    console = Console(file=text, width=110, highlight=False, color_system=None)
    shown = Table(*heads(table), box=box.SIMPLE_HEAD, padding=(0, 1))
    for row in _parts(table):
        shown.add_row(*row)
    console.print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def to_markdown(folder: str | Path, table: pd.DataFrame) -> str:
    """The leading keys as Markdown, with the sweep that they are of."""
    lines = [f"Sweep: {about(folder)}.", "", f"| {' | '.join(heads(table))} |"]
    lines.append("| --- | --- | --- | --- |")
    lines += [f"| {' | '.join(row)} |" for row in _parts(table)]
    return "\n".join(lines) + "\n"


def finite(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table for programs, None for what is undefined."""
    rows = table.reset_index().replace({np.nan: None}).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]
