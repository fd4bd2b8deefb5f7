"""The tutorials run from the first cell to the last."""

from __future__ import annotations

import pytest

from docs.notebooks import executed, notebooks


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_it_has_found(path):
    cells = [cell for cell in executed(path).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any(cell.outputs for cell in cells)
