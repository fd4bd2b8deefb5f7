"""Could accounts see it coming? Correlation, Brier score and coverage by policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from abm.montecarlo.store import Batch
from analysis import style
from analysis.predictability import is_known, predictability

_PANELS = (
    ("spearman", "Lights against burdens", "Spearman's rank correlation"),
    ("brier", "Lights as probabilities", "Brier score (0 is best)"),
    ("coverage", "Loss within what was stated", "Share of those hit"),
)


@style.styled
def draw_predictability(batch: Batch) -> Figure:
    """How well what accounts were shown before the first wave foretold what came."""
    table = predictability(batch)
    title = "Could accounts see it coming?"
    if not table["runs"].any():
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "Nobody was hit in any run.")
        style.finish(figure, style.about(batch))
        return figure
    height = 1.7 + 0.28 * len(table)
    # On a card, where panels stand below each other, the scores are left to the table.
    drawn = [one for one in _PANELS if not (style.is_card() and one[0] == "brier")]
    figure, panels = style.new_figure(height, title, columns=len(drawn), sharey=True)
    colours = style.policy_styles(batch.policies)
    for axes, (name, heading, label) in zip(panels, drawn, strict=True):
        _draw_panel(axes, table, name, [colours[p]["color"] for p in table.index])
        axes.set_title(heading)
        axes.set_xlabel(label)
    style.share_axis(panels[-1].xaxis, _PANELS[-1][2])
    for axes in panels if style.is_card() else panels[:1]:
        axes.set_yticks(range(len(table)), list(table.index))
        axes.set_ylim(len(table) - 0.5, -0.5)
    style.finish(figure, f"{style.about(batch)} {_EXPLANATION}")
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, name: str, colours: list[str]) -> None:
    places = np.arange(len(table))
    table = table.where(is_known(table, name))
    low, high = table[f"{name}_low"], table[f"{name}_high"]
    axes.hlines(places, low, high, color=colours, lw=2.0, alpha=0.6)
    axes.scatter(table[name], places, color=colours, s=34, zorder=3)
    least = min(0.0, float(np.nanmin([low.min(), table[name].min(), 0.0])))
    axes.set_xlim(least - 0.04 * (least < 0.0) - 0.02, 1.02)
    axes.grid(axis="y", visible=False)


_EXPLANATION = (
    "Means over runs in which somebody was hit, with 95% intervals; no dot where a "
    "measure has no meaning in most of them. Lights: shown at least a tick of the venue's "
    "clock before the first wave. Burden: part of contracts closed, or taken in cash."
)
