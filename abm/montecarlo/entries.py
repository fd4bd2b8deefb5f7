"""The manifest of a batch on its way: whole blocks are entered, and it is written."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

from abm.montecarlo import stopping, store
from abm.montecarlo.blocks import Done
from abm.montecarlo.plan import Block, Plan

MOST_OF_THE_TIME = 0.05
"""Share of the time that may go into writing the manifest, which grows with the batch."""


class Entries:
    """Enters blocks in a batch's manifest and keeps the file up to date.

    The file is written after every block, unless that took too much of the time: then
    blocks wait, for so short a time that a process which is killed loses little. On
    leaving the context nothing waits any more.

    Parameters
    ----------
    plan : Plan
    folder : Path
    manifest : dict
        Is changed in place.
    """

    def __init__(self, plan: Plan, folder: Path, manifest: dict[str, Any]) -> None:
        self._plan, self._folder, self._manifest = plan, folder, manifest
        self._moments, self._looked_at = stopping.Moments(), 0
        self._is_waiting, self._next_at = False, 0.0

    def __enter__(self) -> Entries:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._is_waiting:
            self._write()

    def enter(self, block: Block, done: Done) -> None:
        """Enter a block that is whole.

        Raises
        ------
        StoreError
            If the manifest cannot be written.
        """
        stop = self._plan.scenario.run.stop
        self._manifest["blocks"][str(block.number)] = {
            "runs": [block.runs.start, block.runs.stop],
            "failed": done.failed,
            "sha256": done.digests,
        } | ({"watched": done.values} if stop else {})
        self._manifest["stopped"] = self._stopped_at()
        self._is_waiting = True
        if time.monotonic() >= self._next_at:
            self._write()

    def _write(self) -> None:
        begun = time.monotonic()
        store.write_manifest(self._folder, self._manifest)
        ended = time.monotonic()
        self._is_waiting = False
        self._next_at = ended + (ended - begun) / MOST_OF_THE_TIME

    def _stopped_at(self) -> dict[str, Any] | None:
        """Where the stopping rule ends the batch, looking at blocks in order; or None.

        What it says depends on the first blocks alone, not on which were computed first.
        """
        stop = self._plan.scenario.run.stop
        if stop is None:
            return None
        blocks = self._manifest["blocks"]
        while str(self._looked_at) in blocks:
            watched = blocks[str(self._looked_at)]["watched"]
            self._moments = self._moments.with_values(watched)
            found = stopping.interval(self._moments, stop.level, self._plan.runs)
            if stopping.is_enough(found, stop):
                return {"after_block": self._looked_at, **found._asdict()}
            self._looked_at += 1
        return None
