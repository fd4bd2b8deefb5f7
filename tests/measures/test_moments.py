"""Moments of a run's tables, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from abm.measures import moments

NONE = -1
TRADER = np.array([NONE, NONE, 0, 1, 1])
"""Accounts 2 to 4 are traders': the first has one, the second two."""


def fills(**over):
    """Four fills of two batches in two markets, of two accounts and a maker."""
    rows = {
        "wave": [0, 0, 0, 1],
        "time_s": [10.0, 10.0, 10.0, 16.0],
        "market": ["X", "X", "Y", "X"],
        "account": [2, 3, 4, 1],
        "bankrupt_kind": ["backstop", "backstop", "passive", "backstop"],
        "lots": [-5, -5, 4, -1],
        "notional_usd": [400.0, 400.0, 100.0, 50.0],
        "price_usd": [80.0, 80.0, 25.0, 50.0],
        "profit_usd": [100.0, 0.0, 20.0, 10.0],
        "full_close": [True, False, True, True],
    }
    return rows | over


def liquidations():
    return {
        "time_s": [9.0, 9.0, 15.0, 15.0, 20.0],
        "account": [2, 3, 4, 4, 0],
        "kind": ["passive", "passive", "leveraged", "leveraged", "backstop"],
        "market": ["X", "Y", "X", "X", "X"],
        "rung": ["backstop", "backstop", "book", "backstop", "unwind"],
        "lots": [-3, 2, -1, -6, -3],
        "notional_usd": [300.0, 50.0, 90.0, 500.0, 200.0],
    }


def paths():
    return {
        "time_s": [0.0, 0.0, 100.0, 100.0],
        "market": ["X", "Y"] * 2,
        "open_interest_usd": [800.0, 200.0, 300.0, 100.0],
        "bid_depth_usd": [60.0, 10.0, 20.0, 0.0],
        "ask_depth_usd": [40.0, 10.0, 0.0, 2.0],
    }


def told(**over):
    tables = {"adl_fills": fills(), "liquidations": liquidations(), "paths": paths()}
    return moments.of_tables(tables | over, TRADER, np.array([50.0, 80.0]), ["X", "Y"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("adl.notional", 950.0),
        ("adl.vault_share", 850 / 950),
        ("adl.profitable", 0.75),
        ("adl.full", 0.75),
        ("batches", 2.0),
        ("batches.span_s", 6.0),
        ("batches.one_market", 0.5),
        ("takeovers", 3.0),
        ("takeover.mean_usd", 850 / 3),
        ("takeover.ticks", 2.0),
        ("takeover.ratio", 950 / 850),
        ("takeover.ratio_median", (850 / 800 + 100 / 50) / 2),
        ("takeover.per_tick.most", 2.0),
        ("markets.top_1", 850 / 950),
        ("markets.hhi", (850**2 + 100**2) / 950**2),
        ("adl.short@X", 1.0),
        ("adl.short@Y", 0.0),
        ("adl.accounts", 2.0),
        ("adl.fills.mean", 1.5),
        ("adl.fills.one", 0.5),
        ("fall@X", 50 / 80 - 1),
        ("fall.median", 50 / 80 - 1),
        ("liquidated.accounts", 3.0),
        ("liquidated.long@X", 1.0),
        ("liquidated.long@Y", 0.0),
        ("interest.left", 0.4),
        # Averaged over the last ten rows: 100 falls to 60, and 20 to 11.
        ("depth.thinning", (100 / 60 + 20 / 11) / 2),
    ],
)
def test_moments_are_what_one_counts_by_hand(name, value):
    assert told()[name] == pytest.approx(value)


def test_a_run_without_adl_says_so_and_tells_the_rest():
    found = told(adl_fills={})
    assert found["adl.notional"] == 0.0
    assert found["takeovers"] == 3.0
    assert "batches" not in found


def test_the_clock_of_batches_is_found_though_steps_are_whole_seconds():
    rng = np.random.default_rng(5)
    strikes = np.arange(0.0, 650.0, 3.06)
    times = np.ceil(rng.choice(strikes, 100, replace=False))
    n = len(times)
    rows = fills(**{k: (v * n)[:n] for k, v in fills().items()}) | {"time_s": times}
    assert told(adl_fills=rows)["batches.tick_s"] == pytest.approx(3.06, abs=0.03)


def test_distributions_over_accounts_need_enough_of_them():
    assert "adl.notional.gini" not in told()
    n = 50
    rows = {k: (v * n)[:n] for k, v in fills().items()}
    rows |= {"account": list(range(2, 2 + n))}
    rows |= {"profit_usd": [7.0] * n, "notional_usd": [14.0] * n}
    trader = np.concatenate([[NONE, NONE], np.arange(n)])
    tables = {"adl_fills": rows, "liquidations": liquidations(), "paths": paths()}
    found = moments.of_tables(tables, trader, np.full(n, 28.0), ["X"])
    assert found["adl.gain.p50"] == pytest.approx(0.5)
    assert found["adl.leverage.p50"] == pytest.approx(0.5)
    assert found["adl.notional.gini"] == pytest.approx(0.0, abs=1e-12)
