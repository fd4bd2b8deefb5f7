"""Predictability and brittleness of batches made by hand: tables, words, figures."""

from __future__ import annotations

import math

import pytest

from analysis.brittleness import brittleness
from analysis.brittleness import findings as of_brittleness
from analysis.figures.brittleness import draw_brittleness
from analysis.figures.predictability import draw_predictability
from analysis.predictability import findings, is_known, predictability
from tests.analysis.batches import finished, make_batch


def seen(spearman, brier, coverage):
    return {
        "predict_spearman": spearman, "predict_kendall": spearman,
        "predict_brier": brier, "predict_coverage": coverage,
    }  # fmt: skip


def nudged(moved, per_usd):
    return {
        "jump_largest_usd": 5.0, "jump_moved": moved, "jump_per_usd": per_usd,
        "jump_typical_per_usd": 0.0,
    }  # fmt: skip


@pytest.fixture
def batch(tmp_path):
    blank = {**seen(None, None, None), **nudged(None, None)}
    rows = []
    for run in range(6):
        queue = seen(0.4, 0.2, 0.5 + 0.1 * run) | nudged(0.01 * run, 100.0)
        alike = seen(None if run else 0.9, 0.1, 1.0) | nudged(1e-7, 0.001)
        rows += [
            finished(run, "queue", 1.0, **queue),
            finished(run, "shares", 1.0, **alike),
            finished(run, "none", 1.0, **blank),
        ]
    return make_batch(tmp_path / "made", ["queue", "shares", "none"], 6, runs=rows)


def test_means_are_over_runs_in_which_a_measure_has_a_meaning(batch):
    table = predictability(batch)
    assert list(table.index) == ["queue", "shares", "none"]
    assert table.loc["queue", "coverage"] == pytest.approx(0.75)
    assert table.loc["queue", "coverage_low"] < 0.75 < table.loc["queue", "coverage_high"]
    assert table.loc["shares", "spearman_runs"] == 1
    assert list(table["runs"]) == [6, 6, 0]
    assert list(is_known(table, "spearman")) == [True, False, False]
    assert math.isnan(table.loc["none", "brier"])
    assert "queue" in findings(table)[0]
    assert "shares" not in findings(table)[0]


def test_brittleness_tells_the_mean_and_the_most(batch):
    table = brittleness(batch)
    assert table.loc["queue", "moved"] == pytest.approx(0.025)
    assert table.loc["queue", "moved_most"] == pytest.approx(0.05)
    assert table.loc["none", "runs"] == 0
    (words,) = of_brittleness(table)
    assert words.startswith("Under queue")
    assert "5.0%" in words


def test_figures_are_drawn_whatever_there_is(batch, tmp_path):
    empty = make_batch(tmp_path / "empty", ["a"], 1, runs=[
        finished(0, "a", 0.0, **seen(None, None, None), **nudged(None, None))
    ])  # fmt: skip
    for draw in (draw_predictability, draw_brittleness):
        assert len(draw(batch).axes) >= 2
        (axes,) = draw(empty).axes
        assert axes.texts
    rows = draw_brittleness(batch).axes[0].get_yticklabels()
    assert [label.get_text() for label in rows] == ["queue", "shares"]
