"""Costs of ADL by horizon, on tables written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import intervals
from analysis.counterfactuals import (
    against_forks,
    discounted,
    discounted_overshoots,
    fixed_path,
    markouts,
)
from analysis.figures.counterfactual import draw_counterfactual
from tests.analysis.batches import failed, finished, make_batch
from tests.analysis.test_figures import assert_can_be_read

HORIZONS_S = (0.0, 5.0)


def row(run: int, wave: int, horizon_s: float, **more: float) -> dict[str, Any]:
    return {"run": run, "policy": "queue", "wave": wave, "horizon_s": horizon_s, **more}


def cost(haircut: float, path: float | None = None, true: float = 0.0) -> dict[str, float]:
    """Columns of a row whose other measures are multiples of these."""
    found = {"haircut_usd": haircut, "net_usd": -haircut, "needed_usd": 2 * haircut}
    found |= {f"{name}_usd": haircut for name in ("overshoot", "tracking_regret")}
    found |= {f"{name}_usd": haircut for name in ("fairness_regret", "regret")}
    if path is None:
        return found
    found |= {"path_usd": path, "true_usd": true, "gap_usd": true - path}
    found |= {"path_net_usd": path, "true_net_usd": true, "gap_net_usd": true - path}
    return found | {"repriced_usd": path, "repriced_net_usd": path}


def by_hand(folder: Path):
    """Run 0 has two waves, of which the last cannot be followed for 5 s; run 1 one; 2 none.

    Run 3 failed.
    """
    rows = [
        row(0, 0, 0.0, **cost(10.0, 10.0, 10.0)),
        row(0, 0, 5.0, **cost(30.0, 30.0, 40.0)),
        row(0, 1, 0.0, **cost(5.0, 15.0, 25.0)),
        row(0, 1, 5.0),
        row(1, 0, 0.0, **cost(2.0, 2.0, 2.0)),
        row(1, 0, 5.0, **cost(8.0, 8.0, 2.0)),
    ]
    runs = [finished(run, "queue", 1.0) for run in range(3)] + [failed(3, "queue")]
    runs += [finished(run, "none", 1.0) for run in range(4)]
    return make_batch(folder, ["queue", "none"], 4, runs=runs, horizons=rows)


def test_the_fixed_path_adds_up_a_runs_waves(tmp_path: Path):
    table = fixed_path(by_hand(tmp_path)).set_index("horizon_s")
    assert set(table["policy"]) == {"queue"}
    assert table["runs"].tolist() == [3, 2]
    # Runs 0 to 2 took 15, 2 and nothing; at 5 s run 0 is not known.
    assert table["haircut_usd"].tolist() == [pytest.approx(17 / 3), pytest.approx(4.0)]
    assert table.loc[0.0, "net_usd"] == pytest.approx(-17 / 3)


def test_a_markout_splits_at_the_mark_of_the_moment(tmp_path: Path):
    table = markouts(by_hand(tmp_path)).set_index("horizon_s")
    # `net` is minus the haircut: runs 0 to 2 lose 15, 2 and nothing; run 1 then 8.
    assert table["at_once_usd"].tolist() == pytest.approx([-17 / 3, -1.0])
    assert table["later_usd"].tolist() == pytest.approx([0.0, -3.0])


def test_a_constant_overshoot_is_itself_whatever_the_halflife():
    for halflife in (0.5, 5.0):
        assert discounted([0.0, 0.5, 2.0, 5.0], [3.0] * 4, halflife) == pytest.approx(3.0)


def test_a_short_halflife_looks_at_the_first_horizons():
    d = np.linspace(0.0, 60.0, 6001)
    # O(d) = d: the mean of an exponential law of half-life ln 2 / rate is 1 / rate.
    assert discounted(d, d, 2.0) == pytest.approx(2.0 / np.log(2), rel=1e-3)


def test_overshoots_are_averaged_over_a_runs_first_seconds(tmp_path: Path):
    table = discounted_overshoots(by_hand(tmp_path)).set_index("halflife_s")
    # Run 0 is unknown at 5 s, run 1 goes from 2 to 8, run 2 has none: means of two runs.
    for halflife in table.index:
        weight = 0.5 ** (5.0 / halflife)
        once = (2.0 + 8.0 * weight) / (1.0 + weight)
        assert table.loc[halflife, "overshoot_usd"] == pytest.approx(once / 2.0)


def test_truth_and_path_are_compared_from_the_first_wave(tmp_path: Path):
    table = against_forks(by_hand(tmp_path)).set_index("horizon_s")
    assert table["runs"].tolist() == [3, 3]
    assert table["path_usd"].tolist() == [pytest.approx(4.0), pytest.approx(38 / 3)]
    assert table["gap_usd"].tolist() == [0.0, pytest.approx(4 / 3)]
    assert table["gap_usd_low"].isna().all()


def test_or_from_the_last_wave_that_can_be_followed(tmp_path: Path):
    table = against_forks(by_hand(tmp_path), "last").set_index("horizon_s")
    # Run 0's last wave is lost before 5 s, so its first one stands for it.
    assert table["path_usd"].tolist() == [pytest.approx(4.0), pytest.approx(38 / 3)]


def many(folder: Path, gap: float):
    rng = np.random.default_rng(3)
    rows = []
    for run in range(40):
        for horizon in HORIZONS_S:
            path = float(rng.lognormal(3.0, 1.0))
            true = path + gap * horizon + float(rng.normal(0.0, 2.0))
            rows.append(row(run, 0, horizon, **cost(path, path, true)))
    runs = [finished(run, "queue", 1.0) for run in range(40)]
    return make_batch(folder, ["queue"], 40, runs=runs, horizons=rows)


def test_the_gap_has_the_interval_of_a_mean(tmp_path: Path):
    batch = many(tmp_path, gap=1.0)
    table = against_forks(batch).set_index("horizon_s")
    gaps = batch.frame("horizons").set_index("horizon_s")["gap_usd"]
    low, high = intervals.mean_interval(gaps[5.0].to_numpy())
    assert table.loc[5.0, ["gap_usd_low", "gap_usd_high"]].tolist() == [low, high]
    assert low < table.loc[5.0, "gap_usd"] < high
    assert low > 0.0 > table.loc[0.0, "gap_usd_low"]


def test_the_figure_says_what_the_gap_is(tmp_path: Path):
    figure = draw_counterfactual(many(tmp_path, gap=1.0))
    assert_can_be_read(figure)
    text = " ".join(" ".join(t.get_text() for t in figure.texts).split())
    assert figure.get_suptitle() == "What did ADL cost those whom it hit?"
    assert "Truth less fixed path at the longest horizon, in USD: queue +" in text
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "queue"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "5"]
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_without_forks_the_figure_says_so(tmp_path: Path):
    batch = make_batch(tmp_path, ["queue"], 1, runs=[finished(0, "queue", 0.0)])
    figure = draw_counterfactual(batch)
    assert "nobody was hit" in figure.axes[0].texts[0].get_text()
