"""Every measure of a policy with its interval, and how policies stand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from abm.montecarlo.store import SCHEMAS, Batch
from analysis import counterfactuals, intervals


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


SOLVENCY = "Solvency"
BURDEN = "Who carries it"
FAIRNESS = "Fairness"
COST = "Against what was needed"
FORESIGHT = "Predictability and brittleness"
RETENTION = "Retention"
REVENUE = "Revenue and recovery"
GROUPS = (SOLVENCY, BURDEN, FAIRNESS, COST, FORESIGHT, RETENTION, REVENUE)

MEASURES = (
    Measure("deficit_usd", "Deficit", SOLVENCY, "usd", "low",
            "What a run was short by in all: what had been covered so far plus what was "
            "missing, at its most. A hole that is filled and opens again counts again."),
    Measure("covered_part", "Covered, mean run", SOLVENCY, "share", "high",
            "The part of a run's deficit that ADL covered; all runs count alike, where "
            "`adl run` and `adl compare` add up their dollars."),
    Measure("residual_usd", "Residual", SOLVENCY, "usd", "low",
            "What was still missing at the end of a run."),
    Measure("has_residual", "Runs with a residual", SOLVENCY, "share", "low",
            "The share of runs at whose end anything was missing."),
    Measure("time_to_cover_s", "Time to cover", SOLVENCY, "seconds", "low",
            "From the first wave to the last call of ADL, over the runs in which that left "
            "nothing missing."),
    Measure("breach_share", "Breach frequency", SOLVENCY, "share", "low",
            "The share of the strikes of the wave's clock at which the venue was short."),
    Measure("unmet_share", "Still short", SOLVENCY, "share", "low",
            "The share of those strikes at which it was short after ADL, too."),
    Measure("uncoverable_waves", "Waves not coverable", SOLVENCY, "count", "low",
            "Waves that needed more in all than the winners' profits at their start, "
            "though not than their equity. Profits that grow meanwhile can still pay."),
    Measure("haircut_usd", "Haircuts in all", BURDEN, "usd", "low",
            "What all accounts gave in a run, against the mark of the moment. What later "
            "prices did to those who were closed is not in it, and can be more."),
    Measure("largest_haircut_share", "Worst haircut of profit", BURDEN, "share", "low",
            "The most that one account gave in a run, as a share of the profit that could "
            "be taken from it: that of the positions that were closed or, under rules that "
            "take cash, all that it had left and all that it had given before."),
    Measure("largest_equity_share", "Worst haircut of equity", BURDEN, "share", "low",
            "The most that one account gave in a run, as a share of what its equity was "
            "before it was first hit."),
    Measure("adl_accounts", "Accounts hit", BURDEN, "count", "low",
            "Accounts of which a run's waves took or closed anything."),
    Measure("adl_notional_usd", "Closed by ADL", BURDEN, "usd", "",
            "Notional of the contracts that ADL closed; none under rules that take cash."),
    Measure("top_1_share", "Given by the largest", BURDEN, "share", "",
            "The share of what was given that the payer of largest capacity gave."),
    Measure("top_10_share", "Given by the ten largest", BURDEN, "share", "",
            "The share of what was given that the ten payers of largest capacity gave."),
    Measure("optional_share", "Optional pain", FAIRNESS, "share", "low",
            "The share of what was given that some rule could have placed elsewhere."),
    Measure("gini", "Gini of haircut shares", FAIRNESS, "number", "low",
            "Gini coefficient of haircut shares over all who could be asked."),
    Measure("order_inversions", "Order inversions", FAIRNESS, "share", "low",
            "The share of neighbours in the order of profit that changed places."),
    Measure("rank_stability", "Rank stability", FAIRNESS, "number", "",
            "Rank correlation of burdens with those of the wave before."),
    Measure("ptsr", "PTSR", FAIRNESS, "number", "",
            "Largest survivor over the deficit that was shared out (arXiv 2512.01112)."),
    Measure("pmr", "PMR", FAIRNESS, "number", "",
            "Largest survivor over the largest single shortfall (arXiv 2512.01112)."),
    Measure("rd_nse", "RD-NSE", FAIRNESS, "number", "",
            "Largest survivor over itself and what is still missing together."),
    Measure("needed_usd", "Needed", COST, "usd", "",
            "What the closed positions needed at the marks of the calls themselves."),
    Measure("undershoot_usd", "Undershoot", COST, "usd", "low",
            "What was needed and not covered, added up over waves."),
    Measure("utilisation", "Utilisation", COST, "number", "",
            "Profit of what was closed (or cash taken) over the least that had to be: "
            "the need, or all profits if they are less."),
    Measure("excess_usd", "Excess", COST, "usd", "low",
            "Profit of what was closed (or cash taken) less that least."),
    Measure("tracking_regret_usd", "Tracking regret", COST, "usd", "low",
            "How far what was covered lies from what was needed, added up over waves."),
    Measure("fairness_regret_usd", "Fairness regret", COST, "usd", "low",
            "How far the worst share lies above the least possible, times the need."),
    Measure("regret_usd", "Regret", COST, "usd", "low",
            "Tracking and fairness regret together (arXiv 2602.15182)."),
    Measure("predict_spearman", "Lights against haircuts", FORESIGHT, "number", "high",
            "Rank correlation of the light shown before the first wave with the burden."),
    Measure("predict_brier", "Brier score", FORESIGHT, "number", "low",
            "Mean square error of what lights foretold of being hit; 0 is perfect."),
    Measure("predict_coverage", "Stated worst case held", FORESIGHT, "share", "high",
            "The share of those hit who lost no more than the bound stated beforehand."),
    Measure("jump_moved", "Moved by a nudge", FORESIGHT, "share", "low",
            "The most of what was taken that a tiny change of state moves to others."),
    Measure("jump_per_usd", "Dollars moved a dollar", FORESIGHT, "number", "low",
            "The most that moves to others for each dollar of the tiny change."),
    Measure("accounts_left", "Accounts that left", RETENTION, "count", "low",
            "Accounts that ADL hit and that had closed everything and left by the end of "
            "the run."),
    Measure("accounts_rebuilt", "Accounts that rebuilt", RETENTION, "count", "",
            "Accounts that opened again what ADL had closed."),
    Measure("expected_churn", "Expected churn", RETENTION, "count", "low",
            "Accounts that leave sooner or later, in the mean, by the hazard that the "
            "table `retention` gives to their haircuts; another count than of those who "
            "left in the run."),
    Measure("fees_usd", "Fees in the run", REVENUE, "usd", "high",
            "What the venue earned while the run lasted."),
    Measure("retained_value_usd", "Retained value", RETENTION, "usd", "high",
            "Fees expected over the horizon of the table `retention` from those who "
            "stay. Only ADL drives accounts away, not that the venue is short."),
    Measure("retained_value_share", "Retained share", RETENTION, "share", "high",
            "Retained value as a share of the lifetime value without churn, which goes by "
            "what traders have at the end and so differs by policy."),
    Measure("has_solvency_back", "Solvent again", REVENUE, "share", "high",
            "The share of runs that are solvent for good before they end."),
    Measure("solvency_recovery_s", "Time to be solvent", REVENUE, "seconds", "low",
            "From the first breach until solvent for good, over the runs that are. The "
            "venue is looked at now and then: what ADL covers in between is no breach."),
    Measure("has_revenue_back", "Revenue back", REVENUE, "share", "high",
            "The share of runs in which lifetime value is back before they end."),
    Measure("vault_end_usd", "Vault at the end", REVENUE, "usd", "high",
            "Equity of the backstop vault at the end of a run."),
)  # fmt: skip

_OF_HITS = {
    "haircut_usd", "largest_haircut_share", "largest_equity_share", "adl_accounts",
    "fairness_regret_usd", "accounts_left", "expected_churn", "retained_value_usd",
    "retained_value_share", "has_revenue_back",
}  # fmt: skip
"""Those in which whoever does nothing is best: only policies that hit anybody compete."""


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
        for what in ("solvency", "revenue"):
            _tell_recovery(runs, what)
        columns = ["given_usd", "needed_usd", "covered_usd", "winners_profit_usd"]
        waves = self.batch.frame("waves", columns=["run", "policy", *columns])
        if len(waves):
            rows = pd.MultiIndex.from_frame(runs[["run", "policy"]])
            use = use_of_profits(waves).reindex(rows)
            runs[list(use)] = use.to_numpy()
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
    def fixed_path(self) -> pd.DataFrame:
        """See :func:`analysis.counterfactuals.fixed_path`."""
        return counterfactuals.fixed_path(self.batch)

    @cached_property
    def measures(self) -> list[Measure]:
        """The measures that this batch has."""
        found = self.finished
        return [
            one
            for one in MEASURES
            if one.column in found and found[one.column].notna().any()
        ]

    @cached_property
    def hitting(self) -> list[str]:
        """The policies under which anybody was hit in any finished run."""
        hits = self.values("adl_accounts")
        return [name for name in self.policies if (hits[name] > 0).any()]

    def measure(self, column: str) -> Measure:
        """The measure of a column, whether or not this batch has it."""
        return next(one for one in MEASURES if one.column == column)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Every measure of every policy.

        Returns
        -------
        DataFrame
            One row a policy and measure's column (the index): `value`, the mean over
            `runs` finished runs, `low` and `high`, the ends of its 95% interval, and
            `stand`: ``best``, ``with the best`` where the paired difference to the best
            cannot be told from zero, ``worse`` where it can, or nothing, as where all are
            the same or where it does not compete (see :meth:`competing`).
        """
        parts = [self.of(one.column, one.better) for one in self.measures]
        names = [one.column for one in self.measures]
        if not parts:
            index = pd.MultiIndex.from_arrays([[], []], names=["policy", "measure"])
            return pd.DataFrame(
                index=index, columns=["runs", "value", "low", "high", "stand"]
            )
        table = pd.concat(parts, keys=names, names=["measure", "policy"])
        return table.swaplevel().sort_index(level=0, sort_remaining=False)

    def of(self, column: str, better: str = "") -> pd.DataFrame:
        """One measure by policy; as in :attr:`summary`."""
        most = 1.0 if self.measure(column).unit == "share" else np.inf
        values = self.values(column)
        found = sum_up(values, of_runs=column.startswith("has_"), most=most)
        if better:
            values = self.competing(column)
            stand = pd.Series(stands(values, better), values.columns, dtype=object)
            found["stand"] = stand.reindex(found.index, fill_value="")
        return found

    def competing(self, column: str) -> pd.DataFrame:
        """As :meth:`values`, of the policies that compete in a measure.

        Where hits and what came of them are counted, those that hit anybody.
        """
        values = self.values(column)
        return values[self.hitting] if column in _OF_HITS and self.hitting else values


def use_of_profits(waves: pd.DataFrame) -> pd.DataFrame:
    """Utilisation, excess and shortfall of a run's waves.

    The least that a wave must take is ``H* = min(needed, profits of the winners)``; what
    it took is H. Utilisation is ``H / H*``, the excess ``H - H*`` (both of
    github.com/pluriholonomic/autodeleveraging-analysis), the shortfall
    ``sum max(needed - covered, 0)`` (V_T of arXiv 2602.15182).

    Parameters
    ----------
    waves : DataFrame
        Columns `run`, `policy`, `given_usd`, `needed_usd`, `covered_usd` and
        `winners_profit_usd`.

    Returns
    -------
    DataFrame
        Indexed by `run` and `policy`: `utilisation`, `excess_usd` (of the waves in which
        somebody was asked; NaN where none was) and `undershoot_usd`.
    """
    asked = waves["winners_profit_usd"].notna()
    least = np.minimum(waves["needed_usd"], waves["winners_profit_usd"])
    parts = waves[["run", "policy"]].assign(
        given=waves["given_usd"].where(asked),
        least=least.where(asked),
        undershoot_usd=(waves["needed_usd"] - waves["covered_usd"]).clip(lower=0.0),
    )
    sums = parts.groupby(["run", "policy"]).sum(min_count=1)
    return pd.DataFrame(
        {
            "utilisation": sums["given"] / sums["least"].where(sums["least"] > 0.0),
            "excess_usd": sums["given"] - sums["least"],
            "undershoot_usd": sums["undershoot_usd"],
        }
    )


def _tell_recovery(runs: pd.DataFrame, what: str) -> None:
    """Split a time that is infinite where a run ends too early into whether and when."""
    name = f"{what}_recovery_s"
    if name in runs and runs[name].notna().any():
        is_back = np.isfinite(runs[name]).astype(float)
        runs[f"has_{what}_back"] = is_back.where(runs[name].notna())
        runs[name] = runs[name].where(np.isfinite(runs[name]))


def sum_up(
    values: pd.DataFrame,
    better: str = "",
    *,
    of_runs: bool = False,
    most: float = np.inf,
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
        runs, whose interval is exact (Clopper and Pearson); that of other means is
        :func:`analysis.intervals.mean_interval`'s.
    most : float
        What no mean can pass.
    """
    columns = [values[name].dropna().to_numpy(float) for name in values]
    if of_runs:
        ends = [intervals.share_interval(int(one.sum()), len(one)) for one in columns]
    elif len({len(one) for one in columns}) == 1:
        ends = intervals.mean_intervals(np.column_stack(columns), most=most)
    else:
        ends = [intervals.mean_interval(one, most=most) for one in columns]
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
    if means.isna().all() or (len(means) > 1 and means.nunique(dropna=False) == 1):
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
    return pd.DataFrame(list(rows.values()), index, columns)
