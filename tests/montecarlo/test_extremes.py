"""How bad each market got, against the series and the audit of the same runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from abm.montecarlo import extremes
from abm.montecarlo.extremes import ALL, WINDOW_S, without_adl
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import run_batch
from tests import crashes

RUNS = 3


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    second = crashes.MARKET | {"start_usd": 50.0, "tick_usd": 0.01, "depth_usd": 5e3}
    scenario = crashes.crash(
        markets={"Y": second},
        venue={"vault_usd": 3000.0, "insurance_usd": 500.0},
        run={"runs": RUNS, "stop": {"measure": "residual_usd", "half_width": 1.0}},
        outputs={"paths_of_first_runs": 2, "audit_of_first_runs": 2},
    )
    folder = tmp_path_factory.mktemp("extremes") / "run"
    plan = Plan.of(without_adl(scenario))
    return run_batch(plan, folder, workers=1, quiet=True)


def test_only_the_venue_without_adl_runs_and_every_run_has_every_market(batch):
    assert batch.policies == ["none"]
    assert batch.manifest["stopped"] is None
    table = batch.frame("extremes")
    found = list(zip(table["run"], table["market"], strict=True))
    assert found == [(run, name) for run in range(RUNS) for name in ("X", "Y", ALL)]
    assert set(batch.frame("paths")["run"]) == {0, 1}


def test_prices_depth_and_interest_are_those_of_the_series(batch):
    table = batch.frame("extremes").set_index(["run", "market"])
    paths = batch.frame("paths")
    start = {"X": 1000.0, "Y": 50.0}
    for (run, name), rows in paths.groupby(["run", "market"]):
        row = table.loc[(run, name)]
        returns = np.log(rows["mark_usd"].to_numpy() / start[name])
        assert row["lowest_log_return"] == pytest.approx(returns.min())
        times = rows["time_s"].to_numpy()
        falls = [
            returns[i] - returns[j]
            for i in range(len(times))
            for j in range(i + 1)
            if times[i] - times[j] <= WINDOW_S
        ]
        assert row["lowest_log_return_60s"] == pytest.approx(min(falls), rel=1e-9)
        depth = (rows["bid_depth_usd"] + rows["ask_depth_usd"]).to_numpy()
        means = [depth[i : i + 60].mean() for i in range(len(depth) - 59)]
        assert row["lowest_depth_60s_usd"] == pytest.approx(min(means))
        assert row["largest_open_interest_usd"] == rows["open_interest_usd"].max()
        assert row["depth_ratio"] < 0.5


def test_all_markets_together_are_a_basket_and_sums(batch):
    table = batch.frame("extremes").set_index(["run", "market"])
    wide = batch.frame("paths").query("run == 0").pivot(index="time_s", columns="market")
    weights = wide["open_interest_usd"].iloc[0] / wide["mark_usd"].iloc[0]
    start = pd.Series({"X": 1000.0, "Y": 50.0})
    basket = (wide["mark_usd"] * weights).sum(axis=1) / (start * weights).sum()
    total = table.loc[(0, ALL)]
    assert total["lowest_log_return"] == pytest.approx(np.log(basket.min()))
    events = batch.frame("liquidations")
    for rung in extremes.RUNGS:
        amount = events.loc[events["rung"] == rung, "notional_usd"].sum()
        mine = table.xs(ALL, level="market")[f"{rung}_usd"].sum()
        assert mine == pytest.approx(amount)
    assert total["vault_used_usd"] == pytest.approx(3000.0)
    assert np.isnan(table.loc[(0, "X"), "vault_used_usd"])


def test_deficits_are_those_of_the_runs_and_shared_as_the_audit_has_the_debts(batch):
    table = batch.frame("extremes").set_index(["run", "market"])
    runs = batch.frame("runs").set_index("run")
    total = table.xs(ALL, level="market")["deficit_usd"]
    assert total.to_numpy() == pytest.approx(runs["deficit_usd"].to_numpy())
    assert (total > 0).any()
    names = np.array(["X", "Y"])
    for run in (0, 1):
        calls = batch.frame("audit").query(f"run == {run}")
        if calls.empty:
            continue
        peak = calls.loc[calls["short_before"].idxmax()]
        market = np.asarray(peak["bankrupt_market"])
        price = np.asarray(peak["mark"])[market] * np.asarray(peak["unit"])[market]
        value = np.asarray(peak["bankrupt_lots"]) * price
        owed = pd.Series(np.asarray(peak["bankrupt_bankruptcy"]) - value)
        held = np.isin(peak["short_account"], peak["bankrupt_account"])
        flat = pd.Series(np.asarray(peak["deficit"])[~held])
        by_market = owed.groupby(names[market]).sum().reindex(names, fill_value=0)
        where = names[np.asarray(peak["debt_market"])[~held]]
        by_market = by_market.add(flat.groupby(where).sum(), fill_value=0)
        for name in names:
            assert table.loc[(run, name), "deficit_usd"] == pytest.approx(
                by_market[name] / 1e6, abs=1e-6
            )


def test_series_are_taken_at_every_step_unless_they_would_be_too_long():
    whole = without_adl(crashes.crash(outputs={"path_interval_s": 60.0}))
    assert whole.outputs.path_interval_s == 1.0
    long = without_adl(crashes.crash(time={"duration_s": 2_678_400.0}))
    assert long.outputs.path_interval_s == 2.0
