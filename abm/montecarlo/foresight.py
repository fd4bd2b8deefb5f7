"""What accounts could see before the first wave, and what a hair would have changed in it.

A run is looked at on a clock, as venues publish their ranks. What is judged is the last
look at least one tick of that clock before the first wave that the policy answers (or at
the start, if that is earlier): nobody knows beforehand when it comes, and whoever reads a
light needs time to act on it. Policies that share their past until then share the look.

The first call of a policy is also put to it again with the state nudged a little (see
`abm.measures.brittleness`), in the first runs only: it takes as long as dozens of calls.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from abm import step
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.wave import PolicyError, Wave, gather
from abm.engine import Engine
from abm.measures import brittleness, predictability
from abm.measures.predictability import UNKNOWN, Predictability
from abm.world import Array, World, copied


class Look:
    """What could be known at a time, as a wave with all positions as candidates.

    Parameters
    ----------
    world : World
        Is copied as far as needed; whoever may be short in it.
    """

    def __init__(self, world: World) -> None:
        self._still = _still(world)
        self.step = int(world.clock[0]["step"])

    @cached_property
    def wave(self) -> Wave:
        """Gathered when it is first asked for."""
        return gather(self._still, 0, everywhere=True)

    @property
    def lot_worth(self) -> Array:
        """Quanta that a lot of each market was worth, shape (markets,)."""
        return self.wave.mark * self.wave.unit


class Looks:
    """Looks at a run on a clock until a policy is called for the first time.

    Parameters
    ----------
    world : World
        At the start.
    every_s : float
        The clock on which accounts are shown where they stand.
    """

    def __init__(self, world: World, every_s: float) -> None:
        step_ms = int(world.clock[0]["step_ms"])
        self._ticks = max(1, round(every_s * 1000 / step_ms))
        self.start = Look(world)
        self._kept = [self.start]

    def fork(self) -> Looks:
        """One that has seen the same and goes on by itself."""
        other = copy.copy(self)
        other._kept = list(self._kept)
        return other

    def run_to_wave(self, engine: Engine, steps: int) -> bool:
        """Run until a wave waits for its answer; False if the run ends without."""
        while True:
            done = int(engine.world.clock[0]["step"])
            target = min(done - done % self._ticks + self._ticks, steps)
            if engine.run_to(target, stop_at_wave=True) == step.WAVE:
                return True
            if target == steps:
                return False
            self._kept = [self._kept[-1], Look(engine.world)]

    def run_to_first_call(self, engine: Engine, steps: int) -> Look | None:
        """Run until the policy has answered a wave; look back from there.

        Whether policies share their past, and a wave of another's alarm ends it, makes no
        difference.

        Parameters
        ----------
        engine : Engine
            That has not answered any wave; one may wait for its answer.
        steps : int
            Of the whole run.

        Returns
        -------
        Look or None
            The last look at least a tick of the clock before the wave, or that at the
            start; None if the run ended without a call.

        Raises
        ------
        PolicyError
            If the policy gave an answer that must not be booked.
        """
        is_waiting = int(engine.world.clock[0]["phase"]) == step.WAVING
        while is_waiting:
            called = int(engine.world.clock[0]["step"])
            engine.answer_if_asked()
            if engine.record.calls:
                early = [one for one in self._kept if called - one.step >= self._ticks]
                return early[-1] if early else self.start
            is_waiting = self.run_to_wave(engine, steps)
        return None


def _still(world: World) -> World:
    """What a wave is gathered from, as it stands now."""
    ledger = world.ledger._replace(
        **{
            name: copied(getattr(world.ledger, name))
            for name in ("accounts", "positions", "pots", "open_interest", "ages", "lows")
        }
    )
    markets = world.markets._replace(state=copied(world.markets.state))
    risk = world.risk._replace(watch=np.zeros_like(world.risk.watch))
    clock = copied(world.clock)
    return world._replace(clock=clock, ledger=ledger, markets=markets, risk=risk)


def columns(look: Look | None, policy: Policy, calls: Sequence[Call]) -> dict[str, float]:
    """What the row of a run says of foresight; the calls are those of its first episode."""
    found = judged(look, policy, calls)._asdict()
    return {f"predict_{name}": value for name, value in found.items()}


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
