"""One seed under every policy, as tables; what policies can share is simulated once.

They share the past until the first wave. From then on those that want the same of the
world go together as long as they do the same (see `abm.company`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from abm import episodes, genesis, step
from abm.adl.guard import in_words
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError
from abm.company import Companion, asks_for
from abm.desk.actions import StrategyError
from abm.engine import Engine, policy_of
from abm.gaming.players import Players, players_of
from abm.measures.reactions import Tracker
from abm.measures.watch import Lookout, Together, Watch
from abm.montecarlo import (
    course,
    extremes,
    foresight,
    horizons,
    moments,
    played,
    store,
    tables,
)
from abm.montecarlo.course import Beginning, Episode
from abm.montecarlo.foresight import Look, Looks
from abm.montecarlo.horizons import Case
from abm.montecarlo.plan import Plan
from abm.onlookers import Watcher
from abm.scenario import Outputs, Scenario


def run_one(
    plan: Plan, run: int, policies: list[Policy], paranoid: bool = False
) -> list[dict[str, pa.Table]]:
    """Run one seed under every policy: the tables of each, in the order of `policies`."""
    whole: dict[str, dict[str, pa.Table]] = {}
    for policy, part in run_parts(plan, run, policies, paranoid):
        whole.setdefault(policy, {}).update(part)
    return list(whole.values())


def run_parts(
    plan: Plan, run: int, policies: list[Policy], paranoid: bool = False
) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """Run one seed under every policy; what they can share is simulated once.

    Where somebody plays a strategy that looks at the policy, they differ from the start.

    Yields
    ------
    (str, dict)
        A policy and tables of its run, in the order of `policies`. Where a run is held
        against a fork, which can only be made once all policies are through, its horizons
        come by themselves at the end, so that no more than one run's tables are held.
    """
    scenario = plan.scenario
    outputs = scenario.outputs
    world = genesis.new_world(scenario, plan.seed(run))
    if extremes.needs_paths(outputs, run):
        world.clock[0]["path_interval_ms"] = round(outputs.path_interval_s * 1000)
    openings = episodes.openings(scenario, plan.seed(run))
    begun = Beginning(plan.seed(run), course.moment(world), openings)
    past = Engine(
        world,
        policies[0],
        scenario.run.wave_gap_s,
        paranoid,
        keep_whole=run < outputs.audit_of_first_runs,
        look_every=course.look_every(scenario),
    )
    past.players = players_of(scenario, past.world)
    appraised = run < outputs.counterfactual_of_first_runs
    others = [policy_of(scenario, outputs.counterfactual)] if appraised else []
    past.share([*policies, *others])
    looks = Looks(past.world, outputs.lights_every_s)
    try:
        if past.players is None or not past.players.reads_policy:
            looks.run_to_wave(past, scenario.time.steps)
    except StrategyError as error:
        for policy in policies:
            failed = _Ran.failed(policy, plan, run, str(error))
            yield policy.name, _as_tables(failed, run)
        return
    start = _Start(plan, run, past, looks, begun, tables.Names.of(scenario))
    cases: dict[str, Case] = {}
    for ran in _each(start, policies):
        if ran.case is not None:
            cases[ran.policy] = ran.case
        name, part = ran.policy, _as_tables(ran, run)
        del ran
        yield name, part
    fork = _fork_under(others[0], past, scenario, cases) if others else None
    for name, case in cases.items():
        columns = horizons.columns_of(case, fork, world.markets.specs["unit"])
        yield name, {"horizons": tables.as_table("horizons", columns, run, name)}


class _Ran(NamedTuple):
    """A run under a policy: its tables' columns, and what a fork is held against."""

    policy: str
    columns: dict[str, tables.Columns]
    case: Case | None

    @classmethod
    def failed(cls, policy: Policy, plan: Plan, run: int, error: str) -> _Ran:
        """One that was broken off."""
        columns = tables.of_failure(plan.seed(run), error)
        columns["runs"] |= {k: [v] for k, v in played.in_short(plan.scenario).items()}
        return cls(policy.name, columns, None)


class _Start(NamedTuple):
    """Where all ways of a run begin: the past, and what was seen in it."""

    plan: Plan
    run: int
    past: Engine
    looks: Looks
    begun: Beginning
    names: tables.Names


@dataclass(eq=False)
class _Way:
    """A policy's way through a run.

    Attributes
    ----------
    policy, watch, tracker
        Whose way it is, and who looks on.
    engine : Engine or None
        Where it goes by itself; None as long as it goes beside another, or has not begun.
    looks : Looks or None
        What was seen before its first call, if that is still to come.
    look : Look or None
        What it is judged by (see `abm.montecarlo.foresight`).
    more : dict
        What the row of the run says of its beginning.
    told : list of Episode
        What it has gone through, see `abm.montecarlo.course.follow`.
    error : str
        Why it was broken off.
    is_through : bool
        Whether it has come to its end.
    """

    policy: Policy
    watch: Watch
    tracker: Tracker | None
    engine: Engine | None = None
    looks: Looks | None = None
    look: Look | None = None
    more: dict[str, Any] = field(default_factory=dict)
    told: list[Episode] = field(default_factory=list)
    error: str = ""
    is_through: bool = False

    @classmethod
    def of(cls, policy: Policy, outputs: Outputs, run: int) -> _Way:
        """One that has not begun."""
        appraises = run < outputs.counterfactual_of_first_runs
        watch = Watch(policy, outputs.horizons_s, appraises=appraises)
        return cls(policy, watch, Tracker() if outputs.moments else None)

    @property
    def watcher(self) -> Watcher:
        """All who look on."""
        return Together([self.watch, self.tracker]) if self.tracker else self.watch


def _each(start: _Start, policies: Sequence[Policy]) -> Iterator[_Ran]:
    """What came of every policy, in turn."""
    ways = {
        policy.name: _Way.of(policy, start.plan.scenario.outputs, start.run)
        for policy in policies
    }
    for policy in policies:
        way = ways[policy.name]
        if not way.is_through:
            _go(start, way, ways)
        del ways[policy.name]
        yield _told(start, way)


def _go(start: _Start, way: _Way, ways: Mapping[str, _Way]) -> None:
    """Go a policy's way to its end, and that of all who do the same."""
    scenario = start.plan.scenario
    if way.engine is None:
        way.engine, way.looks = _fork_for(start, way, ways), start.looks
    engine = way.engine
    try:
        if way.looks is None:
            engine.answer_if_asked()  # where it parted
        else:
            _go_to_first_call(start, way, engine, way.looks.fork(), ways)
        course.follow(engine, scenario, start.begun, way.told)
    except Exception as error:
        way.error = _reason(way.policy, error)
    way.is_through = True
    for one in engine.companions:
        beside = ways[one.policy.name]
        beside.engine, beside.told = engine.seen_by(one), way.told
        beside.is_through, beside.more["shared_s"] = True, engine.now_s
    for parted in engine.parted:
        alone = ways[parted.policy.name]
        alone.engine, alone.more["shared_s"] = parted, parted.now_s
        episode = int(parted.world.clock[0]["step"]) // scenario.time.steps
        alone.told = way.told[: episode + 1]


def _reason(policy: Policy, error: Exception) -> str:
    """Why a run was broken off; what is our bug is raised again."""
    if isinstance(error, (PolicyError, StrategyError)):
        return str(error)
    # A user's settlement has the world in its hands; without one it is our bug.
    if not policy.is_settled_by_users:
        raise error
    return f"policy {policy.name!r}, settlement: {in_words(error)}"


def _fork_for(start: _Start, way: _Way, ways: Mapping[str, _Way]) -> Engine:
    """Fork the past for a policy, with all beside it that want the same of the world."""
    engine = start.past.fork(way.policy)
    engine.watcher = way.watcher
    company, wanted = [way], asks_for(way.policy)
    if engine.players is None and wanted is not None:
        company += [
            one
            for one in ways.values()
            if one is not way and asks_for(one.policy) == wanted
        ]
    for one in company:
        one.more["shared_s"] = start.past.now_s
    for one in company[1:]:
        one.watch.beside = way.watch
        engine.companions.append(Companion(one.policy, one.watcher))
    return engine


def _go_to_first_call(
    start: _Start, way: _Way, engine: Engine, looks: Looks, ways: Mapping[str, _Way]
) -> None:
    """Go on until the policy has answered a wave, and tell what that says of foresight."""
    steps, outputs = start.plan.scenario.time.steps, start.plan.scenario.outputs
    if engine.players is not None and engine.players.reads_policy:
        looks.run_to_wave(engine, steps)
    try:
        look = looks.run_to_first_call(engine, steps)
    finally:
        for parted in engine.parted:
            ways[parted.policy.name].looks = looks
    company = [(way, engine.record.calls)]
    company += [(ways[one.policy.name], one.calls) for one in engine.companions]
    for each, calls in company:
        each.look = look
        if start.run < outputs.nudges_of_first_runs:
            each.more |= foresight.nudges(each.policy, calls)


def _told(start: _Start, way: _Way) -> _Ran:
    """The tables of a way that is through."""
    plan, run, begun, policy = start.plan, start.run, start.begun, way.policy
    if way.error or way.engine is None:
        return _Ran.failed(policy, plan, run, way.error)
    scenario, engine, watch = plan.scenario, way.engine, way.watch
    audited = run < scenario.outputs.audit_of_first_runs
    try:
        first = way.told[0].calls(engine.record.calls)
        more = way.more | played.in_short(scenario)
        more |= foresight.columns(way.look, policy, first)
        burdens, rule = watch.finish(engine.record.marks), scenario.retention
        columns = tables.of_run(
            engine, way.told, start.names, more, burdens, rule, audited=audited
        )
        columns = moments.added(columns, engine, scenario, begun, way.tracker)
        columns = extremes.added(columns, engine, start.names, run, scenario.outputs)
        if isinstance(engine.players, Players):
            columns["players"] = played.columns_of(engine.players, engine)
        time = scenario.time.step_ms, scenario.time.steps
        case = horizons.of_run(engine.record.calls, columns["waves"], watch, time)
    except Exception as error:
        return _Ran.failed(policy, plan, run, _reason(policy, error))
    return _Ran(policy.name, columns, case)


def _fork_under(
    other: Policy, past: Engine, scenario: Scenario, cases: Mapping[str, Case]
) -> Lookout | None:
    """Run on under another policy, as far as the others want to be held against it.

    None if that policy is refused.
    """
    lookout = Lookout(horizons.asked(list(cases.values())))
    if not lookout.asked:
        return None
    engine = past.fork(other)
    engine.watcher = lookout
    try:
        _go_on(engine, min(scenario.time.steps, max(lookout.asked) + 1))
    except (PolicyError, StrategyError):
        return None
    return lookout


def _as_tables(ran: _Ran, run: int) -> dict[str, pa.Table]:
    return {
        name: tables.as_table(name, ran.columns.get(name, {}), run, ran.policy)
        for name in store.SCHEMAS
    }


def _go_on(engine: Engine, until: int) -> None:
    """Answer the wave that the past stopped at, if it did, and run on."""
    if int(engine.world.clock[0]["phase"]) == step.WAVING:
        engine.answer_if_asked()
    engine.run_to(until)
    engine.finish()
