"""The venue's rules in a scenario: liquidation ladder, purses, fees, ADL policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from abm import checks
from abm.faults import LARGEST, Fault
from abm.fields import NotNegative, Part, Positive, Real, Share, Text


class Rung(Part):
    """One rung of the liquidation ladder.

    * ``book``: close through the order book, `share` of the position first if it is
      above `above_usd`, the rest after `cooldown_s`; `price` says how bad it may get
      (`slippage` from the mark, the bankruptcy price, or the fillable price of dYdX v4
      with its `spread`); not tried below `down_to` times maintenance.
    * ``backstop``: the vault takes over position and margin below `below` times
      maintenance, on a clock of `tick_s`; an account that owes more than `loss_cap_usd`
      is left to the rungs below.
    * ``insurance``: the fund takes the position over at its bankruptcy price
      (``mode = "takeover"``, at or below `below` times maintenance) or pays what an
      account without positions owes (``mode = "pay"``).
    * ``socialise``: bad debt up to `max(up_to_usd, up_to_open_interest * open interest)`
      is charged to the other side per contract.
    * ``wave``: what is still short goes to ADL on a clock of `tick_s`.
    """

    rung: Literal["book", "backstop", "insurance", "socialise", "wave"] = Field(
        description="what is done"
    )
    share: Real = Field(
        1.0, gt=0.0, le=1.0, description="share of a large position closed first"
    )
    above_usd: NotNegative = Field(
        0.0, description="notional above which one is large, USD"
    )
    cooldown_s: NotNegative = Field(
        0.0, description="wait between the first and the rest, s"
    )
    until: Literal["flat", "initial", "maintenance"] = Field(
        "flat", description="close all, or until equity covers that margin"
    )
    price: Literal["market", "bankruptcy", "fillable"] = Field(
        "market", description="worst price allowed"
    )
    slippage: Real = Field(
        0.1, gt=0.0, le=1.0, description="worst distance from the mark, share"
    )
    spread: Real = Field(
        1.5,
        ge=0.0,
        le=1000.0,
        description="spread to maintenance margin ratio of the fillable price",
    )
    down_to: Share = Field(
        0.0, description="share of maintenance below which it is not tried"
    )
    below: Share = Field(1.0, description="share of maintenance below which it takes over")
    loss_cap_usd: NotNegative = Field(
        LARGEST, description="largest debt that the vault takes over, USD"
    )
    mode: Literal["takeover", "pay"] = Field(
        "pay",
        description="take the position over, or pay the debt of an account without any",
    )
    up_to_usd: NotNegative = Field(0.0, description="largest debt socialised, USD")
    up_to_open_interest: Share = Field(
        0.0, description="largest debt socialised, share of open interest"
    )
    tick_s: NotNegative = Field(
        0.0, description="time between its turns, s; 0 is each step"
    )

    def _faults(self) -> Iterable[Fault]:
        return checks.of_rung(self)

    @property
    def heeded(self) -> frozenset[str]:
        """The keys that this rung heeds."""
        keys = {
            "book": {"share", "above_usd", "cooldown_s", "until", "price", "down_to"},
            "backstop": {"below", "loss_cap_usd", "tick_s"},
            "insurance": {"mode"},
            "socialise": {"up_to_usd", "up_to_open_interest"},
            "wave": {"tick_s"},
        }[self.rung]
        further = {
            ("book", "market"): "slippage",
            ("book", "fillable"): "spread",
            ("insurance", "takeover"): "below",
        }
        form = self.price if self.rung == "book" else self.mode
        extra = further.get((self.rung, form))
        return frozenset(keys | {"rung"} | ({extra} if extra else set()))

    @model_serializer(mode="wrap")
    def _heeded_only(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if key in self.heeded}


def _ladder_form(ladder: Any) -> str:
    return "all rungs" if isinstance(ladder, (list, tuple)) else "a preset"


Ladder = Annotated[
    Annotated[
        Literal["hyperliquid", "binance", "bitmex", "dydx-v4", "aftermath"], Tag("a preset")
    ]
    | Annotated[tuple[Rung, ...], Field(min_length=1, max_length=32), Tag("all rungs")],
    Discriminator(_ladder_form),
]


class Venue(Part):
    """The venue's own rules and purse."""

    ladder: Ladder = Field(
        "hyperliquid",
        description="liquidation ladder: a preset, or rungs from first to last",
    )
    vault_usd: NotNegative = Field(0.0, description="capital of the backstop vault, USD")
    vault_unwind_per_s: Share = Field(
        0.0, description="share of its inventory that the vault sells, 1/s"
    )
    insurance_usd: NotNegative = Field(0.0, description="insurance fund at the start, USD")
    taker_fee_bps: Real = Field(
        4.5, ge=0.0, le=1000.0, description="fee on taking orders, basis points of value"
    )
    maker_fee_bps: Real = Field(
        1.5, ge=-100.0, le=1000.0, description="fee (-: rebate) on making, basis points"
    )
    liquidation_fee_bps: Real = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="fee on liquidations, to the insurance fund, basis points",
    )
    fees_to_insurance: Share = Field(
        0.0, description="share of fees that goes to insurance"
    )
    funding_interval_s: Positive = Field(3600.0, description="time between fundings, s")
    funding_interest_per_8h: Real = Field(
        1e-4, ge=-1.0, le=1.0, description="interest part of the funding rate over 8 hours"
    )
    funding_cap_per_hour: Real = Field(
        0.04, ge=0.0, le=1.0, description="largest funding rate per hour"
    )
    self_trade: Literal["cancel-resting", "cancel-incoming", "allow"] = Field(
        "cancel-resting", description="what happens when an account would trade with itself"
    )

    def _faults(self) -> Iterable[Fault]:
        return checks.of_venue(self)


Answer = dict[str, Any] | Text | None


class Policy(Part):
    """An ADL rule: a preset by name, or one answer to each of the six questions."""

    preset: Text | None = Field(None, description="built-in policy that it begins from")
    trigger: Answer = Field(None, description="when ADL is called")
    severity: Answer = Field(None, description="how much of the deficit is raised now")
    eligibility: Answer = Field(None, description="who can pay, and up to what")
    seniority: Answer = Field(None, description="in which order of capital")
    allocation: Answer = Field(None, description="how the burden is shared")
    settlement: Answer = Field(None, description="in what it is paid, and at which price")

    def _faults(self) -> Iterable[Fault]:
        return checks.of_policy(self)
