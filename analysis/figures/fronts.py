"""Two goods against each other, one point a policy, and the front that none improves on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from analysis import style

ON, OFF, LINE = "#0072B2", "#a0a0a0", "#D55E00"
_LETTERS = 8.0


class Goal:
    """One axis: a summary by policy (`value`, `low`, `high`) and which way is better."""

    def __init__(self, label: str, unit: str, better: str, summary: pd.DataFrame) -> None:
        self.label, self.unit, self.better, self.summary = label, unit, better, summary

    @property
    def is_log(self) -> bool:
        """True if positive values differ by a factor of 100."""
        values = self.summary["value"].dropna()
        positive = values[values > 0]
        log = bool(len(positive) > 1 and positive.max() > 100 * positive.min())
        return log and bool((values >= 0).all()) and self.unit != "share"

    @property
    def floor(self) -> float:
        """Where zeros stand on a log scale."""
        values = self.summary["value"]
        return float(values[values > 0].min() / 5.0) if self.is_log else -np.inf


@style.styled
def draw_front(
    title: str, across: Goal, up: Goal, on_front: list[str], note: str = ""
) -> Figure:
    """Policies by two measures with 95% intervals, and the front of these two.

    Parameters
    ----------
    on_front : list of str
        Policies on the front of all measures; they are filled, the others pale.
    """
    figure, axes = style.new_figure(3.9, title)
    places = {}
    for policy in across.summary.index:
        x, y = across.summary.loc[policy], up.summary.loc[policy]
        place = (max(x["value"], across.floor), max(y["value"], up.floor))
        if not np.isfinite(place).all():
            continue
        places[str(policy)] = place
        _draw_policy(axes, x, y, across, up, policy in on_front)
    for goal, axis, scale in (
        (across, axes.xaxis, axes.set_xscale), (up, axes.yaxis, axes.set_yscale)
    ):  # fmt: skip
        scale("log" if goal.is_log else "linear")
        better = "less is better" if goal.better == "low" else "more is better"
        label = f"{goal.label} ({better}{', log scale' if goal.is_log else ''})"
        style.unit_axis(axis, label, goal.unit, log=goal.is_log)
        if goal.is_log and (goal.summary["value"] <= goal.floor).any():
            _mark_zero(axis, goal.floor)
    stairs = _draw_line(axes, places, across, up)
    axes.margins(0.12, 0.1)
    look = {"marker": "o", "ls": "", "mec": "white"}
    meanings = {True: (ON, "on the front of all three"), False: (OFF, "another is better")}
    here = {policy in on_front for policy in places}
    handles = [
        Line2D([], [], color=colour, label=label, **look)
        for is_on, (colour, label) in meanings.items()
        if is_on in here
    ]
    if stairs > 1:
        handles.append(Line2D([], [], color=LINE, lw=1.4, label="front of these two"))
    style.finish(figure, note, handles)
    _name_points(axes, places, on_front)
    return figure


def _draw_policy(
    axes: Axes, x: pd.Series, y: pd.Series, across: Goal, up: Goal, is_on: bool
) -> None:
    colour = ON if is_on else OFF
    place = (max(x["value"], across.floor), max(y["value"], up.floor))
    if np.isfinite(x["low"]):
        ends = np.maximum([x["low"], x["high"]], across.floor)
        axes.plot(ends, [place[1]] * 2, color=colour, lw=1.1, alpha=0.7)
    if np.isfinite(y["low"]):
        ends = np.maximum([y["low"], y["high"]], up.floor)
        axes.plot([place[0]] * 2, ends, color=colour, lw=1.1, alpha=0.7)
    axes.plot(*place, "o", color=colour, ms=6.5, mec="white", mew=0.7, zorder=3)


def _mark_zero(axis: Axis, floor: float) -> None:
    """Name the place at the edge of a log scale where zeros stand."""
    write = axis.get_major_formatter()
    low, high = axis.get_view_interval()
    ticks = [t for t in axis.get_majorticklocs() if 2.5 * floor < t <= high]
    axis.set_major_locator(FixedLocator([floor, *ticks]))
    axis.set_major_formatter(FuncFormatter(lambda v, i: "0" if v <= floor else write(v, i)))
    axis.set_view_interval(min(low, floor / 2.0), high)


def _draw_line(
    axes: Axes, places: dict[str, tuple[float, float]], across: Goal, up: Goal
) -> int:
    """The stairs of the policies that no other beats in these two; how many they are."""
    if not places:
        return 0
    signs = np.array([1.0 if goal.better == "low" else -1.0 for goal in (across, up)])
    points = np.array(list(places.values())) * signs
    kept = points[is_efficient(points)]
    kept = kept[np.argsort(kept[:, 0])] * signs
    axes.plot(*kept.T, color=LINE, lw=1.4, drawstyle="steps-post", zorder=1)
    return len(np.unique(kept, axis=0))


def is_efficient(points: np.ndarray) -> np.ndarray:
    """True for points that no other point dominates, less being better in every column.

    A point dominates another if it is no worse in any column and better in one.
    """
    no_worse = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def _name_points(
    axes: Axes, places: dict[str, tuple[float, float]], on_front: list[str]
) -> None:
    """Names beside the points, moved apart where they would lie on each other."""
    figure = axes.figure
    figure.canvas.draw()
    inner = axes.get_window_extent().padded(-12.0)
    dots = [axes.transData.transform(place) for place in places.values()]
    taken = [(x - 7.0, y - 7.0, x + 7.0, y + 7.0) for x, y in dots]
    offsets = _OFFSETS if len(places) <= _MOST_FAR else _OFFSETS[:4]
    for policy in sorted(places, key=lambda name: (name not in on_front, name)):
        x, y = axes.transData.transform(places[policy])
        wide, tall = (
            0.53 * _LETTERS * len(policy) * style.DPI / 72,
            1.25 * _LETTERS * style.DPI / 72,
        )
        for dx, dy in offsets:
            left = x + 10 if dx > 0 else x - 10 - wide
            box = (left, y + dy * tall - tall / 2, left + wide, y + dy * tall + tall / 2)
            inside = (
                inner.x0 <= box[0]
                and box[2] <= inner.x1
                and inner.y0 <= box[1]
                and box[3] <= inner.y1
            )
            if inside and not any(_overlap(box, other) for other in taken):
                break
        else:
            continue
        taken.append(box)
        colour = style.INK if policy in on_front else style.QUIET
        at = axes.transData.inverted().transform((box[0], (box[1] + box[3]) / 2))
        axes.text(*at, policy, fontsize=_LETTERS, color=colour, va="center", ha="left")


_OFFSETS = [
    (s, d) for d in (0.8, -0.8, 1.7, -1.7, 2.6, -2.6, 3.5, -3.5) for s in (1.0, -1.0)
]
"""Sides and heights of names, in lines; never level with a point, where intervals lie."""

_MOST_FAR = 10
"""Points up to which a name may stand lines away: among many it would seem another's."""


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
