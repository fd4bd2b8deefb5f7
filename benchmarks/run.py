"""Run all benchmarks, print one table, and write it to ``results.md``."""

from __future__ import annotations

import importlib
import platform
from pathlib import Path

# lrvx goes first: it wants thread-local storage that other libraries would use up.
import lrvx  # noqa: F401

from abm.warm import warm_up
from benchmarks.common import Row, table

PARTS = (
    "book", "marks", "crash", "step", "allocation", "runs", "gaming", "scaling",
    "throughput",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results.md"


def processor() -> str:
    """Name of the processor as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()


def main() -> None:
    """Measure everything; each part prints its rows as soon as it has them."""
    warm_up()
    rows: list[Row] = []
    for part in PARTS:
        print(f"{part} ...", flush=True)
        found = importlib.import_module(f"benchmarks.{part}").run()
        for row in found:
            print(f"  {row.what}: {row.ours} {row.peer}", flush=True)
        rows += found
    text = table(rows)
    print(f"\n{text}")
    RESULTS.write_text(
        "# Benchmarks\n\n"
        f"Python {platform.python_version()}, {processor()}, one core. Medians of "
        "processor time, the contenders in turns in one run; `make bench` writes this.\n\n"
        f"{text}\n\n![Time of a step against the number of accounts](step_time.png)\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
