"""What a calibration may say, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abm import calibration
from abm.scenario import ScenarioError

ROOT = Path(__file__).parent.parent
OCT10 = ROOT / "configs" / "targets" / "oct10.toml"
MINIMAL = ROOT / "configs" / "minimal.toml"

ONE = """
name = "made"
title = "Made up"
policy = "hyperliquid"

[[targets]]
id = "A"
moment = "adl.full"
says = "share closed in full"
value = 0.9
low = 0.8
high = 1.0
range = "ours"
source = "nobody"
reliability = "C"
"""


def over(**ranges):
    return {key.replace("__", "."): value for key, value in ranges.items()}


def load(tmp_path, targets=ONE, scenario=MINIMAL, overrides=(), **options):
    path = tmp_path / "made.toml"
    path.write_text(targets)
    return calibration.load(scenario, overrides, {"targets": str(path)} | options)


def test_the_targets_of_the_event_are_whole():
    found = calibration.read_targets(OCT10)
    ids = {target.id for target in found.targets} | {left.id for left in found.left_out}
    wanted = {f"P{n:02d}" for n in (*range(1, 19), 22, 23)}
    wanted |= {f"S{n:02d}" for n in (1, 2, 6, 12, 14, 17, 18, 19)}
    assert wanted <= ids
    for target in found.targets:
        assert (
            "HMA" in target.source or "APL" in target.source or target.id in ("S18", "S19")
        )


def test_runs_are_under_the_rule_of_the_event_and_write_moments(tmp_path):
    base = load(tmp_path, runs=3).base
    assert base.run.policies == ("hyperliquid",)
    assert (base.run.runs, base.outputs.moments) == (3, True)
    assert base.run.stop is None


def test_places_in_the_unit_cube_are_values_and_back(tmp_path):
    ranges = {
        "venue.vault_usd": {"low": 1e3, "high": 1e7, "log": True},
        "shocks.0.log_return": {"low": -0.8, "high": 0.0},
        "kinds.passive.rebuild_orders": {"low": 1, "high": 9},
    }
    found = load(tmp_path, over=ranges)
    assert found.start() == pytest.approx([np.log10(20) / 4, 0.5, 0.0])
    values = found.values(np.array([0.5, 0.25, 0.49]))
    assert values == {
        "venue.vault_usd": 1e5,
        "shocks.0.log_return": -0.6,
        "kinds.passive.rebuild_orders": 5,
    }
    made = found.scenario(values)
    assert made.venue.vault_usd == 1e5
    assert made.shocks[0].log_return == -0.6
    assert made.kinds["passive"].rebuild_orders == 5


def test_moments_are_picked_by_name_or_id(tmp_path):
    two = ONE + ONE[ONE.index("[[targets]]") :].replace("adl.full", "batches").replace(
        'id = "A"', 'id = "B"'
    )
    picked = load(tmp_path, two, moments=["B"]).fitted
    assert [target.moment for target in picked] == ["batches"]
    assert len(load(tmp_path, two).fitted) == 2


BAD = [
    ({"over": {"venue.volt_usd": {"low": 0, "high": 1}}}, "venue.volt_usd"),
    ({"over": {"venue.ladder": {"low": 0, "high": 1}}}, "venue.ladder"),
    ({"over": {"venue.vault_usd": {"low": 2, "high": 1}}}, "greater than low"),
    ({"over": {"venue.vault_usd": {"low": -3.0, "high": 3.0}}}, "venue.vault_usd"),
    ({"moments": ["nothing"]}, "'nothing' must be a moment or an id"),
]


@pytest.mark.parametrize(("options", "names"), BAD)
def test_what_is_wrong_is_named(options, names, tmp_path):
    with pytest.raises(ScenarioError, match=names) as error:
        load(tmp_path, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("was", "instead", "names"),
    [
        ("low = 0.8", "low = 1.8", "must lie within low and high"),
        ("value = 0.9", "value = 0.7", "must lie within low and high"),
        ('moment = "adl.full"', "moment = 3", "targets.0.moment"),
        ("title", "tittle", "tittle"),
        ("[[targets]]", "[[target]]", "target"),
    ],
)
def test_a_wrong_file_of_targets_is_named_with_its_key(was, instead, names, tmp_path):
    with pytest.raises(ScenarioError, match=rf"made\.toml: .*{names}"):
        load(tmp_path, ONE.replace(was, instead))


def test_a_scenario_may_say_what_it_is_fitted_to(tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "made.toml").write_text(ONE)
    own = tmp_path / "own.toml"
    own.write_text(
        f'extends = "{MINIMAL}"\nname = "own"\n[calibration]\n'
        'targets = "targets/made.toml"\nruns = 5\n'
        '[calibration.over]\n"venue.vault_usd" = { low = 1e3, high = 1e5 }\n'
    )
    found = calibration.load(own)
    assert (found.keys, found.base.run.runs) == (["venue.vault_usd"], 5)
