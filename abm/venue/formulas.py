"""Arithmetic that venues publish for single accounts, in USD.

For calibrating ladders: where the rungs of `abm.venue.ladders` do not take a venue's own
way, these are its numbers, to choose a rung's parameters by and to hold its results
against. Sizes, prices, fees and limits of a liquidation, each with its source and checked
against the venue's own cases; a run itself needs none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


def liquidation_price(
    equity: float, size: float, price: float, maintenance: float, others: float = 0.0
) -> float:
    """Price of one market at which an account meets its maintenance margin.

    ``(e - others - s * p) / (|s| * m - s)``, from the dYdX v4 documentation
    (dydxprotocol/v4-documentation at 3e475b7, liquidation price).

    Parameters
    ----------
    equity, price : float
        Equity of the account and price of the market now.
    size : float
        Signed size of the position, not 0.
    maintenance : float
        Maintenance margin as a share of notional.
    others : float
        Maintenance margin of the account's other positions.
    """
    return (equity - others - size * price) / (abs(size) * maintenance - size)


def inverse_bankruptcy_price(entry: float, leverage: float, tick: float) -> float:
    """Price at which a long inverse contract has lost its margin, to the tick above.

    ``entry * leverage / (leverage + 1)`` (help.bybit.com 900000031623).
    """
    # A hair less, so that a price on the grid stays there.
    return math.ceil(entry * leverage / (leverage + 1.0) / tick - 1e-6) * tick


def base_to_cover(shortage: float, price: float, margin: float, fees: float) -> float:
    """Size to liquidate so that the margin which it sets free covers a shortage.

    ``shortage / (price * (margin - fees))``, infinite where fees eat the margin (Drift
    protocol-v2 at 0ae3e3b, programs/drift/src/math/liquidation.rs).

    Parameters
    ----------
    shortage : float
        Margin that is missing.
    margin, fees : float
        Margin ratio, and the liquidator's and the fund's fee together, as shares.
    """
    freed = price * (margin - fees)
    return shortage / freed if freed > 0 else math.inf


def insurance_fee(
    shortage: float, notional: float, margin: float, liquidator: float, largest: float
) -> float:
    """Share of a liquidated position that goes to the insurance fund.

    ``0.95 * (margin - liquidator - shortage / notional)``, from 0 to the largest: what is
    left of the margin once the shortage is covered (source as :func:`base_to_cover`).
    """
    spare = 0.95 * (margin - liquidator - shortage / notional)
    return min(max(spare, 0.0), largest)


WINDOW_S = 300.0
"""Length of the windows in which Deribit's liquidity support programme counts, s."""


def support_capacity(
    now_s: float,
    equity: float,
    notional: float,
    share: float,
    assignments: Sequence[tuple[float, float]] = (),
) -> float:
    """Notional that a liquidity support provider may still be assigned.

    Deribit, "LSP API guide" (docs.deribit.com): at most a share of equity in a fixed
    window of five minutes that begins with an assignment, and notional of twice the
    equity in all.

    Parameters
    ----------
    notional : float
        What the provider holds already.
    share : float
        Limit of the instrument's group, 0.15 in its first tier.
    assignments : sequence of (time in s, notional)
        What was assigned before, oldest first.
    """
    begun, used = -math.inf, 0.0
    for time_s, amount in assignments:
        if time_s >= begun + WINDOW_S:
            begun, used = time_s, 0.0
        used += amount
    if now_s >= begun + WINDOW_S:
        used = 0.0
    return max(min(2.0 * equity - notional, share * equity - used), 0.0)


class Holding(NamedTuple):
    """A position about to be closed.

    Attributes
    ----------
    size, entry, price : float
        Signed size; price that it was opened at, and the oracle's.
    maintenance : float
        Maintenance margin as a share of notional.
    bid : float
        Size that the book takes at the oracle's price.
    """

    size: float
    entry: float
    price: float
    maintenance: float
    bid: float = 0.0


class Closing(NamedTuple):
    """How much of a position was closed on the book, how much by ADL, at which price."""

    booked: float
    deleveraged: float
    bankruptcy_price: float


class CloseOut(NamedTuple):
    """What a close-out did: each position's closing, the cash left, the fund's gain."""

    closings: tuple[Closing, ...]
    cash: float
    fund: float


def close_out(cash: float, holdings: Sequence[Holding], fee: float) -> CloseOut:
    """Close just enough of an account for its equity to meet its maintenance margin.

    Dango (left-curve at c1468da, dango/testing/tests/perps/liquidation_spec.rs): positions
    with the largest maintenance margin first, each by what is missing over ``price *
    maintenance``; on the book at the oracle's price as far as it goes, the rest against
    counterparties at the bankruptcy price, which is fixed before any fill. The fee is on
    the closed notional, no more than the equity that is left; the fund pays what an
    account without positions owes.

    Parameters
    ----------
    cash : float
        Collateral, profit and loss of open positions not counted.
    fee : float
        Liquidation fee as a share of notional.
    """
    margins = [abs(h.size) * h.price * h.maintenance for h in holdings]
    equity = cash + sum(h.size * (h.price - h.entry) for h in holdings)
    missing = sum(margins) - equity
    closings = [Closing(0.0, 0.0, math.nan)] * len(holdings)
    owed = 0.0
    for i in sorted(range(len(holdings)), key=lambda i: -margins[i]):
        if missing <= 0.0:
            break
        held = holdings[i]
        side = math.copysign(1.0, held.size)
        size = min(abs(held.size), missing / (held.price * held.maintenance))
        booked = min(size, held.bid)
        worst = held.price - equity / held.size
        closings[i] = Closing(booked, size - booked, worst)
        cash += side * booked * (held.price - held.entry)
        cash += side * (size - booked) * (worst - held.entry)
        equity -= side * (size - booked) * (held.price - worst)
        missing -= size * held.price * held.maintenance
        owed += fee * size * held.price
    paid = min(owed, max(equity, 0.0))
    is_flat = all(
        done.booked + done.deleveraged == abs(held.size)
        for done, held in zip(closings, holdings, strict=True)
    )
    short = min(cash, 0.0) if is_flat else 0.0
    return CloseOut(tuple(closings), cash - paid - short, paid + short)
