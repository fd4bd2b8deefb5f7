"""Waves from CSV and TOML; whatever is wrong is told in one line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from abm import faults, loading
from abm.loading import ScenarioError
from abm.playground.file import WaveFile


def load(path: Path, overrides: Iterable[str] = ()) -> WaveFile:
    """Read a wave from CSV (a row an account) or TOML (``[[accounts]]``).

    Raises
    ------
    ScenarioError
        One line that names the file, the row or key, the value and what would be right.
    """
    if path.suffix.lower() != ".csv":
        return loading.check(
            WaveFile, reduce(loading.override, overrides, loading.read(path))
        )
    keys, numbers, rows = _rows(path)
    document = loading.given({**keys, "accounts": rows}, str(path))
    try:
        return loading.check(WaveFile, reduce(loading.override, overrides, document))
    except ScenarioError as error:
        pattern = rf"^{re.escape(str(path))}: accounts\.(\d+)"
        words = re.sub(pattern, lambda m: f"{path}: line {numbers[int(m[1])]}", str(error))
        raise ScenarioError(words) from None


_A_KEY = re.compile(r"#\s*([A-Za-z_][\w.]*)\s*=(.*)")


def _rows(path: Path) -> tuple[dict[str, Any], list[int], list[dict[str, Any]]]:
    """Keys in comments; numbers of the lines of accounts, and their cells by column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    lines = {
        number: line
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    }
    keys = _keys(path, lines)
    lines = {n: line for n, line in lines.items() if not line.startswith("#")}
    numbers, rows = list(lines), []
    reader = csv.reader(lines.values())
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        twice = next((cell for cell in heading if heading.count(cell) > 1), None)
        if twice is not None:
            message = f"column {faults.shown(twice)} is there twice"
            raise ScenarioError(f"{path}: line {numbers[0]}: {message}")
        for row in reader:
            number = numbers[reader.line_num - 1]
            if len(row) != len(heading):
                message = f"must have {len(heading)} cells, has {len(row)}"
                raise ScenarioError(f"{path}: line {number}: {message}")
            cells = zip(heading, map(str.strip, row), strict=True)
            rows.append((number, {key: _value(key, cell) for key, cell in cells if cell}))
    except csv.Error as error:
        number = numbers[max(reader.line_num - 1, 0)]
        raise ScenarioError(f"{path}: line {number}: is no CSV: {error}") from None
    return keys, [number for number, _ in rows], [cells for _, cells in rows]


def _keys(path: Path, lines: Mapping[int, str]) -> dict[str, Any]:
    """What the comments before the heading say: ``# key = value``."""
    keys: dict[str, Any] = {}
    for number, line in lines.items():
        if not line.startswith("#"):
            break
        found = _A_KEY.fullmatch(line.strip())
        if found is None:
            continue
        key = found[1]
        if key in keys:
            raise ScenarioError(f"{path}: line {number}: {key} is there twice")
        if key == "accounts":
            message = "accounts are the rows below, so no comment can set them"
            raise ScenarioError(f"{path}: line {number}: {message}")
        keys[key] = loading.value_of(found[2])
    return keys


def _value(column: str, cell: str) -> Any:
    """A number where it is one; names stay text."""
    if column == "account":
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell
