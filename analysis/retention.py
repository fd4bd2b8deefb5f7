"""Whom a policy drives away, by kind and size, and what is left after every crash."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from abm.montecarlo.store import Batch
from analysis import intervals

SHARES = {
    "hit": ("hit", "accounts"),
    "expected": ("expected_churn", "accounts"),
    "observed": ("gone", "accounts"),
    "rebuilt": ("rebuilt", "accounts"),
    "value_lost": ("value_lost_usd", "lifetime_value_usd"),
    "value_left": ("value_left_usd", "lifetime_value_usd"),
}
"""Shares told of a group: what is counted, and of what."""

OF_EPISODES = (
    "deficit_usd", "residual_usd", "insurance_start_usd", "equity_start_usd", "active",
    "gone", "newcomers", "calm_fees_usd", "fees_usd", "retained_value_usd",
)  # fmt: skip
"""Means told of an episode."""


def by_group(batch: Batch, by: Literal["kind", "size_from_usd"]) -> pd.DataFrame:
    """What became of the accounts of each kind, or of each class of equity on arrival.

    Returns
    -------
    DataFrame
        One row a policy and group, indexed by both: `accounts`, their mean number a run,
        and shares over all runs, each with ``_low`` and ``_high``, the ends of its 95%
        interval over runs: accounts `hit`; `expected` to leave by the hazard;
        `observed` to have left or to be leaving; that have `rebuilt`; and the part of
        lifetime value that is lost by the hazard (`value_lost`) and with those who were
        seen to leave (`value_left`).
    """
    rows = batch.frame("retention")
    rows["gone"] = rows["left"] + rows["leaving"]
    counts = ["accounts", *{name for pair in SHARES.values() for name in pair}]
    counts = list(dict.fromkeys(counts))
    found = []
    for (policy, group), table in _by(rows, batch, by):
        # A group that a run has nobody of counts as nothing there.
        sums = table.groupby("run")[counts].sum().reindex(_runs(rows, policy), fill_value=0)
        row: dict[str, object] = {"policy": policy, by: group}
        row["accounts"] = float(sums["accounts"].mean())
        for name, (part, whole) in SHARES.items():
            _put_ratio(row, name, sums[part], sums[whole])
        found.append(row)
    columns = ["policy", by]
    return pd.DataFrame(found, columns=None if found else columns).set_index(columns)


def _by(
    rows: pd.DataFrame, batch: Batch, by: str
) -> list[tuple[tuple[str, object], pd.DataFrame]]:
    """Rows by policy, in the plan's order, and group: kinds in the scenario's order."""
    groups = list(batch.scenario["kinds"]) if by == "kind" else sorted(rows[by].unique())
    found = []
    for policy in batch.policies:
        of_policy = rows[rows["policy"] == policy]
        for group in groups:
            table = of_policy[of_policy[by] == group]
            if len(table):
                found.append(((policy, group), table))
    return found


def _runs(rows: pd.DataFrame, policy: str) -> np.ndarray:
    return np.sort(rows.loc[rows["policy"] == policy, "run"].unique())


def _put_ratio(
    row: dict[str, object], name: str, part: pd.Series, whole: pd.Series
) -> None:
    total = float(whole.sum())
    row[name] = float(part.sum()) / total if total else np.nan
    ends = intervals.ratio_interval(part, whole)
    row[f"{name}_low"], row[f"{name}_high"] = ends


def by_episode(batch: Batch) -> pd.DataFrame:
    """What every crash took, and what was left after it.

    Returns
    -------
    DataFrame
        One row a policy and episode, indexed by both: `runs`; means over runs of
        :data:`OF_EPISODES` (`gone`: who left before or in it), each with the ends of its
        95% interval; and `kept`, the lifetime value that is expected to stay at
        the episode's end over that at the start of the first, with its interval.
    """
    rows = batch.frame("episodes")
    rows["gone"] = rows["left"] + rows["left_before"]
    found = []
    for policy in batch.policies:
        of_policy = rows[rows["policy"] == policy].sort_values(["run", "episode"])
        first = of_policy[of_policy["episode"] == 0].set_index("run")
        for episode, table in of_policy.groupby("episode"):
            here = table.set_index("run")
            row: dict[str, object] = {"policy": policy, "episode": episode}
            row["runs"] = len(here)
            ends = intervals.mean_intervals(here[list(OF_EPISODES)].to_numpy(float))
            for name, end in zip(OF_EPISODES, ends, strict=True):
                row[name] = float(here[name].mean())
                row[f"{name}_low"], row[f"{name}_high"] = end
            base = first["lifetime_value_start_usd"].reindex(here.index)
            _put_ratio(row, "kept", here["retained_value_usd"], base)
            found.append(row)
    columns = ["policy", "episode"]
    return pd.DataFrame(found, columns=None if found else columns).set_index(columns)


def kept_difference(batch: Batch, policy: str, base: str) -> intervals.Difference:
    """How much more lifetime value stays after the last crash under one of two policies.

    Mean over the runs that both finished, in USD; runs of one number share their shocks
    and their newcomers, in every episode.
    """
    columns = ["run", "policy", "episode", "retained_value_usd"]
    rows = batch.frame("episodes", columns=columns)
    last = rows[rows["episode"] == rows["episode"].max()].set_index("run")
    values = {
        name: last.loc[last["policy"] == name, "retained_value_usd"]
        for name in (policy, base)
    }
    return intervals.paired_difference(values[policy], values[base])
