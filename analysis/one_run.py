"""What happened in one run, read once for the timeline and the figure that tell it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from abm.montecarlo.store import Batch, StoreError

_CALM_SHARE = 0.1


@dataclass(frozen=True)
class OneRun:
    """One run under one policy.

    Attributes
    ----------
    number, seed, policy, scenario : int, int, str, str
        Which run it is.
    duration_s : float
        How long its market ran.
    row : Series
        Its row of the table of runs.
    prices, depth : DataFrame
        Mark prices, and money resting within 1% of the mark on both sides, each divided
        by its value at the start; indexed by seconds, one column a market, the largest
        open interest first. Without columns if paths were not kept.
    purses : DataFrame
        Equity of `vault` and `insurance` in USD, indexed by seconds.
    liquidated, taken_over : DataFrame
        Events through the book, and takeovers by the vault or the insurance fund.
    waves, haircuts, closed : DataFrame
        Waves; haircuts, one row a payer and call; contracts closed by ADL.
    """

    number: int
    seed: int
    policy: str
    scenario: str
    duration_s: float
    row: pd.Series
    prices: pd.DataFrame
    depth: pd.DataFrame
    purses: pd.DataFrame
    liquidated: pd.DataFrame
    taken_over: pd.DataFrame
    waves: pd.DataFrame
    haircuts: pd.DataFrame
    closed: pd.DataFrame

    @property
    def has_paths(self) -> bool:
        """True if prices and depth were kept for this run."""
        return len(self.prices.columns) > 0

    @property
    def failed(self) -> bool:
        """True if the policy was refused, so that the run has no results."""
        return bool(self.row["failed"])


def read_run(batch: Batch, number: int, policy: str) -> OneRun:
    """Read one run of a batch.

    Raises
    ------
    StoreError
        If the batch does not hold that run under that policy.
    """
    where = (pc.field("run") == number) & (pc.field("policy") == policy)
    rows = batch.frame("runs", where=where)
    if rows.empty:
        raise StoreError(f"{batch.folder}: holds no run {number} under policy {policy}")
    events = batch.frame("liquidations", where=where)
    haircuts = ["time_s", "account", "amount_usd", "closed_usd"]
    fills = ["time_s", "account", "market", "notional_usd", "bankrupt_kind"]
    book = events[events["rung"] == "book"]
    episodes = int(batch.scenario.get("episodes", {}).get("count", 1))
    prices, depth, purses = _paths(batch.frame("paths", where=where), book["time_s"].min())
    return OneRun(
        number=number,
        seed=int(rows["seed"].iloc[0]),
        policy=policy,
        scenario=batch.name,
        duration_s=float(batch.scenario["time"]["duration_s"]) * episodes,
        row=rows.iloc[0],
        prices=prices,
        depth=depth,
        purses=purses,
        liquidated=book,
        taken_over=events[
            events["rung"].isin(["backstop", "insurance"]) & (events["lots"] != 0)
        ],
        waves=batch.frame("waves", where=where).sort_values("wave", ignore_index=True),
        haircuts=batch.frame("haircuts", columns=haircuts, where=where),
        closed=batch.frame("adl_fills", columns=fills, where=where),
    )


def _paths(
    paths: pd.DataFrame, first_liquidation_s: float
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Prices and depth against the start, and purses, by time."""
    if paths.empty:
        return pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    both = paths["bid_depth_usd"] + paths["ask_depth_usd"]
    by_time = paths.assign(depth=both).pivot(index="time_s", columns="market")
    interest = by_time["open_interest_usd"].iloc[0]
    order = interest.sort_values(ascending=False, kind="stable").index
    marks, depth = by_time["mark_usd"][order], by_time["depth"][order]
    # Quotes come and go, so ordinary depth is a median, over the time before trouble.
    trouble = np.nanmin([first_liquidation_s, _CALM_SHARE * marks.index.max()])
    ordinary = depth[marks.index <= max(trouble, marks.index.min())].median()
    purses = paths.groupby("time_s")[["vault_usd", "insurance_usd"]].first()
    return (
        marks / marks.iloc[0],
        depth / ordinary.where(ordinary > 0),
        purses.rename(columns=lambda name: str(name).removesuffix("_usd")),
    )
