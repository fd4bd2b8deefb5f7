"""What groups of traders have because of the rule and the venue, from their table.

A group keeps what it leaves the venue to pay, less what ADL takes from it, less fees and
slippage. What prices do to it meanwhile is no part of that: any change of the order flow
moves all later prices, and over a crash that is many times as much, for better or worse,
as what a rule takes.
"""

from __future__ import annotations

import pandas as pd

from abm.montecarlo.store.folder import Batch

KEPT = ("adl_loss_usd", "fees_usd", "slippage_usd", "venue_loss_usd")
"""Columns of the table of players that :func:`kept_usd` needs."""


def kept_by_run(batch: Batch, policy: str) -> pd.DataFrame:
    """What each group keeps and its capacity under a policy, in USD, a row a run.

    Columns are ``(kept_usd or capacity_usd, group)``.
    """
    columns = ["run", "policy", "group", "capacity_usd", *KEPT]
    players = batch.frame("players", columns=columns)
    players = players[players["policy"] == policy].astype({"group": str})
    players["kept_usd"] = kept_usd(players)
    values = ["kept_usd", "capacity_usd"]
    found: pd.DataFrame = players.pivot(index="run", columns="group", values=values)
    return found.fillna(0.0)


def kept_usd(players: pd.DataFrame) -> pd.Series:
    """What a group has because of the rule and the venue, in USD; mostly negative.

    What it leaves the venue to pay, less what ADL takes from it against the mark or in
    cash, less fees and slippage. Differences of it are gains.
    """
    paid = players["adl_loss_usd"] + players["fees_usd"] + players["slippage_usd"]
    kept: pd.Series = players["venue_loss_usd"] - paid
    return kept
