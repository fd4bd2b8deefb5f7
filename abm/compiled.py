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

Function = TypeVar("Function", bound=Callable[..., Any])


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


_CONSTANTS = ("units.py", "world/records.py")
"""Modules without kernels whose numbers and records kernels are compiled with."""


def _fingerprint() -> str:
    """Hash of everything that a compiled kernel depends on."""
    digest = hashlib.sha256()
    digest.update(f"{numba.__version__} {llvm.get_host_cpu_name()}".encode())
    root = Path(__file__).parent
    for source in sorted(root.rglob("*.py")):
        text = source.read_bytes()
        if b"abm.compiled import" in text or source in map(root.joinpath, _CONSTANTS):
            digest.update(source.name.encode())
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
    return _compile(function, forceinline=False)


def inlined(function: Function) -> Function:
    """Like :func:`kernel`, for small helpers that must cost no call."""
    return _compile(function, forceinline=True)


def _compile(function: Function, *, forceinline: bool) -> Function:
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
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    return cast(Function, compiled)


def _mark_of_whole() -> Path:
    """A file that is there once all kernels of this copy of the package are compiled.

    numba looks a kernel up by the path and the time stamp of its source, so another copy
    of the same sources, or the same one checked out afresh, finds nothing in the folder.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for source in sorted(root.rglob("*.py")):
        if b"abm.compiled import" in source.read_bytes():
            digest.update(f"{source} {source.stat().st_mtime_ns}".encode())
    return CACHE_FOLDER / f"whole-{digest.hexdigest()[:16]}"


def is_cold() -> bool:
    """True if this copy of the package was not yet compiled whole on this machine."""
    return not _mark_of_whole().exists()


def note_whole() -> None:
    """Tell later runs that all kernels are compiled, where anything can be kept."""
    with suppress(OSError):
        _mark_of_whole().touch()
