"""Fitting by simulated moments: misses by hand, a search with a known answer, a folder."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from abm import calibration, scenario
from abm.montecarlo import calibrate
from abm.montecarlo.store import StoreError
from tests.command import adl
from tests.test_calibration import MINIMAL, ONE

TWO = (
    ONE
    + """
[[targets]]
id = "B"
moment = "batches"
says = "times at which there was ADL"
value = 4.0
low = 2.0
high = 6.0
range = "ours"
heavy = true
source = "nobody"
reliability = "C"
"""
)


def loaded(folder: Path, **options):
    path = folder / "made.toml"
    path.write_text(TWO)
    return calibration.load(MINIMAL, (), {"targets": str(path)} | options)


# --- misses -----------------------------------------------------------------------------


def test_misses_are_in_units_of_range_and_scatter(tmp_path):
    targets = loaded(tmp_path).fitted
    runs = np.array([[0.5, 1.0], [0.7, 2.0], [0.6, 30.0], [0.6, np.nan]])
    assert calibrate.middle(targets, runs).tolist() == pytest.approx([0.6, 2.0])
    weight = calibrate.uncertainty(targets, runs)
    first = np.hypot(0.1, np.std(runs[:, 0]) / 2.0)
    second = np.hypot(2.0, 1.25 * np.std([1.0, 2.0, 30.0]) / np.sqrt(3.0))
    assert weight.tolist() == pytest.approx([first, second])
    missed = calibrate.missed(targets, runs, weight)
    assert missed.tolist() == pytest.approx([-0.3 / first, -2.0 / second])


def test_a_moment_that_no_run_has_is_missed_by_far(tmp_path):
    targets = loaded(tmp_path).fitted
    runs = np.full((3, 2), np.nan)
    weight = calibrate.uncertainty(targets, runs)
    assert weight.tolist() == pytest.approx([0.1, 2.0])
    assert calibrate.missed(targets, runs, weight).tolist() == [10.0, 10.0]


# --- the search -------------------------------------------------------------------------


@pytest.fixture
def made_up_runs(monkeypatch):
    """Runs whose moments are smooth in the values, with noise that all points share."""
    visited = []

    def batch(folder, place, made, values, how):
        visited.append(dict(values))
        return values

    def moments_of(values, moments):
        noise = np.random.default_rng(3).normal(0.0, 0.02, 8)
        share, size = values["kinds.passive.share"], values["venue.vault_usd"]
        columns = {"adl.full": share + noise, "batches": np.log10(size) + 10.0 * noise}
        return np.column_stack([columns[name] for name in moments])

    monkeypatch.setattr(calibrate, "_batch", batch)
    monkeypatch.setattr(calibrate, "moments_of", moments_of)
    return visited


class Unchecked(calibration.Calibration):
    """Without a scenario behind it: the made-up runs need none."""

    def start(self):
        return np.array([0.1, 0.9])

    def _is_whole(self, key):
        return False


def search(folder, most_points=60):
    ranges = {
        "kinds.passive.share": {"low": 0.0, "high": 1.0},
        "venue.vault_usd": {"low": 1e2, "high": 1e8, "log": True},
    }
    found = loaded(folder)
    table = found.table.model_copy(
        update={
            "over": {k: calibration.FactorRange(**r) for k, r in ranges.items()},
            "most_points": most_points,
        }
    )
    made = Unchecked(found.base, table, found.targets, found.path)
    return calibrate._search(made, folder, {"quiet": True})


def test_the_search_finds_values_whose_moments_are_the_targets(made_up_runs, tmp_path):
    noise = np.random.default_rng(3).normal(0.0, 0.02, 8)
    found = search(tmp_path)
    assert found["kinds.passive.share"] == pytest.approx(0.9 - noise.mean(), abs=0.01)
    exponent = np.log10(found["venue.vault_usd"])
    assert exponent == pytest.approx(4.0 - 10.0 * np.median(noise), abs=0.1)
    assert len(made_up_runs) < 40


def test_the_search_stops_after_so_many_points_with_the_best_of_them(
    made_up_runs, tmp_path
):
    found = search(tmp_path, most_points=4)
    assert len(made_up_runs) == 4
    assert found in made_up_runs


def test_the_same_search_visits_the_same_points(made_up_runs, tmp_path):
    search(tmp_path)
    first = list(made_up_runs)
    made_up_runs.clear()
    search(tmp_path)
    assert made_up_runs == first


# --- a folder ---------------------------------------------------------------------------


def test_a_calibration_leaves_values_a_table_and_a_page_and_can_be_resumed(tmp_path):
    (tmp_path / "made.toml").write_text(TWO)
    words = [
        "calibrate", MINIMAL, "--targets", tmp_path / "made.toml", "--runs", 2,
        "--workers", 1, "--set", "time.duration_s=100", "--points", 2,
        "--over", "venue.vault_usd=1e3:1e5:log", "--out", tmp_path / "fit",
    ]  # fmt: skip
    page = tmp_path / "page.md"
    done = adl(*words, "--page", page, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [row["id"] for row in told["targets"]] == ["A", "B"]
    fitted = tomllib.loads((tmp_path / "fit" / "fitted.toml").read_text())
    assert 1e3 <= fitted["venue"]["vault_usd"] <= 1e5
    assert scenario.load(tmp_path / "fit" / "fitted.toml").name == "minimal-fitted"
    assert told["scenario_sha256"] in page.read_text()
    points = list((tmp_path / "fit" / "points").iterdir())
    stamps = {p: (p / "manifest.json").stat().st_mtime_ns for p in points}
    again = adl("resume", tmp_path / "fit", "--workers", 1)
    assert again.exit_code == 0, again.output
    assert {p: (p / "manifest.json").stat().st_mtime_ns for p in points} == stamps
    index = tmp_path / "fit" / calibrate.INDEX
    index.write_text(index.read_text().replace('"runs": 2', '"runs": 3'))
    with pytest.raises(StoreError, match="was changed since"):
        calibrate.resume_calibration(tmp_path / "fit")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], "--targets"),
        (["--targets", "nowhere.toml", "--check"], "nowhere.toml"),
        (["--targets", "made.toml"], "--over"),
        (["--targets", "made.toml", "--over", "venue.vault_usd=1"], "--over venue"),
        (["--targets", "made.toml", "--check", "--moments", "Z"], "'Z'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("made.toml").write_text(TWO)
    done = adl("calibrate", MINIMAL, *words)
    assert done.exit_code == 2
    [line] = [line for line in done.stderr.splitlines() if line]
    assert names in line
    assert [path.name for path in tmp_path.iterdir()] == ["made.toml"]
