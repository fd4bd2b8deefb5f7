"""Mark prices: what positions are valued and liquidated at."""

from __future__ import annotations

from typing import Any

from abm.compiled import inlined, kernel
from abm.world import Book, Markets

MEDIAN = 0
INDEX = 1
BOOK = 2
RULE_NAMES = ("median", "index", "book")


@inlined
def median_of_three(a: int, b: int, c: int) -> int:
    """The middle one of three."""
    return max(min(a, b), min(max(a, b), c))


@inlined
def book_price(top: Any, otherwise: int) -> int:
    """Median of best bid, best ask and last trade in ticks; an empty side drops out."""
    if top.bid < 1 and top.ask >= top.size:
        return otherwise
    if top.bid < 1:
        return min(top.ask, top.last)
    if top.ask >= top.size:
        return max(top.bid, top.last)
    return median_of_three(top.bid, top.ask, top.last)


@kernel
def update_marks(markets: Markets, book: Book) -> None:
    """Set every market's mark by the venue's rule.

    ``median`` is the rule that Hyperliquid publishes (docs, "Robust price indices"): the
    median of the index, the index plus a running average of the book's basis, and the
    book's own median of best bid, best ask and last trade.
    """
    oracle = markets.oracle[0]
    for market in range(markets.state.shape[0]):
        state, top = markets.state[market], book.tops[market]
        here = book_price(top, state.index)
        if top.bid >= 1 and top.ask < top.size:
            basis = 0.5 * (top.bid + top.ask) / state.index - 1.0
            state.basis += (1.0 - oracle.basis_decay) * (basis - state.basis)
            state.premium += basis
            state.premium_steps += 1
        if oracle.mark_rule == INDEX:
            mark = state.index
        elif oracle.mark_rule == BOOK:
            mark = here
        else:
            adjusted = int(state.index * (1.0 + state.basis) + 0.5)
            mark = median_of_three(state.index, adjusted, here)
        state.mark = min(max(mark, 1), top.size - 1)
