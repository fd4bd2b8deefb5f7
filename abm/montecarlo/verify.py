"""Checks a finished batch against itself: hashes first, then every decision again.

A file that is not what was written is named by its table. In runs that were audited, each
ranking and allocation is made again by `abm.adl.audit` from what was recorded of the wave,
under the policy as the manifest has it, and so is all that was booked of it: fills with
their prices, haircuts, and what was left missing. The rows that tell of it in `waves`,
`haircuts`, `adl_fills`, `runs` and `horizons` are made again, too, as far as they follow;
whatever differs is named by its cell. Of all rows, audited or not, what is said twice must
agree: dollars and quanta, the seed and the number of a run, failure and its reason, the
audit's prices and the paths', episodes and the run that they make up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abm import scenario as scenarios
from abm.adl import audit
from abm.adl.answers import CompositionError
from abm.adl.compose import compose
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.montecarlo import agreement, store, tables
from abm.montecarlo.revalued import revalued
from abm.montecarlo.store import Batch, StoreError
from abm.montecarlo.tables import Names
from abm.scenario import Scenario, ScenarioError
from abm.units import usd

TOLD = ("adl_fills", "haircuts", "waves")
"""Tables that follow from the calls of a run."""


_CALLS_AT_A_TIME = 32

_LAST_BITS = 1e-15
"""By so much of itself may an amount in USD differ from its quanta."""


class Finding(NamedTuple):
    """Something that is not what it would have to be; None where it does not apply."""

    table: str
    run: int | None = None
    policy: str | None = None
    wave: int | None = None
    time_s: float | None = None
    account: int | None = None
    column: str | None = None
    row: int | None = None
    recorded: Any = None
    rebuilt: Any = None
    message: str = ""

    def line(self) -> str:
        """One line for a person."""
        words = [self.table]
        for name in ("run", "policy", "wave", "time_s", "account", "row", "column"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"{name} {value}" if name != "column" else str(value))
        if self.message:
            return f"{', '.join(words)}: {self.message}"
        return f"{', '.join(words)}: recorded {self.recorded}, must be {self.rebuilt}"


class Verdict(NamedTuple):
    """What was found, and how much was looked at."""

    findings: list[Finding]
    files: int
    runs: int
    calls: int
    payers: int

    @property
    def sound(self) -> bool:
        """Whether nothing differs."""
        return not self.findings


def verify(folder: Path) -> Verdict:
    """Check a run folder.

    Raises
    ------
    StoreError
        If it is not a run folder, or what is needed to rebuild its policies is missing.
    """
    batch = Batch(folder)
    findings = [*_of_manifest(batch.manifest), *_of_files(batch)]
    scenario = _scenario(batch)
    policies = _policies(batch)
    findings += _of_policy_files(batch)
    unreadable = {f.table for f in findings if f.message.startswith("cannot be read")}
    if unreadable & {"audit", "runs", "episodes", *TOLD}:
        return Verdict(findings, _count_files(batch), 0, 0, 0)
    names = Names.of(scenario)
    findings += _of_plan(batch)
    expected = set(_audited(batch, scenario))
    findings += _of_failures(batch, expected)
    for table in set(store.SCHEMAS) - unreadable:
        findings += _of_money(batch, table, expected)
    for found in agreement.disagreements(batch, unreadable):
        table, run, policy, column, recorded, wanted = found
        findings.append(
            Finding(table, run, policy, column=column, recorded=recorded, rebuilt=wanted)
        )
    valued = None if unreadable & {"horizons", "paths"} else scenario
    runs = calls = payers = 0
    for run, policy, rows, kinds in _recorded(batch, expected):
        if (run, policy) not in expected:
            message = "was recorded, but is no audited run that finished"
            findings.append(Finding("audit", run, policy, message=message))
            continue
        try:
            recorded = [audit.rebuilt(row) for row in rows]
            with np.errstate(all="ignore"):
                rule = policies[policy]
                findings += _of_run(batch, names, rule, run, recorded, kinds, valued)
                findings += _of_times(run, policy, recorded)
                if "paths" not in unreadable:
                    findings += _of_prices(batch, names, run, policy, recorded)
        except Exception as error:
            # Nothing is known of a record that was tampered with, so nothing is assumed.
            message = f"cannot be rebuilt: {type(error).__name__}: {error}"
            findings.append(Finding("audit", run, policy, message=message))
        runs, calls = runs + 1, calls + len(rows)
        payers += sum(len(row["amounts"]) for row in rows)
    return Verdict(findings, _count_files(batch), runs, calls, payers)


# --- hashes -----------------------------------------------------------------------------


def _of_manifest(manifest: Mapping[str, Any]) -> Iterator[Finding]:
    if manifest.get("sha256") != store.manifest_hash(manifest):
        yield Finding(store.MANIFEST, message="is not what was written (SHA-256 differs)")


def _of_files(batch: Batch) -> Iterator[Finding]:
    """Tables whose files are gone, are not what was written, or cannot be read."""
    for number, block in batch.manifest["blocks"].items():
        for table in store.SCHEMAS:
            path = batch.file(table, int(number))
            name = f"{path.parent.name}/{path.name}"
            if not path.is_file():
                yield Finding(table, message=f"cannot be read: {name} is missing")
            elif block["sha256"].get(table) != store.file_hash(path):
                message = f"{name} is not what was written (SHA-256 differs)"
                yield Finding(table, message=message)
                yield from _if_unreadable(table, path, name)


def _if_unreadable(table: str, path: Path, name: str) -> Iterator[Finding]:
    try:
        pq.read_table(path, schema=store.SCHEMAS[table])
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        yield Finding(table, message=f"cannot be read: {name}: {reason}")


def _count_files(batch: Batch) -> int:
    return len(batch.manifest["blocks"]) * len(store.SCHEMAS) + 1


def _of_policy_files(batch: Batch) -> Iterator[Finding]:
    for file, recorded in batch.manifest["policy_files"].items():
        if store.file_hash(Path(file)) != recorded:
            yield Finding(file, message="is not the file that ran (SHA-256 differs)")


def _of_plan(batch: Batch) -> Iterator[Finding]:
    """Every run that a whole block has must be there once under every policy."""
    rows = batch.table("runs", columns=["run", "policy"])
    found = Counter(zip(*(rows[key].to_pylist() for key in ("run", "policy")), strict=True))
    blocks = batch.manifest["blocks"].values()
    planned = product((run for b in blocks for run in range(*b["runs"])), batch.policies)
    for run, policy in planned:
        times = found.pop((run, policy), 0)
        if times != 1:
            yield Finding("runs", run, policy, message=f"has {times} rows, must have 1")
    for run, policy in found:
        yield Finding("runs", run, policy, message="is not in the plan")


def _of_failures(batch: Batch, rebuilt: set[tuple[int, str]]) -> Iterator[Finding]:
    """A run has the seed of its number, and a reason if and only if it failed.

    Those that are `rebuilt` are held against all of that, so they are passed over here.
    """
    first = batch.manifest["first_seed"]
    if not isinstance(first, int):
        yield Finding(store.MANIFEST, message=f"first_seed = {first!r} is no whole number")
        return
    rows = batch.table("runs", columns=["run", "policy", "seed", "failed", "error"])
    for row in rows.to_pylist():
        run, policy, seed = row["run"], row["policy"], row["seed"]
        if (run, policy) in rebuilt:
            continue
        wanted = None if run is None else first + run
        if seed != wanted:
            yield Finding("runs", run, policy, column="seed", recorded=seed, rebuilt=wanted)
        if row["failed"] is None or row["failed"] != bool(row["error"]):
            message = f"failed is {row['failed']}, but error is {row['error']!r}"
            yield Finding("runs", run, policy, column="failed", message=message)


def _of_money(batch: Batch, table: str, rebuilt: set[tuple[int, str]]) -> Iterator[Finding]:
    """Where a row has an amount in quanta and in USD, they are the same amount.

    Rows of runs that are `rebuilt` are passed over.
    """
    columns = store.SCHEMAS[table].names
    for exact in (name for name in columns if name.endswith("_quanta")):
        dollars = exact.removesuffix("_quanta") + "_usd"
        if dollars not in columns:
            continue
        rows = batch.table(table, columns=["run", "policy", exact, dollars]).to_pylist()
        for number, row in enumerate(rows):
            if (row["run"], row["policy"]) in rebuilt:
                continue
            amount, recorded = row[exact], row[dollars]
            wanted = None if amount is None else usd(amount)
            if wanted is None or recorded is None:
                same = wanted is recorded
            else:
                same = math.isclose(recorded, wanted, rel_tol=_LAST_BITS)
            if not same:
                yield Finding(
                    table, row["run"], row["policy"], column=dollars, row=number,
                    recorded=recorded, rebuilt=wanted,
                )  # fmt: skip


def _of_times(run: int, policy: str, calls: Sequence[Call]) -> Iterator[Finding]:
    """Calls come one after the other, and waves are counted from zero."""
    wave, now_s = -1, -math.inf
    for call in calls:
        here = call.wave
        if here.now_s <= now_s:
            message = f"is at {here.now_s:g} s, not after the call before it"
            yield Finding("audit", run, policy, here.number, here.now_s, message=message)
        if here.number not in (max(wave, 0), wave + 1):
            message = f"comes after wave {wave}" if wave >= 0 else "is the first"
            yield Finding("audit", run, policy, here.number, here.now_s, message=message)
        wave, now_s = here.number, here.now_s


def _of_prices(
    batch: Batch, names: Names, run: int, policy: str, calls: Sequence[Call]
) -> Iterator[Finding]:
    """Marks and indices of calls are those of the paths, where these tell the same time."""
    columns = ["time_s", "market", "mark_usd", "index_usd"]
    paths = batch.table("paths", columns, _of_one(run, policy)).to_pylist()
    told = {(row["time_s"], row["market"]): row for row in paths}
    for call in calls:
        for market, name in enumerate(names.markets):
            row = told.get((call.wave.now_s, str(name)))
            if row is None:
                continue
            for price in ("mark", "index"):
                ticks = int(getattr(call.wave, price)[market])
                wanted, recorded = ticks * names.tick_usd[market], row[f"{price}_usd"]
                if not np.isclose(recorded, wanted, rtol=1e-9, atol=0.0):
                    yield Finding(
                        "paths", run, policy, call.wave.number, call.wave.now_s,
                        column=f"{price}_usd", recorded=recorded, rebuilt=wanted,
                    )  # fmt: skip


# --- what is rebuilt from ---------------------------------------------------------------


def _scenario(batch: Batch) -> Scenario:
    path = batch.folder / store.MANIFEST
    try:
        return scenarios.from_mapping(batch.scenario, source=str(path))
    except (ScenarioError, KeyError) as error:
        raise StoreError(f"{path}: cannot be verified: {error}") from None


def _policies(batch: Batch) -> dict[str, Policy]:
    path = batch.folder / store.MANIFEST
    written = batch.manifest.get("policy_tables")
    if not isinstance(written, dict) or "policy_files" not in batch.manifest:
        raise StoreError(f"{path}: cannot be verified: it holds no policy_tables")
    try:
        return {name: compose(name, table) for name, table in written.items()}
    except CompositionError as error:
        raise StoreError(f"{path}: cannot be verified: policy_tables.{error}") from None


def _audited(batch: Batch, scenario: Scenario) -> Iterator[tuple[int, str]]:
    """Runs, by policy, that finished and of which all calls were recorded."""
    audited = scenario.outputs.audit_of_first_runs
    runs = batch.table("runs", columns=["run", "policy", "failed"])
    for row in runs.to_pylist():
        first = row["run"] is not None and row["run"] < audited
        if first and not row["failed"] and row["policy"] in batch.policies:
            yield row["run"], row["policy"]


def _of_one(run: int, policy: str) -> pc.Expression:
    return (pc.field("run") == run) & (pc.field("policy") == policy)


def _recorded(
    batch: Batch, expected: set[tuple[int, str]]
) -> Iterator[tuple[int, str, list[dict[str, Any]], dict[int, str]]]:
    """All runs that are expected, and what else there is: calls, kinds of accounts."""
    missing = set(expected)
    for run, policy, rows in rows_by_run(batch):
        missing.discard((run, policy))
        kinds: dict[int, str] = {}
        for row in rows:
            for accounts, names in tables.KINDS.items():
                pairs = zip(row[accounts].tolist(), row[names].tolist(), strict=False)
                kinds |= dict(pairs)
        yield run, policy, rows, kinds
    for run, policy in sorted(missing):
        yield run, policy, [], {}


def rows_by_run(batch: Batch) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """The calls of every audited run and policy, as `abm.adl.audit.rebuilt` takes them."""
    rows = (
        row
        for number in sorted(batch.manifest["blocks"], key=int)
        for row in _rows_of(batch.file("audit", int(number)))
    )
    for (run, policy), group in groupby(rows, lambda row: (row["run"], row["policy"])):
        yield run, policy, list(group)


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    for part in pq.ParquetFile(path).iter_batches(batch_size=_CALLS_AT_A_TIME):
        for at in range(part.num_rows):
            yield {name: _cell(part[name][at]) for name in part.schema.names}


def _cell(scalar: Any) -> Any:
    """A number as Python's own, an array as numpy's."""
    if pa.types.is_list(scalar.type):
        return np.asarray(scalar.values.to_numpy(zero_copy_only=False))
    return scalar.as_py()


# --- rebuilding -------------------------------------------------------------------------


def _of_run(
    batch: Batch,
    names: Names,
    policy: Policy,
    run: int,
    recorded: Sequence[Call],
    kinds: Mapping[int, str],
    valued: Scenario | None,
) -> Iterator[Finding]:
    """All that follows from a run's calls; horizons by the scenario that is given."""
    owed = _owed(batch, run, policy.name, recorded)
    for found in audit.check(policy, recorded, owed):
        account = None if found.account < 0 else found.account
        yield Finding(
            "audit", run, policy.name, found.wave, found.time_s, account, found.place,
            recorded=found.recorded, rebuilt=found.rebuilt,
        )  # fmt: skip
    kind = np.full(max(kinds, default=-1) + 1, "", object)
    kind[list(kinds)] = list(kinds.values())
    told = tables.of_calls(recorded, policy, names, kind)
    for name, columns in told.items():
        wanted = tables.as_table(name, columns, run, policy.name)
        yield from _of_rows(batch, name, run, policy.name, wanted)
    if valued is not None:
        wanted = revalued(batch, valued, policy, run, recorded, told["waves"])
        yield from _of_rows(batch, "horizons", run, policy.name, wanted)
    row = _runs_row(batch, run, policy.name, recorded, told)
    wanted = tables.as_table(
        "runs", {key: [value] for key, value in row.items()}, run, policy.name
    )
    yield from _of_rows(
        batch, "runs", run, policy.name, wanted.select(["run", "policy", *row])
    )


def _owed(batch: Batch, run: int, policy: str, calls: Sequence[Call]) -> dict[int, int]:
    """What was owed when an episode began, by the place of its first call (quanta)."""
    columns = ["start_s", "insurance_start_quanta"]
    begun = batch.table("episodes", columns, _of_one(run, policy)).to_pylist()
    times = [call.wave.now_s for call in calls]
    return {
        int(np.searchsorted(times, row["start_s"])): max(0, -row["insurance_start_quanta"])
        for row in begun[1:]
    }


def _runs_row(
    batch: Batch, run: int, policy: str, calls: Sequence[Call], told: Mapping[str, Any]
) -> dict[str, Any]:
    """What a run's row must say, as far as it follows from other tables."""
    of_one = _of_one(run, policy)
    residual = batch.table("runs", ["residual_quanta"], of_one)["residual_quanta"][0]
    rungs = batch.table("liquidations", ["rung", "notional_usd"], of_one)
    liquidations = {name: rungs[name].to_numpy() for name in rungs.column_names}
    row = tables.of_decisions(calls, told, residual.as_py() or 0)
    return {
        "seed": batch.manifest["first_seed"] + run,
        "failed": False,
        "error": None,
        **row,
        **tables.of_liquidations(liquidations),
    }


def _of_rows(
    batch: Batch, name: str, run: int, policy: str, wanted: pa.Table
) -> Iterator[Finding]:
    """Cells of a run's rows in which a table differs from what is wanted."""
    recorded = batch.table(name, wanted.column_names, _of_one(run, policy))
    if recorded.num_rows != wanted.num_rows:
        message = f"has {recorded.num_rows} rows, must have {wanted.num_rows}"
        yield Finding(name, run, policy, message=message)
        return
    about = {
        key: wanted[key].to_pylist()
        for key in ("wave", "account")
        if key in wanted.column_names
    }
    for column in wanted.column_names:
        for row in _differing(recorded[column], wanted[column]):
            where = {key: values[row] for key, values in about.items()}
            yield Finding(
                name, run, policy, column=column, row=row, **where,
                recorded=recorded[column][row].as_py(), rebuilt=wanted[column][row].as_py(),
            )  # fmt: skip


def _differing(recorded: pa.ChunkedArray, wanted: pa.ChunkedArray) -> list[int]:
    """Rows in which two columns differ; null is like null only, NaN like NaN."""
    here, there = recorded.is_valid().to_numpy(), wanted.is_valid().to_numpy()
    if pa.types.is_floating(wanted.type):
        a, b = (c.fill_null(0.0).to_numpy() for c in (recorded, wanted))
        differ = audit.differ(a, b)
    else:
        differ = np.array(
            [x != y for x, y in zip(recorded.to_pylist(), wanted.to_pylist(), strict=True)],
            bool,
        )
    return [int(row) for row in np.flatnonzero((here != there) | (here & differ))]
