"""What a wave asks for, what does not fit, and whole runs under any settlement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import genesis
from abm.adl import audit
from abm.adl.compose import CompositionError
from abm.adl.settlement import ANSWERS, money_needed
from abm.adl.settlement.base import portion
from abm.adl.wave import BANKRUPT
from abm.engine import Engine
from tests import crashes
from tests.adl import waves
from tests.adl.books import (
    policy,
)
from tests.adl.settlement.parts import (
    ANY,
    QUEUE,
    contracts,
)

# --- the need ---------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_a_portion_is_the_decimals_share_rounded_up_in_whole_numbers(amount, parts):
    share = parts / 10**6
    assert portion(np.array([amount]), share).tolist() == [-(-amount * parts // 10**6)]


@pytest.mark.parametrize(
    ("amount", "share", "found"),
    [
        (100, 0.07, 7),
        (100, 0.55, 55),
        (100, 0.29, 29),
        (101, 0.07, 8),
        (2**53 + 1, 1.0, 2**53 + 1),
        (2**63 - 1, 1.0, 2**63 - 1),
        (3, 1e-300, 1),
        (3, 0.0, 0),
    ],
)
def test_every_settlement_asks_for_no_more_than_the_share(amount, share, found):
    bankrupt = np.zeros(1, BANKRUPT)
    bankrupt["lots"], bankrupt["bankruptcy"] = amount, amount
    one = np.array([1])
    asked = waves.wave(
        waves.candidates([]),
        bankrupt=bankrupt,
        short_account=one,
        deficit=np.array([amount]),
        mark=one,
        previous_mark=one,
        index=one,
        unit=one,
    )
    assert money_needed(asked, share) == found
    for part in (ANSWERS["contracts"](), ANSWERS["cash"](), ANSWERS["charge"]()):
        need = part.need(asked, share)[1]
        assert int(need.sum()) == found


# --- what does not fit ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settlement", "eligibility", "over", "complaint"),
    [
        ("contracts", "profits", {}, "is for settlement = .cash., not for .contracts."),
        ("charge", "accounts", {}, "must be one of holders"),
        ("cash", "nobody", {}, "must be one of accounts, profits"),
        (contracts("entry"), "positions", {}, "nobody has a profit"),
        (contracts("bankruptcy", spread_bps=5.0), ANY, {}, "must be 0 at the price"),
        (contracts("average"), ANY, {}, "settlement.price"),
        ({"rule": "charge", "side": "opposite"}, "holders", {}, "must be 'opposite'"),
        ("charge", "holders", {"allocation": QUEUE}, "the same for every lot"),
        (
            "withdrawals",
            "nobody",
            {"severity": {"rule": "fixed", "share": 0.5}},
            "set by all that is missing",
        ),
        ("cash", {"rule": "accounts", "hedged": "weight"}, {}, "has no score"),
    ],
)
def test_settlements_that_do_not_fit_are_refused(settlement, eligibility, over, complaint):
    with pytest.raises(CompositionError, match=complaint):
        policy(settlement, eligibility, **over)


# --- whole runs -------------------------------------------------------------------------

FLOORED = {"rule": "cash", "rounding": "floor", "unit_usd": 0.01}
CAPPED = {"rule": "accounts", "capacity": "above-buffer", "share_per_wave": 0.3}
HEALTHY = {"rule": "positions", "profit": "any", "health": "not-worse", "hedged": "last"}
RUNS = [
    (contracts("bankruptcy"), HEALTHY, {"allocation": QUEUE}),
    (contracts("midpoint"), HEALTHY, {}),
    (contracts("entry"), ANY, {"allocation": QUEUE}),
    (contracts("index", spread_bps=30.0, rounding="whole-positions"), "positions", {}),
    (FLOORED, CAPPED, {"severity": {"rule": "fixed", "share": 0.5}}),
    ("charge", "holders", {"allocation": "contracts"}),
    ("withdrawals", "nobody", {}),
]


@pytest.mark.parametrize("seed", [0, 4, 5, 10, 15])
@pytest.mark.parametrize(("settlement", "eligibility", "over"), RUNS, ids=str)
def test_a_run_is_sound_at_each_step_and_its_decisions_can_be_made_again(
    seed, settlement, eligibility, over
):
    scenario = crashes.anything(seed)
    mine = policy(settlement, eligibility, **over)
    engine = Engine(genesis.new_world(scenario, seed), mine, paranoid=True)
    engine.run_to(scenario.time.steps)
    calls = engine.finish().calls
    assert calls
    assert list(audit.check(mine, calls[:40])) == []
