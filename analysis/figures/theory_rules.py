"""Figures that hold rules against each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import style
from analysis.figures.theory_slopes import RULES, looks_of


@style.styled
def draw_separation(title: str, points: pd.DataFrame) -> Figure:
    """Share of the deficit that is left, by severity, one line a rule."""
    places = list(dict.fromkeys(points["panel"]))
    figure, panels = style.new_figure(3.9, title, columns=len(places), sharey=True)
    names = list(dict.fromkeys(points["series"]))
    looks = style.policy_styles(names)
    for axes, place in zip(np.atleast_1d(panels), places, strict=True):
        table = points[points["panel"] == place]
        for i, (name, rows) in enumerate(table.groupby("series", sort=False)):
            # Lines that coincide show through each other as rings of falling size.
            size = max(3.0, 12.0 - 2.4 * i)
            axes.plot(rows["x"], rows["y"], marker="o", ms=size, mfc="none", lw=1.3,
                      **looks[str(name)])  # fmt: skip
        axes.plot([0, 1], [1, 0], color=style.INK, lw=1.0, ls=":", zorder=0)
        where = "generated books" if place == "generated" else "waves of the market"
        axes.set_title(where)
        style.share_axis(axes.xaxis, "Severity: share of the deficit asked for")
    style.share_axis(np.atleast_1d(panels)[0].yaxis, "Left of the deficit")
    note = (
        "Sum over waves. Rings of rules that agree lie within each other, on the line 1 - "
        "severity. Where caps bind more is left; whole lots at a price miss by a little."
    )
    handles = [
        Line2D([], [], marker="o", mfc="none", label=name, **looks[name]) for name in names
    ]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_queue(title: str, points: pd.DataFrame) -> Figure:
    """How often the queue leaves less, by tail exponent, one line a budget."""
    figure, axes = style.new_figure(3.6, title)
    budgets = list(dict.fromkeys(points["series"]))
    looks = style.policy_styles(budgets)
    for budget, rows in points.groupby("series", sort=False):
        look = looks[str(budget)]
        axes.plot(rows["x"], rows["y"], marker="o", ms=4.5, **look)
        axes.vlines(rows["x"], rows["low"], rows["high"], color=look["color"], lw=1.2)
    axes.set_xlabel("Tail exponent of profits (heavy on the left)")
    style.share_axis(axes.yaxis, "Share of books")
    axes.set_ylim(0.0, 1.03)
    axes.axhline(0.5, color=style.QUIET, lw=0.8)
    note = (
        "Books of 50 Pareto profits; bars are 95% intervals. Where the queue does not "
        "leave less, the second largest was near enough to the first to be the largest "
        "survivor."
    )
    handles = [
        Line2D([], [], marker="o", label=f"budget {float(name):.0%} of profits", **look)
        for name, look in looks.items()
    ]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_splitting(title: str, points: pd.DataFrame) -> Figure:
    """Share of the payment saved by number of parts, one line a rule."""
    figure, axes = style.new_figure(3.5, title)
    looks = looks_of()
    nudge = dict(zip(RULES, (0.97, 1.03, 1.0, 1.0), strict=True))
    for rule, rows in points.groupby("series", sort=False):
        look = looks[str(rule)]
        x = rows["x"] * nudge[str(rule)]
        axes.plot(x, rows["y"], **look)
        axes.vlines(x, rows["low"], rows["high"], color=look["color"], lw=1.2)
    axes.set_xscale("log", base=2)
    ticks = sorted(points["x"].unique())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("Parts")
    style.share_axis(axes.yaxis, "Saved of what it paid")
    note = (
        "The richest of 500 accounts, tail exponent 1.5, a tenth of all profits taken; "
        "mean over books, bars are 95% intervals. Pro-rata and a queue by a score that "
        "splitting leaves alone coincide at zero."
    )
    handles = [Line2D([], [], label=rule, **looks[rule]) for rule in RULES]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_churn(title: str, points: pd.DataFrame) -> Figure:
    """Share of wealth that stays, a bar a rule, by what each round asks for."""
    figure, axes = style.new_figure(3.3, title)
    shares = list(dict.fromkeys(points["panel"]))
    looks = looks_of()
    for i, rule in enumerate(RULES):
        rows = points[points["series"] == rule]
        place = np.arange(len(shares)) + 0.2 * (i - 1.5)
        colour = looks[rule]["color"]
        axes.bar(place, rows["y"], width=0.18, color=colour)
        axes.vlines(place, rows["low"], rows["high"], color=style.INK, lw=1.2)
        for at, value in zip(place, rows["y"], strict=True):
            axes.text(at, value + 0.03, f"{value:.0%}", ha="center", fontsize=9.0)
    axes.set_xticks(range(len(shares)), [f"{float(s):.0%} a round" for s in shares])
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0.0, 1.0)
    style.share_axis(axes.yaxis, "Wealth that stays")
    note = (
        "200 accounts, tail exponent 1.5; a haircut h of what is left keeps exp(-5 h) of "
        "the account. Mean over books with its 95% interval."
    )
    handles = [Patch(color=looks[rule]["color"], label=rule) for rule in RULES]
    style.finish(figure, note, handles)
    return figure


@style.styled
def draw_survivors(title: str, points: pd.DataFrame) -> Figure:
    """The largest survivor under three rules on two small books."""
    books = list(dict.fromkeys(points["series"]))
    figure, panels = style.new_figure(3.0, title, columns=len(books), sharey=True)
    rules = ("queue by profit", "pro-rata", "levelling")
    looks = looks_of()
    for axes, book in zip(panels, books, strict=True):
        rows = points[points["series"] == book].sort_values("x")
        axes.bar(range(3), rows["y"], width=0.6, color=[looks[r]["color"] for r in rules])
        for at, value in enumerate(rows["y"]):
            axes.text(at, value + 0.15, f"{value:.3g}", ha="center")
        axes.set_xticks(range(3), rules)
        axes.set_title(f"profits {book}")
        axes.grid(axis="x", visible=False)
        axes.set_ylim(0.0, 9.0)
    panels[0].set_ylabel("Largest survivor, USD")
    style.finish(figure, "Levelling down is never worse than the better of the two.")
    return figure
