"""Looking at a run from outside while it goes on: what its counterfactuals need later.

A `Watch` looks over the shoulder of an engine. At every call it keeps the call's burden;
some time after it, it wants to know the marks and, where a fork of the same world is to be
compared, what those hit by then are worth. A `Lookout` notes the same in the fork. Marks
are in the engine's record; for the rest it is stopped between steps, which changes no draw
and no byte of the run.

Horizons are counted from a call in whole steps, rounded up: at a horizon of 0.5 s a
position is valued at the next mark, whatever the step. At a horizon of zero the marks are
those of the call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.measures.burden import Burden, burden_of
from abm.onlookers import Watcher
from abm.world import NONE, Array, World


class Worth(NamedTuple):
    """What traders are worth after a step: roots of accounts, and quanta."""

    step: int
    account: Array
    amount: Array


def lags(horizons_s: Sequence[float], step_ms: int) -> list[int]:
    """Steps after a call at which each horizon is looked at."""
    return [math.ceil(round(horizon * 1000.0, 6) / step_ms) for horizon in horizons_s]


def roots(world: World) -> Array:
    """The cross account that each account belongs to, shape (accounts,).

    All accounts of a trader belong to the one that it began with.
    """
    accounts = world.ledger.accounts
    parent, trader = (accounts[name].astype(np.int64) for name in ("parent", "trader"))
    found = np.where(parent == NONE, np.arange(len(parent)), parent)
    theirs = (parent == NONE) & (trader != NONE)
    found[theirs] = world.crowd.traders["account"][trader[theirs]]
    return found


def worth_of(world: World) -> Array:
    """Equity at the marks, with what was withdrawn less what was deposited, quanta.

    int64, shape (accounts,); isolated accounts count with their cross account.
    """
    ledger, markets = world.ledger, world.markets
    total = ledger.accounts["cash"] + ledger.accounts["paid_out"]
    held = ledger.positions[ledger.positions["account"] != NONE]
    worth = (markets.state["mark"] * markets.specs["unit"])[held["market"]]
    np.add.at(total, held["account"], held["lots"] * worth - held["cost"])
    joined = np.zeros(len(total), np.int64)
    np.add.at(joined, roots(world), total)
    return joined


class Watch:
    """Watches a run under a policy.

    Parameters
    ----------
    policy : Policy
        Whose calls they are.
    horizons_s : sequence of float
        Seconds after each call at which marks are noted.
    appraises : bool
        Whether to note what those who were hit are worth, too.

    Attributes
    ----------
    burdens : list of Burden
        One a call.
    marks : dict of int to array
        Marks of all markets in ticks by step, whatever call asked for them; known once it
        is finished.
    worths : dict of (int, int) to Worth
        By wave and horizon: of all hit so far in the episode, that long after the wave's
        last call.
    traders : array of int64, shape (accounts,)
        The cross account that each account belonged to when the first call came, or, of
        one that was opened later, the first call after that.
    beside : Watch or None
        One that looks at each call before this one; where both have the same, its burden
        is told once.
    """

    beside: Watch | None = None

    def __init__(
        self, policy: Policy, horizons_s: Sequence[float], *, appraises: bool = False
    ) -> None:
        self.policy = policy
        self.horizons_s = tuple(horizons_s)
        self.appraises = appraises
        self.burdens: list[Burden] = []
        self.marks: dict[int, Array] = {}
        self.worths: dict[tuple[int, int], Worth] = {}
        self.traders = np.zeros(0, np.int64)
        self._last: Call | None = None
        self._wanted: set[int] = set()
        self._due: set[int] = set()
        self._asked: dict[tuple[int, int], int] = {}
        self._hit: dict[int, Array] = {}

    @property
    def due(self) -> int | None:
        """The next step after which it wants to look; None if there is none."""
        return min(self._due, default=None)

    @property
    def marks_until(self) -> int:
        """The last step that a horizon ends with."""
        return max(self._wanted, default=NONE)

    def answered(self, world: World, call: Call) -> None:
        """Look at a call that was answered in the present step."""
        known = len(self.traders)
        if known < len(world.ledger.accounts):
            self.traders = np.concatenate([self.traders, roots(world)[known:]])
        self.burdens.append(self._burden_of(call))
        self._last = call
        if not call.outcome.decision.acted:
            return
        if self.appraises:
            self._note_hit(world, call)
        step, step_ms = (int(world.clock[0][name]) for name in ("step", "step_ms"))
        for place, lag in enumerate(lags(self.horizons_s, step_ms)):
            self._wanted.add(step + lag)
            self._asked[call.wave.number, place] = step + lag
            if self.appraises:
                self._due.add(step + lag)

    def _burden_of(self, call: Call) -> Burden:
        if self.beside is not None and self.beside._last is call:
            return self.beside.burdens[-1]
        return burden_of(call, self.policy)

    def _note_hit(self, world: World, call: Call) -> None:
        """Mark the traders that were hit in a call, and all before them."""
        nobody = np.zeros(len(world.ledger.accounts), bool)
        hit = next(reversed(self._hit.values()), nobody).copy()
        outcome = call.outcome
        for account in (outcome.fills["account"], outcome.haircuts["account"]):
            hit[roots(world)[account]] = True
        self._hit[call.wave.number] = hit

    def look(self, world: World, step: int) -> None:
        """Note what those who were hit are worth after a step that was due."""
        self._due.remove(step)
        keys = [key for key, asked in self._asked.items() if asked == step]
        if not keys:
            return
        worth = worth_of(world)
        for key in keys:
            traders = np.flatnonzero(self._hit[key[0]])
            self.worths[key] = Worth(step, traders, worth[traders])

    def began(self, world: World) -> None:
        """Expect nothing more of calls before this episode, whose prices are not theirs."""
        now = int(world.clock[0]["step"])
        self._asked = {key: step for key, step in self._asked.items() if step < now}
        self._wanted = {step for step in self._wanted if step < now}
        self._due.clear()
        self._hit.clear()

    def finish(self, marks: Sequence[Array]) -> list[Burden]:
        """Keep the marks that are wanted; tell the burdens.

        Worths of waves that went on after they were noted are forgotten.

        Parameters
        ----------
        marks : sequence of array
            Those of the record.
        """
        self.marks = {
            int(row[0]): row[1:] for part in marks for row in part if row[0] in self._wanted
        }
        self.worths = {
            key: worth
            for key, worth in self.worths.items()
            if worth.step == self._asked.get(key)
        }
        self._last = None
        return self.burdens


class Together:
    """Several watchers of one run, each of whom looks when it wants to."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self.watchers = tuple(watchers)

    @property
    def due(self) -> int | None:
        """The next step after which one of them wants to look."""
        wanted = (each.due for each in self.watchers)
        return min((step for step in wanted if step is not None), default=None)

    @property
    def marks_until(self) -> int:
        """The last step whose marks one of them wants to know."""
        return max(each.marks_until for each in self.watchers)

    def answered(self, world: World, call: Call) -> None:
        """Let all look at a call."""
        for each in self.watchers:
            each.answered(world, call)

    def began(self, world: World) -> None:
        """Let all look at the next episode."""
        for each in self.watchers:
            each.began(world)

    def look(self, world: World, step: int) -> None:
        """Let those look who wanted to after this step."""
        for each in self.watchers:
            if each.due == step:
                each.look(world, step)


class Lookout:
    """Looks at a fork at given steps.

    Parameters
    ----------
    asked : mapping of int to array of int64
        By step, the cross accounts whose worth is noted after it.

    Attributes
    ----------
    marks : dict of int to array
        As those of a `Watch`.
    worths : dict of int to Worth
        By step.
    """

    def __init__(self, asked: Mapping[int, Array]) -> None:
        self.asked = dict(asked)
        self.marks: dict[int, Array] = {}
        self.worths: dict[int, Worth] = {}

    @property
    def due(self) -> int | None:
        """The next step after which it wants to look; None if there is none."""
        return min(self.asked.keys() - self.marks.keys(), default=None)

    @property
    def marks_until(self) -> int:
        """None: it notes those of its steps itself."""
        return NONE

    def answered(self, world: World, call: Call) -> None:
        """It does not look at calls."""

    def began(self, world: World) -> None:
        """It looks at the first episode alone."""

    def look(self, world: World, step: int) -> None:
        """Note what there is after a step that was asked for."""
        traders = self.asked[step]
        self.marks[step] = world.markets.state["mark"].copy()
        self.worths[step] = Worth(step, traders, worth_of(world)[traders])
