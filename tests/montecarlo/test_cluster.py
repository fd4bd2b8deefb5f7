"""A cluster on this machine leaves the bytes of one process, also when a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from abm import scenario as scenarios
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from abm.montecarlo.store import StoreError

pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "configs" / "minimal.toml"


def plan() -> Plan:
    return Plan.of(scenarios.load(MINIMAL, ["run.runs=12", "run.block=2"]))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two worker processes."""
    where = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    python = [sys.executable, "-m"]
    ends = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = subprocess.Popen(
        [*python, "distributed.cli.dask_scheduler", *ends, "--port", "0",
         "--scheduler-file", where], **quiet,
    )  # fmt: skip
    begun = time.monotonic()
    while not where.exists() and time.monotonic() - begun < 60:
        time.sleep(0.1)
    workers = [
        subprocess.Popen(
            [*python, "distributed.cli.dask_worker", *ends, "--scheduler-file", where,
             "--nthreads", "1", "--no-nanny", "--local-directory", tmp_path / name],
            **quiet,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    from distributed import Client

    client = Client(scheduler_file=str(where), set_as_default=False)
    client.wait_for_workers(2, timeout=60)
    address = client.scheduler.address
    client.close()
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def test_a_cluster_leaves_the_same_bytes_although_a_worker_is_killed(cluster, tmp_path):
    address, workers = cluster
    run_batch(plan(), tmp_path / "alone", workers=1, quiet=True)

    def kill_one_on_its_way() -> None:
        while not list((tmp_path / "together").glob("runs.parquet/block-*")):
            time.sleep(0.02)
        os.kill(workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one_on_its_way, daemon=True)
    killer.start()
    run_batch(plan(), tmp_path / "together", scheduler=address, quiet=True)
    killer.join(timeout=60)
    assert workers[0].wait() == -signal.SIGKILL
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")


def test_an_address_where_nothing_answers_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("abm.montecarlo.cluster.CONNECT_S", 1)
    with pytest.raises(StoreError, match=r"--scheduler tcp://127\.0\.0\.1:9: ") as error:
        run_batch(plan(), tmp_path / "run", scheduler="tcp://127.0.0.1:9", quiet=True)
    assert "\n" not in str(error.value)
