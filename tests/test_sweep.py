"""Sweeps: what a file and the options say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm import sweep
from abm.scenario import ScenarioError

MINIMAL = Path(__file__).parents[1] / "configs" / "minimal.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(f'extends = "{MINIMAL}"\nname = "tried"\n{text}')
    return path


def test_a_grid_in_a_file_makes_a_scenario_a_point(tmp_path):
    path = write(
        tmp_path,
        '[sweep.factors]\n"venue.vault_usd" = [1e4, 2e4]\n"venue.ladder" = ["hyperliquid"]',
    )
    assert sweep.is_sweep(path)
    found = sweep.load(path, ["run.runs=3"])
    assert [s.venue.vault_usd for s in found.scenarios] == [1e4, 2e4]
    assert {s.run.runs for s in found.scenarios} == {3}
    assert {s.venue.ladder for s in found.scenarios} == {"hyperliquid"}


def test_options_make_a_sweep_of_any_scenario():
    assert not sweep.is_sweep(MINIMAL)
    factors = sweep.grid_of(
        ["venue.vault_usd=1e4,2e4", 'run.policies=["none"],["pro-rata"]']
    )
    found = sweep.load(MINIMAL, options={"factors": factors})
    assert len(found.points) == 4
    assert [s.run.policies for s in found.scenarios[:2]] == [("none",), ("pro-rata",)]


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol", "saltelli"])
def test_ranges_are_filled(kind):
    factors = sweep.ranges_of(["venue.vault_usd=1e3:1e5:log", "oracle.feedback=0:0.5"])
    options = {"design": kind, "points": 4, "factors": factors}
    found = sweep.load(MINIMAL, options=options)
    assert len(found.points) == (16 if kind == "saltelli" else 4)
    for point, scenario in zip(found.points, found.scenarios, strict=True):
        assert 1e3 <= point["venue.vault_usd"] <= 1e5
        assert scenario.venue.vault_usd == point["venue.vault_usd"]
        assert scenario.oracle.feedback == point["oracle.feedback"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[sweep]\nfactors = {}", "sweep.factors"),
        ("[sweep]\ndesign = 'star'\nfactors = {a = [1]}", "sweep.design"),
        ("[sweep.factors]\n'venue.vault_usd' = []", "at least 1 entries"),
        ("[sweep.factors]\n'venue.vault_usd' = {low = 1, high = 2}", "must be a list"),
        ("[sweep]\ndesign='sobol'\nfactors={'venue.vault_usd'=[1]}", "must be a range"),
        (
            "[sweep]\ndesign='sobol'\nfactors={'venue.vault_usd'={low=3, high=1}}",
            "must be greater than low",
        ),
        (
            "[sweep]\ndesign='sobol'\nfactors={'a'={low=0, high=1, log=true}}",
            "greater than 0 if log",
        ),
        ("[sweep.factors]\n'venue.volt_usd' = [1]", "venue.volt_usd"),
        ("[sweep.factors]\n'venue.vault_usd' = [1, -1]", "venue.vault_usd=-1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        sweep.load(path)
    assert str(error.value).startswith(str(path))
    assert complaint in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("option", ["venue.vault_usd", "=1", "venue.vault_usd="])
def test_options_that_are_none_are_refused(option):
    with pytest.raises(ScenarioError, match="must be KEY="):
        sweep.grid_of([option])
    with pytest.raises(ScenarioError, match="must be KEY="):
        sweep.ranges_of([option])
