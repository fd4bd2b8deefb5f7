"""How the kernels are compiled, where the result is kept, and what the user is told.

numba caches a compiled function by the time stamp of the one file that defines it, so
a change in a callee of another module would go unnoticed. All kernels therefore share a
cache folder whose name is a hash over the source of every module that defines one: any
edit, any other numba, any other processor starts a new folder.

Kernels allocate nothing; numba's reference counting is switched off for them, which makes
code over structured arrays ten times faster.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numba
from numba.core.registry import CPUDispatcher

Function = TypeVar("Function", bound=Callable[..., Any])


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


_ROOT = Path(__file__).parent

_CONSTANTS = ("units.py", "world/records.py")
"""Modules without kernels whose numbers and records kernels are compiled with."""


def _sources() -> list[tuple[Path, bytes]]:
    """Modules that define kernels, and what they say."""
    texts = [(path, path.read_bytes()) for path in sorted(_ROOT.rglob("*.py"))]
    return [(path, text) for path, text in texts if b"abm.compiled import" in text]


def _fingerprint() -> str:
    """Hash of everything that a compiled kernel depends on."""
    digest = hashlib.sha256()
    digest.update(f"{numba.__version__} {llvm.get_host_cpu_name()}".encode())
    constants = [(_ROOT / name, (_ROOT / name).read_bytes()) for name in _CONSTANTS]
    for path, text in [*_sources(), *constants]:
        digest.update(path.name.encode())
        digest.update(text)
    return digest.hexdigest()[:16]


def _choose_cache_folder() -> Path:
    home = os.environ.get("ADL_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(home).expanduser() / "adl-abm" / _fingerprint()
    if _writable(folder):
        return folder
    return Path(tempfile.gettempdir()) / "adl-abm" / _fingerprint()


CACHE_FOLDER = _choose_cache_folder()


def kernel(function: Function) -> Function:
    """Compile a function of arrays with numba, cached in :data:`CACHE_FOLDER`."""
    return _compile(function, forceinline=False, from_python=True)


def inlined_kernel(function: Function) -> Function:
    """Like :func:`kernel`, for what other kernels must be able to call at no cost."""
    return _compile(function, forceinline=True, from_python=True)


def inner(function: Function) -> Function:
    """Like :func:`kernel`, for what only kernels call.

    An entry from Python, which takes a world of arrays apart, often costs more time to
    compile than the function itself.
    """
    return _compile(function, forceinline=False, from_python=False)


def inlined(function: Function) -> Function:
    """Like :func:`inner`, for small helpers that must cost no call."""
    return _compile(function, forceinline=True, from_python=False)


def _compile(function: Function, *, forceinline: bool, from_python: bool) -> Function:
    # numba reads its cache folder when a function is decorated; put back what was there,
    # since the user's own functions are none of our business.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        compiled = numba.njit(
            cache=True,
            _nrt=False,
            error_model="numpy",
            boundscheck=False,
            forceinline=forceinline,
            no_cpython_wrapper=not from_python,
            no_cfunc_wrapper=True,
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    _widen_calls(compiled)
    if not from_python:
        compiled.__class__ = _Inner
    return cast(Function, compiled)


class _Inner(CPUDispatcher):  # type: ignore[misc]
    """A compiled function without an entry, a call of which would end Python."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}"
        raise TypeError(f"{name} can be called by kernels only")


def _widen_calls(dispatcher: Any) -> None:
    """Compile a kernel once, whatever width of integer other kernels hand to it.

    numba would make a function of its own for each of ``int8``, ``int32`` and every
    constant that an argument takes.
    """
    template_of = dispatcher.get_call_template

    def widened(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        kws = {name: _wide(kind) for name, kind in kws.items()}
        return template_of(tuple(map(_wide, args)), kws)

    dispatcher.get_call_template = widened


def _wide(kind: Any) -> Any:
    whole = numba.types.unliteral(kind)
    is_signed = isinstance(whole, numba.types.Integer) and whole.signed
    return numba.types.int64 if is_signed else whole


def _mark_of_whole() -> Path:
    """A file that is there once all kernels of this copy of the package are compiled.

    numba looks a kernel up by the path and the time stamp of its source, so another copy
    of the same sources, or the same one checked out afresh, finds nothing in the folder.
    """
    digest = hashlib.sha256()
    for path, _ in _sources():
        digest.update(f"{path} {path.stat().st_mtime_ns}".encode())
    return CACHE_FOLDER / f"whole-{digest.hexdigest()[:16]}"


def is_cold() -> bool:
    """True if this copy of the package was not yet compiled whole on this machine."""
    return not _mark_of_whole().exists()


def note_whole() -> None:
    """Tell later runs that all kernels are compiled, where anything can be kept."""
    with suppress(OSError):
        _mark_of_whole().touch()
