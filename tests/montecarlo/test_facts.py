from __future__ import annotations

import json

import numpy as np
import pytest

from abm.market.book import BUY
from abm.montecarlo import facts
from abm.scenario import ScenarioError
from abm.toml_out import to_toml
from tests.command import adl
from tests.worlds import tiny_scenario

RUNS = "run.runs=2"


@pytest.fixture(scope="module")
def observed():
    return facts.observe(tiny_scenario(RUNS, "time.duration_s=120"), quiet=True)


def test_an_order_moves_the_price_its_way_and_a_larger_one_further(observed):
    orders = observed.impact[observed.impact["form"] == "order"]
    means = orders.groupby("size")["impact"].mean()
    assert list(means.index) == list(facts.SIZES)
    assert means.iloc[-1] > means.iloc[0]
    assert means.iloc[-1] > 1e-4
    # Both sides move it alike, each in its own direction.
    largest = orders[orders["size"] == max(facts.SIZES)].groupby("side")["impact"].mean()
    assert (largest > 0).all()


def test_forks_leave_the_run_that_they_come_from_alone(observed):
    alone = facts.observe_paths(tiny_scenario(RUNS, "time.duration_s=120"), quiet=True)
    assert observed.paths.equals(alone)


def test_depth_is_added_up_outwards(observed):
    for _, rows in observed.profile.groupby(["run", "market", "side"]):
        assert list(rows["distance"]) == list(facts.DISTANCES)
        assert (np.diff(rows["depth_usd"]) >= 0).all()
    assert set(observed.profile["side"]) == {BUY, -BUY}


def test_leverage_limits_are_those_of_the_venue_and_of_traders_and_never_below_one():
    scenario = tiny_scenario("kinds.patient.max_leverage=3")
    lower = facts.with_leverage(scenario, 0.25)
    assert lower.markets["ONE"].tiers[0].max_leverage == 25 / 4
    assert lower.kinds["patient"].max_leverage == 1.0
    assert facts.with_leverage(scenario, 1.0) == scenario


def test_a_market_that_is_not_there_is_told():
    with pytest.raises(ScenarioError, match="--market TWO: must be one of ONE"):
        facts.observe(tiny_scenario(RUNS), ["TWO"], quiet=True)


def test_the_command_writes_its_tables_and_says_which_batch(tmp_path):
    config, out, page = tmp_path / "c.toml", tmp_path / "out", tmp_path / "page.md"
    scenario = tiny_scenario("run.runs=5", "time.duration_s=120")
    config.write_text(to_toml(scenario.resolved()))
    page.write_text("<!-- facts tiny -->\n<!-- end -->\n")
    arguments = ["facts", config, "--out", out, "--into", page, "--json"]
    found = adl(*arguments)
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["scenario_sha256"] == scenario.sha256()
    assert {row["inside"] for row in told["facts"]} <= {"yes", "no", "unclear"}
    assert told["scenario_sha256"][:16] in page.read_text()
    written = {path.name for path in out.iterdir()}
    assert {"facts.csv", "facts.json", "facts.png", "paths.parquet"} <= written
    again = adl(*arguments)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
