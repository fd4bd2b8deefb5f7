"""Which rankings survive, and what drives them? Two tables as pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from abm.montecarlo.store import Batch
from analysis import drivers, style
from analysis.figures.heat import LEVELS


@style.styled
def draw_robustness(batches: Mapping[str, Batch], table: pd.DataFrame) -> Figure:
    """Share of the base's clear pairs that each variant keeps, and how many it reverses.

    Parameters
    ----------
    table : DataFrame
        Of :func:`analysis.robustness.robustness`.
    """
    shares = (table["kept"] / table["pairs"]).unstack("measure", sort=False)
    reversed_ = table["reversed"].unstack("measure", sort=False)
    shown = shares.map(lambda one: f"{100 * one:.0f}%" if np.isfinite(one) else "")
    shown += reversed_.map(lambda one: f"  {one:.0f} reversed" if one else "")
    title = "Which rankings of rules survive a change of the model?"
    figure, axes = style.new_figure(1.4 + 0.27 * len(shares), title)
    _heat(axes, shares, shown)
    axes.set_xticks(np.arange(len(shares.columns)) + 0.5, shares.columns, rotation=0)
    base = next(iter(batches.values()))
    words = (
        "Share of the pairs of rules that can be told apart in the base (95% interval of "
        "the paired difference) that are clearly in the same order, and how many are "
        f"clearly in the other; the rest cannot be told apart. Base: scenario {base.name}, "
        f"{table['runs'].iloc[0]} runs, first seed {base.manifest['first_seed']}."
    )
    style.finish(figure, words)
    return figure


@style.styled
def draw_drivers(table: pd.DataFrame, about: str) -> Figure:
    """Index of each key for each measure and response.

    Parameters
    ----------
    table : DataFrame
        Of :func:`analysis.drivers.drivers`.
    """
    index = drivers.index_of(table)
    wide = table[index].unstack("key", sort=False)
    wide.index = [f"{measure}: {response}" for measure, response in wide.index]
    low, high = (table[f"{index}_{end}"].unstack("key", sort=False) for end in _ENDS)
    clear = ((low > 0) | (high < 0)).to_numpy()
    shown = wide.map(lambda one: f"{one:.2f}" if np.isfinite(one) else "").where(clear, "")
    title = "Which assumptions drive the measures, and how rules differ?"
    figure, axes = style.new_figure(2.9 + 0.25 * len(wide), title)
    _heat(axes, wide.abs().clip(0.0, 1.0), shown)
    names = [name.replace(".", ".\n", 1) for name in wide.columns]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90)
    words = (
        f"{drivers.NAMES[index].capitalize()}s with the points' ranks, written where the "
        f"95% interval leaves zero out. Sweep {about}."
    )
    style.finish(figure, words)
    return figure


_ENDS = ("low", "high")


def _heat(axes: Axes, values: pd.DataFrame, shown: pd.DataFrame) -> None:
    sns.heatmap(
        values, ax=axes, cmap=ListedColormap(LEVELS), vmin=0.0, vmax=1.0, cbar=False,
        linewidths=0.8, linecolor="white", annot=shown.to_numpy(), fmt="",
        annot_kws={"color": style.INK, "fontsize": 8.5},
    )  # fmt: skip
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.grid(False)
    axes.set_yticks(np.arange(len(values)) + 0.5, values.index, rotation=0)
    axes.tick_params(length=0)
