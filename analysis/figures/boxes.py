"""Distributions by policy, one box a policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.figures.dots import MOST_COLOURS

_ROW = 0.3
_LINEAR = 0.01
_LINE = {"color": style.INK, "lw": 1.0}


@style.styled
def draw_boxes(
    title: str, values: pd.DataFrame, label: str, unit: str, note: str = ""
) -> Figure:
    """Boxes of the middle half of runs, whiskers of the middle 90%, dots beyond.

    Parameters
    ----------
    values : DataFrame
        One row a run, one column a policy.
    """
    names = list(values)
    figure, axes = style.new_figure(0.95 + _ROW * max(len(names), 2), title)
    long = values.melt(var_name="policy", value_name="value").dropna()
    sns.boxplot(
        long, x="value", y="policy", order=names, hue="policy", hue_order=names,
        palette=_palette(names), ax=axes, whis=(5, 95), width=0.6, linewidth=1.0,
        linecolor=style.INK, legend=False, saturation=1.0,
        flierprops={"marker": ".", "ms": 3.5, "mfc": style.QUIET, "mec": style.QUIET},
    )  # fmt: skip
    _finish(axes, label, unit)
    style.finish(figure, note)
    return figure


@style.styled
def draw_quantiles(
    title: str, quantiles: pd.DataFrame, label: str, unit: str, note: str = ""
) -> Figure:
    """Boxes from quantiles that are known already.

    Parameters
    ----------
    quantiles : DataFrame
        One row a policy; columns 0.05, 0.25, 0.5, 0.75 and 0.95.
    """
    names = list(quantiles.index)
    figure, axes = style.new_figure(0.95 + _ROW * max(len(names), 2), title)
    columns = ("whislo", "q1", "med", "q3", "whishi")
    boxes = [
        {**dict(zip(columns, row, strict=True)), "fliers": []}
        for row in quantiles.to_numpy(float)
    ]
    drawn = axes.bxp(
        boxes, positions=range(len(names)), widths=0.6, orientation="horizontal",
        showfliers=False, patch_artist=True, medianprops=_LINE, whiskerprops=_LINE,
        capprops=_LINE, boxprops={"edgecolor": style.INK, "lw": 1.0},
    )  # fmt: skip
    for box, colour in zip(drawn["boxes"], _palette(names), strict=True):
        box.set_facecolor(colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.axvline(0.0, color=style.QUIET, lw=0.8, zorder=0)
    spread = np.abs(quantiles.to_numpy(float)).max()
    if spread > 10 * _LINEAR:
        axes.set_xscale("symlog", linthresh=_LINEAR)
        label = f"{label} (log beyond {_LINEAR:.0%})"
    _finish(axes, label, unit)
    style.finish(figure, note)
    return figure


def _finish(axes: Axes, label: str, unit: str) -> None:
    style.unit_axis(axes.xaxis, label, unit)
    axes.set_ylabel("")
    axes.grid(axis="y", visible=False)


def _palette(names: list[str]) -> list[str]:
    if len(names) > MOST_COLOURS:
        return ["#56B4E9"] * len(names)
    return [look["color"] for look in style.policy_styles(names).values()]


def weighted_quantiles(
    values: np.ndarray, weights: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Quantiles of values that count as much as their weights, which are not negative."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    where = np.searchsorted(reached, at * reached[-1], side="left")
    return np.asarray(values[order][np.minimum(where, len(values) - 1)])
