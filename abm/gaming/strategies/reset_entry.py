"""Reset the entry price: close a winner and open it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.gaming.actions import Actions
from abm.gaming.strategies.base import (
    Gain,
    Lit,
    Memory,
    Share,
    Slippage,
    gain_of,
    is_free,
    within_depth,
    worst_tick,
)
from abm.gaming.view import View


@dataclass(frozen=True)
class ResetEntry(Lit):
    """Closes a position whose gain is large and opens it again at once.

    The profit becomes cash and the position looks fresh, so a rule that ranks by unrealised
    profit asks somebody else, or can take less; exposure stays what it was.

    Source
    ------
    arXiv 2512.01112 on queues ranked by profit and leverage; BitMEX's "Auto-Deleveraging
    Examples" rank by the profit since entry.

    Hurts
    -----
    Those next in a queue ranked by profit, and whoever pays instead under a cash haircut of
    unrealised profits.

    Costs
    -----
    Two taker fees and twice the distance to the other side of the book, each time; margin
    may allow less to be opened than was closed.

    Parameters
    ----------
    gain : float
        Gain from which a position is reset, as a share of its value at entry.
    light : float
        Lit part of its lights from which a trader cares; 0 to care always.
    slippage : float
        How far beyond the mark an order may trade. No more is reset at a look than rests
        within 1% of the mark on either side.
    """

    gain: Gain = 0.1
    light: Share = 0.0
    slippage: Slippage = 0.01

    def act(self, view: View, memory: Memory) -> Actions:
        """Close and reopen every position that has gained enough."""
        held = view.positions
        ripe = (gain_of(held) >= self.gain) & (held["profit"] > 0)
        ripe &= is_free(view)[held["row"]] & self.is_lit(view)[held["owner"]]
        rows = held[ripe]
        lots = within_depth(view, rows["market"], rows["lots"])
        lots = -within_depth(view, rows["market"], -lots)
        rows, lots = rows[lots != 0], lots[lots != 0]
        account, market, lots = (
            np.repeat(column, 2) for column in (rows["account"], rows["market"], lots)
        )
        lots[::2] *= -1
        actions = Actions()
        actions.order(
            account, market, lots, kind="immediate",
            tick=worst_tick(view, market, lots, self.slippage),
        )  # fmt: skip
        return actions
