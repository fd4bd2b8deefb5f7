"""What a venue without ADL goes through: the joint distribution, for a risk team.

Deficits, falls, depth and liquidations of every run, by market and in all, as quantiles
with intervals, as correlations, and in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from rich import box
from rich.table import Table
from scipy import stats

from abm.montecarlo.store import Batch, StoreError
from analysis import notation, risk
from analysis.console import plain_console

ALL = "(all)"
"""All markets together, as in the table `extremes`."""

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995)
TAIL = 0.05
"""The worst runs, of which expected shortfall and value at risk are told."""
DEPENDENT_TAIL = 0.1
"""The worst runs that dependence in the tail is about."""
MOST_MARKETS = 12
"""Markets, the largest first, that are shown and compared with each other."""

_WIDTH = 100
_FEWEST_WORST = 5


def _fall(log_return: float) -> str:
    return notation.share(float(np.expm1(log_return)))


class Measure(NamedTuple):
    """A column of `extremes`: what it is called, whether less is worse, how it is told."""

    column: str
    label: str
    less_is_worse: bool
    write: Callable[[float], str]


MEASURES = (
    Measure("deficit_usd", "Deficit", False, notation.usd),
    Measure("lowest_log_return", "Lowest price", True, _fall),
    Measure("lowest_log_return_60s", "Worst minute's fall", True, _fall),
    Measure("lowest_depth_60s_usd", "Worst minute's depth", True, notation.usd),
    Measure("depth_ratio", "  of ordinary depth", True, notation.share),
    Measure("book_usd", "Closed in the book", False, notation.usd),
    Measure("backstop_usd", "Taken by the vault", False, notation.usd),
    Measure("insurance_usd", "Taken by the fund", False, notation.usd),
    Measure("unwind_usd", "Sold by the vault", False, notation.usd),
    Measure("shortfall_usd", "Missing at takeover", False, notation.usd),
    Measure("largest_open_interest_usd", "Most open interest", False, notation.usd),
    Measure("vault_used_usd", "Lost by the vault", False, notation.usd),
    Measure("insurance_used_usd", "Lost by the fund", False, notation.usd),
)
_JOINT = ("deficit_usd", "lowest_log_return", "depth_ratio", "book_usd", "backstop_usd")
_BY_MARKET = ("deficit_usd", "lowest_log_return", "depth_ratio", "book_usd", "backstop_usd")
_SHOWN = (0.05, 0.5, 0.95)


def is_stress(batch: Batch) -> bool:
    """True if a batch holds extremes of a venue without ADL, as `adl stress` makes them."""
    outputs = batch.scenario.get("outputs", {})
    return bool(outputs.get("extremes")) and batch.policies == ["none"]


def read_extremes(batch: Batch, policy: str = "none") -> pd.DataFrame:
    """The table `extremes` of a batch, without ADL or under a policy, by run and market.

    Raises
    ------
    StoreError
        If it was not written.
    """
    found = batch.frame("extremes", where=pc.field("policy") == policy)
    if found.empty:
        raise StoreError(
            f"{batch.folder}: holds no extremes of policy {policy}: `adl stress` writes "
            "those of none"
        )
    return found


def markets_of(table: pd.DataFrame) -> list[str]:
    """Markets by falling median of their largest open interest, then all of them."""
    each = table[table["market"] != ALL]
    size = each.groupby("market", sort=False)["largest_open_interest_usd"].median()
    ordered = size.sort_values(ascending=False, kind="stable").index
    return [*map(str, ordered), ALL]


# --- tables -----------------------------------------------------------------------------


def quantile_table(table: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of every measure by market and in all, each with its 95% interval.

    Returns
    -------
    DataFrame
        Columns `market`, `measure`, `quantile`, `value`, `low`, `high`, `runs`. Ends are
        infinite where the runs are too few to bound a quantile; measures as in
        `extremes`, log-returns and USD.
    """
    rows = []
    for market in reversed(markets_of(table)):
        here = table[table["market"] == market]
        for measure in MEASURES:
            values = here[measure.column].dropna().to_numpy(float)
            for share in QUANTILES if len(values) else ():
                found = risk.quantile(values, share)
                rows.append((market, measure.column, share, *found[:3], len(values)))
    names = ["market", "measure", "quantile", "value", "low", "high", "runs"]
    return pd.DataFrame(rows, columns=names)


def tail_table(table: pd.DataFrame) -> pd.DataFrame:
    """Tail of the deficit by market and in all: how often, how large, how heavy.

    Returns
    -------
    DataFrame
        One row a market and measure: `breach` (share of runs with a deficit), `var` and
        `es` (value at risk and expected shortfall of the worst 5% of runs), `exponent` of
        the tail; with `value`, `low`, `high`, `beyond` (runs that it rests on), `method`.
    """
    rows = []
    for market in reversed(markets_of(table)):
        deficits = table.loc[table["market"] == market, "deficit_usd"].to_numpy(float)
        for name, found in _tail_of(deficits):
            rows.append((market, name, *found))
    names = ["market", "measure", "value", "low", "high", "beyond", "method"]
    return pd.DataFrame(rows, columns=names)


def _tail_of(deficits: np.ndarray) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "breach", risk.breach_frequency(int((deficits > 0.0).sum()), len(deficits))
    yield f"var_{1 - TAIL:.2f}", risk.value_at_risk(deficits, TAIL)
    yield f"es_{1 - TAIL:.2f}", risk.expected_shortfall(deficits, TAIL)
    tail = risk.tail_exponent(deficits)
    yield "exponent", (tail.exponent, tail.low, tail.high, tail.values, tail.method)


def dependence_table(table: pd.DataFrame) -> pd.DataFrame:
    """How measures and markets go together: ranks, and the worst runs.

    Pairs of measures of one market, and of markets in one measure (the largest markets).
    Every measure is turned so that more is worse.

    Returns
    -------
    DataFrame
        Columns `market_a`, `measure_a`, `market_b`, `measure_b`, `rank_correlation`
        (Spearman), `tail_dependence` (share of the worst 10% of runs by b that are among
        the worst 10% by a) with `tail_low` and `tail_high`, `runs`.
    """
    worse = {m.column: -1.0 if m.less_is_worse else 1.0 for m in MEASURES}
    markets = markets_of(table)
    chosen = [*markets[:-1][:MOST_MARKETS], ALL]
    columns = {
        (market, name): sign * table[table["market"] == market].set_index("run")[name]
        for market in chosen
        for name, sign in worse.items()
        if name in _JOINT
    }
    pairs = [((m, a), (m, b)) for m in chosen for a, b in combinations(_JOINT, 2)]
    pairs += [((a, n), (b, n)) for n in _JOINT for a, b in combinations(chosen[:-1], 2)]
    rows = [(*a, *b, *_together(columns[a], columns[b])) for a, b in pairs]
    names = ["market_a", "measure_a", "market_b", "measure_b", "rank_correlation"]
    names += ["tail_dependence", "tail_low", "tail_high", "runs"]
    return pd.DataFrame(rows, columns=names)


def _together(a: pd.Series, b: pd.Series) -> tuple[float, float, float, float, int]:
    both = pd.concat([a, b], axis=1, join="inner").dropna().to_numpy(float)
    if len(both) < 3 or np.ptp(both[:, 0]) == 0.0 or np.ptp(both[:, 1]) == 0.0:
        return np.nan, np.nan, np.nan, np.nan, len(both)
    ranks = float(stats.spearmanr(both[:, 0], both[:, 1]).statistic)
    tail = risk.tail_dependence(both[:, 0], both[:, 1], DEPENDENT_TAIL)
    return ranks, tail.value, tail.low, tail.high, len(both)


def write_tables(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the tables as CSV and Parquet into ``folder/stress``; return the files."""
    place = folder / "stress"
    place.mkdir(parents=True, exist_ok=True)
    tables = {
        "quantiles": quantile_table(table),
        "tails": tail_table(table),
        "dependence": dependence_table(table),
    }
    written = []
    for name, found in tables.items():
        found.to_csv(place / f"{name}.csv", index=False)
        found.to_parquet(place / f"{name}.parquet", index=False)
        written += [place / f"{name}.csv", place / f"{name}.parquet"]
    return written


# --- as text ----------------------------------------------------------------------------


def render(batch: Batch, table: pd.DataFrame) -> str:
    """The distribution for a terminal of 100 columns, and what it says."""
    text = StringIO()
    console = plain_console(text, _WIDTH)
    runs = table["run"].nunique()
    console.print(
        f"{batch.name} without ADL: {notation.count(runs)} runs, seeds from "
        f"{batch.manifest['first_seed']}. All markets together; in brackets the 95% "
        "interval of each quantile.\n"
    )
    console.print(_totals(table[table["market"] == ALL]))
    console.print()
    console.print(_by_market(table))
    console.print()
    console.print("\n".join(findings(table)))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _totals(table: pd.DataFrame) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    shown.add_column("All markets", no_wrap=True)
    for share in _SHOWN:
        shown.add_column(f"{share:.0%} of runs below", justify="right", no_wrap=True)
    for measure in MEASURES:
        values = table[measure.column].dropna().to_numpy(float)
        if len(values) and (np.ptp(values) > 0.0 or values[0] != 0.0):
            cells = [_cell(risk.quantile(values, q), measure.write) for q in _SHOWN]
            shown.add_row(measure.label, *cells)
    return shown


def _cell(found: risk.Estimate, write: Callable[[float], str]) -> str:
    """``$1.2M (1.0M to 1.5M)``; an end that the runs do not bound is a question mark."""
    ends = [write(end).replace("$", "") if np.isfinite(end) else "?" for end in found[1:3]]
    if ends[1].endswith("%"):
        ends[0] = ends[0].removesuffix("%")
    inside = "" if "?" == ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})"
    return f"{write(found.value)}{inside}"


def _by_market(table: pd.DataFrame) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    shown.add_column("Median, worst 5%", no_wrap=True)
    chosen = [measure for measure in MEASURES if measure.column in _BY_MARKET]
    short = ("Deficit", "Lowest price", "Depth left", "In the book", "By the vault")
    for name in short:
        shown.add_column(name, justify="right", no_wrap=True)
    markets = markets_of(table)[:-1]
    for market in markets[:MOST_MARKETS]:
        here = table[table["market"] == market]
        shown.add_row(market, *(_middle_and_worst(here, m) for m in chosen))
    if len(markets) > MOST_MARKETS:
        shown.add_row(f"and {len(markets) - MOST_MARKETS} more: see stress/quantiles.csv")
    return shown


def _middle_and_worst(here: pd.DataFrame, measure: Measure) -> str:
    values = here[measure.column].dropna()
    worst = TAIL if measure.less_is_worse else 1.0 - TAIL
    middle, far = (measure.write(float(values.quantile(q))) for q in (0.5, worst))
    return f"{middle}, {far}"


def findings(table: pd.DataFrame) -> list[str]:
    """What the distribution says, in sentences made from its numbers."""
    total = table[table["market"] == ALL]
    deficits = total["deficit_usd"].to_numpy(float)
    runs = len(deficits)
    breach = risk.breach_frequency(int((deficits > 0.0).sum()), runs)
    said = [
        f"The venue is short in {notation.share(breach.value)} of runs "
        f"({notation.span(notation.share(breach.low), notation.share(breach.high))})."
    ]
    if breach.beyond == 0:
        return said
    said.append(_about_tail(deficits))
    tail = risk.tail_exponent(deficits)
    if np.isfinite(tail.exponent):
        heavy = " (below 1 the mean would be infinite)" if tail.low < 1.0 else ""
        said.append(
            f"Above {notation.usd(tail.threshold)} deficits fall off as a power of "
            f"{tail.exponent:.2g} ({tail.low:.2g} to {tail.high:.2g}; {tail.values} runs)"
            f"{heavy}."
        )
    joint = _together(-total["lowest_log_return"], total["deficit_usd"])
    if np.isfinite(joint[0]):
        also = (
            f"; of the worst {DEPENDENT_TAIL:.0%} of runs by deficit, "
            f"{notation.share(joint[1])} are among the worst by fall"
        )
        told = also if DEPENDENT_TAIL * runs >= _FEWEST_WORST else ""
        said.append(
            "Falls and deficits go together with a rank correlation of "
            f"{joint[0]:.2f}{told}."
        )
    return said


def _about_tail(deficits: np.ndarray) -> str:
    """Expected shortfall, and what the number of runs is good for."""
    found = risk.expected_shortfall(deficits, TAIL)
    if np.isnan(found.value):
        return f"Too few runs for the mean of the worst {TAIL:.0%}."
    ends = notation.span(*(notation.usd(end) for end in found[1:3]))
    said = (
        f"The mean of the worst {TAIL:.0%} of runs is {notation.usd(found.value)} ({ends})"
    )
    if found.beyond >= risk.FEW_IN_TAIL:
        return f"{said}."
    return (
        f"{said}; it rests on {found.beyond:.3g} runs, where even this interval misses the "
        f"truth more often than it says if the tail is heavier than a lognormal's: "
        f"{notation.count(np.ceil(risk.FEW_IN_TAIL / TAIL))} runs or more would tell."
    )


def records(table: pd.DataFrame) -> dict[str, Any]:
    """The tables for programs; what is undefined or unbounded is None."""
    tables = {
        "quantiles": quantile_table(table),
        "tails": tail_table(table),
        "dependence": dependence_table(table),
    }
    return {name: _plain(found) for name, found in tables.items()}


def _plain(found: pd.DataFrame) -> list[dict[str, Any]]:
    usable = found.replace([np.inf, -np.inf], np.nan).astype(object)
    return usable.where(usable.notna(), None).to_dict(orient="records")
