"""A value with its interval for each policy, one row a policy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import notation, style

MOST_COLOURS = 8
_ROW = 0.265
_SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "D", "s", "^")
_WIDE_RANGE = 100.0
_APART = 0.24


@style.styled
def draw_dots(
    title: str,
    series: Mapping[str, pd.DataFrame],
    label: str,
    unit: str,
    note: str = "",
) -> Figure:
    """Values of one or several series by policy, with their 95% intervals.

    Parameters
    ----------
    series : mapping of str to DataFrame
        By name a table indexed by policy with `value`, `low` and `high`. The first gives
        the order of the rows, and the numbers at the right.
    unit : str
        ``usd``, ``share``, ``count``, ``seconds`` or ``number``.
    """
    rows = list(next(iter(series.values())).index)
    several = len(series) > 1
    figure, axes = style.new_figure(0.95 + _ROW * max(len(rows), 2), title)
    tables = {name: table.reindex(rows) for name, table in series.items()}
    low = _scale(axes, list(tables.values()), unit, label)
    colours = style.policy_styles(rows)
    for i, table in enumerate(tables.values()):
        for row, policy in enumerate(rows):
            one_hue = several or len(rows) > MOST_COLOURS
            colour = _SERIES_COLOURS[i] if one_hue else colours[policy]["color"]
            place = row + _APART * (i - (len(tables) - 1) / 2)
            _draw_dot(axes, place, table.loc[policy], colour, _MARKERS[i], low)
        if i == 0:
            _write_values(axes, table, unit)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    handles = [
        Line2D([], [], color=_SERIES_COLOURS[i], marker=_MARKERS[i], ls="", label=name)
        for i, name in enumerate(series)
    ]
    style.finish(figure, note, handles if several else ())
    return figure


def _scale(axes: Axes, tables: list[pd.DataFrame], unit: str, label: str) -> float | None:
    """Set up the axis; the left edge of a log scale, where zeros stand, or None."""
    values = np.concatenate([table["value"].to_numpy(float) for table in tables])
    ends = np.concatenate(
        [table[["low", "high"]].to_numpy(float).ravel() for table in tables]
    )
    known = np.concatenate([values, ends])
    known = known[np.isfinite(known)]
    positive = values[np.isfinite(values) & (values > 0)]
    log = (
        len(positive) > 1
        and known.min() >= 0
        and positive.max() > _WIDE_RANGE * positive.min()
        and unit != "share"
    )
    if not log:
        style.unit_axis(axes.xaxis, label, unit)
        if not known.any():
            axes.set_xlim(0.0, 1.0)
            axes.set_xticks([0.0])
        elif len(known):
            low, high = min(0.0, known.min()), max(0.0, known.max())
            pad = 0.04 * (high - low or 1.0)
            axes.set_xlim(low - pad * (low < 0), high + pad)
        return None
    # An interval may come so near to zero that it would push the others together.
    least = np.min(known[known > 0.0], initial=positive.min() / 3.0)
    low, high = max(least / 1.3, positive.min() / 10.0), known.max() * 1.5
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    style.unit_axis(axes.xaxis, f"{label}, log scale", unit, log=True)
    return float(low)


def _draw_dot(
    axes: Axes, row: float, value: pd.Series, colour: str, marker: str, low: float | None
) -> None:
    middle = float(value["value"])
    if not np.isfinite(middle):
        return
    if low is not None and middle <= low:
        axes.text(low, row, " 0", color=colour, va="center", ha="left")
        return
    ends = np.array([value["low"], value["high"]], float)
    if np.isfinite(ends[0]):
        ends = np.where(np.isfinite(ends), ends, middle)
        ends = ends if low is None else np.maximum(ends, low)
        axes.plot(ends, [row, row], color=colour, lw=1.8, solid_capstyle="butt")
    look = {"ms": 6.5, "mec": "white", "mew": 0.7, "zorder": 3}
    axes.plot([middle], [row], marker, color=colour, **look)


def _write_values(axes: Axes, table: pd.DataFrame, unit: str) -> None:
    write = notation.writer(unit)
    place = {"transform": axes.get_yaxis_transform(), "va": "center", "ha": "left"}
    for row, value in enumerate(table["value"]):
        axes.text(1.015, row, write(value), color=style.INK, fontsize=9.0, **place)
