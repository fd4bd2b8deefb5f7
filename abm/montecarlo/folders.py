"""Batches within the folder of something larger: begun or gone on with, until whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abm import crowd
from abm.crowd import Question
from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import Scenario, from_mapping


def whole_batch(
    folder: Path, place: str, scenario: Scenario, title: str, how: Mapping[str, Any]
) -> Batch:
    """Begin the batch at a place in a folder, or go on with it.

    Raises
    ------
    StoreError
        If it is not whole after that, since there was not enough time.
    """
    if (folder / place / store.MANIFEST).is_file():
        batch = resume_batch(folder / place, title=title, **how)
    else:
        batch = run_batch(Plan.of(scenario), folder / place, title=title, **how)
    if len(batch.manifest["blocks"]) < len(Plan.of(scenario).blocks()):
        raise StoreError(
            f"{folder / place}: is not whole yet: `adl resume {folder}` goes on"
        )
    return batch


def begin_question(
    folder: Path, what: str, question: Question, told: Mapping[str, Any], overwrite: bool
) -> None:
    """Make the folder of a question to the crowd, with its index ``WHAT.json``.

    Parameters
    ----------
    what : str
        ``spread``, ``attack`` or ``commit``.
    told : mapping
        What else stands in the index.

    Raises
    ------
    StoreError
        If the folder exists (unless `overwrite`, and it is such a folder) or cannot be
        written.
    """
    name = f"{what}.json"
    store.create(folder, overwrite=overwrite, index=name)
    scenario, table = question.base.resolved(), question.table.model_dump(mode="json")
    index = {
        "name": question.base.name,
        **told,
        what: table,
        "scenario": scenario,
        "sha256": sha256(scenario, table),
    }
    write_json(folder / name, index)


@contextmanager
def reopened_question(folder: Path, what: str) -> Iterator[tuple[Question, dict[str, Any]]]:
    """A question and its index, with the folder locked.

    Raises
    ------
    StoreError
        If it is no such folder, was changed, or another process is working on it.
    """
    with store.locked(folder):
        path = folder / f"{what}.json"
        index = store.read_index(folder, path.name, what)
        if sha256(index["scenario"], index[what]) != index["sha256"]:
            raise StoreError(
                f"{path}: cannot go on: it was changed since it was begun (sha256 is of "
                "another)"
            )
        base = from_mapping(index["scenario"], source=str(path))
        yield crowd.of_table(base, what, index[what], str(path)), index


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        path.write_text(f"{json.dumps(value, indent=1)}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None


def sha256(*tables: Any) -> str:
    """SHA-256 of tables as JSON with sorted keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()
