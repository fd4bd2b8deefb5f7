"""Numbers of venues, their tests and their critics, through the project's own code.

The cases are in ../vectors.toml, each with its source; `mechanism` picks the test.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.adl import allocation

Case = dict[str, Any]
CASES: list[Case] = tomllib.loads(
    (Path(__file__).parent.parent / "vectors.toml").read_text(encoding="utf-8")
)["case"]

USED: set[str] = set()


def cases(mechanism: str) -> Any:
    """Every case of a mechanism, with each of its rows laid over it."""
    USED.add(mechanism)
    found = [case for case in CASES if case["mechanism"] == mechanism]
    rows = [(case, row) for case in found for row in case.get("rows", [{}])]
    assert rows, mechanism
    names = [f"{case['id']}-{i}" for i, (case, _) in enumerate(rows)]
    return pytest.mark.parametrize("case", [case | row for case, row in rows], ids=names)


def share(answer: Any, capacity: list[int], budget: int, score: Any = None) -> list[int]:
    """What an allocation answer takes of capacities, with a score given."""
    rule = allocation.part("allocation", answer)
    given = np.full(len(capacity), np.nan) if score is None else np.array(score, float)
    amounts = rule.share(np.array(capacity, np.int64), given, budget)
    return [int(amount) for amount in amounts]
