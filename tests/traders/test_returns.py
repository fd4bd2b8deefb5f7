"""Who comes back with which positions: balanced, affordable, the same for all policies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import draws
from abm.traders import balance, endowments, returns
from abm.traders.returns import newcomers, traits_of, wishes
from tests.crashes import MARKET, crash

MARKETS = {"X": MARKET, "Y": MARKET | {"start_usd": 50.0, "tick_usd": 0.01}}


def _scenario(**over):
    return crash(markets=MARKETS, population={"accounts": 150, "positions": 160} | over)


def _drawn(scenario, seed):
    traits = traits_of(scenario, endowments.draw(scenario, seed))
    return traits, wishes(scenario, traits, seed + 100)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([-1, 1]), st.integers(0, 10**9)),
        max_size=30,
    )
)
def test_the_larger_side_shrinks_to_the_smaller_and_nobody_grows(rows):
    market, side, size = np.array(rows, np.int64).reshape(-1, 3).T
    found = balance.matched(market, side, size, 3)
    assert ((found >= 0) & (found <= size)).all()
    for i in range(3):
        long, short = (size[(market == i) & (side == s)] for s in (1, -1))
        got = [found[(market == i) & (side == s)] for s in (1, -1)]
        assert got[0].sum() == got[1].sum() == min(long.sum(), short.sum())
        for before, after in zip((long, short), got, strict=True):
            # In proportion, to the next whole lot.
            part = after.sum() / max(before.sum(), 1)
            assert (np.abs(after - before * part) <= 1.0 + 1e-6 * before).all()


def test_traits_are_those_of_the_crowd_at_the_start():
    scenario = _scenario(isolated_share=0.3)
    crowd = endowments.draw(scenario, 5)
    traits = traits_of(scenario, crowd)
    assert traits.holds.sum() == 160
    per_lot = np.array([m.start_tick * m.unit for m in scenario.all_markets().values()])
    value = crowd.lots * per_lot[crowd.market]
    assert traits.equity.sum() == crowd.cash.sum() - crowd.cost.sum() + value.sum()
    assert (traits.equity > 0).all()


@settings(max_examples=15)
@given(st.integers(0, 50), st.floats(0.01, 20.0))
def test_positions_balance_and_are_covered_by_what_their_holders_have(seed, factor):
    scenario = _scenario(isolated_share=0.2)
    traits, wished = _drawn(scenario, seed)
    luck = np.random.default_rng(seed).choice([0.0, 0.5 * factor, factor], 150)
    equity = np.floor(traits.equity * luck).astype(np.int64)
    found = returns.returns(scenario, wished, traits, equity)
    for i in range(2):
        assert found.lots[found.market == i].sum() == 0
    assert (found.lots != 0).all()
    assert (equity[found.holder] > 0).all()
    assert (np.sign(found.lots) == wished.side[found.wish]).all()
    assert (found.market == wished.market[found.wish]).all()
    markets = list(scenario.all_markets().values())
    margin = endowments.initial_margin(markets, found.market, np.abs(found.value) / 1e6)
    needed = np.bincount(found.holder, margin, 150)
    assert (needed * 1e6 <= equity / endowments.ROOM + 2).all()
    # Isolated accounts get no more than their traders have.
    moved = np.bincount(found.holder, found.moved, 150)
    assert (moved <= equity).all()
    assert ((found.moved > 0) <= wished.isolated[found.wish]).all()


def test_who_has_half_of_what_it_had_wants_half_of_the_position():
    scenario = _scenario()
    traits, wished = _drawn(scenario, 8)
    whole = returns.returns(scenario, wished, traits, traits.equity)
    half = returns.returns(scenario, wished, traits, traits.equity // 2)
    assert np.abs(half.lots).sum() == pytest.approx(np.abs(whole.lots).sum() / 2, rel=0.01)


def test_newcomers_are_as_many_as_their_seed_has_it_and_look_like_the_population():
    scenario = crash(
        episodes={"count": 2, "calm_days": 20.0, "newcomers_per_day": 30.0},
        population={"accounts": 600, "positions": 300},
    )
    counts = []
    for seed in range(40):
        stream = np.random.Generator(np.random.Philox(key=[seed, draws.NEWCOMER]))
        traits = newcomers(scenario, seed)
        assert len(traits.kind) == stream.poisson(600.0)
        assert (traits.equity > 0).all()
        assert traits.holds.sum() == round(len(traits.kind) / 2)
        counts.append(len(traits.kind))
    assert np.mean(counts) == pytest.approx(600, abs=5 * (600 / 40) ** 0.5)
    kinds = np.bincount(newcomers(scenario, 3).kind, minlength=4) / counts[3]
    shares = [kind.share for kind in scenario.kinds.values()]
    assert kinds == pytest.approx(shares, abs=0.01)


def test_nobody_arrives_where_none_are_expected():
    traits = newcomers(crash(episodes={"count": 2}), 1)
    assert [len(column) for column in traits] == [0, 0, 0, 0]
