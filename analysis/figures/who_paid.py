"""Who paid? Shares of what was taken and of the accounts hit, by kind and by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abm.montecarlo.store import Batch
from analysis import intervals, style
from analysis.payers import Payers

SIZES = (0.0, 1e2, 1e3, 1e4, 1e5, 1e6, np.inf)
SIZE_NAMES = (
    "under $100",
    "$100 to 1K",
    "$1K to 10K",
    "$10K to 100K",
    "$100K to 1M",
    "over $1M",
)
_FILL = 0.8
_TALLEST_GROUP = 0.85
MOST_POLICIES = 6
_HATCH = "////"


@dataclass(frozen=True)
class _Series:
    """One bar a group: what is shared out, by whom, and how it is drawn."""

    label: str
    rows: pd.DataFrame
    weight: str
    look: dict[str, Any]


@style.styled
def draw_who_paid(
    batch: Batch, payers: Payers, groups: Sequence[str] = ("kind", "size")
) -> Figure:
    """Who paid, by kind (left) and by equity (right): money above, accounts below.

    A black mark shows each group's share of what could have been asked: of all profits
    above, of all accounts in profit below. `groups` says which of the two to draw.
    """
    title = "Who paid, and who could have?"
    if payers.paid.empty:
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "Nobody had to pay in any run.")
        style.finish(figure, style.about(batch))
        return figure
    payers, rest = payers.where_both_are_known().of_first_policies(MOST_POLICIES)
    kinds = _kinds(batch, payers)
    bars = len(payers.policies) + len(payers.by_contracts)
    group = min(0.13 + 0.145 * bars, _TALLEST_GROUP)
    height = 0.5 + group * max(len(kinds), len(SIZE_NAMES))
    figure, axes = style.new_figure(
        1.5 + 2 * height, title, rows=2, columns=len(groups), sharex="row", squeeze=False
    )
    money, accounts = (
        _series(batch, payers, money=True),
        _series(batch, payers, money=False),
    )
    for column, by in enumerate(groups):
        names = kinds if by == "kind" else list(SIZE_NAMES)
        whom = "kind of account" if by == "kind" else "equity"
        _draw_groups(axes[0, column], money, payers.able, by, names, "capacity_usd")
        _draw_groups(axes[1, column], accounts, payers.able, by, names, None)
        axes[0, column].set_title(f"What was taken, by {whom}")
        axes[1, column].set_title(f"Accounts hit, by {whom}")
        style.share_axis(axes[0, column].xaxis, "Share of what was taken")
        style.share_axis(axes[1, column].xaxis, "Share of the accounts hit")
    handles = _handles(money, len(payers.able) > 0)
    style.finish(figure, f"{style.about(batch)} {_explanation(payers)}{rest}", handles)
    return figure


def _kinds(batch: Batch, payers: Payers) -> list[str]:
    """Kinds that paid or could have, in the scenario's order, makers and users last."""
    seen = set(payers.paid["kind"]) | set(payers.able["kind"])
    known = [*batch.scenario["kinds"], "maker", "user"]
    return [kind for kind in known if kind in seen]


def _series(batch: Batch, payers: Payers, *, money: bool) -> list[_Series]:
    """What each policy took; for policies by contracts also what it closed."""
    colours = style.policy_styles(batch.policies)
    found = []
    for policy in payers.policies:
        rows = payers.paid[payers.paid["policy"] == policy]
        colour = colours[policy]["color"]
        label = f"{policy}: money" if money and policy in payers.by_contracts else policy
        weight = "paid_usd" if money else ""
        found.append(_Series(label, rows, weight, {"color": colour}))
        if money and policy in payers.by_contracts:
            look = {"facecolor": "white", "edgecolor": colour, "hatch": _HATCH, "lw": 0.8}
            found.append(_Series(f"{policy}: notional closed", rows, "closed_usd", look))
    return found


def _draw_groups(
    axes: Axes,
    series: Sequence[_Series],
    able: pd.DataFrame,
    by: str,
    names: list[str],
    capacity: str | None,
) -> None:
    """Bars grouped by kind or size, with intervals over runs, and marks of capacity."""
    thick = _FILL / len(series)
    places = np.arange(len(names))
    for i, one in enumerate(series):
        height = places + (i - (len(series) - 1) / 2) * thick
        shares, ends = _shares(one.rows, by, names, one.weight)
        axes.barh(height, shares, 0.9 * thick, **one.look)
        known = np.isfinite(ends[:, 0])
        line = {"color": style.INK, "lw": 1.0, "alpha": 0.75}
        axes.hlines(height[known], ends[known, 0], ends[known, 1], **line)
    if len(able):
        shares, _ = _shares(able, by, names, capacity or "")
        low, high = places - 0.5 * _FILL - 0.04, places + 0.5 * _FILL + 0.04
        axes.vlines(shares, low, high, color="black", lw=2.4)
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0.0)
    axes.grid(axis="y", visible=False)


def _shares(
    rows: pd.DataFrame, by: str, names: list[str], weight: str
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of groups in a total over all runs, and their intervals, shape (groups, 2)."""
    weights = rows[weight].to_numpy(float) if weight else np.ones(len(rows))
    if by == "kind":
        group = pd.Categorical(rows["kind"], names).codes
    else:
        group = np.digitize(rows["equity_usd"], SIZES[1:-1])
    _, run = np.unique(rows["run"], return_inverse=True)
    cells = run * len(names) + group
    table = np.bincount(cells, weights, minlength=(run.max() + 1) * len(names))
    table = table.reshape(-1, len(names))
    total = table.sum(axis=1)
    if total.sum() == 0.0:
        return np.zeros(len(names)), np.full((len(names), 2), np.nan)
    ends = np.array(intervals.ratio_intervals(table, total))
    return table.sum(axis=0) / total.sum(), ends


def _handles(series: Sequence[_Series], has_able: bool) -> list[Any]:
    handles: list[Any] = [Patch(label=one.label, **one.look) for one in series]
    if has_able:
        mark = {"color": "black", "ls": "", "marker": "|", "ms": 12, "mew": 2.4}
        handles.append(Line2D([], [], label="could have been asked", **mark))
    return handles


def _explanation(payers: Payers) -> str:
    enough = payers.runs >= intervals.FEWEST_VALUES
    ends = "; thin lines are 95% intervals" if enough else ""
    words = (
        f"The first {payers.runs} runs, whose decisions are kept, taken together{ends}. "
    )
    if payers.by_contracts:
        words += (
            "Where contracts are closed, money is the loss against the mark by being "
            "closed at the settlement's price. "
        )
    if payers.able.empty:
        return f"{words}Who could have been asked is not known without an audit."
    return (
        f"{words}Black marks: the group's share of all profits (above) and of all accounts "
        "in profit (below) that a rule could have asked."
    )
