"""Sweeps leave a batch a point, and can be gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from abm import sweep
from abm.montecarlo.store import StoreError
from abm.montecarlo.sweeps import resume_sweep, run_sweep
from analysis.sensitivity import render_sensitivities, responses, sensitivities

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"
MEASURES = ["deficit_usd", "residual_usd"]


def tiny(**options):
    chosen = {"factors": {"venue.vault_usd": [1e3, 1e6], "oracle.feedback": [0.0, 0.3]}}
    return sweep.load(MINIMAL, ["run.runs=3", "time.duration_s=150"], chosen | options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweeps") / "grid"
    return run_sweep(tiny(), place, workers=1, quiet=True)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_point_has_its_responses(folder):
    table = responses(folder, MEASURES)
    assert len(table) == 4 * 3
    assert set(table["runs"]) == {3}
    assert table["venue.vault_usd"].nunique() == 2


def test_shares_of_variance_add_up_on_a_grid(folder):
    found = sensitivities(folder, MEASURES)
    for _, rows in found.dropna(subset="first").groupby(level=["policy", "measure"]):
        assert rows["first"].sum() <= 1 + 1e-9
        assert (rows["first"] <= rows["total"] + 1e-9).all()
        # Two keys: what one explains alone is what the other leaves.
        assert rows["first"].iloc[0] + rows["total"].iloc[1] == pytest.approx(1.0)
    assert "venue.vault_usd" in render_sensitivities(found, "grid")


def test_a_sweep_that_was_cut_off_ends_like_one_that_was_not(folder, tmp_path):
    place = tmp_path / "cut"
    shutil.copytree(folder, place)
    shutil.rmtree(place / "points" / "000002")
    victim = place / "points" / "000001" / "runs.parquet" / "block-000000.parquet"
    victim.write_bytes(b"")
    resume_sweep(place, workers=1, quiet=True)
    assert contents(place) == contents(folder)


def test_a_changed_sweep_is_refused(folder, tmp_path):
    place = tmp_path / "changed"
    place.mkdir()
    index = json.loads((folder / "sweep.json").read_text())
    index["scenario"]["venue"]["taker_fee_bps"] = 9.0
    (place / "sweep.json").write_text(json.dumps(index))
    with pytest.raises(StoreError, match="scenario was changed"):
        resume_sweep(place)
    with pytest.raises(StoreError, match="is not a sweep's folder"):
        resume_sweep(tmp_path)
