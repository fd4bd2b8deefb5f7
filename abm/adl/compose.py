"""From the six lines of a scenario's policy table to a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from abm.adl import (
    allocation,
    eligibility,
    seniority,
    settlement,
    severity,
    trigger,
    venues,
)
from abm.adl.answers import Answer, CompositionError, build
from abm.adl.eligibility import Accounts, Holders, Positions
from abm.adl.policy import Policy
from abm.adl.settlement.lots import Contracts
from abm.adl.settlement.money import Charge
from abm.adl.settlement.withholding import Withdrawals
from abm.faults import shown

__all__ = ["PRESETS", "QUESTIONS", "CompositionError", "compose"]

BY_LOTS = ("contracts", "pro-rata")
"""Allocations that fit a charge, which is pro rata to lots by itself."""

QUESTIONS = ("trigger", "severity", "eligibility", "seniority", "allocation", "settlement")

PRESETS: dict[str, dict[str, Answer]] = {
    name: preset.table for name, preset in venues.PRESETS.items()
}
"""The tables of all built-in policies; `abm.adl.venues` tells where they are from."""

SOCIALISED: dict[str, Answer] = {
    # Aftermath Finance docs, "ADL": bad debt that is too small for ADL is charged per
    # contract to one side (its code adds it to the cumulative funding of that side).
    "trigger": "venue-short",
    "severity": "all",
    "eligibility": {"rule": "holders", "side": "opposite"},
    "seniority": "none",
    "allocation": "pro-rata",
    "settlement": {"rule": "charge", "side": "opposite"},
}
"""What a policy falls back to that socialises debt below its threshold."""


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
    policy = Policy(
        name=name,
        trigger=build("trigger", answers["trigger"], trigger.ANSWERS),
        severity=build("severity", answers["severity"], severity.ANSWERS),
        eligibility=build("eligibility", answers["eligibility"], eligibility.ANSWERS),
        seniority=build("seniority", answers["seniority"], seniority.ANSWERS),
        allocation=allocation.part("allocation", answers["allocation"]),
        settlement=build("settlement", answers["settlement"], settlement.ANSWERS),
    )
    for complaint in _misfits(policy, {q: rule_of(answers[q]) for q in QUESTIONS}):
        raise CompositionError(complaint)
    if policy.settlement.medium == "cash":
        for reason in allocation.misfits(answers["allocation"]):
            raise CompositionError(f"allocation = {shown(answers['allocation'])}: {reason}")
    if isinstance(policy.trigger, trigger.BadDebt) and policy.trigger.below == "socialise":
        below = compose(name, SOCIALISED)
        return replace(policy, fallback=replace(below, stage=1))
    return policy


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


def rule_of(answer: Answer) -> str:
    """The name of the rule that an answer gives."""
    return answer if isinstance(answer, str) else str(answer["rule"])


def _misfits(policy: Policy, rules: Mapping[str, str]) -> Iterator[str]:
    """What answers ask of each other, and do not get."""
    paid_in, who = policy.settlement, policy.eligibility
    medium = eligibility.MEDIUM.get(rules["eligibility"], paid_in.medium)
    if medium != paid_in.medium:
        fitting = [rule for rule, m in eligibility.MEDIUM.items() if m == paid_in.medium]
        yield (
            f"eligibility = {rules['eligibility']!r}: its capacity is in {medium}, but the "
            f"settlement is in {paid_in.medium}; must be one of {', '.join(fitting)}"
        )
    at_entry = isinstance(paid_in, Contracts) and paid_in.price == "entry"
    if at_entry and isinstance(who, Positions) and who.profit == "settlement":
        yield (
            "eligibility.profit = 'settlement': nobody has a profit at its own entry "
            "price; must be 'mark' or 'any' with settlement.price = 'entry'"
        )
    if isinstance(paid_in, Charge):
        if isinstance(who, Holders) and who.side != paid_in.side:
            yield (
                f"eligibility.side = {who.side!r}: must be {paid_in.side!r}, the side of "
                "the settlement's charge"
            )
        if rules["allocation"] not in BY_LOTS:
            yield (
                f"allocation = {rules['allocation']!r}: a charge is the same for every "
                f"lot; must be {' or '.join(BY_LOTS)}"
            )
    if isinstance(paid_in, Withdrawals) and rules["severity"] != "all":
        yield (
            f"severity = {rules['severity']!r}: the haircut of withdrawals is set by all "
            "that is missing; must be all"
        )
    is_weighted = isinstance(who, Positions | Accounts) and who.hedged == "weight"
    if is_weighted and policy.allocation.score is None:
        yield (
            "eligibility.hedged = 'weight': weighs scores, but allocation = "
            f"{rules['allocation']!r} has none; must be same, last or exempt"
        )
