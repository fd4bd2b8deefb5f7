"""From an answer in a scenario to a part of a policy.

An answer is a name, or a table with ``rule`` and its parameters. Names are looked up in a
part's `ANSWERS`: functions whose keyword parameters are the table's, with types that say
what is allowed, and that build the part.

Names of a user's own come in two ways. ``FILE.py:FUNCTION`` is the part itself, a function
of the arguments in `ARGUMENTS` (and of the table's parameters, as keywords); a settlement,
which has several methods, is a class there, made with the table's parameters. They may
stand inside other answers too, such as a hybrid's parts. Arrays that a user's function is
called with cannot be written to. An installed
package offers a builder, like those in `ANSWERS`, as an entry point in the group
``abm.KIND``: ``abm.trigger``, ``abm.severity``, ``abm.eligibility``, ``abm.seniority``,
``abm.allocation``, ``abm.settlement`` or ``abm.score``.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from abm.adl.guard import guarded, in_words
from abm.faults import ABSENT, found, shown
from abm.toml_out import key_to_toml

Answer = str | dict[str, Any]
Answers = Mapping[str, Callable[..., Any]]

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "trigger": ("wave", "past"),
    "severity": ("wave", "payers", "past"),
    "eligibility": ("wave", "worst", "past"),
    "seniority": ("wave", "payers"),
    "allocation": ("capacity", "score", "budget"),
    "settlement": (),
    "score": ("wave", "payers"),
}
"""What a user's own function of each kind is called with."""

_A_FUNCTION = re.compile(r"(.+\.py):([A-Za-z_]\w*)")


class CompositionError(ValueError):
    """A policy table that makes no policy; the message names the question."""


def build(question: str, answer: Any, answers: Answers, kind: str = "") -> Any:
    """Build the part that an answer describes.

    Parameters
    ----------
    question : str
        The key that the answer stands at, for messages.
    answer : str or mapping
        A name, or a table with ``rule`` and parameters.
    answers : mapping
        The builders that can be named.
    kind : str
        What kind of part it is; the question itself says so if nothing is given.

    Raises
    ------
    CompositionError
        If the name is unknown, or a parameter is unknown, missing or out of bounds.
    """
    rule, parameters = _rule(question, answer)
    kind = kind or question
    if _A_FUNCTION.fullmatch(rule) and kind in ARGUMENTS:
        part = users_function(question, rule, ARGUMENTS[kind], parameters)
        return _made(question, rule, part) if kind == "settlement" else part
    builder = answers.get(rule) or _installed(question, kind, rule)
    if builder is None:
        also = ", or FILE.py:FUNCTION" if kind in ARGUMENTS else ""
        raise CompositionError(
            f"{question} = {shown(answer)}: must be one of {', '.join(answers)}{also}"
        )
    built = builder(**_validated(question, builder, parameters))
    return guarded(built) if kind == "score" else built


def _made(question: str, rule: str, settlement: Callable[[], Any]) -> Any:
    """A user's settlement, made from its class."""
    try:
        made = settlement()
        lacking = _lacking(made)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CompositionError(f"{question} = {rule!r}: {in_words(error)}") from error
    if lacking:
        raise CompositionError(f"{question} = {rule!r}: {lacking}")
    return made


_MEDIA = ("contracts", "cash", "charge", "withdrawals")


def _lacking(part: Any) -> str:
    """What an object lacks to be a settlement; empty if nothing."""
    if getattr(part, "medium", None) not in _MEDIA:
        return f"must have a medium, one of {', '.join(_MEDIA)}"
    if not isinstance(getattr(part, "looks_everywhere", None), bool):
        return "must have looks_everywhere, True or False"
    methods = [name for name in _METHODS if not callable(getattr(part, name, None))]
    return f"must have a method {methods[0]}" if methods else ""


_METHODS = ("worst", "need", "rounded", "entries", "book")


def _installed(question: str, kind: str, rule: str) -> Callable[..., Any] | None:
    """The builder that an installed package offers under a name, if any does."""
    for point in entry_points(group=f"abm.{kind}", name=rule):
        try:
            builder = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise CompositionError(
                f"{question} = {rule!r}: entry point {point.value} fails: {in_words(error)}"
            ) from error
        return builder  # type: ignore[no-any-return]
    return None


def users_files(table: Any) -> set[str]:
    """Files that a policy table, or any answer in it, takes functions from."""
    if isinstance(table, str):
        found = _A_FUNCTION.fullmatch(table)
        return {found[1]} if found else set()
    if isinstance(table, Mapping):
        table = list(table.values())
    if isinstance(table, (list, tuple)):
        return set().union(*(users_files(below) for below in table))
    return set()


def _rule(question: str, answer: Any) -> tuple[str, dict[str, Any]]:
    """The rule's name and its parameters."""
    if isinstance(answer, str):
        return answer, {}
    if not isinstance(answer, Mapping):
        raise CompositionError(f"{question} = {shown(answer)}: must be a name or a table")
    parameters = dict(answer)
    if not isinstance(parameters.get("rule"), str):
        raise CompositionError(f"{question}: needs a rule, such as {{ rule = ... }}")
    return parameters.pop("rule"), parameters


@functools.cache
def parameters_of(builder: Callable[..., Any]) -> type[BaseModel]:
    """A model of the keyword parameters of a builder."""
    hints = get_type_hints(builder, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(builder).parameters.items():
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints[name], default)
    config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
    return create_model(builder.__name__, __config__=config, **fields)


def _validated(
    question: str, builder: Callable[..., Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    model = parameters_of(builder)
    try:
        checked = model(**parameters)
    except ValidationError as error:
        fault = found(model, error, parameters)[0]
        value = "" if fault.value is ABSENT else f" = {shown(fault.value)}"
        key = key_to_toml(*fault.key)
        raise CompositionError(f"{question}.{key}{value}: {fault.message}") from error
    return {name: getattr(checked, name) for name in model.model_fields}


def users_function(
    question: str,
    text: str,
    arguments: tuple[str, ...],
    parameters: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """The function that ``FILE.py:NAME`` points to, with its parameters filled in.

    It cannot write to the arrays that it is called with.

    Raises
    ------
    CompositionError
        If there is no such file or function, or it takes other arguments.
    """
    file, _, name = text.rpartition(":")
    function = getattr(_module(question, text, file), name, None)
    if not callable(function):
        raise CompositionError(f"{question} = {text!r}: {file} has no function {name}")
    given = dict(parameters or {})
    try:
        inspect.signature(function).bind(*arguments, **given)
    except (TypeError, ValueError) as error:
        wanted = f"{len(arguments)} arguments ({', '.join(arguments)})"
        also = f" and {', '.join(given)}" if given else ""
        raise CompositionError(
            f"{question} = {text!r}: must take {wanted}{also}: {error}"
        ) from None
    own: Callable[..., Any] = functools.partial(function, **given) if given else function
    return guarded(own)


def _module(question: str, text: str, file: str) -> ModuleType:
    if not Path(file).is_file():
        raise CompositionError(f"{question} = {text!r}: there is no file {file}")
    # Under a name that no import takes; dataclasses look their own module up there.
    name = f"abm user file {file}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise CompositionError(f"{question} = {text!r}: {file} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CompositionError(
            f"{question} = {text!r}: {file} fails: {in_words(error)}"
        ) from error
    return module
