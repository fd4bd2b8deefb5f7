"""All hypotheses, one after the other; what is whole is written, and not done again."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tqdm import tqdm

from abm.montecarlo.store import StoreError
from abm.theory import (
    counterexamples,
    h01_ptsr_slope,
    h02_pmr_slope,
    h03_severity_load,
    h04_infinite_mean,
    h05_separation,
    h06_three_ways,
    h07_levelling,
    h08_splitting,
    h09_rounding,
    h10_risk_weights,
    h11_churn,
    h12_regret,
    h13_full_close,
    h14_duration,
)
from abm.theory.finding import Effort, Evidence, Finding, Point
from abm.theory.market import Market

COUNTEREXAMPLES = "counterexamples"

MODULES: dict[str, ModuleType] = {
    "H1": h01_ptsr_slope,
    "H2": h02_pmr_slope,
    "H3": h03_severity_load,
    "H4": h04_infinite_mean,
    "H5": h05_separation,
    "H6": h06_three_ways,
    "H7": h07_levelling,
    "H8": h08_splitting,
    "H9": h09_rounding,
    "H10": h10_risk_weights,
    "H11": h11_churn,
    "H12": h12_regret,
    "H13": h13_full_close,
    "H14": h14_duration,
    COUNTEREXAMPLES: counterexamples,
}
"""What is looked at, by name and in order."""

LABELS = ("Claim", "Source", "Prediction", "Test")
"""Paragraphs of a hypothesis' docstring."""

TABLE = "theory.csv"


class Part(NamedTuple):
    """One hypothesis as it is written: what it says, what was found, how much was done."""

    name: str
    title: str
    told: dict[str, str]
    findings: list[Finding]
    points: list[Point]
    settings: dict[str, Any]


def told(name: str) -> tuple[str, dict[str, str]]:
    """Title of a hypothesis, and its paragraphs by label, from its docstring."""
    paragraphs = (inspect.getdoc(MODULES[name]) or "").split("\n\n")
    title = paragraphs[0].split(": ", 1)[-1] if name.startswith("H") else paragraphs[0]
    found = {}
    for paragraph in paragraphs[1:]:
        label, _, text = " ".join(paragraph.split()).partition(": ")
        if label in LABELS:
            found[label] = text
    return " ".join(title.split()), found


def run(
    folder: Path,
    names: Sequence[str],
    effort: Effort,
    market: Market,
    *,
    fresh: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Part]:
    """Examine hypotheses; each is written to the folder once it is whole.

    What the folder has already of the same settings is read and not done again, unless
    `fresh`. Ctrl-C loses the hypothesis that is being looked at, no other.

    Parameters
    ----------
    progress : callable, optional
        Told the name of each hypothesis before it is looked at; a bar if not given.
    """
    settings = {
        "books": effort.books,
        "largest": effort.largest,
        "seed": effort.seed,
        "batches": market.told(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    bar = tqdm(names, unit="hypothesis", disable=None if progress is None else True)
    parts = []
    for name in bar:
        bar.set_postfix_str(name)
        if progress is not None:
            progress(name)
        path = folder / f"{name}.json"
        part = None if fresh else read(path)
        if part is None or part.settings != settings:
            part = _examined(name, effort, market, settings)
            _write(path, part)
        parts.append(part)
        known = [read(folder / f"{other}.json") for other in MODULES]
        alike = [other for other in known if other and other.settings == settings]
        write_table(folder / TABLE, alike)
    return parts


def _examined(name: str, effort: Effort, market: Market, settings: dict[str, Any]) -> Part:
    evidence: Evidence = MODULES[name].examine(effort, market)
    title, paragraphs = told(name)
    return Part(name, title, paragraphs, *evidence, settings)


def _write(path: Path, part: Part) -> None:
    """The part appears whole or not at all; NaN is written as null."""
    content = part._asdict()
    for rows in ("findings", "points"):
        content[rows] = [[None if x != x else x for x in row] for row in content[rows]]
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> Part | None:
    """A part that was written; None if there is none, or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        findings = [Finding(*_numbers(row)) for row in content.pop("findings")]
        points = [Point(*_numbers(row)) for row in content.pop("points")]
        return Part(**content, findings=findings, points=points)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _numbers(row: list[Any]) -> Iterator[Any]:
    return (float("nan") if value is None else value for value in row)


def write_table(path: Path, parts: Sequence[Part]) -> None:
    """The table of findings as CSV."""
    try:
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(Finding._fields)
            for part in parts:
                writer.writerows(part.findings)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
