"""Whether a user's strategy keeps the contract, tried on thirty traders in a small crash.

The contract of a strategy: it answers a view with `Actions` that can be booked, the same
for the same view and memory; what it does for a trader depends on that trader and on what
is public, not on who else has adopted it; its memory can be copied.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from abm import genesis
from abm.adl.compose import PRESETS, compose
from abm.adl.guard import in_words
from abm.desk.actions import Actions, Own, RefusedError, owners
from abm.desk.booking import booked
from abm.desk.looking import move_ppm, own_view, public_view, shown_now
from abm.desk.view import View
from abm.engine import Engine
from abm.gaming.strategies import Memory, Strategy
from abm.scenario import Scenario, from_mapping
from abm.world import NONE, Array

TRADERS = 30
LOOK_S = 10
_POLICY = "hyperliquid"
_CRASH: dict[str, Any] = {
    "name": "trial",
    "time": {"duration_s": 150.0},
    "markets": {
        name: {
            "tick_usd": 0.1,
            "lot": 0.01,
            "start_usd": 1000.0,
            "tiers": [{"notional_usd": 0, "max_leverage": 25}],
            "depth_usd": 2e4,
        }
        for name in ("ONE", "TWO", "THREE")
    },
    "shocks": [{"start_s": 20.0, "duration_s": 60.0, "log_return": -0.4}],
    "population": {"accounts": 200, "positions": 240},
    "kinds": {
        "patient": {"share": 0.7},
        "hasty": {"share": 0.3, "leverage_factor": 8.0, "act_mean_s": 20},
    },
    "venue": {"vault_usd": 5000.0},
}


class Breach(NamedTuple):
    """A rule of the contract that was broken, how, and at which time of the crash."""

    rule: str
    message: str
    now_s: float


class Report(NamedTuple):
    """Breaches, one a rule, the first each; looks, traders, actions; seconds a look."""

    breaches: list[Breach]
    looks: int
    traders: int
    actions: int
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether nothing was broken."""
        return not self.breaches


class _BrokenError(Exception):
    """A rule is broken in a way after which nothing more can be tried."""


def check(strategy: Strategy) -> Report:
    """Let a strategy play in a small crash and say what it breaks."""
    return _Trial(strategy).report()


class _Trial:
    """A crash in which a strategy plays, asked about all its traders and about each."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.scenario: Scenario = from_mapping(_CRASH)
        world = genesis.new_world(self.scenario, 1)
        self.engine = Engine(world, compose(_POLICY, PRESETS[_POLICY]))
        accounts = world.ledger.accounts
        holders = (accounts["first_position"] != NONE) & (accounts["trader"] != NONE)
        first = np.flatnonzero(holders)[:TRADERS]
        self.own = Own(first, np.arange(len(first)))
        self.memory: Memory = {}
        self.alone: list[Memory] = [{} for _ in first]
        self.actions = 0
        self.seconds = 0.0
        self.now_s = 0.0

    def report(self) -> Report:
        """What was broken in the whole crash."""
        found: dict[str, Breach] = {}
        steps = range(0, self.scenario.time.steps, LOOK_S)
        for step in steps:
            self.engine.run_to(step)
            self.now_s = self.engine.now_s
            try:
                for rule, message in self._look():
                    found.setdefault(rule, Breach(rule, message, self.now_s))
            except _BrokenError as error:
                rule, message = error.args
                found.setdefault(rule, Breach(rule, message, self.now_s))
                break
        traders = len(self.alone)
        seconds = self.seconds / len(steps)
        return Report(list(found.values()), len(steps), traders, self.actions, seconds)

    def _look(self) -> Iterator[tuple[str, str]]:
        """Ask once about all, again, and about each; book what all do."""
        view = self._view(self.own, len(self.alone))
        before = self._copied(self.memory)
        begun = time.perf_counter()
        rows = self._asked(view, self.memory)
        self.seconds += time.perf_counter() - begun
        self.actions += len(rows)
        if not np.array_equal(rows, self._asked(view, before)):
            yield "same again", "answers something else when asked the same again"
        for number, memory in enumerate(self.alone):
            mine = self.own.owner == number
            own = Own(self.own.account[mine], np.zeros(int(mine.sum()), np.int64))
            told = self._asked(self._view(own, 1), memory)
            if _of_one(told, own, 0) != _of_one(rows, self.own, number):
                account = self.own.account[mine][0]
                yield (
                    "each for itself",
                    f"does something else for account {account} when it is asked about it "
                    "alone",
                )
        self._book(rows)

    def _view(self, own: Own, count: int) -> View:
        world, policy = self.engine.world, self.engine.policy
        reads = self.strategy
        public = public_view(self.scenario, world, policy if reads.reads_policy else None)
        shown = shown_now(self.scenario, world, policy) if reads.reads_lights else None
        return own_view(public, world, own, count, shown)

    def _asked(self, view: View, memory: Memory) -> Array:
        try:
            answer = self.strategy.act(view, memory)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _BrokenError("answers", in_words(error)) from error
        if not isinstance(answer, Actions):
            message = f"must answer with Actions, not {type(answer).__name__}"
            raise _BrokenError("answers", message)
        return answer.rows()

    def _copied(self, memory: Memory) -> Memory:
        try:
            return copy.deepcopy(memory)
        except Exception as error:
            raise _BrokenError("memory", f"cannot be copied: {in_words(error)}") from error

    def _book(self, rows: Array) -> None:
        world = self.engine.world
        ppm = move_ppm(self.scenario, world)
        try:
            self.engine.world, self.own = booked(world, rows, self.own, ppm)
        except RefusedError as error:
            raise _BrokenError("can be booked", str(error)) from error


def _of_one(rows: Array, own: Own, owner: int) -> list[tuple[Any, ...]]:
    """What is done for one owner, whatever the accounts that are opened are called."""
    if not len(rows):
        return []
    mine = rows[owners(rows, rows["account"], own) == owner]
    names = [name for name in rows.dtype.names or () if name not in ("account", "other")]
    return [tuple(row[name].item() for name in names) for row in mine]
