"""An order book as one would explain it at a blackboard: slow, plain, obvious.

It shares no code with the compiled one. A side is a dictionary from price to the list of
orders that wait there, oldest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(eq=False)
class Order:
    """A working order; `name` is whatever the caller calls it."""

    name: int
    account: int
    side: str
    tick: int
    lots: int
    reduce_only: bool


class Fill(NamedTuple):
    """Who was hit, at which price, for how much."""

    tick: int
    lots: int
    maker: int


class Refused(Exception):  # noqa: N818
    """The book would not take the order."""


class NaiveBook:
    """One market's book and everybody's position in it."""

    def __init__(self, n_ticks: int) -> None:
        self.n_ticks = n_ticks
        self.sides: dict[str, dict[int, list[Order]]] = {"buy": {}, "sell": {}}
        self.positions: dict[int, int] = {}
        self.fills: list[Fill] = []

    # --- what anybody can ask ---

    def best(self, side: str) -> int | None:
        prices = self.sides[side]
        if not prices:
            return None
        return max(prices) if side == "buy" else min(prices)

    def queue(self) -> list[tuple[int, str, int, int]]:
        """(price, side, order, lots) of every working order in price-time order."""
        return [
            (tick, side, order.name, order.lots)
            for side, prices in self.sides.items()
            for tick in sorted(prices)
            for order in prices[tick]
        ]

    def reducible(self, account: int, side: str) -> int:
        held = self.positions.get(account, 0)
        return max(0, -held if side == "buy" else held)

    # --- what a trader can do ---

    def submit(
        self, name: int, account: int, side: str, kind: str, tick: int, lots: int,
        reduce_only: bool, self_trade: str,
    ) -> Order | None:  # fmt: skip
        """Send an order; return it if some of it works; fills are left in `fills`."""
        self.fills = []
        if kind == "market":
            tick = self.n_ticks - 1 if side == "buy" else 1
        if not 1 <= tick < self.n_ticks:
            raise Refused("the price is off the grid")
        if reduce_only:
            lots = min(lots, self.reducible(account, side))
        if lots <= 0:
            raise Refused("nothing to do")
        order = Order(name, account, side, tick, lots, reduce_only)
        if kind == "post-only" and self._meets(order):
            raise Refused("it would cross")
        self._match(order, self_trade)
        if order.lots == 0 or kind in ("market", "ioc"):
            return None
        self.sides[side].setdefault(tick, []).append(order)
        return order

    def cancel(self, order: Order | None) -> int:
        """Cancel an order that still works; return the lots that were left."""
        if not self.works(order):
            return 0
        assert order is not None
        waiting = self.sides[order.side][order.tick]
        waiting.remove(order)
        if not waiting:
            del self.sides[order.side][order.tick]
        return order.lots

    def cancel_all(self, account: int) -> int:
        """Cancel an account's orders; return how many there were."""
        theirs = [
            order
            for prices in self.sides.values()
            for waiting in prices.values()
            for order in waiting
            if order.account == account
        ]
        for order in theirs:
            self.cancel(order)
        return len(theirs)

    def replace(
        self, order: Order | None, name: int, tick: int, lots: int, self_trade: str
    ) -> Order | None:
        """Shrink an order in its place, or cancel it and send it anew."""
        self.fills = []
        if not self.works(order):
            raise Refused("the order does not work any more")
        assert order is not None
        if tick == order.tick and 0 < lots <= order.lots:
            order.lots = lots
            return order
        self.cancel(order)
        return self.submit(
            name, order.account, order.side, "limit", tick, lots, order.reduce_only,
            self_trade,
        )  # fmt: skip

    def works(self, order: Order | None) -> bool:
        return order is not None and order in self.sides[order.side].get(order.tick, ())

    # --- matching ---

    def _meets(self, order: Order) -> bool:
        if order.side == "buy":
            ask = self.best("sell")
            return ask is not None and ask <= order.tick
        bid = self.best("buy")
        return bid is not None and bid >= order.tick

    def _match(self, taker: Order, self_trade: str) -> None:
        bought = 0
        other = "sell" if taker.side == "buy" else "buy"
        while taker.lots > 0 and self._meets(taker):
            price = self.best(other)
            assert price is not None
            maker = self.sides[other][price][0]
            if maker.account == taker.account and self_trade == "cancel-incoming":
                taker.lots = 0
                break
            if maker.account == taker.account and self_trade == "cancel-resting":
                self.cancel(maker)
                continue
            if maker.reduce_only:
                maker.lots = min(maker.lots, self.reducible(maker.account, maker.side))
                if maker.lots == 0:
                    self.cancel(maker)
                    continue
            lots = min(taker.lots, maker.lots)
            self.fills.append(Fill(price, lots, maker.account))
            self._book(maker.account, maker.side, lots)
            bought += lots
            taker.lots -= lots
            maker.lots -= lots
            if maker.lots == 0:
                self.cancel(maker)
        # The taker's trade is booked as one, when it is done.
        self._book(taker.account, taker.side, bought)

    def _book(self, account: int, side: str, lots: int) -> None:
        signed = lots if side == "buy" else -lots
        self.positions[account] = self.positions.get(account, 0) + signed
