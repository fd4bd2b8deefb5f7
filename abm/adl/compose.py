"""From the six lines of a scenario's policy table to a policy."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from abm.adl import allocation, eligibility, seniority, severity, trigger
from abm.adl.allocation import Allocation
from abm.adl.policy import PRICES, Policy, Settlement
from abm.adl.severity import Severity

Answer = str | Mapping[str, Any]

QUESTIONS = ("trigger", "severity", "eligibility", "seniority", "allocation", "settlement")

PRESETS: dict[str, dict[str, Answer]] = {
    # Hyperliquid docs, "Auto-deleveraging".
    "hyperliquid": {
        "trigger": "venue-short",
        "severity": "all",
        "eligibility": "opposite-in-profit",
        "seniority": "none",
        "allocation": {"rule": "queue", "score": "hyperliquid"},
        "settlement": {"medium": "contracts", "price": "previous-mark"},
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


class CompositionError(ValueError):
    """A policy table that makes no policy; the message names the question."""


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
    answers = dict(table)
    preset = answers.pop("preset", None)
    if preset is not None:
        if preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise CompositionError(f"preset = {preset!r}: must be one of {known}")
        answers = {**PRESETS[str(preset)], **answers}
    for question in QUESTIONS:
        if answers.get(question) is None:
            raise CompositionError(f"{question}: is missing")
    settlement = _settlement(answers["settlement"])
    who = answers["eligibility"]
    _check_medium(str(who), settlement)
    return Policy(
        name=name,
        trigger=_lookup("trigger", answers["trigger"], trigger.TRIGGERS),
        severity=_severity(answers["severity"]),
        eligibility=_lookup("eligibility", who, eligibility.ELIGIBILITIES),
        seniority=_lookup("seniority", answers["seniority"], seniority.SENIORITIES),
        allocation=_allocation(answers["allocation"]),
        settlement=settlement,
    )


def _check_medium(who: str, settlement: Settlement) -> None:
    medium = eligibility.MEDIUM.get(who, settlement.medium)
    if medium != settlement.medium:
        raise CompositionError(
            f"eligibility = {who!r}: its capacity is in {medium}, but the settlement is in "
            f"{settlement.medium}"
        )


def _lookup(question: str, answer: Answer, known: Mapping[str, Any]) -> Any:
    if isinstance(answer, str) and answer in known:
        return known[answer]
    raise CompositionError(f"{question} = {answer!r}: must be one of {', '.join(known)}")


def _rule(question: str, answer: Answer) -> tuple[str, dict[str, Any]]:
    """The rule's name and its parameters."""
    if isinstance(answer, str):
        return answer, {}
    parameters = dict(answer)
    if "rule" not in parameters:
        raise CompositionError(f"{question}: needs a rule, such as {{ rule = ... }}")
    return str(parameters.pop("rule")), parameters


def _severity(answer: Answer) -> Severity:
    rule, parameters = _rule("severity", answer)
    if rule == "all" and not parameters:
        return severity.everything
    if rule == "fixed" and set(parameters) == {"share"}:
        share = parameters["share"]
        if isinstance(share, int | float) and 0.0 <= share <= 1.0:
            return severity.fixed_share(float(share))
        raise CompositionError(f"severity.share = {share!r}: must be from 0 to 1")
    raise CompositionError(f"severity = {answer!r}: must be all, or fixed with a share")


def _allocation(answer: Answer) -> Allocation:
    rule, parameters = _rule("allocation", answer)
    if rule == "pro-rata" and not parameters:
        return Allocation(allocation.pro_rata)
    if rule == "queue" and set(parameters) == {"score"}:
        score = parameters["score"]
        if score not in allocation.SCORES:
            known = ", ".join(allocation.SCORES)
            raise CompositionError(f"allocation.score = {score!r}: must be one of {known}")
        return Allocation(allocation.queue, allocation.SCORES[score])
    if ":" in rule and not parameters:
        return Allocation(_users_function(rule))
    raise CompositionError(
        f"allocation = {answer!r}: must be pro-rata, queue with a score, or "
        "FILE.py:FUNCTION"
    )


def _users_function(text: str) -> Callable[..., Any]:
    """The function `share(capacity, score, budget)` that ``FILE.py:NAME`` points to."""
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise CompositionError(f"allocation = {text!r}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CompositionError(f"allocation = {text!r}: {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CompositionError(f"allocation = {text!r}: {file} fails: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise CompositionError(f"allocation = {text!r}: {file} has no function {name}")
    if len(inspect.signature(function).parameters) != 3:
        raise CompositionError(
            f"allocation = {text!r}: must take three arguments (capacity, score, budget)"
        )
    return function  # type: ignore[no-any-return]


def _settlement(answer: Answer) -> Settlement:
    parameters = {"medium": answer} if isinstance(answer, str) else dict(answer)
    medium = parameters.pop("medium", None)
    price = parameters.pop("price", "mark")
    if parameters or medium not in ("contracts", "cash"):
        raise CompositionError(
            f"settlement = {answer!r}: must be cash, or contracts with a price"
        )
    if price not in PRICES:
        raise CompositionError(
            f"settlement.price = {price!r}: must be one of {', '.join(PRICES)}"
        )
    return Settlement("cash" if medium == "cash" else "contracts", str(price))
