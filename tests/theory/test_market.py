"""Hypotheses on what a market recorded: its waves asked again, its tables read."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.settlement.base import portion
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from abm.theory import (
    h05_separation,
    h08_splitting,
    h09_rounding,
    h13_full_close,
    h14_duration,
)
from abm.theory.finding import HOLDS, Effort
from abm.theory.market import Market, ask, policy_of
from tests import crashes
from tests.analysis.batches import make_batch

FEW = Effort(books=20, largest=2_000)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    told = crashes.crash(
        run={"runs": 2, "block": 2, "policies": ["hyperliquid", "pro-rata"]},
        outputs={"paths_of_first_runs": 1, "audit_of_first_runs": 2},
        population={"accounts": 60, "positions": 55},
        venue={"vault_usd": 2000.0},
    )
    folder = tmp_path_factory.mktemp("theory") / "run"
    return Market([run_batch(Plan.of(told), folder, workers=1, quiet=True)])


def test_waves_are_the_largest_of_each_run_under_policies_that_see_everybody(market):
    deficits = [wave.total_deficit for wave in market.waves]
    assert 1 <= len(deficits) <= 2
    assert deficits == sorted(deficits, reverse=True)
    audit = market.batches[0].frame("audit", columns=["run", "policy", "deficit"])
    cash = audit[audit["policy"] == "pro-rata"]
    largest = cash.groupby("run")["deficit"].agg(lambda rows: max(map(np.sum, rows)))
    assert set(deficits) <= set(largest)


@pytest.mark.parametrize("theta", [0.2, 1.0])
def test_asking_leaves_what_the_severity_does_not_take(market, theta):
    for wave in market.waves:
        answer = ask(h05_separation.at("pro-rata", theta), wave)
        asked = int(portion(np.array([wave.total_deficit]), theta)[0])
        taken = min(asked, int(answer.decision.payers.capacity.sum()))
        assert answer.left == wave.total_deficit - taken
        assert answer.paid.sum() == taken


def test_pro_rata_saves_nothing_by_splitting_in_the_market(market):
    policy = policy_of("pro-rata")
    saved = [s for w in market.waves for s in h08_splitting.saved_in(policy, w, 4)]
    assert len(saved) >= 3
    assert saved == pytest.approx([0.0] * len(saved), abs=1e-4)


@pytest.mark.parametrize("module", [h09_rounding, h13_full_close])
def test_what_is_exact_is_exact_in_the_market_too(market, module):
    rows = [r for r in module.examine(FEW, market).findings if r.case.startswith("market")]
    assert rows
    predicted = [row for row in rows if row.prediction == row.prediction]
    assert predicted
    assert {row.verdict for row in predicted} == {HOLDS}


def _tables(moved: float):
    """Ten runs with a wave each that closed a short, and marks that move after it."""
    keys = [{"run": run, "policy": "p", "wave": 0} for run in range(10)]
    waves = [
        {**key, "start_s": 5.0, "end_s": 5.0 + key["run"], "calls": 1,
         "deficit_usd": 100.0, "residual_usd": 0.0, "adl_notional_usd": 50.0}
        for key in keys
    ]  # fmt: skip
    horizons = [
        {**key, "horizon_s": 5.0, "time_s": 10.0 + key["run"],
         "overshoot_usd": 10.0 * (key["run"] - 4)}
        for key in keys
    ]  # fmt: skip
    fills = [{**key, "market": "X", "lots": -3, "notional_usd": 50.0} for key in keys]
    paths = [
        {"run": key["run"], "policy": "p", "market": "X", "time_s": time, "mark_usd": mark}
        for key in keys
        for time, mark in ((5.0 + key["run"], 100.0), (10.0 + key["run"], 100.0 + moved))
    ]
    return {"waves": waves, "horizons": horizons, "adl_fills": fills, "paths": paths}


def test_sign_duration_and_drift_of_waves_by_hand(tmp_path):
    made = make_batch(tmp_path / "run", ["p"], 10, **_tables(-5.0))
    table = h14_duration.overshoots(Market([made]))
    assert table["sign"].tolist() == [-1.0] * 4 + [0.0] + [1.0] * 5
    assert table["duration_s"].tolist() == list(range(10))
    # A short gains what the mark falls.
    assert table["drift"].to_numpy() == pytest.approx(-np.log(0.95))


def test_overshoot_that_grows_with_duration_is_found(tmp_path):
    made = make_batch(tmp_path / "run", ["p"], 10, **_tables(-5.0))
    rows = h14_duration.examine(FEW, Market([made])).findings
    found = next(row for row in rows if "5 s with duration" in row.case)
    assert found.measured == pytest.approx(1.0)
    assert found.low > 0.9


def test_without_a_batch_there_is_nothing_to_say():
    assert h14_duration.examine(FEW, Market()).findings == []
