"""What the benchmarks share: timing, rows, and worlds of a given shape."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

REPETITIONS = 7


class Row(NamedTuple):
    """One line of the table: what was done, how fast by whom, and whether alike.

    `met` is None where no bar was set.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    bar: str
    met: bool | None
    same_work: str


def seconds(
    work: Callable[[Any], Any],
    prepare: Callable[[], Any] = lambda: None,
    repetitions: int = REPETITIONS,
) -> float:
    """Median processor time of `work(prepare())` in seconds; `prepare` is not timed.

    All contenders run on one thread, so processor time is what each would take on a core
    of its own, whoever else uses the machine.
    """
    times = []
    for _ in range(repetitions):
        ready = prepare()
        gc.disable()
        start = time.process_time()
        work(ready)
        times.append(time.process_time() - start)
        gc.enable()
    return statistics.median(times)


def interleaved(
    pairs: Iterable[tuple[Callable[[Any], Any], Callable[[], Any]]],
    repetitions: int = REPETITIONS,
    warm_up: int = 0,
) -> list[float]:
    """Medians as :func:`seconds` of several works, taking turns.

    On a machine that others use, too, turns are fairer than one block after the other.
    The first turns, by which caches and the interpreter get warm, do not count.
    """
    works = list(pairs)
    turns = [
        [seconds(work, prepare, 1) for work, prepare in works]
        for _ in range(warm_up + repetitions)
    ]
    return [statistics.median(column) for column in zip(*turns[warm_up:], strict=True)]


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| what | ours | peer | ratio | bar | met | same work |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}x"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        cells = (row.what, row.ours, row.peer, ratio, row.bar, met, row.same_work)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
