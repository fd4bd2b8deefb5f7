from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.gaming.contests import make_contest
from tests.analysis.pages import PageReader
from tests.command import adl

MINIMAL = Path(__file__).parent.parent / "configs" / "minimal.toml"
EFFECTS = {("split", "queue"): (5e-3, 0.2), ("split", "pro-rata"): (0.0, 0.0)}


def _run(*words: object):
    return adl("game", *words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "made"
    return make_contest(folder, EFFECTS, shares=(0.017, 0.17))


def test_a_file_is_run_where_a_command_is_expected(tmp_path: Path):
    out = tmp_path / "out"
    given = [MINIMAL, "--strategy", "split", "--policy", "pro-rata", "--adopters", 0.3]
    given += ["--runs", 2, "--workers", 1, "--out", out, "--set", "time.duration_s=150"]
    result = _run(*given, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [cell["strategy"] for cell in told["cells"]] == ["split"]
    assert (out / "matrix.csv").is_file()
    assert (out / "figures" / "matrix.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "words",
    [
        ["nothing.toml"],
        [MINIMAL, "--strategy", "nap"],
        ["report", "nowhere"],
        ["strategies", "nap"],
        ["spread", MINIMAL, "--strategy", "nap"],
        ["attack", MINIMAL],
        ["attack", MINIMAL, "--over", "nonsense"],
        ["commit", MINIMAL],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = _run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("adl: ")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", ["run", "report", "strategies", "spread", "attack", "commit"]
)
def test_every_command_has_an_example(command: str):
    result = _run(command, "--help")
    assert result.exit_code == 0
    assert "Example: adl game" in result.output


def test_strategies_are_listed_and_one_is_ready_to_paste(tmp_path: Path):
    told = json.loads(_run("strategies", "--json").stdout)
    assert {"split", "reset-entry"} <= {one["name"] for one in told}
    assert all(one["idea"] and one["source"] for one in told)
    text = _run("strategies", "split").stdout
    (tmp_path / "mine.toml").write_text(f'extends = "{MINIMAL}"\n{text}')
    from abm import scenario

    loaded = scenario.load(tmp_path / "mine.toml", ["gaming.play.my-split=0.1"])
    assert loaded.strategies["my-split"]["rule"] == "split"


def test_the_report_is_a_page_with_its_tables(made: Path, tmp_path: Path):
    result = _run("report", made, "--out", tmp_path / "page.html", "--json")
    assert result.exit_code == 0, result.output
    page = PageReader((tmp_path / "page.html").read_text("utf-8"))
    assert {"verdicts", "trade-offs", "honest", "mass", "facts"} <= set(page.texts)
    verdicts = page.texts["verdicts"]
    assert "exploitable, harmful in 1" in verdicts
    assert "proof in 1" in verdicts
    # Ten times as many players do ten times the harm, and 20% is where it is sure.
    assert "split under queue: it matters for sure from 1.7% on" in page.texts["mass"]
    assert "no folder of adl game spread" in page.texts["facts"].replace("`", "")
    assert len(set(page.ids)) == len(page.ids)
    names = {Path(path).name for path in json.loads(result.stdout)["tables"]}
    assert {"verdicts.csv", "gains.csv", "honest.csv", "shares.csv", "matrix.csv"} <= names


def test_what_counts_can_be_said(made: Path, tmp_path: Path):
    given = ["report", made, "--out", tmp_path / "page.html", "--gain-bp", 100]
    assert _run(*given).exit_code == 0
    page = PageReader((tmp_path / "page.html").read_text("utf-8"))
    assert "proof in 2" in page.texts["verdicts"]
