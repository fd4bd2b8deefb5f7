"""A run folder against itself: one changed cell anywhere is found and named."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from abm.cli import app
from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from abm.montecarlo.verify import verify
from tests import crashes

COLUMNS = [(table, name) for table in store.COLUMNS for name, _ in store.COLUMNS[table]]


def _scenario():
    return crashes.crash(
        run={"runs": 2, "block": 2, "policies": ["hyperliquid", "pro-rata", "none"]},
        outputs={"paths_of_first_runs": 1},
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
        return 0.5 if value != value else value * 1.001 + 1.0
    return value + 1


def change(folder, table, column):
    """Change one cell, one that holds something if there is any."""
    path = folder / f"{table}.parquet" / "block-000000.parquet"
    found = pq.read_table(path)
    kind = found.schema.field(column).type
    values = found[column].to_pylist()
    row = next((i for i, value in enumerate(values) if value not in (None, [])), 0)
    values[row] = other(values[row], kind)
    at = found.schema.get_field_index(column)
    changed = found.set_column(at, column, pa.array(values, kind))
    pq.write_table(changed, path, compression="zstd")


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


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_one_changed_cell_is_found_in_any_column_of_any_table(copied, table, column):
    change(copied, table, column)
    verdict = verify(copied)
    assert any(
        finding.table == table and "SHA-256" in finding.message
        for finding in verdict.findings
    )


TOLD = [
    (table, name)
    for table in ("waves", "haircuts", "adl_fills")
    for name, _ in store.COLUMNS[table]
]


@pytest.mark.parametrize(("table", "column"), TOLD)
def test_a_forged_cell_is_named_though_the_hashes_fit(copied, table, column):
    change(copied, table, column)
    forge(copied)
    findings = verify(copied).findings
    assert findings
    if column not in ("run", "policy"):
        about = [f for f in findings if f.table == table and f.column == column]
        assert len(about) == 1
        assert about[0].run == 0
        assert about[0].recorded != about[0].rebuilt


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
]


@pytest.mark.parametrize("column", DECIDED)
def test_a_forged_record_does_not_fit_what_was_decided(copied, column):
    change(copied, "audit", column)
    forge(copied)
    assert not verify(copied).sound


@pytest.mark.parametrize(
    "key", ["name", "first_seed", "scenario_sha256", "policy_tables", "code_sha256"]
)
def test_a_changed_manifest_is_found(copied, key):
    path = copied / store.MANIFEST
    manifest = json.loads(path.read_text())
    manifest[key] = {} if isinstance(manifest[key], dict) else "other"
    path.write_text(json.dumps(manifest))
    done = CliRunner().invoke(app, ["verify", str(copied)])
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
    sound = CliRunner().invoke(app, ["verify", str(batch)])
    assert (sound.exit_code, "sound" in sound.output) == (0, True)
    change(copied, "haircuts", "amount_quanta")
    wrong = CliRunner().invoke(app, ["verify", str(copied), "--json"])
    assert wrong.exit_code == 1
    told = json.loads(wrong.output)
    assert told["sound"] is False
    assert {f.get("column") for f in told["findings"]} >= {"amount_quanta"}
    assert CliRunner().invoke(app, ["verify", str(batch.parent)]).exit_code == 2


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
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 2
    assert "there is no file mine.py" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
