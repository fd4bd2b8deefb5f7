"""How much like a market is it? Stylised facts as six pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis import estimators, facts, style
from analysis.estimators import Floats

_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
_FORMS = {"order": _BLUE, "metaorder": _ORANGE}


@style.styled
def draw_facts(index: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Tails, autocorrelation, impact, depth, cascades, and leverage.

    Parameters
    ----------
    index, tables
        Of :func:`analysis.facts.read`.
    """
    title = f"How much like a market is {index['scenario']}?"
    figure, panels = style.new_figure(6.6, title, rows=2, columns=3)
    horizons = index["horizons_s"]
    draws = (
        ("Heavy tails", lambda at: _draw_tails(at, tables["paths"], horizons)),
        ("Memory of returns", lambda at: _draw_memory(at, tables["paths"], horizons[1])),
        ("Impact", lambda at: _draw_impact(at, tables["impact"])),
        ("Depth", lambda at: _draw_profile(at, tables["profile"])),
        (
            "Cascades of liquidations",
            lambda at: _draw_cascades(at, tables["liquidations"], index["gap_s"]),
        ),
        ("Leverage and tails", lambda at: _draw_leverage(at, tables, horizons[1])),
    )
    for axes, (name, draw) in zip(panels.flat, draws, strict=True):
        axes.set_title(name)
        draw(axes)
    style.finish(figure, f"{facts.about(index)}.")
    return figure


def _standardised(paths: pd.DataFrame, horizon_s: float) -> Floats:
    """Absolute returns of all runs and markets in standard deviations of their market."""
    found = facts.returns(paths, horizon_s).values()
    return np.concatenate([np.abs(one) / one.std() for one in found if one.std() > 0.0])


def _survival(axes: Axes, values: Floats, label: str, colour: str) -> None:
    ordered = np.sort(values[values > 0.0])[::-1]
    share = np.arange(1, len(ordered) + 1) / len(ordered)
    axes.plot(ordered, share, color=colour, label=label)


def _draw_tails(axes: Axes, paths: pd.DataFrame, horizons: tuple[float, ...]) -> None:
    for horizon, colour in zip(horizons, (_BLUE, _ORANGE, _GREEN), strict=True):
        label = style.notation.duration(horizon)
        _survival(axes, _standardised(paths, horizon), label, colour)
    x = np.array([2.0, 40.0])
    axes.plot(
        x, 0.5 * (x / 2.0) ** -3.0 * 0.1, color=style.QUIET, ls="--", label="power -3"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.3, None)
    axes.set_ylim(1e-6, 1.5)
    axes.set_xlabel("Absolute return (standard deviations)")
    axes.set_ylabel("Share of returns above")
    axes.legend(loc="lower left")


def _draw_memory(axes: Axes, paths: pd.DataFrame, horizon: float) -> None:
    found = list(facts.returns(paths, horizon).values())
    longest = max(5, min(24, len(found[0]) // 8))
    lags = np.arange(1, longest + 1)
    for of, label, colour in (
        (np.asarray, "returns", _BLUE),
        (np.abs, "absolute returns", _ORANGE),
    ):
        means = [
            np.nanmean([estimators.autocorrelation(of(one), int(lag)) for one in found])
            for lag in lags
        ]
        axes.plot(lags * horizon, means, "o-", color=colour, label=label, ms=3.5)
    axes.axhline(0.0, color=style.QUIET, lw=1.0)
    axes.set_xlabel("Lag (s)")
    axes.set_ylabel("Autocorrelation")
    axes.legend(loc="upper right")


def _draw_impact(axes: Axes, impact: pd.DataFrame) -> None:
    for form, colour in _FORMS.items():
        means = impact[impact["form"] == form].groupby("size")["impact"].mean()
        label = form if (means > 0.0).any() else f"{form} (not above 0)"
        means = means[means > 0.0]
        axes.plot(means.index, 1e4 * means, "o-", color=colour, label=label)
    x = np.array([impact["size"].min(), impact["size"].max()])
    top = 1e4 * impact.groupby(["form", "size"])["impact"].mean().max()
    axes.plot(x, top * (x / x[1]) ** 0.5, color=style.QUIET, ls="--", label="square root")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Size (calm depth within 1%)")
    style.unit_axis(axes.yaxis, "Impact (basis points)", "number", log=True)
    axes.set_ylim(None, 4.0 * top)
    axes.legend(loc="upper left")


def _draw_profile(axes: Axes, profile: pd.DataFrame) -> None:
    means = profile.groupby("distance")["depth_usd"].mean()
    axes.plot(100.0 * means.index, means, "o-", color=_BLUE, label="measured")
    x, at = means.index.to_numpy(float), float(means.loc[0.01])
    for power, dash in ((1.0, "--"), (2.0, ":")):
        axes.plot(
            100.0 * x, at * (x / 0.01) ** power, color=style.QUIET, ls=dash,
            label=f"power {power:g}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.usd_axis(axes.yaxis, "Depth of a side (USD)", log=True)
    axes.set_xlabel("Distance from the middle (%)")
    axes.legend(loc="upper left")


def _draw_cascades(axes: Axes, liquidations: pd.DataFrame, gap_s: float) -> None:
    found = facts.cascades(liquidations, gap_s)["usd"].to_numpy(float)
    if len(found) < 2:
        style.nothing_to_show(axes, "There were none.")
        return
    _survival(axes, found, "measured", _BLUE)
    x = np.quantile(found, [0.8, 1.0])
    for power, dash in ((0.5, "--"), (1.5, ":")):
        axes.plot(
            x,
            0.2 * (x / x[0]) ** -power,
            color=style.QUIET,
            ls=dash,
            label=f"power -{power:g}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.usd_axis(axes.xaxis, "Size of a cascade (USD)", log=True)
    axes.xaxis.set_major_locator(LogLocator(base=1000.0))
    axes.set_ylabel("Share of cascades above")
    axes.legend(loc="lower left")


def _draw_leverage(axes: Axes, tables: Mapping[str, pd.DataFrame], horizon: float) -> None:
    if "levered" not in tables:
        style.nothing_to_show(axes, "Not run at other limits.")
        return
    table = facts.by_leverage(tables["levered"], horizon)
    for run, rows in table.groupby("run"):
        label = "a run" if run == table["run"].min() else None
        axes.plot(rows["limits"], rows["kurtosis"], color=style.SHADE, lw=0.9, label=label)
    means = table.groupby("limits")["kurtosis"].mean()
    axes.plot(means.index, means, "o-", color=_BLUE, label="mean")
    axes.set_xlabel("Leverage limits (scenario's are 1)")
    axes.set_ylabel("Excess kurtosis of returns")
    axes.legend(loc="upper left")
