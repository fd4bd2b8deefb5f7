"""Reset the entry price: close a winner and open it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import (
    Gain,
    Lit,
    Memory,
    Share,
    Slippage,
    gain_of,
    is_free,
    lots_held,
    within_depth,
    worst_tick,
)
from abm.world import Array, pair_keys

_PATIENCE_S = 30.0
"""How long it tries to open again what it has closed."""


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
    Two taker fees and twice the distance to the other side of the book, each time. Margin
    and a thin book may allow less to be opened than was closed; it tries on for half a
    minute.

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
        self._send(view, actions, account, market, lots)
        self._send(view, actions, *self._lacking(view, memory, rows))
        return actions

    def _send(
        self, view: View, actions: Actions, account: Array, market: Array, lots: Array
    ) -> None:
        actions.order(
            account, market, lots, kind="immediate",
            tick=worst_tick(view, market, lots, self.slippage),
        )  # fmt: skip

    def _lacking(
        self, view: View, memory: Memory, reset: Array
    ) -> tuple[Array, Array, Array]:
        """What earlier looks closed and could not open again; remembers this one's."""
        owed, until_s = memory.get("owed", (reset[:0], np.zeros(0)))
        lots = owed["lots"] - lots_held(view, owed["account"], owed["market"])
        lots = np.where(np.sign(lots) == np.sign(owed["lots"]), lots, 0)
        still = (lots != 0) & (until_s > view.now_s)
        count = len(view.markets)
        key, known = (pair_keys(rows, count) for rows in (reset, owed))
        reset = reset[~np.isin(key, known[still])]
        until = np.full(len(reset), view.now_s + _PATIENCE_S)
        memory["owed"] = (
            np.concatenate([owed[still], reset]),
            np.concatenate([until_s[still], until]),
        )
        lots = within_depth(view, owed["market"], lots)
        now = still & (lots != 0)
        return owed["account"][now], owed["market"][now], lots[now]
