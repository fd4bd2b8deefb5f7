"""The tutorials run from the first cell to the last."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from docs.notebooks import executed, notebooks

CONFIGS = Path(__file__).parent.parent / "configs"
FEW = 2


@pytest.fixture
def beside_small_configs(tmp_path):
    """A folder for a tutorial from which it sees the scenarios, with few runs each."""
    for file in shutil.copytree(CONFIGS, tmp_path / "configs").rglob("*.toml"):
        file.write_text(re.sub(r"(?m)^runs = \d+", f"runs = {FEW}", file.read_text()))
    (tmp_path / "docs" / "tutorials").mkdir(parents=True)
    return tmp_path / "docs" / "tutorials"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_it_has_found(path, beside_small_configs):
    small = beside_small_configs / path.name
    text = path.read_text()
    small.write_text(re.sub(r"run\.runs=\d+", f"run.runs={FEW}", text))
    cells = [cell for cell in executed(small).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any(cell.outputs for cell in cells)
