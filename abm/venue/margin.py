"""Equity, margin, and the mark at which an account must be looked at again.

Margin is tiered by notional: a tier asks a rate less a deduction that makes the total
continuous (the form that Hyperliquid and others publish). An account below maintenance is
liquidated. An account above it is left alone until a mark reaches the trigger of one of
its positions: the slack over maintenance is shared among the positions in proportion to
how much each can lose in a tick, so that while no mark has reached its trigger the
account is certainly sound.
"""

from __future__ import annotations

from typing import Any

from abm.arithmetic import share_of
from abm.compiled import inlined, inlined_kernel, kernel
from abm.venue.ledger import unhook
from abm.world import NONE, Book, Ledger, Markets, Risk

_ROUNDING = 4.0
"""Quanta of slack a position that rounding of its margin may cost, kept aside."""


@inlined
def _tier(tiers: Any, spec: Any, notional: int) -> int:
    """Index of the margin tier that holds at a notional."""
    tier = spec.first_tier
    last = spec.first_tier + spec.n_tiers - 1
    while tier < last and notional >= tiers[tier + 1].floor:
        tier += 1
    return tier


@inlined_kernel
def maintenance_of(tiers: Any, spec: Any, notional: int) -> int:
    """Maintenance margin in quanta of a position of a notional in quanta."""
    tier = tiers[_tier(tiers, spec, notional)]
    return share_of(notional, tier.maintenance_ppm) - tier.maintenance_deduction


@inlined_kernel
def initial_of(tiers: Any, spec: Any, notional: int) -> int:
    """Initial margin in quanta of a position of a notional in quanta."""
    tier = tiers[_tier(tiers, spec, notional)]
    return share_of(notional, tier.initial_ppm) - tier.initial_deduction


@inlined
def margins_of(tiers: Any, spec: Any, notional: int) -> tuple[int, int]:
    """Initial and maintenance margin in quanta of a position of a notional in quanta."""
    tier = tiers[_tier(tiers, spec, notional)]
    initial = share_of(notional, tier.initial_ppm) - tier.initial_deduction
    maintenance = share_of(notional, tier.maintenance_ppm) - tier.maintenance_deduction
    return initial, maintenance


@inlined_kernel
def health(ledger: Ledger, risk: Risk, markets: Markets, account: int) -> Any:
    """Equity, maintenance margin and notional of an account at the marks, in quanta."""
    equity = ledger.accounts[account].cash
    maintenance = 0
    notional = 0
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        spec = markets.specs[position.market]
        value = position.lots * markets.state[position.market].mark * spec.unit
        size = abs(value)
        equity += value - position.cost
        maintenance += maintenance_of(risk.tiers, spec, size)
        notional += size
        slot = position.next
    return equity, maintenance, notional


@inlined_kernel
def equity_of(ledger: Ledger, markets: Markets, account: int) -> int:
    """Equity of an account at the marks, in quanta."""
    equity = ledger.accounts[account].cash
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        unit = markets.specs[position.market].unit
        equity += position.lots * markets.state[position.market].mark * unit - position.cost
        slot = position.next
    return equity


@kernel
def initial_margin(ledger: Ledger, risk: Risk, markets: Markets, account: int) -> int:
    """Initial margin of all positions of an account, in quanta."""
    margin = 0
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        spec = markets.specs[position.market]
        mark = markets.state[position.market].mark
        margin += initial_of(risk.tiers, spec, abs(position.lots) * mark * spec.unit)
        slot = position.next
    return margin


@inlined_kernel
def affordable_lots(
    book: Book,
    ledger: Ledger,
    risk: Risk,
    markets: Markets,
    account: int,
    market: int,
    side: int,
    lots: int,
) -> int:
    """The part of an order that initial margin allows.

    Lots that only reduce the position are always allowed. For the rest, the position that
    would result if this order and the account's working orders of the same side were
    filled must not need more initial margin than there is equity.

    Returns
    -------
    int
        `lots` if the order is allowed, else the lots that only reduce.
    """
    equity = ledger.accounts[account].cash
    margin = 0
    held = 0
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        spec = markets.specs[position.market]
        value = position.lots * markets.state[position.market].mark * spec.unit
        equity += value - position.cost
        if position.market == market:
            held = position.lots
        else:
            margin += initial_of(risk.tiers, spec, abs(value))
        slot = position.next
    working = 0
    order = ledger.accounts[account].first_order
    while order != NONE:
        if book.orders[order].market == market and book.orders[order].side == side:
            working += book.orders[order].lots
        order = book.orders[order].own_after
    after = held + side * (lots + working)
    if abs(after) <= abs(held) and (after >= 0) == (held >= 0):
        return lots
    spec = markets.specs[market]
    notional = abs(after) * markets.state[market].mark * spec.unit
    if margin + initial_of(risk.tiers, spec, notional) <= equity:
        return lots
    reducing = max(0, -side * held) - working
    return max(0, min(lots, reducing))


@inlined
def _hook(risk: Risk, ledger: Ledger, slot: int, top: Any, mark: int, share: float) -> None:
    """Put a position on the list of the tick that lies a share of the mark away."""
    position = ledger.positions[slot]
    if position.lots > 0:
        side = 0
        tick = mark - 1 - int(min(share, 1.0) * mark)
    else:
        side = 1
        tick = mark + 1 + int(min(share, 1e6) * mark)
    if tick < 1 or tick >= top.size:
        return
    head = risk.triggers[side, top.first_level + tick]
    position.trigger = tick
    position.trigger_before = NONE
    position.trigger_after = head
    if head != NONE:
        ledger.positions[head].trigger_before = slot
    risk.triggers[side, top.first_level + tick] = slot


@inlined_kernel
def arm(
    book: Book,
    ledger: Ledger,
    risk: Risk,
    markets: Markets,
    account: int,
    equity: int,
    maintenance: int,
) -> None:
    """Set the triggers of a sound account's positions.

    A position's margin rate is at most that of its highest tier reached, and a long's
    falls with the mark; so a long loses less than `lots * unit` of slack a tick, a short
    at most `lots * unit * (1 + rate)`. The slack is shared by these weights.
    """
    total = 0.0
    slack = float(equity - maintenance)
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        mark = markets.state[position.market].mark
        total += _loss_per_tick(risk, markets, position) * mark
        slack -= _ROUNDING
        slot = position.next
    share = max(slack, 0.0) / max(total, 1.0)
    slot = ledger.accounts[account].first_position
    while slot != NONE:
        position = ledger.positions[slot]
        top = book.tops[position.market]
        unhook(risk, ledger.positions, slot, top.first_level)
        _hook(risk, ledger, slot, top, markets.state[position.market].mark, share)
        slot = position.next


@inlined
def _loss_per_tick(risk: Risk, markets: Markets, position: Any) -> float:
    """Upper bound on the slack lost by a position when the mark moves a tick against it."""
    spec = markets.specs[position.market]
    loss = float(abs(position.lots)) * spec.unit
    if position.lots > 0:
        return loss
    last = spec.first_tier + spec.n_tiers - 1
    return loss * (1.0 + 1e-6 * risk.tiers[last].maintenance_ppm)
