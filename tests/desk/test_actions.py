"""What a strategy may say, and what it is told when it may not."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from abm.desk.actions import (
    MOVE,
    ORDER,
    PAY,
    Actions,
    Own,
    RefusedError,
    StrategyError,
    check,
)
from abm.world import NONE

OWN = Own(np.array([7, 9, 12]), np.array([0, 1, 0]))
TICKS = np.array([1000, 2000])
MOST = np.array([10**9, 10**9])


def test_numbers_and_arrays_are_spread_over_each_other():
    actions = Actions()
    actions.order([7, 9], 1, [5, -5], kind="limit", tick=10)
    actions.pay(7, 12, 100)
    rows = actions.rows()
    assert rows["code"].tolist() == [ORDER, ORDER, PAY]
    assert rows["lots"].tolist() == [5, -5, 0]
    assert rows["tick"].tolist() == [10, 10, 0]
    assert rows["other"].tolist() == [NONE, NONE, 12]
    assert actions.count == 3


def test_an_account_that_is_opened_can_be_used_at_once():
    actions = Actions()
    fresh = actions.open([7, 9])
    more = actions.open(7)
    actions.pay([7, 9, 7], np.concatenate([fresh, more]), 10)
    assert len({*fresh.tolist(), *more.tolist()}) == 3
    assert check(actions.rows(), OWN, TICKS, MOST).tolist() == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("method", "args", "options", "words"),
    [
        ("order", (8, 0, 5), {}, "order: account 8 is not one's own"),
        ("order", (7, 2, 5), {}, "order: market 2 must be from 0 to 1"),
        ("order", (7, 0, 0), {}, "order: lots 0 must be a size"),
        ("order", (7, 0, 10**10), {}, "lots 10000000000 must be a size that can be"),
        ("order", (7, 0, 5), {"kind": "limit"}, "order: tick 0 must be a price"),
        ("order", (7, 0, 5), {"kind": "limit", "tick": 1000}, "tick 1000 must be a price"),
        ("order", (7, 0, 5), {"kind": "stop"}, "kind 'stop' must be one of market, limit"),
        ("order", (7, 0, 1.5), {}, "lots = 1.5 must be a whole number"),
        ("order", (7, 0, float("nan")), {}, "lots = nan must be a whole number"),
        ("order", ([7, 9], 0, [1, 2, 3]), {}, "shapes do not fit"),
        ("order", (7, 0, "many"), {}, "must be whole numbers"),
        ("deposit", (7, -1), {}, "amount -1 must not be negative"),
        ("deposit", (7, float("inf")), {}, "amount = inf must be a whole number"),
        ("withdraw", (0, 1), {}, "withdraw: account 0 is not one's own"),
        ("pay", (7, 9, 1), {}, "pay: account 9 is not the same owner's"),
        ("pay", (7, 7, 1), {}, "must go to another account than 7"),
        ("move", (7, 9, 0, 1), {}, "move: account 9 is not the same owner's"),
        ("move", (7, 12, 0, 1, "best"), {}, "price 'best' must be 'mark' or 'entry'"),
        ("open", (8,), {}, "open: account 8 is not one's own"),
        ("deposit", (-2, 1), {}, "account -2 is not one's own"),
    ],
)
def test_what_cannot_be_is_refused_and_named(method, args, options, words):
    with pytest.raises(RefusedError) as caught:
        _checked(method, args, options)
    assert words in str(caught.value)


def _checked(method, args, options):
    actions = Actions()
    getattr(actions, method)(*args, **options)
    check(actions.rows(), OWN, TICKS, MOST)


def test_moves_between_accounts_of_one_owner_are_fine():
    actions = Actions()
    actions.move(7, 12, 0, -4, "entry")
    assert actions.rows()["code"].tolist() == [MOVE]
    assert check(actions.rows(), OWN, TICKS, MOST).tolist() == [0]


def test_an_error_keeps_its_words_between_processes():
    error = StrategyError("mine", 35.0, "no idea")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "strategy 'mine', 35 s: no idea"
