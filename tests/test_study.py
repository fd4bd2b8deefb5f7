from __future__ import annotations

from pathlib import Path

import pytest

from abm import scenario as scenarios
from abm import study
from abm.scenario import ScenarioError

CONFIGS = Path(__file__).parent.parent / "configs"


def write(folder: Path, table: str) -> Path:
    path = folder / "study.toml"
    path.write_text(f'extends = "{CONFIGS / "minimal.toml"}"\nname = "try"\n{table}')
    return path


GOOD = """
[study]
question = "Why?"

[study.variants]
"Full model" = []
"no feedback" = ["oracle.feedback=0", "run.runs=3"]
"""


def test_a_study_is_a_list_of_scenarios_the_base_first(tmp_path: Path):
    found = study.load(write(tmp_path, GOOD))
    assert (found.name, found.question) == ("try", "Why?")
    assert [one.slug for one in found.variants] == ["full-model", "no-feedback"]
    base, other = (one.scenario for one in found.variants)
    assert base.name == "try-full-model"
    assert (base.oracle.feedback, other.oracle.feedback) == (0.3, 0.0)
    assert base.markets == other.markets


def test_overrides_hold_for_all_variants_but_a_variants_own_keys_win(tmp_path: Path):
    found = study.load(write(tmp_path, GOOD), ["run.runs=2", "run.seed=9"])
    assert [one.scenario.run.runs for one in found.variants] == [2, 3]
    assert [one.scenario.run.seed for one in found.variants] == [9, 9]


def test_a_scenario_is_no_study(tmp_path: Path):
    assert study.is_study(write(tmp_path, GOOD))
    assert not study.is_study(CONFIGS / "minimal.toml")
    with pytest.raises(ScenarioError, match="is missing, so this is a scenario"):
        study.load(CONFIGS / "minimal.toml")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[study]\n", "study.variants: Field required"),
        ("[study]\nvariants = {}\n", "study.variants"),
        ("[study]\nvariants = 3\n", "study.variants"),
        ('[study.variants]\nfull = "oracle.feedback=0"\n', "study.variants.full"),
        ("[study]\nask = 1\n[study.variants]\nfull = []\n", "study.ask"),
        ('[study.variants]\n"!" = []\n', "must have a letter or a digit"),
        ('[study.variants]\n"a b" = []\n"A-b" = []\n', "would share the folder a-b"),
        (
            '[study.variants]\nbad = ["oracle.feedback=7"]\n',
            "variants.'bad': oracle.feedback",
        ),
        (
            '[study.variants]\nbad = ["oracle.feedbak=0"]\n',
            "variants.'bad': oracle.feedbak",
        ),
        ('[study.variants]\nbad = ["oracle"]\n', "must be KEY=VALUE"),
    ],
)
def test_what_is_wrong_with_a_study_is_said_in_one_line(
    tmp_path: Path, table: str, says: str
):
    with pytest.raises(ScenarioError) as error:
        study.load(write(tmp_path, table))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_reading_lays_a_file_over_what_it_extends(tmp_path: Path):
    data = scenarios.read(write(tmp_path, GOOD))
    assert data["name"] == "try"
    assert data["markets"]["ETH"]["start_usd"] == 4300.0
    assert "extends" not in data


def test_the_ablation_takes_one_ingredient_away_at_a_time():
    changes = scenarios.read(CONFIGS / "studies" / "ablation.toml")["study"]["variants"]
    assert list(changes) == [
        "full model", "no maker withdrawal", "no leverage", "thin tails", "no feedback",
    ]  # fmt: skip
    assert changes["full model"] == []
    base = scenarios.load(CONFIGS / "minimal.toml")
    for overrides in list(changes.values())[1:]:
        changed = scenarios.load(CONFIGS / "minimal.toml", overrides)
        assert changed != base
        # Every override names a key that the model knows and moves it.
        assert all(scenarios.load(CONFIGS / "minimal.toml", [one]) for one in overrides)
