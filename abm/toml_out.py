"""Writing plain tables as TOML, the counterpart of the standard library's `tomllib`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: Mapping[str, Any]) -> str:
    """Nested tables as TOML text, in the order given.

    Parameters
    ----------
    table : Mapping
        Values are text, numbers, booleans, dates and times, lists and tables of these.

    Returns
    -------
    str
        `tomllib.loads` of it equals `table`.

    Raises
    ------
    TypeError
        If TOML has no form for a value (None, for one).
    """
    return "\n".join(_lines(table, ())).strip("\n") + "\n"


def value_to_toml(value: Any) -> str:
    """A single value in its TOML form, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = (f"{key_to_toml(key)} = {value_to_toml(v)}" for key, v in value.items())
        inside = ", ".join(pairs)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return f"[{', '.join(value_to_toml(v) for v in value)}]"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def key_to_toml(*parts: str | int) -> str:
    """A dotted key; parts that are not plain words are quoted."""
    words = (str(part) for part in parts)
    return ".".join(w if _BARE_KEY.fullmatch(w) else _quoted(w) for w in words)


def _quoted(text: str) -> str:
    # JSON escapes are TOML escapes, but JSON leaves the delete character as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """A table's own values come first: after a sub-table's header they would be its."""
    own = {key: v for key, v in table.items() if not isinstance(v, Mapping)}
    below = {key: v for key, v in table.items() if isinstance(v, Mapping)}
    if path and (own or not below):
        yield f"\n[{key_to_toml(*path)}]"
    for key, value in own.items():
        yield f"{key_to_toml(key)} = {_tall(value)}"
    for key, value in below.items():
        yield from _lines(value, (*path, key))


def _tall(value: Any) -> str:
    """A value; lists of tables with a line for each."""
    if isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        rows = "".join(f"    {value_to_toml(v)},\n" for v in value)
        return f"[\n{rows}]"
    return value_to_toml(value)
