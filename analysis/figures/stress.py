"""Stress without ADL: falls and deficits together, and what is left of the book."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from abm.montecarlo.store import Batch
from analysis import stress, style
from analysis.figures.deficits import draw_deficits
from analysis.stress import ALL, MOST_MARKETS

_COLOUR = "#0072B2"
_FLOWS = {
    "book_usd": ("liquidated in the book", "#0072B2"),
    "backstop_usd": ("taken over by the vault", "#E69F00"),
    "insurance_usd": ("taken over by the insurance fund", "#009E73"),
}


def draw_stress(batch: Batch, table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the figures of a stress into ``folder/figures``; return the files."""
    figures = {
        "stress-deficits": draw_deficits(batch),
        "stress-falls": draw_falls(batch, table),
        "stress-depth": draw_depth(batch, table),
    }
    place = folder / "figures"
    return [style.save(figure, place / f"{name}.png") for name, figure in figures.items()]


@style.styled
def draw_ranges(
    title: str, samples: dict[str, pd.Series], label: str, log: bool = False
) -> Figure:
    """What one measure ranges over in each market, a row a market."""
    figure, axes = style.new_figure(0.95 + 0.28 * max(len(samples), 2), title)
    _draw_ranges(axes, samples)
    if log:
        axes.set_xscale("log")
    style.share_axis(axes.xaxis, label)
    style.finish(figure, "")
    return figure


@style.styled
def draw_falls(batch: Batch, table: pd.DataFrame) -> Figure:
    """Fall of all markets against the deficit of each run; falls by market."""
    markets = stress.markets_of(table)[:-1][:MOST_MARKETS]
    figure, (joint, each) = style.new_figure(
        4.6 if len(markets) < 8 else 5.4,
        "How far do prices fall, and how much is missing then?",
        columns=2,
        width_ratios=[1.25, 1.0],
    )
    _draw_joint(joint, table[table["market"] == ALL])
    each.set_title("Lowest price by market")
    falls = {
        market: np.expm1(table.loc[table["market"] == market, "lowest_log_return"])
        for market in markets
    }
    _draw_ranges(each, falls)
    style.share_axis(each.xaxis, "Lowest mark, less the start, share of the start")
    words = (
        "Left: a dot is a run; the fall is that of a basket of what was open at the start, "
        "and runs without a deficit lie on the bottom line. Right: a bar holds 90% of "
        "runs, the dark part half of them, the line the median."
    )
    style.finish(figure, f"{style.about(batch)} {words}")
    return figure


def _draw_joint(axes: Axes, total: pd.DataFrame) -> None:
    axes.set_title("Deficit and fall of each run, all markets")
    fall = np.expm1(total["lowest_log_return"].to_numpy(float))
    deficit = total["deficit_usd"].to_numpy(float)
    flow = total["book_usd"] + total["backstop_usd"] + total["insurance_usd"]
    positive = deficit[deficit > 0.0]
    if not len(positive):
        style.nothing_to_show(axes, "No run had a deficit.")
        return
    low, high = positive.min() / 3.0, positive.max() * 1.6
    size = np.maximum(flow.to_numpy(float), 1.0)
    dots = axes.scatter(
        fall, np.where(deficit > 0.0, deficit, low), c=size, s=20, cmap="cividis",
        norm=LogNorm(size.min(), max(size.max(), 1.01 * size.min())), lw=0.3,
        edgecolors="white", clip_on=False, zorder=3,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    style.usd_axis(axes.yaxis, "Deficit of a run (USD, log scale)", log=True)
    style.share_axis(axes.xaxis, "Lowest price of the basket, less the start")
    bar = axes.figure.colorbar(dots, ax=axes, location="right", aspect=30, pad=0.02)
    style.usd_axis(bar.ax.yaxis, "Liquidated and taken over (USD, log scale)", log=True)
    bar.outline.set_visible(False)


def _draw_ranges(axes: Axes, samples: dict[str, pd.Series]) -> None:
    """A row a market: 90% of runs, half of them, and the median."""
    for row, values in enumerate(samples.values()):
        known = values.dropna()
        if known.empty:
            continue
        ends = known.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_numpy(float)
        axes.plot(ends[[0, 4]], [row, row], color=style.SHADE, lw=9, solid_capstyle="butt")
        axes.plot(ends[[1, 3]], [row, row], color=_COLOUR, lw=9, solid_capstyle="butt")
        axes.plot([ends[2]] * 2, [row - 0.32, row + 0.32], color=style.INK, lw=2)
    axes.set_yticks(range(len(samples)), list(samples))
    axes.set_ylim(len(samples) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


@style.styled
def draw_depth(batch: Batch, table: pd.DataFrame) -> Figure:
    """What rests near the mark in the worst minute, and what was liquidated where."""
    markets = stress.markets_of(table)[:-1][:MOST_MARKETS]
    figure, (depth, flows) = style.new_figure(
        4.2 if len(markets) < 8 else 5.0,
        "How thin does the book get, and where do liquidations go?",
        columns=2,
    )
    depth.set_title("Depth in the worst minute, of ordinary depth")
    ratio = {
        market: table.loc[table["market"] == market, "depth_ratio"].clip(lower=1e-5)
        for market in markets
    }
    _draw_ranges(depth, ratio)
    depth.set_xscale("log")
    style.share_axis(depth.xaxis, "Resting within 1% of the mark (log scale)")
    handles = _draw_flows(flows, table, markets)
    words = (
        "Left: a bar holds 90% of runs, the dark part half of them, the line the median. "
        "Right: means over runs."
    )
    style.finish(figure, f"{style.about(batch)} {words}", handles)
    return figure


def _draw_flows(axes: Axes, table: pd.DataFrame, markets: list[str]) -> list[Patch]:
    axes.set_title("Liquidated and taken over, mean of a run")
    means = table.groupby("market")[list(_FLOWS)].mean().loc[markets]
    before = np.zeros(len(markets))
    handles: list[Patch] = []
    for column, (label, colour) in _FLOWS.items():
        amount = means[column].to_numpy(float)
        if not amount.any():
            continue
        axes.barh(range(len(markets)), amount, left=before, color=colour, height=0.62)
        before += amount
        handles.append(Patch(color=colour, label=label))
    axes.set_yticks(range(len(markets)), markets)
    axes.set_ylim(len(markets) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    style.usd_axis(axes.xaxis, "Notional (USD)")
    return handles
