"""Split into several accounts: a crowd of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View, initial_margin
from abm.gaming.strategies.base import Memory, Public, first_account
from abm.world import Array

Count = Annotated[int, Field(ge=2, le=64)]
How = Literal["entry", "mark", "book"]


@dataclass(frozen=True)
class Split(Public):
    """Spreads money and positions evenly over several accounts of its own, once.

    A rule that takes the largest first, or caps what an account gives, sees many small
    accounts instead of one large one.

    Source
    ------
    Sybil-resistance in arXiv 2512.01112 and leverage water-filling in arXiv 2603.15963;
    accounts may move positions among each other at Binance ("Move Position for
    Sub-account", at the mark), Bybit, Deribit and OKX.

    Hurts
    -----
    Whoever stands behind it in a queue by size or wealth.

    Costs
    -----
    The fee for moving, on both sides of every position that moves; through the book two
    taker fees and twice the distance to the other side. Each account stands alone
    afterwards, but tiers ask the smaller positions for less margin.

    Parameters
    ----------
    accounts : int
        How many accounts it has afterwards.
    price : {"entry", "mark", "book"}
        Positions move at their entry price, or at the mark; or are closed and opened anew
        through the book.
    """

    accounts: Count = 4
    price: How = "entry"

    def act(self, view: View, memory: Memory) -> Actions:
        """Split whoever has not yet and can."""
        done = memory.setdefault("done", np.zeros(view.traders, bool))
        here = view.accounts[first_account(view)]
        row: Array = view.positions["row"]
        held = view.positions[view.accounts["is_first"][row] == 1]
        part = np.sign(held["lots"]) * (np.abs(held["lots"]) // self.accounts)
        can = ~done & (here["is_liquidated"] == 0) & (here["cash"] > 0)
        can &= np.bincount(held["owner"], part != 0, view.traders) > 0
        if self.price == "book":
            return self._anew(view, memory, here, held, part, can)
        share = self._share(view, here, held, part)
        can &= self._is_covered(view, share, here, held, part)
        memory["done"] = done | can
        moving = can[held["owner"]] & (part != 0)
        return self._moved(here[can], share[can], held[moving], part[moving])

    # --- off the book -------------------------------------------------------------------

    def _share(self, view: View, here: Array, held: Array, part: Array) -> Array:
        """Cash for each new account: even, after what moving realises and costs."""
        cash = here["cash"] - (self.accounts - 1) * _sum(view, held, _fee(view, held, part))
        if self.price == "mark":
            moved = _part_of(held["profit"], part * (self.accounts - 1), held)
            cash += _sum(view, held, moved)
        return np.asarray(np.maximum(cash, 0) // self.accounts)

    def _is_covered(
        self, view: View, share: Array, here: Array, held: Array, part: Array
    ) -> Array:
        """Who keeps initial margin covered in every account, shape (traders,)."""
        times = self.accounts - 1
        fee = _sum(view, held, _fee(view, held, part))
        moved = _sum(view, held, _part_of(held["profit"], part, held) - 2)
        fresh, left = share - fee, here["equity"] - times * (share + fee)
        if self.price == "entry":
            fresh, left = fresh + moved, left - times * moved
        kept = held["lots"] - times * part
        return np.asarray(
            (fresh >= _margin(view, held, part)) & (left >= _margin(view, held, kept))
        )

    def _moved(self, here: Array, share: Array, held: Array, part: Array) -> Actions:
        actions = Actions()
        place = np.searchsorted(here["owner"], held["owner"])
        for _ in range(self.accounts - 1):
            fresh = actions.open(here["account"])
            price: Literal["entry", "mark"] = "mark" if self.price == "mark" else "entry"
            actions.move(held["account"], fresh[place], held["market"], part, price)
            actions.pay(here["account"], fresh, share)
        return actions

    # --- through the book ---------------------------------------------------------------

    def _anew(
        self, view: View, memory: Memory, here: Array, held: Array, part: Array, can: Array
    ) -> Actions:
        """Close at one look; open accounts, pay and open positions at the next."""
        wanted = memory.setdefault("wanted", held[:0])
        actions = self._reopened(view, here, wanted)
        closing = can[held["owner"]] & (part != 0)
        memory["wanted"], memory["done"] = held[closing].copy(), memory["done"] | can
        memory["wanted"]["lots"] = part[closing]
        rows = held[closing]
        actions.order(
            rows["account"], rows["market"], -part[closing] * (self.accounts - 1),
            reduce_only=True,
        )  # fmt: skip
        return actions

    def _reopened(self, view: View, here: Array, wanted: Array) -> Actions:
        actions = Actions()
        mine = here[np.isin(here["owner"], wanted["owner"])]
        mine = mine[mine["is_liquidated"] == 0]
        wanted = wanted[np.isin(wanted["owner"], mine["owner"])]
        place = np.searchsorted(mine["owner"], wanted["owner"])
        share = np.minimum(
            mine["cash"] // self.accounts, mine["free"] // max(self.accounts - 1, 1)
        )
        for _ in range(self.accounts - 1):
            fresh = actions.open(mine["account"])
            actions.pay(mine["account"], fresh, share)
            actions.order(fresh[place], wanted["market"], wanted["lots"])
        return actions


def _sum(view: View, held: Array, amount: Array) -> Array:
    """Amounts of positions summed by owner, shape (traders,)."""
    total = np.zeros(view.traders, np.int64)
    np.add.at(total, held["owner"], amount)
    return total


def _part_of(amount: Array, lots: Array, held: Array) -> Array:
    """The part of an amount of each position that goes with some of its lots."""
    share = np.abs(lots) / np.abs(held["lots"])
    return np.asarray(np.floor(amount * share), np.int64)


def _worth(view: View, held: Array, lots: Array) -> Array:
    """Absolute value of some lots of each position's market at the mark, quanta."""
    market = view.markets[held["market"]]
    return np.asarray(np.abs(lots) * market["mark"] * market["unit"])


def _fee(view: View, held: Array, lots: Array) -> Array:
    """What one side pays for moving some lots of each position, rounded up."""
    fee = np.ceil(_worth(view, held, lots) * view.fees.move).astype(np.int64) + 1
    return np.asarray(np.where(lots != 0, fee, 0))


def _margin(view: View, held: Array, lots: Array) -> Array:
    """Initial margin of some lots of every position, summed by owner."""
    return _sum(view, held, initial_margin(view, held["market"], _worth(view, held, lots)))
