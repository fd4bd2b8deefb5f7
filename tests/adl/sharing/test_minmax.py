"""The min-max program: closed form, whole lots, and when it is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from abm.adl.sharing.minmax import UnsolvedError, min_max, min_max_lots
from abm.adl.sharing.proportional import pro_rata


def _largest_loss(lots, value, account, equity):
    paid = np.bincount(account, lots * value, len(equity))
    return max((p / e for p, e in zip(paid, equity, strict=True) if p > 0), default=0.0)


def test_against_capacity_it_is_pro_rata():
    rng = np.random.default_rng(1)
    for _ in range(50):
        capacity = rng.integers(1, 10**9, 9)
        budget = int(rng.random() * capacity.sum())
        given = min_max(capacity, capacity.astype(float), budget)
        assert np.abs(given - pro_rata(capacity, budget)).max() <= 1


@pytest.mark.parametrize("shared", [True, False])
def test_in_whole_lots_nothing_is_better(shared):
    rng = np.random.default_rng(2)
    for _ in range(40):
        rows = accounts = 5
        value, most = rng.integers(3, 40, rows), rng.integers(0, 4, rows)
        account, equity = rng.permutation(rows), rng.uniform(10, 100, accounts)
        if shared:
            account %= 3
        budget = int(rng.integers(0, (value * most).sum() + 1))
        best = min(
            _largest_loss(np.array(lots), value, account, equity)
            for lots in itertools.product(*(range(m + 1) for m in most))
            if (np.array(lots) * value).sum() >= budget
        )
        lots = min_max_lots(value, most, account, equity, budget)
        assert ((lots >= 0) & (lots <= most)).all()
        assert _largest_loss(lots, value, account, equity) == pytest.approx(best, rel=1e-6)


def test_the_overshoot_is_below_the_value_of_every_lot_taken():
    rng = np.random.default_rng(3)
    for _ in range(8):
        value, most = rng.integers(10**6, 10**8, 30), rng.integers(1, 50, 30)
        account, equity = rng.integers(0, 10, 30), rng.uniform(1e8, 1e10, 10)
        budget = int(0.3 * (value * most).sum())
        lots = min_max_lots(value, most, account, equity, budget, gap=1e-2)
        overshoot = int((lots * value).sum()) - budget
        assert 0 <= overshoot < value[lots > 0].min()


def test_accounts_of_one_row_are_solved_at_any_size():
    rng = np.random.default_rng(5)
    value, most = rng.integers(10**6, 10**8, 100_000), rng.integers(1, 50, 100_000)
    equity = rng.uniform(1e8, 1e10, 100_000)
    rows, budget = np.arange(100_000), int(0.3 * (value * most).sum())
    lots = min_max_lots(value, most, rows, equity, budget)
    assert 0 <= int((lots * value).sum()) - budget < value[lots > 0].min()
    # Whoever could take another lot would lose more than anybody does.
    worst = (lots * value / equity).max()
    another = ((lots + 1) * value / equity)[lots < most]
    assert np.sort(another)[3] >= worst * (1.0 - 1e-12)


def test_accounts_without_equity_are_not_asked():
    value, most, account = np.array([10, 10]), np.array([5, 5]), np.array([0, 1])
    lots = min_max_lots(value, most, account, np.array([0.0, 100.0]), 35)
    assert lots.tolist() == [0, 4]
    assert min_max_lots(value, most, account, np.array([0.0, 1.0]), 999).tolist() == [0, 5]


def test_what_is_not_proved_in_time_is_refused_with_the_reason():
    rng = np.random.default_rng(4)
    value, most = rng.integers(10**6, 10**8, 3000), rng.integers(1, 50, 3000)
    account, equity = rng.integers(0, 900, 3000), rng.uniform(1e8, 1e10, 900)
    budget = int(0.3 * (value * most).sum())
    with pytest.raises(UnsolvedError, match=r"Time limit"):
        min_max_lots(value, most, account, equity, budget, time_limit_s=0.001)


def test_nothing_is_asked_of_nobody():
    none = np.zeros(0, np.int64)
    assert min_max_lots(none, none, none, np.zeros(0), 5).tolist() == []


@pytest.mark.parametrize("scale", [1e-300, 1e-100, 1.0, 1e300])
def test_lots_at_the_smallest_loss_do_not_depend_on_the_unit_of_equity(scale):
    value, most = np.array([7, 5, 3]), np.array([100, 100, 100])
    equity = np.array([4.0, 2.0, 1.0])
    expected = min_max_lots(value, most, np.arange(3), equity, 350)
    assert (expected * value).sum() >= 350
    found = min_max_lots(value, most, np.arange(3), scale * equity, 350)
    assert np.array_equal(found, expected)


def test_equity_that_is_nothing_next_to_others_gives_its_lots_last():
    value, most = np.array([1, 1]), np.array([10, 10])
    equity = np.array([1e-320, 1e300])
    assert min_max_lots(value, most, np.arange(2), equity, 10).tolist() == [0, 10]
    assert min_max_lots(value, most, np.arange(2), equity, 15).tolist() == [5, 10]
