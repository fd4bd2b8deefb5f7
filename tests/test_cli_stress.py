"""The commands `stress` and `fund`: what they print, leave behind and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from abm.montecarlo import store
from tests.command import adl

MINIMAL = Path(__file__).parent.parent / "configs" / "minimal.toml"
SMALL = [
    *("--set", "population.accounts=60", "--set", "population.positions=55"),
    *("--set", "time.duration_s=150", "--set", "run.block=5"),
]


@pytest.fixture(scope="module")
def stressed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stress") / "run"
    given = ["--deficit-usd", 3e5, "--check", "--effort", 12, "--replications", 4]
    done = adl("stress", MINIMAL, *SMALL, *given, "--runs", 30, "--out", folder,
               "--workers", 1)  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_stress_leaves_tables_and_figures_and_tells_the_rare_deficit(stressed):
    folder, output = stressed
    names = {path.name for path in (folder / "stress").iterdir()}
    assert names == {
        f"{name}.{kind}"
        for name in ("quantiles", "tails", "dependence")
        for kind in ("csv", "parquet")
    }
    assert len(list((folder / "figures").glob("stress-*.png"))) == 3
    assert len(store.Batch(folder).frame("extremes")) == 30 * 2
    assert "Probability of a deficit above $300K" in output
    assert "for the same precision" in output or "No replication" in output
    rare = json.loads((folder / "rare.json").read_text())
    assert rare["low"] <= rare["probability"] <= rare["high"]


def test_resume_goes_on_with_a_stress_and_tells_it_again(stressed):
    folder, output = stressed
    before = {p: p.read_bytes() for p in folder.rglob("*.csv")}
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["blocks"]["3"]
    store.write_manifest(folder, manifest)
    again = adl("resume", folder, "--workers", 1, "--no-figures")
    assert again.exit_code == 0
    told = [line for line in output.splitlines() if not line.startswith("figure")]
    assert again.output.splitlines() == told
    assert {p: p.read_bytes() for p in folder.rglob("*.csv")} == before
    told = json.loads(adl("resume", folder, "--json", "--no-figures").output)
    assert told["rare"]["agree"] is True
    assert {row["market"] for row in told["quantiles"]} == {"ETH", "(all)"}


def test_fund_writes_a_curve_and_a_figure_and_says_what_would_be_enough(stressed):
    folder, _ = stressed
    done = adl("fund", folder, "--capital-cost", 1, "--reputation-cost", 4)
    assert done.exit_code == 0
    assert "at 75.0%" in done.output
    curve = pd.read_csv(folder / "fund.csv")
    assert curve["residual_usd"].is_monotonic_decreasing
    assert (folder / "figures" / "fund.png").stat().st_size > 10_000
    told = json.loads(adl("fund", folder, "--json", "--no-figures").output)
    (row,) = told["policies"]
    assert row["size_high_usd"] is None
    assert row["runs_needed"] == 146


BAD = [
    (["stress", "nowhere.toml"], "nowhere.toml"),
    (["stress", MINIMAL, "--check"], "--deficit-usd"),
    (["stress", MINIMAL, "--set", "venue.volt_usd=1"], "volt_usd"),
    (["stress", MINIMAL, "--deficit-usd", "inf"], "--deficit-usd"),
    (["fund", "nowhere"], "nowhere"),
    (["fund", "nowhere", "--capital-cost", "inf"], "--capital-cost"),
    (["fund", "nowhere", "--reputation-cost", 0], "--reputation-cost"),
]


@pytest.mark.parametrize(("words", "names"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(words, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = adl(*words)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert names in done.stderr
    assert not list(tmp_path.iterdir())
