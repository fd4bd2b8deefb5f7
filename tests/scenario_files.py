"""What the tests of scenarios share: two good files, and what a bad one must give."""

from __future__ import annotations

import copy
import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abm.scenario import ScenarioError

HERE = Path(__file__).parent
SOURCES = {
    "minimal": HERE.parent / "configs" / "minimal.toml",
    "big": HERE / "big_scenario.toml",
}
Key = tuple[str | int, ...]


@functools.cache
def _parsed(source: str) -> dict[str, Any]:
    return tomllib.loads(SOURCES[source].read_text())


def tree_of(source: str) -> dict[str, Any]:
    """The tables of a source, for the caller to change."""
    return copy.deepcopy(_parsed(source))


def walk(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every key of nested tables and lists, with its value, holders before contents."""
    if key:
        yield key, value
    if isinstance(value, (dict, list)):
        for part, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from walk(below, (*key, part))


def only_line(error: pytest.ExceptionInfo[ScenarioError]) -> str:
    message = str(error.value)
    assert message
    assert message.isprintable(), "one line, nothing a terminal might choke on"
    assert "Traceback" not in message
    assert "Input should" not in message
    assert "pydantic" not in message
    assert len(message) < 700
    return message


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path
