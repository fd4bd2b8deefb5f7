from __future__ import annotations

import json
from pathlib import Path

import pytest

from abm import study as studies
from abm.montecarlo.store import StoreError
from abm.montecarlo.study import run_study
from analysis.ablation import ablation, finding, open_study, render_ablation
from analysis.figures.ablation import draw_study

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"

TEXT = f"""
extends = "{MINIMAL}"
name = "tiny"
time.duration_s = 150
run.runs = 6
run.policies = ["pro-rata", "none"]
study.question = "What does the shock do?"
study.variants = {{ full = [], "no shock" = ["shocks=[]"] }}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> studies.Study:
    path = tmp_path_factory.mktemp("configs") / "tiny.toml"
    path.write_text(TEXT)
    return studies.load(path)


@pytest.fixture(scope="module")
def folder(tiny: studies.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "tiny"
    run_study(tiny, place, workers=1, quiet=True)
    return place


def test_every_variant_is_a_batch_of_its_own(folder: Path):
    question, batches = open_study(folder)
    assert question == "What does the shock do?"
    assert list(batches) == ["full", "no shock"]
    seeds = [set(batch.frame("runs")["seed"]) for batch in batches.values()]
    assert seeds[0] == seeds[1]
    assert len(seeds[0]) == 6
    index = json.loads((folder / "study.json").read_text())
    assert index["variants"][1]["changes"] == ["shocks=[]"]


def test_the_shock_makes_the_deficit_and_the_words_say_so(folder: Path):
    _, batches = open_study(folder)
    table = ablation(batches)
    assert table.loc[("full", "none"), "deficit"] > 0
    assert table.loc[("no shock", "none"), "deficit"] == 0
    assert table.loc[("no shock", "none"), "pairs"] == 6
    words = finding(table.xs("none", level="policy"), "none")
    assert words == "Under none the mean deficit is lower with no shock."
    text = render_ablation(table, "Why?")
    assert "-100%" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_studys_figure_is_written(folder: Path):
    question, batches = open_study(folder)
    assert draw_study(batches, folder, question).stat().st_size > 20_000


def test_a_studys_folder_is_replaced_only_if_asked_and_if_it_is_one(
    tiny: studies.Study, folder: Path, tmp_path: Path
):
    with pytest.raises(StoreError, match="exists already"):
        run_study(tiny, folder, workers=1, quiet=True)
    (tmp_path / "letters.txt").write_text("dear diary")
    with pytest.raises(StoreError, match=r"has no study\.json"):
        run_study(tiny, tmp_path, workers=1, quiet=True, overwrite=True)
    assert (tmp_path / "letters.txt").exists()


def test_a_folder_without_a_study_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="is not a study's folder"):
        open_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        open_study(tmp_path)
