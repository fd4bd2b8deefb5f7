"""When kernels are compiled, and what is said of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from abm import compiled, warm

ROOT = Path(compiled.__file__).parent


def test_only_this_copy_of_the_sources_as_it_is_counts_as_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """For numba looks kernels up by path and time stamp, whatever the sources say."""
    cache, copy = tmp_path / "cache", tmp_path / "abm"
    cache.mkdir()
    copy.mkdir()
    for name in ("compiled.py", "arithmetic.py"):
        shutil.copy2(ROOT / name, copy / name)
    monkeypatch.setattr(compiled, "CACHE_FOLDER", cache)
    assert compiled.is_cold()
    compiled.note_whole()
    assert not compiled.is_cold()
    monkeypatch.setattr(compiled, "_ROOT", copy)
    assert compiled.is_cold()
    compiled.note_whole()
    assert not compiled.is_cold()
    os.utime(copy / "arithmetic.py", (1.0, 1.0))
    assert compiled.is_cold()


def test_a_cache_that_cannot_be_written_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(compiled, "CACHE_FOLDER", tmp_path / "nowhere")
    compiled.note_whole()
    assert compiled.is_cold()


def test_what_is_compiled_is_not_warmed_up_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(compiled, "is_cold", lambda: False)
    monkeypatch.setattr(warm, "_market_stages", lambda: pytest.fail("was compiled again"))
    warm.warm_up()
    assert capsys.readouterr().err == ""


def test_a_kernel_compiles_once_whatever_widths_and_constants_it_is_given():
    @compiled.inner
    def twice(number: int) -> int:
        return 2 * number

    @compiled.kernel
    def sums(numbers: np.ndarray) -> int:
        row = numbers[0]
        return twice(row.small) + twice(row.large) + twice(4)

    numbers = np.array([(1, 2)], [("small", np.int8), ("large", np.int64)])
    assert sums(numbers) == 14
    assert len(twice.signatures) == 1


def test_an_inner_kernel_cannot_be_called_from_python():
    @compiled.inner
    def twice(number: int) -> int:
        return 2 * number

    with pytest.raises(TypeError, match="twice can be called by kernels only"):
        twice(2)
