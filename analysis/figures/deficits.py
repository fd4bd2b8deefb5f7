"""How large do deficits get? Exceedance curves, quantiles and the mean of the tail."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from abm.montecarlo.store import Batch
from analysis import intervals, notation, style

TAIL = 0.05

_QUANTILES = {0.5: "o", 0.9: "s", 0.99: "^"}
_LEVELS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4, 1e-5)
_TAIL_MARKER = "D"
_MOST_BANDS = 4
_MOST_NAMED = 6
_MOST_CURVES = 8
_LEAST_SHOWN = 0.02


@style.styled
def draw_deficits(batch: Batch) -> Figure:
    """Distribution of the deficit over runs, one curve a policy.

    Above, the share of runs whose deficit exceeds a size, both on log scales, with
    the exact 95% band. Below, on the same scale, quantiles and the mean of the worst 5%
    with their 95% intervals.
    """
    runs = batch.frame("runs", columns=["policy", "failed", "deficit_usd"])
    runs = runs[~runs["failed"].astype(bool)]
    samples = {
        name: np.sort(runs.loc[runs["policy"] == name, "deficit_usd"].to_numpy(float))
        for name in batch.policies
    }
    samples = {name: values for name, values in samples.items() if len(values)}
    title = "How large do deficits get?"
    if not any(values.any() for values in samples.values()):
        figure, axes = style.new_figure(3.0, title)
        why = "No finished run had a deficit." if samples else "No run finished."
        style.nothing_to_show(axes, why)
        style.finish(figure, style.about(batch))
        return figure
    below = 0.75 + 0.34 * len(samples)
    if style.is_card() and len(samples) > _MOST_CURVES:
        figure, summary = style.new_figure(0.6 + below, title)
        summary.set_xscale("log")
        marks = _draw_summary(summary, samples, batch.policies)
        style.finish(figure, f"{style.about(batch)} {_explanation(samples)}", marks)
        return figure
    figure, (curves, summary) = style.new_figure(
        4.6 + below,
        title,
        rows=2,
        sharex=True,
        height_ratios=[3.6, below],
    )
    _draw_curves(curves, samples, batch.policies)
    marks = _draw_summary(summary, samples, batch.policies)
    above = []
    if style.is_card():
        # Many curves are told apart by the names and colours of the panel below.
        above = marks + (curves.get_lines() if len(samples) <= _MOST_NAMED else [])
    else:
        right = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "alignment": "left"}
        curves.legend(title="Policy", **right)
        summary.legend(handles=marks, loc="upper left", bbox_to_anchor=(1.0, 1.08))
    style.finish(figure, f"{style.about(batch)} {_explanation(samples)}", above)
    return figure


def _draw_curves(axes: Axes, samples: dict[str, np.ndarray], policies: list[str]) -> None:
    axes.set_title("Share of runs with a deficit above a given size")
    axes.set_ylabel("Share of runs")
    styles = style.policy_styles(policies)
    most = max(len(values) for values in samples.values())
    for name, values in samples.items():
        positive = values[values > 0]
        label = f"{name}: {notation.share(1 - len(positive) / len(values))} without deficit"
        x = np.concatenate([positive[:1], positive])
        y = np.arange(len(positive), -1, -1) / len(values)
        # The step at the largest value leads to zero, which a log scale cannot show.
        axes.step(x, np.maximum(y, 1e-9), where="post", label=label, **styles[name])
        if len(samples) <= _MOST_BANDS and len(positive):
            _draw_band(axes, positive, len(values), styles[name]["color"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.5 / most, 1.25)
    axes.yaxis.set_major_locator(FixedLocator([s for s in _LEVELS if s >= 0.5 / most]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}%"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_band(axes: Axes, positive: np.ndarray, runs: int, colour: str) -> None:
    above = np.arange(len(positive) - 1, -1, -1)
    ends = np.array([intervals.share_interval(int(hits), runs) for hits in above])
    low, high = np.maximum(ends[:, 0], 1e-9), ends[:, 1]
    axes.fill_between(positive, low, high, step="post", color=colour, alpha=0.12, lw=0)


def _draw_summary(
    axes: Axes, samples: dict[str, np.ndarray], policies: list[str]
) -> list[Line2D]:
    """One row a policy: quantiles and tail mean, with intervals, slightly apart.

    Returns what a legend has to name.
    """
    axes.set_title("Quantiles and the mean of the worst 5% of runs")
    styles = style.policy_styles(policies)
    for row, (name, values) in enumerate(samples.items()):
        colour = styles[name]["color"]
        marks = list(_summary_of(values))
        for place, (marker, value, ends) in enumerate(marks):
            height = row + 0.17 * (place - (len(marks) - 1) / 2)
            _draw_mark(axes, height, marker, value, ends, colour)
    axes.set_yticks(range(len(samples)), list(samples))
    axes.set_ylim(len(samples) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    # A few tiny deficits would push the large ones together.
    positive = [values[values > 0] for values in samples.values() if values.any()]
    low = min(np.quantile(values, _LEAST_SHOWN) for values in positive)
    high = max(values.max() for values in samples.values())
    axes.set_xlim(low / 1.5, high * 2.0)
    style.usd_axis(axes.xaxis, "Deficit of a run (USD, log scale)", log=True)
    return [
        Line2D([], [], color=style.INK, marker=marker, ls="", label=label)
        for marker, label in _marks(max(len(values) for values in samples.values()))[0]
    ]


def _summary_of(values: np.ndarray) -> list[tuple[str, float, intervals.Interval]]:
    found = [
        (marker, float(np.quantile(values, q)), intervals.quantile_interval(values, q))
        for q, marker in _QUANTILES.items()
        if _is_known(q, len(values))
    ]
    if _is_known(1.0 - TAIL, len(values)):
        tail = intervals.expected_shortfall(values, TAIL)
        ends = intervals.expected_shortfall_interval(values, TAIL)
        found.append((_TAIL_MARKER, tail, ends))
    return found


def _is_known(quantile: float, runs: int) -> bool:
    """A quantile is shown if at least one run is expected beyond it."""
    return runs * (1.0 - quantile) >= 0.999


def _marks(runs: int) -> tuple[list[tuple[str, str]], list[str]]:
    """Markers and what they are; and what so few runs cannot say."""
    names = [(m, q, f"{q:.0%} of runs are below") for q, m in _QUANTILES.items()]
    names.append((_TAIL_MARKER, 1.0 - TAIL, f"mean of the worst {TAIL:.0%}"))
    known = [(marker, name) for marker, q, name in names if _is_known(q, runs)]
    unknown = [f"the {q:.0%} quantile" for q in _QUANTILES if not _is_known(q, runs)]
    if not _is_known(1.0 - TAIL, runs):
        unknown.append(names[-1][2])
    return known, unknown


def _draw_mark(
    axes: Axes,
    height: float,
    marker: str,
    value: float,
    ends: intervals.Interval,
    colour: str,
) -> None:
    """A value with its interval; an arrow where the interval has no upper end."""
    if value <= 0:
        return
    look = {"marker": marker, "ms": 6.5, "mec": "white", "mew": 0.6}
    axes.plot([value], [height], color=colour, zorder=3, **look)
    if np.isnan(ends.low):
        return
    low = ends.low if ends.low > 0 else value
    high = ends.high if np.isfinite(ends.high) else value
    axes.plot([low, max(low, high)], [height, height], color=colour, lw=1.3)
    if np.isinf(ends.high):
        arrow = {"arrowstyle": "<-", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 3}
        where = {"xytext": (26, 0), "textcoords": "offset points"}
        axes.annotate("", xy=(value, height), arrowprops=arrow, **where)


def _explanation(samples: dict[str, np.ndarray]) -> str:
    _, unknown = _marks(max(len(values) for values in samples.values()))
    words = (
        "Bands and bars are 95% intervals; an arrow means that the runs set no upper end."
    )
    if unknown:
        words += f" Too few runs for {notation.listing(unknown)}."
    return words
