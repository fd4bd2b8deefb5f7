"""From the six lines of a scenario's policy table to a policy."""

from __future__ import annotations

from collections.abc import Mapping

from abm.adl import allocation, eligibility, seniority, settlement, severity, trigger
from abm.adl.answers import Answer, CompositionError, build
from abm.adl.policy import Policy
from abm.adl.settlement import Settlement
from abm.faults import shown

__all__ = ["PRESETS", "QUESTIONS", "CompositionError", "compose"]

QUESTIONS = ("trigger", "severity", "eligibility", "seniority", "allocation", "settlement")

PRESETS: dict[str, dict[str, Answer]] = {
    # Hyperliquid docs, "Auto-deleveraging".
    "hyperliquid": {
        "trigger": "venue-short",
        "severity": "all",
        "eligibility": "opposite-in-profit",
        "seniority": "none",
        "allocation": {"rule": "queue", "score": "hyperliquid"},
        "settlement": {"rule": "contracts", "price": "previous-mark"},
    },
    # The pro-rata rule of arXiv 2512.01112, section 2.4, on unrealised profits.
    "pro-rata": {
        "trigger": "venue-short",
        "severity": "all",
        "eligibility": "profits",
        "seniority": "none",
        "allocation": "pro-rata",
        "settlement": "cash",
    },
    "none": {
        "trigger": "never",
        "severity": "all",
        "eligibility": "profits",
        "seniority": "none",
        "allocation": "pro-rata",
        "settlement": "cash",
    },
}


def compose(name: str, table: Mapping[str, Answer]) -> Policy:
    """Build a policy from one answer to each question.

    Parameters
    ----------
    name : str
        What results call it.
    table : mapping
        The six `QUESTIONS`, each a name or a table with ``rule`` and its parameters;
        ``{"preset": NAME, ...}`` starts from a preset and replaces single answers.

    Raises
    ------
    CompositionError
        If an answer is missing, unknown, or does not fit the others.
    """
    answers = complete(table)
    for question in QUESTIONS:
        if answers.get(question) is None:
            raise CompositionError(f"{question}: is missing")
    who = answers["eligibility"]
    paid_in = build("settlement", answers["settlement"], settlement.ANSWERS)
    _check_medium(str(who), paid_in)
    if paid_in.medium == "cash":
        for reason in allocation.misfits(answers["allocation"]):
            raise CompositionError(f"allocation = {shown(answers['allocation'])}: {reason}")
    return Policy(
        name=name,
        trigger=build("trigger", answers["trigger"], trigger.ANSWERS),
        severity=build("severity", answers["severity"], severity.ANSWERS),
        eligibility=build("eligibility", who, eligibility.ANSWERS),
        seniority=build("seniority", answers["seniority"], seniority.ANSWERS),
        allocation=allocation.part("allocation", answers["allocation"]),
        settlement=paid_in,
    )


def complete(table: Mapping[str, Answer]) -> dict[str, Answer]:
    """A table without its preset, whose answers stand where it gives none of its own.

    Raises
    ------
    CompositionError
        If there is no such preset.
    """
    answers = dict(table)
    preset = answers.pop("preset", None)
    if preset is None:
        return answers
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise CompositionError(f"preset = {preset!r}: must be one of {known}")
    return {**PRESETS[str(preset)], **answers}


def _check_medium(who: str, paid_in: Settlement) -> None:
    medium = eligibility.MEDIUM.get(who, paid_in.medium)
    if medium != paid_in.medium:
        raise CompositionError(
            f"eligibility = {who!r}: its capacity is in {medium}, but the settlement is in "
            f"{paid_in.medium}"
        )
