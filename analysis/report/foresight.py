"""Questions about what accounts could see coming, and how far a little reaches."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis import brittleness as nudges
from analysis import predictability as lights
from analysis.figures.brittleness import draw_brittleness
from analysis.figures.predictability import draw_predictability
from analysis.measures import Told
from analysis.report import tables
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table


def predictability(told: Told, _: Lazy) -> Answer:
    """How well lights and stated bounds foretold what came."""
    question = "Could accounts see it coming?"
    if not told.has("runs", "predict_brier"):
        return Missing(question, "the batch holds no such measures")
    table = lights.predictability(told.batch)
    table.loc[~lights.is_known(table, "spearman"), "spearman"] = float("nan")
    figure = draw_predictability(told.batch)
    given = _means("predictability", "What lights and stated bounds foretold", table, {
        "spearman": ("Rank correlation of lights and burdens", "number"),
        "brier": ("Brier score of lights", "number"),
        "coverage": ("Hit, and the stated worst case held", "share"),
    })  # fmt: skip
    return Section("predictability", question, lights.findings(table), {question: figure},
                   [given], figure.get_label())  # fmt: skip


def brittleness(told: Told, _: Lazy) -> Answer:
    """How much an outcome jumps when a state moves by a little."""
    question = "How far does a little reach?"
    if not told.has("runs", "jump_moved"):
        return Missing(question, "no wave was nudged")
    table = nudges.brittleness(told.batch)
    figure = draw_brittleness(told.batch)
    given = _means("brittleness", "What nudges of the first wave changed", table, {
        "moved": ("Part of what is taken that moves to others", "share"),
        "per_usd": ("Dollars moved for a dollar", "number"),
    })  # fmt: skip
    return Section("brittleness", question, nudges.findings(table), {question: figure},
                   [given], figure.get_label())  # fmt: skip


def _means(
    name: str, caption: str, table: pd.DataFrame, labels: Mapping[str, tuple[str, str]]
) -> Table:
    """Means over runs with their intervals, the policies of which anything is known."""
    known = table.dropna(subset=list(labels), how="all")
    parts = {}
    for column, (label, unit) in labels.items():
        ends = known[[column, f"{column}_low", f"{column}_high"]]
        parts[label] = (ends.set_axis(["value", "low", "high"], axis="columns"), unit)
    return tables.of_several(name, caption, parts)
