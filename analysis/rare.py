"""An estimated probability of a large deficit, beside what plain runs say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import notation, risk

ODDS = 1e-3
"""A difference that chance alone makes this seldom counts as disagreement."""

_Z = 3.2905


def beside_runs(event: Mapping[str, Any], deficits: np.ndarray) -> dict[str, Any]:
    """The estimate with the share of runs above the deficit, and whether they agree.

    Parameters
    ----------
    event : mapping
        `deficit_usd`, `probability`, `low`, `high`, `error`, `runs`, `starts`,
        `brute_runs` and `gain` of the estimate.
    deficits : array, shape (runs,)
        Of runs without ADL, USD.
    """
    hits = int((deficits > event["deficit_usd"]).sum())
    share = risk.breach_frequency(hits, len(deficits))
    return {
        **event,
        "brute": share._asdict() | {"runs": len(deficits), "hits": hits},
        "agree": agree(event["probability"], event["error"], hits, len(deficits)),
    }


def agree(probability: float, error: float, hits: int, runs: int) -> bool:
    """False if the two differ by more than chance makes them in one of a thousand cases.

    The difference is held against the standard errors of both; that of the runs is what
    it would be at the estimated probability, or at that of the runs if that is larger.
    """
    share = hits / max(runs, 1)
    at = min(max(probability, share, 0.5 / max(runs, 1)), 1.0)
    apart = abs(probability - share)
    return apart <= _Z * math.hypot(error, math.sqrt(at * (1.0 - at) / max(runs, 1)))


def render_rare(found: Mapping[str, Any]) -> str:
    """The estimate in a few lines for a person."""
    brute = found["brute"]
    chance, low, high = (found[name] for name in ("probability", "low", "high"))
    lines = [
        f"Probability of a deficit above {notation.usd(found['deficit_usd'])}:",
        f"  screening and splitting  {_percent(chance)}  ({_percent(low)} to "
        f"{_percent(high)}), from work worth {notation.count(round(found['runs']))} runs",
        f"  plain runs               {_percent(brute['value'])}  ({_percent(brute['low'])}"
        f" to {_percent(brute['high'])}), {notation.count(brute['hits'])} of "
        f"{notation.count(brute['runs'])} runs",
    ]
    if found["gain"] is None:
        lines.append("No replication reached it: nothing is known but that it is rarer.")
    else:
        lines.append(
            f"Plain runs would need {notation.count(round(found['brute_runs']))} for the "
            f"same precision, {found['gain']:.2g} times the work."
        )
    if brute["hits"] == 0:
        lines.append("Plain runs do not reach it, so they only bound it from above.")
    else:
        lines.append(
            "The two agree."
            if found["agree"]
            else f"The two DISAGREE: chance would do so in fewer than {ODDS:.1%} of cases."
        )
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    """Three digits, however small."""
    return f"{100 * share:.3g}%"
