"""What is traded in a scenario: contracts, their units, margin tiers, books and weights."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from abm import checks, units
from abm.faults import Fault
from abm.fields import Dollars, Name, NotNegative, Part, Positive, Real, Whole


class Tier(Part):
    """A margin tier: from this notional on, no more than this leverage."""

    notional_usd: NotNegative = Field(description="notional at which the tier begins, USD")
    max_leverage: Real = Field(
        ge=1.0, le=1000.0, description="most notional per unit of equity within the tier"
    )


class Market(Part):
    """One perpetual contract: its units, its margin tiers, its book and its price.

    Entries of open positions scatter about the start price:
    ``exp(entry_mean + entry_sd * Z)``. A market of no weight is held by nobody.
    """

    tick_usd: Positive = Field(description="price step, USD")
    lot: Positive = Field(description="size step, units of the asset")
    start_usd: Positive = Field(description="price at the start, USD")
    tiers: tuple[Tier, ...] = Field(
        min_length=1, max_length=16, description="margin tiers by rising notional"
    )
    maintenance_share: Real = Field(
        0.5, gt=0.0, lt=1.0, description="maintenance margin as a share of initial margin"
    )
    weight: NotNegative = Field(
        1.0, description="part of the open interest, relative to the other markets"
    )
    popularity: NotNegative | None = Field(
        None, description="part of positions by number; the root of weight if left out"
    )
    depth_usd: Dollars = Field(
        description="quoted within 1% of the middle a side when calm, USD"
    )
    half_spread_bps: Real = Field(
        1.0,
        gt=0.0,
        le=5000.0,
        description="half the calm spread, basis points of the price",
    )
    makers: Whole = Field(5, ge=1, le=64, description="number of market makers")
    daily_volatility: Real = Field(
        0.04, ge=0.0, le=10.0, description="standard deviation of a calm day's log-return"
    )
    beta: Real = Field(
        1.0,
        ge=-20.0,
        le=20.0,
        description="share of a shock to all markets that comes here",
    )
    entry_mean: Real = Field(
        0.0, ge=-3.0, le=3.0, description="mean of log(entry price / start price)"
    )
    entry_sd: Real = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="standard deviation of log(entry price / start price)",
    )

    def _faults(self) -> Iterable[Fault]:
        return checks.of_market(self)

    @property
    def unit(self) -> int:
        """Quanta in one tick times one lot."""
        return round(self.tick_usd * self.lot * units.QUANTA_PER_USD)

    @property
    def taste(self) -> float:
        """Popularity, given or by default; zero for a market of no weight."""
        if self.weight == 0.0:
            return 0.0
        return float(self.weight**0.5 if self.popularity is None else self.popularity)

    @property
    def start_tick(self) -> int:
        """Price at the start in ticks."""
        return round(self.start_usd / self.tick_usd)


class MarketTail(Part):
    """Many small markets at once, whose sizes fall off as a power of their rank."""

    count: Whole = Field(0, ge=0, le=2000, description="number of markets in the tail")
    exponent: Real = Field(
        1.6, gt=0.0, le=100.0, description="power of the rank by which they fall"
    )
    first_weight: Positive = Field(1.0, description="weight of the first, see markets")
    first_popularity: Positive | None = Field(
        None, description="popularity of the first, see markets"
    )
    first_depth_usd: Dollars = Field(1e5, description="depth of the first, USD")
    least_depth_usd: Dollars = Field(500.0, description="depth that none falls below, USD")
    prefix: Name = Field("ALT", description="what their names begin with; the rank follows")
    template: Market | None = Field(
        None, description="all else about them; the last of [markets] if left out"
    )

    def name(self, rank: int) -> str:
        """Name of the market of a rank (1 is the first)."""
        return f"{self.prefix}{rank:03d}"

    def weight(self, rank: int) -> float:
        """Weight of the market of a rank."""
        return float(self.first_weight * rank**-self.exponent)

    def popularity(self, rank: int) -> float | None:
        """Popularity of the market of a rank, None where it follows from the weight."""
        first = self.first_popularity
        return None if first is None else float(first * rank**-self.exponent)

    def depth_usd(self, rank: int) -> float:
        """Depth of the market of a rank in USD."""
        return float(max(self.first_depth_usd * rank**-self.exponent, self.least_depth_usd))
