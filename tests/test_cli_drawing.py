"""Figures that the command has drawn in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from abm.cli.drawing import drawn_aside
from abm.montecarlo.store import StoreError
from analysis.figures import draw_all
from tests.analysis.batches import crowd_batch

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_a_figure_drawn_in_another_process_has_the_bytes_of_one_drawn_here(tmp_path: Path):
    batch = crowd_batch(tmp_path, runs=6)
    here = {path.name: path.read_bytes() for path in draw_all(batch, tmp_path / "here")}
    with drawn_aside(batch, True) as drawn:
        aside = drawn()
    assert [path.name for path in aside] == list(here)
    assert {path.name: path.read_bytes() for path in aside} == here


def is_loaded(name: str) -> bool:
    return name in sys.modules


ASKING = """
from abm.cli.drawing import load_plotting_ahead
from abm.montecarlo.pool import worker_pool
from tests.test_cli_drawing import is_loaded

load_plotting_ahead()
with worker_pool(2) as apply:
    print(*apply(is_loaded, ["analysis.figures", "numba"]))
"""


def test_a_process_that_draws_loads_no_simulation():
    # In a process of its own: here others are forked from one that has loaded a lot.
    done = subprocess.run(
        [sys.executable, "-c", ASKING], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split() == ["True", "False"]


def test_nothing_is_drawn_unasked(tmp_path: Path):
    with drawn_aside(crowd_batch(tmp_path, runs=2), False) as drawn:
        assert drawn() == []
    assert not (tmp_path / "figures").exists()


def test_what_is_wrong_with_a_batch_is_told_from_the_other_process(tmp_path: Path):
    batch = crowd_batch(tmp_path, runs=2)
    (damaged,) = (tmp_path / "runs.parquet").iterdir()
    damaged.write_bytes(b"damaged")
    with drawn_aside(batch, True) as drawn, pytest.raises(StoreError, match="is damaged"):
        drawn()


def test_ctrl_c_while_the_plotting_loads_is_for_the_command_alone():
    code = (
        "import os, signal, time\n"
        "from abm.cli.drawing import load_plotting_ahead\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.cpu_count = lambda: 2\n"
        "load_plotting_ahead()\n"
        "time.sleep(0.5)\n"
        "try:\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "    time.sleep(5)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, timeout=60, start_new_session=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
