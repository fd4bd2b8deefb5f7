"""How many orders a stretch of our market sends."""

from __future__ import annotations

from typing import NamedTuple

from abm import world as w
from abm.market.makers import requote
from abm.market.marks import update_marks
from abm.market.oracle import move_index
from abm.step import match_inbox
from abm.traders.habits import let_traders_act
from abm.venue.liquidation import liquidate
from abm.world import World


class Sent(NamedTuple):
    """Quotes placed and withdrawn by makers, orders sent by traders.

    Traders' own cancels are left out, so all events together are more.
    """

    quotes: int
    withdrawn: int
    orders: int


def orders_sent(world: World, steps: int) -> Sent:
    """Run a world through the stages of so many steps and count between them."""
    pool, clock, counts = world.book.pool, world.clock, world.logs.counts
    quotes = withdrawn = orders = 0
    for _ in range(steps):
        move_index(world)
        working, numbered = int(pool["used"][0]), int(pool["next_id"][0])
        requote(world)
        placed = int(pool["next_id"][0]) - numbered
        quotes += placed
        withdrawn += working + placed - int(pool["used"][0])
        let_traders_act(world)
        orders += int(counts["inbox"][0])
        match_inbox(world)
        update_marks(world.markets, world.book)
        liquidate(world)
        clock["now_ms"] += clock["step_ms"]
        clock["step"] += 1
    w.check(world)
    return Sent(quotes, withdrawn, orders)
