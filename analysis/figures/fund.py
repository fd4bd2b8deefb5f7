"""What insurance fund would have been enough? Shortfall beyond a fund, by its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style


@style.styled
def draw_fund(title: str, curves: dict[str, pd.DataFrame], note: str = "") -> Figure:
    """Share of runs whose deficit a fund of a given size would not have covered.

    Parameters
    ----------
    curves : dict of str to DataFrame
        By policy: the index is a fund's size in USD; columns `left`, `low` and `high`,
        the mean left uncovered in USD with its 95% interval.
    """
    figure, axes = style.new_figure(3.3, title)
    looks = style.policy_styles(list(curves))
    for name, curve in curves.items():
        sizes = curve.index.to_numpy(float)
        axes.plot(sizes, curve["left"], **looks[name])
        if len(curves) <= 3:
            band = {"color": looks[name]["color"], "alpha": 0.14, "lw": 0}
            axes.fill_between(sizes, curve["low"], curve["high"], **band)
    most = max(float(np.max(curve.index)) for curve in curves.values())
    axes.set_xlim(0.0, most)
    axes.set_ylim(bottom=0.0)
    style.usd_axis(axes.xaxis, "Size of the fund (USD)")
    style.usd_axis(axes.yaxis, "Mean left uncovered (USD)")
    style.finish(figure, note, [Line2D([], [], label=n, **looks[n]) for n in curves])
    return figure
