"""A search on a crash whose front is known, and one that was cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from abm import search
from abm.montecarlo.search import FOUND, INDEX, resume_search, run_search
from abm.montecarlo.store import Batch, StoreError
from analysis.figures.front import save_front
from analysis.front import open_front, records, render_front

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"
SHARES = [0.002, 0.01, 0.5]
FAMILIES = [
    "policies.few={preset='pro-rata', severity={rule='fixed', share=1.0}, "
    "allocation='random'}",
    "policies.all={preset='pro-rata', severity={rule='fixed', share=1.0}}",
    "run.policies=['pro-rata']",
    "time.duration_s=300",
]
TABLE = {
    "over": {f"policies.{name}.severity.share": SHARES for name in ("few", "all")},
    "objectives": [{"measure": "residual_usd"}, {"measure": "largest_equity_share"}],
    "candidates": 6,
    "rounds": 1,
    "runs": 3,
    "report_runs": 5,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("searches") / "known"
    return run_search(search.load(MINIMAL, FAMILIES, TABLE), place, workers=1, quiet=True)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_front_is_the_whole_range_of_a_trade_off_without_the_dominated_family(folder):
    tried = {one["policy"]: one for one in json.loads((folder / FOUND).read_text())}
    front = [one for one in tried.values() if one["on_front"]]
    # Asking for more leaves less missing and takes more from somebody, at every share;
    # asking few accounts instead of all takes as much, and more from each.
    assert [one["family"] for one in front] == ["all"] * 3
    front.sort(key=lambda one: one["values"]["severity.share"])
    assert [one["values"]["severity.share"] for one in front] == SHARES
    residual = [one["means"]["residual_usd"] for one in front]
    assert residual == sorted(residual, reverse=True)
    largest = [one["means"]["largest_equity_share"] for one in front]
    assert largest == sorted(largest)


def test_what_is_reported_comes_from_fresh_seeds(folder):
    searched = set(Batch(folder / "rounds" / "00").frame("runs")["seed"])
    reported = Batch(folder / "report").frame("runs")
    assert searched == {1, 2, 3}
    assert set(reported["seed"]) == {4, 5, 6, 7, 8}
    front = open_front(folder)
    of_all = reported[reported["policy"] == front.found.index[0]]["residual_usd"]
    assert front.found["residual_usd"].iloc[0] == pytest.approx(of_all.mean())
    assert set(front.found.index) == set(reported["policy"])
    assert not front.found.loc["pro-rata", "is_candidate"]


def test_candidates_share_a_past_and_its_shocks(folder):
    runs = Batch(folder / "rounds" / "00").frame("runs")
    first = runs.groupby("run")["first_wave_s"].nunique()
    assert (first == 1).all()
    assert (runs["shared_s"] > 0).all()


def test_a_front_is_told_and_drawn(folder):
    front = open_front(folder)
    text = render_front(front)
    assert "severity.share" in text
    assert "on seeds 4 to 8" in text
    assert json.loads(json.dumps(records(front)))[0]["policy"] in text
    assert save_front(front, folder.parent).is_file()


def test_a_search_that_was_cut_off_ends_like_one_that_was_not(folder, tmp_path):
    place = tmp_path / "cut"
    shutil.copytree(folder, place)
    (place / FOUND).unlink()
    shutil.rmtree(place / "report")
    (place / "rounds" / "00" / "runs.parquet" / "block-000001.parquet").write_bytes(b"")
    with pytest.raises(StoreError, match="is not finished: `adl resume"):
        open_front(place)
    resume_search(place, workers=1, quiet=True)
    assert contents(place) == contents(folder)


def test_a_changed_search_or_a_measure_that_is_none_is_refused(folder, tmp_path):
    index = json.loads((folder / INDEX).read_text())
    index["search"]["runs"] = 4
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(StoreError, match="was changed since the search was begun"):
        resume_search(tmp_path)
    wrong = {**TABLE, "objectives": [{"measure": "joy"}, {"measure": "residual_usd"}]}
    with pytest.raises(StoreError, match=r"objectives\.0\.measure = 'joy': must be one"):
        run_search(search.load(MINIMAL, FAMILIES, wrong), tmp_path / "new")
    assert not (tmp_path / "new").exists()
