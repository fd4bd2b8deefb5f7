"""Those who play strategies in a run, and what that cost them.

An engine asks them every few seconds, between the crowd's orders and the matching of the
step, and once more after the step what became of their orders. In the baseline the same
groups are drawn, and nobody plays.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from abm.adl.guard import in_words
from abm.adl.policy import Policy
from abm.desk.actions import (
    DEPOSIT,
    MOVE,
    WITHDRAW,
    Actions,
    Own,
    RefusedError,
    StrategyError,
    owners,
)
from abm.desk.booking import booked
from abm.desk.looking import NEVER_SHOWN, move_ppm, own_view, public_view, shown_now
from abm.desk.view import View
from abm.gaming.groups import adopters, of_accounts
from abm.gaming.strategies import Memory, Strategy, build_strategy
from abm.scenario import Scenario
from abm.world import NONE, Array, World

OTHERS = "others"
MAKERS = "makers"
"""Groups that everybody without a strategy, and the makers, belong to."""

HONEST = "honest"
"""What a run is called in which nobody plays, though groups were drawn."""


@dataclass
class Team:
    """Those who have adopted a strategy; money in quanta.

    Attributes
    ----------
    name : str
    strategy : Strategy
    traders : array of int64, shape (adopters,)
        Their numbers, rising.
    own : Own
        Their accounts.
    memory : dict
        The strategy's own.
    brought, peak : array of int64, shape (adopters,)
        What the strategy has brought in less what it took out, and the most of that.
    volume, slippage : int
        Value traded and moved for it; what its fills were worse than the mark.
    """

    name: str
    strategy: Strategy
    traders: Array
    own: Own
    memory: Memory = field(default_factory=dict)
    brought: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    peak: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    volume: int = 0
    slippage: int = 0

    def fork(self, now_s: float) -> Team:
        """The same, with a memory and accounts of its own.

        Raises
        ------
        StrategyError
            If its memory cannot be copied.
        """
        try:
            memory = copy.deepcopy(self.memory)
        except Exception as error:
            reason = f"its memory cannot be copied: {in_words(error)}"
            raise StrategyError(self.name, now_s, reason) from error
        return replace(
            self,
            memory=memory,
            brought=self.brought.copy(),
            peak=self.peak.copy(),
        )

    def note(self, rows: Array, worth: Array) -> None:
        """Note what was brought in, taken out and moved.

        Parameters
        ----------
        rows : structured array of `ACTION`
            That have been booked.
        worth : array of int64, shape (markets,)
            Quanta a lot.
        """
        money = np.isin(rows["code"], (DEPOSIT, WITHDRAW))
        owner = owners(rows, rows["account"], self.own)[money]
        sign = np.where(rows["code"][money] == DEPOSIT, 1, -1)
        np.add.at(self.brought, owner, sign * rows["amount"][money])
        np.maximum(self.peak, self.brought, out=self.peak)
        moves = rows[rows["code"] == MOVE]
        self.volume += 2 * int((np.abs(moves["lots"]) * worth[moves["market"]]).sum())


class Sent(NamedTuple):
    """Orders of a team on their way: its place, the rows of the inbox, the marks' worth."""

    team: int
    first: int
    last: int
    worth: Array


class Players:
    """All teams of a run.

    Parameters
    ----------
    scenario : Scenario
        With strategies in ``gaming.play``.
    world : World
        At the start.

    Attributes
    ----------
    groups : array of int64, shape (traders,)
        Each trader's team, or `NONE`.
    wealth_start : array of int64, shape (teams + 2,)
        Equity at the start of each team, of the others and of the makers, quanta.
    capacity : array of int64, shape (teams + 2,), or None
        Unrealised profits of these at the first wave that was answered.
    every : int
        Steps between two looks; 0 in the baseline.

    Raises
    ------
    CompositionError
        If a strategy cannot be built.
    """

    def __init__(self, scenario: Scenario, world: World) -> None:
        self.scenario, gaming = scenario, scenario.gaming
        self.honest = gaming.honest
        every = round(gaming.every_s * 1000 / scenario.time.step_ms)
        self.every = 0 if self.honest else max(1, every)
        kinds = [i for i, name in enumerate(scenario.kinds) if name in gaming.kinds]
        may = kinds if gaming.kinds else range(len(scenario.kinds))
        self.groups = adopters(world, gaming.play, may)
        strategies = built(scenario)
        self.teams = [
            _team(world, name, strategies[name], self.groups, i)
            for i, name in enumerate(gaming.play)
        ]
        self.capacity: Array | None = None
        self.wealth_start = self.wealth(world)
        self._now_s = 0.0
        self._sent: list[Sent] = []
        self._shown = NEVER_SHOWN

    @property
    def reads_policy(self) -> bool:
        """Whether anybody who plays looks at the policy."""
        teams = () if self.honest else self.teams
        return any(team.strategy.reads_policy for team in teams)

    @property
    def waits(self) -> bool:
        """Whether orders are on their way of which nothing is known yet."""
        return bool(self._sent)

    def fork(self) -> Players:
        """The same past, with a future of its own."""
        other = copy.copy(self)
        other.teams = [team.fork(self._now_s) for team in self.teams]
        other._sent = list(self._sent)
        return other

    # --- in the run ---------------------------------------------------------------------

    def act(self, world: World, policy: Policy) -> World:
        """Ask every team what it does, and book it.

        Raises
        ------
        StrategyError
            If a strategy fails, or answers what must not be booked.
        """
        public = self._public(world, policy)
        self._now_s = public.now_s
        worth = world.markets.state["mark"] * world.markets.specs["unit"]
        for number, team in enumerate(self.teams):
            if not len(team.traders):
                continue
            answer = self._asked(team, self.view(world, team, public))
            if not answer.count:
                continue
            first = int(world.logs.counts[0]["inbox"])
            rows = answer.rows()
            try:
                world, team.own = booked(
                    world, rows, team.own, move_ppm(self.scenario, world)
                )
            except RefusedError as error:
                raise StrategyError(team.name, self._now_s, str(error)) from error
            team.note(rows, worth)
            last = int(world.logs.counts[0]["inbox"])
            if last > first:
                self._sent.append(Sent(number, first, last, worth))
        return world

    def settle(self, world: World) -> None:
        """Look what became of the orders that were sent, after their step."""
        for sent in self._sent:
            rows, team = world.inbox[sent.first : sent.last], self.teams[sent.team]
            fair = rows["side"] * rows["filled"] * sent.worth[rows["market"]]
            team.volume += int(np.abs(rows["value"]).sum())
            team.slippage += int((rows["value"] - fair).sum())
        self._sent.clear()

    def called(self, world: World) -> None:
        """Note what everybody could lose when the first wave is about to be answered."""
        if self.capacity is None:
            live = world.ledger.positions[world.ledger.positions["account"] != NONE]
            worth = (world.markets.state["mark"] * world.markets.specs["unit"])[
                live["market"]
            ]
            profit = np.maximum(live["lots"] * worth - live["cost"], 0)
            self.capacity = self._by_group(self.group_of(world)[live["account"]], profit)

    # --- sums ---------------------------------------------------------------------------

    def group_of(self, world: World) -> Array:
        """The team of every account, or what comes after: others, makers; `NONE`."""
        count = len(self.teams)
        return of_accounts(world, self.groups, count, count + 1)

    def wealth(self, world: World) -> Array:
        """Equity of each team, the others and the makers, with what was taken out.

        Quanta, shape (teams + 2,). An account's equity counts as nothing below zero: what
        it owes is the venue's.
        """
        accounts = world.ledger.accounts
        worth = np.maximum(equities(world), 0) + accounts["paid_out"]
        return self._by_group(self.group_of(world), worth)

    def _by_group(self, group: Array, amount: Array) -> Array:
        total = np.zeros(len(self.teams) + 2, np.int64)
        known = group != NONE
        np.add.at(total, group[known], amount[known])
        return total

    # --- what they see ------------------------------------------------------------------

    def view(self, world: World, team: Team, public: View) -> View:
        """What a team sees; the policy and its lights only where it looks at them."""
        reads = team.strategy
        seen = public if reads.reads_policy else public._replace(policy=None)
        shown = self._shown if reads.reads_lights else None
        return own_view(seen, world, team.own, len(team.traders), shown)

    def _public(self, world: World, policy: Policy) -> View:
        """What all can see; lights are shown anew when it is time."""
        due = int(world.clock[0]["now_ms"]) >= self._shown.due_ms
        if due and any(team.strategy.reads_lights for team in self.teams):
            self._shown = shown_now(self.scenario, world, policy)
        return public_view(self.scenario, world, policy if self.reads_policy else None)

    def _asked(self, team: Team, view: View) -> Actions:
        try:
            answer = team.strategy.act(view, team.memory)
        except KeyboardInterrupt:
            raise
        except RefusedError as error:
            raise StrategyError(team.name, view.now_s, str(error)) from error
        except BaseException as error:
            reason = in_words(error)
            raise StrategyError(team.name, view.now_s, reason) from error
        if not isinstance(answer, Actions):
            reason = f"must answer with Actions, not {type(answer).__name__}"
            raise StrategyError(team.name, view.now_s, reason)
        return answer


def players_of(scenario: Scenario, world: World) -> Players | None:
    """The players of a run that begins; None if the scenario has none."""
    return Players(scenario, world) if scenario.gaming.play else None


def built(scenario: Scenario) -> dict[str, Strategy]:
    """The strategies that a scenario lets play, by name, in order.

    Raises
    ------
    CompositionError
        If one cannot be built.
    """
    tables = scenario.played_tables()
    return {name: build_strategy(name, table) for name, table in tables.items()}


def played(scenario: Scenario) -> tuple[str, float]:
    """What a run of a scenario is called in the tables, and the share of adopters."""
    gaming = scenario.gaming
    if not gaming.play:
        return "", 0.0
    name = HONEST if gaming.honest else "+".join(gaming.play)
    return name, float(sum(gaming.play.values()))


def equities(world: World) -> Array:
    """Equity of every account at the marks, in quanta, shape (accounts,)."""
    ledger, markets = world.ledger, world.markets
    equity = ledger.accounts["cash"].copy()
    live = ledger.positions[ledger.positions["account"] != NONE]
    lot = markets.state["mark"] * markets.specs["unit"]
    np.add.at(equity, live["account"], live["lots"] * lot[live["market"]] - live["cost"])
    return np.asarray(equity)


def _team(world: World, name: str, strategy: Strategy, group: Array, number: int) -> Team:
    traders = np.flatnonzero(group == number)
    trader = world.ledger.accounts["trader"]
    account = np.flatnonzero((trader != NONE) & np.isin(trader, traders))
    owner = np.searchsorted(traders, trader[account])
    nothing = np.zeros(len(traders), np.int64)
    own = Own(account, owner)
    return Team(name, strategy, traders, own, brought=nothing, peak=nothing.copy())
