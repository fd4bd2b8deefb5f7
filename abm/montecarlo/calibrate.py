"""Fits a scenario's keys to an event by simulated moments.

The values sought are those at which the runs' moments lie nearest to what was measured,
each miss divided by how well its moment is known: half the width of its range, and the
scatter of the simulated value (the method of simulated moments: McFadden, Econometrica 57,
1989). All points share their seeds, so that a difference between two of them is the
values' doing (common random numbers), and the same search visits the same points: each is
a batch in the folder, and a search that is gone on with finds those that are whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from tqdm import tqdm

from abm import calibration as loading
from abm.calibration import Calibration, Target
from abm.montecarlo import store
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import ScenarioError, from_mapping
from abm.toml_out import to_toml

Floats = NDArray[np.float64]

INDEX = "calibration.json"
"""Says what is fitted to what; the batches of the points lie beside it."""

FITTED = "fitted.toml"
"""The values found, as a scenario that extends the one they were sought for."""

BEST = "best"
"""The batch that the table is made of: of the values found, or of those as they are."""

STEP = 0.08
"""Step of a key from which slopes are taken, as a share of its range.

Far more than rounding asks for: moments of a few runs jump where an account is or is not
liquidated, and only their trend is of use.
"""

_FAR = 10.0
"""Miss, in units of its uncertainty, of a moment that runs do not have at all."""


def run_calibration(
    calibration: Calibration, folder: Path, *, overwrite: bool = False, **how: Any
) -> Path:
    """Fit into a folder; with no keys to move, only run the values as they are.

    Parameters
    ----------
    **how
        The fields of :class:`abm.montecarlo.runner.How`.

    Raises
    ------
    StoreError
        If the folder exists (unless `overwrite`, and it is a calibration) or cannot be
        written.
    """
    store.create(folder, overwrite=overwrite, index=INDEX)
    index = {
        "name": calibration.base.name,
        "path": os.path.relpath(calibration.path, folder),
        "calibration": calibration.table.model_dump(mode="json"),
        "targets": calibration.targets.model_dump(mode="json"),
        "scenario": calibration.base.resolved(),
    }
    _write(folder / INDEX, json.dumps({**index, "sha256": _sha256(index)}, indent=1))
    return resume_calibration(folder, **how)


def resume_calibration(folder: Path, **how: Any) -> Path:
    """Go on with a calibration; points that are whole are not computed again.

    Raises
    ------
    StoreError
        If it is none, was changed, or another process is working on it.
    """
    with store.locked(folder):
        calibration = _calibration_of(folder)
        values: Mapping[str, Any] = {}
        if calibration.keys:
            values = _search(calibration, folder, how)
            _write_fitted(calibration, folder, values)
        _batch(folder, BEST, calibration, values, how)
    return folder


def _calibration_of(folder: Path) -> Calibration:
    """The calibration that a folder was begun with."""
    index = store.read_index(folder, INDEX, "calibration")
    rest = {key: value for key, value in index.items() if key != "sha256"}
    if _sha256(rest) != index["sha256"]:
        raise StoreError(
            f"{folder / INDEX}: cannot go on: it was changed since the calibration was "
            "begun (sha256 is of another)"
        )
    try:
        return Calibration(
            from_mapping(index["scenario"], source=str(folder / INDEX)),
            loading.CalibrationTable.model_validate(index["calibration"]),
            loading.Targets.model_validate(index["targets"]),
            index["path"],
        )
    except ValueError as error:
        raise StoreError(f"{folder / INDEX}: cannot go on: {error}") from None


# --- the search -------------------------------------------------------------------------


def _search(
    calibration: Calibration, folder: Path, how: Mapping[str, Any]
) -> dict[str, Any]:
    """The values at which the moments come nearest, within a number of points."""
    most = calibration.table.most_points
    tried: dict[tuple[Any, ...], Floats] = {}
    weights: list[Floats] = []
    bar = tqdm(desc="points", total=most, unit="point", disable=_off(how))

    def misses(place: Floats) -> Floats:
        values = calibration.values(place)
        key = tuple(values.values())
        if key not in tried:
            if len(tried) >= most:
                raise _EnoughError
            batch = _batch(folder, _point(values), calibration, values, how)
            runs = moments_of(batch, [t.moment for t in calibration.fitted])
            if not weights:
                weights.append(uncertainty(calibration.fitted, runs))
            tried[key] = missed(calibration.fitted, runs, weights[0])
            bar.update()
        return tried[key]

    start = np.clip(calibration.start(), 1e-6, 1.0 - 1e-6)

    # Far misses count less than by their square: a moment that no value of the keys can
    # bring into its range must not decide all others. Steps go with the size of what is
    # moved, so the unit cube is moved to where that is 1 to 2.
    def misses_moved(place: Floats) -> Floats:
        return misses(place - 1.0)

    with bar, suppress(_EnoughError):
        least_squares(
            misses_moved, 1.0 + start, bounds=(1.0, 2.0),
            diff_step=np.full(len(start), STEP), loss="soft_l1", x_scale=1.0, xtol=1e-3,
            ftol=1e-3,
        )  # fmt: skip
    found = min(tried, key=lambda key: _loss(tried[key]))
    return dict(zip(calibration.keys, found, strict=True))


class _EnoughError(Exception):
    """As many points were tried as were asked for."""


def _loss(misses: Floats) -> float:
    """What the search makes small: ``sum(2 (sqrt(1 + r^2) - 1))`` of the misses r."""
    return float(np.sum(2.0 * (np.sqrt(1.0 + misses**2) - 1.0)))


def moments_of(batch: Batch, moments: Sequence[str]) -> Floats:
    """Moments of every run, shape (runs, moments); NaN where a run has none."""
    table = batch.frame("moments", columns=["run", "moment", "value"])
    wide = table.pivot(index="run", columns="moment", values="value")
    return np.asarray(wide.reindex(columns=list(moments)).to_numpy(float))


def middle(targets: Sequence[Target], runs: Floats) -> Floats:
    """What stands for the runs: their mean, or their median where tails are heavy."""
    heavy = np.array([target.heavy for target in targets])
    known = ~np.isnan(runs).all(axis=0)
    found = np.full(runs.shape[1], np.nan)
    found[known] = np.where(
        heavy[known],
        np.nanmedian(runs[:, known], axis=0),
        np.nanmean(runs[:, known], axis=0),
    )
    return found


def uncertainty(targets: Sequence[Target], runs: Floats) -> Floats:
    """How well each moment is known: half its range, and the simulated value's scatter.

    The scatter is the standard error of the mean over runs; a median's is 1.25 times
    that for normal values, which is taken for all.
    """
    half = np.array([target.half_width for target in targets])
    factor = np.where([target.heavy for target in targets], 1.25, 1.0)
    count = np.maximum((~np.isnan(runs)).sum(axis=0), 1)
    known = ~np.isnan(runs).all(axis=0)
    spread = np.zeros(runs.shape[1])
    spread[known] = np.nanstd(runs[:, known], axis=0)
    return np.asarray(np.sqrt(half**2 + (factor * spread) ** 2 / count))


def missed(targets: Sequence[Target], runs: Floats, weight: Floats) -> Floats:
    """Misses of the moments in units of their uncertainty, shape (moments,)."""
    aim = np.array([target.value for target in targets])
    found = (middle(targets, runs) - aim) / weight
    return np.asarray(np.clip(np.nan_to_num(found, nan=_FAR), -_FAR, _FAR))


# --- the folder -------------------------------------------------------------------------


def _batch(
    folder: Path, place: str, calibration: Calibration, values: Mapping[str, Any],
    how: Mapping[str, Any],
) -> Batch:  # fmt: skip
    """The whole batch at some values: gone on with if it was begun."""
    path = folder / place
    quiet = {**how, "quiet": how.get("quiet") or place != BEST}
    if (path / store.MANIFEST).is_file():
        batch = resume_batch(path, **quiet)
    else:
        try:
            scenario = calibration.scenario(values)
        except ScenarioError as error:
            raise StoreError(f"{folder}: {error}") from None
        batch = run_batch(Plan.of(scenario), path, **quiet)
    failed = batch.frame("runs", columns=["failed", "error"])
    if failed["failed"].any():
        raise StoreError(f"{path}: a run failed: {failed['error'].dropna().iloc[0]}")
    if len(batch.manifest["blocks"]) < len(Plan.of(calibration.base).blocks()):
        raise StoreError(f"{path}: is not whole yet: `adl resume {folder}` goes on")
    return batch


def _point(values: Mapping[str, Any]) -> str:
    return f"points/{_sha256(values)[:12]}"


def _write_fitted(
    calibration: Calibration, folder: Path, values: Mapping[str, Any]
) -> None:
    """The values found as a scenario that extends the one that they belong to.

    A key within a list brings the whole list along, since lists are replaced whole.
    """
    data = calibration.scenario(values).resolved()
    found: dict[str, Any] = {
        "extends": calibration.path,
        "name": f"{calibration.base.name}-fitted",
    }
    for key in values:
        source, place = data, found
        *path, last = key.split(".")
        for part in path:
            if isinstance(source[part], list):
                last = part
                break
            source, place = source[part], place.setdefault(part, {})
        place[last] = source[last]
    _write(folder / FITTED, to_toml(found))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None


def _off(how: Mapping[str, Any]) -> bool | None:
    """No bar if it is to be quiet, nor where standard error is no terminal."""
    return True if how.get("quiet") else None


def _sha256(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()
