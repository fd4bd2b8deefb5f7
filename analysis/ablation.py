"""A study's variants held against its first: what each change does to the deficit."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from abm.montecarlo.store import Batch, read_index
from analysis import intervals, notation
from analysis.console import plain_console

_WIDTH = 100
_VALUE_WIDTH = 7


def open_study(folder: str | Path) -> tuple[str, dict[str, Batch]]:
    """A study's question and its batches by variant, the base first.

    Raises
    ------
    StoreError
        If the folder is no study or a variant's batch cannot be read.
    """
    index = read_index(Path(folder), "study.json", "study")
    variants = index["variants"]
    batches = {one["name"]: Batch(Path(folder) / one["folder"]) for one in variants}
    return str(index["question"]), batches


def ablation(batches: Mapping[str, Batch]) -> pd.DataFrame:
    """Expected deficits of several batches, and their differences to the first.

    Returns
    -------
    DataFrame
        One row a variant and policy, indexed by both. `deficit` is the mean in USD;
        `difference` the mean difference to the first variant over the `pairs` of runs
        that share a seed, in USD; `change` the same as a fraction of the first variant's
        mean. ``_low`` and ``_high`` are ends of 95% intervals; NaN is undefined.
    """
    deficits = {name: _deficits(batch) for name, batch in batches.items()}
    base = next(iter(deficits.values()))
    rows = []
    for variant, table in deficits.items():
        for policy in table:
            row: dict[str, Any] = {"variant": variant, "policy": policy}
            row |= _measures(table[policy].dropna())
            if table is not base and policy in base:
                row |= _changes(table[policy].dropna(), base[policy].dropna())
            rows.append(row)
    found = pd.DataFrame(rows).set_index(["variant", "policy"])
    wanted = ["pairs", *(f"{n}{end}" for n in ("difference", "change") for end in _ENDS)]
    return found.reindex(columns=["runs", *(f"deficit{end}" for end in _ENDS), *wanted])


_ENDS = ("", "_low", "_high")


def _deficits(batch: Batch) -> pd.DataFrame:
    """Deficits of finished runs in USD, one row a seed and one column a policy."""
    runs = batch.frame("runs", columns=["seed", "policy", "failed", "deficit_usd"])
    runs = runs[~runs["failed"].astype(bool)]
    table = runs.pivot(index="seed", columns="policy", values="deficit_usd")
    return table.reindex(columns=batch.policies)


def _measures(values: pd.Series) -> dict[str, float]:
    ends = intervals.mean_interval(values)
    mean = float(values.mean()) if len(values) else np.nan
    return {"runs": len(values), **dict(zip(_names("deficit"), (mean, *ends), strict=True))}


def _changes(values: pd.Series, base: pd.Series) -> dict[str, float]:
    apart = intervals.paired_difference(values, base)
    found: dict[str, float] = {"pairs": apart.runs}
    found |= dict(zip(_names("difference"), apart[1:4], strict=True))
    both = pd.concat([values, base], axis=1, join="inner").to_numpy(float)
    ratio = both[:, 0].sum() / both[:, 1].sum() if both[:, 1].any() else np.nan
    ends = intervals.ratio_interval(both[:, 0], both[:, 1])
    changes = (ratio - 1.0, ends.low - 1.0, ends.high - 1.0)
    return found | dict(zip(_names("change"), changes, strict=True))


def _names(measure: str) -> list[str]:
    return [f"{measure}{end}" for end in _ENDS]


def render_ablation(table: pd.DataFrame, question: str = "") -> str:
    """The ablation as text for a terminal of 100 columns, one block a policy."""
    text = StringIO()
    console = plain_console(text, _WIDTH)
    base = str(table.index[0][0])
    if question:
        console.print(question)
    console.print(
        "Mean deficit of a run, and what each variant changes on the same seeds, with 95% "
        "intervals.\n"
    )
    for policy in table.index.get_level_values("policy").unique():
        rows = table.xs(policy, level="policy")
        console.print(_block(rows, str(policy), base))
        console.print(f"{finding(rows, str(policy))}\n")
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).rstrip() + "\n"


def finding(rows: pd.DataFrame, policy: str) -> str:
    """Which variants change one policy's deficit, from the paired differences."""
    clauses: dict[str, list[str]] = {"lower": [], "higher": [], "unclear": []}
    for variant, row in rows.iloc[1:].iterrows():
        if np.isfinite(row["difference"]):
            clear = row["difference_low"] > 0 or row["difference_high"] < 0
            way = "higher" if row["difference"] > 0 else "lower"
            clauses[way if clear else "unclear"].append(str(variant))
    words = []
    for way in ("lower", "higher"):
        if clauses[way]:
            words.append(f"{way} with {notation.listing(clauses[way])}")
    if clauses["unclear"]:
        names = notation.listing(clauses["unclear"])
        words.append(f"not clearly different with {names} (the interval holds zero)")
    return f"Under {policy} the mean deficit is {'; '.join(words) or 'not compared'}."


def _block(rows: pd.DataFrame, policy: str, base: str) -> Table:
    look = {"box": box.SIMPLE_HEAD, "padding": (0, 0), "pad_edge": False}
    shown = Table(show_edge=False, **look)
    shown.add_column(policy, width=21, overflow="fold")
    for name, width in (("Deficit, mean", 25), (f"Less {base}", 25), ("In per cent", 25)):
        shown.add_column(name, width=width)
    for variant, row in rows.iterrows():
        cells = [_cell(row, "deficit", notation.usd)]
        if variant != base:
            cells.append(_cell(row, "difference", notation.usd, signed=True))
            cells.append(_cell(row, "change", notation.share, signed=True))
        shown.add_row(str(variant), *cells)
    return shown


def _cell(row: pd.Series, measure: str, write: Any, signed: bool = False) -> str:
    value = write(row[measure])
    value = f"{notation.signed(value) if signed else value:>{_VALUE_WIDTH}}"
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    span = notation.span(write(low), write(high))
    plain = span == notation.UNDEFINED or low == high
    return value if plain else f"{value}  {span}"
