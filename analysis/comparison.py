"""The comparison table: one row a policy, with intervals, and what it shows in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from abm.montecarlo.store import Batch
from analysis import intervals, notation
from analysis.console import plain_console
from analysis.intervals import Difference

TAIL = 0.05
"""The share of worst runs over which a tail mean is taken."""

_WIDTH = 100
_LABEL_WIDTH = 22
_VALUE_WIDTH = 7
_CELL_WIDTH = 25
_POLICIES_A_TABLE = 3
_MOST_SIDE_BY_SIDE = 6
_MOST_TOLD = 4

_MEANS = {
    "deficit": "deficit_usd",
    "residual": "residual_usd",
    "haircuts": "haircut_usd",
    "accounts_touched": "adl_accounts",
    "adl_notional": "adl_notional_usd",
    "accounts_left": "accounts_left",
}
_SHARES = {
    "largest_haircut": "largest_haircut_share",
    "largest_equity": "largest_equity_share",
}
_CONTRASTS = {
    "covered_share": "covered_part",
    "deficit": "deficit_usd",
    "residual": "residual_usd",
    "largest_haircut": "largest_haircut_share",
    "largest_equity": "largest_equity_share",
}


def compare(batch: Batch) -> pd.DataFrame:
    """Compare the policies of a batch over its finished runs.

    Returns
    -------
    DataFrame
        One row a policy, in the plan's order, indexed by its name. ``*_low`` and
        ``*_high`` are ends of 95% intervals, each by itself. ``*_less_base`` are mean
        differences to the first policy over the runs that both finished, which share
        seeds; ``*_reduction`` how many times less their variance is than that of a
        difference between independent seeds. Money is in USD, shares are from 0 to 1;
        what is undefined is NaN. `attrs` has ``name``, ``runs``, ``first_seed`` and
        ``base``.
    """
    wanted = {
        "run",
        "policy",
        "failed",
        "covered_usd",
        *_MEANS.values(),
        *_SHARES.values(),
    }
    runs = batch.frame("runs", columns=sorted(wanted)).set_index("run")
    base = batch.policies[0]
    finished = {name: _finished(runs, name) for name in batch.policies}
    rows = {}
    for name, table in finished.items():
        everything = int((runs["policy"] == name).sum())
        row: dict[str, float] = {"runs": everything, "failed": everything - len(table)}
        rows[name] = row | _measures(table) | _contrasts(table, finished[base])
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    found.attrs = {
        "name": batch.name,
        "runs": int(batch.manifest["runs"]),
        "first_seed": int(batch.manifest["first_seed"]),
        "base": base,
    }
    return found


def _finished(runs: pd.DataFrame, policy: str) -> pd.DataFrame:
    """Finished runs of a policy, with each one's part in the share that is covered."""
    found = runs[(runs["policy"] == policy) & ~runs["failed"].astype(bool)]
    parts = intervals.ratio_parts(found["covered_usd"], found["deficit_usd"])
    return found.assign(covered_part=parts)


def _measures(runs: pd.DataFrame) -> dict[str, float]:
    """Everything that is said about one policy by itself."""
    found: dict[str, float] = {}
    for name in ("deficit", "residual"):
        hits = int((runs[f"{name}_usd"] > 0).sum())
        found[f"{name}_runs"] = hits / len(runs) if len(runs) else np.nan
        _put(found, f"{name}_runs", intervals.share_interval(hits, len(runs)))
    values = runs[list(_MEANS.values())].to_numpy(float)
    ends = intervals.mean_intervals(values)
    for i, name in enumerate(_MEANS):
        found[f"{name}_mean"] = float(values[:, i].mean()) if len(runs) else np.nan
        _put(found, f"{name}_mean", ends[i])
    deficit, covered = runs["deficit_usd"], runs["covered_usd"]
    found["deficit_tail"] = intervals.expected_shortfall(deficit, TAIL)
    _put(found, "deficit_tail", intervals.expected_shortfall_interval(deficit, TAIL))
    found["covered_share"] = _ratio(covered.sum(), deficit.sum())
    _put(found, "covered_share", intervals.ratio_interval(covered, deficit))
    for measure, column in _SHARES.items():
        shares = runs[column].dropna()
        found[f"{measure}_mean"] = float(shares.mean())
        _put(found, f"{measure}_mean", intervals.mean_interval(shares, most=1.0))
        found[f"{measure}_q95"] = float(shares.quantile(0.95))
        _put(found, f"{measure}_q95", intervals.quantile_interval(shares, 0.95))
    return found


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else np.nan


def _put(row: dict[str, float], name: str, ends: intervals.Interval) -> None:
    row[f"{name}_low"], row[f"{name}_high"] = ends


def _contrasts(runs: pd.DataFrame, base: pd.DataFrame) -> dict[str, float]:
    """Paired differences to the base policy; none for the base itself."""
    found: dict[str, float] = {}
    for name, column in _CONTRASTS.items():
        itself = runs is base
        missing = Difference(0, np.nan, np.nan, np.nan)
        most = 1.0 if name == "covered_share" or name in _SHARES else np.inf
        apart = (
            missing
            if itself
            else intervals.paired_difference(runs[column], base[column], most=most)
        )
        found[f"{name}_less_base"] = apart.mean
        _put(found, f"{name}_less_base", intervals.Interval(apart.low, apart.high))
        found[f"{name}_reduction"] = apart.reduction
        found["pairs"] = apart.runs
    return found


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The comparison for programs: one mapping a policy, None for what is undefined."""
    rows: list[dict[str, Any]] = []
    for policy, row in table.iterrows():
        found: dict[str, Any] = {"policy": policy}
        for name, value in row.items():
            whole = name in ("runs", "failed", "pairs")
            known = math.isfinite(value)
            found[str(name)] = (int(value) if whole else float(value)) if known else None
        rows.append(found)
    return rows


def shared_past(batch: Batch) -> float:
    """Share of market time that policies did not have to simulate each for itself.

    They share a run's past until the first wave, and go on together as long as they do
    the same; NaN for one policy.
    """
    runs = batch.frame("runs", columns=["run", "shared_s"]).dropna()
    if len(batch.policies) < 2 or runs.empty:
        return math.nan
    episodes = batch.scenario.get("episodes", {}).get("count", 1)
    whole = batch.scenario["time"]["duration_s"] * episodes
    of_run = runs.groupby("run")["shared_s"]
    # One of them has to simulate what it shares.
    saved = of_run.sum() - of_run.min()
    return float(saved.mean() / (whole * len(batch.policies)))


# --- as text ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """A line of the text: a measure and how its numbers are written."""

    label: str
    measure: str
    write: Callable[[float], str]


def _points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:.1f}" if math.isfinite(value) else notation.UNDEFINED


_LINES = (
    _Line("Runs with a deficit", "deficit_runs", notation.share),
    _Line("Deficit, mean", "deficit_mean", notation.usd),
    _Line(f"  mean of worst {TAIL:.0%}", "deficit_tail", notation.usd),
    _Line("Covered by ADL", "covered_share", notation.share),
    _Line("Residual, mean", "residual_mean", notation.usd),
    _Line("Runs with a residual", "residual_runs", notation.share),
    _Line("Haircuts in all, mean", "haircuts_mean", notation.usd),
    _Line("Worst haircut, mean", "largest_haircut_mean", notation.share),
    _Line("  95% quantile", "largest_haircut_q95", notation.share),
    _Line("  of equity, mean", "largest_equity_mean", notation.share),
    _Line("Accounts hit, mean", "accounts_touched_mean", notation.count),
    _Line("ADL notional, mean", "adl_notional_mean", notation.usd),
    _Line("Accounts left, mean", "accounts_left_mean", notation.count),
)
_DIFFERENCES = (
    _Line("Covered, points", "covered_share_less_base", _points),
    _Line("Deficit", "deficit_less_base", notation.usd),
    _Line("Residual", "residual_less_base", notation.usd),
    _Line("Worst haircut, points", "largest_haircut_less_base", _points),
    _Line("  of equity, points", "largest_equity_less_base", _points),
)


def render(table: pd.DataFrame) -> str:
    """The comparison as text for a terminal of 100 columns, and what it shows.

    Measures are rows and policies columns, three side by side, each value with its
    interval.
    """
    text = StringIO()
    console = plain_console(text, _WIDTH)
    about = table.attrs
    runs = "1 run" if about["runs"] == 1 else f"{notation.count(about['runs'])} runs"
    console.print(
        f"{about['name']}: {runs} a policy, seeds from {about['first_seed']}. Beside each "
        "value its 95% interval. The worst haircut is the most that one account gave in a "
        "run, as a share of its profit."
    )
    if table["pairs"].any():
        console.print(
            "Variance, less by: how many times as many runs it would take with seeds of "
            "their own to know a difference as well."
        )
    console.print()
    if len(table) > _MOST_SIDE_BY_SIDE:
        console.print(_overview(table))
        console.print()
    for start in range(0, len(table), _POLICIES_A_TABLE):
        part = table.iloc[start : start + _POLICIES_A_TABLE]
        console.print(_as_table(part, str(about["base"]), len(table) > 1))
        console.print()
    console.print("\n".join(findings(table)))
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).rstrip() + "\n"


_OVERVIEW = (
    ("Covered", "covered_share", notation.share),
    ("Residual", "residual_mean", notation.usd),
    ("Haircuts", "haircuts_mean", notation.usd),
    ("Worst", "largest_haircut_mean", notation.share),
    ("of equity", "largest_equity_mean", notation.share),
    ("Accounts", "accounts_touched_mean", notation.count),
    ("ADL notional", "adl_notional_mean", notation.usd),
)


def _overview(table: pd.DataFrame) -> Table:
    """Many policies at a glance, a line each; their intervals follow."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    shown.add_column("Policy")
    for head, _, _ in _OVERVIEW:
        shown.add_column(head, justify="right", no_wrap=True)
    for policy, row in table.iterrows():
        shown.add_row(str(policy), *(write(row[name]) for _, name, write in _OVERVIEW))
    return shown


def _as_table(part: pd.DataFrame, base: str, has_others: bool) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False)
    shown.add_column("", width=_LABEL_WIDTH, no_wrap=True)
    for policy in part.index:
        shown.add_column(str(policy), width=_CELL_WIDTH, overflow="fold")
    rows = [row for _, row in part.iterrows()]
    shown.add_row("Runs finished", *(_finished_of(row) for row in rows))
    for line in _LINES:
        shown.add_row(line.label, *(_cell(row, line) for row in rows))
    if has_others:
        shown.add_row()
        shown.add_row("Mean difference to")
        shown.add_row(f"{base},")
        shown.add_row("on the same seeds:", *(_pairs_of(row) for row in rows))
        for line in _DIFFERENCES:
            shown.add_row(line.label, *(_cell(row, line, signed=True) for row in rows))
            measure = line.measure.removesuffix("_less_base")
            shown.add_row(
                "  variance, less by", *(_reduction(row, measure) for row in rows)
            )
    return shown


def _finished_of(row: pd.Series) -> str:
    runs, failed = int(row["runs"]), int(row["failed"])
    done = f"{notation.count(runs - failed):>{_VALUE_WIDTH}}"
    return f"{done}  {notation.count(failed)} failed" if failed else done


def _pairs_of(row: pd.Series) -> str:
    pairs = int(row["pairs"])
    return f"{notation.count(pairs):>{_VALUE_WIDTH}}  pairs" if pairs else ""


def _reduction(row: pd.Series, measure: str) -> str:
    """How many times less the variance is than between independent seeds."""
    times = row[f"{measure}_reduction"]
    text = "all" if math.isinf(times) else f"{notation.amount(times)}x"
    return "" if math.isnan(times) else f"{text:>{_VALUE_WIDTH}}"


def _cell(row: pd.Series, line: _Line, signed: bool = False) -> str:
    """``$1.23M  1.1M to 1.4M``; a bound where an end of the interval is infinite."""
    number, measure = row[line.measure], line.measure
    value = line.write(number)
    value = f"{notation.signed(value) if signed else value:>{_VALUE_WIDTH}}"
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    if math.isinf(high) and math.isfinite(low) and number > 0:
        return f"{value}  above {line.write(low).replace('$', '')}"
    around = notation.span(line.write(low), line.write(high))
    if low == high == number or around == notation.UNDEFINED:
        return value.rstrip()
    return f"{value}  {around}"


# --- in words ---------------------------------------------------------------------------


def findings(table: pd.DataFrame) -> list[str]:
    """What the comparison shows, one or two sentences, computed from its numbers."""
    finished = table[table["runs"] > table["failed"]]
    if finished.empty:
        return ["No run finished, so there is nothing to compare."]
    if (finished["deficit_mean"] == 0).all():
        return ["No run had a deficit under any policy: nobody had to pay."]
    base = str(table.attrs["base"])
    others = finished[finished["pairs"] > 0]
    if others.empty:
        return [_alone(finished.iloc[0])]
    start = f"On the same seeds as {notation.policy(base)}, "
    found = [f"{start}the mean deficit is {_stand(others, 'deficit', notation.usd)}."]
    if finished["residual_mean"].any():
        found.append(
            f"{start}the mean residual is {_stand(others, 'residual', notation.usd)}."
        )
    paying = others[others["haircuts_mean"] != 0]
    if len(paying):
        for measure, whole in (("haircut", "profit"), ("equity", "equity")):
            stand = _stand(paying, f"largest_{measure}", _points, " points")
            found.append(f"{start}a run's worst haircut of {whole} is on average {stand}.")
    return found


def _alone(row: pd.Series) -> str:
    covered = notation.share(row["covered_share"])
    largest = notation.share(row["largest_haircut_mean"])
    return (
        f"{row.name} covers {covered} of the deficit; a run's worst haircut is on average "
        f"{largest} of a payer's profit."
    )


def _stand(
    others: pd.DataFrame, measure: str, write: Callable[[float], str], unit: str = ""
) -> str:
    """How the others stand to the base in one measure, told from paired differences."""
    clauses: dict[str, list[str]] = {}
    for policy, apart in _differences(others, measure):
        where, how = _stand_of(apart, write, unit)
        brief = len(others) > _MOST_TOLD or not how
        name = notation.policy(policy)
        clauses.setdefault(where, []).append(name if brief else f"{name} ({how})")
    return "; ".join(
        f"{where} under {notation.listing(names)}" for where, names in clauses.items()
    )


def _stand_of(
    apart: Difference, write: Callable[[float], str], unit: str
) -> tuple[str, str]:
    """Whether a difference is higher, lower or neither, and by how much."""
    size = write(abs(apart.mean)) + unit
    if math.isnan(apart.low):
        return "too little known, with so few runs,", f"about {size} apart"
    if apart.low == apart.high == 0.0:
        return "the same", ""
    if not apart.is_clear:
        ends = notation.span(write(apart.low), write(apart.high))
        return "not clearly different (the interval holds zero)", ends + unit
    ends = notation.span(*map(write, sorted((abs(apart.low), abs(apart.high)))))
    return "higher" if apart.mean > 0 else "lower", f"by {size}, {ends}"


def _differences(others: pd.DataFrame, measure: str) -> Iterator[tuple[str, Difference]]:
    for policy, row in others.iterrows():
        ends = (row[f"{measure}_less_base{end}"] for end in ("", "_low", "_high"))
        yield str(policy), Difference(int(row["pairs"]), *ends)
