"""How concentrated are haircuts? Lorenz curves of what accounts gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from abm.montecarlo.store import Batch
from analysis import intervals, notation, style
from analysis.payers import Payers, gini, lorenz, top_share

Floats = npt.NDArray[np.float64]

_MOST_POLICIES = 6
_MOST_BANDS = 3
WEIGHTS = {"paid_usd": "Money given", "closed_usd": "Notional closed by ADL"}


@dataclass(frozen=True)
class _Concentration:
    """Lorenz curves of one policy (or of profits), one row a run, and their summary."""

    name: str
    look: dict[str, Any]
    curves: Floats
    note: str


@style.styled
def draw_lorenz(
    batch: Batch, payers: Payers, weights: Sequence[str] = tuple(WEIGHTS)
) -> Figure:
    """Lorenz curves of haircuts by policy, against equality and against profits.

    Each curve is the mean over runs of one curve a run, over all accounts that could have
    been asked (those that were hit, where it is not known who else could have been). Left
    the Lorenz curve, right the same seen from the largest giver on a log scale. Above
    money; below, if a policy closes contracts, the notional that it closed. `weights` says
    which of the two to draw.
    """
    title = "How concentrated are haircuts?"
    if not payers.paid[list(WEIGHTS)].to_numpy().any():
        figure, axes = style.new_figure(3.0, title)
        style.nothing_to_show(axes, "Nobody had to pay in any run.")
        style.finish(figure, style.about(batch))
        return figure
    payers, rest = payers.where_both_are_known().of_first_policies(_MOST_POLICIES)
    weights = [name for name in weights if payers.paid[name].any()]
    how = {"rows": len(weights), "columns": 2, "squeeze": False, "sharey": True}
    figure, axes = style.new_figure(1.4 + 3.9 * len(weights), title, **how)
    grid = _grid(payers)
    handles: dict[str, Line2D] = {}
    for row, weight in zip(axes, weights, strict=True):
        found = _concentrations(batch, payers, weight, grid)
        _draw_curves(row[0], found, grid, WEIGHTS[weight], payers.top)
        _draw_tops(row[1], found, grid, WEIGHTS[weight])
        handles |= {one.name: Line2D([], [], label=one.name, **one.look) for one in found}
    equality = {"label": "all give the same", "color": style.QUIET, "lw": 1.0}
    shown = [Line2D([], [], **equality), *handles.values()]
    style.finish(figure, f"{style.about(batch)} {_explanation(payers)}{rest}", shown)
    return figure


def _grid(payers: Payers) -> Floats:
    """Shares of accounts, dense where the largest givers are, rising from 0 to 1."""
    source = payers.able if len(payers.able) else payers.paid
    most = source.groupby("run")["account"].nunique().max()
    from_top = np.geomspace(1.0, 1.0 / max(most, 2), 200)
    return np.unique(np.concatenate([np.linspace(0.0, 1.0, 201), 1.0 - from_top]))


def _concentrations(
    batch: Batch, payers: Payers, weight: str, grid: Floats
) -> list[_Concentration]:
    """Profits first, then each policy under which anything was given."""
    top = payers.top
    found = []
    if len(payers.able):
        look = {"color": "black", "linestyle": (0, (4, 2)), "lw": 1.5}
        by_run = payers.able.groupby("run")["capacity_usd"]
        profits = [one.to_numpy(float) for _, one in by_run if one.any()]
        found.append(_concentration("profits", profits, look, grid, top))
    styles = style.policy_styles(batch.policies)
    for policy in payers.policies:
        amounts = payers.amounts(policy, weight)
        if amounts:
            found.append(_concentration(policy, amounts, styles[policy], grid, top))
    return found


def _concentration(
    name: str, amounts: list[Floats], look: dict[str, Any], grid: Floats, top: float
) -> _Concentration:
    """Curves of all runs in which anything was given, and what they say in short."""
    curves = np.array([lorenz(given, grid) for given in amounts])
    ginis = [gini(given) for given in amounts]
    tops = [top_share(given, top) for given in amounts]
    ends = intervals.mean_interval(ginis, most=1.0)
    span = notation.span(f"{ends.low:.2f}", f"{ends.high:.2f}")
    span = f" ({span})" if np.isfinite(ends.low) and " " in span else ""
    note = f"{name}: {np.mean(ginis):.2f}{span}; {np.mean(tops):.0%}"
    return _Concentration(name, look, curves, note)


def _draw_curves(
    axes: Axes, found: list[_Concentration], grid: Floats, title: str, top: float
) -> None:
    """Lorenz curves, with Gini coefficients in the corner that they leave free."""
    axes.set_title(f"{title}: Lorenz curve")
    axes.plot([0, 1], [0, 1], color=style.QUIET, lw=1.0)
    for one in found:
        axes.plot(grid, one.curves.mean(axis=0), **one.look)
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    place = {"transform": axes.transAxes, "fontsize": 9.0, "va": "top", "bbox": white}
    axes.text(0.03, 0.97, f"Gini coefficient; share of the top {top:.0%}", **place)
    for i, one in enumerate(found):
        axes.text(0.03, 0.91 - 0.06 * i, one.note, color=one.look["color"], **place)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    style.share_axis(axes.xaxis, "Share of the accounts, smallest givers first")
    style.share_axis(axes.yaxis, "Share of the total that they gave")


def _draw_tops(axes: Axes, found: list[_Concentration], grid: Floats, title: str) -> None:
    """The same curves seen from the largest giver, with a band over runs."""
    axes.set_title(f"{title}: the largest givers")
    top = 1.0 - grid[:-1]
    axes.plot(top, top, color=style.QUIET, lw=1.0)
    for one in found:
        given = 1.0 - one.curves[:, :-1]
        axes.plot(top, given.mean(axis=0), **one.look)
        if len(found) <= _MOST_BANDS + 1 and one.name != "profits":
            low, high = np.quantile(given, [0.05, 0.95], axis=0)
            axes.fill_between(top, low, high, color=one.look["color"], alpha=0.13, lw=0)
    axes.set_xscale("log")
    axes.set_xlim(top.min(), 1.0)
    style.share_axis(axes.xaxis, "Share of the accounts, largest givers first (log scale)")
    style.share_axis(axes.yaxis, "Share of the total that they gave")
    ticks = [tick for tick in 10.0 ** np.arange(-7, 1) if tick >= top.min()]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_tick_params(labelleft=True)


def _explanation(payers: Payers) -> str:
    whom = "all accounts that could have been asked"
    profits = (
        "Dashed: profits, the curve of a rule that takes the same share from everyone. "
    )
    if payers.able.empty:
        whom, profits = "the accounts that were hit", ""
    closing = ""
    if payers.by_contracts:
        closing = (
            "Where contracts are closed, money is the loss against the mark by being "
            "closed at the settlement's price."
        )
    enough = payers.runs >= intervals.FEWEST_VALUES
    ends = "; in brackets 95% intervals" if enough else ""
    return (
        f"Means over {payers.runs} runs, over {whom}; bands hold the middle 90% of "
        f"runs{ends}. {profits}{closing}"
    )
