"""Frames of retention by hand; figures that can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.retention import draw_churn, draw_episodes
from analysis.retention import by_episode, by_group, kept_difference
from tests.analysis.batches import make_batch
from tests.analysis.test_figures import assert_can_be_read

POLICIES = ("queue", "share")
GROUPS = (("passive", 0.0, 30), ("passive", 1e3, 10), ("whale", 1e6, 2))


def _groups(runs: int) -> list[dict]:
    """Whales of one size, passive of two; every tenth passive leaves under the second."""
    rows = []
    for run in range(runs):
        for policy in POLICIES:
            for kind, size, accounts in GROUPS:
                leaves = 0.1 * accounts * (policy == "share") * (kind == "passive")
                rows.append(
                    {
                        "run": run, "policy": policy, "kind": kind, "size_from_usd": size,
                        "accounts": accounts, "hit": accounts // 2,
                        "expected_churn": 0.5 * leaves, "leaving": 0, "left": round(leaves),
                        "rebuilt": 1, "lifetime_value_usd": 100.0 * accounts * (run + 1),
                        "value_lost_usd": 5.0 * leaves * (run + 1), "value_left_usd": 0.0,
                    }
                )  # fmt: skip
    return rows


def _episodes(runs: int, count: int) -> list[dict]:
    """The queue keeps nine tenths of value at each crash, the share eight."""
    rows = []
    for run in range(runs):
        for policy, keeps in zip(POLICIES, (0.9, 0.8), strict=True):
            for episode in range(count):
                rows.append(
                    {
                        "run": run, "policy": policy, "episode": episode, "left": 3,
                        "left_before": 2 * (episode > 0), "active": 100 - 5 * episode,
                        "newcomers": 4, "deficit_usd": 10.0 * run, "residual_usd": 0.0,
                        "insurance_start_usd": 7.0 * episode, "equity_start_usd": 1e3,
                        "calm_fees_usd": 1.0, "fees_usd": 2.0,
                        "lifetime_value_start_usd": 100.0 * (run + 1),
                        "retained_value_usd": 100.0 * (run + 1) * keeps ** (episode + 1),
                    }
                )  # fmt: skip
    return rows


def _batch(folder: Path, runs: int = 8, count: int = 4):
    tables = {"retention": _groups(runs), "episodes": _episodes(runs, count)}
    return make_batch(folder, POLICIES, runs, **tables)


def test_shares_of_a_group_are_those_of_all_runs_together(tmp_path):
    table = by_group(_batch(tmp_path), "kind")
    assert list(table.index) == [(p, k) for p in POLICIES for k in ("passive", "whale")]
    passive = table.loc[("share", "passive")]
    assert passive["accounts"] == 40
    assert passive["observed"] == pytest.approx(0.1)
    assert passive["expected"] == pytest.approx(0.05)
    assert passive["hit"] == pytest.approx(0.5)
    assert passive["value_lost"] == pytest.approx(0.1 * 5 / 100)
    # Every run loses the same share, so it is known without doubt.
    assert passive["value_lost_low"] == pytest.approx(passive["value_lost_high"])
    assert table.loc[("queue", "passive"), "observed"] == 0.0
    sizes = by_group(_batch(tmp_path / "again"), "size_from_usd")
    assert [size for _, size in sizes.index] == [0.0, 1e3, 1e6] * 2


def test_episodes_are_held_against_the_first_ones_start(tmp_path):
    table = by_episode(_batch(tmp_path))
    for policy, keeps in zip(POLICIES, (0.9, 0.8), strict=True):
        kept = table.loc[policy, "kept"].to_numpy()
        assert kept == pytest.approx(keeps ** np.arange(1, 5))
    first, last = table.loc[("queue", 0)], table.loc[("queue", 3)]
    assert (first["gone"], last["gone"]) == (3.0, 5.0)
    assert last["insurance_start_usd"] == 21.0
    assert first["deficit_usd"] == pytest.approx(35.0)
    assert first["deficit_usd_low"] < 35.0 < first["deficit_usd_high"]
    apart = kept_difference(_batch(tmp_path / "b"), "share", "queue")
    assert apart.runs == 8
    assert apart.mean == pytest.approx(450.0 * (0.8**4 - 0.9**4))
    assert apart.is_clear


def test_figures_can_be_read(tmp_path):
    batch = _batch(tmp_path)
    for figure in (draw_churn(batch), draw_episodes(batch)):
        assert_can_be_read(figure)
        legend = figure.legends[0].get_window_extent()
        for axes in figure.axes:
            assert axes.get_window_extent().y1 <= legend.y0 + 1
    bars = draw_churn(batch).axes[0].patches
    assert max(bar.get_width() for bar in bars) == pytest.approx(0.1)
    line = draw_episodes(batch).axes[0].get_lines()[1]
    assert line.get_ydata() == pytest.approx(0.8 ** np.arange(1, 5))


def test_batches_with_nothing_to_show_say_so(tmp_path):
    batch = make_batch(tmp_path, ["mine"], 2)
    for figure in (draw_churn(batch), draw_episodes(batch)):
        figure.canvas.draw()
        assert "No run finished" in figure.axes[0].texts[0].get_text()
    assert by_group(batch, "kind").empty
    assert by_episode(batch).empty
