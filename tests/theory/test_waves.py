"""Waves made up without a simulation, and accounts split in them."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.sharing import levelling, proportional
from abm.theory.h05_separation import at
from abm.theory.market import ask, policy_of
from abm.theory.waves import cash_wave, split

PROFIT = np.array([8_000_000, 4_000_000, 500_000])


@pytest.mark.parametrize(
    ("name", "rule"),
    [("pro-rata", proportional.pro_rata), ("levelling", levelling.levelling_down)],
)
def test_a_policy_decides_on_it_as_its_rule_does_on_the_profits(name, rule):
    answer = ask(at(name, 0.5), cash_wave(9_000_000, PROFIT))
    assert answer.decision.amounts.tolist() == rule(PROFIT, 4_500_000).tolist()
    assert answer.left == 4_500_000
    assert answer.paid_by(np.array([10])) == rule(PROFIT, 4_500_000)[0]


def test_leverage_of_a_wave_is_what_was_given():
    rows = cash_wave(1, PROFIT, np.array([1.0, 5.0, 2.0])).candidates
    assert (rows["account_notional"] / rows["equity"]).tolist() == [1.0, 5.0, 2.0]


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_splitting_keeps_every_sum_to_the_last_unit(parts):
    wave = cash_wave(1_000_000, PROFIT + 5, np.array([1.0, 5.0, 2.0]))
    after = split(wave, 10, parts).candidates
    assert len(after) == len(wave.candidates) + parts - 1
    assert len(np.unique(after["account"])) == len(after)
    for name in ("lots", "cost", "value", "equity", "account_profit", "cash"):
        assert after[name].sum() == wave.candidates[name].sum()


def test_a_split_under_pro_rata_pays_what_the_whole_paid():
    wave = cash_wave(1_000_003, PROFIT)
    policy = policy_of("pro-rata")
    whole = ask(policy, wave).paid_by(np.array([10]))
    after = split(wave, 10, 4)
    mine = after.candidates["account"][~np.isin(after.candidates["account"], [11, 12])]
    # Each part rounds by less than a unit.
    assert abs(ask(policy, after).paid_by(mine) - whole) < 4
