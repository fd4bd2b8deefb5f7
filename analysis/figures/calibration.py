"""Targets as ranges, and where the runs lie in them: one row a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abm.montecarlo.store import Batch
from analysis import style
from analysis.calibration import moments_by_run, written

_IN = "#0072B2"
_OUT = "#D55E00"
_MOST = 3.0
"""Half-widths beyond which runs are drawn at the edge."""
_ROW = 0.235
MOST_ROWS = 36
"""Rows of a figure."""


@style.styled
def draw_calibration(batch: Batch, title: str, table: pd.DataFrame) -> Figure:
    """Every run's moments against their ranges, which are all drawn equally wide.

    Parameters
    ----------
    title : str
        The event.
    table : DataFrame
        Of :func:`analysis.calibration.target_table`, or some of its rows.
    """
    rows, within = len(table), int(table["in_range"].sum())
    head = f"{within} of {rows} moments of {title} are in range"
    figure, axes = style.new_figure(1.5 + _ROW * rows, head)
    runs = moments_by_run(batch, table["moment"].tolist())
    axes.axvspan(-1.0, 1.0, color=style.SHADE, lw=0, zorder=0)
    for place, (_, row) in enumerate(table.iterrows()):
        _draw_row(axes, place, row, runs[row["moment"]].to_numpy(float))
    axes.set_yticks(range(rows), (table["id"] + "  " + table["says"]).tolist())
    axes.tick_params(axis="y", labelsize=8.0)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(-_MOST - 0.25, _MOST + 0.25)
    axes.set_xticks(range(-3, 4), ["≤ -3", "-2", "low", "middle", "high", "2", "≥ 3"])
    axes.set_xlabel("Distance from the middle of the range, in half-widths of it")
    axes.grid(axis="y", visible=False)
    style.finish(figure, style.about(batch), _handles())
    return figure


def _draw_row(axes: Axes, place: int, row: pd.Series, values: np.ndarray[Any, Any]) -> None:
    middle, half = 0.5 * (row["low"] + row["high"]), 0.5 * (row["high"] - row["low"])

    def scaled(value: Any) -> Any:
        return np.clip((value - middle) / half, -_MOST, _MOST)

    colour = _IN if row["in_range"] else _OUT
    axes.plot([scaled(row["value"])], [place], "|", color=style.INK, ms=11, mew=1.6)
    known = values[~np.isnan(values)]
    axes.plot(
        scaled(known), np.full(len(known), place), "o", color=colour, ms=3, alpha=0.35
    )
    if np.isfinite(row["simulated"]):
        axes.plot(
            [scaled(row["simulated"])], [place], "D", color=colour, ms=5.5, mec="white"
        )
    place_right = {"transform": axes.get_yaxis_transform(), "va": "center", "ha": "left"}
    axes.text(1.01, place, written(row, "simulated"), fontsize=8.0, **place_right)


def _handles() -> list[Any]:
    def mark(marker: str, colour: str, label: str, **how: Any) -> Line2D:
        return Line2D([], [], marker=marker, ls="", color=colour, label=label, **how)

    return [
        Patch(color=style.SHADE, label="range"),
        mark("|", style.INK, "measured", ms=11, mew=1.6),
        mark("D", _IN, "simulated, in range"),
        mark("D", _OUT, "out of range"),
        mark("o", style.QUIET, "one run", ms=3),
    ]


def save_calibration(
    batch: Batch, title: str, table: pd.DataFrame, folder: Path
) -> list[Path]:
    """Draw it into PNG files of at most so many rows each that a page can show."""
    parts = -(-len(table) // MOST_ROWS)
    written_to = []
    for number, rows in enumerate(np.array_split(np.arange(len(table)), parts), start=1):
        figure = draw_calibration(batch, title, table.iloc[rows])
        written_to.append(style.save(figure, folder / f"calibration-{number}.png"))
    return written_to
