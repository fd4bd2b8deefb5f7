from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import world as w
from abm.market.book import BUY, KEEP_BOTH, LIMIT, SELL, submit
from abm.venue.ledger import book_lots
from abm.venue.liquidation import sweep_triggers, triage
from abm.venue.margin import (
    affordable_lots,
    equity_of,
    health,
    initial_margin,
    initial_of,
    maintenance_of,
)
from abm.world import NONE, Array, touch
from tests.worlds import make_book, make_ledger, make_markets, make_risk, tiny_world

N_TICKS = 4096
UNIT = 1_000
MILLION = 10**6

# Hyperliquid docs, "Margin tiers" (mainnet): lower bound in USD and largest leverage.
MAINNET = {
    "BTC": [(0, 40), (150_000_000, 20)],
    "ETH": [(0, 25), (100_000_000, 15)],
    "SOL": [(0, 20), (70_000_000, 10)],
    "DOGE": [(0, 10), (20_000_000, 5)],
    "OP": [(0, 10), (3_000_000, 5)],
}


def published_margin(
    tiers: list[tuple[int, int]], notional: Fraction, of: Fraction
) -> Fraction:
    """``notional * rate(n) - deduction(n)`` with the docs' recursion for the deduction."""
    deduction, rate = Fraction(0), of / tiers[0][1]
    for bound, leverage in tiers[1:]:
        if notional < bound:
            break
        deduction += bound * (of / leverage - rate)
        rate = of / leverage
    return notional * rate - deduction


@pytest.mark.parametrize("coin", MAINNET)
def test_margin_is_hyperliquid_s_published_formula(coin: str) -> None:
    tiers = MAINNET[coin]
    text = [f"{{ notional_usd = {f}, max_leverage = {lev} }}" for f, lev in tiers]
    world = tiny_world(f"markets.ONE.tiers=[{', '.join(text)}]")
    spec = world.markets.specs[0]
    edge = tiers[1][0]
    for dollars in (0, 10, 12_345, edge - 1, edge, edge + 1, 3 * edge, 10**9):
        notional = Fraction(dollars)
        for function, of in ((maintenance_of, Fraction(1, 2)), (initial_of, Fraction(1))):
            ours = function(world.risk.tiers, spec, dollars * MILLION)
            exact = published_margin(tiers, notional, of) * MILLION
            assert abs(ours - exact) <= notional + 2


def test_maintenance_is_half_of_initial_margin_at_the_largest_leverage() -> None:
    for leverage, percent in ((40, 1.25), (20, 2.5), (3, 16.6667)):
        tiers = f"[{{ notional_usd = 0, max_leverage = {leverage} }}]"
        world = tiny_world(f"markets.ONE.tiers={tiers}")
        margin = maintenance_of(world.risk.tiers, world.markets.specs[0], 100 * MILLION)
        assert margin / MILLION == pytest.approx(percent, abs=1e-4)


# --- random worlds ----------------------------------------------------------------------


def _tier_table(rng: np.random.Generator, count: int) -> Array:
    """Tiers whose rates rise; deductions make margin continuous where they meet."""
    tiers = np.zeros(count, w.TIER)
    tiers["floor"] = np.sort(rng.integers(10**8, 10**10, count))
    tiers["floor"][0] = 0
    tiers["maintenance_ppm"] = np.sort(rng.integers(5_000, 250_000, count))
    tiers["initial_ppm"] = 2 * tiers["maintenance_ppm"]
    for name in ("initial", "maintenance"):
        steps = tiers["floor"][1:] * np.diff(tiers[f"{name}_ppm"])
        tiers[f"{name}_deduction"][1:] = np.cumsum(steps // MILLION)
    return tiers


class Crowd:
    """Accounts with random positions in some markets, and a health of their own."""

    def __init__(self, seed: int, n_accounts: int, n_markets: int, most: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.tiers = _tier_table(rng, 3)
        marks = rng.integers(500, 1500, n_markets)
        self.markets = make_markets(marks.tolist(), UNIT, n_tiers=3)
        self.book = make_book(n_markets, N_TICKS)
        self.ledger = make_ledger(n_accounts, n_markets)
        self.risk = make_risk(self.book, n_accounts, self.tiers)
        for account in range(2, n_accounts):
            for market in rng.permutation(n_markets)[: rng.integers(1, most + 1)]:
                lots = int(rng.integers(1, 5_000)) * int(rng.choice([-1, 1]))
                value = lots * int(marks[market]) * UNIT
                level = int(self.book.tops["first_level"][market])
                book_lots(self.ledger, self.risk, level, account, market, lots, value)
            _, maintenance = self.health(account)
            slack = int(maintenance * rng.exponential(6.0)) + 1
            self.ledger.accounts["cash"][account] = maintenance + slack
        self.settle()

    def health(self, account: int) -> tuple[int, int]:
        """(equity, maintenance) in plain Python."""
        equity, maintenance = int(self.ledger.accounts["cash"][account]), 0
        for row in self.ledger.positions[self.ledger.positions["account"] == account]:
            mark = int(self.markets.state["mark"][row["market"]])
            value = int(row["lots"]) * mark * UNIT
            equity += value - int(row["cost"])
            maintenance += self.margin(abs(value), "maintenance")
        return equity, maintenance

    def margin(self, notional: int, name: str) -> int:
        tier = self.tiers[self.tiers["floor"] <= notional][-1]
        share = notional * int(tier[f"{name}_ppm"]) // MILLION
        return share - int(tier[f"{name}_deduction"])

    def settle(self) -> None:
        """What the venue does when marks have moved."""
        sweep_triggers(self.book, self.ledger, self.risk, self.markets)
        triage(self.book, self.ledger, self.risk, self.markets)

    def watched(self) -> set[int]:
        return set(np.flatnonzero(self.ledger.accounts["watched"]).tolist())

    def move_marks(self, size: float) -> None:
        """Move every mark by a random factor, within the grid."""
        state = self.markets.state
        factor = np.exp(size * self.rng.standard_normal(len(state)))
        moved = np.rint(state["mark"] * factor).astype(np.int64)
        state["mark"] = np.clip(moved, 1, N_TICKS - 1)


@pytest.mark.parametrize("most", [1, 2, 6])
@pytest.mark.parametrize("size", [0.002, 0.02, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_unsound_account_is_missed_and_no_sound_one_is_watched(
    most: int, size: float, seed: int
) -> None:
    """Brute force: after every move of the marks, every account is computed anew."""
    crowd = Crowd(seed, n_accounts=150, n_markets=6, most=most)
    known = crowd.watched()
    for _ in range(40):
        crowd.move_marks(size)
        crowd.settle()
        watched = crowd.watched()
        for account in range(2, 150):
            equity, maintenance = crowd.health(account)
            sound = equity >= maintenance and equity >= 0
            if account not in watched:
                assert sound, f"account {account} was missed"
            elif account not in known:
                assert not sound, f"account {account} is sound"
        known = watched
    assert 5 < len(known) < 148 or size != 0.02


def test_changes_of_money_and_position_arm_an_account_anew() -> None:
    crowd = Crowd(5, n_accounts=80, n_markets=4, most=3)
    rng = crowd.rng
    for _ in range(120):
        crowd.move_marks(0.01)
        for account in rng.integers(2, 80, 5).tolist():
            market = int(rng.integers(0, 4))
            lots = int(rng.integers(-300, 300)) or 1
            value = lots * int(crowd.markets.state["mark"][market]) * UNIT
            level = int(crowd.book.tops["first_level"][market])
            book_lots(crowd.ledger, crowd.risk, level, account, market, lots, value)
            equity, maintenance = crowd.health(account)
            crowd.ledger.accounts["cash"][account] -= (equity - maintenance) // 3
        crowd.settle()
        for account in set(range(2, 80)) - crowd.watched():
            equity, maintenance = crowd.health(account)
            assert equity >= maintenance
            assert equity >= 0


def test_health_agrees_with_plain_python() -> None:
    crowd = Crowd(7, n_accounts=60, n_markets=5, most=5)
    crowd.move_marks(0.1)
    for account in range(2, 60):
        equity, maintenance, notional = health(
            crowd.ledger, crowd.risk, crowd.markets, account
        )
        assert (equity, maintenance) == crowd.health(account)
        assert equity_of(crowd.ledger, crowd.markets, account) == equity
        mine = crowd.ledger.positions[crowd.ledger.positions["account"] == account]
        sizes = np.abs(mine["lots"] * crowd.markets.state["mark"][mine["market"]] * UNIT)
        assert notional == sizes.sum()
        margins = [crowd.margin(int(size), "initial") for size in sizes]
        assert initial_margin(crowd.ledger, crowd.risk, crowd.markets, account) == sum(
            margins
        )


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("leverage", [3, 10, 25])
def test_a_position_is_liquidated_at_the_published_liquidation_price(
    side: int, leverage: int
) -> None:
    """Hyperliquid docs, "Liquidations": ``price - side * margin available / size /
    (1 - l * side)`` with l the maintenance margin rate."""
    rate = 40_000
    tiers = np.array([(0, 2 * rate, rate, 0, 0)], w.TIER)
    entry, lots = 1000, 777
    markets, book, ledger = (
        make_markets([entry], UNIT),
        make_book(1, N_TICKS),
        make_ledger(3),
    )
    risk = make_risk(book, 3, tiers)
    value = lots * entry * UNIT
    book_lots(ledger, risk, 0, 2, 0, side * lots, side * value)
    ledger.accounts["cash"][2] = value // leverage
    triage(book, ledger, risk, markets)
    share = Fraction(rate, MILLION)
    available = Fraction(value // leverage) - value * share
    exact = entry - side * available / (lots * UNIT) / (1 - share * side)
    first = math.ceil(exact) - 1 if side > 0 else math.floor(exact) + 1
    for mark in range(entry, first + (-side), -side):
        markets.state["mark"][0] = mark
        sweep_triggers(book, ledger, risk, markets)
        triage(book, ledger, risk, markets)
        assert bool(ledger.accounts["watched"][2]) == (mark == first)


def test_a_calm_market_wakes_nobody() -> None:
    crowd = Crowd(11, n_accounts=150, n_markets=3, most=1)
    before = crowd.ledger.positions["trigger"].copy()
    slack = [crowd.health(account) for account in range(2, 150)]
    assert min(equity / margin for equity, margin in slack) < 1.1
    for step in (1, -1, 0, 0, 1):
        crowd.markets.state["mark"] += step
        state = crowd.markets.state
        reached = (before > 0) & (before == state["mark"][crowd.ledger.positions["market"]])
        crowd.settle()
        moved = crowd.ledger.positions["trigger"] != before
        assert moved.sum() <= reached.sum()
        before = crowd.ledger.positions["trigger"].copy()


def test_watched_accounts_lose_their_orders() -> None:
    crowd = Crowd(3, n_accounts=20, n_markets=1, most=1)
    for account in range(2, 20):
        submit(crowd.book, crowd.ledger, 0, account, BUY, LIMIT, 10, 1, 0, KEEP_BOTH)
    crowd.markets.state["mark"] = N_TICKS - 1
    crowd.settle()
    ruined = crowd.ledger.accounts["watched"] == 1
    assert 0 < ruined.sum() < 18
    assert (crowd.ledger.accounts["first_order"][ruined] == NONE).all()
    assert (crowd.ledger.accounts["first_order"][2:][~ruined[2:]] != NONE).all()


# --- initial margin ---------------------------------------------------------------------


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.sampled_from([BUY, SELL]),
    st.integers(1, 20_000),
    st.lists(st.integers(1, 3_000), max_size=3),
)
def test_initial_margin_lets_through_what_is_affordable_and_what_reduces(
    seed: int, side: int, lots: int, working: list[int]
) -> None:
    crowd = Crowd(seed, n_accounts=3, n_markets=2, most=2)
    for waiting in working:
        submit(crowd.book, crowd.ledger, 0, 2, side, LIMIT, 400, waiting, 0, KEEP_BOTH)
    allowed = affordable_lots(
        crowd.book, crowd.ledger, crowd.risk, crowd.markets, 2, 0, side, lots
    )
    mine = crowd.ledger.positions[crowd.ledger.positions["account"] == 2]
    held = {int(row["market"]): int(row["lots"]) for row in mine}
    marks = crowd.markets.state["mark"].tolist()
    equity, _ = crowd.health(2)

    def needed(extra: int) -> int:
        after = dict(held)
        after[0] = held.get(0, 0) + side * (extra + sum(working))
        sizes = [abs(size) * marks[market] * UNIT for market, size in after.items()]
        return sum(crowd.margin(size, "initial") for size in sizes)

    opposite = max(0, -side * held.get(0, 0)) - sum(working)
    if lots <= opposite or needed(lots) <= equity:
        assert allowed == lots
    else:
        assert allowed == max(0, min(lots, opposite))


def test_an_account_is_touched_only_once_however_often_it_changes() -> None:
    ledger = make_ledger(4)
    for _ in range(3):
        touch(ledger, 3)
    assert ledger.pots["n_touched"][0] == 1
