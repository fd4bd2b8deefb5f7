"""Solvency, fairness and revenue of each policy: the front, and the regime they are in.

arXiv 2512.01112 holds that a rule can have at most two of the three while the mean deficit
exceeds the mean fee revenue (there the structural-deficit regime, ``mu_- > mu_Phi``). The
condition is tested here on the runs; the three are measured, not proved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis import intervals
from analysis.measures import Measure, Told, sum_up

SOLVENCY, FAIRNESS = "residual_usd", "largest_equity_share"
REVENUE = ("retained_value_usd", "fees_usd")


def goals(told: Told) -> list[Measure]:
    """The measures of solvency, fairness and revenue that this batch has, in this order."""
    known = {one.column: one for one in told.measures}
    revenue = next((name for name in REVENUE if name in known), None)
    return [known[name] for name in (SOLVENCY, FAIRNESS, revenue) if name in known]


def costs(told: Told, measures: list[Measure]) -> pd.DataFrame:
    """Means by policy, signed so that less is better; policies that lack one left out."""
    table = {
        one.column: told.values(one.column).mean() * (1.0 if one.better == "low" else -1.0)
        for one in measures
    }
    return pd.DataFrame(table).dropna()


class Standing(NamedTuple):
    """Where a policy stands: on the front of means, and who clearly beats it."""

    policy: str
    on_front: bool
    beaten_by: list[str]
    clearly_beaten_by: list[str]


def standings(told: Told, measures: list[Measure]) -> list[Standing]:
    """Every policy against all others, by means and by paired intervals.

    A policy is beaten if another's means are no worse in all measures and better in one.
    It is clearly beaten if, in each measure, the paired difference is clearly in the
    other's favour or exactly nothing, and clearly in its favour in one.
    """
    means = costs(told, measures)
    clear = _clearly_better(told, measures, list(means.index))
    found = []
    for i, policy in enumerate(means.index):
        mine = means.loc[policy].to_numpy()
        others = means.to_numpy()
        beats = (others <= mine).all(axis=1) & (others < mine).any(axis=1)
        names = [str(name) for name in means.index[beats]]
        sure = [str(name) for name in means.index[clear[:, i]]]
        found.append(Standing(str(policy), not names, names, sure))
    return found


def _clearly_better(told: Told, measures: list[Measure], names: list[str]) -> np.ndarray:
    """True at [a, b] if a clearly beats b, shape (policies, policies)."""
    from analysis.measures import differences

    size = (len(names), len(names))
    no_worse, better = np.ones(size, bool), np.zeros(size, bool)
    for one in measures:
        apart = differences(told.values(one.column)[names])
        sign = 1.0 if one.better == "low" else -1.0
        ends = [sign * apart[end].unstack("other") for end in ("low", "high")]
        low, high = (end.reindex(index=names, columns=names).to_numpy() for end in ends)
        low, high = np.fmin(low, high), np.fmax(low, high)
        better |= high < 0
        no_worse &= (high < 0) | ((low == 0) & (high == 0))
    return np.asarray(no_worse & better)


class Regime(NamedTuple):
    """Whether deficits exceed fee revenue, a run.

    `deficit` and `fees` are means in USD with their intervals, `apart` their mean
    difference on the same runs; `verdict` is ``structural``, ``covered`` or ``open``.
    """

    policy: str
    runs: int
    deficit: tuple[float, float, float]
    fees: tuple[float, float, float]
    apart: intervals.Difference
    verdict: str


def regime(told: Told, policy: str) -> Regime:
    """Test ``mu_- > mu_Phi`` on the runs of one policy.

    The mean deficit less the mean fee revenue of the same run, with its
    interval: structural if all of it is above zero, covered if all is below.
    """
    rows = told.finished[told.finished["policy"] == policy].set_index("run")
    apart = intervals.paired_difference(rows["deficit_usd"], rows["fees_usd"])
    verdict = "open"
    if apart.is_clear:
        verdict = "structural" if apart.mean > 0 else "covered"
    both = sum_up(rows[["deficit_usd", "fees_usd"]])
    deficit, fees = (tuple(row) for row in both[["value", "low", "high"]].to_numpy(float))
    return Regime(policy, apart.runs, deficit, fees, apart, verdict)
