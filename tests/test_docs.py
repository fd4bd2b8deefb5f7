"""The documentation is what the code says, and its examples run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from abm import scenario
from abm.model import StressModel

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HOW_TO = (DOCS / "how-to.md").read_text(encoding="utf-8")
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize(
    "name", ["scenario.md", "policies.md", "strategies.md", "tables.md"]
)
def test_the_reference_is_what_the_code_would_write_now(name):
    from docs.reference import PAGES as MADE

    assert (DOCS / name).read_text(encoding="utf-8") == MADE[name]()


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", HOW_TO, re.DOTALL))
def test_every_scenario_of_the_how_to_runs_into_its_shock(text, tmp_path):
    name = tomllib.loads(text)["name"]
    assert '"minimal.toml"' in text
    minimal = ROOT / "configs" / "minimal.toml"
    path = tmp_path / f"{name}.toml"
    path.write_text(text.replace("minimal.toml", str(minimal)))
    loaded = scenario.load(path, ["time.duration_s=90"])
    model = StressModel(loaded, loaded.run.policies[0], seed=1, interval_s=90)
    while model.running:
        model.step()
    assert model.now_s == 90.0


def test_the_trader_of_the_how_to_trades(tmp_path, monkeypatch):
    [block] = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(block, "how-to.md", "exec"), names)
    trader = names["trader"]
    fees = trader.model.world.ledger.accounts["fees"][trader.account]
    assert fees > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tutorials_are_numbered_and_have_their_results():
    notebooks = sorted((DOCS / "tutorials").glob("*.ipynb"))
    assert [path.name[0] for path in notebooks] == ["1", "2", "3"]
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert all(cell["execution_count"] for cell in code), path.name
        assert any(cell["outputs"] for cell in code), path.name
