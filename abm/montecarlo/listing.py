"""What batches there are below a folder, how far they are, and how large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from abm.montecarlo.store import MANIFEST


class Listed(NamedTuple):
    """A batch: where it is, what it was, and how much of it is done.

    `state` is ``whole``, ``stopped`` (its stopping rule was satisfied), ``unfinished`` or
    ``unreadable``; `size` is in bytes.
    """

    folder: Path
    name: str
    state: str
    runs: int
    planned: int
    failed: int
    policies: tuple[str, ...]
    size: int


def batches(root: Path) -> Iterator[Listed]:
    """All batches at or below a folder, those of studies and sweeps as well, by path."""
    for manifest in sorted(root.rglob(MANIFEST)):
        yield _listed(manifest)


def _listed(path: Path) -> Listed:
    folder = path.parent
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        done = [block["runs"] for block in manifest["blocks"].values()]
        runs = sum(end - start for start, end in done)
        planned = int(manifest["runs"])
        state = "whole" if runs == planned else "unfinished"
        return Listed(
            folder=folder,
            name=str(manifest["name"]),
            state="stopped" if manifest["stopped"] else state,
            runs=runs,
            planned=planned,
            failed=sum(block["failed"] for block in manifest["blocks"].values()),
            policies=tuple(manifest["policies"]),
            size=size,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Listed(folder, folder.name, "unreadable", 0, 0, 0, (), size)
