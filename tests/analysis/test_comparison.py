from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from analysis.comparison import compare, findings, records, render, shared_past
from tests.analysis.batches import crowd_batch, failed, finished, make_batch

DEFICITS = [0.0, 10.0, 20.0, 30.0, 40.0, 500.0]


def two_policies(folder: Path):
    rows = [
        finished(
            run, "queue", deficit, covered_usd=0.5 * deficit, residual_usd=0.5 * deficit,
            largest_haircut_share=0.1 * run, largest_equity_share=0.05 * run,
            adl_accounts=2 * run, haircut_usd=deficit,
        )
        for run, deficit in enumerate(DEFICITS)
    ]  # fmt: skip
    rows += [
        finished(run, "share", deficit + 7.0, covered_usd=deficit + 7.0, haircut_usd=1.0)
        for run, deficit in enumerate(DEFICITS[:5])
    ]
    rows.append(failed(5, "share"))
    return make_batch(folder, ["queue", "share"], 6, runs=rows)


def test_comparison_gives_the_numbers_that_a_hand_gets(tmp_path: Path):
    table = compare(two_policies(tmp_path))
    assert list(table.index) == ["queue", "share"]
    queue, share = table.loc["queue"], table.loc["share"]
    assert (queue["runs"], queue["failed"]) == (6, 0)
    assert (share["runs"], share["failed"]) == (6, 1)
    assert queue["deficit_runs"] == pytest.approx(5 / 6)
    assert queue["deficit_mean"] == pytest.approx(100.0)
    assert queue["covered_share"] == pytest.approx(0.5)
    assert queue["residual_mean"] == pytest.approx(50.0)
    assert queue["largest_haircut_mean"] == pytest.approx(0.25)
    assert queue["largest_equity_mean"] == pytest.approx(0.125)
    assert queue["accounts_touched_mean"] == pytest.approx(5.0)
    assert share["deficit_mean"] == pytest.approx(27.0)
    assert share["covered_share"] == pytest.approx(1.0)


def test_what_is_shared_is_simulated_once(tmp_path: Path):
    """Of three minutes twenty seconds of all, and all of two that did the same."""
    seconds = {"first": 20.0, "same": 60.0, "other": 20.0}
    rows = [finished(0, name, 1.0, shared_s=shared) for name, shared in seconds.items()]
    batch = make_batch(tmp_path / "three", list(seconds), 1, runs=rows)
    assert shared_past(batch) == pytest.approx((60.0 + 20.0) / 180.0)
    alone = make_batch(tmp_path / "one", ["first"], 1, runs=rows[:1])
    assert math.isnan(shared_past(alone))


def test_many_policies_are_shown_a_line_each_before_their_intervals(tmp_path: Path):
    names = [f"rule-{i}" for i in range(8)]
    rows = [
        finished(run, name, 100.0, covered_usd=10.0 * i, largest_equity_share=0.5)
        for i, name in enumerate(names)
        for run in range(6)
    ]
    lines = render(compare(make_batch(tmp_path, names, 6, runs=rows))).splitlines()
    first = [next(line for line in lines if line.startswith(name)) for name in names]
    assert ["70.0%" in line for line in first] == [False] * 7 + [True]
    assert all("50.0%" in line for line in first)


def test_differences_are_over_runs_that_both_finished(tmp_path: Path):
    table = compare(two_policies(tmp_path))
    assert table.loc["share", "pairs"] == 5
    assert table.loc["share", "deficit_less_base"] == pytest.approx(7.0)
    assert table.loc["share", "deficit_less_base_low"] == pytest.approx(7.0)
    assert np.isnan(table.loc["queue", "deficit_less_base"])


def test_intervals_hold_their_means(tmp_path: Path):
    table = compare(crowd_batch(tmp_path))
    for measure in ("deficit_mean", "covered_share", "haircuts_mean", "deficit_runs"):
        assert (table[f"{measure}_low"] <= table[measure]).all()
        assert (table[f"{measure}_high"] >= table[measure]).all()


def test_records_are_json_without_nan(tmp_path: Path):
    batch = make_batch(tmp_path, ["mine"], 2, runs=[failed(0, "mine"), failed(1, "mine")])
    rows = records(compare(batch))
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text)[0]["policy"] == "mine"
    assert rows[0]["failed"] == 2
    assert rows[0]["deficit_mean"] is None


@pytest.mark.parametrize("policies", [1, 3, 8])
def test_text_fits_in_100_columns_and_names_every_policy(tmp_path: Path, policies: int):
    names = ["contracts", "cash", "none", *(f"contracts-{i}" for i in range(5))][:policies]
    text = render(compare(crowd_batch(tmp_path, names)))
    assert max(map(len, text.splitlines())) <= 100
    assert all(name in text for name in names)
    assert "nan" not in text
    assert "\u2026" not in text


def test_text_writes_amounts_with_units_and_intervals(tmp_path: Path):
    rows = [finished(run, "queue", 1e6 + 1e5 * run) for run in range(9)]
    text = render(compare(make_batch(tmp_path, ["queue"], 9, runs=rows)))
    line = next(line for line in text.splitlines() if line.startswith("Deficit, mean"))
    assert "$1.40M" in line
    assert " to " in line


def test_what_is_undefined_is_a_dash(tmp_path: Path):
    rows = [finished(run, "queue", 0.0) for run in range(6)]
    text = render(compare(make_batch(tmp_path, ["queue"], 6, runs=rows)))
    line = next(line for line in text.splitlines() if line.startswith("Covered"))
    assert line.split() == ["Covered", "by", "ADL", "-"]


def words(folder: Path, difference: float, noise: float, runs: int = 30) -> str:
    stream = np.random.default_rng(6)
    rows = []
    for run in range(runs):
        size = float(stream.lognormal(8.0, 1.0))
        other = size + difference + noise * float(stream.standard_normal())
        rows.append(finished(run, "first", size, haircut_usd=1.0))
        rows.append(finished(run, "second", other))
    return " ".join(
        findings(compare(make_batch(folder, ["first", "second"], runs, runs=rows)))
    )


def test_words_say_which_policy_has_the_higher_deficit(tmp_path: Path):
    assert "mean deficit is higher under second (by $5" in words(
        tmp_path / "a", 500.0, 50.0
    )
    assert "mean deficit is lower under second (by $4" in words(
        tmp_path / "b", -500.0, 50.0
    )


def test_words_admit_that_a_difference_is_not_clear(tmp_path: Path):
    assert "not clearly different" in words(tmp_path, 1.0, 500.0)


def test_words_admit_that_runs_are_too_few(tmp_path: Path):
    assert "too little known" in words(tmp_path, 500.0, 1.0, runs=3)


def test_words_say_when_nothing_can_be_compared(tmp_path: Path):
    nothing = make_batch(tmp_path / "a", ["mine"], 1, runs=[failed(0, "mine")])
    assert findings(compare(nothing)) == [
        "No run finished, so there is nothing to compare."
    ]
    calm = make_batch(tmp_path / "b", ["mine"], 1, runs=[finished(0, "mine", 0.0)])
    assert "nobody had to pay" in findings(compare(calm))[0]


def test_a_batch_of_which_no_block_is_whole_is_compared_without_an_error(tmp_path: Path):
    batch = make_batch(tmp_path, ["mine"], 4)
    batch.manifest["blocks"] = {}
    assert render(compare(batch)).endswith("nothing to compare.\n")
