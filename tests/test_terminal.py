"""What a person at a terminal sees of long work: how fast, how long still, how to go on."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from abm.montecarlo.store import Batch

ROOT = Path(__file__).parents[1]
PATIENCE_S = 180


def test_the_bar_tells_rate_and_remaining_time_and_an_interrupt_how_to_go_on(tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [
        sys.executable, "-m", "abm.cli", "run", "configs/minimal.toml", "--runs", "5000",
        "--set", "run.block=2", "--workers", "1", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # Whoever runs the tests in the background has interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(theirs)
    # Two of 5,000 runs done, time spent, time left, and runs a second or seconds a run.
    telling = rb"\| (\d+)/5000 \[\d\d:\d\d<[\d:]+, +[\d.]+(run/s|s/run)\]"
    seen = _read(ours, telling)
    os.killpg(child.pid, signal.SIGINT)
    seen += _read(ours, None)
    assert child.wait(timeout=PATIENCE_S) == 130
    assert f"adl resume {tmp_path / 'run'}" in re.sub(r"\s+", " ", seen.decode())
    last = [int(found[1]) for found in re.finditer(telling, seen)][-1]
    assert len(Batch(tmp_path / "run").frame("runs")) >= 3 * last > 0


def _read(terminal: int, until: bytes | None) -> bytes:
    """What appears on a terminal until a pattern does, or until it is closed."""
    seen, end = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < end and not (until and re.search(until, seen)):
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            some = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not some:
            break
        seen += some
    return seen
