"""What a trader can see of a queue: lights and quantiles as venues publish them.

For holding a score of `abm.adl.scores` against what a venue shows its traders, who do not
see the score itself: the tests check the queues of presets against the lights in venues'
own examples. A policy looks at none of this.
"""

from __future__ import annotations

import numpy as np

from abm.world import Array


def order_of(score: Array) -> Array:
    """Rows from the highest score down, ties in the order of rows.

    Parameters
    ----------
    score : array of float64, shape (n,) or (n, columns)
        Of several columns, each breaks the ties of those before it.
    """
    columns = score if score.ndim > 1 else score[:, np.newaxis]
    return np.lexsort(-columns.T[::-1])


def percentile_lights(score: Array, contracts: Array) -> Array:
    """Where each payer stands in the queue, as a percentile of contracts in fifths.

    BitMEX's "Auto-Deleveraging Examples" (bitmex.com/app/autoDeleveragingExamples): the
    contracts up to and with one's own over all contracts, rounded up to 20%.

    Parameters
    ----------
    score : array of float64, shape (n,) or (n, columns)
    contracts : array of int64, shape (n,)
        Lots that each holds.

    Returns
    -------
    array of int64, shape (n,)
        20, 40, 60, 80 or 100; 20 is closed first.
    """
    order = order_of(score)
    ahead = np.cumsum(contracts[order])
    total = max(int(contracts.sum()), 1)
    lights = np.empty(len(order), np.int64)
    lights[order] = 20 * np.maximum(-(-5 * ahead // total), 1)
    return lights


def quantiles(score: Array) -> Array:
    """Where each payer stands in the queue, as a quantile of payers.

    Binance's API documents, "Position ADL Quantile Estimation": rank over users, shown
    as 0 to 4, of which 4 is closed first.

    Returns
    -------
    array of int64, shape (n,)
    """
    order = order_of(score)
    found = np.empty(len(order), np.int64)
    found[order] = 4 - 5 * np.arange(len(order)) // max(len(order), 1)
    return found
