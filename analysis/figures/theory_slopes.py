"""Figures of ratios against the number of accounts, on logarithmic axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style

RULES = ("pro-rata", "queue by another score", "queue by profit", "levelling")
_MARKERS = ("o", "s", "D", "^")


def looks_of(rules: tuple[str, ...] = RULES) -> dict[str, dict[str, object]]:
    """Colour, dash and marker of each rule."""
    looks = style.policy_styles(rules)
    for rule, marker in zip(rules, _MARKERS, strict=False):
        looks[rule] |= {"marker": marker, "ms": 4.5}
    return looks


def _log_axes(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Accounts")
    axes.set_ylabel(label)
    style.log_ticks(axes.yaxis)


def _guide(axes: Axes, x: np.ndarray, anchor: float, exponent: float) -> None:
    """A dotted line of the predicted slope through the last point."""
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, anchor * (ends / x.max()) ** exponent, color=style.INK, lw=1.0,
              ls=":", zorder=0)  # fmt: skip


@style.styled
def draw_slopes(title: str, points: pd.DataFrame) -> Figure:
    """PTSR by size, one panel a tail exponent, one line a rule."""
    alphas = sorted(points["panel"].unique(), key=float)
    figure, panels = style.new_figure(3.7, title, columns=len(alphas), sharey=True)
    looks = looks_of()
    for axes, alpha in zip(np.atleast_1d(panels), alphas, strict=True):
        table = points[points["panel"] == alpha]
        for rule, rows in table.groupby("series", sort=False):
            axes.plot(rows["x"], rows["y"], **looks[str(rule)])
        even = table[table["series"] == RULES[0]]
        x, y = even["x"].to_numpy(), even["y"].to_numpy()
        _guide(axes, x, y[-1], 1.0 / float(alpha) - 1.0)
        _log_axes(axes, "")
        axes.set_title(f"alpha {alpha}")
        if float(alpha) >= 1.5:
            top = table[table["series"] == "queue by profit"]["y"].to_numpy()
            _guide(axes, x, top[-1], -1.0)
    np.atleast_1d(panels)[0].set_ylabel("PTSR, geometric mean")
    note = (
        "Largest survivor over socialised deficit, half of the deficit asked for. Alpha is "
        "the tail exponent of profits. Dotted: predicted slopes, 1/alpha - 1 and -1, "
        "through the last points."
    )
    handles = [Line2D([], [], label=rule, **look) for rule, look in looks.items()]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_severity(title: str, points: pd.DataFrame) -> Figure:
    """PTSR by size under a fixed severity and under one that falls like b_n / n."""
    alphas = sorted(points["panel"].unique(), key=float)
    figure, panels = style.new_figure(3.4, title, columns=len(alphas), sharey=True)
    names = tuple(dict.fromkeys(points["series"]))
    looks = looks_of(names)
    for axes, alpha in zip(np.atleast_1d(panels), alphas, strict=True):
        table = points[points["panel"] == alpha]
        for name, rows in table.groupby("series", sort=False):
            axes.plot(rows["x"], rows["y"], **looks[str(name)])
        _log_axes(axes, "")
        axes.set_title(f"alpha {alpha}")
    np.atleast_1d(panels)[0].set_ylabel("PTSR, geometric mean")
    note = (
        "Pro-rata. b_n is what the largest of n winners should have: with a severity in "
        "proportion to b_n / n the ratio stays where it is, at a fixed one it falls."
    )
    handles = [
        Line2D([], [], label=f"severity {name}", **look) for name, look in looks.items()
    ]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_infinite_mean(title: str, heavy: pd.DataFrame, light: pd.DataFrame) -> Figure:
    """PTSR by size with an exponent below one, beside one above."""
    figure, panels = style.new_figure(3.5, title, columns=2, sharey=True)
    looks = looks_of()
    alpha = str(heavy["panel"].iloc[0])
    for axes, table, name, kind in (
        (panels[0], heavy, f"alpha {alpha}: means are infinite", "medians"),
        (panels[1], light[light["panel"] == "1.5"], "alpha 1.5", "geometric means"),
    ):
        for rule, rows in table.groupby("series", sort=False):
            if rule != "levelling":
                axes.plot(rows["x"], rows["y"], **looks[str(rule)])
        _log_axes(axes, "PTSR" if axes is panels[0] else "")
        axes.set_title(f"{name} ({kind})")
    note = (
        "Half of the deficit asked for. The amounts of 10 October 2025 have exponents of "
        "about 0.76 to 0.78, so the conflict that needs a falling ratio is not to be seen "
        "there."
    )
    handles = [Line2D([], [], label=rule, **looks[rule]) for rule in RULES[:3]]
    style.finish(figure, note, handles)
    return figure
