"""Waves written down by hand, for tests of the parts that read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.wave import BANKRUPT, CANDIDATE, Wave


def candidates(rows: list[dict[str, float]]) -> np.ndarray:
    """Positions in one market, one a row, from dollars.

    A row says what is held: `lots`, `entry` and `mark` (USD a lot), `cash`; and, where it
    is not simply that position's, `equity` and `maintenance` of its account.
    """
    table = np.zeros(len(rows), CANDIDATE)
    for i, (row, out) in enumerate(zip(rows, table, strict=True)):
        lots, mark = row["lots"], row["mark"]
        value, cost = lots * mark, lots * row["entry"]
        cash = row.get("cash", 0.0)
        dollars = {
            "cost": cost,
            "value": value,
            "cash": cash,
            "equity": row.get("equity", cash + value - cost),
            "account_profit": value - cost,
            "account_notional": abs(value),
            "account_net": value,
            "maintenance": row.get("maintenance", 0.0),
        }
        for name, amount in dollars.items():
            out[name] = round(amount * 1e6)
        out["position"] = out["account"] = row.get("account", i)
        out["market"] = row.get("market", 0)
        out["lots"] = lots
    return table


def wave(rows: np.ndarray, **over: Any) -> Wave:
    """A wave with these candidates in which one account is short by a dollar."""
    n_markets = 1 + int(rows["market"].max(initial=0))
    ones = np.ones(n_markets, np.int64)
    fields: dict[str, Any] = {
        "number": 0,
        "now_s": 0.0,
        "short_account": np.array([0]),
        "deficit": np.array([10**6]),
        "bankrupt": np.zeros(0, BANKRUPT),
        "candidates": rows,
        "mark": ones,
        "previous_mark": ones,
        "index": ones,
        "unit": ones,
        "open_interest": ones,
        "insurance": 0,
    }
    return Wave(**fields | over)


def everyone(rows: np.ndarray) -> Payers:
    """All candidates may be asked for all their lots."""
    group = 2 * rows["market"] + (rows["lots"] < 0)
    worth = np.maximum(rows["value"] - rows["cost"], 0)
    return Payers(np.arange(len(rows)), group, np.abs(rows["lots"]), worth)
