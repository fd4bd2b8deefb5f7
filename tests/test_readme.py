"""The README's examples run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command import adl

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


EXAMPLES = [block for block in BLOCKS if not block.startswith("# my_")]
MY_STRATEGY = next(block for block in BLOCKS if "my_strategy.py" in block)
MY_RULES = next(block for block in BLOCKS if "my_rules.py" in block)


@pytest.mark.parametrize("block", EXAMPLES, ids=["simulate", "trader"])
def test_the_python_examples_run(block, monkeypatch, tmp_path):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    if "buyer" in names:
        assert names["buyer"].position("ETH") == pytest.approx(0.5)
    else:
        assert len(list((tmp_path / "figures").rglob("*.png"))) == 5


def test_the_policy_of_the_readme_composes_and_runs(tmp_path, monkeypatch):
    from abm import scenario
    from abm.model import StressModel

    table = re.search(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    assert table is not None
    monkeypatch.chdir(tmp_path)
    Path("my_rules.py").write_text(MY_RULES)
    minimal = ROOT / "configs" / "minimal.toml"
    Path("mine.toml").write_text(f'extends = "{minimal}"\n{table[1]}')
    loaded = scenario.load("mine.toml")
    assert loaded.run.policies == ("mine", "hyperliquid")
    model = StressModel(loaded, "mine", seed=2)
    while model.running:
        model.step()
    assert any(len(call.outcome.haircuts) for call in model.engine.record.calls)


def test_the_strategy_of_the_readme_plays(tmp_path, monkeypatch):
    from abm import scenario
    from abm.gaming.players import players_of
    from abm.model import StressModel

    table = re.search(r"```toml\n(extends.*?)```", README, flags=re.DOTALL)
    assert table is not None
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    Path("my_strategy.py").write_text(MY_STRATEGY)
    Path("mine.toml").write_text(table[1])
    loaded = scenario.load("mine.toml")
    model = StressModel(loaded, "hyperliquid", seed=2, players_of=players_of)
    while model.running:
        model.step()
    mine, split = model.engine.players.teams
    assert mine.volume > 0
    assert len(split.own.account) > len(split.traders) > 0


def test_every_command_and_file_that_the_readme_names_exists():
    for path in re.findall(r"(?:configs|docs|abm)/[\w./-]+\.\w+", README):
        assert (ROOT / path).is_file(), path


def test_the_readmes_rule_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_rules.py").write_text(MY_RULES)
    done = adl("check", "my_rules.py:allocate")
    assert (done.exit_code, "keeps the contract" in done.output) == (0, True)


def test_the_wave_is_printed_as_the_readme_shows_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    shown = re.search(r"```sh\nadl (wave .*)\n```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    done = adl(*shown[1].split())
    assert done.output == shown[2]


def test_the_readme_says_what_users_functions_are_called_with():
    from abm.adl.answers import ARGUMENTS

    for kind, arguments in ARGUMENTS.items():
        told = f"`{', '.join(arguments)}`" if arguments else "(a class"
        assert f"| {kind} | {told}" in README
        assert f"`abm.{kind}`" in README
