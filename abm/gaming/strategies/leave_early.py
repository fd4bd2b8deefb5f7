"""Leave early: close before the venue is short."""

from __future__ import annotations

from dataclasses import dataclass

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import (
    Lit,
    Memory,
    Share,
    Slippage,
    is_free,
    within_depth,
    worst_tick,
)


@dataclass(frozen=True)
class LeaveEarly(Lit):
    """Closes winners once the venue's purses are drawn down, before ADL comes.

    Who has left is not asked; those who stay are fewer and the book is emptier.

    Source
    ------
    The coordination game of arXiv 2512.01112: everybody leaves because everybody might.

    Hurts
    -----
    Those who stay, and the venue: it closes into a thin book while liquidations need it.

    Costs
    -----
    A taker fee and the distance to the other side of the book; the gains that the position
    would still have made.

    Parameters
    ----------
    drawdown : float
        Fall of vault and insurance fund together from their peak, as a share, from which
        the venue looks short.
    winners_only : bool
        Close only positions in profit, the ones that ADL asks.
    light : float
        Lit part of its lights from which a trader cares; 0 to care always.
    slippage : float
        How far beyond the mark an order may trade. No more is closed at a look than rests
        within 1% of the mark.
    """

    drawdown: Share = 0.2
    winners_only: bool = True
    light: Share = 0.0
    slippage: Slippage = 0.02

    def act(self, view: View, memory: Memory) -> Actions:
        """Close if the venue looks short."""
        actions = Actions()
        purse = view.purses.vault + view.purses.insurance
        memory["peak"] = peak = max(purse, memory.get("peak", 0))
        if peak <= 0 or purse > (1.0 - self.drawdown) * peak:
            return actions
        held = view.positions
        leaves = is_free(view)[held["row"]] & self.is_lit(view)[held["owner"]]
        if self.winners_only:
            leaves &= held["profit"] > 0
        rows = held[leaves]
        lots = within_depth(view, rows["market"], -rows["lots"])
        rows, lots = rows[lots != 0], lots[lots != 0]
        actions.order(
            rows["account"], rows["market"], lots, kind="immediate", reduce_only=True,
            tick=worst_tick(view, rows["market"], lots, self.slippage),
        )  # fmt: skip
        return actions
