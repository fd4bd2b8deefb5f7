"""From an answer in a scenario to a part of a policy.

An answer is a name, or a table with ``rule`` and its parameters. Names are looked up in a
part's `ANSWERS`: functions whose keyword parameters are the table's, with types that say
what is allowed, and that build the part. A name ``FILE.py:FUNCTION`` is a user's own.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from abm.faults import ABSENT, found, shown
from abm.toml_out import key_to_toml

Answer = str | dict[str, Any]
Answers = Mapping[str, Callable[..., Any]]


class CompositionError(ValueError):
    """A policy table that makes no policy; the message names the question."""


def build(
    question: str, answer: Any, answers: Answers, *, arguments: tuple[str, ...] = ()
) -> Any:
    """Build the part that an answer describes.

    Parameters
    ----------
    question : str
        The key that the answer stands at, for messages.
    answer : str or mapping
        A name, or a table with ``rule`` and parameters.
    answers : mapping
        The builders that can be named.
    arguments : tuple of str
        The arguments that a user's own function must take; none are allowed if empty.

    Raises
    ------
    CompositionError
        If the name is unknown, or a parameter is unknown, missing or out of bounds.
    """
    rule, parameters = _rule(question, answer)
    if ":" in rule and arguments:
        part = users_function(question, rule, arguments)
        return functools.partial(part, **parameters) if parameters else part
    if rule not in answers:
        also = ", or FILE.py:FUNCTION" if arguments else ""
        raise CompositionError(
            f"{question} = {shown(answer)}: must be one of {', '.join(answers)}{also}"
        )
    builder = answers[rule]
    return builder(**_validated(question, builder, parameters))


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
    question: str, text: str, arguments: tuple[str, ...]
) -> Callable[..., Any]:
    """The function that ``FILE.py:NAME`` points to, known to take the arguments.

    Raises
    ------
    CompositionError
        If there is no such file or function, or it takes other arguments.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise CompositionError(f"{question} = {text!r}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CompositionError(f"{question} = {text!r}: {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CompositionError(f"{question} = {text!r}: {file} fails: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise CompositionError(f"{question} = {text!r}: {file} has no function {name}")
    wanted = len(arguments)
    given = inspect.signature(function).parameters.values()
    needed = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(needed) < wanted or any(p.default is p.empty for p in needed[wanted:]):
        raise CompositionError(
            f"{question} = {text!r}: must take {wanted} arguments ({', '.join(arguments)})"
        )
    return function  # type: ignore[no-any-return]
