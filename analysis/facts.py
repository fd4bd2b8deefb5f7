"""Stylised facts: what was measured, what the literature says, and whether they agree.

Every estimate is made in each run by itself and averaged over markets; its interval is
over runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import stats

from abm.montecarlo.store import read_index
from analysis import estimators, intervals, notation
from analysis.estimators import Floats

INF = float("inf")
_MARKET = ["run", "market"]


@dataclass(frozen=True)
class Tables:
    """What facts are read from: the tables that `adl facts` writes.

    `horizons` are the lengths of returns in seconds: finest, middle, and long; `gap_s` is
    the pause after which another cascade begins.
    """

    paths: pd.DataFrame
    profile: pd.DataFrame
    impact: pd.DataFrame
    liquidations: pd.DataFrame
    horizons: tuple[float, float, float]
    gap_s: float


INDEX = "facts.json"
"""Says what was run: scenario, its SHA-256, seeds, policy, markets, horizons."""

_TABLES = ("paths", "profile", "impact", "liquidations", "levered")


def write(
    folder: Path, index: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write the tables of `adl facts` as Parquet and the index as JSON."""
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    text = json.dumps(index, indent=1)
    (folder / INDEX).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """What :func:`write` wrote.

    Raises
    ------
    StoreError
        If the folder holds no facts.
    """
    index = read_index(folder, INDEX, "folder of facts")
    files = {name: folder / f"{name}.parquet" for name in _TABLES}
    found = {name: pd.read_parquet(file) for name, file in files.items() if file.is_file()}
    return index, found


def all_facts(index: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table of facts of a folder, those about leverage at its end."""
    of_runs = {name: tables[name] for name in _TABLES[:4]}
    horizons = tuple(index["horizons_s"])
    found = facts(
        Tables(**of_runs, horizons=horizons, gap_s=index["gap_s"]), crash=index["crash"]
    )
    if "levered" not in tables:
        return found
    return pd.concat([found, leverage_facts(tables["levered"], horizons[1])])


def about(index: Mapping[str, Any]) -> str:
    """Which batch: scenario, its SHA-256, runs, seeds, policy, and lengths of returns."""
    first, runs = index["first_seed"], index["runs"]
    finest, middle, long = (notation.duration(one) for one in index["horizons_s"])
    return (
        f"{index['scenario']} (SHA-256 {index['scenario_sha256'][:16]}), {runs} runs, "
        f"seeds "
        f"{first} to {first + runs - 1}, policy {index['policy']}, "
        f"{len(index['markets'])} markets; returns of {finest} (finest), {middle} (middle) "
        f"and {long} (long)"
    )


@dataclass(frozen=True)
class Fact:
    """One stylised fact.

    `measure` gives one value a run; the literature has it between `low` and `high`.
    """

    name: str
    what: str
    low: float
    high: float
    source: str
    measure: Callable[[Tables], pd.Series]


# --- returns ----------------------------------------------------------------------------


def returns(paths: pd.DataFrame, horizon_s: float) -> dict[tuple[int, str], Floats]:
    """Log-returns of the middle that do not overlap, by run and market.

    Where a side of the book is empty the last middle stands in.
    """
    found = {}
    for key, rows in paths.groupby(_MARKET, sort=False):
        middle = rows["middle"].ffill().to_numpy(float)
        interval = float(rows["time_s"].iloc[1] - rows["time_s"].iloc[0])
        every = max(1, round(horizon_s / interval))
        found[key] = np.diff(np.log(middle[::every]))
    return found


def _by_run(values: Mapping[tuple[int, str], float]) -> pd.Series:
    """Means over markets, by run."""
    series = pd.Series(values, dtype=float)
    return series.groupby(level=0).mean()


def of_returns(which: int, estimate: Callable[[Floats], float]) -> Callable[..., pd.Series]:
    """A measure that makes an estimate from the returns at one of the horizons."""

    def measure(tables: Tables) -> pd.Series:
        found = returns(tables.paths, tables.horizons[which])
        return _by_run({key: estimate(one) for key, one in found.items()})

    return measure


def _gaussian_ratio(tables: Tables) -> pd.Series:
    """Excess kurtosis of long returns over that of the finest."""
    fine = of_returns(0, estimators.excess_kurtosis)(tables)
    return of_returns(2, estimators.excess_kurtosis)(tables) / fine


def _mean_correlation(one: Floats) -> float:
    found = np.array([estimators.autocorrelation(one, lag) for lag in range(1, 6)])
    return float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else np.nan


def _clustering(one: Floats) -> float:
    return estimators.autocorrelation(np.abs(one), 1)


# --- trading, spread and depth ----------------------------------------------------------


def _windows(tables: Tables) -> pd.DataFrame:
    """Volatility, volume, spread and depth of windows of ten rows of a path."""
    paths = tables.paths.copy()
    paths["squared"] = paths.groupby(_MARKET)["middle"].transform(
        lambda middle: np.log(middle.ffill()).diff() ** 2
    )
    paths["window"] = (paths["time_s"] // (10 * tables.horizons[0])).astype(int)
    grouped = paths.groupby([*_MARKET, "window"])
    means = grouped[["squared", "volume_usd", "spread", "depth_usd"]].mean()
    return means.assign(volatility=np.sqrt(means["squared"]))


def against_volatility(column: str) -> Callable[[Tables], pd.Series]:
    """A measure: elasticity of a column with realised volatility over windows."""

    def measure(tables: Tables) -> pd.Series:
        groups = _windows(tables).groupby(level=_MARKET)
        return _by_run(
            {
                key: estimators.elasticity(rows["volatility"], rows[column])
                for key, rows in groups
            }
        )

    return measure


def _volume_correlation(tables: Tables) -> pd.Series:
    groups = _windows(tables).groupby(level=_MARKET)
    return _by_run(
        {
            key: float(stats.spearmanr(rows["volatility"], rows["volume_usd"]).statistic)
            for key, rows in groups
            if len(rows) > 2
        }
    )


def _depth_collapse(tables: Tables) -> pd.Series:
    """How many times thinner the book is in its thinnest twelfth than in the first.

    Of the median market; twelfths of the crash of twelve minutes are minutes.
    """
    paths = tables.paths
    last = paths["time_s"].max() + tables.horizons[0]
    twelfth = (12.0 * paths["time_s"] // last).rename("twelfth")
    means = paths.groupby([*_MARKET, twelfth])["depth_usd"].mean().groupby(level=_MARKET)
    return (means.first() / means.min().clip(lower=1.0)).groupby(level=0).median()


def _profile_exponent(tables: Tables) -> pd.Series:
    groups = tables.profile.groupby([*_MARKET, "distance"])["depth_usd"].mean()
    return _by_run(
        {
            key: estimators.elasticity(rows.index.get_level_values("distance"), rows)
            for key, rows in groups.groupby(level=_MARKET)
        }
    )


def impact_exponent(form: str, column: str = "impact") -> Callable[[Tables], pd.Series]:
    """A measure: power of an order's size by which its mean impact grows.

    Mean impacts are over markets and sides; NaN in a run in which one is not above zero.
    """

    def measure(tables: Tables) -> pd.Series:
        rows = tables.impact[tables.impact["form"] == form]
        means = rows.groupby(["run", "size"])[column].mean()
        return pd.Series(
            {
                run: estimators.elasticity(one.index.get_level_values("size"), one)
                for run, one in means.groupby(level="run")
                if (one > 0.0).all()
            },
            dtype=float,
        )

    return measure


def _largest_metaorder(tables: Tables) -> pd.Series:
    """Impact of the largest metaorder in basis points."""
    rows = tables.impact[tables.impact["form"] == "metaorder"]
    rows = rows[rows["size"] == rows["size"].max()]
    return 1e4 * rows.groupby("run")["impact"].mean()


def _impact_left(tables: Tables) -> pd.Series:
    """What is left of an order's impact once a metaorder would be over."""
    rows = tables.impact[tables.impact["form"] == "order"]
    sums = rows.groupby("run")[["impact", "later"]].sum()
    return sums["later"] / sums["impact"]


# --- cascades ---------------------------------------------------------------------------


def cascades(liquidations: pd.DataFrame, gap_s: float) -> pd.DataFrame:
    """Liquidations of one market without a pause longer than `gap_s`, added up.

    Returns
    -------
    DataFrame
        One row a cascade: `run`, `market`, `usd`, `events`.
    """
    rows = liquidations.sort_values([*_MARKET, "time_s"])
    pause = rows.groupby(_MARKET)["time_s"].diff()
    number = (~(pause <= gap_s)).cumsum().rename("cascade")
    grouped = rows.groupby([*_MARKET, number])["usd"]
    return grouped.agg(usd="sum", events="size").reset_index().drop(columns="cascade")


def _cascade_exponent(tables: Tables) -> pd.Series:
    found = cascades(tables.liquidations, tables.gap_s)
    return pd.Series(
        {
            run: estimators.tail_exponent(rows["usd"].to_numpy(), 0.2)
            for run, rows in found.groupby("run")
        },
        dtype=float,
    )


# --- the facts --------------------------------------------------------------------------

CONT = "Cont 2001, Quantitative Finance 1:223"
FACTS = (
    Fact(
        "Heavy tails", "tail exponent of returns, finest", 2.0, 5.0,
        "Cont 2001; Gopikrishnan et al. 1998, Eur. Phys. J. B 3:139 (about 3)",
        of_returns(0, estimators.tail_exponent),
    ),
    Fact(
        "Heavy tails, middle horizon", "excess kurtosis of returns, middle", 0.0, INF,
        CONT, of_returns(1, estimators.excess_kurtosis),
    ),
    Fact(
        "Aggregational Gaussianity", "excess kurtosis, long over finest", -INF, 0.5,
        CONT, _gaussian_ratio,
    ),
    Fact(
        "No linear autocorrelation", "autocorrelation of returns, middle, lags 1 to 5",
        -0.05, 0.05, CONT, of_returns(1, _mean_correlation),
    ),
    Fact(
        "Volatility clustering", "autocorrelation of absolute returns, middle, lag 1",
        0.05, 0.5, CONT, of_returns(1, _clustering),
    ),
    Fact(
        "Slow decay of it", "power of the lag by which it decays", 0.2, 0.4,
        "Cont 2001; Liu et al. 1999, Phys. Rev. E 60:1390",
        of_returns(1, estimators.memory_exponent),
    ),
    Fact(
        "Gain/loss asymmetry", "skewness of returns, middle", -INF, 0.0,
        CONT, of_returns(1, estimators.skewness),
    ),
    Fact(
        "Leverage effect", "correlation of a return with the next absolute one", -INF, 0.0,
        "Bouchaud, Matacz, Potters 2001, Phys. Rev. Lett. 87:228701",
        of_returns(1, estimators.leverage_effect),
    ),
    Fact(
        "Volume with volatility", "rank correlation over windows", 0.0, 1.0,
        CONT, _volume_correlation,
    ),
    Fact(
        "Spread with volatility", "elasticity over windows", 0.0, 1.0,
        "Wyart et al. 2008, Quantitative Finance 8:41 (proportional: 1)",
        against_volatility("spread"),
    ),
    Fact(
        "Depth with volatility", "elasticity over windows", -INF, 0.0,
        "Naes, Skjeltorp 2006, J. Financial Markets 9:408",
        against_volatility("depth_usd"),
    ),
    Fact(
        "Depth profile", "power of the distance by which depth grows", 1.0, 2.0,
        "even (1) to linear (2) density: Toth et al. 2011, Phys. Rev. X 1:021006; "
        "Donier, Bouchaud 2015, PLoS ONE 10:e0139356",
        _profile_exponent,
    ),
    Fact(
        "Impact of an order", "power of its size", 0.1, 0.5,
        "Lillo, Farmer, Mantegna 2003, Nature 421:129", impact_exponent("order"),
    ),
    Fact(
        "Metaorders move prices", "impact of the largest, basis points", 0.0, INF,
        "Almgren et al. 2005, Risk 18(7):58", _largest_metaorder,
    ),
    Fact(
        "Impact of a metaorder", "power of its size", 0.4, 0.7,
        "Almgren et al. 2005 (0.6); Toth et al. 2011; Donier, Bonart 2015, "
        "Market Microstructure and Liquidity 1:1550008 (Bitcoin, 0.5)",
        impact_exponent("metaorder"),
    ),
    Fact(
        "Impact decays", "left of an order's impact later", 0.0, 2.0 / 3.0,
        "Bershova, Rakhlin 2013, Quantitative Finance 13:1759", _impact_left,
    ),
    Fact(
        "Cascade sizes", "tail exponent of liquidations in one cascade", 0.5, 1.5,
        "0.5 at the critical point: Zapperi, Lauritsen, Stanley 1995, "
        "Phys. Rev. Lett. 75:4071; infinite variance below 2",
        _cascade_exponent,
    ),
)  # fmt: skip
"""In the order in which they are told."""

DEPTH_COLLAPSE = Fact(
    "Depth collapse", "depth within 1%, first minute over the thinnest", 20.0, 561.0,
    "10 October 2025 on Binance: github.com/min66633/liquidation-cascade-research",
    _depth_collapse,
)  # fmt: skip
"""What is known of a crash alone."""

LEVERAGE_SOURCE = "Thurner, Farmer, Geanakoplos 2012, Quantitative Finance 12:695"


def facts(tables: Tables, *, crash: bool) -> pd.DataFrame:
    """Measure all facts.

    Returns
    -------
    DataFrame
        One row a fact, indexed by its name: `what`, `value` (mean over runs) with
        `value_low` and `value_high`, ends of its 95% interval, `low` and `high` of the
        literature, `inside` (yes, no, or unclear if the interval leaves it open),
        `source`, `runs`.
    """
    wanted = [*FACTS, DEPTH_COLLAPSE] if crash else FACTS
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = {
            fact.name: _row(
                fact.what, fact.low, fact.high, fact.source, fact.measure(tables)
            )
            for fact in wanted
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("fact")


_BY_LEVERAGE = (
    ("kurtosis", "Leverage fattens tails", "excess kurtosis", 0.0, INF),
    ("exponent", "Leverage lowers the exponent", "tail exponent", -INF, 0.0),
    (
        "clustering",
        "Leverage clusters volatility",
        "absolute returns' correlation",
        0.0,
        INF,
    ),
)


def by_leverage(levered: pd.DataFrame, horizon_s: float) -> pd.DataFrame:
    """Tails and clustering at every leverage limit.

    Returns
    -------
    DataFrame
        One row a limit and run: `limits` (multiple of the scenario's), `run`, `kurtosis`,
        `exponent`, `clustering`.
    """
    found = []
    for limits, paths in levered.groupby("limits"):
        each = returns(paths, horizon_s)
        table = pd.DataFrame(
            {
                "kurtosis": _by_run(
                    {k: estimators.excess_kurtosis(v) for k, v in each.items()}
                ),
                "exponent": _by_run(
                    {k: estimators.tail_exponent(v) for k, v in each.items()}
                ),
                "clustering": _by_run({k: _clustering(v) for k, v in each.items()}),
            }
        )
        found.append(table.rename_axis("run").reset_index().assign(limits=limits))
    return pd.concat(found, ignore_index=True)


def leverage_facts(levered: pd.DataFrame, horizon_s: float) -> pd.DataFrame:
    """How tails change from the lowest leverage limit to the highest, on equal seeds.

    Parameters
    ----------
    levered : DataFrame
        Paths with the multiple of the scenario's leverage limits in `limits`.

    Returns
    -------
    DataFrame
        As of :func:`facts`.
    """
    table = by_leverage(levered, horizon_s)
    lowest, highest = table["limits"].min(), table["limits"].max()
    rows = {}
    for column, name, of_what, low, high in _BY_LEVERAGE:
        wide = table.pivot(index="run", columns="limits", values=column)
        what = f"{of_what}, limits x{highest:g} less x{lowest:g}"
        rows[name] = _row(what, low, high, LEVERAGE_SOURCE, wide[highest] - wide[lowest])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("fact")


def _row(
    what: str, low: float, high: float, source: str, values: pd.Series
) -> dict[str, Any]:
    known = values.replace([np.inf, -np.inf], np.nan).dropna()
    mean = float(known.mean()) if len(known) else np.nan
    ends = intervals.mean_interval(known)
    return {
        "what": what,
        "value": mean,
        "value_low": ends.low,
        "value_high": ends.high,
        "low": low,
        "high": high,
        "inside": verdict(ends, low, high),
        "source": source,
        "runs": len(known),
    }


def verdict(ends: intervals.Interval, low: float, high: float) -> str:
    """``yes`` if an interval lies within a range, ``no`` if outside, else unclear."""
    if not (np.isfinite(ends.low) and np.isfinite(ends.high)):
        return "unclear"
    if low <= ends.low and ends.high <= high:
        return "yes"
    return "no" if ends.high < low or ends.low > high else "unclear"


# --- as text ----------------------------------------------------------------------------


def range_text(low: float, high: float) -> str:
    """``2 to 5``, ``above 0``, ``below 0.5``."""
    if low == -INF:
        return f"below {notation.number(high)}"
    if high == INF:
        return f"above {notation.number(low)}"
    return f"{notation.number(low)} to {notation.number(high)}"


def value_text(row: Any) -> str:
    """``2.9 (2.8 to 3.1)``."""
    ends = notation.span(*(notation.number(row[f"value_{end}"]) for end in ("low", "high")))
    return f"{notation.number(row['value'])} ({ends})"


def render_facts(table: pd.DataFrame, title: str) -> str:
    """The table for a terminal of 100 columns, and the sources below it."""
    text = StringIO()
    console = Console(file=text, width=100, highlight=False, color_system=None)
    look = {"box": box.SIMPLE_HEAD, "title_justify": "left", "padding": (0, 1)}
    heads = ("Fact", "Measured (95% interval)", "Literature", "Inside")
    shown = Table(*heads, title=title, **look)
    for name, row in table.iterrows():
        cells = value_text(row), range_text(row["low"], row["high"]), row["inside"]
        shown.add_row(f"{name}: {row['what']}", *cells)
    console.print(shown)
    for name, row in table.iterrows():
        console.print(f"{name}: {row['source']}")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def to_markdown(index: Mapping[str, Any], table: pd.DataFrame) -> str:
    """The table as Markdown, sources in its last column, and which batch it is of."""
    lines = [
        f"Batch: {about(index)}.",
        "",
        "| fact | measured (95% interval) | literature | inside | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in table.iterrows():
        cells = (
            f"{name}: {row['what']}",
            value_text(row),
            range_text(row["low"], row["high"]),
            f"**{row['inside']}**" if row["inside"] == "no" else row["inside"],
            row["source"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
