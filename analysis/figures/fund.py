"""What insurance fund would have been enough? Shortfall beyond a fund, by its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style


@style.styled
def draw_fund(title: str, curves: dict[str, pd.DataFrame], note: str = "") -> Figure:
    """What funds of rising size leave uncovered, as a part of the mean deficit.

    Parameters
    ----------
    curves : dict of str to DataFrame
        By policy: the index is a fund's size in USD; columns `left`, `low` and `high`,
        the part left uncovered with its 95% interval.
    """
    figure, axes = style.new_figure(3.3, title)
    looks = style.policy_styles(list(curves))
    for name, curve in curves.items():
        sizes = curve.index.to_numpy(float)
        axes.plot(sizes, curve["left"], **looks[name])
        if len(curves) <= 3:
            band = {"color": looks[name]["color"], "alpha": 0.14, "lw": 0}
            axes.fill_between(sizes, curve["low"], curve["high"], **band)
    sizes = np.concatenate([curve.index.to_numpy(float) for curve in curves.values()])
    axes.set_xscale("log")
    axes.set_xlim(sizes.min(), sizes.max())
    axes.set_ylim(0.0, 1.02)
    style.usd_axis(axes.xaxis, "Size of the fund (USD, log scale)", log=True)
    style.share_axis(axes.yaxis, "Part of the mean deficit left")
    style.finish(figure, note, [Line2D([], [], label=n, **looks[n]) for n in curves])
    return figure
