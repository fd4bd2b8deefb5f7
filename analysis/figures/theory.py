"""The figures of the theory page: which there are, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from analysis import style
from analysis.figures import theory_rules, theory_slopes, theory_waves
from analysis.theory import Part


class Drawing(NamedTuple):
    """A figure: its file's name, the hypotheses it needs, its title and its function."""

    name: str
    needs: tuple[str, ...]
    title: str
    draw: Callable[..., Figure]


DRAWINGS = (
    Drawing(
        "ptsr-slopes", ("H1",),
        "How fast does the largest survivor fall behind the deficit?",
        theory_slopes.draw_slopes,
    ),
    Drawing(
        "severity-load", ("H3",),
        "Which severity keeps survivor and deficit in step?",
        theory_slopes.draw_severity,
    ),
    Drawing(
        "infinite-mean", ("H4", "H1"),
        "With tails as heavy as those measured the ratio does not fall",
        theory_slopes.draw_infinite_mean,
    ),
    Drawing(
        "separation", ("H5",),
        "Does what is left depend on anything but the severity?",
        theory_rules.draw_separation,
    ),
    Drawing(
        "three-ways", ("H6",),
        "When can a rule be solvent, fair and keep its fees?",
        theory_waves.draw_three_ways,
    ),
    Drawing(
        "queue-or-pro-rata", ("H7",),
        "Does the queue by profit leave the largest survivor less than pro-rata?",
        theory_rules.draw_queue,
    ),
    Drawing(
        "splitting", ("H8",),
        "What does the richest account save by splitting?",
        theory_rules.draw_splitting,
    ),
    Drawing(
        "churn", ("H11",),
        "What stays of the wealth after ten rounds of haircuts?",
        theory_rules.draw_churn,
    ),
    Drawing(
        "regret", ("H12",),
        "Does learning the severity keep its bound, and does a fixed queue regret?",
        theory_waves.draw_regret,
    ),
    Drawing(
        "full-close", ("H13",),
        "How far does closing whole positions overshoot?",
        theory_waves.draw_full_close,
    ),
    Drawing(
        "duration", ("H14",),
        "Which waves take more than was needed?",
        theory_waves.draw_duration,
    ),
    Drawing(
        "survivors", ("counterexamples",),
        "Two books on which a queue does not leave the largest survivor least",
        theory_rules.draw_survivors,
    ),
)  # fmt: skip
"""All figures, each belonging to the first hypothesis that it needs."""


def draw_all(parts: Mapping[str, Part], folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Draw what the parts allow into ``folder/figures``; files and titles by hypothesis."""
    found: dict[str, list[tuple[Path, str]]] = {}
    for name, needs, title, draw in DRAWINGS:
        points = [parts[need].points for need in needs if need in parts]
        if len(points) < len(needs) or any(table.empty for table in points):
            continue
        path = folder / "figures" / f"theory-{name}.png"
        style.save(draw(title, *points), path)
        found.setdefault(needs[0], []).append((path, title))
    return found
