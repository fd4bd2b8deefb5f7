"""Moments of a finished run, by name: what a calibration holds against an event.

Each is a number that was, or could have been, measured of a real event: who was closed
and for how much, on which clocks, in which markets, at what prices, and what those who
were closed did next. Names with ``@`` are of one market.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abm.measures import population
from abm.measures.population import Winners, tail_exponent, top_share
from abm.world import NONE, Array

Columns = Mapping[str, Any]

FEWEST = 20
"""Accounts from which distributions over them are told."""

_HOUSE = ("backstop", "insurance")


def of_tables(
    told: Mapping[str, Columns], trader: Array, equity_usd: Array, markets: Sequence[str]
) -> dict[str, float]:
    """Moments of the tables of a run, but for what traders did after ADL.

    Parameters
    ----------
    told : mapping
        Columns of the run's `adl_fills`, `liquidations` and `paths`.
    trader : array of int, shape (accounts,)
        Whose account each is.
    equity_usd : array, shape (traders,)
        What each had at the start.
    markets : sequence of str
        Markets that are told one by one.
    """
    fills = pd.DataFrame(told["adl_fills"])
    taken = pd.DataFrame(told["liquidations"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        found = of_liquidations(taken, markets) | of_prices(pd.DataFrame(told["paths"]))
        if not len(fills):
            return found | {"adl.notional": 0.0}
        return (
            found
            | of_queue(fills)
            | of_clock(fills)
            | of_markets(fills, taken, markets)
            | of_accounts(fills, trader, equity_usd)
        )


def of_queue(fills: pd.DataFrame) -> dict[str, float]:
    """Whom fills were against, and how they closed positions."""
    notional = fills["notional_usd"]
    vault = notional[fills["bankrupt_kind"] == "backstop"].sum()
    return {
        "adl.notional": float(notional.sum()),
        "adl.fills": float(len(fills)),
        "adl.vault_share": float(vault / notional.sum()),
        "adl.profitable": float((fills["profit_usd"] > 0.0).mean()),
        "adl.full": float(fills["full_close"].mean()),
    }


def of_clock(fills: pd.DataFrame) -> dict[str, float]:
    """Batches of ADL: fills of one time, and the gaps between them in seconds."""
    times = np.unique(fills["time_s"])
    gaps = np.diff(times)
    found = {"batches": float(len(times)), "batches.span_s": float(times[-1] - times[0])}
    if len(gaps) > 1:
        found["batches.gap_median_s"] = float(np.median(gaps))
        found["batches.gap_mean_s"] = float(gaps.mean())
        found["batches.gap_cv"] = float(gaps.std(ddof=1) / gaps.mean())
        found["batches.tick_s"] = _tick(times)
    each = fills.groupby("time_s")["market"].nunique()
    found["batches.one_market"] = float((each == 1).mean())
    return found


def _tick(times: Array) -> float:
    """The period, from 2 to 10 s, that the times fit best as phases on a circle.

    Halves and thirds of it fit less well, since times are rounded up to whole steps.
    """
    periods = np.arange(2.0, 10.0, 0.01)
    fit = np.abs(np.exp(2j * np.pi * times[None, :] / periods[:, None]).mean(axis=1))
    return float(periods[int(np.argmax(fit))])


def of_markets(
    fills: pd.DataFrame, taken: pd.DataFrame, markets: Sequence[str]
) -> dict[str, float]:
    """How ADL was spread over markets, against what the vault took over there."""
    by_market = fills.groupby("market")["notional_usd"].sum()
    values = by_market.to_numpy()
    backstop = taken[taken["rung"] == "backstop"].groupby("market")["notional_usd"].sum()
    ratio = (by_market / backstop.reindex(by_market.index)).dropna()
    share = values / values.sum()
    found = {
        "takeover.ratio": float(values.sum() / backstop.sum()),
        "takeover.ratio_median": float(ratio.median()),
        "markets": float(len(values)),
        "markets.hhi": float(share @ share),
        "markets.exponent": tail_exponent(values, 1.482e6),
        **{f"markets.top_{n}": top_share(values, n) for n in (1, 3, 10)},
    }
    short = (fills["lots"] < 0).groupby(fills["market"]).mean()
    found |= {f"adl.short@{name}": float(short.get(name, np.nan)) for name in markets}
    return found | _falls(fills, markets)


def _falls(fills: pd.DataFrame, markets: Sequence[str]) -> dict[str, float]:
    """From the average price of a market's first batch to that of its lowest one."""
    of_batch = [fills["market"], fills["time_s"]]
    value = fills["notional_usd"].groupby(of_batch).sum()
    size = (fills["notional_usd"] / fills["price_usd"]).groupby(of_batch).sum()
    of_market = (value / size).groupby(level="market")
    several = of_market.size() > 1
    fall = (of_market.min() / of_market.first() - 1.0)[several]
    found = {f"fall@{name}": float(fall.get(name, np.nan)) for name in markets}
    for name, share in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        found[f"fall.{name}"] = float(fall.quantile(share)) if len(fall) else np.nan
    return found | {"fall.markets": float(len(fall))}


def of_accounts(fills: pd.DataFrame, trader: Array, equity_usd: Array) -> dict[str, float]:
    """The traders who were closed: how often, for how much, and what they were like.

    The joint moments are those of :func:`abm.measures.population.moments`, of traders
    who gained by it and had equity at the start.
    """
    who = trader[fills["account"].to_numpy()]
    theirs = fills[who != NONE].groupby(who[who != NONE])
    count = theirs.size().to_numpy()
    found = {
        "adl.accounts": float(len(count)),
        "adl.fills.mean": float(count.mean()),
        "adl.fills.one": float((count == 1).mean()),
        "adl.fills.p95": float(np.percentile(count, 95)),
        "adl.fills.p99": float(np.percentile(count, 99)),
        "adl.fills.most": float(count.max()),
    }
    sums = theirs[["notional_usd", "profit_usd"]].sum()
    winners = Winners(equity_usd[sums.index], *sums.to_numpy().T)
    fit = (winners.profit > 0.0) & (winners.equity > 0.0)
    if fit.sum() < FEWEST:
        return found
    joint = population.moments(Winners(*(values[fit] for values in winners)))
    return found | {f"adl.{name}": value for name, value in joint.items()}


def of_liquidations(taken: pd.DataFrame, markets: Sequence[str]) -> dict[str, float]:
    """Takeovers by the vault and their clock, and the side of those liquidated."""
    found = {"takeovers": 0.0}
    backstop = taken[taken["rung"] == "backstop"]
    if len(backstop):
        per_tick = backstop.groupby("time_s").size()
        found |= {
            "takeovers": float(len(backstop)),
            "takeover.notional": float(backstop["notional_usd"].sum()),
            "takeover.mean_usd": float(backstop["notional_usd"].mean()),
            "takeover.ticks": float(len(per_tick)),
            "takeover.tick_s": _tick(np.unique(backstop["time_s"])),
            "takeover.per_tick.p50": float(per_tick.quantile(0.5)),
            "takeover.per_tick.p90": float(per_tick.quantile(0.9)),
            "takeover.per_tick.most": float(per_tick.max()),
        }
    users = taken[taken["rung"].isin(("book", "backstop")) & ~taken["kind"].isin(_HOUSE)]
    each = users.drop_duplicates(["account", "market"])
    found["liquidated.accounts"] = float(users["account"].nunique())
    long = (each["lots"] < 0).groupby(each["market"]).mean()
    return found | {
        f"liquidated.long@{name}": float(long.get(name, np.nan)) for name in markets
    }


def of_prices(paths: pd.DataFrame) -> dict[str, float]:
    """Depth near the mark at its worst, and open interest that was left."""
    if not len(paths):
        return {}
    interest = paths.groupby("time_s")["open_interest_usd"].sum()
    paths = paths.assign(depth=paths["bid_depth_usd"] + paths["ask_depth_usd"])
    depth = paths.pivot(index="time_s", columns="market", values="depth")
    calm = depth[depth.index <= 0.04 * depth.index[-1]].median()
    worst = depth.rolling(10, min_periods=1).mean().min()
    return {
        "interest.start": float(interest.iloc[0]),
        "interest.left": float(interest.iloc[-1] / interest.iloc[0]),
        "depth.thinning": float((calm / worst).replace(np.inf, np.nan).median()),
    }
