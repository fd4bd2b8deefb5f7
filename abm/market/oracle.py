"""Index prices: a common factor, own noise, jumps, a script, and the venue's own echo."""

from __future__ import annotations

import math
from typing import Any

from abm import draws
from abm.compiled import inlined, inner, kernel
from abm.world import Book, Markets, World

_MAX_LOG_VOLATILITY = 3.0
_MAX_STEP = 0.7
"""Largest log-return of a step: a guard against a single draw of a very heavy tail."""


@kernel
def move_index(world: World) -> None:
    """Move every market's index by one step.

    The log-return of market i is ``sigma_i e^v (sqrt(s) F + sqrt(1 - s) Z_i)`` with
    Student-t factor F and noise Z_i of unit variance, s the factor's share and v a common
    log-volatility (an Ornstein-Uhlenbeck process that large factor moves excite); plus
    jumps, the script, and a share of what the venue's liquidations did to its own prices,
    which dies away.
    """
    clock, markets = world.clock[0], world.markets
    oracle = markets.oracle[0]
    a, b, c, d = draws.uniforms(clock.seed, draws.ORACLE_COMMON, 0, clock.step)
    factor = draws.student_of(a, b, oracle.degrees)
    noise, _ = draws.normals_of(c, d)
    scale = math.exp(clock.log_volatility)
    for market in range(markets.specs.shape[0]):
        spec, state = markets.specs[market], markets.state[market]
        e, f, g, h = draws.uniforms(clock.seed, draws.ORACLE_MARKET, market, clock.step)
        own = draws.student_of(e, f, oracle.degrees)
        mixed = math.sqrt(oracle.factor_share) * factor
        mixed += math.sqrt(1.0 - oracle.factor_share) * own
        rough = spec.step_volatility * scale * mixed + _jump(oracle, g, h)
        scripted, drift = _scripted(
            markets.shocks, spec, market, clock.now_ms, clock.step_ms
        )
        echo = _echo(oracle, state)
        move = min(max(rough + scripted + echo, -_MAX_STEP), _MAX_STEP)
        state.log_index += move
        state.index = max(1, int(math.exp(state.log_index) + 0.5))
        _sample_variance(oracle, state, clock.step, move, drift + echo)
        state.trend = oracle.trend_decay * state.trend + move
    spread = oracle.log_volatility_sd * math.sqrt(1.0 - oracle.log_volatility_decay**2)
    clock.log_volatility = oracle.log_volatility_decay * clock.log_volatility
    clock.log_volatility += spread * noise + oracle.excitation * max(
        0.0, factor * factor - 4.0
    )
    clock.log_volatility = min(clock.log_volatility, _MAX_LOG_VOLATILITY)


@inlined
def _sample_variance(oracle: Any, state: Any, step: int, move: float, drift: float) -> None:
    """Update the running variance, in units of a step, from returns of a second.

    A drift adds to the variance of returns by the square of their length, noise in
    proportion to it: so both are sampled at one length, whatever the step. Short steps
    are summed up to a second. Of a long one the drift is spread evenly over its k
    seconds, whose returns have squares of ``(e + d)^2 - (1 - 1/k) (d^2 + 2 e d)``
    together, for drift d and the rest e.
    """
    state.unsampled += move
    if (step + 1) % oracle.steps_per_sample != 0:
        return
    rest = move - drift
    squares = state.unsampled * state.unsampled
    squares -= (1.0 - 1.0 / oracle.samples_per_step) * drift * (drift + 2.0 * rest)
    sample = max(squares, 0.0) / oracle.steps_per_sample
    state.variance += (1.0 - oracle.variance_decay) * (sample - state.variance)
    state.unsampled = 0.0


@inlined
def _jump(oracle: Any, u: float, v: float) -> float:
    """A normal jump with the chance of a step; one uniform serves for chance and size."""
    if u >= oracle.jumps_per_step:
        return 0.0
    size, _ = draws.normals_of(u / oracle.jumps_per_step, v)
    return oracle.jump_mean + oracle.jump_sd * size


@inlined
def _scripted(
    shocks: Any, spec: Any, market: int, now_ms: int, step_ms: int
) -> tuple[float, float]:
    """The script's log-return over the step that begins now, and how much of it is drift.

    What is over within a step comes at once.
    """
    move = drift = 0.0
    for i in range(shocks.shape[0]):
        shock = shocks[i]
        if shock.market != market and shock.market >= 0:
            continue
        weight = spec.beta if shock.market < 0 else 1.0
        length = max(shock.duration_ms, step_ms)
        begin = max(now_ms, shock.start_ms)
        end = min(now_ms + step_ms, shock.start_ms + length)
        if end > begin:
            part = weight * shock.log_return * (end - begin) / length
            move += part
            drift += part if shock.duration_ms > step_ms else 0.0
    return move, drift


@inlined
def _echo(oracle: Any, state: Any) -> float:
    """What other venues take over of the moves made here, and give back in time.

    A share of the moves that liquidations made waits in `liquidation_move`, arrives with
    a lag, and dies away again.
    """
    arriving = state.liquidation_move * (1.0 - oracle.feedback_lag)
    state.liquidation_move -= arriving
    fading = state.impact * (1.0 - oracle.feedback_decay)
    fresh = oracle.feedback * arriving
    state.impact += fresh - fading
    return fresh - fading


@inner
def note_middle(markets: Markets, book: Book) -> None:
    """Remember each book's middle before the venue liquidates into it."""
    for market in range(markets.state.shape[0]):
        state = markets.state[market]
        state.mid_before = _last_known_middle(book.tops[market], state)


@inner
def note_impact(markets: Markets, book: Book) -> None:
    """Add what liquidations did to each book's middle since :func:`note_middle`."""
    for market in range(markets.state.shape[0]):
        state = markets.state[market]
        after = _last_known_middle(book.tops[market], state)
        state.liquidation_move += math.log(after / state.mid_before)


@inlined
def _last_known_middle(top: Any, state: Any) -> float:
    """Middle of the best prices; the last trade stands in for an empty side."""
    bid = top.bid if top.bid >= 1 else min(top.last, top.ask)
    ask = top.ask if top.ask < top.size else max(top.last, top.bid)
    return max(0.5 * (bid + ask), 1.0)
