"""Computes blocks on a Dask cluster; the blocks are those of one machine, byte for byte."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from abm.montecarlo.blocks import Computed, code_sha256, compute_block
from abm.montecarlo.plan import Block, Plan
from abm.montecarlo.store import StoreError

CONNECT_S = 10
"""How long to wait for the scheduler."""
_BLOCKS_A_THREAD = 2


def compute(
    address: str, plan: Plan, blocks: Iterator[Block], paranoid: bool
) -> Iterator[tuple[Block, Computed]]:
    """Blocks as they are computed by the workers of a scheduler, in any order.

    A block whose worker dies is given to another one. There are never more blocks on
    their way than two for every thread of the workers, so neither this process nor the
    scheduler grows with the number of blocks.

    Raises
    ------
    StoreError
        If Dask is not installed, nothing answers at the address, workers run other code,
        or a block kills every worker that is given it.
    """
    with _connected(address) as client:
        from distributed import as_completed

        _check_code(client, address)
        threads = sum(client.nthreads().values()) or 1
        started: dict[Any, Block] = {}

        def start(block: Block) -> Any:
            future = client.submit(compute_block, plan, block, paranoid, pure=False)
            started[future] = block
            return future

        first = itertools.islice(blocks, _BLOCKS_A_THREAD * threads)
        waiting = as_completed([start(block) for block in first], loop=client.loop)
        for future in waiting:
            block = started.pop(future)
            computed = _result(future, block, address)
            for following in itertools.islice(blocks, 1):
                waiting.add(start(following))
            yield block, computed


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise StoreError(
            "--scheduler: needs Dask: pip install 'adl-abm[cluster]'"
        ) from None
    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise StoreError(
            f"--scheduler {address}: nothing answers there, or it is no Dask scheduler; "
            f"must be an address such as tcp://host:8786 ({reason})"
        ) from None


def _check_code(client: Any, address: str) -> None:
    """Refuse workers whose results might not be those of this code."""
    ours = code_sha256()
    for worker, theirs in client.run(code_sha256).items():
        if theirs != ours:
            raise StoreError(
                f"--scheduler {address}: worker {worker} runs other code of abm: install "
                "the same version there"
            )


def _result(future: Any, block: Block, address: str) -> Computed:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        computed: Computed = future.result()
    except KilledWorker:
        raise StoreError(
            f"--scheduler {address}: block {block.number} killed every worker that was "
            "given it (out of memory?)"
        ) from None
    except (FutureCancelledError, OSError) as error:
        raise StoreError(
            f"--scheduler {address}: the connection was lost; whole blocks are kept "
            f"({' '.join(str(error).split())[:120]})"
        ) from None
    return computed
