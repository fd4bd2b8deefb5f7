"""Market makers: ladders of quotes that thin, widen and vanish when makers are afraid.

Depth within distance x of the middle grows as a power of x. Fear is the ratio of realised
to ordinary volatility; afraid makers quote less, further away, and may leave for a while.
Inventory moves a maker's quotes and shrinks the side that would add to it.
"""

from __future__ import annotations

import math
from typing import Any

from abm import draws
from abm.compiled import inlined, kernel
from abm.market.book import BUY, LIMIT, SELL, cancel_all, lots_held, submit
from abm.venue.ledger import settle_fills
from abm.venue.margin import equity_of
from abm.world import World

_MAX_OFFSET = 0.9


@inlined
def fear_of(spec: Any, state: Any) -> float:
    """Realised over ordinary volatility of the index, at least 1."""
    return max(1.0, math.sqrt(state.variance) / max(spec.step_volatility, 1e-9))


@kernel
def requote(world: World) -> None:
    """Every maker that looks at its quotes now cancels them; then each quotes anew.

    All cancels come first, so that makers who see the same index do not trade with each
    other's stale quotes; those who do not look in this step may be picked off.
    """
    quoting, clock = world.makers.quoting[0], world.clock[0]
    for i in range(world.makers.makers.shape[0]):
        maker = world.makers.makers[i]
        look, leave, _, _ = draws.uniforms(
            clock.seed, draws.MAKER_QUOTE, maker.account, clock.step
        )
        maker.quotes = look < quoting.requote_chance
        if maker.quotes:
            cancel_all(world.book, world.ledger, maker.account)
            maker.quotes = _stays(world, maker, leave)
    for i in range(world.makers.makers.shape[0]):
        if world.makers.makers[i].quotes:
            _quote(world, world.makers.makers[i])


@inlined
def _stays(world: World, maker: Any, u: float) -> bool:
    """False if the maker is away; fear or losses make it leave, for a random while."""
    clock, quoting = world.clock[0], world.makers.quoting[0]
    if clock.now_ms < maker.away_until_ms:
        return False
    markets = world.markets
    fear = fear_of(markets.specs[maker.market], markets.state[maker.market])
    equity = equity_of(world.ledger, markets, maker.account)
    lost = equity < (1.0 - quoting.exit_loss) * maker.capital
    excess = fear / quoting.exit_fear - 1.0
    afraid = excess > 0.0 and u < 1.0 - math.exp(-quoting.exit_chance * excess)
    if not lost and not afraid:
        return True
    v, _, _, _ = draws.uniforms(clock.seed, draws.MAKER_EXIT, maker.account, clock.step)
    away = draws.exponential_of(v, quoting.return_mean_ms)
    maker.away_until_ms = clock.now_ms + int(away)
    if lost:
        maker.capital = max(equity, 0)
    return False


@inlined
def _quote(world: World, maker: Any) -> None:
    """Place one maker's ladder on both sides."""
    markets, quoting = world.markets, world.makers.quoting[0]
    spec, state = markets.specs[maker.market], markets.state[maker.market]
    equity = equity_of(world.ledger, markets, maker.account)
    limit = quoting.inventory_limit * max(equity, 0) / (state.index * spec.unit)
    if limit < 1.0:
        return
    lean = lots_held(world.ledger, maker.account, maker.market) / limit
    lean = min(max(lean, -1.0), 1.0)
    fear = fear_of(spec, state)
    wider = fear**quoting.widening
    size = spec.depth_lots * maker.share / min(fear**quoting.thinning, quoting.max_thinning)
    size = min(size, limit / quoting.ladder_total)
    middle = state.index * (1.0 - quoting.skew * lean * spec.half_spread * wider)
    for side in (BUY, SELL):
        room = size * min(1.0, 1.0 - side * lean)
        _ladder(world, maker, side, middle, room, wider)


@inlined
def _ladder(
    world: World, maker: Any, side: int, middle: float, room: float, wider: float
) -> None:
    """One side of a ladder; `room` is the lots within 1% of an unafraid maker's middle."""
    book, ledger, market = world.book, world.ledger, maker.market
    top = book.tops[market]
    unit = world.markets.specs[market].unit
    half_spread = world.markets.specs[market].half_spread
    ladder = world.makers.ladder
    for k in range(ladder.shape[0]):
        lots = int(room * ladder[k, 1] + 0.5)
        if lots < 1:
            continue
        offset = min(wider * (half_spread + ladder[k, 0]), _MAX_OFFSET)
        exact = middle * (1.0 - side * offset)
        tick = math.floor(exact) if side == BUY else math.ceil(exact)
        if tick < 1 or tick >= top.size:
            continue
        submit(
            book, ledger, market, maker.account, side, LIMIT, tick, lots, 0,
            ledger.pots[0].self_trade,
        )  # fmt: skip
        if book.pool[0].n_fills > 0:
            settle_fills(ledger, world.risk, book, unit, market, maker.account, side)
