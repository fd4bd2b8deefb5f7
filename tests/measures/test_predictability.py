"""Lights, burdens and the measures that hold them against each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from abm.adl.compose import PRESETS, compose
from abm.adl.lights import percentile_lights
from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Call, Decision, Outcome, Payers
from abm.measures import predictability as p
from tests.adl.waves import candidates, wave

NONE = np.zeros(0, np.int64)


def policy(name, **over):
    return compose(name, PRESETS[name] | over)


def shorts(*entries, mark=100.0, lots=-10):
    """Shorts of one market, from their entry prices."""
    rows = [{"lots": lots, "entry": e, "mark": mark, "cash": 500.0} for e in entries]
    table = candidates(rows)
    prices = np.array([round(mark * 1e6)])
    return wave(table, mark=prices, previous_mark=prices, index=prices)


# --- what is shown ----------------------------------------------------------------------


def test_lights_of_a_queue_are_its_fifths_as_bitmex_shows_them():
    state = shorts(150.0, 140.0, 130.0, 120.0, 110.0)
    queue = {"rule": "queue", "score": "profit"}
    shown = p.shown(policy("hyperliquid", allocation=queue), state)
    assert list(shown.lights) == [1.0, 0.8, 0.6, 0.4, 0.2]
    published = percentile_lights(np.arange(5)[::-1].astype(float), np.full(5, 10))
    assert list(np.round(5 * shown.lights)) == list(6 - published // 20)


def test_lights_of_pro_rata_are_all_or_nothing():
    shown = p.shown(policy("pro-rata"), shorts(150.0, 120.0, 90.0))
    assert list(shown.lights) == [1.0, 1.0, 0.0]
    assert list(shown.stated) == [500_000_000, 200_000_000, 0]


def test_who_cannot_be_asked_has_no_light_and_nothing_to_lose():
    shown = p.shown(policy("hyperliquid"), shorts(150.0, 90.0))
    assert list(shown.lights) == [1.0, 0.0]
    assert shown.stated[1] == 0


def test_a_rule_that_is_never_called_still_shows_who_it_could_ask():
    never = p.shown(policy("none"), shorts(150.0, 90.0))
    assert list(never.lights) == [1.0, 0.0]


# --- what came --------------------------------------------------------------------------


def call_of(state, *, fills=(), cash=()):
    """A call that closed (account, lots, value a lot) or took (account, quanta, of)."""
    closed = np.zeros(len(fills), ADL_FILL)
    for row, (account, lots, price) in zip(closed, fills, strict=True):
        row["account"], row["lots"] = account, lots
        row["value"] = lots * price
    cut = np.zeros(len(cash), CASH_HAIRCUT)
    cut["account"] = [account for account, _, _ in cash]
    cut["amount"] = [amount for _, amount, _ in cash]
    row = np.array([account for account, _, _ in cash], np.int64)
    most = np.array([capacity for _, _, capacity in cash], np.int64)
    payers = Payers(row, np.zeros_like(row), most, most)
    decision = Decision(
        True, 1.0, 0, NONE, payers, np.zeros(len(row)), cut["amount"].copy()
    )
    return Call(state, Outcome(decision, closed, cut), 0, 0, 0)


def test_a_burden_in_contracts_is_the_part_closed_and_a_loss_is_against_the_mark():
    state = shorts(150.0, 140.0)
    lot = int(state.mark[0])
    calls = [call_of(state, fills=[(0, -5, lot + 3)]), call_of(state, fills=[(0, -5, lot)])]
    came = p.came(calls, np.array([0, 1]), np.array([10, 10]) * lot, state.mark)
    assert list(came.burden) == [1.0, 0.0]
    assert list(came.touched) == [True, False]
    assert list(came.loss) == [15, 0]


def test_a_burden_in_cash_is_of_what_there_was_before_anything_was_taken():
    state = shorts(150.0, 140.0)
    calls = [call_of(state, cash=[(0, 20, 100)]), call_of(state, cash=[(0, 40, 80)])]
    came = p.came(calls, np.array([0, 1]), np.array([1, 1]), state.mark)
    assert came.burden == pytest.approx([0.6, 0.0])
    assert list(came.loss) == [60, 0]


def test_what_an_account_pays_in_two_rows_is_of_what_it_could_in_both():
    state = shorts(150.0, 140.0)
    state.candidates["account"] = 0
    calls = [call_of(state, cash=[(0, 20, 60), (1, 10, 40)])] * 2
    came = p.came(calls, np.array([0]), np.array([1]), state.mark)
    assert came.burden == pytest.approx([60 / 130])
    assert list(came.loss) == [60]


def test_accounts_that_were_shown_nothing_do_not_count():
    state = shorts(150.0, 140.0)
    came = p.came(
        [call_of(state, cash=[(1, 5, 10)])], np.array([0]), np.ones(1), state.mark
    )
    assert not came.touched.any()
    shown = p.Shown(np.array([0]), np.ones(1), np.ones(1), np.ones(1))
    assert all(map(math.isnan, p.judge(shown, came)))


# --- measures ---------------------------------------------------------------------------

FEW = st.integers(2, 30)


@given(st.permutations(list(range(9))))
def test_spearman_without_ties_is_the_textbook_formula(order):
    n = len(order)
    apart = sum((i - rank) ** 2 for i, rank in enumerate(order))
    wanted = 1.0 - 6.0 * apart / (n * (n**2 - 1))
    assert p.spearman(range(n), order) == pytest.approx(wanted)


@given(st.permutations(list(range(9))))
def test_kendall_without_ties_counts_pairs(order):
    pairs = list(itertools.combinations(order, 2))
    up = sum(a < b for a, b in pairs)
    wanted = (2 * up - len(pairs)) / len(pairs)
    assert p.kendall(range(len(order)), order) == pytest.approx(wanted)


@given(
    arrays(float, 12, elements=st.sampled_from([0.0, 0.2, 0.4, 1.0])),
    arrays(float, 12, elements=st.sampled_from([0.0, 0.5, 1.0])),
)
def test_correlations_with_ties_are_those_of_scipy(shown, came):
    if np.ptp(shown) == 0.0 or np.ptp(came) == 0.0:
        assert math.isnan(p.spearman(shown, came))
        assert math.isnan(p.kendall(shown, came))
        return
    assert p.spearman(shown, came) == pytest.approx(stats.spearmanr(shown, came).statistic)
    assert p.kendall(shown, came) == pytest.approx(_tau_b(shown, came))


def _tau_b(a, b):
    pairs = [
        (np.sign(a[i] - a[j]), np.sign(b[i] - b[j]))
        for i, j in itertools.combinations(range(len(a)), 2)
    ]
    both = sum(x * y for x, y in pairs)
    return both / math.sqrt(sum(x != 0 for x, _ in pairs) * sum(y != 0 for _, y in pairs))


def test_brier_is_zero_for_who_knows_and_a_quarter_for_who_says_a_half():
    assert p.brier([1.0, 0.0], [True, False]) == 0.0
    assert p.brier([0.5, 0.5], [True, False]) == 0.25
    assert p.brier([1.0, 0.2, 0.0], [True, False, True]) == pytest.approx(1.04 / 3)
    assert math.isnan(p.brier([], []))


def test_a_uniform_need_makes_the_lights_of_a_queue_calibrated():
    # Ten equal accounts; a need of k of them reaches the first k: over all needs the
    # expected Brier score of the share of needs that reach you is that of its variance.
    reached = np.tril(np.ones((10, 10)))
    honest = reached.mean(axis=0)
    scores = [p.brier(honest, row) for row in reached]
    assert np.mean(scores) == pytest.approx((honest * (1 - honest)).mean())
    assert np.mean(scores) < np.mean([p.brier(np.full(10, 0.55), row) for row in reached])


def test_coverage_is_the_share_of_losses_within_what_was_stated():
    assert p.coverage([10, 10, 0], [10, 11, 0]) == pytest.approx(2 / 3)
    assert math.isnan(p.coverage([], []))
