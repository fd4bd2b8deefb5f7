"""Runs a sweep: one batch a point, in one folder that can be gone on with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import StoreError
from abm.scenario import from_mapping
from abm.sweep import Sweep, at_point

INDEX = "sweep.json"
"""Names the design, its keys and its points; the batch of each lies beside it."""


def run_sweep(sweep: Sweep, folder: Path, *, overwrite: bool = False, **how: Any) -> Path:
    """Run every point of a sweep into a folder of its own below `folder`.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`.

    Raises
    ------
    StoreError
        If the folder exists (unless `overwrite`, and it is a sweep) or cannot be written.
    """
    store.create(folder, overwrite=overwrite, index=INDEX)
    base = sweep.base.resolved()
    index = {
        "name": sweep.name,
        "design": sweep.table.design,
        "factors": list(sweep.points[0]),
        "scenario": base,
        "scenario_sha256": _sha256(base),
        "points": [
            {"folder": folder_of(number), "values": point}
            for number, point in enumerate(sweep.points)
        ],
    }
    try:
        text = json.dumps(index, indent=1)
        (folder / INDEX).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from None
    return resume_sweep(folder, **how)


def resume_sweep(folder: Path, **how: Any) -> Path:
    """Go on with a sweep: whole points are left alone, the others resumed or begun.

    Raises
    ------
    StoreError
        If it is no sweep, was changed, or another process is working on it.
    """
    with store.locked(folder):
        index = store.read_index(folder, INDEX, "sweep")
        if _sha256(index["scenario"]) != index["scenario_sha256"]:
            raise StoreError(
                f"{folder / INDEX}: cannot go on: its scenario was changed since the sweep "
                "was begun (scenario_sha256 is of another)"
            )
        base = from_mapping(index["scenario"], source=str(folder / INDEX))
        quiet = {**how, "quiet": True}
        off = True if how.get("quiet") else None
        for point in tqdm(index["points"], unit="point", disable=off):
            place = folder / point["folder"]
            if (place / store.MANIFEST).is_file():
                resume_batch(place, **quiet)
            else:
                scenario = at_point(base, point["values"], str(folder / INDEX))
                run_batch(Plan.of(scenario), place, **quiet)
    return folder


def folder_of(number: int) -> str:
    """Where a point's batch lies."""
    return f"points/{number:06d}"


def _sha256(scenario: dict[str, Any]) -> str:
    text = json.dumps(scenario, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
