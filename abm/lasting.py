"""What lasts beyond a crash: who stays and what that is worth, and the crash after it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from abm.fields import NotNegative, Part, Positive, Real, Share, Whole


class Retention(Part):
    """What a haircut costs the venue later.

    An account that lost the share h leaves with the chance ``1 - exp(-beta * h)``, and
    takes along the fees that it would have paid over `horizon_days`. Defaults are those of
    arXiv 2512.01112, its empirical section, but for the last two, of which it gives no
    number. `base` says what h is a share of:

    * ``profit``: money taken, of the unrealised profit that it could be taken from;
    * ``equity``: money taken, of the account's equity;
    * ``position``: the part of its positions that was closed (by value; of profit where a
      rule takes cash), which is what the simulated traders react to.
    """

    beta: Real = Field(5.0, ge=0.0, le=1000.0, description="how haircuts drive away")
    base: Literal["profit", "equity", "position"] = Field(
        "profit", description="what a haircut is a share of"
    )
    horizon_days: Positive = Field(
        730.0, description="how long an account that stays pays fees, days"
    )
    turnover_per_day: NotNegative = Field(
        1.0, description="volume of a calm day, in equities of the account"
    )
    fee_bps: Real = Field(
        4.0, ge=0.0, le=1000.0, description="fee on that volume, basis points"
    )
    funding_per_hour: Real = Field(
        1.5e-5,
        ge=0.0,
        le=1.0,
        description="funding that counts as fees, share of equity",
    )
    solvent_share: Share = Field(
        0.0,
        description="purses that make the venue solvent, share of those at the start",
    )
    revenue_tolerance: Share = Field(
        0.05, description="share of lifetime value that may be missing once it is recovered"
    )


class Episodes(Part):
    """Several crashes, one after the other, with a calm time between any two.

    An episode is what `time`, `shocks` and `oracle` describe. After it every position is
    closed at the mark; those who had made up their minds leave; the insurance fund owes
    what is still missing. In the calm time the others pay fees (`retention`), of which
    `venue.fees_to_insurance` goes to the fund and `fees_to_vault` to the vault, and
    newcomers arrive. The next episode begins at the same prices, with new makers and
    an empty book; each trader wants positions in proportion to what it has now.
    """

    count: Whole = Field(1, ge=1, le=1000, description="number of crashes in a run")
    calm_days: Real = Field(
        30.0, gt=0.0, le=3650.0, description="time between two crashes, days"
    )
    newcomers_per_day: Real = Field(
        0.0, ge=0.0, le=1e5, description="mean number of accounts that arrive on a calm day"
    )
    fees_to_vault: Share = Field(
        0.0, description="share of the fees of calm days that goes to the vault"
    )

    @property
    def calm_ms(self) -> int:
        """Time between two episodes in milliseconds."""
        return round(self.calm_days * 86_400_000)
