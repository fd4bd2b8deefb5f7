"""The joint distribution without ADL, as tables, text and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from abm.montecarlo.store import StoreError
from analysis import rare, stress
from analysis.figures.stress import draw_falls, draw_stress
from tests.analysis.batches import finished, make_batch

RUNS = 80
MARKETS = ("BTC", "ETH")


def rows_of(run: int, deficit: float, fall: float) -> list[dict[str, object]]:
    base = {
        "run": run,
        "policy": "none",
        "ordinary_depth_usd": 1e5,
        "lowest_depth_60s_usd": 1e3 + run,
        "depth_ratio": 0.01 + run / 1e5,
        "book_usd": 1e4 + 10.0 * run,
        "unwind_usd": 0.0,
        "backstop_usd": 2e4,
        "insurance_usd": 0.0,
        "shortfall_usd": 5.0,
        "lowest_log_return_60s": fall / 2,
    }
    parts = [(name, deficit / 2, 1e6 / (i + 1)) for i, name in enumerate(MARKETS)]
    return [
        base | {
            "market": name, "deficit_usd": amount, "lowest_log_return": fall,
            "largest_open_interest_usd": size,
        }
        for name, amount, size in [*parts, (stress.ALL, deficit, 2e6)]
    ]  # fmt: skip


@pytest.fixture
def batch(tmp_path):
    stream = np.random.default_rng(1)
    falls = -stream.uniform(0.1, 0.6, RUNS)
    deficits = np.where(falls < -0.2, np.exp(-10.0 * falls) * 1e3, 0.0)
    extremes = [row for i in range(RUNS) for row in rows_of(i, deficits[i], falls[i])]
    runs = [finished(i, "none", deficits[i]) for i in range(RUNS)]
    return make_batch(tmp_path / "run", ["none"], RUNS, runs=runs, extremes=extremes)


def test_quantiles_are_those_of_numpy_by_market_and_in_all(batch):
    table = stress.read_extremes(batch)
    found = stress.quantile_table(table).set_index(["market", "measure", "quantile"])
    for market in (*MARKETS, stress.ALL):
        values = table.loc[table["market"] == market, "deficit_usd"]
        for share in stress.QUANTILES:
            row = found.loc[(market, "deficit_usd", share)]
            assert row["value"] == pytest.approx(np.quantile(values, share))
            assert row["low"] <= row["value"] <= row["high"]
            assert row["runs"] == RUNS


def test_worse_goes_with_worse_in_the_table_of_dependence(batch):
    table = stress.read_extremes(batch)
    found = stress.dependence_table(table)
    keys = ["market_a", "measure_a", "market_b", "measure_b"]
    found = found.set_index(keys)
    total = table[table["market"] == stress.ALL]
    pair = found.loc[(stress.ALL, "deficit_usd", stress.ALL, "lowest_log_return")]
    theirs = stats.spearmanr(total["deficit_usd"], -total["lowest_log_return"]).statistic
    assert pair["rank_correlation"] == pytest.approx(theirs)
    assert pair["rank_correlation"] > 0.8
    assert pair["tail_dependence"] == 1.0
    across = found.loc[("BTC", "deficit_usd", "ETH", "deficit_usd")]
    assert across["tail_dependence"] == 1.0


def test_tables_can_be_loaded_again_from_both_formats(batch, tmp_path):
    written = stress.write_tables(stress.read_extremes(batch), tmp_path)
    assert {path.suffix for path in written} == {".csv", ".parquet"}
    for name in ("quantiles", "tails", "dependence"):
        text = pd.read_csv(tmp_path / "stress" / f"{name}.csv")
        exact = pd.read_parquet(tmp_path / "stress" / f"{name}.parquet")
        pd.testing.assert_frame_equal(text, exact, check_dtype=False)
        assert len(exact)


def test_it_is_told_within_a_hundred_columns_and_drawn(batch, tmp_path):
    table = stress.read_extremes(batch)
    text = stress.render(batch, table)
    assert max(map(len, text.splitlines())) <= 100
    assert "rests on 4 runs" in text
    assert "…" not in text
    for path in draw_stress(batch, table, tmp_path):
        assert path.stat().st_size > 10_000


def test_runs_without_deficits_are_told_and_drawn(tmp_path):
    extremes = [row for i in range(20) for row in rows_of(i, 0.0, -0.01 * i)]
    runs = [finished(i, "none", 0.0) for i in range(20)]
    batch = make_batch(tmp_path / "run", ["none"], 20, runs=runs, extremes=extremes)
    table = stress.read_extremes(batch)
    assert stress.findings(table) == ["The venue is short in 0% of runs (0% to 16.8%)."]
    stress.write_tables(table, tmp_path)
    draw_falls(batch, table).canvas.draw()


def test_a_batch_without_extremes_is_refused(tmp_path):
    batch = make_batch(tmp_path, ["none"], 1, runs=[finished(0, "none", 1.0)])
    with pytest.raises(StoreError, match="adl stress"):
        stress.read_extremes(batch)


@pytest.mark.parametrize(
    ("probability", "hits", "right"),
    [(0.05, 50, True), (0.05, 150, False), (1e-4, 0, True), (0.2, 0, False)],
)
def test_an_estimate_far_from_the_runs_disagrees(probability, hits, right):
    assert rare.agree(probability, probability / 10, hits, 1000) == right
    event = {
        "deficit_usd": 1e6, "probability": probability, "low": 0.0, "high": 1.0,
        "error": probability / 10, "runs": 500.0, "brute_runs": 2000.0, "gain": 4.0,
    }  # fmt: skip
    deficits = np.where(np.arange(1000) < hits, 2e6, 0.0)
    found = rare.beside_runs(event, deficits)
    assert found["brute"]["hits"] == hits
    text = rare.render_rare(found)
    assert "2,000 for the same precision, 4 times" in text
    if hits:
        assert ("agree." in text) == right
