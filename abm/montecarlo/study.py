"""Runs a study: one batch a variant, side by side in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import begin_batch, resume_batch
from abm.montecarlo.store import Batch, StoreError
from abm.study import Study

INDEX = "study.json"
"""Names the study, its question and its variants in order, the base first."""


def run_study(
    study: Study, folder: Path, *, overwrite: bool = False, **how: Any
) -> dict[str, Batch]:
    """Run every variant of a study into a folder of its own below `folder`.

    Options are those of :func:`abm.montecarlo.runner.run_batch`.

    Returns
    -------
    dict
        The batches by the names of the variants, the base first.

    Raises
    ------
    StoreError
        If the folder exists (unless `overwrite`, and it is a study) or cannot be written.
    """
    store.create(folder, overwrite=overwrite, index=INDEX)
    for variant in study.variants:
        begin_batch(Plan.of(variant.scenario), folder / variant.slug)
    _write_index(study, folder)
    return resume_study(folder, **how)


def resume_study(folder: Path, **how: Any) -> dict[str, Batch]:
    """Go on with every variant of a study, as :func:`resume_batch` does with one.

    Raises
    ------
    StoreError
        If it is no study, or a variant cannot be gone on with.
    """
    variants = store.read_index(folder, INDEX, "study")["variants"]
    return {one["name"]: resume_batch(folder / one["folder"], **how) for one in variants}


def _write_index(study: Study, folder: Path) -> None:
    index = {
        "name": study.name,
        "question": study.question,
        "variants": [
            {"name": variant.name, "folder": variant.slug, "changes": list(variant.changes)}
            for variant in study.variants
        ],
    }
    try:
        text = json.dumps(index, indent=1)
        (folder / INDEX).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from None
