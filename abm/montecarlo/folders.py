"""Batches within the folder of something larger: begun or gone on with, until whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import Scenario


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
