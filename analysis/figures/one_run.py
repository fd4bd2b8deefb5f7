"""What happened in one run? Prices, depth, liquidations and purses on one time axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation

from abm.montecarlo.store import Batch
from analysis import notation, style
from analysis.one_run import OneRun, read_run

_MOST_MARKETS = 8
_BUCKETS = 90
_THINNEST = 1e-4

_BOOK = "#CC6677"
_TAKEN = "#882255"
_GIVEN = "#44AA99"
_WAVE = "#F0C36D"
_VAIN = "#c9c9c9"
_PURSES = {"vault": "#332288", "insurance": "#88CCEE"}


@style.styled
def draw_one_run(batch: Batch, run: int | None = None, policy: str | None = None) -> Figure:
    """One run as small multiples that share the time axis, waves shaded.

    Parameters
    ----------
    run, policy : int and str, optional
        Without them the first policy, and of the runs whose paths were kept the one with
        the largest deficit.
    """
    chosen = policy or batch.policies[0]
    number, why = (run, "") if run is not None else choose_run(batch, chosen)
    if number is None:
        figure, axes = style.new_figure(3.0, "What happened in one run?")
        style.nothing_to_show(axes, f"No run finished under {chosen}.")
        style.finish(figure, style.about(batch))
        return figure
    told = read_run(batch, number, chosen)
    panels = [_draw_prices, _draw_depth, _draw_flows, _draw_purses]
    panels = panels if told.has_paths else [_draw_flows]
    figure, axes = style.new_figure(
        0.9 + 2.15 * len(panels),
        f"What happened in run {number} under {chosen}?",
        rows=len(panels),
        sharex=True,
        squeeze=False,
    )
    for panel, draw in zip(axes[:, 0], panels, strict=True):
        _shade_waves(panel, told)
        draw(panel, told)
        _add_legend(panel, told if draw is _draw_flows else None)
    last = axes[-1, 0]
    last.set_xlim(0.0, told.duration_s)
    style.time_axis(last.xaxis, told.duration_s)
    _align_labels(figure, axes[:, 0])
    style.finish(figure, f"{style.about(batch)} Run {number} has seed {told.seed}{why}.")
    return figure


_LABEL_LEFT = 50.0
"""Points from the left of a panel to the label of its axis: past the longest tick."""


def _align_labels(figure: Figure, panels: Sequence[Axes]) -> None:
    """Put the labels below each other; to have them measure each other is slow."""
    left = ScaledTranslation(-_LABEL_LEFT / 72.0, 0.0, figure.dpi_scale_trans)
    for panel in panels:
        panel.yaxis.set_label_coords(0.0, 0.5, transform=panel.transAxes + left)


def choose_run(batch: Batch, policy: str) -> tuple[int | None, str]:
    """The run to tell and why: the worst of those whose paths were kept."""
    runs = batch.frame("runs", columns=["run", "policy", "failed", "deficit_usd"])
    runs = runs[(runs["policy"] == policy) & ~runs["failed"].astype(bool)]
    if runs.empty:
        return None, ""
    kept = runs[runs["run"] < int(batch.scenario["outputs"]["paths_of_first_runs"])]
    among = kept if len(kept) else runs
    worst = int(among.loc[among["deficit_usd"].idxmax(), "run"])
    largest = " and the largest deficit" if among["deficit_usd"].any() else ""
    if len(kept):
        return worst, largest and f"{largest} of the {len(kept)} runs with kept paths"
    return worst, f"{largest}; prices and depth were not kept for any run"


def _shade_waves(axes: Axes, told: OneRun) -> None:
    least = 0.003 * told.duration_s
    for _, wave in told.waves.iterrows():
        start, end = wave["start_s"], max(wave["end_s"], wave["start_s"] + least)
        colour = _WAVE if wave["touched"] else _VAIN
        axes.axvspan(start, end, color=colour, alpha=0.55, lw=0, zorder=0.5)


def _add_legend(axes: Axes, told: OneRun | None) -> None:
    """A legend right of the panel; waves are named where ADL answers."""
    handles, labels = axes.get_legend_handles_labels()
    if told is not None and (told.waves["touched"] > 0).any():
        handles.append(Patch(color=_WAVE, alpha=0.55, lw=0))
        labels.append("ADL wave")
    if told is not None and (told.waves["touched"] == 0).any():
        handles.append(Patch(color=_VAIN, alpha=0.55, lw=0))
        labels.append("wave that finds\nnobody to pay")
    if handles:
        axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.04))


def _draw_prices(axes: Axes, told: OneRun) -> None:
    change = told.prices.iloc[:, :_MOST_MARKETS] - 1.0
    worst = str(change.min().idxmin())
    fall = -float(change[worst].min())
    words = f" fall by {notation.share(fall)}"
    if len(change.columns) > 1:
        words = f": {worst} falls most, by {notation.share(fall)}"
    axes.set_title("Mark prices" + (words if fall > 0.01 else " hardly move"))
    colours = style.series_colours(list(change))
    for market in change:
        axes.plot(change.index, change[market], color=colours[market], lw=1.4, label=market)
    axes.axhline(0.0, color=style.QUIET, lw=0.8)
    style.share_axis(axes.yaxis, "Against the start")


def _draw_depth(axes: Axes, told: OneRun) -> None:
    """Depth of the median market, and the band of the middle half of all markets."""
    axes.set_title("Depth within 1% of the mark, both sides")
    depth = told.depth.clip(lower=_THINNEST)
    middle = depth.median(axis=1)
    several = len(depth.columns) > 1
    if several:
        low, high = depth.quantile(0.25, axis=1), depth.quantile(0.75, axis=1)
        band = {"color": "black", "alpha": 0.16, "lw": 0, "label": "half of the markets"}
        axes.fill_between(depth.index, low, high, **band)
    label = "median market" if several else str(depth.columns[0])
    axes.plot(middle.index, middle, color="black", lw=1.4, label=label)
    axes.axhline(1.0, color=style.QUIET, lw=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("Against the start\n(log scale)")
    style.log_ticks(axes.yaxis)
    axes.yaxis.set_major_formatter(FuncFormatter(_depth_tick))


def _depth_tick(value: float, _: int) -> str:
    floor = "\u2264" if value <= _THINNEST * 1.001 else ""
    return f"{floor}{100 * value:g}%"


def _draw_flows(axes: Axes, told: OneRun) -> None:
    """Liquidations and takeovers upwards, what ADL closes or takes downwards."""
    step = _bucket(told.duration_s)
    axes.set_title("Liquidations, and what ADL answers")
    edges = np.arange(0.0, told.duration_s + step, step)
    book = _per_bucket(told.liquidated, "notional_usd", edges)
    taken = _per_bucket(told.taken_over, "notional_usd", edges)
    width = {"width": step, "align": "edge", "lw": 0}
    if book.any():
        axes.bar(edges[:-1], book, color=_BOOK, label="sold into the book", **width)
    if taken.any():
        axes.bar(edges[:-1], taken, bottom=book, color=_TAKEN, label="taken over", **width)
    if len(told.closed):
        given, label = _per_bucket(told.closed, "notional_usd", edges), "closed by ADL"
    else:
        given, label = _per_bucket(told.haircuts, "amount_usd", edges), "paid by accounts"
    if given.any():
        axes.bar(edges[:-1], -given, color=_GIVEN, label=label, **width)
    axes.axhline(0.0, color=style.QUIET, lw=0.8)
    style.usd_axis(axes.yaxis, f"USD in {notation.duration(step)}")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: style.short_usd(abs(y))))
    if not (book.any() or taken.any() or given.any()):
        axes.set_title("No liquidations")
        axes.set_yticks([0.0])


def _bucket(duration_s: float) -> float:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return float(next((s for s in steps if duration_s <= _BUCKETS * s), 14_400))


def _per_bucket(events: pd.DataFrame, column: str, edges: np.ndarray) -> np.ndarray:
    sums, _ = np.histogram(events["time_s"], bins=edges, weights=events[column])
    return sums


def _draw_purses(axes: Axes, told: OneRun) -> None:
    shown = [name for name in _PURSES if name == "vault" or told.purses[name].any()]
    axes.set_title(f"Equity of the {notation.listing(shown)}")
    for purse in shown:
        equity = told.purses[purse]
        axes.plot(equity.index, equity, color=_PURSES[purse], label=purse)
        red = {"color": "#CC3311", "alpha": 0.25, "lw": 0}
        axes.fill_between(equity.index, equity, 0.0, where=equity < 0, **red)
    axes.axhline(0.0, color=style.QUIET, lw=0.8)
    style.usd_axis(axes.yaxis, "USD")
