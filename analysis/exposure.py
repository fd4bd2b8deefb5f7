"""What ADL could do to one account: its fates over many runs, told with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from analysis import intervals, notation
from analysis.console import plain_console

REFERENCE = "none"
"""The policy under which nobody pays: what the others are held against, if asked."""

_WIDTH = 100
_POLICIES_A_TABLE = 3
_EVENTS = ("called", "touched", "closed_in_full", "liquidated")
_MEANS = {
    "haircut": "haircut_usd",
    "closed": "closed_share",
    "forgone": "forgone_usd",
    "equity_end": "equity_end_usd",
    "lights_start": "lights_start",
    "lights": "lights",
}


def summarise(fates: pd.DataFrame) -> pd.DataFrame:
    """Sum up the fates of an account, one row a policy in the order of the fates.

    Parameters
    ----------
    fates : DataFrame
        A row a run and policy, with the columns of `abm.exposure.fate.Fate` (and of
        `Moved` where everything was run again under a nudge).

    Returns
    -------
    DataFrame
        Indexed by policy; ``*_low`` and ``*_high`` are ends of 95% intervals. Shares of
        runs: `called` (a wave in which anybody was asked), `touched`, `closed_in_full`,
        `liquidated`. Means over all runs: `haircut` (USD), `haircut_of_notional`,
        `closed` (part of its contracts), `forgone` and `equity_end` (USD), `lights_start`
        and `lights` (parts of five). Over runs in which it was touched:
        `haircut_if_touched` (USD), `haircut_of_profit`, `stated_held` (how often the
        bound that it was shown held). `worst` and `could` are the largest haircut that
        was, and that could have been asked, in any run; `less_none` is the mean
        difference of equity at the end to the runs in which nobody pays, on the same
        seeds. Under a nudge: `nudge_moved` is the share of runs in which it changed the
        account's haircut by more than the nudge itself, `others_moved` the mean sum of
        what it changed for others (USD). What is undefined is NaN.
    """
    ended = fates[~fates["failed"].astype(bool)]
    base = ended[ended["policy"] == REFERENCE].set_index("run")["equity_end_usd"]
    rows = {}
    for policy in fates["policy"].unique():
        everything = fates[fates["policy"] == policy]
        runs = ended[ended["policy"] == policy]
        row = {"runs": len(everything), "failed": len(everything) - len(runs)}
        rows[policy] = row | _of_policy(runs) | _against(runs, base, policy)
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    return found


def _of_policy(runs: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _EVENTS:
        hits = int(runs[name].sum())
        found[name] = hits / len(runs) if len(runs) else math.nan
        _put(found, name, intervals.share_interval(hits, len(runs)))
    for name, column in _MEANS.items():
        most = 1.0 if name == "closed" else math.inf
        _put_mean(found, name, runs[column].dropna(), most)
    _put_mean(found, "haircut_of_notional", runs["haircut_usd"] / runs["notional_usd"])
    found |= _if_touched(runs[runs["touched"].astype(bool)])
    found["worst"] = float(runs["haircut_usd"].max()) if len(runs) else math.nan
    found["could"] = float(runs["could_usd"].max()) if len(runs) else math.nan
    return found | _under_nudge(runs)


def _if_touched(hit: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {}
    _put_mean(found, "haircut_if_touched", hit["haircut_usd"])
    total = float(hit["profit_usd"].sum())
    lost = float(hit["haircut_usd"].sum())
    found["haircut_of_profit"] = lost / total if total > 0.0 else math.nan
    ends = intervals.ratio_interval(hit["haircut_usd"], hit["profit_usd"])
    _put(found, "haircut_of_profit", ends if total > 0.0 else intervals.UNKNOWN)
    known = hit[hit["stated_usd"].notna()]
    held = int((known["haircut_usd"] <= known["stated_usd"]).sum())
    found["stated_held"] = held / len(known) if len(known) else math.nan
    _put(found, "stated_held", intervals.share_interval(held, len(known)))
    return found


def _under_nudge(runs: pd.DataFrame) -> dict[str, float]:
    if "nudge_usd" not in runs:
        return {}
    known = runs.dropna(subset=["nudged_haircut_usd", "nudge_usd"])
    change = (known["nudged_haircut_usd"] - known["haircut_usd"]).abs()
    hits = int((change > known["nudge_usd"]).sum())
    found = {"nudge_moved": hits / len(known) if len(known) else math.nan}
    _put(found, "nudge_moved", intervals.share_interval(hits, len(known)))
    _put_mean(found, "others_moved", known["others_moved_usd"].dropna())
    return found


def _against(runs: pd.DataFrame, base: pd.Series, policy: str) -> dict[str, float]:
    """Equity at the end less that where nobody pays, on the same seeds."""
    if policy == REFERENCE or base.empty:
        ends = dict.fromkeys(("less_none", "less_none_low", "less_none_high"), math.nan)
        return dict(ends)
    apart = intervals.paired_difference(runs.set_index("run")["equity_end_usd"], base)
    return {
        "less_none": apart.mean, "less_none_low": apart.low, "less_none_high": apart.high
    }  # fmt: skip


def _put_mean(
    found: dict[str, float], name: str, values: pd.Series, most: float = math.inf
) -> None:
    found[name] = float(values.mean()) if len(values) else math.nan
    _put(found, name, intervals.mean_interval(values, most=most))


def _put(found: dict[str, float], name: str, ends: intervals.Interval) -> None:
    found[f"{name}_low"], found[f"{name}_high"] = ends


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The summary for programs: one mapping a policy, None for what is undefined."""
    rows: list[dict[str, Any]] = []
    for policy, row in table.iterrows():
        found: dict[str, Any] = {"policy": policy}
        for name, value in row.items():
            whole = name in ("runs", "failed")
            known = math.isfinite(value)
            found[str(name)] = (int(value) if whole else float(value)) if known else None
        rows.append(found)
    return rows


# --- as text ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """A line of the text: a measure, how it is written, whether it has an interval."""

    label: str
    measure: str
    write: Callable[[float], str]
    has_ends: bool = True


def _of_five(value: float) -> str:
    return f"{5.0 * value:.1f}" if math.isfinite(value) else notation.UNDEFINED


_LINES = (
    _Line("Somebody was asked", "called", notation.share),
    _Line("It was hit", "touched", notation.share),
    _Line("  closed in full by ADL", "closed_in_full", notation.share),
    _Line("It was liquidated", "liquidated", notation.share),
    _Line("Haircut, mean", "haircut", notation.usd),
    _Line("  of notional", "haircut_of_notional", notation.share),
    _Line("  if hit", "haircut_if_touched", notation.usd),
    _Line("  of profit, if hit", "haircut_of_profit", notation.share),
    _Line("  the worst that was", "worst", notation.usd, False),
    _Line("  that could have been", "could", notation.usd, False),
    _Line("Contracts closed, mean", "closed", notation.share),
    _Line("  forgone by the end", "forgone", notation.usd),
    _Line("Equity at the end, mean", "equity_end", notation.usd),
    _Line("  less that without ADL", "less_none", notation.usd),
    _Line("Lights of 5 at the start", "lights_start", _of_five, False),
    _Line("  before the first wave", "lights", _of_five, False),
    _Line("Loss within the stated", "stated_held", notation.share),
    _Line("A nudge mattered", "nudge_moved", notation.share),
    _Line("  moved others, mean", "others_moved", notation.usd),
)


def render(table: pd.DataFrame) -> str:
    """The summary as text for a terminal of 100 columns, three policies side by side."""
    text = StringIO()
    console = plain_console(text, _WIDTH)
    for start in range(0, len(table), _POLICIES_A_TABLE):
        console.print(_as_table(table.iloc[start : start + _POLICIES_A_TABLE]))
        console.print()
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).rstrip()


def _as_table(part: pd.DataFrame) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False)
    shown.add_column("", width=25, no_wrap=True)
    for policy in part.index:
        shown.add_column(str(policy), width=25, overflow="fold")
    failed = part["failed"] > 0
    if failed.any():
        shown.add_row("Runs that failed", *(f"{int(n):>7}" for n in part["failed"]))
    for line in _LINES:
        if line.measure in part and part[line.measure].notna().any():
            shown.add_row(line.label, *(_cell(row, line) for _, row in part.iterrows()))
    return shown


def _cell(row: pd.Series, line: _Line) -> str:
    """``$1.23M  1.1M to 1.4M``."""
    value = f"{line.write(row[line.measure]):>7}"
    if not line.has_ends:
        return value
    low, high = row[f"{line.measure}_low"], row[f"{line.measure}_high"]
    around = notation.span(line.write(low), line.write(high))
    if np.isclose(low, high) or around == notation.UNDEFINED:
        return value
    return f"{value}  {around}"
