"""What an allocation's answer says of itself: what it cannot share out, what it caps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abm.adl import scores

FOR_CONTRACTS = frozenset(("leverage-filling", "min-max-lots"))
"""Rules that close positions: an amount of cash means nothing to them."""

CAPPED = frozenset(("capped", "risk-weighted"))
"""Rules with a cap on the share of a capacity."""


def misfits(answer: Any) -> Iterator[str]:
    """Why an allocation cannot share out cash, if it cannot."""
    for name in scores.position_scores(answer):
        fitting = ", ".join(sorted(scores.OF_ACCOUNTS - {"lexicographic", "random-start"}))
        yield (
            f"{name} is of a position, but cash is taken from accounts; must be one of "
            f"{fitting}"
        )
    for name in _rules_in(answer):
        if name in FOR_CONTRACTS:
            yield (
                f"{name} closes positions, but the settlement is in cash; must be another, "
                "or settlement be contracts"
            )


def caps_shares(answer: Any) -> bool:
    """Whether an allocation takes no more than a share of a capacity."""
    if not isinstance(answer, Mapping):
        return False
    nested = (answer.get("inside"), *answer.get("parts", ()))
    is_capped = answer.get("rule") in CAPPED and answer.get("cap", 1.0) < 1.0
    return is_capped or any(map(caps_shares, nested))


def _rules_in(answer: Any) -> Iterator[str]:
    if isinstance(answer, Mapping):
        yield str(answer.get("rule"))
        yield from _rules_in(answer.get("inside"))
        for one in answer.get("parts", ()):
            yield from _rules_in(one)
    elif isinstance(answer, str):
        yield answer
