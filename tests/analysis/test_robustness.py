from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import drivers, robustness
from analysis.sensitivity import INDICES


class Told:
    """As much of a batch as rankings are read from."""

    def __init__(self, values: dict[str, np.ndarray]) -> None:
        self.policies = tuple(values)
        rows = [
            {"run": run, "policy": policy, "failed": False}
            | dict.fromkeys(robustness.MEASURES.values(), value)
            for policy, column in values.items()
            for run, value in enumerate(column)
        ]
        self.runs = pd.DataFrame(rows)
        self.manifest = {
            "blocks": {"0": {}}, "scenario_sha256": "0" * 64, "first_seed": 1
        }  # fmt: skip

    def frame(self, name: str, columns: list[str]) -> pd.DataFrame:
        return self.runs[columns]


SHARE = {"largest haircut of equity": "largest_equity_share"}
SHOCK = np.random.default_rng(3).normal(size=40)
OTHER = np.random.default_rng(4).normal(size=40)
BASE = Told({"a": SHOCK, "b": SHOCK + 1.0 + 0.1 * OTHER, "c": SHOCK + 2.0})
VARIANT = Told({"a": SHOCK + 3.0, "b": SHOCK, "c": SHOCK + 0.1 * OTHER})


def test_pairs_are_kept_reversed_or_not_told_apart():
    found = robustness.robustness({"base": BASE, "other": VARIANT})
    row = found.loc[("deficit", "other")]
    assert (row["pairs"], row["kept"], row["reversed"], row["unclear"]) == (3, 0, 2, 1)
    assert row["which"] == ["a < b", "a < c"]
    assert found.loc[("deficit", "base"), "kept"] == 3
    assert found.loc[("deficit", "base"), "order"] == ["a", "b", "c"]


def test_a_variant_with_fewer_policies_is_held_against_those_it_has():
    fewer = Told({"a": SHOCK, "c": SHOCK + 2.0})
    row = robustness.robustness({"base": BASE, "fewer": fewer}).loc[("deficit", "fewer")]
    assert (row["pairs"], row["kept"]) == (1, 1)


def test_a_variant_that_has_not_been_run_yet_is_left_out():
    later = Told({"a": SHOCK, "b": SHOCK})
    later.manifest["blocks"] = {}
    begun = Told({"a": SHOCK[:4], "b": SHOCK[:4]})
    batches = {"base": BASE, "later": later, "begun": begun}
    table = robustness.robustness(batches)
    assert list(table.index.unique("variant")) == ["base"]
    assert "| later |" not in robustness.to_markdown(batches, table)


def test_reversed_pairs_are_named_in_the_table_and_on_the_page():
    batches = {"base": BASE, "other": VARIANT}
    table = robustness.robustness(batches)
    assert "other, deficit: a < b and a < c" in robustness.render_robustness(table)
    assert "- other, deficit: a < b and a < c." in robustness.to_markdown(batches, table)


def test_a_sweep_tells_what_drives_a_measure_and_what_drives_a_difference(monkeypatch):
    """The first policy's measure is x, what the other has more than it is y."""
    from abm.design import Range, saltelli

    points = saltelli({"x": Range(0.0, 1.0), "y": Range(0.0, 1.0)}, 256, 1)
    rows = []
    for number, point in enumerate(points):
        for policy in ("a", "b"):
            value = point["x"] + (policy == "b") * point["y"]
            measures = dict.fromkeys(robustness.MEASURES.values(), value)
            rows.append({"point": number, "policy": policy, **point, **measures})
    index = {"design": "saltelli", "factors": ["x", "y"]}
    monkeypatch.setattr(
        drivers, "open_sweep", lambda _: (index, [Told({"a": [], "b": []})])
    )
    monkeypatch.setattr(drivers, "responses", lambda *_: pd.DataFrame(rows))
    monkeypatch.setattr(drivers, "MEASURES", {"deficit": "deficit_usd"} | SHARE)
    found = drivers.drivers("folder")
    assert list(found)[: len(INDICES)] == list(INDICES)
    assert found.loc[("deficit", "a", "x"), "total"] == pytest.approx(1.0, abs=0.05)
    assert found.loc[("deficit", "a", "y"), "total"] == pytest.approx(0.0, abs=0.05)
    assert found.loc[("deficit", "b less a", "y"), "total"] == pytest.approx(1.0, abs=0.05)
