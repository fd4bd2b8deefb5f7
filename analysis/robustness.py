"""Which rankings of policies survive when the model changes.

In the base some pairs of policies can be told apart on a measure: the 95% interval of
their paired difference leaves zero out. In a variant each such pair is kept (clearly the
same order), reversed (clearly the other order), or cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import stats

from abm.montecarlo.store import Batch
from analysis import notation
from analysis.measures import differences

MEASURES = {
    "deficit": "deficit_usd",
    "residual": "residual_usd",
    "largest haircut of equity": "largest_equity_share",
    "accounts hit": "adl_accounts",
    "retained value": "retained_value_usd",
}
"""Headline measures and their columns in the table of runs."""

FEWEST_RUNS = 5
"""With fewer there is no interval of a mean, so nothing could be told apart."""


def values_of(batch: Batch, column: str) -> pd.DataFrame:
    """A measure of finished runs, one row a run and one column a policy.

    Where ADL took nothing from anybody the largest haircut is none.
    """
    runs = batch.frame("runs", columns=["run", "policy", "failed", column])
    runs = runs[~runs["failed"].astype(bool)]
    table = runs.pivot(index="run", columns="policy", values=column)
    table = table.reindex(columns=batch.policies)
    return table.fillna(0.0) if column == MEASURES["largest haircut of equity"] else table


def verdicts(batch: Batch, column: str) -> pd.Series:
    """The order of each pair of policies: -1 or 1 where it is clear, else 0.

    Indexed by `policy` and `other`, each pair once; -1 if the first has less.
    """
    apart = differences(values_of(batch, column))
    names = batch.policies
    first = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    rows = apart.loc[first]
    return (rows["low"] > 0).astype(int) - (rows["high"] < 0).astype(int)


def robustness(batches: Mapping[str, Batch]) -> pd.DataFrame:
    """Hold every variant's rankings against the base's, which comes first.

    Variants with too few runs yet for an interval are left out.

    Returns
    -------
    DataFrame
        One row a measure and variant, indexed by both: `runs`; `pairs` that are clear in
        the base (of the policies that both have), and how many of these are `kept`,
        `reversed` and `unclear`; `which` pairs are reversed, the one with less in the base
        first; `correlation` of the means' ranks (Kendall's tau-b); `order` of the policies
        by their means, least first.
    """
    base_name, base = next(iter(batches.items()))
    rows = []
    for measure, column in MEASURES.items():
        known = verdicts(base, column)
        base_means = values_of(base, column).mean()
        for variant, batch in batches.items():
            row: dict[str, Any] = {"measure": measure, "variant": variant}
            if not batch.manifest["blocks"]:
                continue
            values = values_of(batch, column)
            if len(values) < FEWEST_RUNS:
                continue
            found = known if variant == base_name else verdicts(batch, column)
            row["runs"] = len(values)
            rows.append(row | _held(known, found) | _ranked(base_means, values.mean()))
    return pd.DataFrame(rows).set_index(["measure", "variant"])


def _held(known: pd.Series, found: pd.Series) -> dict[str, Any]:
    clear = known[known != 0]
    there = found.reindex(clear.index).dropna().astype(int)
    clear = clear.loc[there.index]
    against = clear.index[(there == -clear).to_numpy()]
    which = [(a, b) if clear[a, b] < 0 else (b, a) for a, b in against]
    return {
        "pairs": len(clear),
        "kept": int((there == clear).sum()),
        "reversed": len(against),
        "unclear": int((there == 0).sum()),
        "which": [f"{a} < {b}" for a, b in which],
    }


def _ranked(base: pd.Series, means: pd.Series) -> dict[str, Any]:
    both = pd.concat([base, means], axis=1, join="inner").dropna().to_numpy(float)
    varied = len(both) > 1 and np.ptp(both[:, 0]) > 0 and np.ptp(both[:, 1]) > 0
    tau = float(stats.kendalltau(*both.T).statistic) if varied else np.nan
    return {"correlation": tau, "order": list(means.sort_values(kind="stable").index)}


# --- as text ----------------------------------------------------------------------------


def cell(row: Any) -> str:
    """``21 / 0 / 3``: kept, reversed, unclear, of the pairs that are clear in the base."""
    return f"{row['kept']} / {row['reversed']} / {row['unclear']}"


def render_robustness(table: pd.DataFrame) -> str:
    """The table for a terminal, and the pairs that are reversed."""
    text = StringIO()
    console = Console(file=text, width=100, highlight=False, color_system=None)
    measures = table.index.unique("measure")
    shown = Table("Variant", "Runs", *measures, box=box.SIMPLE_HEAD, padding=(0, 1))
    for variant in table.index.unique("variant"):
        rows = [table.loc[(measure, variant)] for measure in measures]
        shown.add_row(variant, str(rows[0]["runs"]), *(cell(row) for row in rows))
    console.print(
        "Pairs of rules that can be told apart in the base at 95%: kept / reversed / not "
        "told apart in each variant."
    )
    console.print(shown)
    console.print("Reversed (as they are in the base):")
    for line in reversals(table):
        console.print(f"  {line}")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def reversals(table: pd.DataFrame) -> list[str]:
    """In words, the pairs that each variant reverses, as they are in the base."""
    found = []
    for (measure, variant), row in table.iterrows():
        if row["which"]:
            found.append(f"{variant}, {measure}: {notation.listing(row['which'])}")
    return found or ["No variant reverses any pair."]


def to_markdown(batches: Mapping[str, Batch], table: pd.DataFrame) -> str:
    """The table as Markdown, with the batches it is of and what is reversed."""
    measures = list(table.index.unique("measure"))
    lines = [
        f"| variant | runs | {' | '.join(measures)} | scenario SHA-256 |",
        f"| --- |{' --- |' * (len(measures) + 2)}",
    ]
    for variant in table.index.unique("variant"):
        batch = batches[variant]
        rows = [table.loc[(measure, variant)] for measure in measures]
        cells = [variant, str(rows[0]["runs"]), *(cell(row) for row in rows)]
        lines.append(f"| {' | '.join(cells)} | {batch.manifest['scenario_sha256'][:16]} |")
    base = next(iter(batches.values()))
    lines += [
        "",
        f"First seed {base.manifest['first_seed']}. Of the pairs of rules that can be told "
        "apart in the base at 95%: kept / reversed / not told apart.",
        "",
        "Order in the base, least first:",
        "",
    ]
    base_name = next(iter(batches))
    lines += [
        f"- {measure}: {', '.join(table.loc[(measure, base_name), 'order'])}."
        for measure in measures
    ]
    lines += ["", "Reversed (as they are in the base):", ""]
    lines += [f"- {line.rstrip('.')}." for line in reversals(table)]
    return "\n".join(lines) + "\n"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table for programs, None for what is undefined."""
    rows = table.reset_index().astype(object).to_dict("records")
    return [
        {k: None if v is np.nan or v != v else v for k, v in row.items()} for row in rows
    ]
