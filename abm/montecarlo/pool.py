"""Processes that compute side by side and leave Ctrl-C to the one that began them.

Every such process loads this module, so it loads little.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from abm.montecarlo.store import StoreError

_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""Has glibc ask for huge pages; worlds are read at random, which is 3% quicker in them."""


def new_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of so many processes, each begun when there is work for it."""
    os.environ.setdefault("GLIBC_TUNABLES", _HUGE_PAGES)
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


@contextmanager
def worker_pool(workers: int | None) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` that computes in processes, one a core if None; in this one if only one."""
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield map
        return
    pool = new_pool(workers)
    try:
        yield pool.map
    except BrokenProcessPool:
        raise StoreError("a worker process died (out of memory?)") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the parent, so that a worker finishes its block, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave once the parent is gone, however it ended: nobody asks for blocks any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
