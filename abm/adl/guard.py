"""How the parts of a policy are called when they are a user's own.

A user's function gets arrays that it cannot write to, so that what it was given is still
what is checked and booked. Parts of this package get their arrays as they are: compiled
code has one set of types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, overload

import numpy as np

from abm.world import World


def is_ours(function: Any) -> bool:
    """Whether a function, or an object that is called, is defined in this package."""
    if isinstance(function, Guarded):
        return False
    return str(getattr(function, "__module__", "")).split(".", 1)[0] == "abm"


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a part; if it is a user's, with arrays that it cannot write to."""
    return guarded(function)(*args)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A user's function as one that is always called so, wherever it is nested."""
    is_safe = is_ours(function) or isinstance(function, Guarded)
    return function if is_safe else Guarded(function)


class Guarded:
    """A user's function that cannot write to the arrays it is called with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        return self.function(*map(frozen, args))


def frozen(value: Any) -> Any:
    """The same value with views of its arrays that cannot be written to.

    Of a world, which a settlement books in, the arrays stay as they are.
    """
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, World):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(frozen, value))
    if is_dataclass(value) and not isinstance(value, type):
        found = {f.name: frozen(getattr(value, f.name)) for f in fields(value) if f.init}
        return replace(value, **found)
    if isinstance(value, (list, tuple)):
        return _Frozen(value)
    return value


class _Frozen(Sequence[Any]):
    """A sequence whose members are frozen when they are looked at."""

    def __init__(self, members: Sequence[Any]) -> None:
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return _Frozen(self._members[at])
        return frozen(self._members[at])


def in_words(error: BaseException) -> str:
    """What a part did wrong, in words, whatever it raised."""
    if isinstance(error, SystemExit):
        return f"called exit({error.code!r}), must not end the program"
    try:
        return f"raised {type(error).__name__}: {error}"
    except Exception:
        return f"raised {type(error).__name__}"
