"""The questions of a report on one batch, in the order in which a reader asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analysis.measures import Told
from analysis.report import (
    burden,
    cost,
    dominance,
    foresight,
    markets,
    retention,
    solvency,
    standing,
)
from analysis.report.asked import Answer, Lazy

QUESTIONS: tuple[Callable[[Told, Lazy], Answer], ...] = (
    solvency.deficits,
    solvency.covered,
    solvency.time_to_cover,
    solvency.fund,
    burden.worst_haircuts,
    burden.who_paid,
    burden.lorenz,
    burden.hit,
    burden.choice,
    dominance.lighter,
    burden.prices,
    cost.later,
    cost.counterfactual,
    standing.against,
    solvency.drivers,
    standing.departures,
    retention.value,
    retention.episodes,
    foresight.predictability,
    foresight.brittleness,
    markets.markets,
    standing.one_run,
)


def sections(told: Told, payers: Lazy, progress: Callable[[str], None]) -> Iterator[Answer]:
    """Answer every question that the batch can answer, and name the others."""
    for answer in QUESTIONS:
        progress(answer.__name__.replace("_", " "))
        yield answer(told, payers)
