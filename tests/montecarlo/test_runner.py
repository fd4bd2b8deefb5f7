"""Batches that are interrupted, damaged, changed or crowded end as if they had not been."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from abm import scenario as scenarios
from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import Batch, StoreError

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"
PLAN = ["run.runs=12", "run.block=2", "outputs.paths_of_first_runs=2"]


def plan(*more: str) -> Plan:
    return Plan.of(scenarios.load(MINIMAL, [*PLAN, *more]))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def blocks_of(folder: Path) -> int:
    """Blocks that the manifest names; -1 before there is one."""
    path = folder / "manifest.json"
    return len(json.loads(path.read_text())["blocks"]) if path.exists() else -1


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_batch(plan(), folder, workers=1, quiet=True)
    return folder


def test_two_workers_leave_the_same_bytes_as_one(whole, tmp_path):
    run_batch(plan(), tmp_path / "two", workers=2, quiet=True)
    assert contents(tmp_path / "two") == contents(whole)


CHILD = (
    "import sys; from pathlib import Path; "
    "from abm.montecarlo.plan import Plan; from abm import scenario; "
    "from abm.montecarlo.runner import run_batch, resume_batch; "
    "folder = Path(sys.argv[1]); config = sys.argv[2]; more = sys.argv[3:]; "
    "resume_batch(folder, workers=1, quiet=True) if (folder / 'manifest.json').exists() "
    "else run_batch(Plan.of(scenario.load(config, more)), folder, workers=1, quiet=True)"
)


def test_a_batch_killed_again_and_again_ends_byte_for_byte_like_one_that_was_not(
    whole, tmp_path
):
    folder = tmp_path / "killed"
    moments = random.Random(5)
    left = []
    for least in (0, 2):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, folder, MINIMAL, *PLAN], start_new_session=True
        )
        while blocks_of(folder) < least and child.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.1))
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        left.append(blocks_of(folder))
    resume_batch(folder, workers=1, quiet=True)
    # A busy machine may let one of them come to its end; not all of them.
    assert any(0 < blocks < blocks_of(whole) for blocks in left), left
    assert contents(folder) == contents(whole)


def test_workers_end_with_the_process_that_began_them_however_it_ends(tmp_path):
    more = [*PLAN, "run.runs=4000"]
    code = CHILD.replace("workers=1", "workers=2")
    folder = tmp_path / "orphaned"
    child = subprocess.Popen([sys.executable, "-c", code, folder, MINIMAL, *more])
    while blocks_of(folder) < 1 and child.poll() is None:
        time.sleep(0.02)
    below = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.wait()
    _, alive = psutil.wait_procs(below, timeout=30)
    assert below
    assert not alive


def test_a_damaged_block_is_named_when_read_and_computed_again_when_resumed(
    whole, tmp_path
):
    folder = shutil.copytree(whole, tmp_path / "run")
    victim = folder / "runs.parquet" / "block-000002.parquet"
    victim.write_bytes(victim.read_bytes()[:-40])
    with pytest.raises(StoreError, match=r"runs\.parquet: is damaged"):
        Batch(folder).frame("runs")
    resume_batch(folder, workers=1, quiet=True)
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("version", "0.0.1", "begun with version 0.0.1"),
        ("code_sha256", "0" * 64, "code of abm was changed"),
        ("scenario_sha256", "0" * 64, "scenario was changed"),
    ],
)
def test_what_changed_is_said_and_nothing_is_done(whole, tmp_path, key, value, complaint):
    folder = tmp_path / "run"
    folder.mkdir()
    manifest = json.loads((whole / "manifest.json").read_text()) | {key: value}
    text = json.dumps(manifest)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=complaint) as error:
        resume_batch(folder)
    assert "\n" not in str(error.value)
    assert (folder / "manifest.json").read_text() == text


def test_a_batch_that_was_killed_at_its_first_moment_can_be_begun_again(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / "manifest.json.partial").write_text("{")
    batch = run_batch(plan("run.runs=2"), folder, workers=1, quiet=True)
    assert len(batch.frame("runs")) == 2 * len(batch.policies)


def test_two_processes_do_not_work_on_one_batch(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with store.locked(folder):
        code = (
            "import sys; from pathlib import Path; from abm.montecarlo import store\n"
            "try:\n    store.locked(Path(sys.argv[1])).__enter__()\n"
            "except store.StoreError as error: print(error)"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True
        )
    assert "another process is working on it" in found.stdout


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    begun = store.write_manifest

    def and_then_full(*given: object) -> None:
        begun(*given)
        monkeypatch.setattr(store.folder.os, "fsync", full)

    monkeypatch.setattr("abm.montecarlo.store.write_manifest", and_then_full)
    with pytest.raises(StoreError, match="cannot be written: No space left") as error:
        run_batch(plan(), tmp_path / "run", workers=1, quiet=True)
    assert "\n" not in str(error.value)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["blocks"] == {}


def test_a_batch_stops_when_the_mean_is_known_whatever_the_workers(tmp_path):
    rule = "run.stop={measure='fees_usd', half_width=0.6, relative=true, least_runs=16}"
    given = plan("run.runs=96", "run.block=8", "run.policies=['none']", rule)
    found = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        batch = run_batch(given, folder, workers=workers, quiet=True)
        stopped = batch.manifest["stopped"]
        assert 16 <= stopped["runs"] < 96
        assert stopped["half_width"] <= 0.6 * stopped["mean"]
        assert len(batch.frame("runs")) == stopped["runs"] * len(batch.policies)
        found.append(contents(folder))
    assert found[0] == found[1]
    before = time.monotonic()
    resume_batch(tmp_path / "1", workers=1, quiet=True)
    assert contents(tmp_path / "1") == found[0]
    assert time.monotonic() - before < 5


def test_a_measure_that_does_not_exist_is_refused(tmp_path):
    rule = "run.stop={measure='joy', half_width=1.0}"
    with pytest.raises(StoreError, match=r"run\.stop\.measure = 'joy': must be one of"):
        run_batch(plan(rule), tmp_path / "run")
    assert not (tmp_path / "run").exists()
