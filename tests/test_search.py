"""Searches: what a file and the options say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abm import search
from abm.scenario import ScenarioError

MINIMAL = Path(__file__).parents[1] / "configs" / "minimal.toml"
POLICY = """
[policies.mine]
preset = "pro-rata"
severity = { rule = "fixed", share = 0.2 }
seniority = { rule = "ladder", ages_s = [60.0, 600.0] }
"""
OVER = {"policies.mine.severity.share": {"low": 0.1, "high": 1.0}}


def write(folder: Path, text: str = "") -> Path:
    path = folder / "search.toml"
    path.write_text(f'extends = "{MINIMAL}"\nname = "tried"\n{POLICY}\n{text}')
    return path


def test_a_place_in_the_unit_cube_is_a_policy_with_those_values(tmp_path):
    options = search.over_of(
        [
            "policies.mine.severity.share=0.01:1:log",
            "policies.mine.allocation=pro-rata,levelling",
            "policies.mine.seniority.ages_s.0=10:60",
        ]
    )
    found = search.load(write(tmp_path), options={"over": options})
    [family] = found.families
    values = family.values(np.array([0.5, 0.7, 1.0]))
    assert values == {
        "severity.share": 0.1, "allocation": "levelling", "seniority.ages_s.0": 60.0
    }  # fmt: skip
    table = family.table(found.base, values)
    assert table["severity"] == {"rule": "fixed", "share": 0.1}
    assert table["seniority"]["ages_s"] == [60.0, 600.0]
    assert table["allocation"] == "levelling"


def test_nothing_is_reported_on_seeds_that_were_searched_on(tmp_path):
    options = {"over": OVER, "runs": 5, "report_runs": 9}
    found = search.load(write(tmp_path), ["run.seed=100"], options)
    assert found.search_seeds == range(100, 105)
    assert found.report_seeds == range(105, 114)
    scenario = found.scenario({"none": None}, found.report_seeds, block=1)
    assert (scenario.run.seed, scenario.run.runs) == (105, 9)
    assert scenario.run.stop is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "search: is missing"),
        ("[search.over]\n'venue.vault_usd' = [1, 2]", "must lead into a policy"),
        ("[search.over]\n'policies.mine.allocation' = []", "at least 1 entries"),
        ("[search.over]\n'policies.yours.allocation' = ['x']", "'yours' must be a policy"),
        (
            "[search.over]\n'policies.mine.seniority.ages_s.7' = [1.0]",
            "must be an entry: 0 to 1",
        ),
        (
            "[search]\nobjectives = [{measure = 'a'}, {measure = 'a'}]\n"
            "[search.over]\n'policies.mine.allocation' = ['pro-rata']",
            "objectives.1.measure = 'a': must be another one",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        search.load(path)
    assert complaint.replace("'", '"') in str(error.value).replace("'", '"')
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_options_that_are_no_range_and_no_choices_are_refused():
    for option in ("policies.mine.x", "policies.mine.x=1:2:sin", "=1:2"):
        with pytest.raises(ScenarioError, match="must be KEY=LOW:HIGH"):
            search.over_of([option])
