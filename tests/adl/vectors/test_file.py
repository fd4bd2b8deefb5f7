"""The file of cases: each is put through something and names its source."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.adl.vectors.cases import CASES, USED


def test_every_case_is_put_through_something() -> None:
    for module in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(f"tests.adl.vectors.{module.stem}")
    assert {case["mechanism"] for case in CASES} == USED


def test_every_case_names_its_source() -> None:
    assert all(len(case["source"]) > 10 for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
