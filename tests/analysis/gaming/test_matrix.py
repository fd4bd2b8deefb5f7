from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.montecarlo.store import StoreError
from analysis.gaming import verdict as verdicts
from analysis.gaming.matrix import ALL, TAIL, matrix, pooled, tail_parts
from analysis.gaming.reading import open_contest
from analysis.gaming.render import matrix as render
from analysis.intervals import expected_shortfall
from tests.analysis.batches import failed, make_batch
from tests.analysis.gaming.contests import make_contest

EFFECTS = {
    ("dodge", "queue"): (5e-3, 0.2),
    ("dodge", "pro-rata"): (5e-3, 0.0),
    ("hide", "queue"): (-5e-3, 0.0),
    ("hide", "pro-rata"): (0.0, 0.0),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = make_contest(tmp_path_factory.mktemp("runs") / "made", EFFECTS)
    return matrix(open_contest(folder))


def _cell(table: pd.DataFrame, strategy: str, policy: str) -> pd.Series:
    return table.loc[(strategy, 0.017, 0, policy)]


@pytest.mark.parametrize("cell", list(EFFECTS))
def test_gains_and_harm_are_what_was_put_in(table: pd.DataFrame, cell: tuple[str, str]):
    row = _cell(table, *cell)
    gain, harm = EFFECTS[cell]
    assert row["gain_low"] <= gain <= row["gain_high"]
    assert row["gain_high"] - row["gain_low"] < 3e-5
    assert row["harm"] == pytest.approx(harm, abs=1e-9)
    assert row["runs"] == 40


def test_gain_before_costs_less_costs_is_the_net_gain(table: pd.DataFrame):
    np.testing.assert_allclose(table["gross"] - table["cost"], table["gain"], atol=1e-12)
    np.testing.assert_allclose(table["cost"], 2e-4, rtol=1e-9)
    np.testing.assert_allclose(table["profit"], table["gain"], atol=1e-12)
    # Here all that is gained is saved on ADL, and honest traders pay just that.
    np.testing.assert_allclose(table["saved"], table["gross"], atol=1e-12)
    np.testing.assert_allclose(table["honest_usd"], 1e3 * table["gross"], atol=1e-9)


def test_every_verdict_is_found_where_it_belongs(table: pd.DataFrame):
    assert _cell(table, "dodge", "queue")["verdict"] == verdicts.HARMFUL
    assert _cell(table, "dodge", "pro-rata")["verdict"] == verdicts.HARMLESS
    assert _cell(table, "hide", "queue")["verdict"] == verdicts.SELF_DEFEATING
    assert _cell(table, "hide", "pro-rata")["verdict"] == verdicts.PROOF


def test_the_mean_over_strategies_is_that_of_what_was_put_in(tmp_path: Path):
    contest = open_contest(make_contest(tmp_path / "made", EFFECTS, shares=(0.01, 0.02)))
    together = pooled(contest)
    for share, size in ((0.01, 1.0), (0.02, 2.0)):
        rows = together.loc[(0, share)]
        expected = {"queue": 0.1 * size, "pro-rata": 0.0, ALL: 0.05 * size}
        assert rows["harm"].to_dict() == pytest.approx(expected, abs=1e-9)
        # Honest traders pay what players gain and their costs, of the 100 that they paid.
        gains = {"queue": 0.0, "pro-rata": 2.5e-3 * size, ALL: 1.25e-3 * size}
        for name, gain in gains.items():
            paid = 1e3 * (gain + 2e-4) / 100.0
            row = rows.loc[name]
            # The noise of a run is 1e-4 of what honest traders pay.
            assert row["honest"] == pytest.approx(paid, abs=1e-4)
            assert 1e-5 < row["honest_high"] - row["honest_low"] < 2e-4


def test_noise_makes_the_runs_say_nothing(tmp_path: Path):
    folder = make_contest(tmp_path / "made", EFFECTS, noise=0.1, runs=30)
    table = matrix(open_contest(folder))
    assert (table["verdict"] == verdicts.UNKNOWN).all()


def test_too_few_runs_in_the_tail_leave_the_harm_unknown(tmp_path: Path):
    folder = make_contest(tmp_path / "made", EFFECTS, runs=16)
    table = matrix(open_contest(folder))
    assert table["harm"].isna().all()
    assert _cell(table, "dodge", "queue")["verdict"] == verdicts.EXPLOITABLE


@pytest.mark.parametrize("runs", [25, 37, 60])
def test_parts_of_a_tail_average_to_the_expected_shortfall(runs: int):
    values = pd.Series(np.random.default_rng(runs).lognormal(0.0, 2.0, runs))
    assert tail_parts(values).mean() == pytest.approx(expected_shortfall(values, TAIL))


def test_the_table_fits_a_terminal_and_explains_its_signs(tmp_path: Path):
    contest = open_contest(make_contest(tmp_path / "made", EFFECTS))
    text = render(contest, matrix(contest))
    assert "exploitable, harmful" in text
    assert "Signs: o proof" in text
    assert max(map(len, text.splitlines())) <= 110


def test_what_is_not_computed_yet_is_left_out(tmp_path: Path):
    folder = make_contest(tmp_path / "made", EFFECTS, runs=10)
    manifest = folder / "hide-at-0.017" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "blocks": {}}))
    table = matrix(open_contest(folder))
    assert set(table.index.get_level_values("strategy")) == {"dodge"}


def test_a_strategy_that_failed_everywhere_says_nothing(tmp_path: Path):
    folder = make_contest(tmp_path / "made", EFFECTS, runs=10)
    rows = [failed(run, policy) for run in range(10) for policy in ("queue", "pro-rata")]
    shutil.rmtree(folder / "hide-at-0.017")
    make_batch(folder / "hide-at-0.017", ["queue", "pro-rata"], 10, runs=rows)
    table = matrix(open_contest(folder))
    row = _cell(table, "hide", "queue")
    assert row["runs"] == 0
    assert row["verdict"] == verdicts.UNKNOWN
    assert _cell(table, "dodge", "queue")["runs"] == 10


def test_a_folder_without_a_contest_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="is not a contest's folder"):
        open_contest(tmp_path)
