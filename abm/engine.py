"""The loop around the compiled step: answers waves, drains logs, makes room.

An engine is one world under one policy. It can be forked: the fork shares the past and
nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from abm import enlarge, step
from abm import world as w
from abm.adl.answers import Answer
from abm.adl.compose import complete, compose
from abm.adl.policy import Policy
from abm.adl.record import Call, Decision
from abm.adl.settlement import Entries
from abm.adl.summary import in_brief
from abm.adl.wave import PolicyError, Wave, gather
from abm.company import Companion
from abm.compiled import inner, kernel
from abm.onlookers import Players, Watcher
from abm.scenario import Scenario
from abm.traders.habits import note_hit
from abm.venue.fund import set_alarms
from abm.venue.gains import keep_ages, note_gains
from abm.venue.liquidation import (
    debt,
    is_in_debt,
    is_short,
    is_taking_over,
    let_pass,
    remember_marks,
    shortfall,
)
from abm.venue.standing import take_standing
from abm.world import Array, Crowd, World, money_missing

_NEVER = 2**62
"""More steps than any run has."""
_PLAYERS = 2
"""The bit of a clock's `has_agents` that stands for players; a model's agents have 1."""


def policy_of(scenario: Scenario, name: str) -> Policy:
    """A policy of a scenario's own table, or a preset, by name.

    Raises
    ------
    abm.adl.compose.CompositionError
        If its answers make no policy.
    KeyError
        If there is no policy of this name.
    """
    return compose(name, policy_table(scenario, name))


def policy_table(scenario: Scenario, name: str) -> dict[str, Answer]:
    """All six answers of a policy of a scenario's own table, or of a preset, by name.

    Raises
    ------
    abm.adl.compose.CompositionError
        If it begins from a preset that is not there.
    KeyError
        If there is no policy of this name.
    """
    if name in scenario.policies:
        return complete(scenario.policies[name].model_dump(exclude_none=True))
    return complete({"preset": name})


def equipped(world: World, policies: Sequence[Policy]) -> World:
    """A world that keeps what some policies need, and nothing else."""
    world = keep_ages(world, {age for policy in policies for age in policy.ages_s})
    return set_alarms(world, {alarm for policy in policies for alarm in policy.alarms})


@dataclass
class Record:
    """What happened in a run, in the order in which it did."""

    liquidations: list[Array] = field(default_factory=list)
    paths: list[Array] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    standings: list[Array] = field(default_factory=list)
    marks: list[Array] = field(default_factory=list)

    def copy(self) -> Record:
        """A record that grows apart from this one."""
        return Record(
            list(self.liquidations),
            list(self.paths),
            list(self.calls),
            list(self.standings),
            list(self.marks),
        )


class Engine:
    """Runs a world under a policy.

    Parameters
    ----------
    world : World
        Is changed in place, except where arrays must be enlarged.
    policy : Policy
        Answers the waves.
    wave_gap_s : float
        Calls closer than this belong to one wave.
    paranoid : bool
        Check every invariant after every step rather than at each wave and at the end.
    keep_whole : bool
        Keep earlier calls whole rather than in brief (see `abm.adl.summary`).
    look_every : int
        Steps between two looks at how the venue stands; 0 for never.

    Attributes
    ----------
    watcher : Watcher or None
        Whoever looks on; forks have none of their own.
    players : Players or None
        Whoever plays strategies; forks have theirs.
    companions : list of Companion
        Policies that have done the same so far as the engine's own.
    parted : list of Engine
        Forks of those who did not, in which the wave that they answer otherwise waits.
    """

    watcher: Watcher | None = None
    players: Players | None = None

    def __init__(
        self,
        world: World,
        policy: Policy,
        wave_gap_s: float = 5.0,
        paranoid: bool = False,
        *,
        keep_whole: bool = True,
        look_every: int = 0,
    ) -> None:
        self.world = equipped(world, [policy])
        self.policy = policy
        self.wave_gap_s = wave_gap_s
        self.paranoid = paranoid
        self.keep_whole = keep_whole
        self.world.clock["look_every"] = look_every
        self.record = Record()
        self.companions: list[Companion] = []
        self.parted: list[Engine] = []
        self._calm_ms = 0
        self._calls_before = self._owed = 0
        if look_every:
            self._look()

    def share(self, policies: Sequence[Policy]) -> None:
        """Let the world be a past that some policies can share.

        It keeps what each of them needs, and calls a wave at the alarm of any.
        """
        self.world = equipped(self.world, policies)

    def fork(self, policy: Policy) -> Engine:
        """The same past under another policy from now on."""
        engine = Engine(
            w.copy(self.world),
            policy,
            self.wave_gap_s,
            self.paranoid,
            keep_whole=self.keep_whole,
            look_every=int(self.world.clock[0]["look_every"]),
        )
        engine.record = self.record.copy()
        engine.players = None if self.players is None else self.players.fork()
        for name in ("_calm_ms", "_calls_before", "_owed"):
            setattr(engine, name, getattr(self, name))
        return engine

    def go_on_in(self, world: World, calm_ms: int) -> None:
        """Go on in the world in which the next episode begins.

        Its first wave is another one than the last episode's, and carries what the venue
        owes now.

        Parameters
        ----------
        calm_ms : int
            Time between the two episodes, which no clock of the world has counted.

        Raises
        ------
        BrokenWorldError
            If an invariant does not hold.
        """
        self.world = equipped(world, [self.policy])
        w.check(self.world)
        self._calm_ms += calm_ms
        self._calls_before = len(self.record.calls)
        self._owed = int(debt(self.world.ledger, self.world.risk, self.world.markets))
        if self.world.clock[0]["look_every"]:
            self._look()
        for watcher in self._watchers:
            watcher.began(self.world)
        self._want_marks()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return float(self.world.clock[0]["now_ms"]) / 1000.0

    def run_to(self, until: int, stop_at_wave: bool = False) -> int:
        """Run until a number of steps since the start have been completed.

        Parameters
        ----------
        until : int
            That number.
        stop_at_wave : bool
            Return instead of answering when a wave is called.

        Returns
        -------
        int
            `step.DONE`; `step.WAVE` if a wave waits for its answer; `step.AGENTS` if the
            market waits for agents written in Python (call again when they have acted).

        Raises
        ------
        PolicyError
            If the policy gave an answer that must not be booked.
        StrategyError
            If a strategy did.
        BrokenWorldError
            If an invariant does not hold.
        """
        while True:
            target = min(until, self._stop_before())
            self._summon_players(target)
            status = step.advance(self.world, target)
            if self.paranoid and status == step.DONE:
                w.check(self.world)
            if status == step.DONE:
                self._let_look()
            if status == step.AGENTS and self._let_play():
                continue
            if status == step.WAVE and not stop_at_wave:
                self.answer_if_asked()
            elif status == step.ROOM:
                self._drain()
                self.world = enlarge.make_room(self.world)
            elif status != step.DONE or target == until:
                return int(status)

    def _stop_before(self) -> int:
        """The next number of completed steps at which there is something to look at."""
        done = int(self.world.clock[0]["step"])
        stops = [self._next_look()]
        if self.paranoid:
            stops.append(done + 1)
        if self.players is not None:
            if self.players.every:
                stops.append((done // self.players.every + 1) * self.players.every)
            if self.players.waits:
                stops.append(done + 1)
        return min(stops)

    def _next_look(self) -> int:
        """The number of completed steps at which the watcher wants to look."""
        return min((due + 1 for _, due in self._dues()), default=_NEVER)

    def _summon_players(self, target: int) -> None:
        """Have the market wait for the players if they are due in the step that begins."""
        clock = self.world.clock[0]
        if self.players is None or not self.players.every or clock["step"] >= target:
            return
        if clock["phase"] == step.OPENING and clock["step"] % self.players.every == 0:
            clock["has_agents"] |= _PLAYERS

    def _let_play(self) -> bool:
        """Let the players act if the market waits for them, and for nobody else."""
        clock = self.world.clock[0]
        if self.players is not None and clock["has_agents"] & _PLAYERS:
            clock["has_agents"] &= ~_PLAYERS
            self.world = self.players.act(self.world, self.policy)
            return not clock["has_agents"]
        return False

    def _let_look(self) -> None:
        """Let players and the watcher look after the last step, if they are due."""
        if self.players is not None and self.players.waits:
            self.players.settle(self.world)
        last = int(self.world.clock[0]["step"]) - 1
        for watcher, due in self._dues():
            if due == last:
                watcher.look(self.world, last)

    def finish(self) -> Record:
        """Drain the logs, check the world a last time, and give the record."""
        self._drain()
        w.check(self.world)
        return self.record

    def _look(self) -> None:
        """Write down how the venue stands at the start of an episode.

        Unless an end without calm after it has told that already.
        """
        row, before = np.zeros(1, w.STANDING), self.record.standings[-1:]
        take_standing(self.world, row[0])
        row["at_ms"] += self._calm_ms
        if not before or row["at_ms"][0] > before[0]["at_ms"][-1]:
            self.record.standings.append(row)

    def answer_if_asked(self) -> None:
        """Answer the wave that was called, if it is one for this policy."""
        if self._is_asked():
            self.answer_wave()
        else:
            let_pass(self.world)

    def _is_asked(self) -> bool:
        """True if there is debt, or if this policy can do something about an alarm.

        The fund's positions can be closed, or its drawdown made good in cash.
        """
        ledger, risk, markets = self.world.ledger, self.world.risk, self.world.markets
        if is_in_debt(ledger, risk, markets):
            return True
        media = {stage.settlement.medium for stage in self.policy.stages}
        if "contracts" in media and is_taking_over(ledger, risk):
            return True
        return media != {"contracts"} and bool(is_short(ledger, risk, markets))

    def answer_wave(self) -> None:
        """Ask the policy, book its answer, and tell those whom it hit."""
        self._put_in_brief()
        wave = self._gather()
        if self.players is not None and self._is_first:
            self.players.called(self.world)
        before = wave.total_deficit
        decision, entries = self._decide(wave)
        theirs = self._ask_companions(wave, decision, entries)
        outcome = self.policy.book(self.world, wave, decision, entries)
        after, missing = map(int, _conclude(self.world, outcome.fills))
        carried = self._owed if self._is_first else self.record.calls[-1].short_after
        call = Call(wave, outcome, before, after, min(carried, before))
        self.record.calls.append(call)
        _tell_cut_payers(self.world, call)
        if missing:
            w.check(self.world)
        if self.watcher is not None:
            self.watcher.answered(self.world, call)
        for one, own in zip(self.companions, theirs, strict=True):
            noted = one.note(call, own)
            if one.watcher is not None:
                one.watcher.answered(self.world, noted)
        self._want_marks()

    def _put_in_brief(self) -> None:
        """Keep the last call in brief, if there is one and calls are not kept whole."""
        if not self.record.calls or self.keep_whole:
            return
        whole = self.record.calls[-1]
        brief = self.record.calls[-1] = in_brief(whole, self.policy)
        for one in self.companions:
            one.put_in_brief(whole, brief)

    def _decide(self, wave: Wave) -> tuple[Decision, Entries]:
        """What the policy does; if it is refused, its companions go on without it."""
        try:
            decision = self.policy.decide(wave, self.record.calls)
            return decision, self.policy.entries(wave, decision)
        except PolicyError:
            self._part(list(self.companions))
            raise

    def _ask_companions(
        self, wave: Wave, decision: Decision, entries: Entries
    ) -> list[Decision]:
        """What each decides who does the same; the others part."""
        asked = self.policy, decision, entries
        found = [one.decide(wave, *asked) for one in self.companions]
        others = [
            one for one, own in zip(self.companions, found, strict=True) if own is None
        ]
        self._part(others)
        return [own for own in found if own is not None]

    def _part(self, others: list[Companion]) -> None:
        """Let companions go on in a fork, the first of them with the rest beside it."""
        if not others:
            return
        first, *rest = others
        engine = self.fork(first.policy)
        engine.record.calls = first.calls
        engine.watcher = first.watcher
        engine.companions = rest
        self.companions = [one for one in self.companions if one not in others]
        self.parted.append(engine)

    def seen_by(self, companion: Companion) -> Engine:
        """The run as a companion's own: the same world, with what it says of its calls."""
        engine = copy.copy(self)
        engine.policy, engine.watcher = companion.policy, companion.watcher
        engine.record = replace(self.record, calls=companion.calls)
        engine.companions, engine.parted = [], []
        return engine

    @property
    def _watchers(self) -> list[Watcher]:
        """Whoever looks on, at the policy's calls or at a companion's."""
        each = [self.watcher, *(one.watcher for one in self.companions)]
        return [watcher for watcher in each if watcher is not None]

    def _dues(self) -> list[tuple[Watcher, int]]:
        """Watchers that want to look again, and after which step."""
        found = [(watcher, watcher.due) for watcher in self._watchers]
        return [(watcher, due) for watcher, due in found if due is not None]

    def _want_marks(self) -> None:
        """Have the marks noted as long as a watcher wants them."""
        if watchers := self._watchers:
            until = max(watcher.marks_until for watcher in watchers)
            self.world.clock[0]["marks_until"] = until

    def _gather(self) -> Wave:
        """The wave, with who could pay unless nobody is asked and calls are not kept."""
        policy, number = self.policy, self._wave_number()
        asks = policy.asks or self.keep_whole
        return gather(self.world, number, policy.looks_everywhere, asks)

    def _wave_number(self) -> int:
        if not self.record.calls:
            return 0
        last = self.record.calls[-1].wave
        apart = self._is_first or self.now_s - last.now_s > self.wave_gap_s
        return last.number + int(apart)

    @property
    def _is_first(self) -> bool:
        """Whether no call of this episode has been answered yet."""
        return len(self.record.calls) == self._calls_before

    def _drain(self) -> None:
        """Move the logs of compiled code to the record."""
        logs = self.world.logs
        counts = logs.counts[0]
        self.record.liquidations.append(logs.liquidations[: counts["liquidations"]].copy())
        self.record.paths.append(logs.paths[: counts["paths"]].copy())
        if counts["standings"]:
            standings = logs.standings[: counts["standings"]].copy()
            standings["at_ms"] += self._calm_ms
            self.record.standings.append(standings)
        if counts["marks"]:
            self.record.marks.append(logs.marks[: counts["marks"]].copy())
        for name in ("liquidations", "paths", "standings", "marks"):
            counts[name] = 0


@kernel
def _conclude(world: World, fills: Array) -> tuple[int, int]:
    """Tell those who were closed; note gains and marks of now.

    Returns what is still short and what money is missing, in quanta.
    """
    ledger, markets = world.ledger, world.markets
    _tell_closed(world, fills)
    note_gains(ledger, markets)
    remember_marks(markets)
    return shortfall(ledger, world.risk, markets), money_missing(ledger)


def _tell_cut_payers(world: World, call: Call) -> None:
    """Let everyone whose cash was cut know, so that their habits can react."""
    haircuts, decision = call.outcome.haircuts, call.outcome.decision
    if len(haircuts):
        share = haircuts["amount"] / decision.payers.capacity[decision.paid]
        _tell_cut(world.crowd, world.ledger.accounts, haircuts, share)


@inner
def _tell_closed(world: World, fills: Array) -> None:
    """Let everyone who was closed know, so that their habits can react."""
    for i in range(fills.shape[0]):
        fill = fills[i]
        share = abs(fill.lots) / max(abs(fill.held), 1)
        note_hit(
            world.crowd,
            world.ledger.accounts,
            fill.account,
            fill.market,
            fill.lots,
            share,
        )


@kernel
def _tell_cut(crowd: Crowd, accounts: Array, haircuts: Array, shares: Array) -> None:
    for i in range(haircuts.shape[0]):
        note_hit(crowd, accounts, haircuts[i].account, 0, 0, shares[i])
