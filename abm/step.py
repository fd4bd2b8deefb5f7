"""The story of one step, compiled.

`advance` runs steps until it has something to say to Python: the time asked for has come,
an ADL wave is called, the market waits for agents written in Python, or an array is
nearly full. Called again, it goes on where it stopped.
"""

from __future__ import annotations

from abm.compiled import inner, kernel
from abm.market.book import BUY, cancel_all, depth, submit
from abm.market.makers import requote
from abm.market.marks import update_marks
from abm.market.oracle import move_index, note_impact, note_middle
from abm.traders.habits import let_traders_act, react
from abm.venue.fund import watch_fund
from abm.venue.funding import accrue_funding
from abm.venue.gains import age_gains
from abm.venue.ledger import settle_fills
from abm.venue.liquidation import liquidate, wave_is_due
from abm.venue.margin import affordable_lots, equity_of
from abm.venue.standing import take_standing
from abm.world import World

DONE = 0
WAVE = 1
AGENTS = 2
ROOM = 3
"""Why `advance` returned."""

OPENING = 0
TRADING = 1
WAVING = 2
CLOSING = 3
"""Phases of a step: where `advance` goes on."""


@kernel
def advance(world: World, until: int) -> int:
    """Run steps until `until` have been completed since the start, or Python is needed.

    Returns
    -------
    int
        `DONE`; `WAVE` if the policy must answer a wave; `AGENTS` if
        Python-written agents must act; `ROOM` if an array must be drained or enlarged.
    """
    clock = world.clock[0]
    while clock.step < until:
        if clock.phase == OPENING:
            if is_short_of_room(world):
                return ROOM
            move_index(world)
            requote(world)
            let_traders_act(world)
            clock.phase = TRADING
            if clock.has_agents:
                return AGENTS
        if clock.phase == TRADING:
            match_inbox(world)
            update_marks(world.markets, world.book)
            accrue_funding(world)
            note_middle(world.markets, world.book)
            liquidate(world)
            note_impact(world.markets, world.book)
            watch_fund(world)
            age_gains(world)
            clock.phase = WAVING
            if wave_is_due(world):
                return WAVE
        if clock.phase == WAVING:
            clock.phase = CLOSING
        react(world)
        record(world)
        note_marks(world)
        clock.now_ms += clock.step_ms
        clock.step += 1
        clock.phase = OPENING
        look(world)
    return DONE


@kernel
def match_inbox(world: World) -> None:
    """The book matches the orders in the inbox, in turn; fills go to the ledger."""
    book, ledger, risk, markets = world.book, world.ledger, world.risk, world.markets
    counts = world.logs.counts[0]
    for i in range(counts.inbox):
        request = world.inbox[i]
        account, market, side = request.account, request.market, request.side
        if request.cancel_first:
            cancel_all(book, ledger, account)
        if ledger.accounts[account].watched:
            continue
        lots = request.lots
        if not request.reduce_only:
            lots = affordable_lots(book, ledger, risk, markets, account, market, side, lots)
        if lots < 1:
            continue
        before = book.tops[market].volume
        submit(
            book, ledger, market, account, side, request.kind, request.tick, lots,
            request.reduce_only, ledger.pots[0].self_trade,
        )  # fmt: skip
        unit = markets.specs[market].unit
        request.value = settle_fills(ledger, risk, book, unit, market, account, side)
        request.filled = book.tops[market].volume - before
    counts.inbox = 0


@kernel
def record(world: World) -> None:
    """Write down every market's prices and depth when the clock of the paths strikes."""
    clock = world.clock[0]
    if clock.path_interval_ms == 0 or clock.now_ms < clock.path_due_ms:
        return
    clock.path_due_ms += clock.path_interval_ms
    markets, book, ledger = world.markets, world.book, world.ledger
    pots, counts = ledger.pots[0], world.logs.counts[0]
    backstop = equity_of(ledger, markets, pots.backstop)
    insurance = equity_of(ledger, markets, pots.insurance)
    for market in range(markets.specs.shape[0]):
        state, top = markets.state[market], book.tops[market]
        row = world.logs.paths[counts.paths]
        row.now_ms = clock.now_ms
        row.market = market
        row.index = state.index
        row.mark = state.mark
        row.bid = top.bid
        row.ask = top.ask
        row.bid_depth = depth(book, market, BUY, state.mark - state.mark // 100)
        row.ask_depth = depth(book, market, -BUY, state.mark + state.mark // 100)
        row.open_interest = ledger.open_interest[market]
        row.backstop_equity = backstop
        row.insurance_equity = insurance
        row.volume = top.volume
        row.liquidated_lots = state.liquidated_lots
        counts.paths += 1


@inner
def note_marks(world: World) -> None:
    """Write down all marks after a step, if somebody wants to know them."""
    clock, logs = world.clock[0], world.logs
    if clock.step > clock.marks_until:
        return
    row = logs.marks[logs.counts[0].marks]
    row[0] = clock.step
    for market in range(world.markets.state.shape[0]):
        row[1 + market] = world.markets.state[market].mark
    logs.counts[0].marks += 1


@inner
def look(world: World) -> None:
    """Write down how the venue stands after a step, if it is time for that."""
    every, counts = world.clock[0].look_every, world.logs.counts[0]
    if every and world.clock[0].step % every == 0:
        take_standing(world, world.logs.standings[counts.standings])
        counts.standings += 1


@inner
def is_short_of_room(world: World) -> bool:
    """True if a step might overfill an array: Python drains or enlarges it first."""
    logs, ledger, book = world.logs, world.ledger, world.book
    counts, pots = logs.counts[0], ledger.pots[0]
    n_markets = world.markets.specs.shape[0]
    if counts.paths + n_markets > logs.paths.shape[0]:
        return True
    if counts.standings >= logs.standings.shape[0]:
        return True
    if counts.marks >= logs.marks.shape[0]:
        return True
    if 2 * counts.liquidations > logs.liquidations.shape[0]:
        return True
    # Each order on its way and each working one may open a position, a purse one a market.
    openings = world.inbox.shape[0] + book.pool[0].used + 2 * n_markets
    if pots.used_positions + openings > ledger.positions.shape[0]:
        return True
    if 4 * book.pool[0].used > 3 * book.orders.shape[0] or book.pool[0].refused > 0:
        return True
    for market in range(n_markets):
        if 2 * world.markets.state[market].index > book.tops[market].size:
            return True
    return False
