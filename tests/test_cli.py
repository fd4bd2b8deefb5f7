"""The command: what it prints, what it leaves behind, how it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from abm.cli import app
from abm.scenario import BUILT_IN_POLICIES
from tests.command import adl

FIVE = str(Path(__file__).parent.parent / "configs" / "waves" / "five-accounts.toml")
MINIMAL = str(Path(__file__).parent.parent / "configs" / "minimal.toml")
STUDIES = sorted((Path(MINIMAL).parent / "studies").glob("*.toml"))


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch") / "run"
    done = adl("run", MINIMAL, "--runs", 3, "--out", folder, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    return folder


def test_run_leaves_tables_figures_and_a_manifest(batch):
    manifest = json.loads((batch / "manifest.json").read_text())
    assert manifest["scenario"]["run"]["runs"] == 3
    assert str(batch) not in json.dumps(manifest)
    assert len(list((batch / "figures").glob("*.png"))) == 5
    assert len(list(batch.glob("*.parquet"))) == 13


def test_compare_and_show_tell_the_batch_to_people_and_programs(batch):
    assert "Deficit" in adl("compare", batch).output
    rows = json.loads(adl("compare", batch, "--json").output)
    assert {row["policy"] for row in rows} == {"hyperliquid", "pro-rata", "none"}
    assert "wave" in adl("show", batch, "--run", 1).output.lower()
    assert json.loads(adl("show", batch, "--json").output)


def test_check_prints_a_scenario_that_is_the_same_scenario(tmp_path):
    resolved = tmp_path / "resolved.toml"
    resolved.write_text(adl("check", MINIMAL, "--set", "run.runs=5").output)
    again = adl("check", resolved)
    assert again.output == resolved.read_text()
    assert "runs = 5" in again.output


BAD = [
    (["run", "nowhere.toml"], "nowhere.toml"),
    (["check", MINIMAL, "--set", "venue.vault_usd=-1"], "venue.vault_usd"),
    (["check", MINIMAL, "--set", "venue.volt_usd=1"], "volt_usd"),
    (["run", MINIMAL, "--policy", "nobody"], "nobody"),
    (["compare", "nowhere"], "nowhere"),
    (["show", "nowhere"], "nowhere"),
    (["verify", "nowhere"], "nowhere"),
    (["wave", "nowhere.toml"], "nowhere.toml"),
    (["wave", "nowhere.csv"], "nowhere.csv"),
    (["wave", FIVE, "--policy", "nobody"], "nobody"),
    (["wave", FIVE, "--set", "severity=2"], "severity"),
    (["policies", "nobody"], "nobody"),
    (["policies", "none", "--answers"], "one of"),
    (["check", "nowhere.py:rule"], "nowhere.py"),
]


@pytest.mark.parametrize(("words", "names"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(words, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = adl(*words)
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1
    assert names in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_run_or_policy_that_is_not_in_the_batch_is_refused(batch):
    assert adl("show", batch, "--run", 99).exit_code == 2
    assert adl("show", batch, "--policy", "nobody").exit_code == 2


def test_a_folder_that_exists_is_not_overwritten_unasked(batch):
    before = (batch / "manifest.json").read_bytes()
    done = adl("run", MINIMAL, "--runs", 1, "--out", batch)
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert (batch / "manifest.json").read_bytes() == before


def test_the_contents_do_not_depend_on_the_number_of_workers(tmp_path):
    hashes = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        words = ["run", MINIMAL, "--runs", 4, "--workers", workers, "--no-figures"]
        done = adl(*words, "--set", "run.block=1", "--json", "--out", out)
        hashes.append(json.loads(done.stdout)["content_sha256"])
    assert hashes[0] == hashes[1]
    one, two = (
        {
            str(p.relative_to(tmp_path / w)): p.read_bytes()
            for p in (tmp_path / w).rglob("block-*")
        }
        for w in "12"
    )
    assert len(one) == 13 * 4
    assert one == two


def test_a_policy_that_fails_fails_its_own_runs_and_is_named(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text(
        "def bad(capacity, score, budget):\n    return capacity * float('nan')\n"
    )
    config = tmp_path / "bad.toml"
    config.write_text(
        f'extends = "{MINIMAL}"\n[policies.broken]\npreset = "pro-rata"\n'
        f'allocation = "{rules}:bad"\n[run]\npolicies = ["broken", "none"]\n'
    )
    out = tmp_path / "out"
    done = adl("run", config, "--runs", 3, "--out", out, "--workers", 1, "--no-figures")
    assert done.exit_code == 0, done.output
    from abm.montecarlo.store import Batch

    runs = Batch(out).frame("runs")
    broken = runs[runs.policy == "broken"]
    assert broken.failed.any()
    message = broken[broken.failed].error.iloc[0]
    assert re.search(r"policy 'broken', allocation, wave \d+: .*not a number", message)
    assert not runs[runs.policy == "none"].failed.any()


FAILS = {
    "nan": ("allocation", "not a number"),
    "ends": ("allocation", "called exit(3)"),
    "Half": ("settlement", "money is not conserved"),
    "Fickle": ("settlement", "raised RuntimeError: again"),
}

RULES = """
import sys
from abm.adl.settlement.money import Cash

def nan(capacity, score, budget):
    return capacity * float("nan")

def ends(capacity, score, budget):
    sys.exit(3)

class Mine(Cash):
    def __init__(self):
        super().__init__("largest-remainder", 1)

class Half(Mine):
    def book(self, world, wave, entries):
        world.ledger.accounts["cash"][0] -= 1

class Fickle(Mine):
    def need(self, wave, theta):
        found = super().need(wave, theta)
        Fickle.need = again
        return found

def again(self, wave, theta):
    raise RuntimeError("again\\nand again")
"""


def test_policies_of_ones_own_that_fail_are_named_and_the_others_go_on(tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    lines = [f'extends = "{MINIMAL}"', "[run]", f"policies = {[*FAILS, 'none']}"]
    for name, (part, _) in FAILS.items():
        where = f"{tmp_path / 'rules.py'}:{name}"
        lines += [f"[policies.{name}]", 'preset = "pro-rata"', f'{part} = "{where}"']
    config = tmp_path / "fails.toml"
    config.write_text("\n".join(lines))
    out = tmp_path / "out"
    done = adl("run", config, "--runs", 2, "--out", out, "--workers", 1, "--no-figures")
    assert done.exit_code == 0, done.output
    told = [line for line in done.stdout.splitlines() if line.startswith("failed:")]
    assert len(told) == len(FAILS)
    for (name, (part, words)), line in zip(FAILS.items(), told, strict=True):
        assert re.match(rf"failed:  {name}: [12] of 2 runs; policy '{name}', {part}", line)
        assert words in line
    from abm.montecarlo.store import Batch

    runs = Batch(out).frame("runs")
    assert not runs[runs.policy == "none"].failed.any()


def test_a_wave_whose_policy_fails_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "rules.py").write_text(
        "def bad(capacity, score, budget):\n    raise ValueError('one\\ntwo')\n"
    )
    file = tmp_path / "wave.toml"
    file.write_text(
        Path(FIVE).read_text() + f'\n[policies.mine]\npreset = "pro-rata"\n'
        f'allocation = "{tmp_path / "rules.py"}:bad"\n'
    )
    done = adl("wave", file, "--policy", "mine")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "policy mine: allocation: raised ValueError: one two" in done.stderr


def test_check_says_in_words_that_a_function_ends_the_program(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text("def f(capacity, score, budget):\n    exit()\n")
    done = adl("check", f"{rules}:f")
    assert done.exit_code == 1
    assert "called exit(None), must not end the program" in done.stdout


def test_every_command_has_help_with_an_example():
    commands = [
        name or f.__name__
        for name, f in ((c.name, c.callback) for c in app.registered_commands)
    ]
    assert {"policies", "wave", "verify", "check"} <= set(commands)
    for name in commands:
        told = adl(name, "--help").output
        assert "Example" in told, name
        assert "--json" in told, name


def test_policies_are_listed_for_people_and_programs():
    listed = adl("policies").output
    told = json.loads(adl("policies", "--json").output)
    for name in BUILT_IN_POLICIES:
        assert f"\n{name} " in listed
        assert told[name]["source"] or name == "none"
    assert {preset["kind"] for preset in told.values()} == {"venue", "design", "reference"}


def test_built_in_policies_are_those_that_compose():
    from abm.adl.compose import PRESETS

    assert tuple(PRESETS) == BUILT_IN_POLICIES


@pytest.mark.parametrize("name", BUILT_IN_POLICIES)
def test_what_policies_prints_is_the_policy_when_pasted(name, tmp_path):
    from abm import scenario
    from abm.adl.compose import PRESETS
    from abm.engine import policy_table

    printed = adl("policies", name).output
    assert "# source: " in printed
    config = tmp_path / "pasted.toml"
    config.write_text(f'extends = "{MINIMAL}"\n{printed}')
    loaded = scenario.load(config)
    assert policy_table(loaded, f"my-{name}") == PRESETS[name]
    assert adl("check", config, "--set", f'run.policies=["my-{name}"]').exit_code == 0


def test_answers_are_listed_with_what_their_parameters_must_be():
    told = json.loads(adl("policies", "--answers", "--json").output)
    by_name = {(entry["kind"], entry["name"]): entry for entry in told}
    assert "from 0 to 1" in by_name["severity", "fixed"]["parameters"]["share"]
    kinds = {entry["kind"] for entry in told}
    assert len(kinds) == 7
    text = adl("policies", "--answers").output
    assert all(entry["text"] and entry["name"] in text for entry in told)


def test_a_policy_that_is_none_is_told_what_there_is():
    near = adl("policies", "hyperlicuid").stderr
    assert "did you mean hyperliquid?" in near
    far = adl("policies", "xyz").stderr
    assert all(name in far for name in ("hyperliquid", "pro-rata", "levelling"))


def test_axioms_are_defined_below_the_table():
    told = adl("policies", "--axioms").output
    assert "equal: Payers who are alike pay alike." in told
    assert max(map(len, told.splitlines())) <= 100


def test_wave_prints_who_pays_what_under_each_policy():
    done = adl("wave", FIVE, "--policy", "given-order", "--policy", "pro-rata")
    assert done.exit_code == 0
    rows = {
        line.split()[0]: line.split() for line in done.output.splitlines() if line.strip()
    }
    assert rows["1"][3:] == ["3.50", "44%", "4.80", "60%"]
    assert rows["2"][3:] == ["4.00", "100%", "2.40", "60%"]
    assert "largest capacity                   3.50 (3.00)   4.80 (3.00)" in done.output
    told = json.loads(adl("wave", FIVE, "--json", "--set", "severity=1").output)
    pro_rata = next(p for p in told["policies"] if p["policy"] == "pro-rata")
    assert pro_rata["raised_usd"] == 12.5
    assert pro_rata["left_usd"] == 2.5
    assert pro_rata["bounds"]["feasible"] is False
    assert pro_rata["bounds"]["uncovered"] == 2.5
    assert pro_rata["bounds"]["least_top_1_usd"] == 8.0


def test_a_table_wider_than_the_screen_is_told_in_parts():
    from abm.cli.wave import blocks

    rows = [["a", "b", "c", "one", "two", "three"], ["1", "22", "3", "4", "5", "6"]]
    assert list(blocks(rows, 10**6)) == [rows]
    parts = list(blocks(rows, 16))
    assert [part[0] for part in parts] == [
        ["a", "b", "c", "one"], ["a", "b", "c", "two"], ["a", "b", "c", "three"]
    ]  # fmt: skip
    assert [part[0][3:] for part in blocks(rows, 18)] == [["one", "two"], ["three"]]
    assert [part[1][3:] for part in blocks(rows, 1)] == [["4"], ["5"], ["6"]]


GOOD = """
import numpy as np

def allocate(capacity, score, budget):
    return np.clip(budget - (np.cumsum(capacity) - capacity), 0, capacity)

def greedy(capacity, score, budget):
    return np.minimum(capacity, budget)
"""


def test_check_tries_a_users_allocation_and_says_what_it_breaks(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text(GOOD)
    good = adl("check", f"{rules}:allocate")
    assert (good.exit_code, "keeps the contract" in good.output) == (0, True)
    bad = adl("check", f"{rules}:greedy")
    assert bad.exit_code == 1
    assert "sum: gave" in bad.output
    assert "capacity = [" in bad.output
    told = json.loads(adl("check", f"{rules}:greedy", "--json").output)
    assert not told["kept"]
    assert [breach["rule"] for breach in told["breaches"]] == ["sum"]
    assert adl("check", f"{rules}:nothing").exit_code == 2
    assert adl("check", "nowhere.py:nothing").exit_code == 2


def test_help_is_quick():
    begun = time.perf_counter()
    code = (
        "import sys, abm.cli; print([m for m in ('numba', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
    assert time.perf_counter() - begun < 10


def test_a_batch_is_listed_asked_and_gone_on_with(batch, tmp_path):
    listed = adl("ls", batch.parent)
    assert "3 of 3" in listed.output
    assert "whole" in listed.output
    [row] = json.loads(adl("ls", batch.parent, "--json").output)
    assert row["policies"] == ["hyperliquid", "pro-rata", "none"]
    assert adl("ls", tmp_path).output.startswith("No batches below")
    assert adl("ls", tmp_path / "nowhere").exit_code == 2
    sql = "select policy, count(*) as n from runs group by policy order by policy"
    rows = json.loads(adl("query", batch, sql, "--json").output)
    assert [row["n"] for row in rows] == [3, 3, 3]
    before = {path: path.read_bytes() for path in batch.rglob("*.parquet/*")}
    done = adl("resume", batch, "--no-figures")
    assert done.exit_code == 0, done.output
    assert before == {path: path.read_bytes() for path in batch.rglob("*.parquet/*")}


@pytest.mark.parametrize(
    "sql",
    ["selekt 1", "select nothing from runs", "copy runs to 'x.csv'", "select * from 'a'"],
)
def test_a_query_that_is_none_or_leaves_the_batch_is_one_line(
    batch, sql, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = adl("query", batch, sql)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_sweep_says_what_matters_and_is_gone_on_with(tmp_path):
    out = tmp_path / "sweep"
    words = ["--grid", "venue.vault_usd=1e3,1e6", "--runs", 2, "--workers", 1]
    done = adl("sweep", MINIMAL, *words, "--out", out, "--measure", "residual_usd")
    assert done.exit_code == 0, done.output
    assert "venue.vault_usd" in done.output
    assert "2 points" in done.output
    again = adl("resume", out, "--json")
    assert again.exit_code == 0, again.output
    assert len(json.loads(again.output)["responses"]) == 2 * 3
    sql = (
        'select point, "venue.vault_usd" as vault, avg(vault_start_usd) as held, '
        "count(*) as n from points join runs using (point) group by all order by 1"
    )
    asked = json.loads(adl("query", out, sql, "--json").output)
    assert [(row["point"], row["vault"], row["n"]) for row in asked] == [
        (0, 1e3, 6),
        (1, 1e6, 6),
    ]
    assert [row["held"] for row in asked] == [1e3, 1e6]
    assert adl("query", out, "select nothing from runs").exit_code == 2
    assert adl("sweep", MINIMAL).exit_code == 2
    bad = adl("sweep", MINIMAL, *words, "--measure", "joy")
    assert bad.exit_code == 2
    assert "--measure joy: must be one of" in bad.stderr


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_check_knows_what_a_study_asks(path):
    result = adl("check", path)
    assert result.exit_code == 0, result.output
    asked = set(tomllib.loads(path.read_text())) - {"extends"}
    assert asked <= set(tomllib.loads(result.output))


def test_check_names_what_is_wrong_in_a_table_that_asks(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text(f'extends = "{MINIMAL}"\n[commit]\ncandidates = 1\n')
    result = adl("check", config)
    assert result.exit_code == 2
    assert "commit.candidates = 1" in result.stderr
