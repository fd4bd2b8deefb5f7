"""What gaming is worth: verdicts, gains against costs and harm, and how gains spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from analysis import notation, style
from analysis.gaming import verdict as verdicts
from analysis.gaming.spreading import Spread
from analysis.gaming.words import basis_points

COLOURS = {
    verdicts.PROOF: "#7db3d8",
    verdicts.SELF_DEFEATING: "#dbe8f3",
    verdicts.HARMLESS: "#f0c36d",
    verdicts.EXPLOITABLE: "#eba36a",
    verdicts.HARMFUL: "#cc6677",
    verdicts.UNKNOWN: "#f3f3f3",
}


@style.styled
def draw_verdicts(
    table: pd.DataFrame, title: str = "Which rule can be gamed by which strategy?"
) -> Figure:
    """The matrix of the contest itself: verdicts as colours, gains as numbers.

    Parameters
    ----------
    table : DataFrame
        As :func:`analysis.gaming.matrix.matrix` gives it. Of several shares of adopters
        the first is drawn.
    """
    rows = first_share(table)
    strategies, policies = (list(rows[name].unique()) for name in ("strategy", "policy"))
    place = {"index": "strategy", "columns": "policy"}
    names = rows.pivot(values="verdict", **place).reindex(strategies)[policies]
    gains = rows.pivot(values="gain", **place).reindex(strategies)[policies]
    order = list(COLOURS)
    codes = names.map(order.index, na_action="ignore").astype(float)
    texts = gains.map(_short).to_numpy()
    height = 1.9 + 0.36 * len(strategies) + 0.05 * max(map(len, policies))
    figure, axes = style.new_figure(height, title)
    sns.heatmap(
        codes, ax=axes, cmap=ListedColormap(list(COLOURS.values())), vmin=-0.5,
        vmax=len(order) - 0.5, cbar=False, linewidths=0.8, linecolor="white", annot=texts,
        fmt="", annot_kws={"color": style.INK, "fontsize": 6.5 if style.is_card() else 8.5},
    )  # fmt: skip
    axes.grid(False)
    axes.set(xlabel="", ylabel="")
    axes.set_yticks(np.arange(len(strategies)) + 0.5, strategies, rotation=0)
    axes.set_xticks(np.arange(len(policies)) + 0.5, policies, rotation=90)
    axes.tick_params(length=0)
    seen = set(rows["verdict"])
    handles = [
        Patch(facecolor=colour, label=name, edgecolor=style.QUIET, lw=0.4)
        for name, colour in COLOURS.items()
        if name in seen
    ]
    words = (
        f"{_about(rows)} Numbers are gains of the players, costs paid, in basis points of "
        "what they could be asked for; % where 100 or more. Verdicts rest on intervals "
        "that hold for all cells at once."
    )
    style.finish(figure, words, handles)
    return figure


def first_share(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the contest itself at its first share of adopters, index reset."""
    rows = table.reset_index()
    rows = rows[rows["part"] == rows["part"].min()]
    return rows[rows["adopters"] == rows["adopters"].iloc[0]]


def _short(share: float) -> str:
    if not np.isfinite(share):
        return ""
    points = 1e4 * share
    if abs(points) >= 99.5:
        return f"{100 * share:.1f}%" if abs(share) < 0.0995 else f"{100 * share:.0f}%"
    if abs(points) < 0.05:
        return "0"
    return f"{points:.1f}" if abs(points) < 9.95 else f"{points:.0f}"


def _about(rows: pd.DataFrame) -> str:
    low, high = rows["runs"].min(), rows["runs"].max()
    runs = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"{notation.share(rows['adopters'].iloc[0])} of the traders with positions play, "
        f"{runs} runs a cell."
    )


@style.styled
def draw_trade_offs(
    table: pd.DataFrame, title: str = "What does gaming cost, and whom does it harm?"
) -> Figure:
    """Cost against gain before costs, and the venue's harm against the net gain.

    One point a strategy and policy; colours are strategies.
    """
    rows = first_share(table)
    strategies = list(rows["strategy"].unique())
    colours = style.series_colours(strategies)
    figure, (left, right) = style.new_figure(4.4, title, columns=2)
    for name in strategies:
        mine = rows[rows["strategy"] == name]
        look = {"color": colours[name], "marker": "o", "ls": "", "ms": 5.5, "mec": "white"}
        left.plot(mine["cost"], mine["gross"], **look)
        right.plot(mine["harm"], mine["gain"], **look)
    for axes in (left, right):
        axes.margins(0.06)
        axes.axhline(0.0, color=style.QUIET, lw=0.8)
        axes.axvline(0.0, color=style.QUIET, lw=0.8)
    left.axline((0.0, 0.0), slope=1.0, color=style.QUIET, lw=0.9, ls=(0, (4, 3)))
    left.set_title("Above the dashed line it pays")
    right.set_title("Upper right: player gains, venue loses")
    for axes, (across, up) in (
        (left, ("Cost: fees and slippage", "Gain before costs")),
        (right, ("Rise of the venue's expected shortfall", "Net gain")),
    ):
        _symlog(axes.yaxis, axes, f"{up} (share of capacity)")
        axes.set_xlabel(across)
    _symlog(left.xaxis, left, "Cost: fees and slippage (share of capacity)")
    style.share_axis(right.xaxis, "Rise of the venue's expected shortfall")
    handles = [
        Line2D([], [], label=name, color=colours[name], marker="o", ls="")
        for name in strategies
    ]
    words = (
        f"{_about(rows)} Means; intervals stand in the tables. Axes of gain and cost are "
        "linear within 10 bp and logarithmic beyond."
    )
    style.finish(figure, words, handles)
    return figure


def _symlog(axis: Axis, axes: Axes, label: str) -> None:
    """Linear within ten basis points, logarithmic beyond."""
    scale = axes.set_yscale if axis is axes.yaxis else axes.set_xscale
    scale("symlog", linthresh=1e-3, linscale=0.8)
    axis.set_label_text(label)
    axis.set_major_formatter(FuncFormatter(lambda value, _: basis_points(value)))
    low, high = axis.get_view_interval()
    ticks = [
        s * 10.0**k for s in (-1, 1) for k in range(-3, 3) if low <= s * 10.0**k <= high
    ]
    axis.set_ticks([0.0, *ticks])
    axis.set_minor_locator(NullLocator())
    if axis is axes.xaxis:
        axes.tick_params(axis="x", labelrotation=45)


@style.styled
def draw_shares(
    table: pd.DataFrame, title: str = "At which share of players would it matter?"
) -> Figure | None:
    """Net gain and the venue's harm by share of adopters, a line a strategy and policy.

    None if no cell was run at two shares or more.
    """
    cells = by_share(table)
    if not cells:
        return None
    figure, (left, right) = style.new_figure(4.4, title, columns=2)
    colours = style.policy_styles([f"{s}, {p}" for s, p in cells])
    for (strategy, policy), rows in cells.items():
        name = f"{strategy}, {policy}"
        for axes, column in ((left, "gain"), (right, "harm")):
            x, y = rows["adopters"].to_numpy(), rows[column].to_numpy()
            ends = rows[[f"{column}_low", f"{column}_high"]].to_numpy(float)
            ends = np.where(np.isfinite(ends), ends, np.nan)
            axes.plot(x, y, label=name, marker="o", ms=4.5, **colours[name])
            axes.fill_between(x, *ends.T, color=colours[name]["color"], alpha=0.1, lw=0)
    for axes in (left, right):
        axes.axhline(0.0, color=style.QUIET, lw=0.8)
        axes.set_xscale("log")
        ticks = sorted({float(s) for rows in cells.values() for s in rows["adopters"]})
        axes.set_xticks(ticks, [notation.share(one) for one in ticks], rotation=45)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Traders with positions who play (log scale)")
    _symlog(left.yaxis, left, "Net gain (share of capacity)")
    style.share_axis(right.yaxis, "Rise of the expected shortfall")
    left.set_title("What a player gains")
    right.set_title("What the venue loses")
    handles = [
        Line2D([], [], label=name, marker="o", **look) for name, look in colours.items()
    ]
    style.finish(figure, "Bands hold for all cells of the contest at once (95%).", handles)
    return figure


def by_share(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows by share of adopters for every strategy and policy that has two or more."""
    rows = table.reset_index().sort_values(["part", "adopters"])
    found = {}
    for keys, mine in rows.groupby(["strategy", "policy"], sort=False):
        # Where two parts have the same share, that of more runs.
        best = mine.sort_values("runs", ascending=False).drop_duplicates("adopters")
        if len(best) > 1:
            found[keys] = best.sort_values("adopters")
    return found


@style.styled
def draw_phase_line(spread: Spread, title: str = "How far does it spread?") -> Figure:
    """What playing earns more than not playing, by how many play, and where that rests.

    Parameters
    ----------
    spread : Spread
        Of one strategy.
    """
    rest, advantage, name = spread.rest, spread.advantage, spread.groups[1]
    figure, axes = style.new_figure(3.9, title)
    across = np.linspace(0.0, 1.0, 201)
    earned = rest.fitted(np.column_stack([1.0 - across, across]))
    ahead = earned[:, 1] - earned[:, 0]
    axes.plot(across, ahead, color="#0072B2", label="fitted payoffs")
    mean = advantage["mean"].to_numpy(float)
    ends = np.abs(advantage[["low", "high"]].to_numpy(float).T - mean)
    look = {"fmt": "o", "color": "#0072B2", "ms": 5, "capsize": 2.5}
    axes.errorbar(advantage["share"], mean, ends, label="simulated mixes", **look)
    axes.axhline(0.0, color=style.QUIET, lw=0.9)
    axes.axvspan(rest.low[1], rest.high[1], color="#E69F00", alpha=0.15, lw=0)
    for place in np.linspace(0.06, 0.94, 9):
        towards = 0.025 * np.sign(np.interp(place, across, ahead))
        arrow = {"arrowstyle": "->", "color": style.INK, "lw": 1.2}
        ends_of = (place + towards, 0.0), (place - towards, 0.0)
        axes.annotate("", *ends_of, arrowprops=arrow)
    look = {"ls": "", "ms": 8, "mec": "white", "zorder": 5, "clip_on": False}
    axes.plot(
        rest.shares[1], 0.0, marker="D", color="#E69F00", label="replicator rests", **look
    )
    _draw_chains(axes, spread)
    axes.set_xlim(-0.02, 1.02)
    style.share_axis(axes.xaxis, f"Traders with positions who play {name}")
    axes.set_ylabel("Earned more than by not playing\n(share of capacity)")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: basis_points(value)))
    words = (
        f"Under {spread.policy}. Arrows: where the crowd moves. Bars: 95% intervals of "
        "single mixes. Shaded: 95% of the bootstrap's resting points."
    )
    style.finish(figure, words, axes.get_legend_handles_labels()[0])
    return figure


def _draw_chains(axes: Axes, spread: Spread) -> None:
    """The stochastic approximation's mean over chains, with its interval."""
    share, low, high = (float(spread.chains[key][1]) for key in ("shares", "low", "high"))
    axes.errorbar(
        share, 0.0, xerr=[[share - low], [high - share]], fmt="s", color="#009E73", ms=6,
        capsize=4, zorder=6, label="stochastic approximation",
    )  # fmt: skip
