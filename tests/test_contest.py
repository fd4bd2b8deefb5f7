from __future__ import annotations

from pathlib import Path

import pytest

from abm import contest as contests
from abm import crowd
from abm.scenario import BUILT_IN_STRATEGIES, ScenarioError
from tests.scenario_files import only_line, write

ROOT = Path(__file__).parent.parent
MINIMAL = ROOT / "configs" / "minimal.toml"

TEXT = f"""
extends = "{MINIMAL}"
name = "tiny"
run.policies = ["hyperliquid", "none"]

[contest]
question = "Who gains?"
strategies = ["split", "leave-early"]
adopters = [0.1, 0.3]

[[contest.more]]
strategies = ["split"]
policies = ["none"]
adopters = [0.5]
runs = 3
"""


def _load(folder: Path, text: str = TEXT, **options: object) -> contests.Contest:
    return contests.load(write(folder, "tiny.toml", text), (), options)


def test_every_share_has_one_baseline_before_its_strategies(tmp_path: Path):
    found = _load(tmp_path)
    folders = [entry.folder for entry in found.entries]
    assert folders == [
        "honest-at-0.1", "split-at-0.1", "leave-early-at-0.1",
        "honest-at-0.3", "split-at-0.3", "leave-early-at-0.3",
        "1-honest-at-0.5", "1-split-at-0.5",
    ]  # fmt: skip
    for entry in found.entries:
        assert entry.scenario.gaming.honest == (entry.strategy == "")
        assert sum(entry.scenario.gaming.play.values()) == entry.adopters
    assert found.entries[1].scenario.gaming.play == {"split": 0.1}


def test_further_cells_have_policies_and_runs_of_their_own(tmp_path: Path):
    *first, last = _load(tmp_path).entries
    assert last.scenario.run.policies == ("none",)
    assert last.scenario.run.runs == 3
    assert first[0].scenario.run.policies == ("hyperliquid", "none")
    assert {entry.scenario.run.seed for entry in first} == {last.scenario.run.seed}


def test_a_file_without_a_contest_plays_all_strategies_at_the_measured_share():
    found = contests.load(MINIMAL)
    assert [entry.strategy for entry in found.entries] == ["", *BUILT_IN_STRATEGIES]
    assert {entry.adopters for entry in found.entries} == {contests.MEASURED_SHARE}


def test_options_replace_the_table_and_leave_further_cells_out(tmp_path: Path):
    found = _load(tmp_path, strategies=["extract"], adopters=[0.2])
    assert [entry.folder for entry in found.entries] == ["honest-at-0.2", "extract-at-0.2"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (('["split", "leave-early"]', '["split", "nap"]'), ("nap",)),
        (("[0.1, 0.3]", "[0.1, 0.1]"), ("contest.adopters", "twice")),
        (("[0.1, 0.3]", "[]"), ("contest.adopters",)),
        (("[0.1, 0.3]", "[1.5]"), ("contest.adopters", "1.5")),
        (('policies = ["none"]', 'rules = ["none"]'), ("rules",)),
    ],
)
def test_a_contest_that_cannot_be_run_is_one_line_that_names_the_key(
    tmp_path: Path, change: tuple[str, str], names: tuple[str, ...]
):
    with pytest.raises(ScenarioError) as error:
        _load(tmp_path, TEXT.replace(*change, 1))
    line = only_line(error)
    assert all(name in line for name in names)


def test_the_gaming_study_is_nine_strategies_by_twelve_policies():
    path = ROOT / "configs" / "studies" / "gaming.toml"
    assert contests.is_contest(path)
    found = contests.load(path)
    first = [entry for entry in found.entries if entry.part == 0]
    assert [entry.strategy for entry in first] == ["", *BUILT_IN_STRATEGIES]
    assert {entry.adopters for entry in first} == {0.017}
    assert all(len(entry.scenario.run.policies) == 12 for entry in first)
    assert max(entry.adopters for entry in found.entries) >= 0.5


# --- the crowd's questions --------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "table", "names"),
    [
        ("spread", {"shares": [0.1, 1.0]}, ("spread.shares", "less than 1")),
        ("spread", {"policy": "lottery"}, ("spread.policy", "lottery")),
        ("attack", {"over": {"venue.vault_usd": [1, 2]}}, ("strategies.NAME.PARAMETER",)),
        ("attack", {"over": {"play.split": [1, 2]}}, ("range of weights",)),
        ("attack", {"over": {"strategies.split.accounts": []}}, ("at least 1",)),
        ("commit", {"candidates": 1}, ("commit.candidates",)),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line(
    what: str, table: dict[str, object], names: tuple[str, ...]
):
    with pytest.raises(ScenarioError) as error:
        crowd.load(MINIMAL, what, (), table)
    line = only_line(error)
    assert all(name in line for name in names)


def test_what_is_reported_comes_from_seeds_that_nothing_was_chosen_on():
    question = crowd.load(MINIMAL, "attack", (), {"runs": 5, "report_runs": 7})
    assert len(question.seeds) == 5
    assert len(question.fresh_seeds) == 7
    assert not set(question.seeds) & set(question.fresh_seeds)
