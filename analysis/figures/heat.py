"""Tables of few colours: which policy is better than which, and how much by when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis import style

BETTER, SAME, WORSE, UNCLEAR = "#7db3d8", "#d9d9d9", "#eba36a", "#f3f3f3"
LEVELS = ("#f3f3f3", "#dbe8f3", "#b9d5ea", "#93bfdf", "#6aa6d0")

_NAMES = {
    BETTER: "row better than column",
    WORSE: "row worse",
    UNCLEAR: "cannot be told apart",
    SAME: "the same",
}
_MOST_SIGNED = 12


@style.styled
def draw_differences(
    title: str, apart: pd.DataFrame, better: str, note: str = ""
) -> Figure:
    """Which policy is better than which, by paired differences and their intervals.

    Parameters
    ----------
    apart : DataFrame
        As :func:`analysis.measures.differences` gives it.
    better : str
        ``low`` or ``high``.
    """
    names = list(dict.fromkeys(name for pair in apart.index for name in pair))
    verdict = verdicts(apart, better).unstack("other").reindex(index=names, columns=names)
    size = min(4.6, 0.5 + 0.5 * len(names))
    figure, axes = style.new_figure(1.1 + size, title)
    colours = list(_NAMES)
    codes = verdict.map(colours.index, na_action="ignore").astype(float)
    signs = {BETTER: "+", WORSE: "\u2212", UNCLEAR: "?", SAME: "="}
    texts = verdict.map(lambda one: signs.get(one, "")).to_numpy()
    small = len(names) > _MOST_SIGNED
    sns.heatmap(
        codes, ax=axes, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5,
        cbar=False, linewidths=0.8, linecolor="white", annot=texts, fmt="",
        annot_kws={"color": style.INK, "fontsize": 7.5 if small else 11.0},
    )  # fmt: skip
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.grid(False)
    _name_ticks(axes, names, names)
    handles = [
        Patch(
            facecolor=colour,
            label=f"{signs[colour]}  {name}",
            edgecolor=style.QUIET,
            lw=0.4,
        )
        for colour, name in _NAMES.items()
    ]
    style.finish(figure, note, handles)
    return figure


def verdicts(apart: pd.DataFrame, better: str) -> pd.Series:
    """The colour of each pair: whether the first is better, or cannot be told apart."""
    sign = 1.0 if better == "low" else -1.0
    low, high = apart["low"], apart["high"]
    ahead = (sign * apart["difference"] < 0) & ((low > 0) | (high < 0))
    behind = (sign * apart["difference"] > 0) & ((low > 0) | (high < 0))
    same = (low == 0) & (high == 0)
    found = np.select([ahead, behind, same], [BETTER, WORSE, SAME], UNCLEAR)
    return pd.Series(found, apart.index)


@style.styled
def draw_levels(title: str, shares: pd.DataFrame, label: str, note: str = "") -> Figure:
    """Shares as a table of few colours, one row a policy.

    Parameters
    ----------
    shares : DataFrame
        From 0 to 1; columns are names of what is along the bottom, `label`.
    """
    many = len(shares.columns) > _MOST_SIGNED
    names = 0.075 * max(map(len, map(str, shares.columns))) if many else 0.0
    figure, axes = style.new_figure(1.0 + names + 0.28 * max(len(shares), 2), title)
    small = {"color": style.INK, "fontsize": 6.0 if many else 8.5}
    write = _bare if many else _percent
    sns.heatmap(
        shares, ax=axes, cmap=ListedColormap(LEVELS), vmin=0.0, vmax=1.0, cbar=False,
        linewidths=0.8, linecolor="white", annot=shares.map(write), fmt="",
        annot_kws=small,
    )  # fmt: skip
    axes.set_xlabel(label)
    axes.set_ylabel("")
    axes.grid(False)
    _name_ticks(axes, list(shares.index), list(shares))
    if not many:
        axes.tick_params(axis="x", rotation=0)
    style.finish(figure, note)
    return figure


def _bare(share: float) -> str:
    return f"{100 * share:.0f}" if np.isfinite(share) else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if np.isfinite(share) else ""


def _name_ticks(axes: Axes, rows: list[str], columns: list[str]) -> None:
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=0)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90)
    axes.tick_params(length=0)
