"""Liquidation ladders of real venues, as documented by them."""

from __future__ import annotations

from abm.scenario import Rung

PRESETS: dict[str, tuple[Rung, ...]] = {
    # Hyperliquid docs, "Liquidations": market orders to the book; positions above
    # 100,000 USDC first by 20%, the rest after 30 s; below 2/3 of maintenance the
    # liquidator vault takes position and margin over. The two clocks were measured on
    # the fills of 10 October 2025 (pluriholonomic/autodeleveraging-analysis).
    "hyperliquid": (
        Rung(
            rung="book",
            price="bankruptcy",
            share=0.2,
            above_usd=1e5,
            cooldown_s=30.0,
            down_to=2 / 3,
        ),
        Rung(rung="backstop", below=2 / 3, tick_s=6.29),
        Rung(rung="wave", tick_s=3.06),
    ),
    # Binance FAQ 360033525471: IOC orders down to the bankruptcy price, then the
    # insurance fund takes over at that price, then ADL.
    "binance": (
        Rung(rung="book", price="bankruptcy", until="initial"),
        Rung(rung="insurance", mode="takeover", below=0.0),
        Rung(rung="wave"),
    ),
    # BitMEX, "What is Auto-Deleveraging": the position is taken over at the bankruptcy
    # price and worked in the market; unfilled with the fund empty, it goes to ADL.
    "bitmex": (
        Rung(rung="book", price="bankruptcy"),
        Rung(rung="insurance", mode="takeover", below=0.0),
        Rung(rung="wave"),
    ),
    # dYdX v4-chain, protocol/x/clob/keeper (liquidations.go, deleveraging.go): orders at
    # the fillable price as long as the insurance fund can bear it, then deleveraging at
    # the bankruptcy price once net collateral is negative.
    "dydx-v4": (
        Rung(rung="book", price="fillable", spread=1.5),
        Rung(rung="insurance", mode="pay"),
        Rung(rung="wave"),
    ),
    # Aftermath Finance docs, "Liquidations" and "ADL": partial down to initial margin,
    # then the insurance fund, then small bad debt is socialised, large goes to ADL.
    "aftermath": (
        Rung(rung="book", until="initial"),
        Rung(rung="insurance", mode="pay"),
        Rung(rung="socialise", up_to_usd=1e4, up_to_open_interest=1e-3),
        Rung(rung="wave"),
    ),
}


def rungs(ladder: str | tuple[Rung, ...]) -> tuple[Rung, ...]:
    """The rungs of a ladder given by name or in full."""
    return PRESETS[ladder] if isinstance(ladder, str) else ladder
