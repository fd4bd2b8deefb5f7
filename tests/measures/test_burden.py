"""What is kept of a call, and what the tables make of it, on waves written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.adl.compose import PRESETS, compose
from abm.adl.eligibility import Payers
from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Call, Decision, Outcome
from abm.measures.burden import Burden, burden_of, taken_by
from abm.montecarlo import measured, tables
from abm.units import usd
from tests.adl.waves import candidates, wave

USD = 1_000_000
PRO_RATA = compose("pro-rata", PRESETS["pro-rata"])
QUEUE = compose("hyperliquid", PRESETS["hyperliquid"])
NAMES = tables.Names(np.array(["ONE"]), np.array(["anyone"]), np.ones(1))
KIND = np.array(["anyone"] * 10)

# The book of arXiv 2512.01112, section 2.4: winners with endowments of 8, 4 and 0.5 USD,
# shortfalls of 3 and 12, half of which is socialised.
ENDOWMENT = [8.0, 4.0, 0.5]
SHORT = [3.0, 12.0]


def cash_call(
    amounts: list[float],
    *,
    endowment: list[float] = ENDOWMENT,
    short: list[float] = SHORT,
    before: float | None = None,
    after: float = 0.0,
    theta: float = 1.0,
    **over: Any,
) -> Call:
    """A call that takes cash from accounts with one lot in profit each."""
    rows = candidates(
        [{"lots": 1, "entry": 10.0, "mark": 10.0 + gain, "cash": 1.0} for gain in endowment]
    )
    capacity = np.array([round(gain * USD) for gain in endowment])
    payers = Payers(np.arange(len(rows)), np.zeros(len(rows), int), capacity, capacity)
    given = np.array([round(amount * USD) for amount in amounts])
    missing = sum(short) if before is None else before
    budget = round(theta * missing * USD)
    decision = Decision(
        True, theta, budget, np.array([budget]), payers, capacity.astype(float), given
    )
    haircuts = np.zeros(np.count_nonzero(given), CASH_HAIRCUT)
    haircuts["account"], haircuts["amount"] = np.flatnonzero(given), given[given > 0]
    deficit = np.array([round(amount * USD) for amount in short])
    seen = wave(rows, short_account=np.arange(len(short)) + 5, deficit=deficit, **over)
    outcome = Outcome(decision, np.zeros(0, ADL_FILL), haircuts)
    return Call(seen, outcome, round(missing * USD), round(after * USD), 0)


def told(calls: list[Call], policy=PRO_RATA) -> dict[str, Any]:
    return tables.of_calls(calls, policy, NAMES, KIND)


def only_wave(calls: list[Call], policy=PRO_RATA) -> dict[str, Any]:
    waves = told(calls, policy)["waves"]
    assert len(waves["wave"]) == 1
    return {name: column[0] for name, column in waves.items()}


def test_the_papers_example_gives_its_ratios():
    """Queue order 2, 1, 3 takes (3.5, 4, 0); pro-rata takes 0.6 of everyone."""
    queue = only_wave([cash_call([3.5, 4.0, 0.0], theta=0.5, after=7.5)])
    assert queue["asked_usd"] == pytest.approx(7.5)
    assert queue["ptsr"] == pytest.approx(4.5 / 7.5)
    assert queue["pmr"] == pytest.approx(4.5 / (0.5 * 12.0))
    assert queue["ptsr_residual"] == pytest.approx(4.5 / 7.5)
    assert queue["pmr_residual"] == pytest.approx(4.5 / 6.0)
    assert queue["rd_nse"] == pytest.approx(4.5 / 12.0)
    assert queue["largest_share"] == 1.0
    even = only_wave([cash_call([4.8, 2.4, 0.3], theta=0.5, after=7.5)])
    assert even["ptsr"] == pytest.approx(3.2 / 7.5)
    assert even["largest_share"] == pytest.approx(0.6)
    assert even["gini"] == pytest.approx(0.0)
    assert even["largest_equity_share"] == pytest.approx(4.8 / 9.0)


def test_the_largest_survivor_need_not_be_the_one_who_had_most():
    row = only_wave([cash_call([5.0, 0.0, 0.0], short=[5.0])])
    assert row["largest_survivor_usd"] == 4.0
    assert row["top_survivor_usd"] == 3.0
    assert (row["ptsr"], row["ptsr_top"]) == (pytest.approx(0.8), pytest.approx(0.6))
    assert row["ptsr_residual"] != row["ptsr_residual"]


def test_concentration_stands_beside_what_was_forced():
    """Of 10 the largest must give 5.5 and the next 1.5: the others have too little."""
    row = only_wave([cash_call([8.0, 2.0, 0.0], short=[10.0])])
    assert row["given_usd"] == pytest.approx(10.0)
    assert row["forced_usd"] == pytest.approx(7.0)
    assert row["optional_share"] == pytest.approx(0.3)
    assert row["top_1_usd"] == pytest.approx(8.0)
    assert row["least_top_1_usd"] == pytest.approx(5.5)
    assert row["top_10_usd"] == pytest.approx(10.0)
    assert row["eligible_accounts"] == 3
    assert row["gini"] == pytest.approx(1 / 3 + 1 / 3 * (1.0 - 0.5) / 1.5)
    # Survivors (0, 2, 0.5) of (8, 4, 0.5): one pair of neighbours of two changed places.
    assert row["order_inversions"] == pytest.approx(0.5)


def test_solvent_but_not_coverable():
    """Profits are 12.5, equity 15.5."""
    for missing, coverable, solvent in ((12.0, 1, 1), (13.0, 0, 1), (16.0, 0, 0)):
        row = only_wave([cash_call(ENDOWMENT, short=[missing], after=missing - 12.5)])
        assert (row["coverable"], row["solvent"]) == (coverable, solvent)
    run = measured.of_run(
        {"coverable": [True, False, None, False], "solvent": [True, True, None, False]},
        np.zeros(0),
    )
    assert run["uncoverable_waves"] == 1


def test_calls_of_a_wave_are_one_burden():
    """Half of 8 is raised, then the rest and 2 more that went missing meanwhile."""
    first = cash_call([4.0, 0.0, 0.0], short=[8.0], theta=0.5, after=4.0)
    left = [4.0, 4.0, 0.5]
    second = cash_call([4.0, 2.0, 0.0], endowment=left, short=[6.0], now_s=3.0)
    row = only_wave([first, second])
    assert (row["asked_usd"], row["needed_usd"]) == (pytest.approx(10), pytest.approx(10))
    assert row["largest_loss_usd"] == 8.0
    assert row["top_survivor_usd"] == 0.0
    assert row["largest_survivor_usd"] == 2.0
    assert row["time_to_cover_s"] == 3.0
    assert row["ptsr"] == pytest.approx(0.2)
    assert row["pmr"] == pytest.approx(2.0 / 8.0)
    assert row["tracking_regret_usd"] == pytest.approx(0.0)
    # The first asked the richest for half of its 8, where 4 / 12.5 of each would do; the
    # second took all of it, where 6 / 8.5 would have done.
    assert row["largest_asked_share"] == 1.0
    assert row["fairness_regret_usd"] == pytest.approx((1.0 - 6.0 / 8.5) * 10.0)


def test_rank_stability_is_of_all_who_were_hit_in_either_wave():
    waves = [
        cash_call([4.0, 2.0, 0.0], short=[6.0]),
        cash_call([0.0, 2.0, 0.5], short=[2.5], number=1, now_s=60.0),
        cash_call([0.0, 2.0, 0.5], short=[2.5], number=2, now_s=120.0),
    ]
    stability = told(waves)["waves"]["rank_stability"]
    assert np.isnan(stability[0])
    # Shares (1/2, 1/2, 0), then (0, 1/2, 1): ranks tie where shares do.
    assert stability[1] == pytest.approx(-np.sqrt(3) / 2)
    assert stability[2] == pytest.approx(1.0)


def test_where_nobody_is_asked_nothing_is_said_of_fairness():
    never = compose("none", PRESETS["none"])
    call = cash_call([0.0, 0.0, 0.0], after=15.0)
    decision = Decision(False, 0.0, 0, *_nothing())
    nobody = Call(call.wave, Outcome(decision, *_no_entries()), 15 * USD, 15 * USD, 0)
    assert burden_of(nobody, never) == Burden(False)
    row = only_wave([nobody], never)
    assert row["largest_loss_usd"] == 12.0
    assert row["time_to_cover_s"] is None
    assert "ptsr" not in row
    assert (row["tracking_regret_usd"], row["fairness_regret_usd"]) == (15.0, 0.0)


def _nothing():
    none = np.zeros(0, np.int64)
    return none, Payers(*[none] * 4), np.zeros(0), none


def _no_entries():
    return np.zeros(0, ADL_FILL), np.zeros(0, CASH_HAIRCUT)


def test_lots_that_were_closed_cost_what_they_got_less_than_the_mark():
    """Two of five lots short from 100, at 90, closed at 91 and 1 USD of collateral."""
    rows = candidates([{"lots": -5, "entry": 100.0, "mark": 90.0, "cash": 7.0}])
    capacity, amounts = np.array([5]), np.array([2])
    group = np.array([1])
    payers = Payers(np.zeros(1, int), group, capacity, np.array([50 * USD]))
    fills = np.zeros(1, ADL_FILL)
    fills["lots"], fills["held"], fills["account"] = -2, -5, 0
    fills["value"], fills["cost"] = -182 * USD, -500 * USD
    fills["collateral"] = 1 * USD
    seen = wave(rows, mark=np.array([90]), unit=np.array([USD]))
    decision = Decision(True, 1.0, USD, amounts, payers, np.ones(1), amounts)
    call = Call(seen, Outcome(decision, fills, _no_entries()[1]), USD, 0, 0)
    taken = taken_by(call)
    assert usd(taken.losses(seen.mark * seen.unit)).tolist() == [1.0]
    assert usd(taken.losses(np.array([80 * USD]))).tolist() == [21.0]
    found = burden_of(call, QUEUE)
    assert usd(found.top_endowment) == 50.0
    assert usd(found.largest_survivor) == 49.0
    assert usd(found.given) == pytest.approx(20.0)
    assert found.largest_share == pytest.approx(0.4)
    assert usd(found.forced) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("steps", "step_ms", "tick_ms", "strikes"),
    [(10, 1000, 0, 10), (10, 1000, 1000, 10), (10, 1000, 3060, 3), (11, 100, 500, 3)],
)
def test_the_clock_of_waves_strikes_at_multiples_of_its_tick(
    steps, step_ms, tick_ms, strikes
):
    times = [step * step_ms for step in range(steps)]
    due = struck = 0
    for now in times:
        if now >= due:
            struck += 1
            due = now if tick_ms == 0 else due + tick_ms * ((now - due) // tick_ms + 1)
    assert measured.strikes_of(steps, step_ms, tick_ms) == struck == strikes


def test_breaches_are_counted_before_and_after_the_answer():
    calls = [
        cash_call([3.0, 0.0, 0.0], short=[3.0]),
        cash_call([3.0, 0.0, 0.0], short=[4.0], after=1.0),
        cash_call([0.0, 0.0, 0.0], short=[0.0]),
    ]
    found = measured.breaches(calls, 10)
    assert found == {"breach_share": 0.2, "unmet_share": 0.1}
