"""The table of horizons: by hand, and on crashes that are run with a fork."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abm import world as w
from abm.engine import Engine, policy_of
from abm.measures.watch import Lookout, Watch, Worth
from abm.montecarlo import horizons, store, tables
from abm.montecarlo.plan import Plan
from abm.montecarlo.ways import run_one
from tests import crashes
from tests.adl.books import LONG, OTHER, SHORT, UNIT, policy, ruin, venue

HORIZONS_S = (0.0, 1.0, 5.0)
ANY = {"rule": "positions", "profit": "any"}
AT_MARK = {"rule": "contracts", "price": "mark"}


def fixed(
    settlement: Any, later_usd: float, eligibility: Any = ANY
) -> list[dict[str, Any]]:
    """Rows of one wave on an empty venue whose mark goes from 90 to another at once.

    A long from 110 is ruined, 15 USD short; two shorts from 110 and 80 stand against it,
    with half its lots each.
    """
    world = venue(90.0)
    crashes.give(world, LONG, 5.0, (0, UNIT, 110.0))
    crashes.give(world, SHORT, 1000.0, (0, -UNIT // 2, 110.0))
    crashes.give(world, OTHER, 1000.0, (0, -UNIT // 2, 80.0))
    ruin(world, LONG)
    # What was deposited is taken to be what is there: the book is made up.
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    rule = policy(settlement, eligibility)
    engine = Engine(world, rule)
    engine.watcher = watch = Watch(rule, HORIZONS_S)
    engine.answer_wave()
    marks = []
    for step in (0, 1, 5):
        if step:
            crashes.set_marks(world, later_usd)
        marks.append([step, *world.markets.state["mark"]])
    names = tables.Names(np.array(["ONE"]), np.array(["x"]), np.array([0.1]))
    kind = np.array(["x"] * 100)
    calls = engine.record.calls
    told = tables.of_calls(calls, rule, names, kind, watch.finish([np.array(marks)]))
    case = horizons.of_run(calls, told["waves"], watch, (1000, 60))
    columns = horizons.columns_of(case, None, world.markets.specs["unit"])
    assert columns["wave"] == [0, 0, 0]
    return [{name: column[i] for name, column in columns.items()} for i in range(3)]


def test_shorts_closed_before_a_further_fall_lost_the_rest():
    """Both are closed at 90; a fall to 80 forgoes half of 10 each, and needs 10 more."""
    now, after, later = fixed(AT_MARK, 80.0)
    assert now["haircut_usd"] == now["net_usd"] == 0.0
    assert after["haircut_usd"] == after["net_usd"] == later["haircut_usd"] == 10.0
    assert (now["needed_usd"], after["needed_usd"]) == (15.0, 25.0)
    assert (now["overshoot_usd"], after["overshoot_usd"]) == (-15.0, -15.0)
    assert after["accounts"] == 2
    assert (now["time_s"], after["time_s"], later["time_s"]) == (0.0, 1.0, 5.0)


def test_shorts_closed_before_a_rise_were_spared_a_loss():
    """The rise to 100 spares 10 in all; the long would have been 5 short."""
    _, after, _ = fixed(AT_MARK, 100.0)
    assert (after["haircut_usd"], after["net_usd"]) == (0.0, -10.0)
    assert after["needed_usd"] == 5.0


@pytest.mark.parametrize("settlement", [AT_MARK, {"rule": "contracts", "price": "entry"}])
def test_with_frozen_marks_all_horizons_are_equal(settlement):
    rows = fixed(settlement, 90.0)
    for name in ("haircut_usd", "net_usd", "needed_usd", "overshoot_usd", "regret_usd"):
        assert len({row[name] for row in rows}) == 1


def test_cash_that_was_taken_is_worth_the_same_at_all_horizons():
    """15 USD from the one account in profit, whatever the marks do; the need rises."""
    now, after, _ = fixed("cash", 80.0, "profits")
    assert now["haircut_usd"] == after["haircut_usd"] == 10.0
    assert now["net_usd"] == after["net_usd"] == 10.0
    assert after["overshoot_usd"] == -15.0


def test_what_was_taken_is_held_against_a_fork():
    """A short of 100 lots closed at 90: 80 here, 70 there, and 7 USD of another's."""
    unit = np.array([10_000])
    taken = horizons.Taken(
        np.array([3, 9]), np.array([0, 0]), np.array([-100, 0]),
        np.array([-90_000_000, -7_000_000]),
    )  # fmt: skip
    here = Worth(4, np.array([3]), np.array([50_000_000]))
    case = horizons.Case([{"wave": 0}], [taken], [here], [np.array([80])])
    fork = Lookout({4: np.array([2, 3])})
    fork.marks[4] = np.array([70])
    fork.worths[4] = Worth(4, np.array([2, 3]), np.array([1, 62_000_000]))
    assert horizons.asked([case])[4].tolist() == [3]
    columns = horizons.columns_of(case, fork, unit)
    assert columns["traders"] == [1]
    assert columns["path_usd"] == [10.0]
    assert columns["repriced_usd"] == [20.0]
    assert columns["true_usd"] == [12.0]
    assert columns["gap_usd"] == [2.0]
    assert "true_usd" not in horizons.columns_of(case, None, unit)


# --- whole runs -------------------------------------------------------------------------


@cache
def runs(*over: str, paranoid: bool = False) -> tuple[dict[str, pd.DataFrame], ...]:
    """Tables of one crash under some policies, as they are before anybody changes them."""
    outputs = {"horizons_s": [0.0, 0.5, 5.0, 30.0], "counterfactual_of_first_runs": 1}
    outputs |= dict(each.split("=") for each in over)
    outputs["counterfactual_of_first_runs"] = int(outputs["counterfactual_of_first_runs"])
    names = ["hyperliquid", "pro-rata", "drift", "none"]
    given = crashes.crash(run={"runs": 1, "policies": names}, outputs=outputs)
    plan = Plan.of(given)
    found = list(run_one(plan, 0, [policy_of(given, name) for name in names], paranoid))
    return tuple({n: t.to_pandas() for n, t in each.items()} for each in found)


def test_without_a_fork_all_else_is_the_same():
    """Horizons and forks change no byte of any other table."""
    for with_fork, without in zip(
        runs(), runs("counterfactual_of_first_runs=0"), strict=True
    ):
        for name in set(store.SCHEMAS) - {"horizons"}:
            pd.testing.assert_frame_equal(with_fork[name], without[name])
        both = with_fork["horizons"].columns
        own = [n for n in both if n.split("_")[0] not in _OF_FORK]
        pd.testing.assert_frame_equal(with_fork["horizons"][own], without["horizons"][own])
        assert without["horizons"]["true_usd"].isna().all()


_OF_FORK = {"traders", "path", "repriced", "true", "gap"}


def test_at_the_moment_of_the_fork_the_fixed_path_is_the_truth():
    """Nobody has moved yet: what was taken is the whole difference, to the last quantum."""
    seen = 0
    for tables_ in runs():
        waves, rows = tables_["waves"], tables_["horizons"]
        first = rows[(rows["wave"] == 0) & (rows["horizon_s"] == 0.0)]
        if len(first) and waves["calls"].iloc[0] == 1:
            (row,) = first.to_dict("records")
            assert row["true_usd"] == pytest.approx(row["haircut_usd"], abs=1e-6)
            assert row["gap_usd"] == pytest.approx(0.0, abs=1e-6)
            assert row["gap_net_usd"] == pytest.approx(0.0, abs=1e-6)
            seen += row["true_usd"] > 0
    assert seen


def test_later_the_fork_goes_its_own_way():
    rows = pd.concat([tables_["horizons"] for tables_ in runs()])
    late = rows[(rows["horizon_s"] == 30.0)].dropna(subset=["gap_net_usd"])
    assert len(late)
    assert (late["gap_net_usd"].abs() > 1.0).any()


def test_a_policy_that_asks_nobody_has_no_horizons():
    assert len(runs()[-1]["waves"])
    assert not len(runs()[-1]["horizons"])


def test_money_is_conserved_in_forks_at_every_step():
    """The invariants are checked after each step, in the fork as well."""
    for checked, usual in zip(runs(paranoid=True), runs(), strict=True):
        pd.testing.assert_frame_equal(checked["horizons"], usual["horizons"])


def test_the_other_world_may_have_another_policy():
    """Against itself nothing differs but the fork's own numbers: the truth is zero."""
    rows = runs("counterfactual=pro-rata")[1]["horizons"].dropna(subset=["true_usd"])
    assert len(rows)
    assert (rows["true_net_usd"] == 0.0).all()
    assert (rows["true_usd"] == 0.0).all()
    assert (rows["path_usd"] > 0.0).all()


def test_horizons_end_with_their_episode_and_forks_with_the_first():
    """Prices of the next episode begin anew: nothing is valued at them."""
    given = crashes.crash(
        run={"runs": 1, "policies": ["hyperliquid"]},
        episodes={"count": 3},
        venue={"vault_usd": 2000.0},
        outputs={"horizons_s": [0.0, 30.0, 149.0], "counterfactual_of_first_runs": 1},
    )
    rule = policy_of(given, "hyperliquid")
    (found,) = run_one(Plan.of(given), 0, [rule])
    rows = found["horizons"].to_pandas()
    starts = found["waves"].to_pandas().set_index("wave")["start_s"]
    length = given.time.duration_s
    episode = rows["wave"].map(starts) // length
    assert episode.nunique() > 1
    beyond = rows["time_s"] // length > episode
    assert beyond.any()
    assert rows.loc[beyond, "haircut_usd"].isna().all()
    assert rows.loc[~beyond, "haircut_usd"].notna().all()
    forked = rows["true_usd"].notna()
    assert (forked == (~beyond & (episode == 0))).all()
