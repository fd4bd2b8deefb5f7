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
from abm.adl.eligibility import Accounts, Eligibility, Holders, Positions
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
    for complaint in _misfits(policy, answers):
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


def _misfits(policy: Policy, answers: Mapping[str, Answer]) -> Iterator[str]:
    """What answers ask of each other, and do not get."""
    rules = {question: rule_of(answers[question]) for question in QUESTIONS}
    paid_in, who = policy.settlement, policy.eligibility
    medium = eligibility.MEDIUM.get(rules["eligibility"], paid_in.medium)
    if medium != paid_in.medium:
        fitting = [rule for rule, m in eligibility.MEDIUM.items() if m == paid_in.medium]
        yield (
            f"eligibility = {rules['eligibility']!r}: is for settlement = {medium!r}, not "
            f"for {paid_in.medium!r}; must be one of {', '.join(fitting)}"
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
    if isinstance(paid_in, Withdrawals):
        yield from _unused_by_withdrawals(rules)
    if isinstance(paid_in, Contracts) and paid_in.rounding == "whole-positions":
        yield from _splits(who, answers)
    is_weighted = isinstance(who, Positions | Accounts) and who.hedged == "weight"
    if is_weighted and not policy.allocation.ranks:
        lacks = (
            "has no score"
            if policy.allocation.score is None
            else "has a score by which more does not mean to pay more"
        )
        yield (
            "eligibility.hedged = 'weight': multiplies scores by the net delta, but "
            f"allocation = {rules['allocation']!r} {lacks}; must be same, last or exempt"
        )


def _unused_by_withdrawals(rules: Mapping[str, str]) -> Iterator[str]:
    """Answers that withdrawals would not look at, since nothing is shared in the wave."""
    if rules["severity"] != "all":
        yield (
            f"severity = {rules['severity']!r}: the haircut of withdrawals is set by all "
            "that is missing; must be all"
        )
    for question, only in (("seniority", "none"), ("allocation", "pro-rata")):
        if rules[question] != only:
            yield (
                f"{question} = {rules[question]!r}: every withdrawal is cut by the same "
                f"share and nothing is taken in the wave; must be {only}"
            )


def _splits(who: Eligibility, answers: Mapping[str, Answer]) -> Iterator[str]:
    """What would close a part of a position that is to be closed whole."""
    whole = "settlement.rounding = 'whole-positions': closes positions whole, but"
    if isinstance(who, Positions) and (who.caps.in_wave or who.caps.in_run):
        yield (
            f"{whole} the caps of the eligibility (share_per_wave, share_per_run, "
            "usd_per_wave, usd_per_run) let only a part be closed; must be "
            "largest-remainder, or without caps"
        )
    if rule_of(answers["seniority"]) != "none":
        yield (
            f"{whole} seniority = {rule_of(answers['seniority'])!r} splits them into "
            "tiers; must be largest-remainder, or seniority none"
        )
    if allocation.caps_shares(answers["allocation"]):
        yield (
            f"{whole} allocation.cap lets only a share be closed; must be "
            "largest-remainder, or without a cap"
        )
