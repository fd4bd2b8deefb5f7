"""One look for all figures: theme, colours, ticks, captions, and how they are saved."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from abm.montecarlo.store import Batch
from analysis import notation

P = ParamSpec("P")
R = TypeVar("R")

WIDTH = 9.6
"""Inches; all figures are equally wide, so that text has one size on a page."""

CARD_WIDTH = 5.4
"""Inches of a card: a figure in one column, which can still be read on a phone."""

DPI = 150
INK = "#222222"
QUIET = "#6b6b6b"
SHADE = "#d9d9d9"
GRID = "#e6e6e6"

# Okabe and Ito's colours, told apart by every kind of colour vision; the yellow of their
# set is too light for lines on white.
_POLICY_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#7A5C00",
    "#000000",
)
# Tol's muted colours, so that a kind is never taken for a policy.
_KIND_COLOURS = (
    "#332288",
    "#88CCEE",
    "#44AA99",
    "#999933",
    "#CC6677",
    "#882255",
    "#117733",
    "#AA4499",
    "#DDCC77",
)
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))

_THEME = {
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.titlesize": 11.5,
    # No tick is above a panel; to look for one at every step takes a sixth of the drawing.
    "axes.titley": 1.0,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.0,
    "axes.axisbelow": True,
    "figure.titlesize": 14.0,
    "figure.titleweight": "bold",
    "font.sans-serif": ["DejaVu Sans"],
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9.5,
}
_CARD_THEME = {"axes.titlesize": 9.8, "axes.titlepad": 6.0, "legend.fontsize": 9.0}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in this look, whatever look the caller has set, and leave that alone."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(), sns.axes_style("whitegrid"):
            mpl.rcParams.update(_THEME | (_CARD_THEME if is_card() else {}))
            return draw(*args, **kwargs)

    return drawn


_is_card: ContextVar[bool] = ContextVar("_is_card", default=False)


@contextmanager
def cards() -> Iterator[None]:
    """Draw cards: narrow, panels in one column, without title and small print.

    The page around them says these; the small print is the figure's label.
    """
    token = _is_card.set(True)
    try:
        yield
    finally:
        _is_card.reset(token)


def is_card() -> bool:
    """True within :func:`cards`."""
    return _is_card.get()


def new_figure(
    height: float, title: str, rows: int = 1, columns: int = 1, **how: Any
) -> tuple[Figure, Any]:
    """A figure with a title and a grid of axes, which `how` describes as in `subplots`.

    Figures are made without pyplot, so that nothing is left open and no screen is needed.
    On a card the panels of a row stand below each other, and `height` is for one column.
    """
    stacked = is_card() and columns > 1
    if stacked:
        height = columns * (height - 1.0) + 0.2
        how["sharey"] = False
    width = CARD_WIDTH if is_card() else WIDTH
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if stacked:
        squeeze = how.pop("squeeze", True)
        axes = figure.subplots(rows * columns, 1, squeeze=False, **how)
        axes = axes.reshape(rows, columns)
        return figure, axes[0] if squeeze and rows == 1 else axes
    axes = figure.subplots(rows, columns, **how)
    if not is_card():
        figure.suptitle(title, x=0.012, y=1.0 - 0.12 / height, ha="left", va="top")
    return figure, axes


def finish(figure: Figure, text: str, handles: Sequence[Artist] = ()) -> None:
    """Add the small print at the foot and, if given, a legend in rows below the title."""
    height, width = figure.get_size_inches()[::-1]
    lines = [] if is_card() else textwrap.wrap(text, 150)
    title = 0.02 if is_card() else 0.42
    foot = (0.155 * len(lines) + 0.1 * bool(lines)) / height
    # An inch of the legend takes about 12 letters, and a handle as much room as nine.
    room = round(115 * width / WIDTH)
    letters = [len(str(handle.get_label())) + 9 for handle in handles]
    fitting = len(handles) if sum(letters) <= room else max(1, room // max(letters))
    rows = math.ceil(len(handles) / max(1, fitting))
    head = (title + 0.22 * rows + 0.15 * bool(rows)) / height
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, foot, 1.0, 1.0 - foot - head))
    if handles:
        top = 1.0 - (title - 0.02) / height
        place = {"loc": "upper left", "bbox_to_anchor": (0.005, top)}
        legend = figure.legend(handles=list(handles), ncols=fitting, **place)
        legend.set_in_layout(False)
    small = {"fontsize": 8.5, "color": QUIET, "ha": "left", "va": "bottom"}
    if lines:
        figure.text(0.012, 0.07 / height, "\n".join(lines), linespacing=1.25, **small)
    figure.set_label(text)
    _leave_out_empty_labels(figure)


def about(batch: Batch) -> str:
    """Where the numbers come from: scenario, number of runs, first seed."""
    runs = int(batch.manifest["runs"])
    many = "1 run" if runs == 1 else f"{notation.count(runs)} runs"
    return f"Scenario {batch.name}, {many}, first seed {batch.manifest['first_seed']}."


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG at 150 dots an inch; equal figures give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set(dpi=DPI, facecolor="white")
    # `savefig` would draw the figure twice, the first time to lay it out.
    how = {"compress_level": 3}
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None}, pil_kwargs=how)
    return path


def _leave_out_empty_labels(figure: Figure) -> None:
    """Let the layout neither look for a place for labels without text nor keep it."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.label.get_text():
                axis.set_label_coords(0.0, 0.0)


# --- colours ----------------------------------------------------------------------------


def policy_styles(policies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each policy by its place in the plan, as arguments of a line."""
    return {
        name: {
            "color": _POLICY_COLOURS[i % len(_POLICY_COLOURS)],
            "linestyle": _DASHES[i // len(_POLICY_COLOURS) % len(_DASHES)],
        }
        for i, name in enumerate(policies)
    }


def series_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each kind, market or other series, by its place in the scenario."""
    return {name: _KIND_COLOURS[i % len(_KIND_COLOURS)] for i, name in enumerate(names)}


# --- axes -------------------------------------------------------------------------------


def usd_axis(axis: Axis, label: str, log: bool = False) -> None:
    """Ticks such as ``$10K`` and ``$1M``, and a label with the unit."""
    axis.set_label_text(label)
    axis.set_major_formatter(FuncFormatter(lambda value, _: short_usd(value)))
    if log:
        log_ticks(axis)
    elif is_card() and axis.axis_name == "x":
        axis.set_major_locator(MaxNLocator(5))


_CARD_TICKS = 7
"""Decades that can be named on a card without touching each other."""


def log_ticks(axis: Axis) -> None:
    """Ticks at decades; at 1, 2 and 5 where there are few decades."""
    low, high = axis.get_view_interval()
    if high < 4.0 * low:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(NullLocator())
        return
    subs = (1.0,) if high > 300.0 * low else (1.0, 2.0, 5.0)
    ticks = _CARD_TICKS if is_card() else 10
    axis.set_major_locator(LogLocator(base=10.0, subs=subs, numticks=ticks))
    axis.set_minor_locator(LogLocator(base=10.0, subs=range(1, 10), numticks=10))
    axis.set_minor_formatter(NullFormatter())


def short_usd(value: float) -> str:
    """``$2M`` rather than ``$2.00M``: ticks are round."""
    text = notation.usd(value)
    suffix = text[-1] if text[-1] in "KMBT" else ""
    number = text.removesuffix(suffix) if suffix else text
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + suffix


def share_axis(axis: Axis, label: str) -> None:
    """Ticks in per cent of the whole."""
    axis.set_label_text(label)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}%"))


def unit_axis(axis: Axis, label: str, unit: str, log: bool = False) -> None:
    """An axis of ``usd``, ``share``, ``count``, ``seconds`` or ``number``."""
    if unit == "usd":
        usd_axis(axis, label, log)
    elif unit == "share":
        share_axis(axis, label)
    else:
        axis.set_label_text(label)
        if log:
            log_ticks(axis)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)


def time_axis(axis: Axis, duration_s: float) -> None:
    """At most ten ticks at round seconds, minutes or hours, written as a clock."""
    unit = "h:min:s" if duration_s >= 3600 else "min:s"
    axis.set_label_text(f"Time since the start ({unit})")
    days = 86_400 * math.ceil(duration_s / 864_000)
    step = next((step for step in _ROUND_TIMES if duration_s <= 10 * step), days)
    axis.set_ticks([i * step for i in range(int(duration_s // step) + 1)])
    axis.set_major_formatter(FuncFormatter(lambda value, _: notation.clock(value)))


def nothing_to_show(axes: Axes, text: str) -> None:
    """Say why a panel is empty, in its middle."""
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET
    )
