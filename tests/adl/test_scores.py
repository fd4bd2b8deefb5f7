"""Scores, against values worked out by hand and against orders that venues describe."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl import scores
from abm.adl.answers import CompositionError, build
from abm.adl.lights import order_of
from abm.draws import ADL_ORDER
from tests.adl.waves import candidates, everyone, wave

LONG = {"lots": 10, "entry": 100.0, "mark": 120.0, "cash": 50.0, "maintenance": 30.0}
SHORT = {"lots": -4, "entry": 200.0, "mark": 120.0, "cash": 80.0, "maintenance": 24.0}
LOSER = {"lots": 5, "entry": 150.0, "mark": 120.0, "cash": 450.0, "maintenance": 20.0}
BOOK = [LONG, SHORT, LOSER]

# Equities 250, 400 and 300; notional values 1200, 480 and 600; profits 200, 320, -150.
EXPECTED = {
    "hyperliquid": [1.2 * 1200 / 250, 200 / 120 * 480 / 400, 0.8 * 600 / 300],
    "binance": [200 / 50 * 30 / 250, 320 / 80 * 24 / 400, 0.0],
    "bybit": [0.2 * 4.8, 0.4 * 1.2, -0.2 * 2.0],
    "bitmex": [0.2 * 4.8, 0.4 * 1.2, -0.2 / 2.0],
    "okx": [0.2 / (250 / 30), 0.4 / (400 / 24), -0.2 * 15],
    "profit": [200, 320, -150],
    "account-profit": [200, 320, -150],
    "wealth": [250, 400, 300],
    "contracts": [10, 4, 5],
    "size": [1200, 480, 600],
    "leverage": [4.8, 1.2, 2.0],
    "effective-leverage": [4.8, 1.2, 2.0],
    "return-on-entry": [0.2, 0.4, -0.2],
    "return-on-equity": [0.8, 0.8, -0.5],
    "smallest-balance": [-50, -80, -450],
    "newest": [0, 1, 2],
    "oldest": [0, -1, -2],
}


def _score(answer, rows, **over):
    score = build("score", answer, scores.ANSWERS)
    table = candidates(rows)
    return score(wave(table, **over), everyone(table))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_score_is_its_published_formula(name):
    assert _score(name, BOOK).tolist() == pytest.approx(EXPECTED[name])


def test_every_score_has_a_value_here_or_a_test_of_its_own():
    tested = {"aftermath", "ethereal", "random", "random-start", "lexicographic"}
    assert set(scores.ANSWERS) == tested | set(EXPECTED)


def test_a_better_entry_ranks_higher_on_both_sides():
    for name in ("hyperliquid", "bybit", "bitmex", "okx", "return-on-entry", "binance"):
        for side, entries in ((1, (100, 90, 80)), (-1, (130, 150, 160))):
            rows = [
                LONG | {"lots": 10 * side, "entry": entry, "equity": 400.0}
                for entry in entries
            ]
            rising = _score(name, rows)
            assert rising[0] < rising[1] < rising[2], name


def test_more_leverage_ranks_higher_also_among_losers_at_bitmex_and_okx():
    rows = [LOSER | {"equity": equity} for equity in (400.0, 300.0, 200.0)]
    for name in ("bitmex", "okx"):
        calm, middle, risky = _score(name, rows)
        assert calm < middle < risky < 0


def test_binance_counts_no_loss_and_a_wallet_of_at_least_a_dollar():
    broke = LONG | {"cash": -20.0}
    assert _score("binance", [broke]).tolist() == pytest.approx([200 * 30 / 180])


def test_ethereal_breaks_ties_by_profit_then_balance_then_the_newest_account():
    same = {"entry": 100.0, "mark": 120.0, "maintenance": 1.0, "equity": 400.0}
    rows = [
        same | {"lots": 10, "cash": 200.0, "account": 3},
        same | {"lots": 20, "cash": 200.0, "account": 1},
        same | {"lots": 10, "cash": 100.0, "account": 2},
        same | {"lots": 10, "cash": 200.0, "account": 4},
        same | {"lots": 10, "entry": 90.0, "cash": 200.0, "account": 0},
    ]
    ranked = order_of(_score("ethereal", rows))
    assert ranked.tolist() == [1, 4, 2, 3, 0]


def test_a_lexicographic_order_is_made_of_scores():
    rows = [LONG | {"account": a} for a in (5, 2, 9)]
    answer = {"rule": "lexicographic", "by": ["leverage", "oldest"]}
    assert order_of(_score(answer, rows)).tolist() == [1, 0, 2]


def test_a_lexicographic_order_names_the_score_that_is_unknown():
    answer = {"rule": "lexicographic", "by": ["leverage", "luck"]}
    with pytest.raises(CompositionError, match=r"by\[1\]"):
        build("score", answer, scores.ANSWERS)


def test_a_random_order_is_philox_of_the_wave_and_changes_with_it():
    rows = [LONG | {"account": a} for a in range(200)]
    first = _score("random", rows)
    # One block below [wave 0, position 7]: numpy counts up before it draws.
    below = np.array([2**64 - 1, 6, 0, 0], np.uint64)
    key = np.array([10**6, ADL_ORDER], np.uint64)
    word = np.random.Philox(key=key, counter=below).random_raw()
    assert first[7] == (int(word) >> 11) / 2**53
    assert first.min() >= 0
    assert first.max() < 1
    again = _score("random", rows, number=1)
    assert not np.array_equal(np.argsort(first), np.argsort(again))


def test_a_random_order_does_not_depend_on_who_else_is_asked():
    rows = [LONG | {"account": a} for a in range(50)]
    assert np.array_equal(_score("random", rows)[20:], _score("random", rows[20:]))


def test_a_random_start_goes_around_in_the_order_of_accounts_and_stops():
    accounts = [8, 1, 6, 3, 9, 4, 7, 2, 5, 0]
    rows = [LONG | {"account": a} for a in accounts]
    answer = {"rule": "random-start", "scan": 7}
    starts = set()
    for number in range(40):
        score = _score(answer, rows, number=number)
        asked = [accounts[i] for i in order_of(score) if np.isfinite(score[i])]
        assert asked == [(asked[0] + k) % 10 for k in range(7)]
        starts.add(asked[0])
    assert len(starts) > 5


def test_a_random_start_is_drawn_apart_for_each_side_and_market():
    rows = [LONG | {"account": a, "lots": 10 if a < 30 else -10} for a in range(60)]
    score = _score("random-start", rows)
    for side in (score[:30], score[30:]):
        assert sorted(side) == sorted(-np.arange(30))


def test_scores_of_positions_are_told_from_those_of_accounts():
    answer = {"rule": "queue", "score": {"rule": "lexicographic", "by": ["size", "oldest"]}}
    assert list(scores.position_scores(answer)) == ["size"]
    assert not list(scores.position_scores({"rule": "queue", "score": "leverage"}))
    assert list(scores.position_scores({"rule": "queue", "score": "okx"})) == ["okx"]
