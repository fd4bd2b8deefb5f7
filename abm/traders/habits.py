"""What traders do when their time comes, and what they do when ADL has hit them.

All kinds share these habits and differ in the parameters of their row. What a trader
draws depends on the seed, its account and the step alone, so in two worlds that share a
seed it has the same intentions.
"""

from __future__ import annotations

import math
from typing import Any

from abm import draws
from abm.compiled import inlined, inlined_kernel, inner, kernel
from abm.market.book import BUY, LIMIT, MARKET, SELL
from abm.market.makers import fear_of
from abm.venue.ledger import deposit, withdraw
from abm.venue.margin import health
from abm.world import NONE, USER, Crowd, Ledger, Logs, Markets, World

CALM = 0
REBUILDING = 1
LEAVING = 2
GONE = 3

_ACT = 0
_REACT = 1
_THOUSAND_USD = 1e9
"""In quanta."""


# --- the wheel --------------------------------------------------------------------------


@inlined
def _slot(crowd: Crowd, when_ms: int, step_ms: int) -> int:
    return (when_ms // step_ms) % crowd.wheel.shape[1]


@inlined
def schedule(crowd: Crowd, trader: int, when_ms: int, step_ms: int) -> None:
    """Have a trader act at a time, in ms from the start; it must not be waiting already."""
    row = crowd.traders[trader]
    row.wake_ms = when_ms
    slot = _slot(crowd, when_ms, step_ms)
    row.next = crowd.wheel[_ACT, slot]
    crowd.wheel[_ACT, slot] = trader


@inner
def _schedule_reaction(crowd: Crowd, trader: int, when_ms: int, step_ms: int) -> None:
    row = crowd.traders[trader]
    row.reaction_ms = when_ms
    slot = _slot(crowd, when_ms, step_ms)
    row.next_reaction = crowd.wheel[_REACT, slot]
    crowd.wheel[_REACT, slot] = trader


@inner
def _collect(crowd: Crowd, wheel: int, now_ms: int, step_ms: int) -> None:
    """Move the traders of this step's slot who are due to the list of the due.

    The others in the slot wait for a later turn of the wheel. A due trader is noted as
    ``trader`` if it acts and ``-2 - trader`` if it reacts.
    """
    slot = _slot(crowd, now_ms, step_ms)
    trader = crowd.wheel[wheel, slot]
    crowd.wheel[wheel, slot] = NONE
    while trader != NONE:
        row = crowd.traders[trader]
        following = row.next if wheel == _ACT else row.next_reaction
        when = row.wake_ms if wheel == _ACT else row.reaction_ms
        if when >= now_ms + step_ms:
            if wheel == _ACT:
                row.next = crowd.wheel[wheel, slot]
            else:
                row.next_reaction = crowd.wheel[wheel, slot]
            crowd.wheel[wheel, slot] = trader
        else:
            crowd.due[crowd.state[0].n_due] = trader if wheel == _ACT else -2 - trader
            crowd.state[0].n_due += 1
        trader = following


@inlined
def _swap(crowd: Crowd, i: int, j: int) -> None:
    crowd.due[i], crowd.due[j] = crowd.due[j], crowd.due[i]
    crowd.keys[i], crowd.keys[j] = crowd.keys[j], crowd.keys[i]


@inlined
def _sift(crowd: Crowd, root: int, end: int) -> None:
    child = 2 * root + 1
    while child < end:
        if child + 1 < end and crowd.keys[child] < crowd.keys[child + 1]:
            child += 1
        if crowd.keys[root] >= crowd.keys[child]:
            return
        _swap(crowd, root, child)
        root = child
        child = 2 * root + 1


@inner
def _shuffle_due(world: World) -> None:
    """Sort the due by a key drawn for each trader and step (a heapsort, in place).

    So who comes first of two traders does not depend on who else is due.
    """
    crowd, clock = world.crowd, world.clock[0]
    count = crowd.state[0].n_due
    for i in range(count):
        who = crowd.due[i]
        entity = who if who >= 0 else -2 - who
        key, other, _, _ = draws.words(clock.seed, draws.TRADER_ORDER, entity, clock.step)
        crowd.keys[i] = key if who >= 0 else other
    for root in range(count // 2 - 1, -1, -1):
        _sift(crowd, root, count)
    for end in range(count - 1, 0, -1):
        _swap(crowd, 0, end)
        _sift(crowd, 0, end)


# --- acting -----------------------------------------------------------------------------


@kernel
def let_traders_act(world: World) -> None:
    """Every trader whose time has come acts; orders go to the inbox."""
    crowd, clock = world.crowd, world.clock[0]
    crowd.state[0].n_due = 0
    _collect(crowd, _ACT, clock.now_ms, clock.step_ms)
    _collect(crowd, _REACT, clock.now_ms, clock.step_ms)
    _shuffle_due(world)
    most = world.markets.specs.shape[0] + 8
    for i in range(crowd.state[0].n_due):
        who = crowd.due[i]
        if world.logs.counts[0].inbox + most > world.inbox.shape[0]:
            _postpone(world, who)
        elif who >= 0:
            _act(world, who)
            _sleep(world, who)
        else:
            _react_now(world, -2 - who)


@inner
def _postpone(world: World, who: int) -> None:
    """The gateway is full: the trader comes again in the next step."""
    clock = world.clock[0]
    when = clock.now_ms + clock.step_ms
    if who >= 0:
        schedule(world.crowd, who, when, clock.step_ms)
    else:
        _schedule_reaction(world.crowd, -2 - who, when, clock.step_ms)


@inlined
def _sleep(world: World, trader: int) -> None:
    """Choose when the trader acts next: sooner in a stressed market if it is hasty."""
    crowd, clock, markets = world.crowd, world.clock[0], world.markets
    row = crowd.traders[trader]
    if row.mood == GONE:
        return
    kind = crowd.kinds[row.kind]
    fear = fear_of(markets.specs[row.market], markets.state[row.market])
    mean = kind.act_mean_ms / (1.0 + kind.stress_haste * (fear - 1.0))
    u, _, _, _ = draws.uniforms(clock.seed, draws.TRADER_WAKE, trader, clock.step)
    wait = max(draws.exponential_of(u, mean), 1.0 * clock.step_ms)
    schedule(crowd, trader, clock.now_ms + int(wait), clock.step_ms)


@inlined_kernel
def ask(
    inbox: Any, logs: Logs, account: int, market: int, side: int, kind: int, tick: int,
    lots: int, reduce_only: int, cancel_first: int,
) -> None:  # fmt: skip
    """Put an order into the inbox; it reaches the book when the market is matched."""
    count = logs.counts[0].inbox
    if lots <= 0 or count >= inbox.shape[0]:
        return
    request = inbox[count]
    request.account = account
    request.market = market
    request.side = side
    request.kind = kind
    request.tick = tick
    request.lots = lots
    request.filled = 0
    request.value = 0
    request.reduce_only = reduce_only
    request.cancel_first = cancel_first
    logs.counts[0].inbox = count + 1


@inlined
def _pick_position(ledger: Ledger, account: int, u: float) -> int:
    """One of an account's positions at random, or `NONE`."""
    count = 0
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        count += 1
        slot = ledger.positions[slot].next
    slot = ledger.accounts[account].first_position
    for _ in range(int(u * count)):
        slot = ledger.positions[slot].next
    return slot


@inlined
def _act(world: World, trader: int) -> None:
    """Defend a position that nears liquidation, cut a loss, or trade."""
    crowd, clock, ledger = world.crowd, world.clock[0], world.ledger
    row = crowd.traders[trader]
    kind = crowd.kinds[row.kind]
    account = row.account
    if row.mood >= LEAVING or ledger.accounts[account].watched:
        return
    choice, pick, direction, size = draws.uniforms(
        clock.seed, draws.TRADER_ACT, trader, 2 * clock.step
    )
    equity, maintenance, _ = health(ledger, world.risk, world.markets, account)
    slot = _pick_position(ledger, account, pick)
    if slot == NONE and row.closed_lots != 0 and kind.sits_out:
        return
    if slot != NONE and equity < kind.comfort * maintenance:
        _defend(world, account, kind, slot, choice, equity, maintenance)
        return
    if slot != NONE and _is_losing(world.markets, kind, ledger.positions[slot]):
        _reduce(world, account, slot, 1.0)
        return
    if equity <= 0:
        return
    market = row.market if slot == NONE else ledger.positions[slot].market
    _trade(world, trader, kind, market, slot, equity, choice, direction, size)


@inlined
def _defend(
    world: World,
    account: int,
    kind: Any,
    slot: int,
    u: float,
    equity: int,
    maintenance: int,
) -> None:
    """Near liquidation: bring money, or sell a part, or hope."""
    if u < kind.top_up_share:
        deposit(world.ledger, account, int(kind.comfort * maintenance) - equity)
    elif u < kind.top_up_share + kind.cut_share:
        _reduce(world, account, slot, kind.cut_size)


@inlined
def _is_losing(markets: Markets, kind: Any, position: Any) -> bool:
    """True if a position has lost more than the kind's stop allows of its cost."""
    unit = markets.specs[position.market].unit
    value = position.lots * markets.state[position.market].mark * unit
    return position.cost - value > kind.stop_loss * abs(position.cost)


@inlined
def _reduce(world: World, account: int, slot: int, share: float) -> None:
    position = world.ledger.positions[slot]
    lots = max(1, int(abs(position.lots) * share))
    side = SELL if position.lots > 0 else BUY
    ask(world.inbox, world.logs, account, position.market, side, MARKET, 0, lots, 1, 1)


@inlined
def _trade(
    world: World, trader: int, kind: Any, market: int, slot: int, equity: int,
    choice: float, direction: float, size: float,
) -> None:  # fmt: skip
    """Follow or fade the trend with a part of the position the trader would like."""
    clock, markets, ledger = world.clock[0], world.markets, world.ledger
    row = world.crowd.traders[trader]
    spec, state = markets.specs[market], markets.state[market]
    held = 0 if slot == NONE else ledger.positions[slot].lots
    wanted = row.leverage * equity / (state.mark * spec.unit)
    lots = int(-math.log(size) * kind.turnover * wanted)
    signal = kind.trend * state.trend / max(spec.trend_scale, 1e-12)
    side = BUY if direction < 1.0 / (1.0 + math.exp(-signal)) else SELL
    flips, kind_of_order, offset, _ = draws.uniforms(
        clock.seed, draws.TRADER_ACT, trader, 2 * clock.step + 1
    )
    if held != 0 and flips < kind.flip_share:
        side = SELL if held > 0 else BUY
        lots = max(lots, abs(held))
    elif abs(held + side * lots) > 1.5 * wanted and held * side > 0:
        side = -side
        lots = min(lots, abs(held))
    if lots < 1:
        return
    if kind_of_order < kind.market_order_share:
        ask(world.inbox, world.logs, row.account, market, side, MARKET, 0, lots, 0, 1)
        return
    away = -math.log(offset) * kind.limit_offset
    tick = int(state.mark * (1.0 - side * min(away, 0.5)) + 0.5)
    ask(world.inbox, world.logs, row.account, market, side, LIMIT, tick, lots, 0, 1)


# --- reacting to ADL --------------------------------------------------------------------


@inner
def react(world: World) -> None:
    """Those whom ADL has hit decide: some will rebuild after a while, some will leave.

    Of those who will not rebuild each leaves with chance ``1 - exp(-beta h)``, h the share
    of capacity taken (the churn hazard of arXiv 2512.01112).
    """
    crowd, clock = world.crowd, world.clock[0]
    for i in range(crowd.state[0].n_hits):
        trader = crowd.hits[i]
        row = crowd.traders[trader]
        if row.mood != CALM:
            continue
        kind = crowd.kinds[row.kind]
        leaves, rebuilds, a, b = draws.uniforms(
            clock.seed, draws.TRADER_REACTION, trader, clock.step
        )
        if row.closed_lots != 0 and rebuilds < _rebuild_chance(world.markets, kind, row):
            row.mood = REBUILDING
            row.orders_left = kind.rebuild_orders
        elif leaves < 1.0 - math.exp(-kind.leave_hazard * row.hit):
            row.mood = LEAVING
        else:
            continue
        normal, _ = draws.normals_of(a, b)
        latency = math.exp(
            kind.rebuild_latency_log_mean + kind.rebuild_latency_log_sd * normal
        )
        # The latencies are of those who come back within minutes; beyond a month is never.
        when = clock.now_ms + int(1000.0 * min(max(latency, 0.001), 2.6e6)) + clock.step_ms
        _schedule_reaction(crowd, trader, when, clock.step_ms)
    crowd.state[0].n_hits = 0


@inlined
def _rebuild_chance(markets: Markets, kind: Any, row: Any) -> float:
    """Chance that a trader rebuilds what ADL closed; its odds grow with the notional."""
    if kind.rebuild_notional_slope == 0.0 or kind.rebuild_share >= 1.0:
        return float(kind.rebuild_share)
    unit, mark = markets.specs[row.hit_market].unit, markets.state[row.hit_market].mark
    thousands = float(abs(row.closed_lots)) * mark * unit / _THOUSAND_USD
    odds = kind.rebuild_share / (1.0 - kind.rebuild_share)
    odds *= max(thousands, 1e-6) ** kind.rebuild_notional_slope
    return float(odds / (1.0 + odds))


@inner
def _react_now(world: World, trader: int) -> None:
    """Rebuild a part of what was closed, or close what is left and go."""
    crowd, clock, ledger = world.crowd, world.clock[0], world.ledger
    row = crowd.traders[trader]
    account = row.account
    if row.mood == REBUILDING:
        _rebuild(world, trader)
        return
    slot = ledger.accounts[account].first_position
    if slot == NONE:
        _leave(world, trader)
        return
    while slot != NONE:
        _reduce(world, account, slot, 1.0)
        slot = ledger.positions[slot].next
    _schedule_reaction(crowd, trader, clock.now_ms + clock.step_ms, clock.step_ms)


@inlined
def _rebuild(world: World, trader: int) -> None:
    """Send the next order of those that rebuild, and wait for the one after it."""
    crowd, clock = world.crowd, world.clock[0]
    row = crowd.traders[trader]
    kind = crowd.kinds[row.kind]
    lots = int(abs(row.closed_lots) * kind.rebuild_size / kind.rebuild_orders)
    side = BUY if row.closed_lots > 0 else SELL
    ask(world.inbox, world.logs, row.account, row.hit_market, side, MARKET, 0, lots, 0, 1)
    if row.orders_left == kind.rebuild_orders:
        row.rebuilt += 1
        crowd.state[0].rebuilt += 1
    row.orders_left -= 1
    if row.orders_left > 0:
        u, _, _, _ = draws.uniforms(clock.seed, draws.TRADER_REACTION, trader, clock.step)
        pause = max(draws.exponential_of(u, kind.rebuild_pause_ms), 1.0)
        _schedule_reaction(
            crowd, trader, clock.now_ms + int(pause) + clock.step_ms, clock.step_ms
        )
        return
    row.mood = CALM
    row.closed_lots = 0


@inner
def _leave(world: World, trader: int) -> None:
    ledger, crowd = world.ledger, world.crowd
    row = crowd.traders[trader]
    owner = ledger.accounts[row.account]
    if owner.cash > 0:
        withdraw(ledger, row.account, owner.cash, owner.cash - owner.principal)
    row.mood = GONE
    crowd.state[0].left += 1


@kernel
def see_off(world: World) -> None:
    """Whoever has made up its mind to leave is gone; nobody holds a position any more."""
    for trader in range(world.crowd.traders.shape[0]):
        if world.crowd.traders[trader].mood == LEAVING:
            _leave(world, trader)


@inner
def note_hit(
    crowd: Crowd, accounts: Any, account: int, market: int, lots: int, share: float
) -> None:
    """Tell a trader's habits that ADL has taken something from its account.

    Parameters
    ----------
    market, lots : int
        Where, and the signed lots that it held and lost (0 for a cash haircut).
    share : float
        Part of its capacity that was taken.
    """
    trader = accounts[account].trader
    if trader == NONE or accounts[account].kind == USER:
        return
    row = crowd.traders[trader]
    row.hit = share
    if abs(lots) >= abs(row.closed_lots):
        row.hit_market = market
        row.closed_lots = lots
    if crowd.state[0].n_hits < crowd.hits.shape[0]:
        crowd.hits[crowd.state[0].n_hits] = trader
        crowd.state[0].n_hits += 1
