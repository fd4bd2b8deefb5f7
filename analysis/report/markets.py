"""A question about markets: how far each fell, how thin it got, what was missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import notation, stress
from analysis.figures.stress import draw_ranges
from analysis.measures import Told
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table

_HEADS = {
    "lowest_log_return": "Lowest price",
    "lowest_log_return_60s": "Worst minute's fall",
    "depth_ratio": "Worst minute's depth",
    "book_usd": "Liquidated in the book",
    "backstop_usd": "Taken by the vault",
    "deficit_usd": "Deficit",
}


def markets(told: Told, _: Lazy) -> Answer:
    """Falls, depth, liquidations and deficits by market, under the first policy."""
    question = "What did each market go through?"
    if not told.has("extremes", "lowest_log_return"):
        return Missing(question, "`outputs.extremes` was off; `adl stress` writes them")
    here = told.batch.frame("extremes")["policy"].unique()
    policy = next(name for name in told.policies if name in here)
    table = stress.read_extremes(told.batch, policy)
    names = stress.markets_of(table)[:-1][: stress.MOST_MARKETS]
    figures = {
        "Lowest price, against the start": draw_ranges(
            question, _by_market(np.expm1(table["lowest_log_return"]), table, names),
            "Lowest mark, share of the start",
        ),
        "Depth in the worst minute": draw_ranges(
            question, _by_market(table["depth_ratio"].clip(lower=1e-5), table, names),
            "Within 1% of the mark, of ordinary depth (log scale)", log=True,
        ),
    }  # fmt: skip
    columns = [name for name in _HEADS if table[name].notna().any()]
    data = table.groupby("market", sort=False)[columns].median().reindex(names)
    shown = pd.DataFrame({_HEADS[name]: data[name].map(_writer(name)) for name in columns})
    given = Table("markets", f"Medians over runs, under {policy}", shown,
                  stress.quantile_table(table))  # fmt: skip
    note = (
        f"Under {policy}. A bar holds 90% of runs, the dark part half of them, the line is "
        "the median. The CSV has quantiles of every measure, with intervals."
    )
    return Section("markets", question, _told(data), figures, [given], note)


def _by_market(
    values: pd.Series, table: pd.DataFrame, names: list[str]
) -> dict[str, pd.Series]:
    return {name: values[table["market"] == name] for name in names}


def _writer(column: str):
    if column.startswith("lowest_log_return"):
        return lambda value: notation.share(float(np.expm1(value)))
    return notation.share if column == "depth_ratio" else notation.usd


def _told(data: pd.DataFrame) -> list[str]:
    """Which market fell furthest, and where the book was thinnest, in the median run."""
    furthest = str(data["lowest_log_return"].idxmin())
    fell = notation.share(float(-np.expm1(data["lowest_log_return"].min())))
    found = [f"In the median run {furthest} fell furthest, by {fell}."]
    if data["depth_ratio"].notna().any():
        thin = str(data["depth_ratio"].idxmin())
        left = notation.share(float(data["depth_ratio"].min()))
        found.append(f"The book was thinnest in {thin}: {left} of its ordinary depth.")
    return found
