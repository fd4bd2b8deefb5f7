"""The command: what it prints, what it leaves behind, how it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abm.cli import app

MINIMAL = str(Path(__file__).parent.parent / "configs" / "minimal.toml")


def adl(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch") / "run"
    done = adl("run", MINIMAL, "--runs", 3, "--out", folder, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    return folder


def test_run_leaves_tables_figures_and_a_manifest(batch):
    manifest = json.loads((batch / "manifest.json").read_text())
    assert manifest["scenario"]["run"]["runs"] == 3
    assert str(batch) not in json.dumps(manifest)
    assert len(list((batch / "figures").glob("*.png"))) == 4
    assert len(list(batch.glob("*.parquet"))) == 7


def test_compare_and_show_tell_the_batch_to_people_and_programs(batch):
    assert "Deficit" in adl("compare", batch).output
    rows = json.loads(adl("compare", batch, "--json").output)
    assert {row["policy"] for row in rows} == {"hyperliquid", "pro-rata", "none"}
    assert "wave" in adl("show", batch, "--run", 1).output.lower()
    assert json.loads(adl("show", batch, "--json").output)


def test_check_prints_a_scenario_that_is_the_same_scenario(tmp_path):
    resolved = tmp_path / "resolved.toml"
    resolved.write_text(adl("check", MINIMAL, "--set", "run.runs=5").output)
    again = adl("check", resolved)
    assert again.output == resolved.read_text()
    assert "runs = 5" in again.output


BAD = [
    (["run", "nowhere.toml"], "nowhere.toml"),
    (["check", MINIMAL, "--set", "venue.vault_usd=-1"], "venue.vault_usd"),
    (["check", MINIMAL, "--set", "venue.volt_usd=1"], "volt_usd"),
    (["run", MINIMAL, "--policy", "nobody"], "nobody"),
    (["compare", "nowhere"], "nowhere"),
    (["show", "nowhere"], "nowhere"),
]


@pytest.mark.parametrize(("words", "names"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(words, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = adl(*words)
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1
    assert names in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_run_or_policy_that_is_not_in_the_batch_is_refused(batch):
    assert adl("show", batch, "--run", 99).exit_code == 2
    assert adl("show", batch, "--policy", "nobody").exit_code == 2


def test_a_folder_that_exists_is_not_overwritten_unasked(batch):
    before = (batch / "manifest.json").read_bytes()
    done = adl("run", MINIMAL, "--runs", 1, "--out", batch)
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert (batch / "manifest.json").read_bytes() == before


def test_the_contents_do_not_depend_on_the_number_of_workers(tmp_path):
    hashes = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        words = ["run", MINIMAL, "--runs", "4", "--workers", str(workers), "--no-figures"]
        code = [sys.executable, "-m", "abm.cli", *words, "--set", "run.block=1", "--json"]
        done = subprocess.run([*code, "--out", str(out)], capture_output=True, check=True)
        hashes.append(json.loads(done.stdout)["content_sha256"])
    assert hashes[0] == hashes[1]
    files = [
        {p.name: p.read_bytes() for p in sorted((tmp_path / w).rglob("*.parquet/*"))}
        for w in "12"
    ]
    assert files[0] == files[1]


def test_a_policy_that_fails_fails_its_own_runs_and_is_named(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text(
        "def bad(capacity, score, budget):\n    return capacity * float('nan')\n"
    )
    config = tmp_path / "bad.toml"
    config.write_text(
        f'extends = "{MINIMAL}"\n[policies.broken]\npreset = "pro-rata"\n'
        f'allocation = "{rules}:bad"\n[run]\npolicies = ["broken", "none"]\n'
    )
    out = tmp_path / "out"
    done = adl("run", config, "--runs", 3, "--out", out, "--workers", 1, "--no-figures")
    assert done.exit_code == 0, done.output
    from abm.montecarlo.store import Batch

    runs = Batch(out).frame("runs")
    broken = runs[runs.policy == "broken"]
    assert broken.failed.any()
    message = broken[broken.failed].error.iloc[0]
    assert re.search(r"policy 'broken', allocation, wave \d+: .*not a number", message)
    assert not runs[runs.policy == "none"].failed.any()


def test_help_is_quick():
    begun = time.perf_counter()
    code = (
        "import sys, abm.cli; print([m for m in ('numba', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
    assert time.perf_counter() - begun < 10
