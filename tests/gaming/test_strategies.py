"""The list of strategies, their parameters, and that each trader's move is its own."""

from __future__ import annotations

import numpy as np
import pytest

from abm import genesis
from abm.adl.answers import CompositionError
from abm.adl.compose import PRESETS, compose
from abm.desk.actions import Own
from abm.engine import Engine
from abm.gaming.strategies import STRATEGIES, build_strategy, catalogue
from abm.market.book import BUY, LIMIT, MARKET, SELL
from abm.step import match_inbox
from abm.traders.habits import ask
from abm.world import NONE
from tests.crashes import FIRST, empty_venue, give, set_marks
from tests.gaming.small import look, lots_of, own, play, three_markets


def test_every_strategy_says_its_idea_its_source_whom_it_hurts_and_what_it_costs():
    entries = catalogue()
    assert [entry.name for entry in entries] == list(STRATEGIES)
    for entry in entries:
        for text in (entry.idea, entry.source, entry.hurts, entry.costs):
            assert len(text) > 20, entry.name
            assert "  " not in text
        assert entry.parameters


def test_parameters_have_defaults_within_their_bounds_and_words():
    for entry in catalogue():
        for name, one in entry.parameters.items():
            assert one.description, f"{entry.name}.{name}"
            if one.kind == "choice":
                assert one.default in one.choices
            elif one.kind != "flag":
                assert one.least is not None, f"{entry.name}.{name}"
                assert one.most is not None, f"{entry.name}.{name}"
                assert one.least <= one.default <= one.most
        assert build_strategy(entry.name) == STRATEGIES[entry.name]()


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("reset-entry", {"gain": -1}, "strategies.reset-entry.gain = -1"),
        ("reset-entry", {"gian": 0.1}, "strategies.reset-entry.gian"),
        ("mine", {"rule": "nothing"}, "strategies.mine = "),
        ("mine", {"rule": 3}, "strategies.mine: needs a rule"),
        ("mine", {"rule": "gone.py:act"}, "there is no file gone.py"),
    ],
)
def test_a_strategy_that_cannot_be_built_is_named(name, table, words):
    with pytest.raises(CompositionError) as caught:
        build_strategy(name, table)
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def moments():
    """A crash at several moments, and the accounts of thirty traders."""
    scenario = three_markets()
    world = genesis.new_world(scenario, 4)
    accounts = world.ledger.accounts
    holders = np.flatnonzero(
        (accounts["first_position"] != NONE) & (accounts["trader"] != NONE)
    )[:30]
    engine = Engine(world, compose("none", PRESETS["none"]))
    seen = []
    for now in (5, 25, 45, 55):
        engine.run_to(now)
        seen.append(_views(engine.world, holders))
    return seen


def _views(world, holders):
    mine = Own(holders, np.arange(len(holders)))
    alone = [look(world, Own(holders[i : i + 1], np.zeros(1, int))) for i in mine.owner]
    return look(world, mine), alone


def _by_account(rows, accounts):
    """What is done to each account, whatever the numbers of those that are opened."""
    found = {}
    for account in accounts:
        reached, said = {int(account)}, []
        for row in rows:
            if int(row["account"]) in reached:
                reached |= {int(row["other"])} - {NONE}
                plain = [row[f].item() for f in row.dtype.names if f not in _NUMBERS]
                said.append(tuple(plain))
        found[int(account)] = said
    return found


_NUMBERS = ("account", "other")


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_a_trader_does_does_not_depend_on_who_else_has_adopted_it(name, moments):
    strategy, together = build_strategy(name), {}
    single = [{} for _ in moments[0][1]]
    some = 0
    for crowd, alone in moments:
        rows = strategy.act(crowd, together).rows()
        told = _by_account(rows, crowd.accounts["account"])
        some += len(rows)
        for view, memory in zip(alone, single, strict=True):
            own = strategy.act(view, memory).rows()
            account = int(view.accounts["account"][0])
            assert _by_account(own, [account])[account] == told[account], account
    assert some > 0 or name in ("self-trade", "extract")


def test_what_could_not_be_opened_again_is_opened_once_the_book_allows():
    world = empty_venue({"M0": {}}, venue={"taker_fee_bps": 0.0, "maker_fee_bps": 0.0})
    set_marks(world, 1000.0)
    ann, bob = FIRST, FIRST + 1
    give(world, ann, 8000, (0, 400, 800.0))
    give(world, bob, 100_000, (0, -400, 800.0))
    strategy, memory = build_strategy("reset-entry"), {}
    for tick, side, lots in ((9999, BUY, 400), (10_001, SELL, 150)):
        ask(world.inbox, world.logs, bob, 0, side, LIMIT, tick, lots, 0, 0)
    match_inbox(world)
    # Somebody is quicker: of what can be seen to be offered, a third is gone.
    ask(world.inbox, world.logs, bob + 1, 0, BUY, MARKET, 0, 50, 0, 0)
    give(world, bob + 1, 10_000)
    world, mine = play(world, strategy, own(ann), memory)
    assert lots_of(world, ann) == 400 - 150 + 100
    ask(world.inbox, world.logs, bob, 0, SELL, LIMIT, 10_001, 500, 0, 0)
    match_inbox(world)
    world, mine = play(world, strategy, mine, memory)
    assert lots_of(world, ann) == 400
