"""Runs a contest: one batch a strategy and share, side by side in one folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from abm.contest import Contest
from abm.montecarlo import store
from abm.montecarlo.entries import Entries
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import (
    How,
    Task,
    begin_batch,
    compute_tasks,
    reopened,
    resume_batch,
)
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
    """Go on with a contest; blocks that are whole are not computed again.

    All batches take turns, block by block, so that one that is ended by time has as many
    runs in every cell. On a Dask cluster they are computed one after the other.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`; `minutes` are those of all.

    Raises
    ------
    StoreError
        If it is no contest, or a batch cannot be gone on with.
    """
    entries = store.read_index(folder, INDEX, "contest")["entries"]
    places = [folder / one["folder"] for one in entries]
    wanted = How(**how)
    if wanted.scheduler is not None:
        _one_by_one(places, wanted)
    else:
        _in_turns(places, wanted)
    return {place.name: Batch(place) for place in places}


def _one_by_one(places: list[Path], how: How) -> None:
    begun = time.monotonic()
    for number, place in enumerate(places, 1):
        left = how
        if how.minutes is not None:
            spent = (time.monotonic() - begun) / 60.0
            left = how._replace(minutes=max(0.0, how.minutes - spent))
        title = f"{number} of {len(places)}: {place.name}"
        resume_batch(place, **left._replace(title=title)._asdict())


def _in_turns(places: list[Path], how: How) -> None:
    """Compute what is missing of all batches, the first blocks of all first."""
    begun = time.monotonic()
    with ExitStack() as stack:
        entered: dict[Path, Entries] = {}
        tasks: list[Task] = []
        runs = 0
        for place in places:
            stack.enter_context(store.locked(place))
            plan, manifest = reopened(place)
            entered[place] = stack.enter_context(Entries(plan, place, manifest))
            runs += plan.runs
            missing = (b for b in plan.blocks() if str(b.number) not in manifest["blocks"])
            tasks += [Task(plan, block, place) for block in missing]
        tasks.sort(key=lambda task: task.block.number)

        def in_time() -> Iterator[Task]:
            for task in tasks:
                spent = time.monotonic() - begun
                if how.minutes is not None and spent > 60.0 * how.minutes:
                    return
                yield task

        bar = tqdm(
            total=runs, unit="run", disable=True if how.quiet else None,
            initial=runs - sum(len(task.block.runs) for task in tasks),
        )  # fmt: skip
        with bar:
            for task, done in compute_tasks(in_time(), how, len(tasks)):
                entered[task.folder].enter(task.block, done)
                bar.update(len(task.block.runs))
