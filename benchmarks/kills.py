"""Kill a batch at random moments, go on each time, and compare it byte for byte.

    python -m benchmarks.kills --kills 30

Exits with 1 if the store that was killed differs from one that was not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from abm.montecarlo.store import MANIFEST

HERE = Path(__file__).parent
MINIMAL = HERE.parent / "configs" / "minimal.toml"

_CHILD = """
import sys
from pathlib import Path
from abm import scenario
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.warm import warm_up

folder, workers, config, *overrides = sys.argv[1:]
how = {"workers": int(workers), "quiet": True}
warm_up(quiet=True)
print("begun", flush=True)
if (Path(folder) / "manifest.json").exists():
    resume_batch(Path(folder), **how)
else:
    run_batch(Plan.of(scenario.load(config, overrides)), Path(folder), **how)
"""


def begin(
    folder: Path, workers: int, config: Path, overrides: list[str]
) -> subprocess.Popen:
    """A process that begins a batch or goes on with it, as soon as it is about to."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, folder, str(workers), config, *overrides],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def kill(child: subprocess.Popen) -> None:
    """End a process and all that it has started, at once."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def listed(folder: Path) -> dict[str, dict]:
    """The blocks that a manifest names; none before there is a manifest."""
    path = folder / MANIFEST
    return json.loads(path.read_text())["blocks"] if path.exists() else {}


def torture(
    kills: int, seed: int, workers: int, config: Path, overrides: list[str]
) -> tuple[int, bool]:
    """Kill a batch so many times, let it end, and compare.

    Returns
    -------
    tuple
        Kills that left a batch with some of its blocks whole, and whether all is equal.
    """
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="adl-kills-") as place:
        whole, killed = Path(place) / "whole", Path(place) / "killed"
        child, begun = begin(whole, workers, config, overrides), time.monotonic()
        while not listed(whole) and child.poll() is None:
            time.sleep(0.01)
        first = time.monotonic() - begun
        child.wait()
        # Up to the first block and a kill's share of the rest, so that kills come before,
        # between and within blocks, and the batch outlives them all.
        span = first + (time.monotonic() - begun - first) / kills
        done = hit = 0
        equal, blocks = True, listed(whole)
        while done < kills:
            child = begin(killed, workers, config, overrides)
            try:
                child.wait(timeout=moments.uniform(0.0, span))
                # It came to its end before all kills were done: on with another.
                equal &= contents(killed) == contents(whole)
                shutil.rmtree(killed)
                continue
            except subprocess.TimeoutExpired:
                kill(child)
                done += 1
            now = listed(killed)
            assert all(blocks[number] == block for number, block in now.items())
            hit += 0 < len(now) < len(blocks)
            print(f"kill {done:3}: {len(now)} of {len(blocks)} blocks whole", flush=True)
        begin(killed, workers, config, overrides).wait()
        return hit, equal and contents(killed) == contents(whole)


def main() -> None:
    """Read the options, kill, and say what came out."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--config", type=Path, default=MINIMAL)
    options.add_argument("--runs", type=int, default=120)
    given = options.parse_args()
    overrides = [f"run.runs={given.runs}", "run.block=1"]
    hit, equal = torture(given.kills, given.seed, given.workers, given.config, overrides)
    print(
        f"{hit} of {given.kills} kills left some blocks whole and others not; the store is "
        f"{'the same' if equal else 'DIFFERENT'}"
    )
    sys.exit(0 if equal and hit else 1)


if __name__ == "__main__":
    main()
