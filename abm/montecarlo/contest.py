"""Runs a contest: one batch a strategy and share, side by side in one folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from abm.contest import Contest
from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import begin_batch, resume_batch
from abm.montecarlo.store import Batch, StoreError

INDEX = "contest.json"
"""Names the contest, its question and its batches, baselines first."""


def run_contest(
    contest: Contest, folder: Path, *, overwrite: bool = False, **how: Any
) -> dict[str, Batch]:
    """Run every batch of a contest into a folder of its own below `folder`.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`.

    Returns
    -------
    dict
        The batches by the names of their folders.

    Raises
    ------
    StoreError
        If the folder exists (unless `overwrite`, and it is a contest) or cannot be
        written.
    """
    begin_contest(contest, folder, overwrite=overwrite)
    return resume_contest(folder, **how)


def begin_contest(contest: Contest, folder: Path, *, overwrite: bool = False) -> None:
    """Make the folder of a contest of which nothing is computed yet; errors as above."""
    store.create(folder, overwrite=overwrite, index=INDEX)
    for entry in contest.entries:
        begin_batch(Plan.of(entry.scenario), folder / entry.folder)
    index = {
        "name": contest.name,
        "question": contest.question,
        "entries": [
            {
                "strategy": entry.strategy,
                "adopters": entry.adopters,
                "part": entry.part,
                "folder": entry.folder,
            }
            for entry in contest.entries
        ],
    }
    try:
        text = json.dumps(index, indent=1)
        (folder / INDEX).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from None


def resume_contest(folder: Path, **how: Any) -> dict[str, Batch]:
    """Go on with every batch of a contest, as :func:`resume_batch` does with one.

    `minutes` are those of all together.

    Raises
    ------
    StoreError
        If it is no contest, or a batch cannot be gone on with.
    """
    entries = store.read_index(folder, INDEX, "contest")["entries"]
    begun, found = time.monotonic(), {}
    for number, one in enumerate(entries, 1):
        name = one["folder"]
        left = dict(how)
        if how.get("minutes") is not None:
            left["minutes"] = max(0.0, how["minutes"] - (time.monotonic() - begun) / 60.0)
        title = f"{number} of {len(entries)}: {name}"
        found[name] = resume_batch(folder / name, **{"title": title, **left})
    return found
