"""Whom does a rule drive away? Does its damage add up over crashes? Bars and lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from abm.montecarlo.store import Batch
from analysis import notation, style
from analysis.retention import by_episode, by_group

_FILL = 0.8
_MOST_POLICIES = 6
_LIMITS = ("100", "1K", "10K", "100K", "1M")


@style.styled
def draw_churn(batch: Batch) -> Figure:
    """Accounts that leave, by kind (left) and by equity on arrival (right), a bar a policy.

    Bars are those that were seen to leave or to have made up their minds, marks those that
    the hazard expects; both of all accounts of the group, with 95% intervals over runs.
    """
    title = "Whom does each rule drive away?"
    policies = batch.policies[:_MOST_POLICIES]
    tables = {by: by_group(batch, by) for by in ("kind", "size_from_usd")}
    if tables["kind"].empty:
        return _nothing(batch, title)
    rows = max(len(_groups(table)) for table in tables.values())
    height = rows * min(0.2 + 0.17 * len(policies), 0.9)
    figure, axes = style.new_figure(1.9 + height, title, columns=2)
    for panel, (by, table) in zip(axes, tables.items(), strict=True):
        _draw_bars(panel, table, policies, by)
    axes[0].set_title("By kind of trader")
    axes[1].set_title("By equity on arrival")
    ends = [panel.get_xlim()[1] for panel in axes]
    for panel in axes:
        panel.set_xlim(0.0, max(*ends, 0.01))
        style.share_axis(panel.xaxis, "Share of the group's accounts")
    looks = style.policy_styles(batch.policies)
    handles: list[Any] = [
        Patch(color=looks[name]["color"], label=f"{name}: left or leaving")
        for name in policies
    ]
    mark = {"color": "black", "ls": "", "marker": "D", "ms": 5}
    handles.append(Line2D([], [], label="expected by the hazard", **mark))
    style.finish(figure, f"{style.about(batch)} {_words(batch)}", handles)
    return figure


def _nothing(batch: Batch, title: str) -> Figure:
    figure, axes = style.new_figure(3.0, title)
    style.nothing_to_show(axes, "No run finished.")
    style.finish(figure, style.about(batch))
    return figure


def _groups(table: pd.DataFrame) -> list[object]:
    """All groups of any policy, in the order in which they are told."""
    groups = table.index.get_level_values(1)
    return sorted(groups.unique()) if groups.dtype.kind == "f" else list(groups.unique())


def _draw_bars(axes: Axes, table: pd.DataFrame, policies: list[str], by: str) -> None:
    groups = _groups(table)
    places = np.arange(len(groups))
    thick = _FILL / len(policies)
    looks = style.policy_styles(policies)
    for i, policy in enumerate(policies):
        if policy not in table.index.get_level_values(0):
            continue
        rows = table.loc[policy].reindex(groups)
        height = places + (i - (len(policies) - 1) / 2) * thick
        axes.barh(height, rows["observed"], 0.88 * thick, color=looks[policy]["color"])
        line = {"color": style.INK, "lw": 1.0}
        axes.hlines(height, rows["observed_low"], rows["observed_high"], **line)
        mark = {"marker": "D", "s": 26, "color": "black", "edgecolor": "white"}
        axes.scatter(rows["expected"], height, zorder=3, lw=0.7, **mark)
    names = [_size_name(float(g)) if by != "kind" else str(g) for g in groups]
    axes.set_yticks(places, names)
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.grid(axis="y", visible=False)


def _size_name(low: float) -> str:
    """Such as ``$1K to 10K``."""
    if low == 0.0:
        return f"under ${_LIMITS[0]}"
    at = round(np.log10(low)) - 2
    if at == len(_LIMITS) - 1:
        return f"over ${_LIMITS[at]}"
    return f"${_LIMITS[at]} to {_LIMITS[at + 1]}"


def _words(batch: Batch) -> str:
    given = batch.scenario.get("retention", {})
    words = "Lines are 95% intervals over runs."
    if given:
        words += (
            f" The hazard is 1 - exp(-{given['beta']:g} h), h being what was taken of the "
            f"account's {given['base']}."
        )
    return f"{words} Traders react to the share of their position that is closed."


@style.styled
def draw_episodes(batch: Batch) -> Figure:
    """What is left after every crash, a line a policy.

    Lifetime value that is expected to stay, accounts that are there when the next crash
    begins, what the insurance fund then holds, and what each crash took.
    """
    title = "Does a rule's damage add up over crashes?"
    table = by_episode(batch)
    if table.empty:
        return _nothing(batch, title)
    figure, axes = style.new_figure(6.6, title, rows=2, columns=2, sharex=True)
    panels = {
        "kept": "Lifetime value that stays after a crash",
        "active": "Accounts there when a crash begins",
        "insurance_start_usd": "Insurance fund when a crash begins",
        "deficit_usd": "Deficit of a crash",
    }
    for panel, (name, words) in zip(axes.ravel(), panels.items(), strict=True):
        _draw_lines(panel, table, batch.policies, name)
        panel.set_title(words)
        panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
    style.share_axis(axes[0, 0].yaxis, "Share of that before the first")
    axes[0, 1].set_ylabel("Traders with money")
    style.usd_axis(axes[1, 0].yaxis, "Equity (USD)")
    style.usd_axis(axes[1, 1].yaxis, "Mean deficit (USD)")
    for panel in axes[1]:
        panel.set_xlabel("Crash")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    looks = style.policy_styles(batch.policies)
    handles = [Line2D([], [], label=name, **looks[name]) for name in batch.policies]
    style.finish(figure, f"{style.about(batch)} {_episodes_words(batch)}", handles)
    return figure


def _draw_lines(axes: Axes, table: pd.DataFrame, policies: list[str], name: str) -> None:
    looks = style.policy_styles(policies)
    for policy in policies:
        if policy not in table.index.get_level_values(0):
            continue
        rows = table.loc[policy]
        crash = rows.index.to_numpy() + 1
        axes.plot(crash, rows[name], marker="o", ms=4, **looks[policy])
        band = {"color": looks[policy]["color"], "alpha": 0.18, "lw": 0}
        axes.fill_between(crash, rows[f"{name}_low"], rows[f"{name}_high"], **band)


def _episodes_words(batch: Batch) -> str:
    given = batch.scenario.get("episodes", {})
    words = "Means over runs; bands are 95% intervals."
    if given:
        words += (
            f" {given['calm_days']:g} days lie between two crashes, in which "
            f"{notation.count(given['calm_days'] * given['newcomers_per_day'])} accounts "
            "arrive on average, the same under every rule; who has left stays away."
        )
    return words
