"""Figures drawn side by side, in processes that are made ready while runs are computed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abm.montecarlo.store import Batch


def load_plotting_ahead() -> None:
    """Begin to load the plotting in the process that others are forked from.

    Where there is one core only, it would take the time from the runs.
    """
    if (os.cpu_count() or 1) < 2:
        return
    forkserver.set_forkserver_preload(["__main__", "analysis.figures"])
    # While it loads, Ctrl-C is for this process alone.
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, ours)


@contextmanager
def drawn_aside(batch: Batch, wanted: bool) -> Iterator[Callable[[], list[Path]]]:
    """Draw the figures of a batch, if wanted, while the caller goes on.

    Gives a function that waits for them and returns the files.
    """
    if not wanted:
        yield list
        return
    from abm.montecarlo.pool import worker_pool
    from analysis import gallery

    groups = gallery.groups(batch)
    with worker_pool(None) as apply:
        drawn = apply(gallery.draw, [batch.folder] * len(groups), groups)
        yield lambda: list(chain.from_iterable(drawn))
