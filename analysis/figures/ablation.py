"""What makes the deficit? Variants of a study, held against the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abm.montecarlo.store import Batch
from analysis import notation, style
from analysis.ablation import ablation

_SPREAD = 0.62


@style.styled
def draw_ablation(batches: Mapping[str, Batch], question: str = "") -> Figure:
    """Expected deficit of each variant, and its change against the first.

    Left the mean deficit in USD on a log scale (means of zero stand at the edge), right
    the paired difference as a share of the first variant's mean, both with 95% intervals.
    """
    table = ablation(batches)
    variants, base = list(batches), next(iter(batches.values()))
    policies = [name for name in base.policies if name in table.index.unique("policy")]
    height = 1.5 + len(variants) * (0.26 + 0.17 * len(policies))
    title = question or "What makes the deficit?"
    figure, (means, changes) = style.new_figure(height, title, columns=2, sharey=True)
    _draw_means(means, table, variants, policies)
    _draw_changes(changes, table, variants, policies)
    means.set_yticks(range(len(variants)), variants)
    means.set_ylim(len(variants) - 0.5, -0.5)
    for axes in (means, changes):
        axes.grid(axis="y", visible=False)
        for line in np.arange(len(variants) - 1) + 0.5:
            axes.axhline(line, color=style.GRID, lw=0.8)
    styles = style.policy_styles(base.policies)
    look = {"marker": "o", "ls": "", "mec": "white"}
    handles = [
        Line2D([], [], label=name, color=styles[name]["color"], **look) for name in policies
    ]
    runs = f"{notation.count(table['runs'].max())} runs a variant and policy"
    words = (
        f"Study of {len(variants)} variants, {runs}, first seed "
        f"{base.manifest['first_seed']}. Bars are 95% intervals; changes are between runs "
        f"of the same seed."
    )
    style.finish(figure, words, handles)
    return figure


def draw_study(
    batches: Mapping[str, Batch], folder: str | Path, question: str = ""
) -> Path:
    """Draw a study into ``folder/figures/ablation.png``."""
    figure = draw_ablation(batches, question)
    return style.save(figure, Path(folder) / "figures" / "ablation.png")


def _height(variant: int, policy: int, policies: int) -> float:
    return variant + _SPREAD * ((policy + 0.5) / policies - 0.5)


def _draw_means(
    axes: Axes, table: pd.DataFrame, variants: list[str], policies: list[str]
) -> None:
    axes.set_title("Mean deficit of a run")
    above = table.loc[table["deficit"] > 0, ["deficit", "deficit_low", "deficit_high"]]
    positive = above.where(above > 0).to_numpy(float)
    if not len(positive):
        style.nothing_to_show(axes, "No run had a deficit.")
        return
    low, high = np.nanmin(positive) / 2.0, np.nanmax(positive) * 1.5
    styles = style.policy_styles(policies)
    for i, variant in enumerate(variants):
        for j, policy in enumerate(policies):
            if (variant, policy) not in table.index:
                continue
            row, place = table.loc[(variant, policy)], _height(i, j, len(policies))
            colour = styles[policy]["color"]
            value = row["deficit"]
            ends = [max(row["deficit_low"], low), row["deficit_high"]]
            if value > 0:
                axes.plot(ends, [place, place], color=colour, lw=1.5)
                axes.plot(value, place, "o", color=colour, ms=6.5, mec="white", mew=0.6)
            elif value == 0:
                axes.text(low * 1.08, place, "0", color=colour, va="center")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    style.usd_axis(axes.xaxis, "Deficit (USD, log scale)", log=True)


def _draw_changes(
    axes: Axes, table: pd.DataFrame, variants: list[str], policies: list[str]
) -> None:
    axes.set_title(f"Change against the {variants[0]}")
    axes.axvline(0.0, color=style.QUIET, lw=1.0)
    styles = style.policy_styles(policies)
    for i, variant in enumerate(variants):
        for j, policy in enumerate(policies):
            if i == 0 or (variant, policy) not in table.index:
                continue
            row, place = table.loc[(variant, policy)], _height(i, j, len(policies))
            colour = styles[policy]["color"]
            ends = [row["change_low"], row["change_high"]]
            axes.plot(ends, [place, place], color=colour, lw=1.5)
            axes.plot(row["change"], place, "o", color=colour, ms=6.5, mec="white", mew=0.6)
            text = notation.signed(notation.usd(row["difference"]))
            beside = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
            right = np.nanmax([*ends, row["change"]])
            if np.isfinite(right):
                axes.annotate(text, (right, place), color=colour, fontsize=8.5, **beside)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.22 * (high - low))
    style.share_axis(axes.xaxis, "Change of the mean deficit (beside it in USD)")
