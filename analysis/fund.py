"""What insurance fund would be enough? The newsvendor's answer, from the runs of a batch.

A fund of size K costs ``r K`` to hold, and ``kappa (D - K)+`` where a deficit D exceeds
it. The sum is least at the quantile of D at ``1 - r / kappa``, and at no fund at all if
capital costs as much as reputation (arXiv 2512.01112, the optimal insurance fund).

D is what the fund would have had to pay for ADL never to be asked: the deficit that was
left once the venue's purses were used up, and what the fund that the run had lost between
start and end. The vault stays as it was; so does everything else that a larger fund might
have changed on the way: under a rule that closes positions, D is the need of a fund that
stands before it, not of one that replaces it, which is the need under no policy. Under
one that defends the fund itself (an alarm on its drawdown), what ADL failed to restore
to it counts twice.
"""

from __future__ import annotations

import math
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from abm.montecarlo.store import Batch, StoreError
from analysis import intervals, notation, risk
from analysis.console import plain_console

POINTS = 60
"""Sizes of a curve beside nothing, by equal factors up to the largest need."""

_LEAST_SHOWN = 0.1
"""The smallest size of a curve beside nothing, as a part of a small need."""

_WIDTH = 100


class Costs(NamedTuple):
    """What a dollar held costs, and what a dollar of deficit beyond the fund costs.

    Both over the time in which one such crash is expected.
    """

    capital: float
    reputation: float

    @property
    def quantile(self) -> float:
        """The share of runs that the best fund covers; 0 if no fund is worth it."""
        return max(0.0, 1.0 - self.capital / self.reputation)


def needs(batch: Batch) -> dict[str, np.ndarray]:
    """What the fund would have had to pay in each finished run, USD, by policy.

    Raises
    ------
    StoreError
        If no run finished.
    """
    columns = ["policy", "failed", "deficit_usd", "insurance_start_usd"]
    runs = batch.frame("runs", columns=[*columns, "insurance_end_usd"])
    runs = runs[~runs["failed"].astype(bool)]
    lost = (runs["insurance_start_usd"] - runs["insurance_end_usd"]).clip(lower=0.0)
    need = runs["deficit_usd"] + lost
    found = {name: need[runs["policy"] == name].to_numpy(float) for name in batch.policies}
    found = {name: values for name, values in found.items() if len(values)}
    if not found:
        raise StoreError(f"{batch.folder}: no run finished, so there is nothing to size")
    return found


def best_size(need: np.ndarray, costs: Costs) -> risk.Estimate:
    """The size of least cost over these runs, and the interval of that quantile.

    Parameters
    ----------
    need : array, shape (runs,)
        USD.
    costs : Costs
    """
    share = costs.quantile
    if share == 0.0:
        return risk.Estimate(0.0, 0.0, 0.0, int((need > 0.0).sum()), "no fund is worth it")
    size = float(np.quantile(need, share, method="inverted_cdf"))
    ends = intervals.quantile_interval(need, share)
    beyond = int((need > size).sum())
    low = max(0.0, ends.low)
    return risk.Estimate(size, low, ends.high, beyond, risk.ORDER_STATISTICS)


def size_table(need: dict[str, np.ndarray], costs: Costs) -> pd.DataFrame:
    """The best fund of each policy, and what is left beyond it.

    Returns
    -------
    DataFrame
        Indexed by `policy`: `runs`, `quantile`, `size_usd` with `size_low_usd` and
        `size_high_usd` (infinite where the runs do not bound it; then `runs_needed` says
        how many would), `runs_beyond`, `breach` (share of runs beyond the fund) with ends,
        `residual_usd` (mean left uncovered) and `shortfall_usd` (that mean over the runs
        beyond) with ends of the former, `left` (the mean left as a part of the mean need),
        `cost_usd`; `need_usd` is the mean need.
    """
    rows = {name: _row(values, costs) for name, values in need.items()}
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    return found


def _row(need: np.ndarray, costs: Costs) -> dict[str, Any]:
    size = best_size(need, costs)
    return {
        "runs": len(need),
        "quantile": costs.quantile,
        "size_usd": size.value,
        "size_low_usd": size.low,
        "size_high_usd": size.high,
        "runs_beyond": int(size.beyond),
        "runs_needed": risk.runs_for_quantile(costs.quantile),
        "need_usd": float(need.mean()),
        **curve(need, costs, np.array([size.value])).iloc[0].drop("fund_usd"),
    }


def curve(need: np.ndarray, costs: Costs, sizes: np.ndarray) -> pd.DataFrame:
    """What is left beyond funds of given sizes.

    Returns
    -------
    DataFrame
        Columns `fund_usd`, `breach`, `breach_low`, `breach_high` (Clopper-Pearson),
        `residual_usd`, `residual_low_usd`, `residual_high_usd` (of the mean), `left`,
        `left_low`, `left_high` (the part of the mean need that is left), `shortfall_usd`
        (mean beyond the fund where it is exceeded), `cost_usd`.
    """
    left = np.maximum(need[:, None] - sizes, 0.0)
    mean = left.mean(axis=0)
    ends = intervals.mean_intervals(left)
    part_ends = intervals.ratio_intervals(left, need)
    breaches = (need[:, None] > sizes).sum(axis=0)
    breach = [risk.breach_frequency(int(hits), len(need)) for hits in breaches]
    with np.errstate(invalid="ignore", divide="ignore"):
        beyond = left.sum(axis=0) / breaches
        part = mean / need.mean()
    return pd.DataFrame(
        {
            "fund_usd": sizes,
            "breach": [share.value for share in breach],
            "breach_low": [share.low for share in breach],
            "breach_high": [share.high for share in breach],
            "residual_usd": mean,
            "residual_low_usd": [interval.low for interval in ends],
            "residual_high_usd": [interval.high for interval in ends],
            "left": part,
            "left_low": [interval.low for interval in part_ends],
            "left_high": [interval.high for interval in part_ends],
            "shortfall_usd": beyond,
            "cost_usd": costs.capital * sizes + costs.reputation * mean,
        }
    )


def curves(need: dict[str, np.ndarray], costs: Costs) -> pd.DataFrame:
    """The curve of every policy over the same sizes, with a column `policy`.

    Sizes grow by equal factors, from a tenth of a small need to the largest one, since
    rules' needs may differ a hundredfold; the first is no fund at all.
    """
    largest = max(float(values.max()) for values in need.values())
    small = [np.quantile(v[v > 0.0], 0.05) for v in need.values() if v.any()]
    first = _LEAST_SHOWN * min(small, default=0.0)
    grown = np.geomspace(first, largest, POINTS) if largest > 0.0 else np.zeros(0)
    sizes = np.append(0.0, grown)
    parts = []
    for name, values in need.items():
        part = curve(values, costs, sizes)
        part.insert(0, "policy", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


# --- as text ----------------------------------------------------------------------------


def render(batch: Batch, table: pd.DataFrame, costs: Costs) -> str:
    """The table for a terminal of 100 columns, and what it says."""
    text = StringIO()
    console = plain_console(text, _WIDTH)
    console.print(
        f"{batch.name}: the insurance fund of least cost, if a dollar of it costs "
        f"{costs.capital:g} and a dollar missing {costs.reputation:g}: the need of the run "
        f"at {notation.share(costs.quantile)}. The need is the deficit before ADL, with "
        "what the run's own fund lost. In brackets 95% intervals.\n"
    )
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    shown.add_column("Policy", no_wrap=True)
    for head in ("Fund", "Runs beyond it", "Missing\nthen", "on\naverage", "Cost"):
        shown.add_column(head, justify="right", no_wrap=True)
    for name, row in table.iterrows():
        shown.add_row(str(name), *_cells(row))
    console.print(shown)
    console.print()
    console.print("\n".join(findings(table, costs)))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _cells(row: pd.Series) -> list[str]:
    high = row["size_high_usd"]
    low = notation.usd(row["size_low_usd"])
    around = f"above {low}" if math.isinf(high) else notation.span(low, notation.usd(high))
    breach = notation.span(*(notation.share(row[f"breach_{e}"]) for e in ("low", "high")))
    return [
        f"{notation.usd(row['size_usd'])} ({around})",
        f"{notation.share(row['breach'])} ({breach})",
        notation.usd(row["shortfall_usd"]),
        notation.usd(row["residual_usd"]),
        notation.usd(row["cost_usd"]),
    ]


def findings(table: pd.DataFrame, costs: Costs) -> list[str]:
    """What the table says, in sentences made from its numbers."""
    if costs.quantile == 0.0:
        return [
            "Capital costs at least as much as reputation, so no fund is worth holding."
        ]
    said = []
    if "none" in table.index and len(table) > 1:
        said.append(
            "Instead of ADL a fund must meet the need of none; before ADL, that of the "
            "rule, which is less where closing positions stopped losses from growing."
        )
    few = table[np.isinf(table["size_high_usd"]) | table["size_high_usd"].isna()]
    if len(few):
        fewest = int(few["runs"].min())
        needed = int(few["runs_needed"].iloc[0])
        said.append(
            f"{notation.count(fewest)} runs do not bound the fund from above: at least "
            f"{notation.count(needed)} would (`adl run ... --runs {needed}`)."
        )
    if len(table) > 1:
        cheapest = table["cost_usd"].idxmin()
        row = table.loc[cheapest]
        said.append(
            f"The cheapest is that of {cheapest}: {notation.usd(row['size_usd'])}, "
            f"{notation.usd(row['cost_usd'])} a crash with what is missing."
        )
    return said


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for programs; what is undefined or unbounded is None."""
    usable = table.replace([np.inf, -np.inf], np.nan).astype(object)
    return usable.where(usable.notna(), None).to_dict(orient="records")
