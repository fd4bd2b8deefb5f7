from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import facts
from analysis.facts import Tables
from analysis.intervals import Interval

RUNS = 8
EMPTY = pd.DataFrame()


def paths(returns: dict[int, np.ndarray], interval_s: float = 1.0) -> pd.DataFrame:
    """Paths of one market, one run each, with those log-returns."""
    rows = []
    for run, moves in returns.items():
        middle = 1000.0 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
        rows.append(
            pd.DataFrame(
                {
                    "run": run, "market": "X", "middle": middle,
                    "time_s": interval_s * np.arange(len(middle)), "spread": 1e-4,
                    "depth_usd": 1e5, "volume_usd": 1.0,
                }
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def tables(path: pd.DataFrame, impact: pd.DataFrame = EMPTY) -> Tables:
    return Tables(path, EMPTY, impact, EMPTY, (1.0, 10.0, 60.0), 5.0)


def measured(name: str, given: Tables) -> pd.Series:
    fact = next(one for one in facts.FACTS if one.name == name)
    return fact.measure(given)


def test_students_t_of_three_degrees_has_a_tail_of_three_and_grows_gaussian():
    stream = np.random.default_rng(1)
    given = tables(paths({run: stream.standard_t(3, 8_000) * 1e-4 for run in range(RUNS)}))
    # Hill at 5% of Student's t lies a little below its exponent.
    assert measured("Heavy tails", given).mean() == pytest.approx(2.8, abs=0.3)
    assert measured("Aggregational Gaussianity", given).mean() < 0.5
    assert abs(measured("No linear autocorrelation", given).mean()) < 0.03


def test_an_empty_side_keeps_the_last_middle():
    path = paths({0: np.full(10, 0.01)})
    path.loc[4:6, "middle"] = np.nan
    found = facts.returns(path, 1.0)[0, "X"]
    assert found == pytest.approx([0.01, 0.01, 0.01, 0, 0, 0, 0.04, 0.01, 0.01, 0.01])


def test_the_square_root_law_is_found_where_it_is_put_in():
    sizes = np.tile([0.01, 0.1, 1.0], 2 * RUNS)
    impact = pd.DataFrame(
        {
            "run": np.repeat(np.arange(RUNS), 6), "market": "X", "form": "metaorder",
            "size": sizes, "side": np.tile([1, 1, 1, -1, -1, -1], RUNS),
            "impact": 0.01 * sizes**0.5,
        }
    )  # fmt: skip
    given = tables(EMPTY, impact)
    assert measured("Impact of a metaorder", given).to_numpy() == pytest.approx(0.5)


def test_a_pause_or_another_market_begins_another_cascade():
    liquidations = pd.DataFrame(
        {
            "run": 0,
            "market": ["X", "X", "X", "Y", "X"],
            "time_s": [1.0, 5.0, 11.0, 5.0, 12.0],
            "usd": [10.0, 20.0, 30.0, 5.0, 40.0],
        }
    )
    found = facts.cascades(liquidations, 5.0)
    assert sorted(found["usd"]) == [5.0, 30.0, 70.0]
    assert sorted(found["events"]) == [1, 2, 2]


def test_a_verdict_needs_the_whole_interval():
    assert facts.verdict(Interval(2.1, 3.0), 2.0, 5.0) == "yes"
    assert facts.verdict(Interval(0.1, 1.0), 2.0, 5.0) == "no"
    assert facts.verdict(Interval(1.0, 3.0), 2.0, 5.0) == "unclear"
    assert facts.verdict(Interval(np.nan, np.nan), 2.0, 5.0) == "unclear"


def test_tails_that_fatten_with_the_limits_are_told():
    stream = np.random.default_rng(2)
    levered = pd.concat(
        [
            paths({run: stream.standard_t(degrees, 2_000) for run in range(RUNS)}).assign(
                limits=limits
            )
            for limits, degrees in ((0.5, 30.0), (1.0, 4.0))
        ]
    )
    found = facts.leverage_facts(levered, 1.0)
    assert list(found["inside"].iloc[:2]) == ["yes", "yes"]
