"""What insurance fund would be enough? What is left beyond it, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abm.montecarlo.store import Batch
from analysis import style
from analysis.fund import Costs

_MOST_BANDS = 4
_TITLES = {
    "breach": "Runs that need more",
    "left": "Missing beyond it",
    "cost_usd": "Cost of fund and shortfall",
}
PANELS = tuple(_TITLES)


@style.styled
def draw_fund(
    batch: Batch,
    curves: pd.DataFrame,
    table: pd.DataFrame,
    costs: Costs,
    panels: Sequence[str] = PANELS,
) -> Figure:
    """Over the fund's size: how often it is too small, what is missing, and the cost.

    Parameters
    ----------
    curves, table : DataFrame
        Of :func:`analysis.fund.curves` and :func:`analysis.fund.size_table`.
    panels : sequence of str
        Some of `PANELS`.
    """
    title = "What insurance fund would be enough?"
    curves = curves[curves["fund_usd"] > 0.0]
    if curves.empty:
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "No run needed a fund.")
        style.finish(figure, style.about(batch))
        return figure
    policies = list(dict.fromkeys(curves["policy"]))
    # Room for the rows of the legend, some five names each.
    height = 4.1 + 0.24 * (len(policies) // 5)
    figure, grid = style.new_figure(height, title, columns=len(panels), squeeze=False)
    looks = style.policy_styles(batch.policies)
    for name, axes in zip(panels, grid[0], strict=True):
        axes.set_title(_TITLES[name])
        for policy in policies:
            rows = curves[curves["policy"] == policy]
            best = table.loc[policy]
            if best["need_usd"] > 0.0:
                _draw(axes, name, rows, best, looks[policy], len(policies))
        _label(axes, name, curves["fund_usd"])
    words = (
        f"A dollar of the fund costs {costs.capital:g}, a dollar missing "
        f"{costs.reputation:g}; diamonds are the fund of least cost. Bands are 95% "
        "intervals."
    )
    handles = [Line2D([], [], label=name, **looks[name]) for name in policies]
    style.finish(figure, f"{style.about(batch)} {words}", handles)
    return figure


def _draw(
    axes: Axes, name: str, rows: pd.DataFrame, best: pd.Series, look: dict, policies: int
) -> None:
    """One policy's curve, its band where few are drawn, and the fund of least cost."""
    size = rows["fund_usd"].to_numpy(float)
    axes.plot(size, rows[name], **look)
    if policies <= _MOST_BANDS and f"{name}_low" in rows:
        ends = [rows[f"{name}{end}"] for end in ("_low", "_high")]
        axes.fill_between(size, *ends, color=look["color"], alpha=0.12, lw=0)
    if best["size_usd"] > 0.0:
        mark = {"marker": "D", "ms": 6.5, "mec": "white", "mew": 0.8, "clip_on": False}
        axes.plot([best["size_usd"]], [best[name]], color=look["color"], zorder=4, **mark)


def _label(axes: Axes, name: str, sizes: pd.Series) -> None:
    axes.set_xscale("log")
    axes.set_xlim(sizes.min(), sizes.max() * 1.15)
    style.usd_axis(axes.xaxis, "Size of the fund (USD, log scale)", log=True)
    if name == "cost_usd":
        axes.set_yscale("log")
        style.usd_axis(axes.yaxis, "USD a crash, log scale", log=True)
        return
    axes.set_ylim(0.0, 1.03)
    of = {"breach": "Share of runs", "left": "Part of the mean need"}[name]
    style.share_axis(axes.yaxis, of)
