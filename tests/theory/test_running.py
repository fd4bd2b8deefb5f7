"""The table, the page, what is kept, and the command."""

from __future__ import annotations

import csv
import json

import pytest

from abm.theory import running
from abm.theory.finding import Effort
from abm.theory.market import Market
from analysis import theory as told
from analysis.figures.theory import DRAWINGS, draw_all
from tests.command import adl

FEW = Effort(books=20, largest=2_000)
NONE = Market()


def run(folder, *names, **how):
    return running.run(folder, names, FEW, NONE, progress=lambda name: None, **how)


@pytest.mark.parametrize("name", running.MODULES)
def test_every_hypothesis_says_what_is_claimed_where_and_how_it_is_tested(name):
    title, paragraphs = running.told(name)
    assert title.endswith(".")
    if name == running.COUNTEREXAMPLES:
        return
    assert set(paragraphs) == set(running.LABELS)
    assert "arXiv" in paragraphs["Source"]


def test_what_is_whole_is_written_and_not_done_again(tmp_path, monkeypatch):
    first = run(tmp_path, "H9")
    monkeypatch.setattr(running.MODULES["H9"], "examine", None)
    assert run(tmp_path, "H9") == first
    with pytest.raises(TypeError):
        run(tmp_path, "H9", fresh=True)


def test_an_interruption_keeps_what_was_whole(tmp_path, monkeypatch):
    def interrupted(effort, market):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.MODULES["H13"], "examine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "H9", "H13")
    with (tmp_path / running.TABLE).open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["hypothesis"] for row in rows} == {"H9"}
    assert not (tmp_path / "H13.json").exists()


def test_other_settings_are_done_again(tmp_path):
    run(tmp_path, "H9")
    other = Effort(books=21, largest=2_000)
    (part,) = running.run(tmp_path, ["H9"], other, NONE, progress=lambda name: None)
    assert part.settings["books"] == 21


def test_a_damaged_part_is_done_again(tmp_path):
    first = run(tmp_path, "H9")
    (tmp_path / "H9.json").write_text("{", encoding="utf-8")
    assert run(tmp_path, "H9") == first


def test_the_page_has_every_row_and_its_verdict(tmp_path):
    parts = run(tmp_path, "H9", "H13", "H14", running.COUNTEREXAMPLES)
    page = told.page(told.read(tmp_path), {})
    for part in parts:
        for row in part.findings:
            assert f"| {row.case} |" in page
    assert "## H9: what whole contracts cost pro-rata" in page
    assert "(#h9-what-whole-contracts-cost-pro-rata)" in page
    assert "Needs a recorded batch" in page
    assert "nan" not in page


def test_figures_are_drawn_of_what_there_is(tmp_path):
    run(tmp_path, "H13")
    drawn = draw_all(told.read(tmp_path), tmp_path)
    assert [path.name for path, _ in drawn["H13"]] == ["theory-full-close.png"]
    assert set(drawn) == {"H13"}
    names = {name for drawing in DRAWINGS for name in drawing.needs}
    assert names <= set(running.MODULES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-1 / 3, "-0.333"), (55.74, "55.74"), (1234.5, "1,234"), (1e-9, "1e-09")],
)
def test_numbers_are_written_with_sensible_digits(value, text):
    assert told.number(value) == text


def test_the_command_prints_a_table_and_writes_it(tmp_path):
    out = tmp_path / "out"
    asked = ["theory", "--only", "h13", "--runs", 20, "--out", out, "--no-figures"]
    answer = adl(*asked)
    assert answer.exit_code == 0, answer.output
    assert "holds" in answer.output
    assert (out / "theory.csv").is_file()
    answer = adl(*asked, "--json")
    rows = json.loads(answer.stdout)["findings"]
    assert {row["hypothesis"] for row in rows} == {"H13"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--only", "H15"], "--only H15: no such hypothesis"),
        (["--only", ","], "--only: must name"),
        (["--batch", "nowhere"], "nowhere: is not a run folder"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, given, words):
    out = tmp_path / "out"
    answer = adl("theory", *given, "--out", out)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert not out.exists()
