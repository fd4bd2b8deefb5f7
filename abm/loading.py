"""Scenario files: reading, extending, overriding, and saying where a fault comes from.

A document is a pile of layers: the file at the root of a chain of ``extends``, the files
that extend it, the overrides. Later layers win; tables merge key by key, lists and values
are replaced whole.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from abm import faults
from abm.faults import ABSENT, Fault, Key
from abm.toml_out import key_to_toml

Model = TypeVar("Model", bound=BaseModel)

_MAX_BYTES = 16 * 2**20
_MAX_DEPTH = 32


class ScenarioError(ValueError):
    """A scenario that cannot be run; the message is one line for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message))


class Layer(NamedTuple):
    """What one source says: `value` lies at the key `at`.

    A file's lies at the root. An override's lies at its `key`, or where a table begins
    that was not there before.
    """

    source: str
    at: Key
    value: Any
    key: Key = ()


class Document(NamedTuple):
    """Layers, the last of which wins, and what they come to together."""

    layers: tuple[Layer, ...]
    data: dict[str, Any]


def read(path: Path) -> Document:
    """Read a file and the files that it extends.

    Raises
    ------
    ScenarioError
        If a file is missing, is not TOML, or the files extend each other in a circle.
    """
    layers: list[Layer] = []
    seen = set()
    blame = f"{path}"
    while True:
        seen.add(_identity(path, blame))
        table = _parse(_text(path, blame), path)
        parent = table.pop("extends", None)
        layers.insert(0, Layer(f"{path}", (), plain(table, f"{path}")))
        if parent is None:
            break
        blame = f"{path}: extends = {faults.shown(parent)}"
        if not isinstance(parent, str) or not parent:
            raise ScenarioError(f"{blame}: must be the path of a scenario file")
        path = path.parent / parent
        if _identity(path, blame) in seen:
            raise ScenarioError(f"{blame}: the files extend each other in a circle")
    data: dict[str, Any] = {}
    for layer in layers:
        data = merge(data, layer.value)
    return Document(tuple(layers), data)


def given(data: Mapping[str, Any], source: str) -> Document:
    """A document made of nested mappings.

    Raises
    ------
    ScenarioError
        If the data is no mapping, or holds what :func:`plain` refuses.
    """
    if not isinstance(data, Mapping):
        raise ScenarioError(f"{source}: must be a table")
    table = plain(data, source)
    return Document((Layer(source, (), table),), table)


def override(document: Document, text: str) -> Document:
    """Lay a single ``key=value`` over a document.

    The key is dotted, and a number in it picks an entry of a list. The value is TOML;
    what is not TOML is taken as text.

    Raises
    ------
    ScenarioError
        If the text has no key or no value, or the key leads into a list but past its end.
    """
    source = f"--set {faults.shorten(text)}"
    name, separator, words = text.partition("=")
    key = _split(name)
    if not separator or not key or len(key) > _MAX_DEPTH:
        raise ScenarioError(f"{source}: must be KEY=VALUE, such as run.runs=4")
    if key[0] == "extends":
        raise ScenarioError(f"{source}: extends can be said in a file only")
    new = plain(value_of(words), source, len(key))
    place, data = _placed(document.data, key, new, source)
    at = _first_new(document.data, place)
    value = new if at == place else faults.look_up(data, at)
    return Document((*document.layers, Layer(source, at, value, place)), data)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of tables over another; lists and values are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def plain(value: Any, source: str, depth: int = 0) -> Any:
    """Nested data made of dictionaries, lists and Python's own numbers only.

    Raises
    ------
    ScenarioError
        If the data is nested too deeply, or a key is not text.
    """
    if depth > _MAX_DEPTH:
        raise ScenarioError(f"{source}: is nested more than {_MAX_DEPTH} tables deep")
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ScenarioError(f"{source}: {faults.shown(key)}: a key must be text")
        return {str(key): plain(below, source, depth + 1) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(below, source, depth + 1) for below in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist(), source, depth + 1)
    return value


def check(model: type[Model], document: Document) -> Model:
    """The model that a document describes.

    Raises
    ------
    ScenarioError
        Naming the first fault in the order of the data, and how many more there are.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        first, *more = faults.found(model, error, document.data)
        rest = f" (and {len(more)} more)" if more else ""
        raise ScenarioError(_line(document, first) + rest) from None


# --- reading ----------------------------------------------------------------------------


def _identity(path: Path, blame: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        raise ScenarioError(f"{blame}: is not the path of a file") from None


def _text(path: Path, blame: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ScenarioError(f"{blame}: no such file") from None
    except IsADirectoryError:
        raise ScenarioError(f"{blame}: is a folder, must be a file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScenarioError(f"{blame}: cannot be read: {reason}") from None
    if len(content) > _MAX_BYTES:
        raise ScenarioError(f"{blame}: is larger than {_MAX_BYTES >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text (byte {error.start})") from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        # tomllib's own error, or Python's on a number of too many digits.
        raise ScenarioError(f"{path}: not valid TOML: {error}") from None


def _printable(text: str) -> str:
    """Text in which whatever would break a line or a terminal is escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


# --- overrides --------------------------------------------------------------------------


def _split(name: str) -> tuple[str, ...]:
    """The parts of a dotted key, or nothing if it is not one."""
    try:
        below: Any = tomllib.loads(f"{name} = true")
    except ValueError:
        return ()
    parts: list[str] = []
    while isinstance(below, dict):
        if len(below) != 1:
            return ()
        [(part, below)] = below.items()
        parts.append(part)
    return tuple(parts)


def value_of(text: str) -> Any:
    """What a text says: TOML, or text if it is none."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    found = parsed["value"] if len(parsed) == 1 else text.strip()
    whole = isinstance(found, float) and found.is_integer() and abs(found) < 2**53
    return int(found) if whole else found  # 1e5 is a fine number of accounts


def _placed(data: Any, key: tuple[str, ...], value: Any, source: str) -> tuple[Key, Any]:
    """Data with a value laid over a key; also the key, with its list indices as numbers."""
    if not key:
        both = isinstance(data, Mapping) and isinstance(value, Mapping)
        return (), merge(data, value) if both else value
    part, *rest = key
    if isinstance(data, list):
        if not part.isdecimal() or len(part) > 9 or int(part) >= len(data):
            some = f"0 to {len(data) - 1}" if data else "nothing, since the list is empty"
            raise ScenarioError(f"{source}: {faults.shown(part)} must be an entry: {some}")
        index = int(part)
        at, below = _placed(data[index], tuple(rest), value, source)
        return (index, *at), [*data[:index], below, *data[index + 1 :]]
    table = data if isinstance(data, Mapping) else {}
    at, below = _placed(table.get(part, {} if rest else ABSENT), tuple(rest), value, source)
    return (part, *at), {**table, part: below}


def _first_new(data: Any, key: Key) -> Key:
    """The beginning of a key up to the first part that leads out of the data."""
    for depth in range(1, len(key)):
        if not isinstance(faults.look_up(data, key[:depth]), (Mapping, list)):
            return key[:depth]
    return key


# --- where a fault comes from -----------------------------------------------------------


def _line(document: Document, fault: Fault) -> str:
    layer = _origin(document.layers, fault.key)
    if layer.key == fault.key and layer.key:
        return f"{layer.source}: {fault.message}"
    given = "" if fault.value is ABSENT else f" = {faults.shown(fault.value)}"
    return f"{layer.source}: {key_to_toml(*fault.key)}{given}: {fault.message}"


def _origin(layers: tuple[Layer, ...], key: Key) -> Layer:
    """The last layer that says something at a key, or comes nearest to it."""
    return max(enumerate(layers), key=lambda ranked: (_reach(ranked[1], key), ranked[0]))[1]


def _reach(layer: Layer, key: Key) -> int:
    """How far a key leads into a layer; a list or a value settles all that is below it."""
    depth, value = len(layer.at), layer.value
    if key[:depth] != layer.at:
        return -1
    while depth < len(key) and isinstance(value, Mapping):
        if key[depth] not in value:
            return depth
        value = value[key[depth]]
        depth += 1
    return len(key)
