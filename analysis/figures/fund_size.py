"""What insurance fund would be enough? What is left beyond it, and what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abm.montecarlo.store import Batch
from analysis import style
from analysis.fund import Costs

_MOST_BANDS = 4


@style.styled
def draw_fund_size(
    batch: Batch, curves: pd.DataFrame, table: pd.DataFrame, costs: Costs
) -> Figure:
    """Three panels over the fund's size: breaches, what is missing, and the cost.

    Parameters
    ----------
    curves, table : DataFrame
        Of :func:`analysis.fund.curves` and :func:`analysis.fund.size_table`.
    """
    title = "What insurance fund would be enough?"
    if not curves["fund_usd"].any():
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "No run needed a fund.")
        style.finish(figure, style.about(batch))
        return figure
    figure, panels = style.new_figure(4.3, title, columns=3)
    looks = style.policy_styles(batch.policies)
    panels[0].set_title("Runs that need more")
    panels[1].set_title("Missing beyond it, mean")
    panels[2].set_title("Cost of fund and shortfall")
    policies = list(dict.fromkeys(curves["policy"]))
    for name in policies:
        rows, look = curves[curves["policy"] == name], looks[name]
        size = rows["fund_usd"].to_numpy(float)
        for axes, column in zip(
            panels, ("breach", "residual_usd", "cost_usd"), strict=True
        ):
            axes.plot(size, rows[column], **look)
        if len(policies) <= _MOST_BANDS:
            for axes, of in zip(panels, ("breach{}", "residual{}_usd"), strict=False):
                ends = [rows[of.format(end)] for end in ("_low", "_high")]
                axes.fill_between(size, *ends, color=look["color"], alpha=0.12, lw=0)
        best = table.loc[name]
        _mark(panels[2], best["size_usd"], best["cost_usd"], look["color"])
        _mark(panels[0], best["size_usd"], best["breach"], look["color"])
    _label(panels, float(curves["fund_usd"].max()))
    words = (
        f"A dollar of the fund costs {costs.capital:g}, a dollar missing "
        f"{costs.reputation:g}; diamonds are the fund of least cost. Bands are 95% "
        "intervals."
    )
    handles = [Line2D([], [], label=name, **looks[name]) for name in policies]
    style.finish(figure, f"{style.about(batch)} {words}", handles)
    return figure


def _mark(axes: Axes, x: float, y: float, colour: str) -> None:
    look = {"marker": "D", "ms": 6.5, "mec": "white", "mew": 0.8, "clip_on": False}
    axes.plot([x], [y], color=colour, zorder=4, **look)


def _label(panels: np.ndarray, largest: float) -> None:
    style.share_axis(panels[0].yaxis, "Share of runs")
    style.usd_axis(panels[1].yaxis, "USD")
    style.usd_axis(panels[2].yaxis, "USD")
    for axes in panels:
        axes.set_xlim(0.0, largest)
        axes.set_ylim(bottom=0.0)
        axes.xaxis.get_major_locator().set_params(nbins=5)
        style.usd_axis(axes.xaxis, "Size of the fund (USD)")
