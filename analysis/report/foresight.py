"""Questions about what accounts could see coming, and how far a little reaches."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures.dots import draw_dots
from analysis.measures import Told
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section


def predictability(told: Told, _: Lazy) -> Answer:
    """How well lights and stated bounds foretold what came."""
    question = "Could accounts see it coming?"
    note = (
        "The light and the worst case are those that an account could have been shown "
        "before the first wave. A correlation of 1 means that the order of lights was the "
        "order of burdens. Bars are 95% intervals over runs in which somebody was hit."
    )
    return _dots(told, "predictability", question, note, {
        "predict_spearman": "Rank correlation of lights and burdens",
        "predict_coverage": "Hit accounts whose stated worst case held",
    })  # fmt: skip


def brittleness(told: Told, _: Lazy) -> Answer:
    """How much an outcome jumps when a state moves by a little."""
    question = "How far does a little reach?"
    note = (
        "The first wave is answered again with an account's equity moved by a thousandth, "
        "or a mark by one tick. Bars are 95% intervals over the runs that were nudged."
    )
    return _dots(told, "brittleness", question, note, {
        "jump_moved": "Largest part of what is taken that moves to others",
    })  # fmt: skip


def _dots(
    told: Told, slug: str, question: str, note: str, labels: dict[str, str]
) -> Answer:
    """Some measures of runs as dots, with who is best in each."""
    known = {one.column: one for one in told.measures}
    here = {column: label for column, label in labels.items() if column in known}
    if not here:
        return Missing(question, "the batch holds no such measures")
    figures: dict[str, Figure] = {}
    reading, parts = [], {}
    for column, label in here.items():
        measure = known[column]
        table = told.of(column).dropna(subset=["value"])
        figures[label] = draw_dots(label, {"": table}, label, measure.unit)
        parts[measure.label] = (table, measure.unit)
        reading += words.ranking(told.values(column), measure)
    given = tables.of_several(slug, "Means over runs", parts)
    return Section(slug, question, reading, figures, [given], note)
