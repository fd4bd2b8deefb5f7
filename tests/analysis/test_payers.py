from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.payers import Payers, gini, lorenz, read_payers, top_share
from tests.analysis.batches import audited, finished, haircut, make_batch

AMOUNTS = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30).filter(
    lambda x: sum(x) > 1
)


def test_gini_of_known_shares():
    assert gini(np.array([3.0, 3.0, 3.0, 3.0])) == pytest.approx(0.0)
    assert gini(np.array([0.0, 0.0, 0.0, 5.0])) == pytest.approx(0.75)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25)


@given(AMOUNTS)
def test_gini_is_half_the_relative_mean_difference(amounts: list[float]):
    given_ = np.array(amounts)
    apart = np.abs(given_[:, None] - given_[None, :]).mean()
    assert gini(given_) == pytest.approx(apart / (2 * given_.mean()), abs=1e-9)


def test_lorenz_curve_of_known_shares():
    curve = lorenz(np.array([6.0, 1.0, 3.0]), np.array([0.0, 1 / 3, 2 / 3, 1.0]))
    np.testing.assert_allclose(curve, [0.0, 0.1, 0.4, 1.0])


def people(of_run: dict[int, int], **columns: list[float]) -> pd.DataFrame:
    """So many accounts in each run, numbered from 0, and what else is known of them."""
    rows = [(run, account) for run, many in of_run.items() for account in range(many)]
    return pd.DataFrame(rows, columns=["run", "account"]).assign(**columns)


def test_the_top_is_one_in_a_hundred_where_there_are_hundreds():
    hit = people({0: 4, 1: 7}, policy="a")
    for able, top in ((people({0: 150, 1: 210}), 0.01), (people({0: 150}), 0.1)):
        assert Payers(hit, able, frozenset(), 2).top == top
    assert Payers(hit, people({}), frozenset(), 2).top == 0.1


def test_who_could_have_been_asked_and_was_not_hit_gave_nothing():
    hit = people({0: 2, 1: 1, 2: 1}, policy="a", paid_usd=[3.0, 1.0, 0.0, 5.0])
    found = Payers(hit, people({0: 4, 1: 3}), frozenset(), 3).amounts("a", "paid_usd")
    assert [list(one) for one in found] == [[3.0, 1.0, 0.0, 0.0], [5.0]]
    assert top_share(found[0], 0.25) == pytest.approx(0.75)
    assert Payers(hit, people({}), frozenset(), 3).amounts("b", "paid_usd") == []


@given(AMOUNTS)
def test_lorenz_curve_lies_below_equality_and_encloses_ginis_area(amounts: list[float]):
    given_ = np.array(amounts)
    grid = np.linspace(0.0, 1.0, len(given_) + 1)
    curve = lorenz(given_, grid)
    assert (curve <= grid + 1e-12).all()
    area = 2.0 * (0.5 - np.trapezoid(curve, grid))
    assert area == pytest.approx(gini(given_), abs=1e-9)


def test_cash_comes_again_out_of_the_same_profit(tmp_path: Path):
    rows = [
        haircut(0, "cash", 1, 10.0, 80.0, time_s=20.0),
        haircut(0, "cash", 1, 15.0, 100.0, time_s=21.0),
    ]
    batch = make_batch(
        tmp_path, ["cash"], 1, runs=[finished(0, "cash", 25.0)], haircuts=rows
    )
    (row,) = read_payers(batch).paid.to_dict("records")
    assert (row["paid_usd"], row["capacity_usd"]) == (25.0, 100.0)


def test_closed_positions_add_up_and_gains_pay_nothing(tmp_path: Path):
    rows = [
        haircut(0, "queue", 1, 10.0, 80.0, closed=800.0, time_s=20.0),
        haircut(0, "queue", 1, 15.0, 100.0, closed=900.0, time_s=21.0),
        haircut(0, "queue", 2, -5.0, 60.0, closed=100.0),
    ]
    batch = make_batch(
        tmp_path, ["queue"], 1, runs=[finished(0, "queue", 25.0)], haircuts=rows
    )
    payers = read_payers(batch)
    first, second = payers.paid.to_dict("records")
    assert payers.by_contracts == {"queue"}
    assert (first["paid_usd"], first["capacity_usd"]) == (25.0, 180.0)
    assert first["closed_usd"] == 1700.0
    assert (second["paid_usd"], second["closed_usd"]) == (0.0, 100.0)


def batch_of_two_runs(folder: Path, everyone_pays: bool):
    """Run 0 is audited; accounts 1 and 2 could pay, and do or do not."""
    payers = (1, 2) if everyone_pays else (1,)
    return make_batch(
        folder,
        ["cash"],
        2,
        runs=[finished(run, "cash", 5.0) for run in (0, 1)],
        haircuts=[haircut(run, "cash", i, 1.0, 50.0) for run in (0, 1) for i in payers],
        audit=[audited(0, "cash", {1: 50.0, 2: 50.0})],
    )


def test_profits_of_unaudited_runs_are_known_if_everyone_is_seen_to_pay(tmp_path: Path):
    able = read_payers(batch_of_two_runs(tmp_path, everyone_pays=True)).able
    assert able.groupby("run")["capacity_usd"].sum().to_dict() == {0: 100.0, 1: 100.0}


def test_profits_of_unaudited_runs_are_unknown_if_some_do_not_pay(tmp_path: Path):
    payers = read_payers(batch_of_two_runs(tmp_path, everyone_pays=False))
    assert payers.able.groupby("run")["capacity_usd"].sum().to_dict() == {0: 100.0}
    both = payers.where_both_are_known()
    assert both.runs == 1
    assert set(both.paid["run"]) == {0}


def test_a_batch_without_haircuts_has_no_payers(tmp_path: Path):
    batch = make_batch(tmp_path, ["cash"], 1, runs=[finished(0, "cash", 0.0)])
    payers = read_payers(batch)
    assert payers.paid.empty
    assert payers.able.empty
    assert payers.policies == []
