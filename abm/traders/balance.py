"""Two sides of every market: whole lots that sum to zero exactly.

The shorts keep the sizes they were drawn with and the longs are scaled to take the other
side. Which side is scaled matters only for calibration: the winners of a crash are the
shorts, and it is winners whose sizes were measured.
"""

from __future__ import annotations

import numpy as np

from abm.scenario import Market
from abm.units import QUANTA_PER_USD
from abm.world import Array


def both_sides(side: Array, market: Array, notional: Array) -> Array:
    """Sides (1 or -1) with the largest turned round where a market has one side only."""
    side = side.copy()
    largest_first = np.lexsort((-notional, market))
    held, first, count = np.unique(
        market[largest_first], return_index=True, return_counts=True
    )
    net = np.bincount(market, weights=side, minlength=int(market.max()) + 1)[held]
    alone = np.abs(net) == count
    side[largest_first[first[alone]]] *= -1
    return side


def balanced_lots(
    markets: list[Market], market: Array, side: Array, notional: Array
) -> Array:
    """Signed lots of every position, none zero, summing to zero in every market.

    Parameters
    ----------
    market, side, notional : Array
        Of each position; every market that occurs has both sides. USD at the start price.

    Returns
    -------
    Array
        int64, shape (positions,).
    """
    lots = np.zeros(len(market), np.int64)
    order = np.argsort(market, kind="stable")
    bounds = np.searchsorted(market[order], np.arange(len(markets) + 1))
    for i, given in enumerate(markets):
        here = order[bounds[i] : bounds[i + 1]]
        per_lot = given.start_tick * given.unit / QUANTA_PER_USD
        size = np.maximum(np.round(notional[here] / per_lot), 1.0).astype(np.int64)
        shorts, longs = here[side[here] < 0], here[side[here] > 0]
        target = max(int(size[side[here] < 0].sum()), len(longs))
        lots[shorts] = -scaled(size[side[here] < 0], target)
        lots[longs] = scaled(size[side[here] > 0], target)
    return lots


def matched(market: Array, side: Array, size: Array, n_markets: int) -> Array:
    """Sizes with the larger side of every market shrunk to the sum of the smaller.

    Parameters
    ----------
    side, size : Array
        Of each position: 1 or -1, and its lots, not negative.
    """
    found = size.copy()
    order = np.argsort(market, kind="stable")
    bounds = np.searchsorted(market[order], np.arange(n_markets + 1))
    for i in range(n_markets):
        here = order[bounds[i] : bounds[i + 1]]
        longs, shorts = here[side[here] > 0], here[side[here] < 0]
        target = min(int(size[longs].sum()), int(size[shorts].sum()))
        for one_side in (longs, shorts):
            found[one_side] = _shrunk(size[one_side], target)
    return found


def _shrunk(size: Array, total: int) -> Array:
    """Whole numbers in the proportions of `size`, none larger, that sum to `total`."""
    now = int(size.sum())
    if now == total:
        return size
    exact = size * (total / now)
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    left = total - int(whole.sum())
    # Floating point may have rounded one up that was just below a whole number.
    whole[order[:left] if left > 0 else order[len(order) + left :]] += np.sign(left)
    return whole


def scaled(size: Array, total: int) -> Array:
    """Whole numbers of at least 1 in the proportions of `size` that sum to `total`.

    Largest remainders get what rounding down leaves over. `total` must be at least the
    number of entries; sizes that sum to it already are returned as they are.
    """
    now = int(size.sum())
    if now == total:
        return size
    exact = size * ((total - len(size)) / now)
    whole = np.floor(exact).astype(np.int64)
    left = total - len(size) - int(whole.sum())
    order = np.argsort(whole - exact, kind="stable")
    whole += left // len(size)
    whole[order[: left % len(size)]] += 1
    return whole + 1
