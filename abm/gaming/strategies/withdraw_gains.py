"""Withdraw gains: what is not there cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import Lit, Memory, Share, is_free

Cushion = Annotated[float, Field(ge=1.0, le=100.0)]


@dataclass(frozen=True)
class WithdrawGains(Lit):
    """Takes gains out of its account as soon as they are free.

    A rule that takes a share of equity, or of gains above principal, finds less of it.

    Source
    ------
    arXiv 2512.01112 on capacity and seniority; venues let unrealised profit be withdrawn
    against free margin (Hyperliquid's documentation, "Margining").

    Hurts
    -----
    Other winners under a cash haircut; the venue, whose accounts are nearer to bankruptcy.

    Costs
    -----
    No fee, but less stands behind its own positions: it is liquidated sooner, and may rank
    higher where leverage counts.

    Parameters
    ----------
    cushion : float
        Equity that it leaves, in multiples of its initial margin.
    light : float
        Lit part of its lights from which a trader cares; 0 to care always.
    """

    cushion: Cushion = 2.0
    light: Share = 0.0

    def act(self, view: View, memory: Memory) -> Actions:
        """Withdraw what is gained, free and above the cushion."""
        here = view.accounts
        above = here["equity"] - np.ceil(self.cushion * here["initial"]).astype(np.int64)
        gains = here["equity"] - here["principal"]
        amount = np.minimum(np.minimum(above, gains), here["free"])
        takes = is_free(view) & (amount > 0) & self.is_lit(view)[here["owner"]]
        actions = Actions()
        actions.withdraw(here["account"][takes], amount[takes])
        return actions
