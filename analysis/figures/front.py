"""The front of a search: two objectives a panel, on fresh seeds."""

from __future__ import annotations

import itertools
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style
from analysis.front import DOMINATED, ON_FRONT, UNCLEAR, Front

_LOOKS = {
    ON_FRONT: ("#0072B2", "o"),
    UNCLEAR: ("#E69F00", "s"),
    DOMINATED: ("#D55E00", "X"),
}


@style.styled
def draw_front(front: Front) -> Figure:
    """Reported policies with 95% intervals, over all candidates as the search saw them.

    Every pair of objectives is a panel. Policies to compare with are black and named.
    """
    pairs = list(itertools.combinations(front.measures, 2))
    columns = min(2, len(pairs))
    rows = -(-len(pairs) // columns)
    title = f"{front.name}: the front of the search, on fresh seeds"
    figure, panels = style.new_figure(
        1.6 + 4.2 * rows, title, rows=rows, columns=columns, squeeze=False
    )
    for axes, pair in itertools.zip_longest(panels.flat, pairs):
        if pair is None:
            axes.set_visible(False)
        else:
            _draw_pair(axes, front, *pair)
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, mec="white", label=standing)
        for standing, (colour, marker) in _LOOKS.items()
    ]
    handles += [
        Line2D([], [], ls="", marker="D", color=style.INK, mec="white", label="compared"),
        Line2D(
            [], [], ls="", marker=".", color=style.QUIET, label="tried, on search seeds"
        ),
    ]
    goals = zip(front.measures, front.goals, strict=True)
    better = ", ".join(
        f"{'less' if goal == 'min' else 'more'} {_words(measure).lower()}"
        for measure, goal in goals
    )
    words = (
        f"{len(front.tried)} candidates on {len(front.searched)} seeds from "
        f"{front.searched.start}; bars are 95% intervals of means over {len(front.seeds)} "
        f"runs on seeds from {front.seeds.start}. Better is: {better}."
    )
    style.finish(figure, words, handles)
    return figure


def save_front(front: Front, folder: str | Path) -> Path:
    """Draw the front into ``folder/front.png``."""
    return style.save(draw_front(front), Path(folder) / "front.png")


def _draw_pair(axes: Axes, front: Front, across: str, up: str) -> None:
    tried = front.tried
    axes.plot(
        tried[across], tried[up], ".", color=style.QUIET, alpha=0.45, ms=5, mec="none"
    )
    for _, row in front.found.iterrows():
        colour, marker = _LOOKS[row["standing"]] if row["is_candidate"] else ("k", "D")
        ends = [row[f"{across}_low"], row[f"{across}_high"]]
        axes.plot(ends, [row[up]] * 2, color=colour, lw=1.2)
        ends = [row[f"{up}_low"], row[f"{up}_high"]]
        axes.plot([row[across]] * 2, ends, color=colour, lw=1.2)
        axes.plot(
            row[across], row[up], marker, color=colour, ms=7, mec="white", mew=0.7, zorder=3
        )
    _label(axes.xaxis, across)
    _label(axes.yaxis, up)
    axes.margins(0.08)
    for policy, row in front.found[~front.found["is_candidate"]].iterrows():
        _name(axes, str(policy), row[across], row[up])


def _name(axes: Axes, policy: str, across: float, up: float) -> None:
    """A policy's name beside its point, on the side where there is room."""
    is_right = across > sum(axes.get_xlim()) / 2.0
    axes.annotate(
        policy, (across, up), xytext=(-6 if is_right else 6, 5),
        ha="right" if is_right else "left", textcoords="offset points", fontsize=8.5,
    )  # fmt: skip


def _words(measure: str) -> str:
    return measure.removesuffix("_usd").replace("_", " ").capitalize()


def _label(axis: Axis, measure: str) -> None:
    words = _words(measure)
    if measure.endswith("_usd"):
        style.usd_axis(axis, f"{words}, mean (USD)")
    elif measure.endswith("_share"):
        style.share_axis(axis, f"{words}, mean (%)")
    else:
        axis.set_label_text(f"{words}, mean")
