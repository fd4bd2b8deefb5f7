"""What a strategy is.

A strategy is a frozen table of parameters and a method `act(view, memory) -> Actions`,
asked every few seconds for all who have adopted it. It looks at nothing but the view; what
it wants to remember it keeps in `memory`, a dictionary that is its own, is empty at the
start and is copied when history forks. Rows of a view are different people: what is done
for one must depend on its own rows and on what is public alone.

The first paragraph of a strategy's docstring is its idea; the sections ``Source``,
``Hurts`` and ``Costs`` say where it is described, whom it hurts and what it costs.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import Field

from abm.desk.actions import Actions
from abm.desk.view import View
from abm.world import Array, pair_keys

Memory = dict[str, Any]

Gain = Annotated[float, Field(ge=0.0, le=10.0)]
"""Profit as a share of the value at entry."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Slippage = Annotated[float, Field(ge=0.0, le=0.5)]
"""How far beyond the mark an order may trade, as a share of it."""
Leverage = Annotated[float, Field(ge=0.01, le=1000.0)]
Seconds = Annotated[float, Field(ge=0.0, le=1e6)]


class Strategy(Protocol):
    """What a trader does about the rule."""

    @property
    def reads_policy(self) -> bool:
        """Whether it looks at the policy's text or at its lights.

        If so, the pasts of different policies are different from the start.
        """

    @property
    def reads_lights(self) -> bool:
        """Whether it looks at the lights that the venue shows."""

    def act(self, view: View, memory: Memory) -> Actions:
        """What all adopters do now."""


class Public:
    """A strategy that would do the same whatever the policy."""

    @property
    def reads_policy(self) -> bool:
        """No."""
        return False

    @property
    def reads_lights(self) -> bool:
        """No."""
        return False


class Lit:
    """A strategy that waits for a light, if its parameter `light` is more than 0."""

    light: float

    @property
    def reads_policy(self) -> bool:
        """If it waits for a light."""
        return self.light > 0.0

    @property
    def reads_lights(self) -> bool:
        """If it waits for a light."""
        return self.light > 0.0

    def is_lit(self, view: View) -> Array:
        """Whose light is bright enough, shape (traders,)."""
        if self.light == 0.0:
            return np.ones(view.traders, bool)
        return np.asarray(view.lights >= self.light)


def first_account(view: View) -> Array:
    """The row of the account that each adopter began with, shape (traders,)."""
    return np.flatnonzero(view.accounts["is_first"])


def is_free(view: View) -> Array:
    """Accounts that the venue is not liquidating, shape (accounts,)."""
    return np.asarray(view.accounts["is_liquidated"] == 0)


def gain_of(positions: Array) -> Array:
    """Profit of positions as a share of their value at entry, shape (positions,)."""
    return np.asarray(positions["profit"] / np.maximum(np.abs(positions["cost"]), 1))


def lots_held(view: View, account: Array, market: Array) -> Array:
    """Signed lots that some own accounts hold in some markets, 0 where none."""
    held, count = view.positions, len(view.markets)
    key = pair_keys(held, count)
    order = np.argsort(key)
    wanted = np.asarray(account * count + market)
    if not len(key):
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    rows = order[place]
    return np.asarray(np.where(key[rows] == wanted, held["lots"][rows], 0))


# --- prices -----------------------------------------------------------------------------


def worth_of(view: View, market: Array, lots: Array | int = 1) -> Array:
    """Absolute value of lots at the mark, quanta, shape as `market`."""
    rows = view.markets[market]
    return np.asarray(np.abs(lots) * rows["mark"] * rows["unit"])


def worst_tick(view: View, market: Array, lots: Array, slippage: float) -> Array:
    """Limits of orders that may trade so far beyond the mark, ticks."""
    mark = view.markets["mark"][market]
    away = np.sign(lots) * slippage
    return np.asarray(np.maximum(np.rint(mark * (1.0 + away)), 1), np.int64)


def within_depth(view: View, market: Array, lots: Array) -> Array:
    """The part of some lots that rests within 1% of the mark on the other side."""
    rows = view.markets[market]
    there = np.where(lots > 0, rows["ask_depth"], rows["bid_depth"])
    return np.asarray(np.sign(lots) * np.minimum(np.abs(lots), there))


def is_moving(view: View, memory: Memory, move: float, window_s: float) -> Array:
    """Markets whose mark has spanned a range within a window, shape (markets,).

    Parameters
    ----------
    memory : dict
        Keeps the marks of the window under ``marks``.
    move : float
        The highest mark of the window over the lowest, less 1.
    """
    marks = remember(view, memory, "marks", view.markets["mark"], window_s)
    return np.asarray(marks.max(axis=0) >= (1.0 + move) * marks.min(axis=0))


def remember(view: View, memory: Memory, name: str, row: Array, window_s: float) -> Array:
    """What was noted at the looks of a window, now too; shape (looks, ...)."""
    most = max(1, round(window_s / view.every_s)) + 1
    rows = [*memory.get(name, []), np.array(row)][-most:]
    memory[name] = rows
    return np.stack(rows)
