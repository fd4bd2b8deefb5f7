"""What there is to choose from: built-in policies, and the answers to each question."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from abm.adl import (
    allocation,
    eligibility,
    scores,
    seniority,
    settlement,
    severity,
    trigger,
)
from abm.adl.answers import ARGUMENTS, parameters_of
from abm.faults import asked_for

KINDS: dict[str, dict[str, Callable[..., Any]]] = {
    "trigger": trigger.ANSWERS,
    "severity": severity.ANSWERS,
    "eligibility": eligibility.ANSWERS,
    "seniority": seniority.ANSWERS,
    "allocation": allocation.ANSWERS,
    "settlement": settlement.ANSWERS,
    "score": scores.ANSWERS,
}
"""The answers to the six questions, and the scores that allocations rank or weigh by."""


class Entry(NamedTuple):
    """An answer: its kind and name, its docstring, and what its parameters must be."""

    kind: str
    name: str
    text: str
    parameters: dict[str, str]

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.text.partition("\n")[0]


def answers() -> Iterator[Entry]:
    """All answers that can be named, kind by kind; those of installed packages last."""
    for kind in ARGUMENTS:
        builders = dict(KINDS[kind])
        for point in entry_points(group=f"abm.{kind}"):
            builders.setdefault(point.name, point.load())
        for name, builder in builders.items():
            parameters = asked_for(parameters_of(builder))
            yield Entry(kind, name, inspect.getdoc(builder) or "", parameters)
