"""Pages of the documentation whose tables commands write."""

from __future__ import annotations

import re
from pathlib import Path

from abm.montecarlo.store import StoreError


def replace_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- end -->`` on a page.

    Raises
    ------
    StoreError
        If there is no such page, or not exactly one such block on it.
    """
    if not page.is_file():
        raise StoreError(f"{page}: must be a Markdown file that is there")
    old = page.read_text(encoding="utf-8")
    block = re.compile(f"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    new, count = block.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", old)
    if count != 1:
        raise StoreError(f"{page}: must have one line <!-- {name} --> with an <!-- end -->")
    page.write_text(new, encoding="utf-8")
