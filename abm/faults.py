"""What is wrong with checked data, in words for a person.

A fault names a key and says what would be right. Faults that pydantic finds are put into
plain words with the help of the model's JSON schema; checks that span several keys raise
:class:`UnsoundError` with words of their own.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from abm.toml_out import key_to_toml, value_to_toml

Key = tuple[str | int, ...]
Schema = Mapping[str, Any]

LARGEST = 1e12
"""Technical limit of every number, left unsaid unless it is what was broken."""

ABSENT: Final = object()
"""Stands for a value that is not there, or that says nothing."""

_SHOWN = 60
_SHOWN_KEYS = 240
_A_NAME = (
    "a name of at most 64 letters, digits, '_', '.' and '-' "
    "that begins with a letter or digit"
)
_TYPES = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}
_OUT_OF_BOUNDS = (
    "greater_than", "greater_than_equal", "less_than", "less_than_equal",
)  # fmt: skip


class Fault(NamedTuple):
    """A key, what would be right there, and the value that is wrong if there is one."""

    key: Key
    message: str
    value: Any = ABSENT


class UnsoundError(ValueError):
    """Keys of a part do not fit together; the faults' keys are relative to the part."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "; ".join(f"{key_to_toml(*f.key)}: {f.message}" for f in self.faults)
        )


def raise_if_any(faults: Iterable[Fault]) -> None:
    """Raise :class:`UnsoundError` if there is any."""
    collected = tuple(faults)
    if collected:
        raise UnsoundError(collected)


def found(
    model: type[BaseModel], error: ValidationError, data: Mapping[str, Any]
) -> list[Fault]:
    """The faults behind a validation error, in the order of the data, one a key."""
    schema = _schema_of(model)
    by_key: dict[Key, Fault] = {}
    details = error.errors(include_url=False, include_input=False)
    places = [detail["loc"] for detail in details]
    for detail in details:
        here = detail["loc"]
        if detail["type"] == "too_short" and any(
            here == p[: len(here)] != p for p in places
        ):
            continue  # short only of the entries that are wrong themselves
        for fault in _in_words(detail, schema, data):
            by_key.setdefault(fault.key, fault)
    return sorted(by_key.values(), key=lambda fault: _position(data, fault.key))


def look_up(data: Any, key: Key, otherwise: Any = ABSENT) -> Any:
    """The value at a key of nested tables and lists, or `otherwise`."""
    for part in key:
        if not _holds(data, part):
            return otherwise
        data = data[part]
    return data


def shown(value: Any) -> str:
    """A value as it would be written in a file, on one line, shortened."""
    for written in (value_to_toml, repr):
        try:
            return shorten(written(value))
        except (TypeError, ValueError, RecursionError):
            continue  # no TOML form, or more digits than Python agrees to print
    return "(too large to show)"


def shorten(text: str, width: int = _SHOWN) -> str:
    """Text of at most `width` characters."""
    return text if len(text) <= width else text[: width - 3] + "..."


def asked_for(model: type[BaseModel]) -> dict[str, str]:
    """What every field of a model must be, in words, its default with it if it has one."""
    return {
        name: f"{phrase}, {default} if left out" if default else phrase
        for name, (phrase, default) in wishes(model).items()
    }


def wishes(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """What every field of a model must be, and its default (empty if none), in words."""
    root = _schema_of(model)
    return {
        name: (
            _phrase(root, schema),
            shown(schema["default"]) if "default" in schema else "",
        )
        for name, schema in root.get("properties", {}).items()
    }


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word most like the given one, or at all of them."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {shorten(', '.join(words), _SHOWN_KEYS)}"


# --- from pydantic's words to ours ------------------------------------------------------


def _in_words(
    detail: Mapping[str, Any], root: Schema, data: Mapping[str, Any]
) -> Iterator[Fault]:
    key = _key_of(detail["loc"], data)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, UnsoundError):
        for fault in cause.faults:
            whole = key + fault.key
            # As written, where it was written: 5 rather than 5.0.
            given = fault.value is not ABSENT
            yield Fault(
                whole, fault.message, look_up(data, whole, fault.value) if given else ABSENT
            )
    elif detail["type"] == "missing":
        key = (*key, detail["loc"][-1])
        schema = _schema_at(root, key)
        about = f" ({schema['description']})" if "description" in schema else ""
        yield Fault(key, f"is missing: must be {_phrase(root, schema)}{about}")
    elif detail["loc"] and detail["loc"][-1] == "[key]":
        yield Fault(key, f"the key must be {_A_NAME}")
    else:
        yield Fault(key, _about_value(root, key, detail["type"]), look_up(data, key))


def _about_value(root: Schema, key: Key, kind: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown key; {_hint(root, key)}"
    schema = _schema_at(root, key)
    limits = dict.fromkeys(_bounds(arm, kind) for arm in _arms(root, schema))
    if kind in _OUT_OF_BOUNDS and any(limits):
        return f"must be {' or '.join(filter(None, limits))}"
    phrase = _phrase(root, schema)
    if kind == "finite_number":
        phrase = phrase.replace("a number", "a finite number", 1)
    return f"must be {phrase}"


def _key_of(place: tuple[str | int, ...], data: Any) -> Key:
    """The part of pydantic's place that leads through the data: no names of union arms."""
    key: list[str | int] = []
    for part in place:
        if _holds(data, part):
            key.append(part)
            data = data[part]
    return tuple(key)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)


def _position(data: Any, key: Key) -> list[int]:
    """Where a key stands in the data; what is missing comes after what is there."""
    places: list[int] = []
    for part in key:
        if not _holds(data, part):
            return [*places, len(data) if isinstance(data, (Mapping, list)) else 0]
        places.append(list(data).index(part) if isinstance(data, Mapping) else int(part))
        data = data[part]
    return places


# --- reading the schema -----------------------------------------------------------------


@functools.cache
def _schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _arms(root: Schema, schema: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, references followed, without null."""
    if "$ref" in schema:
        yield from _arms(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
        return
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices is not None:
        for choice in choices:
            yield from _arms(root, choice)
    elif schema.get("type") != "null":
        yield schema


def _schema_at(root: Schema, key: Key) -> Schema:
    """The schema of a key; an empty one, which allows all, where none is given."""
    at = root
    for part in key:
        at = next(
            (s for arm in _arms(root, at) if (s := _below(arm, part)) is not None), {}
        )
    return at


def _below(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        below = schema.get("items")
    else:
        patterns = list(schema.get("patternProperties", {}).values())
        others = patterns[0] if patterns else schema.get("additionalProperties")
        below = schema.get("properties", {}).get(part, others)
    return below if isinstance(below, Mapping) else None


def _phrase(root: Schema, schema: Schema) -> str:
    """What a schema asks for, to follow "must be"."""
    phrases = dict.fromkeys(_one_phrase(arm) for arm in _arms(root, schema))
    return " or ".join(phrases) or "a value"


def _one_phrase(schema: Schema) -> str:
    kind = schema.get("type")
    if "enum" in schema:
        return f"one of {', '.join(shown(value) for value in schema['enum'])}"
    if "const" in schema:
        return shown(schema["const"])
    if kind == "array":
        return "a list" + _count(schema.get("minItems"), schema.get("maxItems"))
    if kind == "object":
        return "a table" + _count(schema.get("minProperties"), schema.get("maxProperties"))
    if kind == "string":
        return _A_NAME if "pattern" in schema else "text"
    return f"{_TYPES.get(str(kind), 'a value')} {_bounds(schema)}".rstrip()


def _count(least: int | None, most: int | None) -> str:
    limits = [f"at least {least}"] if least else []
    limits += [f"at most {most}"] if most else []
    return f" of {' and '.join(limits)} entries" if limits else ""


def _bounds(schema: Schema, broken: str = "") -> str:
    """The limits of a number; the technical ones only if broken."""
    above, least = schema.get("exclusiveMinimum"), schema.get("minimum")
    below, most = schema.get("exclusiveMaximum"), schema.get("maximum")
    if least == -LARGEST and broken != "greater_than_equal":
        least = None
    if most == LARGEST and broken != "less_than_equal":
        most = None
    if least is not None and most is not None:
        return f"from {_number(least)} to {_number(most)}"
    limits = (
        ("greater than", above),
        ("at least", least),
        ("less than", below),
        ("at most", most),
    )
    return " and ".join(
        f"{word} {_number(limit)}" for word, limit in limits if limit is not None
    )


def _number(value: float) -> str:
    return f"{value}" if isinstance(value, int) else f"{value:.12g}".replace("e+", "e")


def _hint(root: Schema, key: Key) -> str:
    """Where the writer of an unknown key may have wanted to go."""
    word = str(key[-1])
    here = [name for arm in _arms(root, _schema_at(root, key[:-1])) for name in _names(arm)]
    elsewhere = list(_homes(root, word))
    if elsewhere and not difflib.get_close_matches(word, here):
        return f"did you mean {elsewhere[0]}?"
    return nearest(word, here)


def _names(schema: Schema) -> Iterable[str]:
    names: Iterable[str] = schema.get("properties", {})
    return names


def _homes(root: Schema, word: str) -> Iterator[str]:
    """Dotted keys of the tables that know a word."""
    if word in root["properties"]:
        yield word
    for section, below in root["properties"].items():
        for arm in _arms(root, below):
            if word in _names(arm):
                yield f"{section}.{word}"
            named = _below(arm, "NAME")
            if named is not None and any(word in _names(a) for a in _arms(root, named)):
                yield f"{section}.NAME.{word}"
