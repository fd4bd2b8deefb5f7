"""The compiled loops: one set of types each, and all of them compiled ahead."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from abm.adl import sharing
from abm.adl.sharing.proportional import by_weight, pro_rata
from abm.adl.sharing.queue import queue
from tests.adl.sharing.books import RULES, wave


def kernels():
    """All compiled functions of the package but those inlined into others."""
    for module in pkgutil.iter_modules(sharing.__path__):
        loaded = import_module(f"abm.adl.sharing.{module.name}")
        for name, value in vars(loaded).items():
            if hasattr(value, "signatures") and value.__module__ == loaded.__name__:
                inline = value.targetoptions.get("forceinline", False)
                if not inline:
                    yield name, value


def test_whatever_the_arrays_look_like_each_kernel_has_one_set_of_types():
    rng = np.random.default_rng(1)
    for _ in range(200):
        book = wave(rng)
        for rule in RULES.values():
            rule(book)
    strided = np.arange(20, dtype=np.int32)[::2]
    frozen = np.broadcast_to(2.0, 10)
    assert queue(strided, frozen, 30).sum() == 30
    assert pro_rata(strided, 30).sum() == 30
    assert by_weight(strided, frozen, np.int32(30)).sum() == 30
    counts = {name: len(kernel.signatures) for name, kernel in kernels()}
    assert len(counts) >= 10
    assert set(counts.values()) == {1}, counts


def test_warming_up_compiles_all_of_them():
    code = (
        "from abm.warm import warm_up_sharing; warm_up_sharing(); "
        "from tests.adl.sharing.test_kernels import kernels; "
        "cold = [name for name, kernel in kernels() if not kernel.signatures]; "
        "assert not cold, cold"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
