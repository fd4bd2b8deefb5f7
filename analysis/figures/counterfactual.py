"""What did ADL cost those whom it hit? The fixed path against a world without ADL."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abm.montecarlo.store import Batch
from analysis import notation, style
from analysis.counterfactuals import against_forks

_MOST_POLICIES = 6
_COLUMNS = 2
_PANEL_HEIGHT = 2.5

_PATH, _TRUE = "#0072B2", "#D55E00"
_SERIES = {
    "path_usd": ("on the same prices (fixed path)", _PATH, "-", "o"),
    "true_usd": ("against the same world without ADL (truth)", _TRUE, "-", "s"),
    "true_net_usd": ("truth, with gains set off", _TRUE, (0, (2, 2)), ""),
}


@style.styled
def draw_counterfactual(batch: Batch) -> Figure:
    """Cost of ADL by horizon after a run's first wave, one panel a policy, with bands."""
    title = "What did ADL cost those whom it hit?"
    table = against_forks(batch)
    if table.empty:
        figure, axes = style.new_figure(3.0, title)
        why = "No run was forked, or nobody was hit in those that were."
        style.nothing_to_show(axes, why)
        style.finish(figure, style.about(batch))
        return figure
    policies = list(table["policy"].unique())[:_MOST_POLICIES]
    columns = min(_COLUMNS, len(policies))
    rows = math.ceil(len(policies) / columns)
    figure, axes = style.new_figure(
        1.3 + _PANEL_HEIGHT * rows, title, rows, columns, sharex=True, squeeze=False
    )
    for place, policy in zip(axes.flat, policies, strict=False):
        _draw_panel(place, table[table["policy"] == policy], policy)
    for place in axes.flat[len(policies) :]:
        place.set_axis_off()
    for place in axes[-1]:
        place.set_xlabel("After the wave's last call (s)")
    for place in axes[:, 0]:
        style.usd_axis(place.yaxis, "Lost by those hit (USD)")
    style.finish(figure, f"{style.about(batch)} {_explanation(table)}", _handles())
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, policy: str) -> None:
    # Horizons lie far apart, so they stand side by side rather than to scale.
    place = np.arange(len(table))
    for name, (_, colour, dash, marker) in _SERIES.items():
        look = {"color": colour, "linestyle": dash, "marker": marker, "markersize": 5}
        sns.lineplot(x=place, y=table[name].to_numpy(), ax=axes, errorbar=None, **look)
        if name in ("path_usd", "true_usd"):
            ends = (table[f"{name}_low"], table[f"{name}_high"])
            axes.fill_between(place, *ends, color=colour, alpha=0.15, lw=0)
    axes.set_xticks(place, [f"{horizon:g}" for horizon in table["horizon_s"]])
    axes.set_title(policy)
    axes.set_ylabel("")
    style.usd_axis(axes.yaxis, "")
    axes.axhline(0.0, color=style.QUIET, lw=0.8)


def _handles() -> list[Line2D | Patch]:
    lines: list[Line2D | Patch] = [
        Line2D([], [], color=colour, ls=dash, marker=marker, ms=5, label=label)
        for label, colour, dash, marker in _SERIES.values()
    ]
    return [*lines, Patch(color=style.INK, alpha=0.15, lw=0, label="95% interval")]


def _explanation(table: pd.DataFrame) -> str:
    """What is drawn, and how far apart the two are at the longest horizon."""
    runs = notation.count(float(table["runs"].min()))
    last = table[table["horizon_s"] == table["horizon_s"].max()]
    told = "; ".join(
        f"{row.policy} {notation.signed(notation.amount(row.gap_usd))} "
        f"({notation.span(*map(notation.amount, (row.gap_usd_low, row.gap_usd_high)))})"
        for row in last.head(_MOST_POLICIES).itertuples()
    )
    return (
        f"Mean over {runs} runs that were forked, summed over the traders that lose, from "
        f"the end of a run's first wave. Truth less fixed path at the longest horizon, in "
        f"USD: {told}."
    )
