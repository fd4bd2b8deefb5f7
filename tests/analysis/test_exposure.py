"""Fates of an account summed up, from rows made by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import exposure


def fate(run, policy, **over):
    row = {
        "run": run, "seed": run, "policy": policy, "failed": False, "error": "",
        "called": True, "touched": False, "closed_in_full": False, "liquidated": False,
        "closed_share": 0.0, "notional_usd": 1000.0, "collateral_usd": 100.0,
        "haircut_usd": 0.0, "profit_usd": 0.0, "could_usd": 0.0, "forgone_usd": 0.0,
        "equity_end_usd": 100.0, "lights_start": 0.2, "lights": np.nan,
        "stated_usd": np.nan, "look_s": np.nan, "first_wave_s": np.nan,
    }  # fmt: skip
    return row | over


def hit(run, policy, haircut, profit, **over):
    return fate(run, policy, touched=True, haircut_usd=haircut, profit_usd=profit, **over)


def test_shares_and_means_are_over_all_runs_and_profit_over_those_touched():
    rows = [
        hit(0, "a", 10.0, 40.0, stated_usd=9.0),
        hit(1, "a", 30.0, 40.0, could_usd=50.0),
    ]
    rows += [fate(run, "a") for run in range(2, 8)]
    row = exposure.summarise(pd.DataFrame(rows)).loc["a"]
    assert row["touched"] == 0.25
    assert row["haircut"] == 5.0
    assert row["haircut_of_notional"] == pytest.approx(0.005)
    assert row["haircut_if_touched"] == 20.0
    assert row["haircut_of_profit"] == 0.5
    assert (row["worst"], row["could"]) == (30.0, 50.0)
    # Clopper and Pearson's interval of 2 in 8.
    assert (row["touched_low"], row["touched_high"]) == pytest.approx(
        (0.0319, 0.6509), abs=1e-4
    )
    assert row["stated_held"] == 0.0


def test_equity_is_held_against_the_runs_in_which_nobody_pays():
    rows = [fate(run, "none", equity_end_usd=100.0 + run) for run in range(6)]
    rows += [fate(run, "a", equity_end_usd=90.0 + run) for run in range(6)]
    table = exposure.summarise(pd.DataFrame(rows))
    assert table.loc["a", "less_none"] == -10.0
    assert table.loc["a", "less_none_high"] == -10.0
    assert math.isnan(table.loc["none", "less_none"])


def test_failed_runs_are_counted_and_left_out():
    rows = [hit(0, "a", 10.0, 40.0), fate(1, "a", failed=True, haircut_usd=np.nan)]
    row = exposure.summarise(pd.DataFrame(rows)).loc["a"]
    assert (row["runs"], row["failed"]) == (2, 1)
    assert row["haircut"] == 10.0
    assert exposure.records(exposure.summarise(pd.DataFrame(rows)))[0]["failed"] == 1


def test_a_nudge_matters_where_the_haircut_moves_by_more():
    nudged = {"nudge_usd": 1.0, "nudged_haircut_usd": 10.5, "others_moved_usd": 3.0}
    rows = [
        hit(0, "a", 10.0, 40.0, **nudged),
        hit(1, "a", 0.0, 40.0, **nudged),
    ]
    row = exposure.summarise(pd.DataFrame(rows)).loc["a"]
    assert row["nudge_moved"] == 0.5
    assert row["others_moved"] == 3.0


def test_many_policies_stand_three_side_by_side_within_the_terminal():
    rows = [hit(run, name, 10.0, 40.0) for run in range(6) for name in "abcdefg"]
    text = exposure.render(exposure.summarise(pd.DataFrame(rows)))
    assert text.count("It was hit") == 3
    assert max(map(len, text.splitlines())) <= 100
