"""A run folder against itself: one changed cell anywhere is found and named."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from abm import scenario
from abm.adl import audit
from abm.adl.compose import compose
from abm.montecarlo import store, tables
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from abm.montecarlo.verify import verify
from tests import crashes
from tests.command import adl


def _scenario(runs=2, policies=("hyperliquid", "pro-rata", "none")):
    return crashes.crash(
        time={"duration_s": 60.0},
        run={"runs": runs, "block": runs, "policies": policies},
        outputs={
            "paths_of_first_runs": 1,
            "audit_of_first_runs": 1,
            "extremes": True,
            "moments": True,
        },
        gaming={"play": {"leave-early": 0.2}},
        population={"accounts": 60, "positions": 55},
        venue={"vault_usd": 2000.0},
    )


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify") / "run"
    done = run_batch(Plan.of(_scenario()), folder, workers=1, quiet=True)
    assert done.table("adl_fills").num_rows
    assert done.table("haircuts").num_rows
    return folder


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """What is recorded of one run in contracts and in cash."""
    folder = tmp_path_factory.mktemp("one") / "run"
    plan = Plan.of(_scenario(1, ("hyperliquid", "pro-rata")))
    run_batch(plan, folder, workers=1, quiet=True)
    assert verify(folder).sound
    return folder


@pytest.fixture
def copied(batch, tmp_path):
    return shutil.copytree(batch, tmp_path / "run")


def other(value, kind):
    """A value of the same type that is another."""
    if pa.types.is_list(kind):
        return [*value[:-1], other(value[-1] if value else None, kind.value_type)]
    if value is None:
        return "x" if pa.types.is_string(kind) else 1
    if pa.types.is_boolean(kind):
        return not value
    if pa.types.is_string(kind):
        return value + "x"
    if pa.types.is_floating(kind):
        return value * 1.001 + 1.0 if np.isfinite(value) else 0.5
    return value + 1


def changed(found, column):
    """A table with one cell changed, one that holds something if there is any."""
    kind = found.schema.field(column).type
    values = found[column].to_pylist()
    row = next((i for i, value in enumerate(values) if value not in (None, [])), 0)
    values[row] = other(values[row], kind)
    at = found.schema.get_field_index(column)
    return found.set_column(at, column, pa.array(values, kind))


def change(folder, table, column):
    """Change one cell of a table of a folder."""
    path = folder / f"{table}.parquet" / "block-000000.parquet"
    pq.write_table(changed(pq.read_table(path), column), path, compression="zstd")


def forge(folder):
    """Write hashes into the manifest that fit the files as they are now."""
    manifest = json.loads((folder / store.MANIFEST).read_text())
    for number, block in manifest["blocks"].items():
        for table in block["sha256"]:
            path = folder / f"{table}.parquet" / f"block-{int(number):06d}.parquet"
            block["sha256"][table] = store.file_hash(path)
    store.write_manifest(folder, manifest)


def test_a_batch_as_it_was_written_is_sound(batch):
    verdict = verify(batch)
    assert verdict.sound, verdict.findings
    assert verdict.runs == 3
    assert verdict.calls > 3
    assert verdict.payers > 100


@pytest.mark.parametrize("table", store.COLUMNS)
def test_one_changed_cell_is_found_in_any_column_of_any_table(copied, table):
    """Whichever cell of a file is changed, its hash is another; verify looks at that."""
    digests = store.Batch(copied).manifest["blocks"]["0"]["sha256"]
    path = copied / f"{table}.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    for column, _ in store.COLUMNS[table]:
        pq.write_table(changed(found, column), path, compression="zstd")
        assert store.damage(copied, 0, digests) == table, column
    assert any(
        finding.table == table and "SHA-256" in finding.message
        for finding in verify(copied).findings
    )


REBUILT = {
    "waves": ("run", "policy"),
    "haircuts": ("run", "policy"),
    "adl_fills": ("run", "policy"),
    "horizons": ("run", "policy", "traders", "path", "repriced", "true"),
}
"""Tables that are made again, and what the columns begin with that are not."""


@pytest.mark.parametrize("table", REBUILT)
def test_forged_cells_are_named_though_the_hashes_fit(copied, table):
    """One cell of every column is forged; each is found, and nothing else."""
    columns = [
        name for name, _ in store.COLUMNS[table] if name.split("_")[0] not in REBUILT[table]
    ]
    for column in columns:
        change(copied, table, column)
    forge(copied)
    found = [f for f in verify(copied).findings if f.table == table and f.column]
    assert sorted(f.column for f in found) == sorted(columns)
    assert all(f.run == 0 and f.recorded != f.rebuilt for f in found)


@pytest.mark.parametrize("table", REBUILT)
@pytest.mark.parametrize("column", ["run", "policy"])
def test_a_row_that_is_said_to_be_of_another_run_is_missed(copied, table, column):
    change(copied, table, column)
    forge(copied)
    assert any(f.table == table for f in verify(copied).findings)


def test_a_gap_follows_from_truth_and_path(copied):
    change(copied, "horizons", "path_net_usd")
    forge(copied)
    (found,) = verify(copied).findings
    assert (found.table, found.column) == ("horizons", "gap_net_usd")


DECIDED = [
    *(
        "short_account",
        "deficit",
        "candidates_lots",
        "candidates_cost",
        "candidates_market",
    ),
    *("bankrupt_lots", "mark", "previous_mark", "unit", "acted", "theta", "budget", "need"),
    *("payers_row", "payers_group", "payers_capacity", "payers_worth", "score", "amounts"),
    *("score_columns", "stage", "fills_lots", "fills_held", "fills_cost", "fills_account"),
    *("fills_market", "fills_value", "haircuts_account"),
    *("haircuts_amount", "short_before", "short_after", "carried", "wave", "time_s"),
    *("fills_bankrupt", "fills_collateral", "withdrawal_cut"),
]


@pytest.mark.parametrize("column", DECIDED)
def test_a_forged_record_does_not_fit_what_was_decided(one_run, tmp_path, column):
    copied = shutil.copytree(one_run, tmp_path / "run")
    change(copied, "audit", column)
    forge(copied)
    assert not verify(copied).sound


def as_arrays(row):
    """A row of the audit whose lists are numpy arrays."""
    types = dict(store.COLUMNS["audit"]) | dict.fromkeys(tables.KINDS.values(), "object[]")
    return {
        name: np.array(cell, types[name][:-2]) if isinstance(cell, list) else cell
        for name, cell in row.items()
    }


def retell(folder, policy):
    """Write the tables of run 0 anew, so that they tell what its audit says."""
    batch = store.Batch(folder)
    names = tables.Names.of(scenario.from_mapping(batch.scenario))
    rule = compose(policy, batch.manifest["policy_tables"][policy])
    of_one = (pc.field("run") == 0) & (pc.field("policy") == policy)
    rows = [as_arrays(r) for r in batch.table("audit", where=of_one).to_pylist()]
    kinds = {
        account: kind
        for row in rows
        for accounts, names_ in tables.KINDS.items()
        for account, kind in zip(row[accounts], row[names_], strict=True)
    }
    kind = np.array([kinds.get(i, "") for i in range(max(kinds) + 1)], object)
    calls = [audit.rebuilt(row) for row in rows]
    told = tables.of_calls(calls, rule, names, kind)
    for name, columns in told.items():
        rewrite(folder, name, of_one, tables.as_table(name, columns, 0, policy))
    (row,) = batch.table("runs", where=of_one).to_pylist()
    row |= tables.of_decisions(calls, told, row["residual_quanta"])
    new = {name: [value] for name, value in row.items()}
    rewrite(folder, "runs", of_one, tables.as_table("runs", new, 0, policy))
    forge(folder)


def found_in_audit(folder):
    """Findings of a record told anew; tables that are not told anew no longer agree."""
    return [f for f in verify(folder).findings if f.table == "audit"]


def rewrite(folder, table, of_one, rows):
    """Put rows in the place of those of one run."""
    path = folder / f"{table}.parquet" / "block-000000.parquet"
    others = pq.read_table(path).filter(~of_one)
    pq.write_table(pa.concat_tables([rows, others]), path, compression="zstd")


def change_entry(folder, policy, column, by):
    """Change the last entry of the first call of run 0 that has any; tell the old one.

    Gives its wave, account and what was recorded.
    """
    path = folder / "audit.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    rows = found.to_pylist()
    entries = column.split("_")[0]
    row = next(
        r for r in rows if r["run"] == 0 and r["policy"] == policy and len(r[column]) > 1
    )
    account, was = row[f"{entries}_account"][-1], row[column][-1]
    row[column][-1] += by
    pq.write_table(pa.Table.from_pylist(rows, found.schema), path, compression="zstd")
    return row["wave"], account, was


@pytest.mark.parametrize(
    ("policy", "column", "by"),
    [
        ("hyperliquid", "fills_value", 1_000_000),
        ("hyperliquid", "fills_collateral", 1_000_000),
        ("pro-rata", "haircuts_amount", -1),
    ],
)
def test_an_entry_forged_alike_in_all_tables_is_named(copied, policy, column, by):
    wave, account, was = change_entry(copied, policy, column, by)
    retell(copied, policy)
    (found,) = found_in_audit(copied)
    assert (found.table, found.run, found.policy) == ("audit", 0, policy)
    assert (found.wave, found.account, found.column) == (wave, account, column)
    assert (found.recorded, found.rebuilt) == (was + by, was)
    assert (
        f"account {account}, {column}: recorded {was + by}, must be {was}" in found.line()
    )


def test_debt_forged_away_alike_in_all_tables_is_named(copied):
    path = copied / "audit.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    rows = found.to_pylist()
    of_one = [r for r in rows if (r["run"], r["policy"]) == (0, "none")]
    was = of_one[-1]["short_after"]
    assert was > 0
    of_one[-1]["short_after"] = 0
    pq.write_table(pa.Table.from_pylist(rows, found.schema), path, compression="zstd")
    retell(copied, "none")
    (found,) = found_in_audit(copied)
    assert (found.run, found.policy, found.column) == (0, "none", "short_after")
    assert (found.recorded, found.rebuilt) == (0, was)


def set_cell(folder, table, column, value, where=lambda row: True):
    """Set a cell of the last row that fits; hashes fit again afterwards."""
    path = folder / f"{table}.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    rows = found.to_pylist()
    row = next(row for row in reversed(rows) if where(row))
    row[column] = value(row[column])
    pq.write_table(pa.Table.from_pylist(rows, found.schema), path, compression="zstd")
    forge(folder)
    return row


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seed", lambda seed: seed + 1),
        ("failed", lambda failed: True),
        ("error", lambda error: "made up"),
        ("deficit_usd", lambda usd: usd + 1e-3),
        ("covered_quanta", lambda quanta: quanta + 1),
        ("residual_usd", lambda usd: usd + 1.0),
    ],
)
def test_rows_of_runs_that_were_not_audited_agree_with_themselves(copied, column, value):
    row = set_cell(copied, "runs", column, value, lambda row: row["run"] == 1)
    findings = verify(copied).findings
    assert findings
    assert {(f.table, f.run, f.policy) for f in findings} == {("runs", 1, row["policy"])}


@pytest.mark.parametrize("price", ["mark_usd", "index_usd"])
def test_prices_of_paths_are_those_that_the_waves_saw(copied, price):
    audit_rows = store.Batch(copied).table("audit", ["run", "policy", "time_s"]).to_pylist()
    times = {(row["run"], row["policy"], row["time_s"]) for row in audit_rows}
    row = set_cell(
        copied, "paths", price, lambda usd: usd * 1.01,
        lambda row: (row["run"], row["policy"], row["time_s"]) in times,
    )  # fmt: skip
    (found,) = verify(copied).findings
    assert (found.table, found.column, found.time_s) == ("paths", price, row["time_s"])
    assert found.recorded == pytest.approx(found.rebuilt * 1.01)


def test_waves_are_counted_from_zero_one_after_the_other(copied):
    path = copied / "audit.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    rows = found.to_pylist()
    of_one = [r for r in rows if (r["run"], r["policy"]) == (0, "none")]
    of_one[-1]["wave"] += 2
    of_one[-1]["time_s"] = of_one[-2]["time_s"]
    pq.write_table(pa.Table.from_pylist(rows, found.schema), path, compression="zstd")
    retell(copied, "none")
    messages = " ".join(f.message for f in verify(copied).findings)
    assert "not after the call before it" in messages
    assert "comes after wave" in messages


@pytest.mark.parametrize(
    "key", ["name", "first_seed", "scenario_sha256", "policy_tables", "code_sha256"]
)
def test_a_changed_manifest_is_found(copied, key):
    path = copied / store.MANIFEST
    manifest = json.loads(path.read_text())
    manifest[key] = {} if isinstance(manifest[key], dict) else "other"
    path.write_text(json.dumps(manifest))
    done = adl("verify", copied)
    assert done.exit_code in (1, 2)
    assert "manifest" in done.output


def test_another_rule_than_the_manifests_is_found(copied):
    manifest = json.loads((copied / store.MANIFEST).read_text())
    manifest["policy_tables"]["pro-rata"]["severity"] = {"rule": "fixed", "share": 0.9}
    store.write_manifest(copied, manifest)
    findings = verify(copied).findings
    assert {f.policy for f in findings} == {"pro-rata"}
    wrong = next(f for f in findings if f.column == "amounts")
    assert wrong.account is not None
    assert wrong.recorded > wrong.rebuilt
    assert f"account {wrong.account}" in wrong.line()


@pytest.mark.parametrize("table", list(store.COLUMNS))
def test_a_file_that_is_gone_or_cut_off_is_named(copied, table):
    path = copied / f"{table}.parquet" / "block-000000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert any("cannot be read" in f.message for f in verify(copied).findings)
    path.unlink()
    assert any("missing" in f.message and f.table == table for f in verify(copied).findings)


def test_the_command_says_sound_or_what_differs(batch, copied):
    sound = adl("verify", batch)
    assert (sound.exit_code, "sound" in sound.output) == (0, True)
    change(copied, "haircuts", "amount_quanta")
    wrong = adl("verify", copied, "--json")
    assert wrong.exit_code == 1
    told = json.loads(wrong.output)
    assert told["sound"] is False
    assert {f.get("column") for f in told["findings"]} >= {"amount_quanta"}
    assert adl("verify", batch.parent).exit_code == 2


RULES = """
def allocate(capacity, score, budget):
    ahead = capacity.cumsum() - capacity
    return (budget - ahead).clip(0, capacity)
"""


def test_a_users_rule_is_verified_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RULES)
    told = crashes.crash(
        policies={"mine": {"preset": "pro-rata", "allocation": "mine.py:allocate"}},
        run={"runs": 1, "policies": ["mine"]},
        population={"accounts": 60, "positions": 55},
    )
    folder = tmp_path / "run"
    run_batch(Plan.of(told), folder, workers=1, quiet=True)
    assert verify(folder).sound
    (tmp_path / "mine.py").write_text(RULES.replace("(0, capacity)", "(0, capacity // 2)"))
    findings = verify(folder).findings
    assert any("not the file that ran" in f.message for f in findings)
    assert any(f.column == "amounts" for f in findings)
    (tmp_path / "mine.py").unlink()
    done = adl("verify", folder)
    assert done.exit_code == 2
    assert "there is no file mine.py" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
