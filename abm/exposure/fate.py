"""What became of one account in a run under a policy, and what it could see before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from abm import step
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.settlement.base import NO_FILLS
from abm.adl.wave import PolicyError
from abm.engine import Engine
from abm.measures import predictability
from abm.montecarlo.foresight import Look
from abm.units import usd
from abm.venue.margin import equity_of
from abm.world import NONE, Array, World


class Fate(NamedTuple):
    """What became of the account in a run under a policy; money in USD.

    Attributes
    ----------
    run, seed, policy
        Which run.
    failed, error
        Whether the policy was refused, and why; all below is then empty.
    called : bool
        Whether the policy asked anybody for anything.
    touched : bool
        Whether ADL closed or took anything of the account.
    closed_in_full : bool
        Whether ADL closed the last of what it held.
    liquidated : bool
        Whether the liquidation ladder sold or took over anything of it.
    closed_share : float
        Part of its contracts, by value at entry, that ADL closed.
    notional_usd, collateral_usd : float
        At the start.
    haircut_usd : float
        Lost against the mark by being closed, or taken in cash.
    profit_usd : float
        The profit that this came out of: of what was closed, or all there was.
    could_usd : float
        The most that it could have been asked for in any wave, with what it had given.
    forgone_usd : float
        What the closed contracts would have been worth more at the marks of the end.
    equity_end_usd : float
    lights_start, lights : float
        Lit part of the lights that the policy would show it at the start, and at the look
        of `abm.montecarlo.foresight` (NaN without a wave).
    stated_usd : float
        The most that it would then be told it could lose (NaN without a wave).
    look_s, first_wave_s : float
        Times of that look, and of the first wave.
    """

    run: int
    seed: int
    policy: str
    failed: bool
    error: str
    called: bool
    touched: bool
    closed_in_full: bool
    liquidated: bool
    closed_share: float
    notional_usd: float
    collateral_usd: float
    haircut_usd: float
    profit_usd: float
    could_usd: float
    forgone_usd: float
    equity_end_usd: float
    lights_start: float
    lights: float
    stated_usd: float
    look_s: float
    first_wave_s: float


class Known(NamedTuple):
    """What the account could see: its lights at the start and at the look, the bound."""

    lights_start: float
    lights: float
    stated_usd: float
    look_s: float
    first_wave_s: float

    @classmethod
    def of(
        cls,
        policy: Policy,
        number: int,
        start: Look,
        look: Look | None,
        calls: Sequence[Call],
    ) -> Known:
        """What a policy would show at the start and at a look, if there was one."""
        first, _ = _shown_to(policy, number, start)
        if look is None:
            return cls(first, np.nan, np.nan, np.nan, np.nan)
        lights, stated = _shown_to(policy, number, look)
        return cls(first, lights, stated, look.wave.now_s, calls[0].wave.now_s)


def _shown_to(policy: Policy, number: int, look: Look) -> tuple[float, float]:
    """Lights and bound of one account; none if it has no equity left, NaN if unknown."""
    try:
        shown = predictability.shown(policy, look.wave)
    except PolicyError:
        return np.nan, np.nan
    place = int(np.searchsorted(shown.account, number))
    if place == len(shown.account) or shown.account[place] != number:
        return 0.0, 0.0
    return float(shown.lights[place]), float(usd(int(shown.stated[place])))


class Held(NamedTuple):
    """What the account holds at the start: lots by market, quanta at entry, cash."""

    lots: Array
    cost: Array
    cash: int

    @classmethod
    def of(cls, world: World, number: int) -> Held:
        """What an account of a world holds."""
        n_markets = len(world.markets.specs)
        lots, cost = np.zeros((2, n_markets), np.int64)
        mine = world.ledger.positions[world.ledger.positions["account"] == number]
        lots[mine["market"]], cost[mine["market"]] = mine["lots"], mine["cost"]
        return cls(lots, cost, int(world.ledger.accounts["cash"][number]))


@dataclass
class Watch:
    """Follows one account through the calls of a run; money in quanta."""

    number: int
    held: Held
    called: bool = False
    given: int = 0
    loss: int = 0
    had_cash: int = 0
    had_closed: int = 0
    could: int = 0
    last_closed_s: float = -np.inf
    fills: list[Array] = field(default_factory=list)

    def live(self, engine: Engine, steps: int) -> None:
        """Run on to the end, and look at every call while it is whole."""
        status, noted = step.WAVE, 0
        while status == step.WAVE:
            for call in engine.record.calls[noted:]:
                self._note(call)
            noted = len(engine.record.calls)
            status = engine.run_to(steps, stop_at_wave=True)
            if status == step.WAVE:
                engine.answer_if_asked()
        engine.finish()

    def _note(self, call: Call) -> None:
        decision, wave = call.outcome.decision, call.wave
        if not decision.acted:
            return
        self.called |= bool(decision.amounts.any())
        mine = wave.candidates["account"][decision.payers.row] == self.number
        self.could = max(self.could, self.loss + int(decision.payers.worth[mine].sum()))
        fills = call.outcome.fills[call.outcome.fills["account"] == self.number]
        cuts = call.outcome.haircuts
        taken = int(cuts["amount"][cuts["account"] == self.number].sum())
        if len(fills):
            self._note_fills(fills, (wave.mark * wave.unit)[fills["market"]])
            self.last_closed_s = wave.now_s
        if taken:
            capacity = int(decision.payers.capacity[mine].sum())
            self.had_cash = max(self.had_cash, capacity + self.given)
            self.given += taken
            self.loss += taken

    def _note_fills(self, fills: Array, lot: Array) -> None:
        self.fills.append(fills)
        value: Array = fills["lots"] * lot
        got = fills["value"].sum() + fills["collateral"].sum()
        self.loss += int(value.sum() - got)
        part = np.abs(np.divide(fills["lots"], fills["held"]))
        self.had_closed += int((value - np.multiply(fills["cost"], part)).sum())

    def fate(self, run: int, engine: Engine, policy: Policy, known: Known) -> Fate:
        """What became of the account, once the run is over."""
        world, held = engine.world, self.held
        fills = np.concatenate([*self.fills, NO_FILLS])
        lot = (world.markets.state["mark"] * world.markets.specs["unit"])[fills["market"]]
        closed = np.bincount(fills["market"], np.abs(fills["lots"]), len(held.lots))
        share = closed / np.maximum(np.abs(held.lots), 1)
        notional = np.abs(held.cost)
        sold_s = _last_liquidation_s(engine, self.number)
        equity = int(equity_of(world.ledger, world.markets, self.number))
        is_flat = int(world.ledger.accounts["first_position"][self.number]) == NONE
        forgone = fills["lots"] * lot - fills["value"] - fills["collateral"]
        return Fate(
            run=run,
            seed=int(world.clock[0]["seed"]),
            policy=policy.name,
            failed=False,
            error="",
            called=self.called,
            touched=len(fills) > 0 or self.given > 0,
            closed_in_full=len(fills) > 0 and is_flat and self.last_closed_s >= sold_s,
            liquidated=bool(np.isfinite(sold_s)),
            closed_share=float(min((notional * share).sum() / notional.sum(), 1.0)),
            notional_usd=float(usd(int(notional.sum()))),
            collateral_usd=float(usd(held.cash)),
            haircut_usd=float(usd(self.loss)),
            profit_usd=float(usd(max(self.had_cash, 0) + self.had_closed)),
            could_usd=float(usd(max(self.could, self.loss))),
            forgone_usd=float(usd(int(forgone.sum()))),
            equity_end_usd=float(usd(equity)),
            **known._asdict(),
        )


def _last_liquidation_s(engine: Engine, number: int) -> float:
    """When the ladder last sold or took over something of an account; never: -inf."""
    rows = np.concatenate(engine.record.liquidations)
    times = rows["now_ms"][rows["account"] == number]
    return float(times[-1]) / 1000.0 if len(times) else -np.inf
