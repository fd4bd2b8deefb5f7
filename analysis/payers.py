"""Who paid, and who could have: the haircuts of a batch by account.

Two ideas of what a rule takes are kept apart. *Paid* is money: what a cash rule takes, or
what an account loses against the mark by being closed at the settlement's price (a gain
counts as nothing). *Closed* is the notional that a rule by contracts closes; it is zero
for cash rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from abm.montecarlo.store import Batch

MOST_ROWS = 30_000_000
"""Haircut rows that are read at most; larger batches are told from their first runs."""

_EVERYONE = 0.99
_MANY = 200

_QUANTA_PER_USD = 1e6
_ACCOUNT = ["policy", "run", "account"]
_OF_PAYERS = [
    *(f"candidates_{name}" for name in ("account", "kind", "market", "lots", "cost")),
    *("candidates_cash", "candidates_elsewhere_profit", "mark", "unit"),
    *("payers_row", "payers_capacity"),
]
_NOBODY = pd.DataFrame(
    {
        "run": pd.Series(dtype="int64"),
        "account": pd.Series(dtype="int64"),
        "kind": pd.Series(dtype=object),
        "capacity_usd": pd.Series(dtype="float64"),
        "equity_usd": pd.Series(dtype="float64"),
    }
)


@dataclass(frozen=True)
class Payers:
    """Accounts that paid and accounts that could have.

    Attributes
    ----------
    paid : DataFrame
        One row a policy, run and account that was hit: `kind`, `paid_usd`, `closed_usd`,
        `capacity_usd` (the profit it had) and `equity_usd`.
    able : DataFrame
        One row a run and account that any policy could have asked: `kind`,
        `capacity_usd`, `equity_usd`. From the audited runs; from all if there a policy
        was seen to ask practically everyone; empty without audit.
    by_contracts : frozenset of str
        Policies that close contracts.
    runs : int
        How many runs `paid` is about: all, or the first ones of a very large batch.
    """

    paid: pd.DataFrame
    able: pd.DataFrame
    by_contracts: frozenset[str]
    runs: int

    @property
    def policies(self) -> list[str]:
        """Policies under which anybody was hit."""
        return list(self.paid["policy"].unique())

    @property
    def top(self) -> float:
        """Whom to call the top: 1% of the accounts, or 10% where these are few."""
        source = self.able if len(self.able) else self.paid
        return 0.01 if source.groupby("run")["account"].nunique().max() >= _MANY else 0.1

    def amounts(self, policy: str, weight: str) -> list[np.ndarray]:
        """What each account gave, an array for each run in which anything was given.

        Whoever could have been asked and was not hit gave nothing.
        """
        rows = self.paid[self.paid["policy"] == policy]
        able = self.able.groupby("run")["account"].nunique()
        found = []
        for run, given in rows.groupby("run")[weight]:
            others = max(0, int(able.get(run, 0)) - len(given))
            if given.any():
                found.append(np.concatenate([given.to_numpy(float), np.zeros(others)]))
        return found

    def of_first_policies(self, most: int) -> tuple[Payers, str]:
        """Only the first few policies, and words for those that are left out."""
        kept, rest = self.policies[:most], self.policies[most:]
        if not rest:
            return self, ""
        paid = self.paid[self.paid["policy"].isin(kept)]
        contracts = self.by_contracts & frozenset(kept)
        words = f" Not shown: the other {len(rest)} policies."
        return Payers(paid, self.able, contracts, self.runs), words

    def where_both_are_known(self) -> Payers:
        """Only the runs of which it is known who could have paid, if there are any.

        Sizes are so heavy-tailed that payers of some runs cannot be held against profits
        of others.
        """
        known = self.able["run"].unique()
        if len(known) == 0:
            return self
        paid = self.paid[self.paid["run"].isin(known)]
        return Payers(paid, self.able, self.by_contracts, len(known))


def read_payers(batch: Batch) -> Payers:
    """Add up a batch's haircuts by account, and what the audited accounts could pay."""
    stretches = _stretches(batch)
    paid = _paid(batch, stretches)
    contracts = frozenset(paid.loc[paid["closed_usd"] > 0, "policy"].unique())
    runs = sum(len(stretch) for stretch in stretches)
    return Payers(paid, _able(batch, contracts, paid), contracts, runs)


def _stretches(batch: Batch) -> list[range]:
    """The runs of each whole block, as long as haircuts are at most `MOST_ROWS`."""
    runs = batch.frame("runs", columns=["run", "calls", "adl_accounts"])
    # Each account that a run touches has at most one row a call.
    rows = (runs["calls"] * runs["adl_accounts"]).fillna(0).groupby(runs["run"]).sum()
    blocks = batch.manifest["blocks"]
    found: list[range] = []
    total = 0.0
    for number in sorted(blocks, key=int):
        stretch = range(*blocks[number]["runs"])
        total += float(rows.loc[stretch.start : stretch.stop - 1].sum())
        if found and total > MOST_ROWS:
            break
        found.append(stretch)
    return found


def _paid(batch: Batch, stretches: list[range]) -> pd.DataFrame:
    parts = [_add_up(batch, stretch) for stretch in stretches]
    found = pa.concat_tables(parts or [_add_up(batch, range(0))]).to_pandas()
    rank = {name: i for i, name in enumerate(batch.policies)}
    order = np.lexsort((found["account"], found["run"], found["policy"].map(rank)))
    found = found.iloc[order].reset_index(drop=True)
    # A closed position is gone with its profit; cash comes out of the same profit again.
    closes = found["closed_usd_sum"] > 0
    capacity = np.where(closes, found["capacity_usd_sum"], found["capacity_usd_max"])
    return pd.DataFrame(
        {
            "policy": found["policy"],
            "run": found["run"],
            "account": found["account"],
            "kind": found["kind_min"],
            "paid_usd": found["amount_usd_sum"].clip(lower=0.0),
            "closed_usd": found["closed_usd_sum"],
            "capacity_usd": capacity,
            "equity_usd": found["equity_usd_max"],
        }
    )


def _add_up(batch: Batch, runs: range) -> pa.Table:
    """Haircuts of some runs, added up by policy, run and account."""
    money = ["amount_usd", "closed_usd", "capacity_usd", "equity_usd"]
    number = pc.field("run")
    here = (number >= runs.start) & (number < runs.stop)
    table = batch.table("haircuts", columns=[*_ACCOUNT, "kind", *money], where=here)
    wanted = [("amount_usd", "sum"), ("closed_usd", "sum"), ("capacity_usd", "sum")]
    wanted += [("capacity_usd", "max"), ("equity_usd", "max"), ("kind", "min")]
    return table.group_by(_ACCOUNT, use_threads=False).aggregate(wanted)


def _able(batch: Batch, contracts: frozenset[str], paid: pd.DataFrame) -> pd.DataFrame:
    """Profit of every account that any policy could have asked, the most over calls."""
    audited = _audited(batch, contracts)
    wanted = {"kind": "first", "capacity_usd": "max", "equity_usd": "max"}
    hit = paid.groupby(["run", "account"], as_index=False).agg(wanted)
    here = hit[hit["run"].isin(audited["run"].unique())].merge(
        audited, on=["run", "account"]
    )
    asked, everything = here["capacity_usd_y"].sum(), audited["capacity_usd"].sum()
    if audited.empty or asked < _EVERYONE * everything:
        return audited
    both = pd.concat([audited, hit])
    return both.groupby(["run", "account"], as_index=False).agg(wanted)


def _audited(batch: Batch, contracts: frozenset[str]) -> pd.DataFrame:
    """The most that every account of the audited runs could have given in a call."""
    table = batch.table("audit", columns=["policy", "run", *_OF_PAYERS])
    calls = [_able_in(call, contracts) for call in _by_row(table)]
    if not calls:
        return _NOBODY
    columns = {name: np.concatenate([call[name] for call in calls]) for name in calls[0]}
    rows = pd.DataFrame(columns)
    wanted = {"kind": "min", "capacity_usd": "max", "equity_usd": "max"}
    found = rows.groupby(["run", "account"], as_index=False).agg(wanted)
    return found.sort_values(["run", "account"], ignore_index=True)


def _by_row(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows of a table, lists as arrays."""
    for batch in table.to_batches():
        columns = {name: _cells(batch[name]) for name in batch.schema.names}
        for at in range(batch.num_rows):
            yield {name: cells(at) for name, cells in columns.items()}


def _cells(column: pa.Array) -> Callable[[int], Any]:
    """What gives a cell of a column by its row; of a list, a part of one array."""
    if not pa.types.is_list(column.type):
        values = column.to_pylist()
        return lambda at: values[at]
    parts, ends = column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()
    return lambda at: parts[ends[at] : ends[at + 1]]


def _able_in(call: dict[str, Any], contracts: frozenset[str]) -> dict[str, np.ndarray]:
    """One row an account that a call could have asked."""
    row = call["payers_row"]
    account, inverse = np.unique(call["candidates_account"], return_inverse=True)
    worth = (call["mark"] * call["unit"])[call["candidates_market"]]
    profit = call["candidates_lots"] * worth - call["candidates_cost"]
    own = np.zeros(len(account), np.int64)
    np.add.at(own, inverse, profit)
    equity = call["candidates_cash"] + own[inverse] + call["candidates_elsewhere_profit"]
    closes = call["policy"] in contracts
    capacity = np.maximum(profit[row], 0) if closes else call["payers_capacity"]
    asked, first, place = np.unique(inverse[row], return_index=True, return_inverse=True)
    most = np.full(len(asked), np.iinfo(np.int64).min)
    np.maximum.at(most, place, equity[row])
    return {
        "run": np.full(len(asked), call["run"]),
        "account": account[asked],
        "kind": call["candidates_kind"][row[first]],
        "capacity_usd": np.bincount(place, capacity, len(asked)) / _QUANTA_PER_USD,
        "equity_usd": most / _QUANTA_PER_USD,
    }


# --- concentration ----------------------------------------------------------------------


def lorenz(amounts: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Lorenz curve at shares `grid` of the accounts: what the smallest pay together.

    Parameters
    ----------
    amounts : array, shape (accounts,)
        Not negative, not all zero.
    grid : array, shape (points,)
        Shares of accounts from 0 to 1.
    """
    total = np.concatenate([[0.0], np.cumsum(np.sort(amounts))])
    shares = np.linspace(0.0, 1.0, len(total))
    return np.asarray(np.interp(grid, shares, total / total[-1]))


def top_share(amounts: np.ndarray, top: float) -> float:
    """The part of the whole that the share `top` of the accounts gave that gave most."""
    return 1.0 - float(lorenz(amounts, np.array([1.0 - top]))[0])


def gini(amounts: np.ndarray) -> float:
    """Gini coefficient: twice the area between equality and the Lorenz curve.

    0 if all pay the same, ``1 - 1/n`` if one of n pays everything.
    """
    ordered = np.sort(amounts)
    n = len(ordered)
    ranks = np.arange(1, n + 1)
    return float(2.0 * (ranks @ ordered) / (n * ordered.sum()) - (n + 1) / n)
