"""How prices move in a scenario: oracle, script of shocks, mark price, market makers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from abm.faults import LARGEST
from abm.fields import NotNegative, Part, Positive, Real, Share, Text, Whole


class Oracle(Part):
    """How index prices move.

    The log-return of market i over dt is ``sigma_i e^v sqrt(dt) (rho_i F + sqrt(1 -
    rho_i^2) Z_i)`` with Student-t factor F and noise Z_i of unit variance, v a common
    mean-reverting log-volatility, plus jumps, scripted shocks and feedback.
    """

    degrees: Real = Field(
        4.0, gt=2.0, le=1e6, description="degrees of freedom of the Student-t increments"
    )
    factor_share: Share = Field(
        0.6, description="share of variance that all markets have in common"
    )
    log_volatility_sd: Real = Field(
        0.4, ge=0.0, le=5.0, description="standard deviation of the common log-volatility"
    )
    log_volatility_halflife_s: Positive = Field(
        900.0, description="half-life of the common log-volatility, s"
    )
    excitation: Real = Field(
        0.0,
        ge=0.0,
        le=10.0,
        description="rise of log-volatility per s and unit of squared factor above 4",
    )
    jumps_per_day: Real = Field(
        0.0, ge=0.0, le=8640.0, description="mean number of jumps per day and market"
    )
    jump_mean: Real = Field(0.0, ge=-2.0, le=2.0, description="mean log-return of a jump")
    jump_sd: Real = Field(
        0.02, ge=0.0, le=2.0, description="standard deviation of a jump's log-return"
    )
    feedback: Share = Field(
        0.3, description="share of the venue's own liquidation impact that moves the index"
    )
    feedback_lag_s: Real = Field(
        5.0, gt=0.0, le=86_400.0, description="time in which half of it arrives, s"
    )
    feedback_halflife_s: Positive = Field(
        60.0, description="half-life of that impact in the index, s"
    )


class Shock(Part):
    """A scripted move of the index: `log_return` spread evenly over `duration_s`.

    In each run the size is multiplied by a lognormal factor of mean one whose logarithm
    has standard deviation `spread`.
    """

    market: Text = Field("all", description='name of the market, or "all"')
    start_s: NotNegative = Field(description="when it begins, s from the start")
    duration_s: NotNegative = Field(0.0, description="how long it lasts, s")
    log_return: Real = Field(ge=-5.0, le=2.0, description="log-return in all")
    spread: Real = Field(
        0.0,
        ge=0.0,
        le=3.0,
        description="standard deviation of the log of its size between runs",
    )


class Mark(Part):
    """The mark price: median of index, index plus average basis, and the book."""

    rule: Literal["median", "index", "book"] = Field(
        "median", description="which price positions are marked at"
    )
    basis_halflife_s: Positive = Field(
        150.0, description="half-life of the average of book less index, s"
    )


class Makers(Part):
    """How makers quote, fear, leave and return.

    Cumulative depth within distance x of the middle grows as ``x ** depth_exponent``.
    """

    levels: Whole = Field(10, ge=1, le=64, description="quotes a side")
    reach: Real = Field(
        0.08, ge=1e-6, lt=1.0, description="distance of the last quote, share of the price"
    )
    depth_exponent: Real = Field(
        1.16, gt=0.0, le=10.0, description="power of the distance by which depth grows"
    )
    depth_scale: Real = Field(
        1.0, ge=0.01, le=100.0, description="multiple of every market's depth_usd"
    )
    size_tail: Real = Field(
        1.2, ge=0.1, le=100.0, description="Pareto exponent of the sizes of makers"
    )
    capital_of_depth: Real = Field(
        6.0, gt=0.0, le=1e6, description="capital of all makers, in depths within 1%"
    )
    inventory_limit: Real = Field(
        2.0,
        gt=0.0,
        le=1000.0,
        description="largest inventory, in units of the maker's equity",
    )
    skew: Real = Field(
        1.0,
        ge=0.0,
        le=1000.0,
        description="half spreads that a full inventory moves the middle by",
    )
    fear_halflife_s: Positive = Field(
        30.0,
        description="half-life of realised variance, against which fear is measured, s",
    )
    thinning: Real = Field(
        1.0, ge=0.0, le=10.0, description="power of fear by which quotes shrink"
    )
    widening: Real = Field(
        0.5, ge=0.0, le=10.0, description="power of fear by which quotes move away"
    )
    max_thinning: Real = Field(
        600.0, ge=1.0, le=LARGEST, description="most that quotes shrink"
    )
    exit_fear: Real = Field(
        8.0, ge=1.0, le=LARGEST, description="fear from which makers may leave"
    )
    exit_rate_per_s: NotNegative = Field(
        0.02, description="rate of leaving when fear is twice exit_fear, 1/s"
    )
    exit_loss: Share = Field(
        0.3, description="share of capital whose loss makes a maker leave"
    )
    return_halflife_s: Positive = Field(120.0, description="half-life of staying away, s")
    requote_s: Positive = Field(1.0, description="mean time between looks at the quotes, s")
