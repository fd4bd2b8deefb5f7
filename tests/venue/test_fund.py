"""The fund's rolling peak and its alarms, against brute force and the venues' examples."""

from __future__ import annotations

import numpy as np
import pytest

from abm import world as w
from abm.adl.wave import gather
from abm.venue.fund import Drawdown, defended, is_alarmed, set_alarms, watch_fund
from abm.venue.liquidation import debt, is_taking_over, shortfall
from abm.venue.margin import equity_of
from tests.crashes import FIRST, empty_venue, give, set_marks

FUND = 1
USD = 10**6
BYBIT = Drawdown(28_800.0, 0.3, 0.25)


def _world(fund_usd, *alarms, step_s=1.0):
    world = empty_venue({"X": {}}, time={"duration_s": 150.0, "step_s": step_s})
    give(world, FUND, fund_usd)
    return set_alarms(world, alarms or [BYBIT])


def _set_fund(world, usd):
    """Let the fund gain or lose money in dealings with somebody."""
    change = round(usd * USD) - int(world.ledger.accounts["cash"][FUND])
    world.ledger.accounts["cash"][FUND] += change
    world.ledger.accounts["cash"][FIRST] -= change


def _pass(world, seconds):
    world.clock["now_ms"] += round(seconds * 1000)


def _short(world):
    return int(shortfall(world.ledger, world.risk, world.markets)) / USD


# bybit-exchange/docs, docs/v5/market/adl-alert.mdx: a pool of 1M that loses 350,000 is at
# -35%, and ADL is sized at 50,000; a pool that rose to 2M and fell by 600,000 is at -30%
# and triggers; so does one without anything left.
@pytest.mark.parametrize(
    ("path", "on", "excess"),
    [
        ([1e6, 650e3], True, 50e3),
        ([1e6, 2e6, 1.4e6], True, 0.0),
        ([1e6, 2e6, 1.400001e6], False, 0.0),
        ([1e6, 0.0], True, 700e3),
        ([0.0], True, 0.0),
    ],
)
def test_the_examples_of_bybit(path, on, excess):
    world = _world(path[0])
    for equity in path:
        _pass(world, 1)
        _set_fund(world, equity)
        watch_fund(world)
    assert bool(is_alarmed(world.risk)) is on
    assert _short(world) == pytest.approx(excess)


def test_an_alarm_that_is_on_goes_off_only_above_its_stop():
    world = _world(100.0)
    seen = []
    for equity in (71, 70, 74, 75, 75.000001, 71, 69, 76):
        _pass(world, 1)
        _set_fund(world, equity)
        watch_fund(world)
        seen.append(bool(is_alarmed(world.risk)))
    assert seen == [False, True, True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("window_s", "step_s"),
    [(28_800.0, 1.0), (60.0, 1.0), (37.0, 0.1), (3_600.0, 10.0), (3.0, 10.0)],
)
def test_the_peak_is_that_of_the_window_or_of_one_part_more(window_s, step_s):
    rng = np.random.default_rng(4)
    world = _world(1_000.0, Drawdown(window_s, 0.3, 0.25), step_s=step_s)
    alarm = world.risk.alarms[0]
    part_s = int(alarm["period_ms"]) / 1000
    assert part_s <= max(step_s, window_s / 480 + step_s)
    times, equities = [0.0], [1_000.0]
    # Long windows are watched in strides: what matters is how often a part passes.
    stride = max(step_s, part_s / 4 // step_s * step_s)
    on = False
    for _ in range(3_000):
        _pass(world, stride)
        equity = max(
            0.0, equities[-1] + float(rng.normal()) * 20 - 0.02 * equities[-1] + 10
        )
        _set_fund(world, equity)
        watch_fund(world)
        now = int(world.clock[0]["now_ms"]) / 1000
        times.append(now)
        equities.append(round(equity * USD) / USD)
        held = np.array(equities)
        age = now - np.array(times)
        peak = int(alarm["peak"]) / USD
        assert held[age <= window_s].max() <= peak + 1e-9
        assert peak <= held[age <= window_s + part_s + 1e-9].max() + 1e-9
        fall = 1 - equities[-1] / peak
        if abs(fall - 0.3) > 1e-6 and abs(fall - 0.25) > 1e-6:
            on = fall > (0.25 if on else 0.3)
            assert bool(alarm["on"]) == on
        on = bool(alarm["on"])
    w.check(world)


def test_shortfall_is_debt_and_what_the_fund_lacks():
    world = _world(1_000.0)
    _set_fund(world, 500.0)
    watch_fund(world)
    give(world, 0, -40.0)
    assert int(defended(world.risk)) == 700 * USD
    assert int(debt(world.ledger, world.risk, world.markets)) == 40 * USD
    assert _short(world) == 240.0
    _set_fund(world, -100.0)
    assert int(debt(world.ledger, world.risk, world.markets)) == 140 * USD
    assert _short(world) == 840.0


def _fund_is_long(mark_usd):
    """The fund has 1000 and is long 10 from 1000; the other side holds the rest."""
    world = empty_venue({"X": {}, "Y": {}})
    give(world, FUND, 1_000.0, (0, 1_000, 1_000.0), (1, -200, 1_000.0))
    give(world, FIRST, 1e5, (0, -1_000, 1_000.0), (1, 200, 1_000.0))
    world = set_alarms(world, [BYBIT])
    set_marks(world, mark_usd, 1_000.0)
    watch_fund(world)
    return world


def test_what_the_fund_holds_closes_at_the_value_at_which_it_ends_where_the_alarm_began():
    world = _fund_is_long(940.0)
    wave = gather(world, 0, everywhere=False)
    assert wave.is_alarmed
    assert wave.insurance == 400 * USD
    assert wave.insurance_peak == 1_000 * USD
    assert wave.short_account.tolist() == [FUND]
    assert wave.deficit.tolist() == [300 * USD]
    after = wave.insurance + (wave.bankrupt["bankruptcy"] - wave.bankrupt["value"]).sum()
    assert after == 700 * USD


def test_until_the_alarm_ends_the_fund_hands_on_what_it_holds_at_what_it_is_worth():
    world = _fund_is_long(940.0)
    set_marks(world, 973.0, 1_000.0)
    watch_fund(world)
    assert is_taking_over(world.ledger, world.risk)
    wave = gather(world, 0, everywhere=False)
    assert wave.deficit.tolist() == [0]
    assert np.array_equal(wave.bankrupt["bankruptcy"], wave.bankrupt["value"])
    set_marks(world, 976.0, 1_000.0)
    watch_fund(world)
    assert not is_taking_over(world.ledger, world.risk)
    assert len(gather(world, 0, everywhere=False).short_account) == 0


def test_without_an_alarm_a_fund_with_losses_is_not_short():
    world = set_alarms(_fund_is_long(940.0), [])
    assert len(world.risk.alarms) == 0
    assert _short(world) == 0.0
    assert not gather(world, 0, everywhere=False).is_alarmed
    assert int(equity_of(world.ledger, world.markets, FUND)) == 400 * USD


def test_alarms_that_stay_keep_their_past_and_new_ones_begin_now():
    world = _world(1_000.0)
    _pass(world, 5)
    _set_fund(world, 800.0)
    watch_fund(world)
    other = Drawdown(60.0, 0.1, 0.05)
    both = set_alarms(world, [other, BYBIT])
    assert both.risk.alarms["peak"].tolist() == [800 * USD, 1_000 * USD]
    again = set_alarms(both, [BYBIT])
    assert again.risk.alarms.tobytes() == world.risk.alarms.tobytes()
    assert again.risk.peaks.tobytes() == world.risk.peaks.tobytes()
    assert set_alarms(set_alarms(world, []), []).risk.alarms.size == 0


def test_check_finds_a_peak_that_was_changed():
    world = _world(1_000.0)
    w.check(world)
    world.risk.alarms["peak"] += 1
    with pytest.raises(w.BrokenWorldError, match="peak"):
        w.check(world)
