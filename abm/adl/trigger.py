"""When does ADL act? A trigger answers yes or no for a wave.

A trigger is a function of the wave and of the calls before it. Where its answer depends
on more than a wave shows, such as the fund's past, it says so by being one of the classes
here, and the engine lets the world keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from abm.adl.answers import CompositionError
from abm.adl.record import Call
from abm.adl.wave import Wave
from abm.fields import NotNegative, Share
from abm.units import quanta
from abm.venue import fund

Trigger = Callable[[Wave, Sequence[Call]], bool]
"""Called with the wave and the run's calls before it."""

Start = Annotated[float, Field(strict=True, gt=0.0, le=1.0)]
Window = Annotated[float, Field(strict=True, gt=0.0, le=31 * 86_400.0)]


def venue_short() -> Trigger:
    """Whenever any account, the vault or the fund has negative equity."""
    return lambda wave, past: wave.total_deficit > 0


def never() -> Trigger:
    """Not at all: the shortfall stays where it is."""
    return Never()


@dataclass(frozen=True)
class Never:
    """Says no to every wave, so that nobody has to be gathered who could pay."""

    def __call__(self, wave: Wave, past: Sequence[Call]) -> bool:
        """No."""
        return False


def insurance_empty() -> Trigger:
    """When somebody is short and the insurance fund has nothing left.

    Binance FAQ 360033525471; Ethereal docs, "Auto-deleveraging"; Bybit's second trigger
    (pool equity at or below zero, bybit-exchange/docs, ``docs/v5/market/adl-alert.mdx``).
    """
    return lambda wave, past: wave.total_deficit > 0 and wave.insurance <= 0


def pool_factor(*, above: Share = 0.85) -> Trigger:
    """When what is owed to winners exceeds a share of the pool that owes it.

    GMX (gmx-io/gmx-synthetics at a5c0c88, ``MAX_PNL_FACTOR_FOR_ADL``, 85% in its base
    configuration; strictly above). Its pool owes winners all of their profit; on an order
    book the losers do, and the venue owes what they cannot pay: the profit is the wave's
    deficit, the pool the insurance fund.
    """
    return lambda wave, past: wave.total_deficit > above * max(wave.insurance, 0)


# --- bad debt against open interest ------------------------------------------------------


@dataclass(frozen=True)
class BadDebt:
    """Acts on bad debt above a threshold; `below` says what becomes of less."""

    above: int
    share: float
    below: Literal["socialise", "leave"]

    def __call__(self, wave: Wave, past: Sequence[Call]) -> bool:
        """Whether the wave's debt is above the larger of the two limits."""
        return wave.total_deficit > max(self.above, self.share * _open_value(wave))


def _open_value(wave: Wave) -> float:
    """Long open interest at the marks of the markets of bankrupt positions, in quanta."""
    concerned = np.unique(wave.bankrupt["market"])
    value = wave.open_interest * wave.mark.astype(np.float64) * wave.unit
    return float(value[concerned].sum())


def bad_debt(
    *,
    above_usd: NotNegative = 10_000.0,
    above_share: Share = 1e-3,
    below: Literal["socialise", "leave"] = "socialise",
) -> Trigger:
    """When bad debt exceeds ``max(above_usd, above_share * open interest * mark)``.

    Aftermath Finance docs, "ADL": ``bad_debt > max(M, open_interest * mark_price *
    alpha)``; its code calls the two ``max_bad_debt`` and
    ``max_socialize_losses_mr_decrease`` (aftermath-sdk-rust, ``af-iperps``). Neither has a
    published value: the defaults are ours. Debt is that of the whole wave, open interest
    that of the markets in which bankrupt positions are. Less than that is charged per
    contract to the side opposite of the bankrupt (``below = "socialise"``) or left.
    """
    return BadDebt(quanta(above_usd), above_share, below)


# --- drawdown of the insurance fund ------------------------------------------------------


@dataclass(frozen=True)
class Drawdown:
    """Acts while the fund's drawdown keeps the alarm on that the world has for it.

    And on debt that is more than the fund has, which no ladder lets it pay.
    """

    alarm: fund.Drawdown

    def __call__(self, wave: Wave, past: Sequence[Call]) -> bool:
        """Whether the alarm is on, or the debt more than the fund."""
        return wave.is_alarmed or wave.total_deficit > max(0, wave.insurance)


def drawdown(
    *, window_s: Window = 28_800.0, start: Start = 0.3, stop: Share = 0.25
) -> Trigger:
    """From when the insurance fund is down by a share of its rolling peak until it is not.

    Begins at a fall by `start` from the highest equity within `window_s` and ends above a
    fall by `stop`. Bybit: 30% and 25% of the highest balance of eight hours
    (bybit-exchange/docs, ``docs/v5/market/adl-alert.mdx``); OKX: 30% within eight hours
    (OKX help, "Introduction to auto-deleveraging"). Until it ends, the fund counts as
    short by what it lacks to the equity at which it began, and what the fund holds is
    closed at the value at which it ends there: Bybit computes the bankruptcy price at the
    30%, so that ADL takes only the excess. Bybit's rule says below -30% where its second
    example acts at exactly -30%; here that acts. An empty fund is down by all it had, and
    one that cannot bear the debt at hand counts as insufficient (OKX), as if it were.

    Raises
    ------
    CompositionError
        If it would end before it begins.
    """
    if stop > start:
        reason = f"must be at most start ({start:g})"
        raise CompositionError(f"trigger.stop = {stop:g}: {reason}")
    return Drawdown(fund.Drawdown(window_s, start, stop))


ANSWERS: dict[str, Callable[..., Trigger]] = {
    "venue-short": venue_short,
    "insurance-empty": insurance_empty,
    "pool-factor": pool_factor,
    "bad-debt": bad_debt,
    "drawdown": drawdown,
    "never": never,
}
