"""The table of a calibration, from moments made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import calibration
from analysis.figures.calibration import draw_calibration
from tests.analysis.batches import make_batch


def target(id_, moment, value, low, high, **more):
    row = {
        "id": id_, "moment": moment, "says": f"the {moment}", "unit": "number",
        "value": value, "low": low, "high": high, "heavy": False, "range": "ours",
        "source": "nobody", "reliability": "A", "missed": "",
    }  # fmt: skip
    return row | more


TARGETS = {
    "title": "Nothing at all",
    "notes": "Look closely.",
    "targets": [
        target("A", "one", 2.0, 1.0, 3.0),
        target("A", "two", 0.5, 0.4, 0.6, unit="share", missed="it rained"),
        target("B", "three", 5.0, 4.0, 6.0, heavy=True),
        target("C", "four", 1.0, 0.0, 2.0),
    ],
    "left_out": [{"id": "D", "says": "the fifth", "why": "nobody looked"}],
}
VALUES = {
    "one": [1.0, 2.0, 3.0, 1.5, 2.5, 8.0],
    "two": [0.1, 0.2, 0.3, 0.2, 0.2, 0.2],
    "three": [4.5, 5.5, 4.8, 5.2, 900.0, 5.1],
}


@pytest.fixture
def batch(tmp_path):
    rows = [
        {"run": run, "policy": "hyperliquid", "moment": moment, "value": value}
        for moment, values in VALUES.items()
        for run, value in enumerate(values)
    ]
    return make_batch(tmp_path / "best", ["hyperliquid"], 6, moments=rows)


@pytest.fixture
def table(batch):
    return calibration.target_table(batch, TARGETS).set_index("moment")


def test_means_are_judged_and_medians_where_tails_are_heavy(table):
    assert table.loc["one", "simulated"] == pytest.approx(3.0)
    assert table.loc["three", "simulated"] == pytest.approx(5.15)
    assert table["in_range"].to_dict() == {
        "one": True, "two": False, "three": True, "four": False
    }  # fmt: skip


def test_runs_within_the_range_and_below_the_target_are_counted(table):
    assert table.loc["one", "inside"] == pytest.approx(5 / 6)
    assert table.loc["one", "percentile"] == pytest.approx(2 / 6)
    assert table.loc["two", "percentile"] == 1.0


def test_an_interval_holds_what_it_is_of(table):
    for moment in VALUES:
        row = table.loc[moment]
        assert row["simulated_low"] <= row["simulated"] <= row["simulated_high"]


def test_a_moment_that_runs_do_not_have_is_out_of_range_and_no_error(table):
    row = table.loc["four"]
    assert (row["runs"], row["inside"], row["in_range"]) == (0, 0.0, False)
    assert np.isnan(row["simulated"])


def test_an_entry_counts_only_if_all_its_moments_are_in_range(batch):
    table = calibration.target_table(batch, TARGETS)
    assert calibration.whole_ids(table).to_dict() == {"A": False, "B": True, "C": False}
    assert calibration.verdict(table).startswith("2 of 4 moments are in range")


def test_the_page_says_what_is_missed_and_why_and_where_it_comes_from(batch):
    table = calibration.target_table(batch, TARGETS)
    batch.manifest["scenario_sha256"] = "abc"
    page = calibration.page({"targets": TARGETS}, batch, table, "adl calibrate x")
    assert "A the two: it rained" in page
    assert "Look closely." in page
    assert "**D**, the fifth: nobody looked." in page
    assert "seeds 7 to 12" in page
    assert "`adl calibrate x`" in page
    rows = [line for line in page.splitlines() if line.startswith(("| A", "| B", "| C"))]
    assert [row.endswith("in range |") for row in rows] == [True, False, True, False]


def test_the_terminal_table_and_the_figure_show_every_target(batch):
    table = calibration.target_table(batch, TARGETS)
    text = calibration.render(table, "made")
    assert all(f"the {moment}" in text for moment in (*VALUES, "four"))
    figure = draw_calibration(batch, "nothing", table)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["A  the one", "A  the two", "B  the three", "C  the four"]
