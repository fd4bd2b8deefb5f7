"""Every measure of a policy with its interval, and how policies stand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from abm.montecarlo.store import SCHEMAS, Batch
from analysis import intervals


@dataclass(frozen=True)
class Measure:
    """A column of the table of runs, and how it is summed up and read.

    Attributes
    ----------
    column : str
        Its mean over finished runs is the measure's value.
    label, group : str
        Its name and under which heading it stands.
    unit : str
        ``usd``, ``share``, ``count``, ``seconds`` or ``number``.
    better : str
        ``low``, ``high``, or nothing where neither is better.
    meaning : str
        What it is, in one sentence.
    """

    column: str
    label: str
    group: str
    unit: str
    better: str
    meaning: str


SOLVENCY, BURDEN, COST, RETENTION = (
    "Solvency", "Who carries it", "What ADL cost", "Retention and revenue"
)  # fmt: skip

GROUPS = (SOLVENCY, BURDEN, COST, RETENTION)

MEASURES = (
    Measure("deficit_usd", "Deficit", SOLVENCY, "usd", "low",
            "The most that was missing in a run: what had been covered before, plus what "
            "was missing then."),
    Measure("covered_part", "Covered", SOLVENCY, "share", "high",
            "The part of a run's deficit that ADL covered."),
    Measure("residual_usd", "Residual", SOLVENCY, "usd", "low",
            "What was still missing at the end of a run."),
    Measure("has_residual", "Runs with a residual", SOLVENCY, "share", "low",
            "The share of runs at whose end anything was missing."),
    Measure("time_to_cover_s", "Time to cover", SOLVENCY, "seconds", "low",
            "From the first wave until nothing was missing, over the runs that got there."),
    Measure("haircut_usd", "Haircuts in all", BURDEN, "usd", "low",
            "What all accounts gave in a run, against the mark of the moment."),
    Measure("largest_haircut_share", "Worst haircut of profit", BURDEN, "share", "low",
            "The most that one account gave in a run, as a share of its profit."),
    Measure("largest_equity_share", "Worst haircut of equity", BURDEN, "share", "low",
            "The most that one account gave in a run, as a share of its equity."),
    Measure("adl_accounts", "Accounts hit", BURDEN, "count", "low",
            "Accounts that a run's waves touched."),
    Measure("adl_notional_usd", "Closed by ADL", BURDEN, "usd", "low",
            "Notional of the contracts that ADL closed."),
    Measure("accounts_left", "Accounts that left", RETENTION, "count", "low",
            "Accounts that ADL hit and that closed everything and left."),
    Measure("accounts_rebuilt", "Accounts that rebuilt", RETENTION, "count", "",
            "Accounts that opened again what ADL had closed."),
    Measure("fees_usd", "Fees in the run", RETENTION, "usd", "high",
            "What the venue earned while the run lasted."),
    Measure("vault_end_usd", "Vault at the end", RETENTION, "usd", "high",
            "Equity of the backstop vault at the end of a run."),
)  # fmt: skip


class Told:
    """A batch as reports need it: its finished runs by policy, read once."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.policies = batch.policies

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of runs, finished or not, with what follows from its columns."""
        runs = self.batch.frame("runs")
        deficit = runs["deficit_usd"]
        runs["covered_part"] = runs["covered_usd"] / deficit.where(deficit > 0)
        runs["has_residual"] = (runs["residual_usd"] > 0).astype(float)
        runs["failed"] = runs["failed"].astype(bool)
        return runs

    @cached_property
    def finished(self) -> pd.DataFrame:
        """Rows of the runs that finished."""
        return self.runs[~self.runs["failed"]]

    def values(self, column: str) -> pd.DataFrame:
        """A column of the runs, one row a run and one column a policy."""
        table = self.finished.pivot(index="run", columns="policy", values=column)
        return table.reindex(columns=self.policies).astype(float)

    def has(self, table: str, *columns: str) -> bool:
        """True if the batch holds a table, and something in each of these columns."""
        blocks = self.batch.manifest["blocks"].values()
        here = table in SCHEMAS and set(columns) <= set(SCHEMAS[table].names)
        if not here or not all(table in block.get("sha256", [table]) for block in blocks):
            return False
        found = self.batch.table(table, columns=list(columns) or None)
        return found.num_rows > 0 and all(
            found[name].null_count < found.num_rows for name in columns
        )

    @cached_property
    def measures(self) -> list[Measure]:
        """The measures that this batch has."""
        found = self.finished
        return [
            one
            for one in MEASURES
            if one.column in found and found[one.column].notna().any()
        ]

    def measure(self, column: str) -> Measure:
        """The measure of a column, which this batch must have."""
        return next(one for one in self.measures if one.column == column)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Every measure of every policy.

        Returns
        -------
        DataFrame
            One row a policy and measure's column (the index): `value`, the mean over
            `runs` finished runs, `low` and `high`, the ends of its 95% interval, and
            `stand`: ``best``, ``with the best`` where the paired difference to the best
            cannot be told from zero, ``worse`` where it can, or nothing.
        """
        parts = [self.of(one.column, one.better) for one in self.measures]
        names = [one.column for one in self.measures]
        table = pd.concat(parts, keys=names, names=["measure", "policy"])
        return table.swaplevel().sort_index(level=0, sort_remaining=False)

    def of(self, column: str, better: str = "") -> pd.DataFrame:
        """One measure by policy; as in :attr:`summary`."""
        return sum_up(self.values(column), better, of_runs=column.startswith("has_"))


def sum_up(
    values: pd.DataFrame, better: str = "", *, of_runs: bool = False
) -> pd.DataFrame:
    """Means of columns with 95% intervals, and how they stand to the best of them.

    Parameters
    ----------
    values : DataFrame
        One row a run, one column a policy.
    better : str
        ``low`` or ``high``; nothing if neither is better.
    of_runs : bool
        True if each value says yes (1) or no (0) of a run, so that the mean is a share of
        runs, whose interval is Wilson's; that of other means is a bootstrap's.
    """
    columns = [values[name].dropna().to_numpy(float) for name in values]
    if of_runs:
        ends = [intervals.share_interval(int(one.sum()), len(one)) for one in columns]
    elif len({len(one) for one in columns}) == 1:
        ends = intervals.mean_intervals(np.column_stack(columns))
    else:
        ends = [intervals.mean_interval(one) for one in columns]
    rows = {
        name: (len(one), float(one.mean()) if len(one) else np.nan, *end)
        for name, one, end in zip(values, columns, ends, strict=True)
    }
    heads = ["runs", "value", "low", "high"]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=heads)
    found["stand"] = stands(values, better) if better else ""
    found.index.name = "policy"
    return found


def stands(values: pd.DataFrame, better: str) -> list[str]:
    """How each column stands to the one of the best mean, by paired differences."""
    means = values.mean()
    if means.isna().all():
        return [""] * len(means)
    best = means.idxmin() if better == "low" else means.idxmax()
    found = []
    for name, apart in against(values, best).items():
        if name == best or means[name] == means[best]:
            found.append("best")
        elif np.isnan(apart.low):
            found.append("")
        else:
            found.append("worse" if apart.is_clear else "with the best")
    return found


def against(values: pd.DataFrame, base: str) -> dict[str, intervals.Difference]:
    """Paired mean differences of every column to one of them, over the runs of both."""
    if values.isna().to_numpy().any():
        return {
            str(name): intervals.paired_difference(values[name], values[base])
            for name in values
        }
    table = values.to_numpy(float) - values[[base]].to_numpy(float)
    ends = intervals.mean_intervals(table)
    return {
        str(name): intervals.Difference(len(table), float(table[:, i].mean()), *ends[i])
        for i, name in enumerate(values)
    }


def differences(values: pd.DataFrame) -> pd.DataFrame:
    """Paired mean differences between all pairs of policies.

    Parameters
    ----------
    values : DataFrame
        One row a run, one column a policy.

    Returns
    -------
    DataFrame
        One row an ordered pair of different policies, indexed by `policy` and `other`:
        `pairs` of runs that both have, `difference` of the first less the second, and
        the ends `low` and `high` of its 95% interval.
    """
    names = list(values)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    whole = values.dropna(axis="columns", how="all").dropna()
    if len(whole.columns) == len(names) and len(whole) == len(values) and pairs:
        table = np.column_stack([whole[a] - whole[b] for a, b in pairs])
        ends = intervals.mean_intervals(table)
        found = [
            intervals.Difference(len(whole), float(table[:, i].mean()), *ends[i])
            for i in range(len(pairs))
        ]
    else:
        found = [intervals.paired_difference(values[a], values[b]) for a, b in pairs]
    rows = {}
    for (a, b), one in zip(pairs, found, strict=True):
        rows[a, b] = (one.runs, one.mean, one.low, one.high)
        rows[b, a] = (one.runs, -one.mean, -one.high, -one.low)
    index = pd.MultiIndex.from_tuples(list(rows), names=["policy", "other"])
    columns = ["pairs", "difference", "low", "high"]
    return pd.DataFrame(list(rows.values()), index, columns).sort_index(
        sort_remaining=False
    )
