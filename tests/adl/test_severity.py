"""Severities against closed forms, hand-made recursions and known optima."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from abm import genesis
from abm.adl import audit, severity
from abm.adl.answers import CompositionError, build
from abm.adl.compose import PRESETS, compose
from abm.adl.eligibility import Payers
from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Call, Decision, Outcome
from abm.adl.wave import BANKRUPT, CANDIDATE, Wave
from abm.engine import Engine
from tests import crashes

USD = 10**6
NONE = np.zeros(0, np.int64)


def wave(deficit_usd=0.0, number=0, now_s=0.0, positions=(), mark=100):
    """One account is short, with positions of (lots, bankruptcy value in USD)."""
    bankrupt = np.zeros(len(positions), BANKRUPT)
    for row, (lots, bankruptcy) in zip(bankrupt, positions, strict=True):
        row["account"] = 7
        row["lots"] = lots
        row["value"] = lots * mark * USD
        row["bankruptcy"] = bankruptcy * USD
    return Wave(
        number=number,
        now_s=now_s,
        short_account=np.array([7]),
        deficit=np.array([round(deficit_usd * USD)]),
        bankrupt=bankrupt,
        candidates=np.zeros(0, CANDIDATE),
        mark=np.array([mark]),
        previous_mark=np.array([mark]),
        index=np.array([mark]),
        unit=np.array([USD]),
        open_interest=np.array([0]),
        insurance=0,
    )


def payers(*worth_usd):
    worth = np.array([round(usd * USD) for usd in worth_usd], np.int64)
    return Payers(np.zeros_like(worth), np.zeros_like(worth), worth, worth)


def call(of, theta, who=None, acted=True):
    """A call in which a policy asked for a share of a wave."""
    who = payers() if who is None else who
    empty = np.zeros(len(who.row), np.int64)
    decision = Decision(acted, theta, 0, NONE, who, np.zeros(0), empty)
    nothing = np.zeros(0, ADL_FILL), np.zeros(0, CASH_HAIRCUT)
    return Call(of, Outcome(decision, *nothing), of.total_deficit, 0, 0)


def rule(name, **parameters):
    return build("severity", {"rule": name, **parameters}, severity.ANSWERS)


# --- closed forms ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worth", "deficit", "cap", "theta"),
    [((30, 50), 100, 1.0, 0.8), ((30, 500), 100, 1.0, 1.0), ((30, 50), 100, 0.5, 0.5),
     ((), 100, 1.0, 0.0), ((30,), 0, 0.7, 0.7)],
)  # fmt: skip
def test_deficit_match_asks_for_what_payers_are_worth(worth, deficit, cap, theta):
    found = rule("deficit-match", cap=cap)(wave(deficit), payers(*worth), [])
    assert found == pytest.approx(theta)


def _shocks(*times_s):
    return [call(wave(1, number=i, now_s=t), 1.0) for i, t in enumerate(times_s)]


def test_backoff_falls_by_the_factor_with_each_recent_wave():
    answer = rule("backoff", start=0.8, factor=0.5, window_s=100.0)
    now = wave(1, number=9, now_s=200.0)
    for count, theta in enumerate([0.8, 0.4, 0.2, 0.1]):
        past = _shocks(*[0.0, 50.0, 99.0], *[100.0 + 30 * i for i in range(count)])
        assert answer(now, payers(5), past) == pytest.approx(theta)


def test_backoff_counts_waves_and_not_the_calls_within_them():
    answer = rule("backoff", start=0.8, factor=0.5)
    first = [call(wave(1, number=0, now_s=t), 0.8) for t in (0.0, 1.0, 2.0)]
    assert answer(wave(1, number=0, now_s=3.0), payers(5), first) == pytest.approx(0.8)
    assert answer(wave(1, number=1, now_s=30.0), payers(5), first) == pytest.approx(0.4)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_a_floor_at_the_start_is_the_published_recursion(factor):
    answer = rule("backoff", start=0.3, factor=factor, floor=0.3, window_s=1e6)
    theta, past = 0.3, []
    for t in range(12):
        now = wave(1, number=t, now_s=100.0 * t)
        assert answer(now, payers(5), past) == pytest.approx(min(1.0, theta))
        theta = max(factor * theta, 0.3)
        past.append(call(now, 0.3))
    if factor < 1:
        assert theta == 0.3


def test_backoff_is_capped_by_the_survivor_ratio():
    answer = rule("backoff", survivor_ratio=3.0)
    # 3/4 of the richest payer's 40 over a deficit of 60.
    assert answer(wave(60), payers(10, 40), []) == pytest.approx(0.5)
    assert answer(wave(20), payers(10, 40), []) == pytest.approx(1.0)


# --- online gradient descent -------------------------------------------------------------


def _descend(start, deficits, needed, eta):
    thetas = [start]
    for deficit, need in zip(deficits[:-1], needed[:-1], strict=True):
        thetas.append(severity.gradient_step(thetas[-1], deficit, need, eta))
    return np.array(thetas)


def test_regret_of_gradient_descent_is_within_its_bound():
    """Proposition 1 of arXiv 2602.15182 on 300 random sequences."""
    rng = np.random.default_rng(11)
    tight = 0.0
    for _ in range(300):
        rounds = int(rng.integers(2, 80))
        deficits = rng.pareto(1.3, rounds) + rng.random()
        jumps = rng.random(rounds) < rng.random()
        needed = 0.5 + np.cumsum(np.where(jumps, rng.normal(size=rounds) * 0.3, 0.0))
        needed = np.clip(needed, 0.0, 1.0)
        if rng.random() < 0.3:
            needed = np.minimum.accumulate(rng.random(rounds))
        path = np.abs(np.diff(needed)).sum()
        squares = (deficits**2).sum()
        rule_ = rule("gradient-descent", path_length=path, squares_usd2=squares)
        eta = rule_.step_size(deficits)
        assert eta == pytest.approx(math.sqrt((1 + 2 * path) / squares))
        thetas = _descend(rng.random(), deficits, needed, eta)
        regret = (deficits * np.abs(thetas - needed)).sum()
        bound = math.sqrt((1 + 2 * path) * squares)
        assert regret <= bound
        tight = max(tight, regret / bound)
    assert tight > 0.4


def test_the_severity_takes_the_same_steps_from_the_record():
    rng = np.random.default_rng(5)
    answer = rule("gradient-descent", start=0.6, eta_per_usd=0.002)
    marks = rng.integers(60, 140, 30)
    past, expected = [], 0.6
    for t, mark in enumerate(marks):
        deficit = float(rng.integers(50, 400))
        now = wave(deficit, t, 10.0 * t, [(3, 330.0)], mark=int(mark))
        if past:
            before = past[-1].wave
            gap = max(0.0, 330.0 - 3.0 * mark)
            needed = min(1.0, gap / (before.total_deficit / USD))
            expected -= 0.002 * (before.total_deficit / USD) * np.sign(expected - needed)
            expected = min(max(expected, 0.0), 1.0)
        theta = answer(now, payers(1e6), past)
        assert theta == pytest.approx(expected)
        past += [call(now, theta), call(now, 0.0, acted=False)]


def test_the_need_is_the_gap_to_the_bankruptcy_value_at_the_later_marks():
    short = wave(50, positions=[(4, 420.0), (-2, -190.0)])
    # The long's gap at 90 is 420 - 360; the short's is negative: it would have gained.
    assert severity.need_at(short, np.array([90])) == 60 * USD
    # At 110 the long is no longer worse than bankrupt, the short loses 220 - 190.
    assert severity.need_at(short, np.array([110])) == 30 * USD
    assert severity.need_at(wave(50), np.array([90])) == 50 * USD


def test_without_a_bound_on_the_deficits_the_step_uses_those_so_far():
    running = rule("gradient-descent", path_length=4.0)
    assert running.step_size(np.array([3.0, 4.0])) == pytest.approx(3 / 5)


# --- mirror descent ----------------------------------------------------------------------


def _constant_rounds(answer, deficit, largest, rounds):
    past = []
    for t in range(rounds):
        now = wave(deficit, t, 10.0 * t)
        past.append(call(now, answer(now, payers(largest), past), payers(largest)))
    theta, unit = answer.start, deficit
    for t in range(rounds):
        theta = answer.step(theta, deficit / unit, largest / unit, t + 1)
    return past, theta


@pytest.mark.parametrize(
    ("parameters", "largest", "optimum"),
    [
        # Nothing restrains it but the excess: 1 + coverage / (2 excess).
        ({"coverage": 1.0, "excess": 2.0}, 100.0, 1.25),
        # The survivor of 200 is worth more: until theta D reaches it, it pulls as well.
        ({"coverage": 1.0, "survivor": 1.0, "excess": 2.0}, 200.0, 1.5),
        # The projection: R / (1 + R) M / D.
        ({"survivor_ratio": 1.0}, 60.0, 0.3),
        # No reward for coverage: the richest payer is levelled, no more is asked.
        ({"coverage": 0.0, "survivor": 1.0, "start": 0.9}, 40.0, 0.9),
    ],
)
def test_mirror_descent_finds_the_optimum_of_constant_deficits(
    parameters, largest, optimum
):
    answer = rule("mirror-descent", **parameters)
    past, theta = _constant_rounds(answer, 100.0, largest, 200)
    assert theta == pytest.approx(optimum, abs=1e-3)
    assert past[-1].outcome.decision.theta == pytest.approx(min(1.0, optimum), abs=1e-3)


def test_mirror_descent_never_steps_up_hill():
    rng = np.random.default_rng(3)
    for _ in range(200):
        answer = rule(
            "mirror-descent", eta=float(rng.uniform(0.1, 50)), survivor=float(rng.random()),
            coverage=float(rng.random()), excess=float(rng.uniform(0, 5)),
        )  # fmt: skip
        theta, deficit, largest = rng.random(), rng.pareto(1.5) + 0.1, rng.pareto(1.5) + 0.1
        after = answer.step(theta, deficit, largest, 1)
        assert answer.loss(after, deficit, largest) <= answer.loss(theta, deficit, largest)


def test_mirror_descent_asks_for_a_share_of_the_deficit_of_the_round_before():
    answer = rule("mirror-descent", start=0.5, eta=1e-9)
    past = [call(wave(100), 0.5, payers(10))]
    assert answer(wave(200, 1, 9.0), payers(10), past) == pytest.approx(0.25)
    assert answer(wave(25, 1, 9.0), payers(10), past) == 1.0


# --- extreme values ----------------------------------------------------------------------


def _survivor_ratio(rng, alpha, n, theta_of):
    """The largest survivor over what is asked for: the PTSR of arXiv 2512.01112."""
    found = []
    for _ in range(60):
        worth = rng.pareto(alpha, n) + 1.0
        deficit = 0.5 * n
        theta = theta_of(worth, deficit)
        share = min(1.0, theta * deficit / worth.sum())
        found.append((1 - share) * worth.max() / (theta * deficit))
    return np.median(found)


@pytest.mark.parametrize("given", [True, False])
def test_extreme_value_severity_keeps_the_survivor_ratio_flat(given):
    alpha, rng = 1.8, np.random.default_rng(8)
    answer = rule("extreme-value", scale=2.0, **({"alpha": alpha} if given else {}))

    def scaled(worth, deficit):
        return answer(wave(deficit), payers(*worth), [])

    sizes = [300, 3_000, 30_000]
    flat = [_survivor_ratio(rng, alpha, n, scaled) for n in sizes]
    fixed = [_survivor_ratio(rng, alpha, n, lambda worth, deficit: 0.5) for n in sizes]
    slopes = [np.polyfit(np.log(sizes), np.log(y), 1)[0] for y in (flat, fixed)]
    assert abs(slopes[0]) < 0.12
    assert slopes[1] == pytest.approx(1 / alpha - 1, abs=0.12)


def test_the_quantile_estimate_is_that_of_the_tail_it_comes_from():
    rng, alpha, n = np.random.default_rng(2), 1.5, 10_000
    exact = n ** (1 / alpha)
    for given in (alpha, None):
        found = [
            severity.largest_expected(rng.pareto(alpha, n) + 1.0, given)
            for _ in range(200)
        ]  # fmt: skip
        assert np.median(found) == pytest.approx(exact, rel=0.08)


def test_extreme_value_severity_of_few_or_no_payers():
    answer = rule("extreme-value")
    assert answer(wave(10), payers(), []) == 1.0
    assert answer(wave(10), payers(5), []) == 1.0
    assert answer(wave(10), payers(5, 0, 15), []) == pytest.approx(0.75)


# --- all of them -------------------------------------------------------------------------

NEEDED = {"fixed": {"share": 0.3}}


@pytest.mark.parametrize("name", severity.ANSWERS)
def test_every_severity_is_a_share_and_a_function_of_what_it_is_given(name):
    rng = np.random.default_rng(1)
    answer = rule(name, **NEEDED.get(name, {}))
    for _ in range(100):
        past = []
        for t in range(int(rng.integers(0, 8))):
            who = payers(*rng.pareto(1.0, int(rng.integers(0, 6))) * 100)
            of = wave(
                float(rng.choice([0.0, rng.pareto(1.0)])), t // 2, 3.0 * t, [(2, 190.0)]
            )
            past.append(call(of, float(rng.random()), who, bool(rng.random() < 0.8)))
        now = wave(float(rng.choice([0.0, rng.pareto(1.0)])), 9, 99.0, mark=80)
        who = payers(*rng.pareto(1.0, int(rng.integers(0, 6))) * 100)
        theta = answer(now, who, past)
        assert 0.0 <= theta <= 1.0
        assert answer(now, who, [replace(c) for c in past]) == theta


@pytest.mark.parametrize("preset", ["pro-rata", "hyperliquid"])
@pytest.mark.parametrize("name", severity.ANSWERS)
def test_every_decision_of_a_crash_can_be_made_again_from_its_record(name, preset):
    """With an alarm and a ladder besides, so that all of what these need is recorded."""
    fund = {"ladder": "binance", "insurance_usd": 20_000.0, "liquidation_fee_bps": 10.0}
    scenario = crashes.crash(venue=fund)
    policy = compose(
        name,
        PRESETS[preset]
        | {
            "severity": {"rule": name, **NEEDED.get(name, {})},
            "seniority": {"rule": "ladder", "ages_s": [1.0, 60.0]},
            "trigger": {"rule": "drawdown", "window_s": 60.0},
        },
    )
    engine = Engine(genesis.new_world(scenario, 4), policy)
    engine.run_to(scenario.time.steps)
    calls = engine.finish().calls
    assert sum(call.outcome.decision.acted for call in calls) > 2
    again = [audit.rebuilt(audit.flattened(call)) for call in calls]
    assert list(audit.check(policy, again)) == []


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"rule": "backoff", "factor": 0}, "severity.factor = 0: must be greater than 0"),
        ({"rule": "backoff", "shocks": 3}, "severity.shocks = 3: unknown key"),
        ({"rule": "extreme-value", "alpha": 0.01}, "severity.alpha = 0.01: must be"),
        ({"rule": "mirror-descent", "eta": "fast"}, "severity.eta"),
        ({"rule": "fixed"}, "severity.share: is missing"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(table, complaint):
    with pytest.raises(CompositionError, match=complaint) as error:
        build("severity", table, severity.ANSWERS)
    assert "\n" not in str(error.value)
