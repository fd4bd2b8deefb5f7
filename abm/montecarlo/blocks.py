"""Computes blocks: every seed of a block under every policy, as tables and as files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

import abm
from abm import episodes, genesis, step
from abm.adl.guard import in_words
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError
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
from abm.montecarlo.course import Beginning
from abm.montecarlo.encoding import Encoder
from abm.montecarlo.foresight import Looks
from abm.montecarlo.horizons import Case
from abm.montecarlo.plan import Block, Plan
from abm.scenario import Scenario


@functools.cache
def code_sha256() -> str:
    """A hash over the source of this package: what numbers may depend on."""
    root = Path(abm.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
    """Run one seed under every policy; the past until the first wave is shared.

    Unless somebody plays a strategy that looks at the policy: then they differ from the
    start.

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
    names = tables.Names.of(scenario)
    try:
        if past.players is None or not past.players.reads_policy:
            looks.run_to_wave(past, scenario.time.steps)
    except StrategyError as error:
        for policy in policies:
            failed = _Ran.failed(policy, plan, run, str(error))
            yield policy.name, _as_tables(failed, run)
        return
    cases: dict[str, Case] = {}
    for policy in policies:
        ran = _under(policy, past, plan, run, names, begun, looks)
        if ran.case is not None:
            cases[policy.name] = ran.case
        part = _as_tables(ran, run)
        del ran
        yield policy.name, part
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


def _under(
    policy: Policy, past: Engine, plan: Plan, run: int, names: tables.Names,
    begun: Beginning, looks: Looks,
) -> _Ran:  # fmt: skip
    """Fork the past and run on under a policy."""
    scenario, outputs = plan.scenario, plan.scenario.outputs
    appraises = run < outputs.counterfactual_of_first_runs
    audited = run < outputs.audit_of_first_runs
    watch = Watch(policy, outputs.horizons_s, appraises=appraises)
    tracker = Tracker() if outputs.moments else None
    looks = looks.fork()
    try:
        engine = past.fork(policy)
        engine.watcher = Together([watch, tracker]) if tracker else watch
        if engine.players is not None and engine.players.reads_policy:
            looks.run_to_wave(engine, scenario.time.steps)
        look = looks.run_to_first_call(engine, scenario.time.steps)
        more = {"shared_s": past.now_s} | played.in_short(scenario)
        if run < outputs.nudges_of_first_runs:
            more |= foresight.nudges(policy, engine.record.calls)
        told = course.follow(engine, scenario, begun)
        more |= foresight.columns(look, policy, told[0].calls(engine.record.calls))
        burdens = watch.finish(engine.record.marks)
        columns = tables.of_run(
            engine, told, names, more, burdens, scenario.retention, audited=audited
        )
        columns = moments.added(columns, engine, scenario, begun, tracker)
        columns = extremes.added(columns, engine, names, run, outputs)
        if isinstance(engine.players, Players):
            columns["players"] = played.columns_of(engine.players, engine)
        time = scenario.time.step_ms, scenario.time.steps
        case = horizons.of_run(engine.record.calls, columns["waves"], watch, time)
        return _Ran(policy.name, columns, case)
    except (PolicyError, StrategyError) as error:
        return _Ran.failed(policy, plan, run, str(error))
    except Exception as error:
        # A user's settlement has the world in its hands; without one it is our bug.
        if not policy.is_settled_by_users:
            raise
        reason = f"policy {policy.name!r}, settlement: {in_words(error)}"
        return _Ran.failed(policy, plan, run, reason)


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


class Done(NamedTuple):
    """A block that is whole.

    `digests` are the SHA-256 of its tables' files; `values` what the stopping rule looks
    at, one a run, if the plan has one.
    """

    failed: int
    digests: dict[str, str]
    values: list[float]


class Computed(NamedTuple):
    """A block that is computed but not yet written: its files' contents by table."""

    failed: int
    files: dict[str, pa.Buffer]
    values: list[float]

    def write(self, folder: Path, block: Block) -> Done:
        """Write it.

        Raises
        ------
        StoreError
            If a file cannot be written.
        """
        digests = store.write_block(folder, block.number, self.files)
        return Done(self.failed, digests, self.values)


def compute_block(plan: Plan, block: Block, paranoid: bool = False) -> Computed:
    """Compute a block."""
    policies = [policy_of(plan.scenario, name) for name in plan.policies]
    files, runs = Encoder(), []
    for run in block.runs:
        for _, part in run_parts(plan, run, policies, paranoid):
            files.add(part)
            if "runs" in part:
                runs.append(part["runs"])
    rows = pa.concat_tables(runs)
    failed = int(sum(rows["failed"].to_pylist()))
    return Computed(failed, files.finish(), watched_values(plan, rows))


def run_block(plan: Plan, block: Block, folder: Path, paranoid: bool = False) -> Done:
    """Compute and write a block.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    return compute_block(plan, block, paranoid).write(folder, block)


def watched_values(plan: Plan, runs: pa.Table) -> list[float]:
    """What the plan's stopping rule looks at, one value a run; none without a rule."""
    stop = plan.scenario.run.stop
    if stop is None:
        return []
    wide = runs.to_pandas().pivot(index="run", columns="policy", values=stop.measure)
    found = wide[stop.policy or plan.policies[0]].astype(float)
    if stop.less is not None:
        found = found - wide[stop.less].astype(float)
    return [float(value) for value in found]
