"""The README's examples run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=["simulate", "trader"])
def test_the_python_examples_run(block, monkeypatch, tmp_path):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    if "buyer" in names:
        assert names["buyer"].position("ETH") == pytest.approx(0.5)
    else:
        assert len(list((tmp_path / "figures").rglob("*.png"))) == 4


def test_the_policy_of_the_readme_composes_and_runs(tmp_path, monkeypatch):
    from abm import scenario
    from abm.model import StressModel

    table = re.search(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    assert table is not None
    monkeypatch.chdir(tmp_path)
    Path("my_rules.py").write_text(
        "import numpy as np\n"
        "def allocate(capacity, score, budget):\n"
        "    ahead = np.cumsum(capacity) - capacity\n"
        "    return np.clip(budget - ahead, 0, capacity)\n"
    )
    minimal = ROOT / "configs" / "minimal.toml"
    Path("mine.toml").write_text(f'extends = "{minimal}"\n{table[1]}')
    loaded = scenario.load("mine.toml")
    assert loaded.run.policies == ("mine", "hyperliquid")
    model = StressModel(loaded, "mine", seed=2)
    while model.running:
        model.step()
    assert any(len(call.outcome.haircuts) for call in model.engine.record.calls)


def test_every_command_and_file_that_the_readme_names_exists():
    for path in re.findall(r"(?:configs|docs|abm)/[\w./-]+\.\w+", README):
        assert (ROOT / path).is_file(), path
