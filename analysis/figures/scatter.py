"""One quantity of a run against another, one point a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis import style


@style.styled
def draw_scatter(
    title: str, points: pd.DataFrame, labels: tuple[str, str], units: tuple[str, str],
    note: str = "",
) -> Figure:  # fmt: skip
    """Points on logarithmic scales where everything is positive, with a fitted line.

    Parameters
    ----------
    points : DataFrame
        Its first two columns, across and up.
    """
    figure, axes = style.new_figure(3.4, title)
    across, up = list(points)[:2]
    sns.scatterplot(points, x=across, y=up, ax=axes, color="#0072B2", s=26, alpha=0.75)
    log = bool((points[[across, up]] > 0).all().all())
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    x, y = (points[name].to_numpy(float) for name in (across, up))
    x, y = (np.log(x), np.log(y)) if log else (x, y)
    if len(points) > 2 and np.ptp(x) > 0:
        slope, level = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        line = level + slope * ends
        ends, line = (np.exp(ends), np.exp(line)) if log else (ends, line)
        axes.plot(ends, line, color="#D55E00", lw=1.6)
    scale = ", log scale" if log else ""
    style.unit_axis(axes.xaxis, labels[0] + scale, units[0], log=log)
    style.unit_axis(axes.yaxis, labels[1] + scale, units[1], log=log)
    style.finish(figure, note)
    return figure
