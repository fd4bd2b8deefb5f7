from __future__ import annotations

import pytest

from abm.montecarlo.store import StoreError
from analysis.pages import replace_block

PAGE = "# Title\n\n<!-- one -->\nold\n<!-- end -->\n\ntext\n\n<!-- two -->\n<!-- end -->\n"


def test_only_what_stands_in_the_block_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    replace_block(page, "one", r"new \1 text")
    assert page.read_text() == PAGE.replace("old", "\nnew \\1 text")
    replace_block(page, "one", r"new \1 text")
    assert page.read_text() == PAGE.replace("old", "\nnew \\1 text")


def test_a_page_without_the_block_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(StoreError, match="three"):
        replace_block(page, "three", "new")
    assert page.read_text() == PAGE
    with pytest.raises(StoreError, match="must be a Markdown file"):
        replace_block(tmp_path / "none.md", "one", "new")
