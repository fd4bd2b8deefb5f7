"""Allocations by name: every answer keeps the contract, and bad parameters are refused."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl import allocation
from abm.adl.answers import CompositionError
from tests.adl.waves import candidates, everyone, wave

ANSWERS = {
    "queue": {"rule": "queue", "score": "hyperliquid"},
    "queue by several": {"rule": "queue", "score": "ethereal"},
    "lexicographic": {"rule": "lexicographic", "by": ["leverage", "newest"]},
    "random": "random",
    "random-start": {"rule": "random-start", "scan": 1000},
    "pro-rata": "pro-rata",
    "contracts": "contracts",
    "by contracts": {"rule": "pro-rata", "by": "contracts"},
    "by equity": {"rule": "pro-rata", "by": "equity"},
    "by profit": {"rule": "pro-rata", "by": "profit"},
    "capped": {"rule": "capped", "cap": 1.0},
    "last-takes-rest": "last-takes-rest",
    "risk-weighted": "risk-weighted",
    "levered": {"rule": "risk-weighted", "risk": "leverage"},
    "power": {"rule": "risk-weighted", "risk": {"rule": "power", "exponent": 2.0}},
    "cvar": {"rule": "risk-weighted", "risk": {"rule": "cvar", "threshold": 1.0}},
    "optimal": {"rule": "risk-weighted", "risk": {"rule": "optimal", "scale": 0.1}},
    "student": {
        "rule": "risk-weighted",
        "risk": {"rule": "optimal", "scale": 0.1, "freedom": 3.0},
    },
    "greedy": "greedy",
    "leverage-filling": "leverage-filling",
    "factor": {"rule": "leverage-filling", "form": "factor"},
    "power-penalty": "power-penalty",
    "power-penalty by equity": {"rule": "power-penalty", "power": 3.0, "weight": "equity"},
    "exponential-penalty": {"rule": "exponential-penalty", "weight": "capacity"},
    "levelling": "levelling",
    "min-max": {"rule": "min-max", "by": "profit"},
    "min-max-lots": "min-max-lots",
    "min-max program": {"rule": "min-max-lots", "method": "program"},
    "projection": {"rule": "projection", "share": 0.2},
    "buckets": {"rule": "buckets", "score": "leverage", "edges": [1.0, 3.0]},
    "buckets of queues": {
        "rule": "buckets",
        "score": "leverage",
        "edges": [2.0],
        "inside": {"rule": "queue", "score": "ethereal"},
    },
    "hybrid": {
        "rule": "hybrid",
        "parts": [{"rule": "queue", "score": "ethereal"}, "risk-weighted", "pro-rata"],
        "weights": [0.2, 0.5, 0.3],
    },
    "weights": {"rule": "weights", "weights": {"1": 3.0}, "others": 1.0},
}


def _share(answer, rows, capacity, budget):
    table = candidates(rows)
    rule = allocation.part("allocation", answer)
    score = np.full(len(rows), np.nan)
    if rule.score is not None:
        score = rule.score(wave(table), everyone(table))
    return rule.share(np.array(capacity, np.int64), score, budget)


def _book(rng, count):
    return [
        {
            "lots": int(rng.integers(1, 300)),
            "entry": float(rng.uniform(50, 150)),
            "mark": 120.0,
            "equity": float(rng.uniform(10, 1e5)),
            "cash": float(rng.uniform(1, 1e4)),
        }
        for _ in range(count)
    ]


def test_every_answer_is_tried():
    rules = {a if isinstance(a, str) else a["rule"] for a in ANSWERS.values()}
    assert rules | {"convex-penalty"} == set(allocation.ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_amounts_are_within_capacity_and_sum_to_the_budget(name):
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = _book(rng, int(rng.integers(1, 30)))
        capacity = np.array([row["lots"] for row in rows])
        for budget in (0, 1, int(capacity.sum()) // 3, int(capacity.sum()), 10**6):
            amounts = _share(ANSWERS[name], rows, capacity, budget)
            assert amounts.dtype == np.int64
            assert amounts.sum() == min(budget, capacity.sum())
            assert (amounts >= 0).all()
            assert (amounts <= capacity).all()


@pytest.mark.parametrize("name", ANSWERS)
def test_nobody_to_ask_pays_nothing(name):
    assert _share(ANSWERS[name], [], [], 17).tolist() == []


def test_a_cap_leaves_the_rest_to_the_next_wave():
    rows = _book(np.random.default_rng(1), 3)
    amounts = _share({"rule": "capped", "cap": 0.25}, rows, [100, 40, 20], 1000)
    assert amounts.tolist() == [25, 10, 5]


def test_a_short_scan_leaves_the_rest_to_the_next_wave():
    rows = _book(np.random.default_rng(1), 10)
    answer = {"rule": "random-start", "scan": 3}
    amounts = _share(answer, rows, [10] * 10, 1000)
    assert amounts.sum() == 30


def test_the_highest_bucket_pays_first_and_shares_within():
    rows = [
        {"lots": 10, "entry": 100.0, "mark": 120.0, "equity": equity}
        for equity in (100.0, 150.0, 2000.0)
    ]
    answer = {"rule": "buckets", "score": "leverage", "edges": [1.0]}
    assert _share(answer, rows, [10, 10, 10], 10).tolist() == [5, 5, 0]
    assert _share(answer, rows, [10, 10, 10], 24).tolist() == [10, 10, 4]


def test_a_hybrid_is_between_its_parts():
    rows = [
        {"lots": 100, "entry": 100.0, "mark": 120.0, "equity": equity}
        for equity in (1000.0, 4000.0)
    ]
    queue = {"rule": "queue", "score": "leverage"}
    answer = {"rule": "hybrid", "parts": [queue, "pro-rata"], "weights": [0.2, 0.8]}
    assert _share(answer, rows, [100, 100], 100).tolist() == [60, 40]


def test_a_hedged_account_is_left_alone_by_factor_leverage():
    rows = [
        {"lots": 100, "entry": 100.0, "mark": 120.0, "equity": 1000.0} for _ in range(3)
    ]
    table = candidates(rows)
    table["account_net"][1] = 0
    rule = allocation.part("allocation", {"rule": "leverage-filling", "form": "factor"})
    score = rule.score(wave(table), everyone(table))
    assert rule.share(table["lots"], score, 100).tolist() == [50, 0, 50]


def test_weights_come_from_a_file(tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("account,weight\n0,1\n2,3.0\n")
    rows = _book(np.random.default_rng(1), 3)
    amounts = _share({"rule": "weights", "file": str(file)}, rows, [100, 100, 100], 40)
    assert amounts.tolist() == [10, 0, 30]


def test_a_convex_penalty_of_ones_own_is_one_of_the_built_in(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def cube(slope):\n    return (slope / 3.0) ** 0.5\n")
    rows = _book(np.random.default_rng(2), 20)
    capacity = [row["lots"] for row in rows]
    answer = {"rule": "convex-penalty", "inverse": f"{file}:cube"}
    mine = _share(answer, rows, capacity, sum(capacity) // 3)
    built_in = _share(
        {"rule": "power-penalty", "power": 3.0}, rows, capacity, sum(capacity) // 3
    )
    assert np.abs(mine - built_in).max() <= 1


def test_a_users_function_is_given_the_score_that_it_asks_for(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "def top(capacity, score, budget):\n"
        "    return np.where(score == score.max(), np.minimum(capacity, budget), 0)\n"
    )
    rows = _book(np.random.default_rng(3), 5)
    answer = {"rule": f"{file}:top", "score": "wealth"}
    amounts = _share(answer, rows, [7] * 5, 5)
    assert np.flatnonzero(amounts).tolist() == [np.argmax([r["equity"] for r in rows])]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"rule": "risk-weighted", "risk": "fear"}, "must be one of leverage"),
        ({"rule": "risk-weighted", "risk": "power"}, "exponent"),
        ({"rule": "capped", "cap": 1.5}, "cap"),
        ({"rule": "power-penalty", "power": 1.0}, "power"),
        ({"rule": "buckets", "score": "size", "edges": [2.0, 1.0]}, "must rise"),
        ({"rule": "hybrid", "parts": ["pro-rata"], "weights": [1.0, 2.0]}, "one a part"),
        ({"rule": "hybrid", "parts": ["luck"], "weights": [1.0]}, r"parts\[0\]"),
        ({"rule": "weights"}, "either weights or a file"),
        ({"rule": "weights", "weights": {"Ann": 1.0}}, "account's number"),
        ({"rule": "weights", "file": "nowhere.csv"}, "nowhere"),
        ({"rule": "convex-penalty", "inverse": "nowhere.py:f"}, "no file"),
    ],
)
def test_parameters_that_make_no_rule_are_refused(answer, complaint):
    with pytest.raises(CompositionError, match=complaint):
        allocation.part("allocation", answer)


def test_a_file_of_weights_names_the_line_that_is_wrong(tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("account,weight\n0,1\n2,-3\n")
    with pytest.raises(CompositionError, match="line 3"):
        allocation.part("allocation", {"rule": "weights", "file": str(file)})


def test_rules_that_close_positions_do_not_share_out_cash():
    assert list(allocation.misfits("leverage-filling"))
    assert list(allocation.misfits({"rule": "queue", "score": "size"}))
    nested = {"rule": "hybrid", "parts": ["min-max-lots"], "weights": [1.0]}
    assert list(allocation.misfits(nested))
    assert not list(allocation.misfits({"rule": "queue", "score": "leverage"}))


def test_bisection_and_the_integer_program_find_the_same_largest_haircut():
    rng = np.random.default_rng(11)
    for _ in range(40):
        rows = _book(rng, int(rng.integers(1, 12)))
        capacity = np.array([row["lots"] for row in rows])
        equity = np.array([row["equity"] for row in rows])
        budget = int(rng.integers(1, capacity.sum() + 1))
        largest = []
        for method in ("bisection", "program"):
            answer = {"rule": "min-max-lots", "method": method}
            amounts = _share(answer, rows, capacity, budget)
            assert amounts.sum() == budget
            largest.append((amounts / equity).max())
        assert largest[0] == pytest.approx(largest[1], rel=1e-9)
