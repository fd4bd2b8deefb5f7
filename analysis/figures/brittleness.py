"""How far does a little reach? What nudges of the first wave changed, by policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from abm.montecarlo.store import Batch
from analysis import notation, style
from analysis.brittleness import nudged_runs

_LEAST_MOVED, _LEAST_PER_USD = 1e-5, 1e-3


@style.styled
def draw_brittleness(batch: Batch) -> Figure:
    """What part moved to others, and how many dollars for each dollar of a nudge."""
    runs = nudged_runs(batch)
    title = "How far does a little reach?"
    if runs.empty:
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "No wave was nudged.")
        style.finish(figure, style.about(batch))
        return figure
    policies = [name for name in batch.policies if name in set(runs["policy"])]
    height = 1.7 + 0.28 * len(policies)
    figure, panels = style.new_figure(height, title, columns=2, sharey=True)
    colours = style.policy_styles(batch.policies)
    for axes, column, least in (
        (panels[0], "jump_moved", _LEAST_MOVED),
        (panels[1], "jump_per_usd", _LEAST_PER_USD),
    ):
        for place, policy in enumerate(policies):
            values = runs.loc[runs["policy"] == policy, column]
            _draw_runs(axes, place, values, least, colours[policy]["color"])
        axes.set_xscale("log")
        axes.grid(axis="y", visible=False)
    panels[0].set_xlim(0.6 * _LEAST_MOVED, 1.6)
    panels[1].set_xlim(left=0.6 * _LEAST_PER_USD)
    panels[0].set_title("Part that moved to others")
    panels[1].set_title("Dollars moved for a dollar")
    style.share_axis(panels[0].xaxis, "Largest part of what is taken, over nudges")
    panels[1].set_xlabel("Dollars moved for a dollar of nudge, largest over nudges")
    style.log_ticks(panels[1].xaxis)
    panels[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    for axes in panels if style.is_card() else panels[:1]:
        axes.set_yticks(range(len(policies)), policies)
        axes.set_ylim(len(policies) - 0.5, -0.5)
    nudged = f"The first {notation.count(runs['run'].nunique())} runs were nudged."
    style.finish(figure, f"{style.about(batch)} {nudged} {_EXPLANATION}")
    return figure


def _draw_runs(
    axes: Axes, place: int, values: pd.Series, least: float, colour: str
) -> None:
    """A dot a run, what is next to nothing at the left edge; a bar at the median."""
    shown = np.maximum(values.to_numpy(float), least)
    shown = shown[np.isfinite(shown)]
    if not len(shown):
        return
    offset = np.linspace(-0.22, 0.22, len(shown)) if len(shown) > 1 else np.zeros(1)
    axes.scatter(shown, place + offset, s=14, color=colour, alpha=0.7, lw=0, zorder=3)
    middle = float(np.median(shown))
    axes.vlines(middle, place - 0.36, place + 0.36, color=style.INK, lw=1.6, zorder=4)


_EXPLANATION = (
    "Each dot is the first wave of a run, put to the policy again with the same draws and "
    "one account's equity a thousandth larger or smaller, or everybody's, or a mark a tick "
    "away; the largest of these. Bars are medians; what is less than the left edge stands "
    "there."
)
