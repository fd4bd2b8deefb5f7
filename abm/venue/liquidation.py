"""The liquidation engine: finding who is below maintenance, and the ladder.

The ladder is a list of rungs from the scenario; an account below maintenance goes down
it until it is sound, flat or at the bottom, where ADL finds it.
"""

from __future__ import annotations

from typing import Any

from abm.arithmetic import floor_fraction, share_of
from abm.compiled import inlined, inner, kernel
from abm.market.book import IOC, cancel_all, submit
from abm.venue.fund import defended, is_alarmed
from abm.venue.ledger import (
    hand_over,
    move_cash,
    return_to_parent,
    settle_fills,
    stop_cutting_withdrawals,
    unhook,
)
from abm.venue.margin import arm, equity_of, health, initial_margin, maintenance_of
from abm.world import (
    BACKSTOP,
    INSURANCE,
    NONE,
    Book,
    Ledger,
    Logs,
    Markets,
    Risk,
    World,
    touch,
)

BOOK_RUNG = 0
BACKSTOP_RUNG = 1
INSURANCE_RUNG = 2
SOCIALISE_RUNG = 3
WAVE_RUNG = 4
RUNG_NAMES = ("book", "backstop", "insurance", "socialise", "wave")
UNWIND = 5
"""Logged as a rung: the vault sells inventory into the book."""

UNTIL_FLAT = 0
UNTIL_INITIAL = 1
UNTIL_MAINTENANCE = 2
UNTIL_NAMES = ("flat", "initial", "maintenance")

PRICE_MARKET = 0
PRICE_BANKRUPTCY = 1
PRICE_FILLABLE = 2
PRICE_NAMES = ("market", "bankruptcy", "fillable")

MODE_PAY = 0
MODE_TAKEOVER = 1
MODE_NAMES = ("pay", "takeover")


# --- finding them -----------------------------------------------------------------------


@kernel
def sweep_triggers(book: Book, ledger: Ledger, risk: Risk, markets: Markets) -> None:
    """Touch every account with a position whose trigger the mark has reached."""
    for market in range(markets.state.shape[0]):
        state = markets.state[market]
        if state.mark == state.swept:
            continue
        level = book.tops[market].first_level
        if state.mark < state.swept:
            for tick in range(state.swept - 1, state.mark - 1, -1):
                _touch_list(ledger, risk, 0, level, tick)
        else:
            for tick in range(state.swept + 1, state.mark + 1):
                _touch_list(ledger, risk, 1, level, tick)
        state.swept = state.mark


@inlined
def _touch_list(ledger: Ledger, risk: Risk, side: int, level: int, tick: int) -> None:
    while risk.triggers[side, level + tick] != NONE:
        slot = risk.triggers[side, level + tick]
        unhook(risk, ledger.positions, slot, level)
        touch(ledger, ledger.positions[slot].account)


@kernel
def triage(book: Book, ledger: Ledger, risk: Risk, markets: Markets) -> None:
    """Check every touched account: arm the sound ones, watch the others."""
    pots = ledger.pots[0]
    for i in range(pots.n_touched):
        account = ledger.touched[i]
        owner = ledger.accounts[account]
        owner.touched = 0
        if owner.watched or owner.kind == BACKSTOP or owner.kind == INSURANCE:
            continue
        equity, maintenance, _ = health(ledger, risk, markets, account)
        if equity >= maintenance and equity >= 0:
            arm(book, ledger, risk, markets, account, equity, maintenance)
        else:
            owner.watched = 1
            owner.stage = 0
            owner.cooldown_ms = 0
            risk.watched[risk.watch[0].n] = account
            risk.watch[0].n += 1
            # Most have no orders, and a call with that many arrays is slow by itself.
            if owner.first_order != NONE:
                cancel_all(book, ledger, account)
    pots.n_touched = 0


# --- the rungs --------------------------------------------------------------------------


@kernel
def bankruptcy_value(
    ledger: Ledger, risk: Risk, markets: Markets, slot: int, equity: int, maintenance: int
) -> int:
    """Signed value in quanta at which closing a position uses up its share of equity.

    The account's equity is shared among its positions by their maintenance margin, the
    rule of dYdX v4 (``GetBankruptcyPriceInQuoteQuantums`` in its keeper of the clob
    module); for one position it is the textbook price at which equity is zero. Rounded
    against the account.
    """
    position = ledger.positions[slot]
    spec = markets.specs[position.market]
    value = position.lots * markets.state[position.market].mark * spec.unit
    own = maintenance_of(risk.tiers, spec, abs(value))
    if maintenance == own:
        return value - equity
    return value - floor_fraction(equity, own, maintenance)


@kernel
def limit_tick(world: World, rung: Any, slot: int, equity: int, maintenance: int) -> int:
    """Worst tick that a liquidation order of a position may trade at."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    position = ledger.positions[slot]
    spec = markets.specs[position.market]
    mark = markets.state[position.market].mark
    size = world.book.tops[position.market].size
    if rung.price == PRICE_MARKET:
        away = share_of(mark, rung.slippage_ppm)
        tick = mark - away if position.lots > 0 else mark + away
        return min(max(tick, 1), size - 1)
    quantum = float(position.lots * spec.unit)
    value = bankruptcy_value(ledger, risk, markets, slot, equity, maintenance)
    bankruptcy = float(value) / quantum
    if rung.price == PRICE_FILLABLE:
        worst = _fillable(risk, spec, rung, position, mark, equity, maintenance)
        fund = float(max(0, equity_of(ledger, markets, ledger.pots[0].insurance)))
        if position.lots > 0:
            bankruptcy = max(worst, bankruptcy - fund / abs(quantum))
        else:
            bankruptcy = min(worst, bankruptcy + fund / abs(quantum))
    # Rounded so that the order never trades beyond the exact price.
    tick = -int(-bankruptcy // 1.0) if position.lots > 0 else int(bankruptcy // 1.0)
    return min(max(tick, 1), size - 1)


@inlined
def _fillable(
    risk: Risk,
    spec: Any,
    rung: Any,
    position: Any,
    mark: int,
    equity: int,
    maintenance: int,
) -> float:
    """Fillable price of dYdX v4 in ticks: the worse the account, the further from mark."""
    bad = min(max(1.0 - float(equity) / max(float(maintenance), 1.0), 0.0), 1.0)
    notional = abs(position.lots) * mark * spec.unit
    rate = float(maintenance_of(risk.tiers, spec, notional)) / max(float(notional), 1.0)
    side = 1.0 if position.lots > 0 else -1.0
    return mark * (1.0 - side * bad * rung.spread * rate)


@inner
def _log(
    logs: Logs, now_ms: int, mark: int, account: int, market: int, rung: int, lots: int,
    value: int, shortfall: int,
) -> None:  # fmt: skip
    """Write a liquidation event down."""
    counts = logs.counts[0]
    row = logs.liquidations[counts.liquidations]
    row.now_ms = now_ms
    row.mark = mark
    row.account = account
    row.market = market
    row.rung = rung
    row.lots = lots
    row.value = value
    row.shortfall = shortfall
    counts.liquidations += 1


@inlined
def _log_has_room(logs: Logs, n_markets: int) -> bool:
    """False if the log might overflow: whoever is left waits for the next step."""
    return logs.counts[0].liquidations + 4 * (n_markets + 2) <= logs.liquidations.shape[0]


@inner
def _close_on_book(
    world: World, account: int, slot: int, lots: int, tick: int, rung: int
) -> None:
    """Send an order that closes `lots` of a position; settle and log what it filled."""
    book, ledger, risk, markets = world.book, world.ledger, world.risk, world.markets
    position = ledger.positions[slot]
    market = position.market
    side = -1 if position.lots > 0 else 1
    unit = markets.specs[market].unit
    before = book.tops[market].volume
    submit(
        book, ledger, market, account, side, IOC, tick, lots, 0, ledger.pots[0].self_trade
    )
    value = settle_fills(ledger, risk, book, unit, market, account, side)
    filled = book.tops[market].volume - before
    if filled == 0:
        return
    owner = ledger.accounts[account]
    owner.debt_market = market
    owner.debt_side = -side
    fee = share_of(abs(value), ledger.pots[0].liquidation_ppm)
    fee = min(fee, max(0, equity_of(ledger, markets, account)))
    move_cash(ledger, account, ledger.pots[0].insurance, fee)
    owner.fees += fee
    markets.state[market].liquidated_lots += filled
    now, mark = world.clock[0].now_ms, markets.state[market].mark
    _log(world.logs, now, mark, account, market, rung, side * filled, value, 0)


@inner
def _try_book(world: World, rung: Any, account: int, equity: int, maintenance: int) -> None:
    """The rung ``book``: sell into the order book what the rung says."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    owner = ledger.accounts[account]
    now = world.clock[0].now_ms
    if now < owner.cooldown_ms:
        return
    parts = 1_000_000
    if rung.until != UNTIL_FLAT:
        target = maintenance
        if rung.until == UNTIL_INITIAL:
            target = initial_margin(ledger, risk, markets, account)
        gap = float(target - equity) / max(float(target), 1.0)
        parts = int(min(max(gap, 0.0), 1.0) * 1e6)
    slot = owner.first_position
    sliced = False
    while slot != NONE:
        position = ledger.positions[slot]
        following = position.next
        unit = markets.specs[position.market].unit
        notional = abs(position.lots) * markets.state[position.market].mark * unit
        lots = max(1, share_of(abs(position.lots), parts))
        if owner.stage == 0 and notional > rung.above and rung.share_ppm < 1_000_000:
            lots = min(lots, max(1, share_of(abs(position.lots), rung.share_ppm)))
            sliced = True
        tick = limit_tick(world, rung, slot, equity, maintenance)
        _close_on_book(world, account, slot, lots, tick, BOOK_RUNG)
        slot = following
    if sliced:
        owner.stage = 1
        owner.cooldown_ms = now + rung.cooldown_ms


@inner
def _take_over(
    world: World, account: int, taker: int, rung: int, at_bankruptcy: bool
) -> None:
    """Move all positions and all cash of an account to a purse of the venue."""
    book, ledger, risk, markets = world.book, world.ledger, world.risk, world.markets
    equity, maintenance, _ = health(ledger, risk, markets, account)
    owner = ledger.accounts[account]
    shortfall = max(0, -equity)
    clock = world.clock[0]
    while owner.first_position != NONE:
        slot = owner.first_position
        position = ledger.positions[slot]
        market, lots = position.market, position.lots
        value = lots * markets.state[market].mark * markets.specs[market].unit
        if at_bankruptcy:
            value = bankruptcy_value(ledger, risk, markets, slot, equity, maintenance)
        hand_over(ledger, risk, book.tops[market].first_level, slot, taker, value)
        mark = markets.state[market].mark
        _log(
            world.logs, clock.now_ms, mark, account, market, rung, -lots, -value, shortfall
        )
        shortfall = 0
        markets.state[market].taken_over_lots += abs(lots)
    move_cash(ledger, account, taker, owner.cash)
    if clock.first_takeover_ms < 0 and maintenance > 0:
        clock.first_takeover_ms = clock.now_ms


@inner
def _pay(world: World, account: int) -> None:
    """The fund pays what an account without positions owes, as far as it can."""
    ledger = world.ledger
    owner = ledger.accounts[account]
    fund = ledger.pots[0].insurance
    amount = min(-owner.cash, max(0, equity_of(ledger, world.markets, fund)))
    if amount <= 0:
        return
    move_cash(ledger, fund, account, amount)
    ledger.pots[0].insurance_paid += amount
    market = max(owner.debt_market, 0)
    now, mark = world.clock[0].now_ms, world.markets.state[market].mark
    _log(world.logs, now, mark, account, market, INSURANCE_RUNG, 0, 0, amount)


@inner
def _socialise(world: World, rung: Any, account: int) -> None:
    """Charge small bad debt per contract to the side that the bankrupt was not on.

    Aftermath Finance's rule (docs.aftermath.finance, perpetuals, liquidations): bad debt
    up to ``max(M, open interest * mark * alpha)`` is socialised, more goes to ADL. The
    charge per lot is rounded up; what that raises too much goes to the insurance fund.
    """
    ledger, markets = world.ledger, world.markets
    owner = ledger.accounts[account]
    market, debt = owner.debt_market, -owner.cash
    if market == NONE or debt <= 0 or ledger.open_interest[market] == 0:
        return
    unit = markets.specs[market].unit
    open_value = ledger.open_interest[market] * markets.state[market].mark * unit
    if debt > max(rung.up_to, share_of(open_value, rung.up_to_ppm)):
        return
    charge = (debt + ledger.open_interest[market] - 1) // ledger.open_interest[market]
    raised = 0
    for slot in range(ledger.positions.shape[0]):
        position = ledger.positions[slot]
        if position.account == NONE or position.market != market:
            continue
        if (position.lots > 0) != (owner.debt_side > 0):
            amount = charge * abs(position.lots)
            ledger.accounts[position.account].cash -= amount
            touch(ledger, position.account)
            raised += amount
    owner.cash += debt
    ledger.accounts[ledger.pots[0].insurance].cash += raised - debt
    ledger.pots[0].socialised += debt
    now, mark = world.clock[0].now_ms, markets.state[market].mark
    _log(world.logs, now, mark, account, market, SOCIALISE_RUNG, 0, 0, debt)


@inlined
def _descend(world: World, account: int, backstop_is_due: bool) -> None:
    """Take one account down the ladder; ADL may have it once no other rung will."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    owner = ledger.accounts[account]
    owner.at_bottom = 0
    pots = ledger.pots[0]
    equity, maintenance, notional = health(ledger, risk, markets, account)
    acted = False
    for i in range(risk.rungs.shape[0]):
        rung = risk.rungs[i]
        if acted:
            equity, maintenance, notional = health(ledger, risk, markets, account)
            acted = False
        if equity >= maintenance and equity >= 0:
            return
        flat = notional == 0
        if rung.rung == BOOK_RUNG:
            low = equity < share_of(maintenance, rung.down_to_ppm)
            if not flat and not (low and rung.down_to_ppm > 0):
                _try_book(world, rung, account, equity, maintenance)
                acted = True
        elif rung.rung == BACKSTOP_RUNG:
            low = equity < share_of(maintenance, rung.below_ppm)
            if low and equity >= -rung.loss_cap:
                if not backstop_is_due:
                    return
                _take_over(world, account, pots.backstop, BACKSTOP_RUNG, False)
                acted = True
        elif rung.rung == INSURANCE_RUNG:
            fund = equity_of(ledger, markets, pots.insurance)
            if flat:
                _pay(world, account)
                acted = True
            elif rung.mode == MODE_TAKEOVER:
                low = equity <= share_of(maintenance, rung.below_ppm)
                if low and fund + equity >= 0:
                    if equity < 0:
                        pots.insurance_paid -= equity
                    _take_over(world, account, pots.insurance, INSURANCE_RUNG, True)
                    acted = True
        elif rung.rung == SOCIALISE_RUNG and flat:
            _socialise(world, rung, account)
            acted = True
        elif rung.rung == WAVE_RUNG:
            owner.at_bottom = 1


@inner
def _unwind_backstop(world: World) -> None:
    """The vault sells a share of its inventory into the book."""
    share = world.risk.watch[0].unwind_ppm
    if share == 0:
        return
    ledger, markets = world.ledger, world.markets
    vault = ledger.pots[0].backstop
    slot = ledger.accounts[vault].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        following = position.next
        mark = markets.state[position.market].mark
        lots = max(1, share_of(abs(position.lots), share))
        away = max(1, share_of(mark, 10_000))
        tick = mark - away if position.lots > 0 else mark + away
        tick = min(max(tick, 1), world.book.tops[position.market].size - 1)
        _close_on_book(world, vault, slot, lots, tick, UNWIND)
        slot = following


@inner
def _release(world: World) -> None:
    """Drop from the watch list whoever is sound again or has nothing left."""
    ledger, risk, markets = world.ledger, world.risk, world.markets
    kept = 0
    for i in range(risk.watch[0].n):
        account = risk.watched[i]
        equity, maintenance, notional = health(ledger, risk, markets, account)
        if equity >= maintenance and equity >= 0:
            owner = ledger.accounts[account]
            owner.watched = 0
            if notional == 0 and owner.parent != NONE and owner.cash > 0:
                return_to_parent(ledger, account)
            touch(ledger, account)
        else:
            risk.watched[kept] = account
            kept += 1
    risk.watch[0].n = kept


@kernel
def liquidate(world: World) -> None:
    """Find everyone below maintenance and take them down the ladder."""
    book, ledger, risk, markets = world.book, world.ledger, world.risk, world.markets
    sweep_triggers(book, ledger, risk, markets)
    triage(book, ledger, risk, markets)
    clock = world.clock[0]
    backstop_is_due = clock.now_ms >= clock.backstop_due_ms
    if backstop_is_due:
        clock.backstop_due_ms = _next_tick(
            risk, BACKSTOP_RUNG, clock.backstop_due_ms, clock
        )
    if risk.watch[0].n > 0:
        for i in range(risk.watch[0].n):
            if _log_has_room(world.logs, markets.specs.shape[0]):
                _descend(world, risk.watched[i], backstop_is_due)
        _release(world)
    _unwind_backstop(world)
    triage(book, ledger, risk, markets)


@inlined
def _next_tick(risk: Risk, kind: int, due_ms: int, clock: Any) -> int:
    """When a rung's clock strikes next after now; each step if it has no clock."""
    tick = 0
    for i in range(risk.rungs.shape[0]):
        if risk.rungs[i].rung == kind:
            tick = max(tick, risk.rungs[i].tick_ms)
    if tick == 0:
        return clock.now_ms
    return due_ms + tick * ((clock.now_ms - due_ms) // tick + 1)


# --- who is short -----------------------------------------------------------------------


@kernel
def debt(ledger: Ledger, risk: Risk, markets: Markets) -> int:
    """Negative equity of the purses and of the ruined at the marks, in quanta.

    The ruined are accounts at the bottom of the ladder.
    """
    owed = max(0, -equity_of(ledger, markets, ledger.pots[0].backstop))
    owed += max(0, -equity_of(ledger, markets, ledger.pots[0].insurance))
    for i in range(risk.watch[0].n):
        if ledger.accounts[risk.watched[i]].at_bottom:
            owed += max(0, -equity_of(ledger, markets, risk.watched[i]))
    return owed


@kernel
def shortfall(ledger: Ledger, risk: Risk, markets: Markets) -> int:
    """Quanta missing: debt, and what the fund lacks to what an alarm that is on defends."""
    fund = max(0, equity_of(ledger, markets, ledger.pots[0].insurance))
    return debt(ledger, risk, markets) + max(0, defended(risk) - fund)


@kernel
def is_in_debt(ledger: Ledger, risk: Risk, markets: Markets) -> bool:
    """True if there is any :func:`debt`."""
    if equity_of(ledger, markets, ledger.pots[0].backstop) < 0:
        return True
    if equity_of(ledger, markets, ledger.pots[0].insurance) < 0:
        return True
    for i in range(risk.watch[0].n):
        account = risk.watched[i]
        if ledger.accounts[account].at_bottom and equity_of(ledger, markets, account) < 0:
            return True
    return False


@kernel
def is_short(ledger: Ledger, risk: Risk, markets: Markets) -> bool:
    """True if there is any :func:`shortfall`."""
    fund = max(0, equity_of(ledger, markets, ledger.pots[0].insurance))
    return is_in_debt(ledger, risk, markets) or defended(risk) > fund


@kernel
def is_taking_over(ledger: Ledger, risk: Risk) -> bool:
    """True if the insurance fund holds positions while an alarm is on.

    What the fund takes over then goes on to ADL.
    """
    fund = ledger.accounts[ledger.pots[0].insurance]
    return is_alarmed(risk) and fund.first_position != NONE


@kernel
def wave_is_due(world: World) -> bool:
    """True if the wave's clock strikes and there is something for ADL to do."""
    clock = world.clock[0]
    if clock.now_ms < clock.wave_due_ms:
        return False
    clock.wave_due_ms = _next_tick(world.risk, WAVE_RUNG, clock.wave_due_ms, clock)
    ledger, risk = world.ledger, world.risk
    if is_short(ledger, risk, world.markets) or is_taking_over(ledger, risk):
        return True
    let_pass(world)
    return False


@kernel
def let_pass(world: World) -> None:
    """There is no wave: the present marks are the next one's previous, debts are paid."""
    remember_marks(world.markets)
    stop_cutting_withdrawals(world.ledger)


@inner
def remember_marks(markets: Markets) -> None:
    """Make the present marks the "previous" ones of the next wave."""
    for market in range(markets.state.shape[0]):
        markets.state[market].previous_mark = markets.state[market].mark
