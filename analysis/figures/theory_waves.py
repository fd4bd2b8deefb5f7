"""Figures of the three-way frontier, of regret, and of what waves took."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import style

_BITS = {
    0: ("none", "#f2f2f2"),
    1: ("solvent", "#CFE3F3"),
    2: ("fair", "#FBE3BF"),
    4: ("revenue kept", "#E9D0DF"),
    3: ("solvent, fair", "#9BC7A8"),
    5: ("solvent, revenue kept", "#7FA6D6"),
    6: ("fair, revenue kept", "#E2A46B"),
    7: ("all three", "#1B1B1B"),
}
"""By bits of solvent (1), fair (2) and revenue (4): the name and colour of a cell."""


@style.styled
def draw_three_ways(title: str, points: pd.DataFrame) -> Figure:
    """Which of the three hold in the plane of severity and diverted fees."""
    ratios = list(dict.fromkeys(points["panel"]))
    figure, panels = style.new_figure(4.3, title, columns=len(ratios), sharey=True)
    order = list(_BITS)
    colours = ListedColormap([_BITS[bits][1] for bits in order])
    seen: set[int] = set()
    for axes, ratio in zip(np.atleast_1d(panels), ratios, strict=True):
        table = points[points["panel"] == ratio].assign(
            theta=lambda t: t["series"].astype(float)
        )
        wide = table.pivot(index="x", columns="theta", values="y")
        cells = np.vectorize(order.index)(wide.to_numpy(int))
        seen |= set(wide.to_numpy(int).ravel().tolist())
        axes.pcolormesh(wide.columns, wide.index, cells, cmap=colours, vmin=-0.5,
                        vmax=len(order) - 0.5, shading="nearest")  # fmt: skip
        axes.set_xscale("log")
        axes.grid(False)
        axes.set_title(f"fees {ratio} times the deficit")
        axes.set_xlabel("Severity")
    style.share_axis(np.atleast_1d(panels)[0].yaxis, "Fees diverted to the fund")
    note = (
        "20,000 accounts, tail exponent 1.5, pro-rata. Solvent: at most a tenth of the "
        "deficit left; fair: PTSR from 0.2 to 5; revenue kept: at least half of fees."
    )
    handles = [
        Patch(facecolor=_BITS[bits][1], edgecolor=style.QUIET, lw=0.5, label=_BITS[bits][0])
        for bits in order
        if bits in seen
    ]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_regret(title: str, points: pd.DataFrame) -> Figure:
    """Regret of descent over its bound, and of queues in a fixed order, by rounds."""
    figure, panels = style.new_figure(3.9, title, columns=2)
    bound, queue = (points[points["panel"] == name] for name in ("bound", "queue"))
    names = list(dict.fromkeys(bound["series"]))
    looks = style.policy_styles(names)
    for name, rows in bound.groupby("series", sort=False):
        panels[0].plot(rows["x"], rows["y"], marker="o", ms=4.0, **looks[str(name)])
    panels[0].axhline(1.0, color=style.INK, lw=1.0, ls=":")
    panels[0].text(10, 1.02, "bound", fontsize=9.0)
    panels[0].set_xscale("log")
    panels[0].set_ylim(0.0, 1.12)
    panels[0].set_ylabel("Regret over its bound, mean")
    panels[0].set_title("Gradient descent on the severity")
    dashes = ("-", (0, (5, 2)), (0, (1, 1.5)))
    for dash, (name, rows) in zip(
        dashes, queue.groupby("series", sort=False), strict=False
    ):
        panels[1].plot(rows["x"], rows["y"], color=style.INK, ls=dash, marker=".",
                       label=str(name))  # fmt: skip
    panels[1].set_xscale("log")
    panels[1].set_yscale("log")
    panels[1].set_ylabel("Fairness regret")
    panels[1].set_title("A queue in a fixed order")
    panels[1].legend(title="capacities 1 and M in turn", loc="upper left")
    for axes in panels:
        axes.set_xlabel("Rounds")
    note = (
        "Left: needs of six kinds, deficits with a tail exponent of 1.2; the adversary "
        "needs whatever is farther from the last severity. Right: against the queue that "
        "finds the large account every time; the slope is one."
    )
    handles = [Line2D([], [], marker="o", ms=4, label=n, **looks[n]) for n in names]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_full_close(title: str, points: pd.DataFrame) -> Figure:
    """Overshoot against the marginal position, both over the budget."""
    figure, axes = style.new_figure(3.9, title)
    known = points[(points["x"] > 0.0) & (points["y"] > 0.0)]
    names = {"generated": "generated books", "market": "market, a side of a wave"}
    looks = style.policy_styles(list(names))
    for place, rows in known.groupby("panel", sort=False):
        axes.scatter(rows["x"], rows["y"], s=14, lw=0, alpha=0.7,
                     color=looks[str(place)]["color"])  # fmt: skip
    ends = np.array([known["x"].min(), known["x"].max()])
    axes.plot(ends, ends, color=style.INK, lw=1.0, ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Marginal position over budget")
    axes.set_ylabel("Overshoot over budget")
    there = set(known["panel"])
    handles = [
        Line2D([], [], marker="o", ls="", ms=5, color=looks[name]["color"], label=label)
        for name, label in names.items()
        if name in there
    ]
    note = (
        "Dotted: as much as the marginal position, which is never reached. Books and waves "
        "without any overshoot have no place on logarithmic axes."
    )
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_duration(title: str, points: pd.DataFrame) -> Figure:
    """Share of waves that overshoot by horizon, and overshoot against duration."""
    figure, panels = style.new_figure(4.0, title, columns=2)
    sign, waves = (points[points["panel"] == name] for name in ("sign", "waves"))
    classes = list(dict.fromkeys(name.rsplit(", ", 1)[0] for name in sign["series"]))
    looks = style.policy_styles(classes)
    horizons = sorted(sign["x"].unique())
    for name, rows in sign.groupby("series", sort=False):
        group, told = str(name).rsplit(", ", 1)
        colour, much = looks[group]["color"], told == "too much"
        nudge = 0.08 * (classes.index(group) - 1) + (0.03 if much else -0.03)
        place = np.array([horizons.index(x) for x in rows["x"]]) + nudge
        panels[0].plot(place, rows["y"], marker="o" if much else "v", ms=4.5, color=colour,
                       ls="-" if much else (0, (4, 2)))  # fmt: skip
        panels[0].vlines(place, rows["low"], rows["high"], color=colour, lw=1.2)
    panels[0].set_xticks(range(len(horizons)), [f"{h:g}" for h in horizons])
    panels[0].set_xlabel("Valued so long after the wave, s")
    style.share_axis(panels[0].yaxis, "Share of waves")
    panels[0].set_ylim(-0.02, 1.0)
    panels[1].scatter(waves["x"], waves["y"], s=10, lw=0, alpha=0.5, color=style.QUIET)
    panels[1].axhline(0.0, color=style.INK, lw=1.0, ls=":")
    panels[1].set_yscale("symlog", linthresh=0.1)
    panels[1].set_xlabel("Duration of the wave, s")
    panels[1].set_ylabel("Overshoot over deficit, 5 s later")
    handles = [
        Line2D([], [], label=f"waves {name}", color=look["color"])
        for name, look in looks.items()
    ]
    ink = {"color": style.INK, "ms": 4.5}
    handles += [
        Line2D([], [], marker="o", label="too much", **ink),
        Line2D([], [], marker="v", ls=(0, (4, 2)), label="too little", **ink),
    ]
    note = (
        "Market waves of policies that close contracts. Left: with 95% intervals over "
        "runs; the rest met the need to a cent. Right: a dot a wave; linear up to a tenth."
    )
    style.finish(figure, note, handles)
    return figure
