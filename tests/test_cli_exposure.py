"""``adl exposure``: the answer for people and programs, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.command import adl

MINIMAL = str(Path(__file__).parent.parent / "configs" / "minimal.toml")
SHORT = "market=ETH,side=short,notional_usd=50000,leverage=5"


def ask(*words):
    return adl("exposure", *words)


def answer(*words):
    return ask(MINIMAL, "--account", SHORT, "--runs", 5, "--workers", 1, *words)


def test_a_person_reads_a_table_and_what_each_rule_may_take():
    done = answer("--policy", "hyperliquid", "--policy", "none", "--nudge", 0.001)
    assert done.exit_code == 0, done.output
    assert "short 50,000.00 USD of ETH; collateral 10,000" in done.output
    assert "It was hit" in done.output
    assert "hyperliquid: all of its contracts" in done.output
    assert max(map(len, done.output.splitlines())) <= 100


def test_a_program_reads_the_same_numbers_as_the_rows(tmp_path):
    rows = tmp_path / "rows.csv"
    done = answer("--policy", "pro-rata", "--json", "--out", rows)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    fates = pd.read_csv(rows)
    (policy,) = told["policies"]
    assert told["runs"] == len(fates) == 5
    assert policy["touched"] == fates["touched"].mean()
    assert policy["haircut"] == pytest.approx(fates["haircut_usd"].mean())
    assert policy["touched_low"] <= policy["touched"] <= policy["touched_high"]
    assert told["account"][0]["market"] == "ETH"


BAD = [
    (["nowhere.toml", "--account", SHORT], "nowhere.toml"),
    ([MINIMAL, "--account", "market=BTC,side=long,size=1,leverage=2"], "BTC"),
    ([MINIMAL, "--account", "market=ETH,side=long,size=1"], "leverage"),
    ([MINIMAL, "--account", "market=ETH,side=long,size=1,leverage=90"], "initial margin"),
    ([MINIMAL, "--account", SHORT, "--policy", "nobody"], "nobody"),
    ([MINIMAL, "--account", "mine.toml"], "mine.toml"),
]


@pytest.mark.parametrize(("words", "names"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(words, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ask(*words, "--out", tmp_path / "rows.csv")
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1
    assert names in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_policy_that_always_fails_is_bad_input(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text("def bad(capacity, score, budget):\n    return capacity * -1\n")
    config = tmp_path / "bad.toml"
    config.write_text(
        f'extends = "{MINIMAL}"\n[policies.broken]\npreset = "pro-rata"\n'
        f'allocation = "{rules}:bad"\n[run]\npolicies = ["broken"]\n'
    )
    done = ask(config, "--account", SHORT, "--runs", 2, "--workers", 1)
    assert done.exit_code == 2
    assert "policy 'broken', allocation" in done.stderr
