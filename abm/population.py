"""Who trades in a scenario: how many, how rich, how leveraged, with which habits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from abm.faults import LARGEST
from abm.fields import (
    Dollars,
    Flag,
    NotNegative,
    Number,
    Part,
    Positive,
    Real,
    Share,
    Whole,
)


class Kind(Part):
    """One kind of trader: a row of parameters over the habits that all share."""

    share: Share = Field(description="share of accounts; all kinds together make 1")
    size: Literal["any", "largest"] = Field(
        "any", description="which accounts: any, or the largest by equity"
    )
    equity_factor: Real = Field(
        1.0, gt=0.0, le=1000.0, description="multiple of the population's equity"
    )
    leverage_factor: Real = Field(
        1.0, gt=0.0, le=1000.0, description="multiple of the population's leverage"
    )
    leverage_log_sd: Real | None = Field(
        None, ge=0.0, le=5.0, description="of this kind; the population's if left out"
    )
    max_leverage: Real = Field(
        50.0, gt=0.0, le=1000.0, description="most leverage at the start"
    )
    long_share: Share = Field(0.5, description="share of positions that are long")
    holds_position: Share = Field(
        1.0, description="how likely to hold one, relative to others"
    )
    act_mean_s: Positive = Field(
        600.0, description="mean time between actions when calm, s"
    )
    stress_haste: NotNegative = Field(
        0.0, description="speeding up per unit of fear above 1"
    )
    trend: Number = Field(0.0, description="how much it follows (+) or fades (-) the trend")
    market_order_share: Share = Field(
        0.5, description="share of orders that are market orders"
    )
    limit_offset_bps: Positive = Field(
        10.0, description="mean distance of limit orders from the mark, basis points"
    )
    turnover: Real = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="mean size of an order, share of the position it would like",
    )
    flip_share: Share = Field(
        0.0, description="share of actions that close or turn the position"
    )
    comfort: Real = Field(
        1.5,
        ge=1.0,
        le=100.0,
        description="equity below which it defends itself, in maintenance margins",
    )
    top_up_share: Share = Field(
        0.05, description="chance to add collateral when it defends"
    )
    cut_share: Share = Field(0.1, description="chance to cut the position when it defends")
    cut_size: Share = Field(0.5, description="share of the position that it cuts")
    stop_loss: Positive = Field(
        10.0, description="loss at which it closes, share of the cost"
    )
    rebuild_share: Share = Field(
        0.05, description="chance to rebuild what ADL has closed, if that was 1,000 USD"
    )
    rebuild_notional_slope: Real = Field(
        0.0,
        ge=-2.0,
        le=2.0,
        description="power of the notional closed by which those odds grow",
    )
    rebuild_latency_log_mean: Number = Field(
        5.39, description="mean of the log of the seconds until it rebuilds or leaves"
    )
    rebuild_latency_log_sd: NotNegative = Field(
        1.8, description="standard deviation of the log of those seconds"
    )
    rebuild_size: Share = Field(
        0.4, description="share of what was closed that it rebuilds"
    )
    rebuild_orders: Whole = Field(
        1, ge=1, le=1000, description="orders of equal size in which it does"
    )
    rebuild_pause_s: Positive = Field(30.0, description="mean time between these, s")
    sits_out: Flag = Field(
        False,
        description="once ADL has closed all it held, it does nothing unless it rebuilds",
    )
    leave_hazard: NotNegative = Field(
        5.0,
        description="beta of the chance to leave, 1 - exp(-beta * share of capacity taken)",
    )


class Population(Part):
    """Who is there: how many accounts, how rich, how levered, in which markets.

    * Equity is lognormal below `equity_tail_from_usd`; `equity_tail_share` of accounts
      are above it, in a Pareto tail. It is cut off at `equity_cap_usd`, or sooner, where
      one account would be worth more than `largest_share` of `positions` average ones:
      so a venue scaled down keeps the shape of the whole. Accounts without a position
      have `idle_equity_share` of it.
    * Log leverage is Student's with `leverage_degrees` of freedom (the fewer, the heavier
      both tails; normal by default) and scale `leverage_log_sd`. At an equity below
      `leverage_slope_below_usd` it goes with ``equity ** leverage_equity_slope``.
      `token_share` of the traders hold little more than a token, `token_leverage`. No
      position is opened below `least_position_usd`.
    * A holder has another market with odds ``more_markets_share / (1 - ...)``, which
      grow with equity to the power `more_markets_slope`. Small positions choose
      markets by popularity, those far above `large_position_usd` by weight; the more
      levered prefer markets that allow more leverage (`leverage_pull`), and nobody wants
      much more than `market_room` of a market's open interest. `mixed_share` of
      positions go against their holder's side.
    * The more levered have younger positions: how far entries lie from the start price
      goes with ``leverage ** entry_leverage_slope``.
    * `isolated_share` of positions have a margin account of their own.
    """

    accounts: Whole = Field(10_000, ge=2, le=5_000_000, description="number of traders")
    positions: Whole = Field(
        5_000, ge=1, le=20_000_000, description="number of open positions at the start"
    )
    equity_median_usd: Dollars = Field(910.0, description="median equity of the body, USD")
    equity_log_sd: Real = Field(
        2.7, ge=0.0, le=10.0, description="standard deviation of log equity in the body"
    )
    equity_tail_exponent: Real = Field(
        0.76, ge=0.01, le=10.0, description="Pareto exponent of the tail"
    )
    equity_tail_share: Real = Field(
        0.05, ge=0.0, lt=1.0, description="share of accounts in the tail"
    )
    equity_tail_from_usd: Dollars = Field(
        140_000.0, description="where the tail begins, USD"
    )
    equity_cap_usd: Dollars = Field(300e6, description="largest equity, USD")
    largest_share: Real = Field(
        1.0, gt=0.0, le=1.0, description="most that one account is of the whole equity"
    )
    idle_equity_share: Real = Field(
        0.05,
        gt=1e-6,
        le=1.0,
        description="equity of who holds nothing, share of the others'",
    )
    leverage_median: Positive = Field(
        0.65, description="median leverage, but for small accounts"
    )
    leverage_log_sd: Real = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="scale of log leverage at given equity",
    )
    leverage_degrees: Real = Field(
        LARGEST, ge=1.0, le=LARGEST, description="degrees of freedom of log leverage"
    )
    leverage_equity_slope: Real = Field(
        -0.1, ge=-2.0, le=2.0, description="rise of log leverage per unit of log equity"
    )
    leverage_slope_below_usd: Dollars = Field(
        910.0, description="equity below which leverage depends on it, USD"
    )
    token_share: Share = Field(
        0.07, description="share of traders who hold little more than a token"
    )
    token_leverage: Real = Field(
        0.01, ge=1e-6, le=100.0, description="median leverage of those"
    )
    least_position_usd: Dollars = Field(10.0, description="smallest position, USD")
    more_markets_share: Real = Field(
        0.3,
        ge=0.0,
        lt=1.0,
        description="chance of a further market for whoever holds a position",
    )
    more_markets_slope: Real = Field(
        0.1, ge=0.0, le=1.0, description="power of equity by which those odds grow"
    )
    leverage_pull: Real = Field(
        0.3, ge=0.0, le=2.0, description="pull of markets that allow more leverage"
    )
    large_position_usd: Dollars = Field(
        50_000.0, description="size from which weight, not popularity, chooses markets, USD"
    )
    market_room: Real = Field(
        0.1,
        gt=1e-6,
        le=100.0,
        description="part of a market's open interest that one wants",
    )
    entry_leverage_slope: Real = Field(
        -0.2, ge=-1.0, le=0.0, description="power of leverage by which entries spread"
    )
    mixed_share: Share = Field(
        0.1, description="share of positions against their holder's side"
    )
    isolated_share: Share = Field(
        0.0, description="share of positions with isolated margin"
    )
