"""How bad each market got in a run: one row a market, and one for all of them together.

They come from the series of `paths`, taken of every run where `outputs.extremes` is set
and reduced before anything is stored, from the liquidations, and from the waves. Prices
are marks, depth is what rests within 1% of the mark on both sides.

All markets together have the sums of depth, open interest and flows; their price is that
of a basket of what was open at the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from abm.adl.record import Call
from abm.engine import Engine
from abm.montecarlo.tables import Columns, Names
from abm.scenario import Outputs, Scenario, from_mapping
from abm.units import usd
from abm.world import Array

ALL = "(all)"
"""Stands for all markets together; no market can be called so."""

WINDOW_S = 60.0
"""Length of the windows within which falls are looked for, and depth is averaged.

At some moment of any crash nothing rests near the mark, since quotes come and go.
"""

CALM_SHARE = 0.1
"""Depth is ordinary before the first liquidation, and at most in this part of the run."""

RUNGS = ("book", "unwind", "backstop", "insurance")
"""Rungs whose notional is told; the others move none."""

_MOST_ROWS = 2_000_000
_SERIES = (
    "time_s", "mark_usd", "bid_depth_usd", "ask_depth_usd", "open_interest_usd",
    "vault_usd", "insurance_usd",
)  # fmt: skip


def without_adl(scenario: Scenario) -> Scenario:
    """The scenario's first crash under no policy at all, with extremes of every step.

    At most every so many steps that a run's series has no more than two million rows.
    """
    every = -(-scenario.time.steps * len(scenario.all_markets()) // _MOST_ROWS)
    data = scenario.resolved()
    data["run"] = {key: value for key, value in data["run"].items() if key != "stop"}
    data["run"]["policies"] = ["none"]
    data["outputs"] |= {
        "extremes": True,
        "path_interval_s": every * scenario.time.step_s,
        "counterfactual_of_first_runs": 0,
        "nudges_of_first_runs": 0,
    }
    data["episodes"] |= {"count": 1}
    return from_mapping(data)


def needs_paths(outputs: Outputs, run: int) -> bool:
    """True if the series of a run's markets must be taken."""
    return outputs.extremes or outputs.moments or run < outputs.paths_of_first_runs


def added(
    told: Mapping[str, Columns], engine: Engine, names: Names, run: int, outputs: Outputs
) -> dict[str, Columns]:
    """The tables' columns of a finished run with its extremes, if they are asked for.

    Series that were taken for the extremes alone are left out.
    """
    rows: Columns = {}
    if outputs.extremes:
        begun_usd = engine.world.markets.specs["start"] * names.tick_usd
        rows = of_run(told, engine.record.calls, names.markets, begun_usd)
    paths = told["paths"] if run < outputs.paths_of_first_runs else {}
    return {**told, "paths": paths, "extremes": rows}


def of_run(
    told: Mapping[str, Columns],
    calls: Sequence[Call],
    markets: Array,
    start_usd: Array,
) -> Columns:
    """The rows of a run: markets in order, then all of them.

    Parameters
    ----------
    told : mapping
        Columns of the run's `paths`, in which every market has a row at every time, of its
        `liquidations` and its row of `runs`.
    calls : sequence of Call
        Of the run, in order.
    markets : array of str, shape (markets,)
        Their names.
    start_usd : array of float64, shape (markets,)
        Marks at the start.
    """
    n = len(markets)
    paths = {name: np.asarray(told["paths"][name]).reshape(-1, n) for name in _SERIES}
    times = paths["time_s"][:, 0]
    rows = max(1, round(WINDOW_S / (times[1] - times[0]))) if len(times) > 1 else 1
    interest = paths["open_interest_usd"]
    returns = _log_returns(paths["mark_usd"], start_usd, interest)
    depth = _with_sum(paths["bid_depth_usd"] + paths["ask_depth_usd"])
    events = pd.DataFrame(told["liquidations"])
    ordinary = _ordinary(depth, times, float(events["time_s"].min()))
    lowest = pd.DataFrame(depth).rolling(min(rows, len(depth))).mean().min().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(ordinary > 0.0, lowest / ordinary, np.nan)
    used = {
        f"{name}_used_usd": _used(
            told["runs"][f"{name}_start_usd"][0], paths[f"{name}_usd"]
        )
        for name in ("vault", "insurance")
    }
    return {
        "market": np.append(markets, ALL),
        "deficit_usd": usd(_deficits(calls, n)),
        "lowest_log_return": np.minimum(returns.min(axis=0), 0.0),
        "lowest_log_return_60s": _lowest_within(returns, rows),
        "ordinary_depth_usd": ordinary,
        "lowest_depth_60s_usd": lowest,
        "depth_ratio": ratio,
        "largest_open_interest_usd": _with_sum(interest).max(axis=0),
        **_flows(events, markets),
        **used,
    }


def _with_sum(values: Array) -> Array:
    """One more column: the sum of the others."""
    return np.column_stack([values, values.sum(axis=1)])


def _log_returns(marks: Array, start: Array, interest: Array) -> Array:
    """Log-returns since the start, shape (times + 1, markets + 1); zeros come first."""
    growth = np.vstack([np.ones(marks.shape[1]), marks / start])
    lots = interest[0] / marks[0] * start
    weights = lots / lots.sum() if lots.sum() > 0.0 else np.full(len(start), 1 / len(start))
    return np.asarray(np.log(np.column_stack([growth, growth @ weights])))


def _lowest_within(returns: Array, rows: int) -> Array:
    """The lowest log-return between two times at most so many rows apart, at most 0."""
    before = pd.DataFrame(returns).rolling(rows + 1, min_periods=1).max().to_numpy()
    return np.asarray((returns - before).min(axis=0))


def _ordinary(depth: Array, times: Array, trouble_s: float) -> Array:
    """Median depth before the first liquidation (NaN if there was none)."""
    until = max(np.fmin(trouble_s, CALM_SHARE * times[-1]), times[0])
    return np.asarray(np.median(depth[times <= until], axis=0))


def _used(start_usd: float, equity: Array) -> Array:
    """What a purse lost at its lowest, at most all of it; told of all markets alone."""
    found = np.full(equity.shape[1] + 1, np.nan)
    found[-1] = max(0.0, start_usd - max(0.0, float(equity.min())))
    return found


def _flows(events: pd.DataFrame, markets: Array) -> Columns:
    """Notional by rung, and money missing where a purse paid or took over."""
    market = pd.Index(markets).get_indexer(pd.Index(events["market"]))
    found = {}
    for name in RUNGS:
        here = (events["rung"] == name).to_numpy()
        amount = events["notional_usd"].to_numpy()[here]
        found[f"{name}_usd"] = _by_market(market[here], amount, len(markets))
    short = events["shortfall_usd"].to_numpy()
    return found | {"shortfall_usd": _by_market(market, short, len(markets))}


def _by_market(market: Array, amount: Array, n: int) -> Array:
    total = np.bincount(market, weights=amount, minlength=n)
    return np.append(total, total.sum())


def _deficits(calls: Sequence[Call], n: int) -> Array:
    """The run's deficit in quanta, by market and in all.

    By market it is shared as the debts were when it peaked: those of an account among its
    positions as their bankruptcy prices have it, that of one without positions to the
    market where its liquidation left it. What belongs to no market is in the sum alone.
    """
    found = np.zeros(n + 1)
    covered, peak = 0, None
    for call in calls:
        if covered + call.short_before > found[n]:
            found[n], peak = covered + call.short_before, call
        covered += call.short_before - call.short_after
    if peak is None or peak.short_before == 0:
        return found
    wave = peak.wave
    owed = wave.bankrupt["bankruptcy"] - wave.bankrupt["value"]
    found[:n] = np.bincount(wave.bankrupt["market"], weights=owed, minlength=n)
    flat = ~np.isin(wave.short_account, wave.bankrupt["account"]) & (wave.debt_market >= 0)
    found[:n] += np.bincount(
        wave.debt_market[flat], weights=wave.deficit[flat], minlength=n
    )
    found[:n] = np.maximum(found[:n], 0.0) * (found[n] / peak.short_before)
    return found
