"""What traders can do about a rule: one idea a file, and where to find them by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from abm.adl.answers import build, users_files, users_function
from abm.desk.actions import Actions
from abm.desk.view import View
from abm.gaming.strategies.base import Memory, Strategy
from abm.gaming.strategies.camouflage import Camouflage
from abm.gaming.strategies.extract import Extract
from abm.gaming.strategies.leave_early import LeaveEarly
from abm.gaming.strategies.reset_entry import ResetEntry
from abm.gaming.strategies.self_trade import SelfTrade
from abm.gaming.strategies.shave_leverage import ShaveLeverage
from abm.gaming.strategies.shuffle_markets import ShuffleMarkets
from abm.gaming.strategies.split import Split
from abm.gaming.strategies.withdraw_gains import WithdrawGains

__all__ = [
    "ARGUMENTS",
    "STRATEGIES",
    "Entry",
    "Memory",
    "Parameter",
    "Strategy",
    "build_strategy",
    "catalogue",
]

STRATEGIES: dict[str, type[Any]] = {
    "reset-entry": ResetEntry,
    "split": Split,
    "shave-leverage": ShaveLeverage,
    "shuffle-markets": ShuffleMarkets,
    "withdraw-gains": WithdrawGains,
    "leave-early": LeaveEarly,
    "camouflage": Camouflage,
    "extract": Extract,
    "self-trade": SelfTrade,
}
"""Built-in strategies by name."""

ARGUMENTS = ("view", "memory")
"""What a user's own function is called with, besides the parameters of its table."""


@dataclass(frozen=True)
class Own:
    """A user's function as a strategy.

    It may have attributes `reads_policy` (if it is False, the past until the first wave is
    shared by all policies, and `View.policy` is None) and `reads_lights`.
    """

    function: Callable[..., Any]
    reads_policy: bool
    reads_lights: bool

    def act(self, view: View, memory: Memory) -> Actions:
        """What the function answers."""
        answer: Actions = self.function(view, memory)
        return answer


def build_strategy(name: str, table: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy that a scenario calls by a name.

    Parameters
    ----------
    name : str
        Of a table of ``[strategies]``, or of a built-in strategy.
    table : mapping, optional
        ``rule`` (the name itself if there is none) and parameters.

    Raises
    ------
    CompositionError
        If there is no such strategy, or a parameter is unknown or out of bounds.
    """
    given = {"rule": name} | dict(table or {})
    rule, key = given["rule"], f"strategies.{name}"
    if isinstance(rule, str) and users_files(rule):
        return _own(key, rule, {k: v for k, v in given.items() if k != "rule"})
    strategy: Strategy = build(key, given, STRATEGIES, kind="strategy")
    return strategy


def _own(key: str, rule: str, parameters: dict[str, Any]) -> Own:
    # Without its guard, which would copy the view: that cannot be written to anyway.
    guarded = users_function(key, rule, ARGUMENTS, parameters)
    function = getattr(guarded, "function", guarded)
    bare = getattr(function, "func", function)
    reads_lights = bool(getattr(bare, "reads_lights", False))
    reads_policy = bool(getattr(bare, "reads_policy", True))
    return Own(function, reads_policy or reads_lights, reads_lights)


# --- the list of them -------------------------------------------------------------------


class Parameter(NamedTuple):
    """A parameter of a strategy: default, kind, bounds (None if open) and what it means.

    `kind` is ``"float"``, ``"int"``, ``"flag"`` or ``"choice"``, of `choices`.
    """

    default: Any
    kind: Literal["float", "int", "flag", "choice"]
    least: float | None
    most: float | None
    choices: tuple[Any, ...]
    description: str


class Entry(NamedTuple):
    """What the docstring of a built-in strategy says, and its parameters."""

    name: str
    idea: str
    source: str
    hurts: str
    costs: str
    parameters: dict[str, Parameter]


def catalogue() -> tuple[Entry, ...]:
    """All built-in strategies, in order."""
    return tuple(_entry(name, strategy) for name, strategy in STRATEGIES.items())


def _entry(name: str, strategy: type[Any]) -> Entry:
    parts = _sections(inspect.getdoc(strategy) or "")
    hints = get_type_hints(strategy, include_extras=True)
    told = _descriptions(parts["Parameters"])
    parameters = {
        field.name: _parameter(hints[field.name], field.default, told[field.name])
        for field in fields(strategy)
    }
    idea, source, hurts, costs = (
        " ".join(text.split())
        for text in (parts[""].split("\n\n")[0], *map(parts.get, _SECTIONS))
        if text is not None
    )
    return Entry(name, idea, source, hurts, costs, parameters)


_SECTIONS = ("Source", "Hurts", "Costs")


def _sections(text: str) -> dict[str, str]:
    """The sections of a docstring by title, the first without one."""
    pieces = re.split(r"^(\w+)\n-+\n", text, flags=re.MULTILINE)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def _descriptions(text: str) -> dict[str, str]:
    """What a section of parameters says of each."""
    pieces = re.split(r"^(\w+) : .*\n", text, flags=re.MULTILINE)
    return {
        name: " ".join(words.split())
        for name, words in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def _parameter(hint: Any, default: Any, description: str) -> Parameter:
    kind, *rest = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    least = most = None
    for bound in (one for info in rest for one in getattr(info, "metadata", ())):
        least = getattr(bound, "ge", getattr(bound, "gt", least))
        most = getattr(bound, "le", getattr(bound, "lt", most))
    if get_origin(kind) is Literal:
        return Parameter(default, "choice", least, most, get_args(kind), description)
    name: Literal["flag", "int", "float"] = (
        "flag" if kind is bool else "int" if kind is int else "float"
    )
    return Parameter(default, name, least, most, (), description)
