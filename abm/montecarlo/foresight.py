"""What accounts could see before the first wave, and what a hair would have changed in it.

The shared past of a run is looked at on a clock, as venues publish their ranks. What is
judged is the last look at least one tick of that clock before the first wave (or at the
start, if the wave is earlier): nobody knows beforehand when it comes, and whoever reads
a light needs time to act on it. All policies share that look, since until the first wave
they share one past.

The first call of a policy is also put to it again with the state nudged a little (see
`abm.measures.brittleness`), in the first runs only: it takes as long as dozens of calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abm import step
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.wave import PolicyError, Wave, gather
from abm.engine import Engine
from abm.measures import brittleness, predictability
from abm.measures.predictability import UNKNOWN, Predictability
from abm.world import Array, World


@dataclass(frozen=True)
class Look:
    """What could be known at a time: a wave without anybody short.

    All positions are its candidates.
    """

    wave: Wave

    @property
    def lot_worth(self) -> Array:
        """Quanta that a lot of each market was worth, shape (markets,)."""
        return self.wave.mark * self.wave.unit


def run_to_first_wave(past: Engine, steps: int, every_s: float) -> Look | None:
    """Run a past that policies share until a wave is called; look back from there.

    Parameters
    ----------
    past : Engine
    steps : int
        Of the whole run.
    every_s : float
        The clock on which accounts are shown where they stand.

    Returns
    -------
    Look or None
        The last look at least `every_s` before the wave, or that at the start; None if
        the run ended without a wave.
    """
    clock = past.world.clock[0]
    ticks = max(1, round(every_s * 1000 / int(clock["step_ms"])))
    kept = [_still(past.world)]
    while True:
        done = int(past.world.clock[0]["step"])
        target = min(done - done % ticks + ticks, steps)
        if past.run_to(target, stop_at_wave=True) == step.WAVE:
            break
        if target == steps:
            return None
        kept = [kept[-1], _still(past.world)]
    called = int(past.world.clock[0]["step"])
    early = [world for world in kept if called - int(world.clock[0]["step"]) >= ticks]
    return look_at(early[-1] if early else kept[0])


def look_at(world: World) -> Look:
    """What can be known of a world as it stands, whoever may be short in it."""
    return Look(gather(_still(world), 0, everywhere=True))


def _still(world: World) -> World:
    """What a wave is gathered from, as it stands now."""
    ledger = world.ledger._replace(
        **{
            name: _copied(getattr(world.ledger, name))
            for name in ("accounts", "positions", "pots", "open_interest", "ages", "lows")
        }
    )
    markets = world.markets._replace(state=_copied(world.markets.state))
    risk = world.risk._replace(watch=np.zeros_like(world.risk.watch))
    clock = _copied(world.clock)
    return world._replace(clock=clock, ledger=ledger, markets=markets, risk=risk)


def _copied(array: Array) -> Array:
    """A copy byte by byte: numpy's own goes field by field, far more slowly."""
    if array.dtype.names is None:
        return array.copy()
    return array.view(np.uint8).copy().view(array.dtype)


def columns(
    look: Look | None, policy: Policy, calls: Sequence[Call], nudged: dict[str, float]
) -> dict[str, float]:
    """What the row of a run says of foresight; `nudged` are columns of :func:`nudges`."""
    found = judged(look, policy, calls)._asdict()
    return {f"predict_{name}": value for name, value in found.items()} | nudged


def nudges(policy: Policy, calls: Sequence[Call]) -> dict[str, float]:
    """What the row of a run says of nudges of its first call, if that is still whole.

    Nothing if there is none, or the policy cannot answer a nudged wave.
    """
    if not calls or calls[0].summary is not None or not calls[0].outcome.decision.acted:
        return {}
    try:
        found = brittleness.brittleness(brittleness.jumps(policy, calls[0].wave))
    except PolicyError:
        return {}
    return {f"jump_{name}": value for name, value in found._asdict().items()}


def judged(look: Look | None, policy: Policy, calls: Sequence[Call]) -> Predictability:
    """How well what a policy could show in a look foretold what its calls did.

    Unknown if there was no wave, nobody was touched, or the policy cannot say.
    """
    if look is None or not any(call.outcome.decision.acted for call in calls):
        return UNKNOWN
    try:
        shown = predictability.shown(policy, look.wave)
    except PolicyError:
        return UNKNOWN
    came = predictability.came(calls, shown.account, shown.notional, look.lot_worth)
    return predictability.judge(shown, came)
