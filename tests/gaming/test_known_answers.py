"""What a strategy must gain, and must not, in worlds small enough to work out by hand.

Winners are long from 900 at a mark of 1000; one short has lost more than it had.
"""

from __future__ import annotations

import numpy as np
import pytest

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.adl.record import Outcome
from abm.adl.wave import gather
from abm.gaming.strategies import build_strategy
from abm.market import book
from abm.step import match_inbox
from abm.traders.habits import ask
from abm.venue.liquidation import liquidate
from abm.venue.margin import equity_of
from abm.world import World
from tests.adl.books import equity, policy, ruin
from tests.crashes import FIRST, empty_venue, set_marks
from tests.crashes import give as give_cash
from tests.gaming.small import lots_of, own, play

RICH, MIDDLE, POOR, BUST, MAKER = range(FIRST, FIRST + 5)
USD = 10**6
FREE = {"taker_fee_bps": 0.0, "maker_fee_bps": 0.0, "vault_usd": 0.0}
SPLIT = {"rule": "split", "accounts": 4}


def venue(markets: int = 1, **over) -> World:
    names = {f"M{i}": {} for i in range(markets)}
    world = empty_venue(names, venue=FREE | {"ladder": [{"rung": "wave"}]} | over)
    set_marks(world, *[1000.0] * markets)
    return world


def give(world: World, account: int, cash_usd: float, *held) -> None:
    """Cash that its owner has deposited, and positions."""
    give_cash(world, account, cash_usd, *held)
    world.ledger.accounts["principal"][account] += round(cash_usd * USD)


def winners(world: World) -> World:
    """Two winners of 400 USD and one of 100; a loser who is short by 450 USD."""
    give(world, RICH, 8000, (0, 400, 900.0))
    give(world, MIDDLE, 3000, (0, 400, 900.0))
    give(world, POOR, 500, (0, 100, 900.0))
    give(world, BUST, 450, (0, -900, 900.0))
    return world


def answered(world: World, rule) -> Outcome:
    ruin(world, BUST)
    outcome = rule.answer(world, gather(world, 0, rule.looks_everywhere))
    w.check(world)
    return outcome


def cash_taken(outcome: Outcome, accounts) -> int:
    rows = outcome.haircuts
    return int(rows["amount"][np.isin(rows["account"], accounts)].sum())


def lots_taken(outcome: Outcome, accounts) -> int:
    rows = outcome.fills
    return int(np.abs(rows["lots"][np.isin(rows["account"], accounts)]).sum())


def split(world: World, price: str = "entry"):
    strategy = build_strategy("mine", SPLIT | {"price": price})
    return play(world, strategy, own(RICH), {})


def rest(world: World, account: int, market: int, side: int, tick: int, lots: int) -> None:
    """An order that waits in the book when the strategy's come."""
    ask(world.inbox, world.logs, account, market, side, book.LIMIT, tick, lots, 0, 0)


WEALTH_QUEUE = {"rule": "queue", "score": "wealth"}


def test_splitting_lowers_what_a_queue_by_wealth_takes():
    rule = policy("cash", "profits", allocation=WEALTH_QUEUE)
    plain = answered(winners(venue()), rule)
    assert cash_taken(plain, [RICH]) == 400 * USD
    world, mine = split(winners(venue()))
    assert len(mine.account) == 4
    after = answered(world, rule)
    # 400 from the middle one, who is now the wealthiest; the rest from one part of four.
    assert cash_taken(after, [MIDDLE]) == 400 * USD
    assert cash_taken(after, mine.account) == 50 * USD


@pytest.mark.parametrize("price", ["entry", "mark"])
def test_splitting_makes_no_wealth_and_hides_no_gain(price):
    world = winners(venue())
    before, lots = equity(world, RICH), lots_of(world, RICH)
    world, mine = split(world, price)
    accounts = world.ledger.accounts[mine.account]
    assert sum(equity(world, int(number)) for number in mine.account) == before
    assert [lots_of(world, int(number)) for number in mine.account] == [lots // 4] * 4
    assert int(accounts["principal"].sum()) == 8000 * USD
    gains = [
        equity(world, int(number)) - int(row["principal"])
        for number, row in zip(mine.account, accounts, strict=True)
    ]
    assert sum(gains) == 400 * USD
    if price == "entry":
        assert max(abs(gain - 100 * USD) for gain in gains) <= 4


def test_splitting_changes_nothing_under_wealth_pro_rata_to_the_quantum():
    rule = compose("pro-rata", PRESETS["pro-rata"])
    plain = answered(winners(venue()), rule)
    world, mine = split(winners(venue()))
    after = answered(world, rule)
    assert cash_taken(plain, [RICH]) == 200 * USD
    assert cash_taken(after, mine.account) == 200 * USD


def test_leverage_water_filling_is_proof_against_splitting():
    rule = compose("waterfill", PRESETS["leverage-waterfill"])

    def book_of(world):
        give(world, RICH, 800, (0, 400, 900.0))
        give(world, MIDDLE, 2000, (0, 400, 900.0))
        give(world, POOR, 400, (0, 200, 900.0))
        give(world, BUST, 450, (0, -1000, 900.0))
        return world

    plain = answered(book_of(venue()), rule)
    world, mine = split(book_of(venue()))
    assert len(mine.account) == 4
    after = answered(world, rule)
    assert lots_taken(plain, [RICH]) > 0
    assert lots_taken(after, mine.account) == lots_taken(plain, [RICH])


def test_resetting_the_entry_turns_a_queue_by_profit_and_leaves_the_ledger_alone():
    world = winners(venue())
    give(world, MAKER, 100_000)
    rest(world, MAKER, 0, book.BUY, 10_000, 400)
    rest(world, MAKER + 1, 0, book.SELL, 10_001, 400)
    give(world, MAKER + 1, 100_000)
    strategy = build_strategy("reset-entry", {"gain": 0.1})
    match_inbox(world)
    principal = int(world.ledger.accounts["principal"][RICH])
    gains = equity(world, RICH) - principal
    world, _ = play(world, strategy, own(RICH), {})
    assert lots_of(world, RICH) == 400
    assert int(world.ledger.accounts["principal"][RICH]) == principal
    # A tick of 400 lots is what crossing the spread has cost, and nothing else changed.
    tick = 400 * int(world.markets.specs["unit"][0])
    assert equity(world, RICH) - principal == gains - tick
    by_profit = policy(
        "cash", "profits", allocation={"rule": "queue", "score": "account-profit"}
    )
    outcome = answered(world, by_profit)
    assert [cash_taken(outcome, [who]) for who in (RICH, MIDDLE, POOR)] == [
        0, 400 * USD, 50 * USD,
    ]  # fmt: skip


def test_a_queue_by_profit_takes_the_winner_that_has_not_reset():
    by_profit = policy(
        "cash", "profits", allocation={"rule": "queue", "score": "account-profit"}
    )
    outcome = answered(winners(venue()), by_profit)
    # Two are alike, and one of them pays all it has; it may be either.
    assert cash_taken(outcome, [RICH, MIDDLE]) == 450 * USD


@pytest.mark.parametrize(("hedged", "share"), [("same", 1.0), ("exempt", 0.0)])
def test_camouflage_works_only_where_the_hedged_are_exempt(hedged, share):
    rule = policy("cash", {"rule": "accounts", "hedged": hedged})
    plain = cash_taken(answered(winners(venue(2)), rule), [RICH])
    world = winners(venue(2))
    rest(world, MAKER, 1, book.BUY, 10_000, 1000)
    give(world, MAKER, 100_000)
    strategy, memory = build_strategy("camouflage"), {}
    for _ in range(2):
        world, _ = play(world, strategy, own(RICH), memory)
    assert lots_of(world, RICH, 1) <= -380
    assert cash_taken(answered(world, rule), [RICH]) == round(share * plain)
    assert plain == 200 * USD


def test_two_sided_extraction_earns_what_the_insurance_fund_loses():
    ladder = [
        {"rung": "insurance", "mode": "takeover", "below": 0.0},
        {"rung": "wave"},
    ]
    world = venue(1, ladder=ladder, insurance_usd=1e6)
    fund = int(world.ledger.pots[0]["insurance"])
    give(world, fund, 1e6)
    give(world, RICH, 10_000)
    strategy = build_strategy("extract", {"size": 0.4, "leverage": 10.0, "outside": False})
    memory: dict = {}
    world, mine = play(world, strategy, own(RICH), memory)
    first, long, short = (int(number) for number in mine.account)
    assert (lots_of(world, long), lots_of(world, short)) == (400, -400)
    stake = equity(world, long)
    assert stake == 400 * USD
    before = sum(equity(world, number) for number in (first, long, short))
    set_marks(world, 700.0)
    for number in (long, short):
        w.touch(world.ledger, number)
    liquidate(world)
    # 400 lots are four units, and each has lost 300 USD: more than the stake by 800 USD.
    deficit = 4 * 300 * USD - stake
    assert equity(world, fund) == 1e6 * USD - deficit
    rest(world, MAKER, 0, book.SELL, 7000, 1000)
    give(world, MAKER, 1_000_000)
    # The order to close is sent once the other side can be seen; then money goes home.
    for _ in range(3):
        world, mine = play(world, strategy, mine, memory)
    assert lots_of(world, short) == 0
    assert int(equity_of(world.ledger, world.markets, first)) == before + deficit
