from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.montecarlo.store import COLUMNS
from analysis import intervals, notation
from analysis.measures import (
    MEASURES,
    Told,
    against,
    differences,
    stands,
    sum_up,
    use_of_profits,
)
from analysis.report import words
from tests.analysis.batches import failed, finished, make_batch

STREAM = np.random.default_rng(11)
NOISE = STREAM.normal(0.0, 1.0, 50)
NEAR = NOISE + STREAM.normal(0.0, 1.0, 50)
VALUES = pd.DataFrame({"low": NOISE, "near": NEAR, "far": NOISE + 3.0, "twin": NOISE})


def test_every_measure_is_a_column_or_made_from_one():
    made = {"covered_part", "has_residual", "has_solvency_back", "has_revenue_back"}
    made |= {"utilisation", "excess_usd", "undershoot_usd"}
    known = {name for name, _ in COLUMNS["runs"]} | made
    foretold = {m.column for m in MEASURES if m.column.startswith(("predict_", "jump_"))}
    assert {m.column for m in MEASURES} - foretold <= known
    assert len({m.label for m in MEASURES}) == len(MEASURES)


def test_differences_are_those_of_each_pair_by_itself():
    apart = differences(VALUES)
    for a, b in (("low", "far"), ("far", "near")):
        alone = intervals.paired_difference(VALUES[a], VALUES[b])
        row = apart.loc[(a, b)]
        assert row["difference"] == pytest.approx(alone.mean)
        assert (row["low"], row["high"]) == pytest.approx(tuple(alone[2:4]), rel=0.03)
        back = apart.loc[(b, a)]
        assert (back["difference"], back["low"]) == (-row["difference"], -row["high"])


def test_runs_that_a_policy_lacks_count_for_the_others():
    values = VALUES.assign(far=VALUES["far"].where(VALUES.index < 10))
    apart = differences(values)
    assert apart.loc[("low", "far"), "pairs"] == 10
    assert apart.loc[("low", "near"), "pairs"] == 50
    assert against(values, "low")["far"].runs == 10


def test_who_stands_with_the_best_is_told_by_paired_differences():
    values = VALUES.assign(
        near=VALUES["near"] - VALUES["near"].mean() + 0.01 + NOISE.mean()
    )
    assert stands(values, "low") == ["best", "with the best", "worse", "best"]
    assert stands(-values, "high") == ["best", "with the best", "worse", "best"]


def test_sums_are_means_with_the_intervals_of_each_column():
    table = sum_up(VALUES)
    alone = intervals.mean_interval(VALUES["far"])
    assert table.loc["far", "value"] == pytest.approx(VALUES["far"].mean())
    assert tuple(table.loc["far", ["low", "high"]]) == pytest.approx(tuple(alone))
    shares = sum_up(pd.DataFrame({"p": [1.0, 0.0, 1.0, 1.0]}), of_runs=True).loc["p"]
    assert tuple(shares[["low", "high"]]) == tuple(intervals.share_interval(3, 4))


def test_only_finished_runs_count(tmp_path: Path):
    runs = [finished(0, "p", 5.0), failed(1, "p"), finished(2, "p", 7.0)]
    told = Told(make_batch(tmp_path, ["p"], 3, runs=runs))
    row = told.summary.loc[("p", "deficit_usd")]
    assert (row["runs"], row["value"]) == (2, 6.0)


def test_times_that_never_came_are_told_apart_from_times(tmp_path: Path):
    times = [10.0, 20.0, np.inf, np.inf]
    runs = [finished(i, "p", 1.0, solvency_recovery_s=t) for i, t in enumerate(times)]
    told = Told(make_batch(tmp_path, ["p"], 4, runs=runs))
    assert told.summary.loc[("p", "has_solvency_back"), "value"] == 0.5
    assert told.summary.loc[("p", "solvency_recovery_s"), "value"] == 15.0


def test_what_was_taken_is_held_against_the_least_that_had_to_be():
    """Run 0: needs 10 and 4 of profits 6 and 20, takes 6 and 5; covers 6 and 4."""
    waves = pd.DataFrame(
        [(0, "a", 6.0, 10.0, 6.0, 6.0), (0, "a", 5.0, 4.0, 4.0, 20.0),
         (1, "a", np.nan, 3.0, 0.0, np.nan)],
        columns=["run", "policy", "given_usd", "needed_usd", "covered_usd",
                 "winners_profit_usd"],
    )  # fmt: skip
    found = use_of_profits(waves)
    assert found.loc[(0, "a"), "utilisation"] == pytest.approx(11.0 / 10.0)
    assert found.loc[(0, "a"), "excess_usd"] == pytest.approx(1.0)
    assert found["undershoot_usd"].tolist() == [4.0, 3.0]
    assert found.loc[(1, "a"), ["utilisation", "excess_usd"]].isna().all()


# --- in words ---------------------------------------------------------------------------


def ranking(values: pd.DataFrame) -> str:
    measure = next(one for one in MEASURES if one.column == "residual_usd")
    return " ".join(words.ranking(values, measure))


def test_a_ranking_says_who_is_best_who_is_alike_and_how_far_the_rest_is():
    near = VALUES["near"] - VALUES["near"].mean() + 0.01 + NOISE.mean()
    said = ranking((VALUES.assign(near=near) + 100.0).drop(columns="twin"))
    mean = notation.usd(100.0 + NOISE.mean())
    assert f"The mean residual is lowest under low: {mean} (" in said
    assert "It cannot be told apart from near: the paired interval of the" in said
    assert "It is clearly more under far by $3.00." in said


def test_a_ranking_of_equals_ranks_nobody():
    assert ranking(VALUES[["low", "twin"]] * 0.0) == (
        "The mean residual is the same under all policies: $0."
    )


def test_a_ranking_of_few_runs_says_so():
    said = ranking(VALUES.iloc[:3][["low", "far"]])
    assert "Too few runs to tell it from far." in said
