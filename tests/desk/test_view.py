"""A strategy sees what its trader could see, and there is no way to anything else."""

from __future__ import annotations

import gc
import types

import numpy as np
import pytest

from abm import genesis
from abm import scenario as scenarios
from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.desk.view import View, initial_margin
from abm.gaming.players import Players
from abm.venue.margin import equity_of
from abm.venue.margin import initial_margin as margin_of
from tests import crashes
from tests.gaming.small import look, own, three_markets

PLAIN = (int, float, bool, str, type(None), type, np.dtype)


@pytest.fixture(scope="module")
def seen():
    """A world, the players, and a view with everything in it that one can have."""
    lit = {"lit": {"rule": "reset-entry", "light": 0.5}}
    given = three_markets().resolved() | {
        "strategies": lit, "gaming": {"play": {"lit": 0.3}},
    }  # fmt: skip
    scenario = scenarios.from_mapping(given)
    world = genesis.new_world(scenario, 5)
    players = Players(scenario, world)
    policy = compose("hyperliquid", PRESETS["hyperliquid"])
    public = players._public(world, policy)
    return world, players, players.view(world, players.teams[0], public)


def _reachable(value, seen_ids):
    """Every object that can be reached from a value, through whatever it holds."""
    stack, found = [value], []
    while stack:
        one = stack.pop()
        if id(one) in seen_ids or isinstance(one, PLAIN):
            continue
        seen_ids.add(id(one))
        found.append(one)
        if isinstance(one, np.ndarray):
            stack.append(one.base)
            continue
        if isinstance(one, (types.ModuleType, types.FunctionType)):
            raise AssertionError(f"a view leads to {one}")
        stack.extend(gc.get_referents(one))
        stack.extend(getattr(one, "__dict__", {}).values())
    return found


def test_nothing_of_the_world_can_be_reached_from_a_view(seen):
    world, _, view = seen
    found = _reachable(view, set())
    arrays = [one for one in found if isinstance(one, np.ndarray)]
    assert len(arrays) >= 5
    for array in arrays:
        assert not array.flags.writeable
        for name, theirs in w.arrays(world).items():
            assert not np.shares_memory(array, theirs), name
    kinds = {type(one).__name__ for one in found if not isinstance(one, np.ndarray)}
    assert kinds <= {
        "View", "Fees", "Purses", "Published", "tuple", "mappingproxy", "dict",
    }  # fmt: skip


def test_a_view_holds_own_accounts_only(seen):
    world, players, view = seen
    mine = set(players.teams[0].own.account.tolist())
    assert set(view.accounts["account"].tolist()) == mine
    assert set(view.positions["account"].tolist()) <= mine
    trader = world.ledger.accounts["trader"]
    assert set(trader[list(mine)].tolist()) == set(players.teams[0].traders.tolist())
    assert len(view.lights) == view.traders == len(players.teams[0].traders)


def test_a_view_has_no_more_fields_than_are_told():
    assert View._fields == (
        "now_s", "step_s", "every_s", "traders", "names", "markets", "tiers", "fees",
        "purses", "policy", "accounts", "positions", "lights",
    )  # fmt: skip
    hidden = {"seed", "log_volatility", "shocks", "owner", "wake_ms", "variance", "impact"}
    view = look(genesis.new_world(three_markets(), 5), own(crashes.FIRST))
    fields = {name for a in (view.markets, view.tiers) for name in a.dtype.names}
    assert not hidden & fields


def test_the_policy_is_shown_only_to_whom_it_makes_a_difference(seen):
    _, players, view = seen
    assert players.reads_policy
    assert view.policy is not None
    assert view.policy.name == "hyperliquid"
    assert view.policy.table["allocation"]
    with pytest.raises(TypeError):
        view.policy.table["allocation"] = "queue"


def test_accounts_and_positions_are_as_the_ledger_has_them(seen):
    world, _, view = seen
    ledger, risk, markets = world.ledger, world.risk, world.markets
    for row in view.accounts:
        number = int(row["account"])
        assert row["equity"] == equity_of(ledger, markets, number)
        assert row["initial"] == margin_of(ledger, risk, markets, number)
        held = view.positions[view.positions["account"] == number]
        assert row["notional"] == np.abs(held["value"]).sum()
        assert row["profit"] == (held["value"] - held["cost"]).sum()
        assert row["free"] == max(0, min(row["equity"] - row["initial"], row["cash"]))
    own_margin = initial_margin(
        view, view.positions["market"], np.abs(view.positions["value"])
    )
    assert np.array_equal(own_margin, view.positions["initial"])
