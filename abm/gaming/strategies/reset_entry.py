"""Reset the entry price: close a winner and open it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.gaming.actions import Actions
from abm.gaming.strategies.base import Gain, Lit, Memory, Share, gain_of, is_free
from abm.gaming.view import View


@dataclass(frozen=True)
class ResetEntry(Lit):
    """Closes a position whose gain is large and opens it again at once.

    The profit becomes cash and the position looks fresh, so a rule that ranks by unrealised
    profit asks somebody else, or can take less; exposure stays what it was.

    Source
    ------
    arXiv 2512.01112 on queues ranked by profit and leverage; BitMEX's documentation, "What
    is auto-deleveraging", ranks by profit percentage at the entry price.

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
    """

    gain: Gain = 0.1
    light: Share = 0.0

    def act(self, view: View, memory: Memory) -> Actions:
        """Close and reopen every position that has gained enough."""
        held = view.positions
        ripe = (gain_of(held) >= self.gain) & (held["profit"] > 0)
        ripe &= is_free(view)[held["row"]] & self.is_lit(view)[held["owner"]]
        rows = held[ripe]
        actions = Actions()
        account, market, lots = (
            np.repeat(rows[f], 2) for f in ("account", "market", "lots")
        )
        lots[::2] *= -1
        actions.order(account, market, lots)
        return actions
