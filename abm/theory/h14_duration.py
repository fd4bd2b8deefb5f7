"""H14: when a wave takes too much and when too little.

Claim: production ADL overshoots: closed positions would have been worth more by some
seconds later, by more than was needed.

Source: arXiv 2512.01112, section 9 (H of a horizon less the need, at horizons up to 10 s)
and its two-pass replay.

Prediction: the sign is a matter of how long the wave lasts and where prices go after it.
Waves that are over at once fall short, since prices have not moved when they are valued;
overshoot rises with duration and with a drift in favour of those who were closed.

Test: recorded waves of policies that close contracts: shares of them that took too much,
exactly enough and too little, by duration and horizon; rank correlations of overshoot over
deficit with the duration, and with the drift of marks after the wave, where paths were
recorded. A wave of one call at the bankruptcy price meets its need exactly at whatever
marks both are valued, until prices recover beyond bankruptcy: that holds if it is so in all
but a hundredth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from abm.theory.finding import (
    FOUND,
    Effort,
    Estimate,
    Evidence,
    Finding,
    Point,
    judge,
    resampled,
    row,
    share_of,
)
from abm.theory.market import Market
from abm.world import Array

_KEYS = ["batch", "run", "policy", "wave"]
_CLASSES = ((0.0, 0.0, "over at once"), (0.1, 10.0, "up to 10 s"), (10.0, np.inf, "longer"))
"""Least and most seconds that a wave lasts, and what it is called."""

_TOLD = (0.0, 5.0, 30.0)
"""Horizons of the table; the figure has all."""

MUCH, LITTLE = "too much", "too little"

_FEWEST = 8
_CENT = 0.01
_NEARLY = 0.01


def examine(effort: Effort, market: Market) -> Evidence:
    """Signs and correlations of recorded waves; nothing without a batch."""
    evidence = Evidence([], [])
    table = overshoots(market)
    if table is None or not len(table):
        return evidence
    for horizon in sorted(table["horizon_s"].unique()):
        here = table[table["horizon_s"] == horizon]
        for least, most, name in _CLASSES:
            rows = here[here["duration_s"].between(least, most)]
            for sign, told in ((1.0, MUCH), (-1.0, LITTLE)):
                found = _share(rows, sign)
                if found is None:
                    continue
                evidence.points.append(Point("sign", f"{name}, {told}", horizon, *found))
                if horizon in _TOLD:
                    case = (
                        f"waves {name}, valued {horizon:g} s later: share that took {told}"
                    )
                    note = f"{len(rows)} waves; {(rows['sign'] == 0).mean():.0%} exactly"
                    evidence.findings.append(row("H14", case, np.nan, found, FOUND, note))
    for horizon in _TOLD:
        here = table[table["horizon_s"] == horizon]
        evidence.findings.extend(_correlations(here, horizon))
        evidence.findings.extend(_identity(here, horizon, market))
    here = table[table["horizon_s"] == _TOLD[1]]
    evidence.points.extend(
        Point("waves", str(policy), float(x), float(y))
        for policy, x, y in zip(
            here["policy"], here["duration_s"], here["over"], strict=True
        )
    )
    return evidence


def _identity(rows: Any, horizon: float, market: Market) -> list[Finding]:
    """Waves of one call at the bankruptcy price that met their need to the cent."""
    tables = [batch.manifest.get("policy_tables", {}) for batch in market.batches]
    prices = {
        (place, name): table["settlement"].get("price")
        for place, policies in enumerate(tables)
        for name, table in policies.items()
        if isinstance(table["settlement"], dict)
    }
    price = [prices.get(key) for key in zip(rows["batch"], rows["policy"], strict=True)]
    chosen = rows[(np.array(price) == "bankruptcy") & (rows["calls"] == 1)]
    # What the call left open is needed, too: only calls that closed all are alike.
    chosen = chosen[chosen["residual_usd"] < _CENT]
    if len(chosen) < _FEWEST:
        return []
    met = int((chosen["sign"] == 0).sum())
    found = share_of(met, len(chosen))
    verdict = judge(found, 1.0, _NEARLY)
    case = (
        f"one call at the bankruptcy price, valued {horizon:g} s later: share met exactly"
    )
    return [
        row(
            "H14",
            case,
            1.0,
            found,
            verdict,
            f"{len(chosen)} waves; others: prices beyond bankruptcy",
        )
    ]


def overshoots(market: Market) -> Any:
    """Waves that closed contracts, by horizon: duration, overshoot over deficit, drift."""
    columns = ["start_s", "end_s", "calls", "deficit_usd", "residual_usd"]
    waves = market.frame("waves", [*_KEYS[1:], *columns, "adl_notional_usd"])
    later = market.frame("horizons", [*_KEYS[1:], "horizon_s", "time_s", "overshoot_usd"])
    if waves is None or later is None:
        return None
    closed = waves[(waves["adl_notional_usd"] > 0.0) & (waves["deficit_usd"] > 0.0)]
    table = later.merge(closed, on=_KEYS).dropna(subset=["overshoot_usd"])
    table["duration_s"] = table["end_s"] - table["start_s"]
    table["over"] = table["overshoot_usd"] / table["deficit_usd"]
    size = table["overshoot_usd"]
    table["sign"] = np.sign(size.where(size.abs() > _CENT, 0.0))
    table["drift"] = _drifts(market, table)
    return table


def _drifts(market: Market, table: Any) -> Array:
    """Log-return of marks from a wave's end on, in favour of what was closed.

    Weighted by what was closed of each market, signed as payers held it; NaN where no
    path was recorded.
    """
    fills = market.frame("adl_fills", ["run", "policy", "wave", "market", "lots",
                                       "notional_usd"])  # fmt: skip
    paths = market.frame("paths", ["run", "policy", "time_s", "market", "mark_usd"])
    if fills is None or paths is None:
        return np.full(len(table), np.nan)
    fills["signed"] = np.sign(fills["lots"]) * fills["notional_usd"].abs()
    weights = fills.groupby([*_KEYS, "market"])["signed"].sum().reset_index()
    marks = paths.set_index(["batch", "run", "policy", "market", "time_s"])["mark_usd"]
    marks = marks[~marks.index.duplicated()]
    spots = table.reset_index()[["index", *_KEYS, "end_s", "time_s"]]
    spots = spots.merge(weights, on=_KEYS)
    ends = [_marks_at(marks, spots, name) for name in ("end_s", "time_s")]
    spots["moved"] = np.log(ends[1] / ends[0]) * spots["signed"]
    spots["size"] = spots["signed"].abs().where(spots["moved"].notna())
    sums = spots.groupby("index")[["moved", "size"]].sum(min_count=1)
    drift = sums["moved"] / sums["size"]
    return np.asarray(drift.reindex(table.reset_index().index), float)


def _marks_at(marks: pd.Series, spots: Any, time: str) -> Array:
    keys = spots[["batch", "run", "policy", "market", time]]
    return marks.reindex(pd.MultiIndex.from_frame(keys)).to_numpy(float)


def _share(rows: Any, sign: float) -> Estimate | None:
    """Share of waves of a sign; waves of a run are not independent: runs are resampled."""
    if rows["run"].nunique() < 2 or len(rows) < _FEWEST:
        return None
    each = rows.assign(hit=(rows["sign"] == sign).astype(float))
    sums = each.groupby(["batch", "run"])["hit"].agg(["sum", "count"]).to_numpy(float)

    def share(drawn: Array) -> Array:
        return np.asarray(drawn[..., 0].sum(axis=1) / drawn[..., 1].sum(axis=1))

    hits, count = int(sums[:, 0].sum()), int(sums[:, 1].sum())
    # At none or all there is nothing to resample.
    return share_of(hits, count) if hits in (0, count) else resampled(sums, share)


def _correlations(rows: Any, horizon: float) -> list[Finding]:
    found = []
    for column, name in (("duration_s", "duration"), ("drift", "drift after the wave")):
        known = rows.dropna(subset=[column])
        if len(known) < _FEWEST or known[column].nunique() < 3:
            continue
        pair = known[[column, "over"]].to_numpy(float)
        middle, low, high = rank_correlation(pair)
        case = f"market: rank correlation of overshoot after {horizon:g} s with {name}"
        note = f"{len(known)} waves; above 0 is predicted"
        estimate = Estimate(middle, low, high)
        found.append(row("H14", case, np.nan, estimate, FOUND, note))
    return found


def rank_correlation(pair: Array) -> Estimate:
    """Spearman's, with the interval of Fisher's transform (Bonett and Wright 2000)."""
    value = float(stats.spearmanr(pair[:, 0], pair[:, 1]).statistic)
    half = 1.96 * np.sqrt((1.0 + value**2 / 2.0) / (len(pair) - 3))
    middle = np.arctanh(np.clip(value, -0.999999, 0.999999))
    return Estimate(value, float(np.tanh(middle - half)), float(np.tanh(middle + half)))
