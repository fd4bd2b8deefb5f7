"""A value along an axis, one curve a policy, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style


@style.styled
def draw_curves(
    title: str,
    curves: Mapping[str, pd.DataFrame],
    across: str,
    up: str,
    unit: str = "usd",
    note: str = "",
) -> Figure:
    """Curves with bars of 95% intervals, at evenly spaced places with the values' names.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        By policy a table indexed by what is across, with `value`, `low` and `high`.
    """
    figure, axes = style.new_figure(3.3, title)
    ticks = sorted({at for table in curves.values() for at in table.index})
    looks = style.policy_styles(list(curves))
    for i, (name, table) in enumerate(curves.items()):
        nudge = 0.06 * (i - (len(curves) - 1) / 2)
        places = np.array([ticks.index(at) for at in table.index]) + nudge
        axes.plot(places, table["value"], marker="o", ms=4.5, **looks[name])
        known = np.isfinite(table[["low", "high"]]).all(axis=1).to_numpy()
        ends = table[["low", "high"]].to_numpy(float)[known]
        axes.vlines(places[known], *ends.T, color=looks[name]["color"], lw=1.3)
    axes.axhline(0.0, color=style.QUIET, lw=0.8, zorder=0)
    axes.set_xticks(range(len(ticks)), [f"{at:g}" for at in ticks])
    axes.set_xlabel(across)
    style.unit_axis(axes.yaxis, up, unit)
    handles = [Line2D([], [], label=name, **looks[name]) for name in curves]
    style.finish(figure, note, handles)
    return figure
