"""What fund would be enough, by hand, by brute force, and as it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.montecarlo.store import StoreError
from analysis import fund
from analysis.figures.fund import draw_fund
from analysis.fund import Costs
from tests.analysis.batches import failed, finished, make_batch

COSTS = Costs(0.1, 4.0)
NEEDS = st.lists(st.integers(0, 40).map(float), min_size=1, max_size=30).map(np.array)


@settings(deadline=None, max_examples=60)
@given(NEEDS, st.floats(0.05, 1.0), st.floats(0.5, 20.0))
def test_no_other_size_costs_less_over_the_same_runs(need, capital, reputation):
    costs = Costs(capital, reputation)
    sizes = np.append(np.linspace(0.0, 45.0, 91), fund.best_size(need, costs).value)
    missing = np.maximum(need[:, None] - sizes, 0.0).mean(axis=0)
    cost = capital * sizes + reputation * missing
    assert cost[-1] == pytest.approx(cost.min(), rel=1e-9, abs=1e-12)


def test_the_size_is_the_quantile_that_the_costs_name():
    need = np.arange(1.0, 201.0)
    assert COSTS.quantile == pytest.approx(0.975)
    found = fund.best_size(need, COSTS)
    assert found.value == 195.0
    assert found.low < 195.0 < found.high
    assert found.beyond == 5


@pytest.mark.parametrize("capital", [4.0, 9.0])
def test_no_fund_is_held_if_capital_costs_as_much_as_reputation(capital):
    table = fund.size_table({"none": np.arange(100.0)}, Costs(capital, 4.0))
    assert table.loc["none", "size_usd"] == 0.0
    assert "no fund is worth" in fund.findings(table, Costs(capital, 4.0))[0]


def test_what_is_left_beyond_a_fund_by_hand():
    found = fund.curve(np.array([0.0, 2.0, 6.0, 12.0]), COSTS, np.array([0.0, 5.0]))
    assert found["breach"].tolist() == [0.75, 0.5]
    assert found["residual_usd"].tolist() == [5.0, 2.0]
    assert found["shortfall_usd"].tolist() == pytest.approx([20.0 / 3.0, 4.0])
    assert found["cost_usd"].tolist() == pytest.approx([20.0, 0.5 + 8.0])


def test_the_need_is_the_deficit_and_what_the_runs_own_fund_lost(tmp_path):
    rows = [
        finished(0, "none", 7.0, insurance_start_usd=10.0, insurance_end_usd=0.0),
        finished(1, "none", 0.0, insurance_start_usd=10.0, insurance_end_usd=4.0),
        finished(2, "none", 0.0, insurance_start_usd=10.0, insurance_end_usd=13.0),
        failed(3, "none"),
    ]
    batch = make_batch(tmp_path, ["none"], 4, runs=rows)
    assert fund.needs(batch)["none"].tolist() == [17.0, 6.0, 0.0]


def test_it_says_how_many_runs_would_bound_the_fund(tmp_path):
    rows = [finished(run, p, float(run)) for run in range(64) for p in ("queue", "none")]
    batch = make_batch(tmp_path, ["queue", "none"], 64, runs=rows)
    need = fund.needs(batch)
    table = fund.size_table(need, COSTS)
    assert np.isinf(table["size_high_usd"]).all()
    text = fund.render(batch, table, COSTS)
    assert "146" in text
    assert "Instead of ADL" in text
    assert max(map(len, text.splitlines())) <= 100
    assert fund.records(table)[0]["size_high_usd"] is None
    draw_fund(batch, fund.curves(need, COSTS), table, COSTS).canvas.draw()


def test_a_batch_without_finished_runs_is_refused_and_one_without_needs_is_drawn(tmp_path):
    nothing = make_batch(tmp_path / "a", ["none"], 1, runs=[failed(0, "none")])
    with pytest.raises(StoreError, match="no run finished"):
        fund.needs(nothing)
    rows = [finished(run, "none", 0.0) for run in range(8)]
    calm = make_batch(tmp_path / "b", ["none"], 8, runs=rows)
    need = fund.needs(calm)
    table = fund.size_table(need, COSTS)
    assert table.loc["none", "size_usd"] == 0.0
    draw_fund(calm, fund.curves(need, COSTS), table, COSTS).canvas.draw()


def test_no_cell_is_cut_off_where_names_are_long(tmp_path):
    name = "leverage-waterfill"
    rows = [finished(run, name, 1e7 * (run + 1)) for run in range(60)]
    batch = make_batch(tmp_path, [name], 60, runs=rows)
    table = fund.size_table(fund.needs(batch), COSTS)
    text = fund.render(batch, table, COSTS)
    assert name in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
