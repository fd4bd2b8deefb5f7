"""Funding: longs pay shorts, or the other way, and not a quantum is lost."""

from __future__ import annotations

from abm.compiled import inner, kernel
from abm.world import NONE, Ledger, World, touch

_DAMPER = 0.0005


@kernel
def accrue_funding(world: World) -> None:
    """Pay funding when an interval ends.

    The rate over eight hours is ``P + clamp(interest - P, -0.05%, 0.05%)`` with P the
    average premium of the book over the index (Hyperliquid docs, "Funding"); an interval
    pays its part of it. The payment per lot is a whole number of quanta, the rest is
    carried over, so that what longs pay is exactly what shorts get.
    """
    clock, markets = world.clock[0], world.markets
    if clock.now_ms + clock.step_ms < clock.funding_due_ms:
        return
    oracle = markets.oracle[0]
    clock.funding_due_ms += oracle.funding_interval_ms
    hours = oracle.funding_interval_ms / 3_600_000.0
    for market in range(markets.state.shape[0]):
        state, spec = markets.state[market], markets.specs[market]
        premium = state.premium / max(state.premium_steps, 1)
        damped = min(max(oracle.funding_interest - premium, -_DAMPER), _DAMPER)
        cap = oracle.funding_cap
        rate = min(max((premium + damped) / 8.0, -cap), cap) * hours
        exact = rate * state.mark * spec.unit + state.funding_carry
        state.premium = 0.0
        state.premium_steps = 0
        state.funding_carry = exact - int(exact)
        _pay(world.ledger, market, int(exact))


@inner
def _pay(ledger: Ledger, market: int, per_lot: int) -> None:
    if per_lot == 0:
        return
    for slot in range(ledger.positions.shape[0]):
        position = ledger.positions[slot]
        if position.account != NONE and position.market == market:
            ledger.accounts[position.account].cash -= per_lot * position.lots
            touch(ledger, position.account)
