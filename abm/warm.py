"""Compiling all kernels ahead of the first run, and saying so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from abm import compiled, scenario

_TINY = {
    "name": "warm-up",
    "time": {"duration_s": 2.0},
    "markets": {
        "X": {
            "tick_usd": 0.1,
            "lot": 0.01,
            "start_usd": 100.0,
            "tiers": [{"notional_usd": 0, "max_leverage": 20}],
            "depth_usd": 1e4,
        }
    },
    "population": {"accounts": 4, "positions": 4},
    "kinds": {"passive": {"share": 1.0}},
}


def warm_up(quiet: bool = False) -> None:
    """Load every kernel, compiling those that no run on this machine has compiled yet.

    Parameters
    ----------
    quiet : bool
        Say nothing, whatever is compiled.
    """
    cold = compiled.is_cold()
    if cold and not quiet:
        print(
            "Compiling the simulation kernels (once a version, under a minute)...",
            file=sys.stderr,
            flush=True,
        )
    begun = time.perf_counter()
    stages = _stages()
    with tqdm(
        total=len(stages), unit="stage", disable=None if cold and not quiet else True
    ) as bar:
        for stage in stages:
            stage()
            bar.update()
    if cold and not quiet:
        print(f"Compiled in {time.perf_counter() - begun:.0f} s.", file=sys.stderr)


def _stages() -> list[Callable[[], object]]:
    """Calls that compile the kernels, the small ones first."""
    from abm import genesis, step
    from abm import world as w
    from abm.adl import eligibility, scores, seniority, settlement
    from abm.adl.answers import build
    from abm.adl.compose import PRESETS, compose
    from abm.adl.record import Payers
    from abm.adl.wave import gather
    from abm.engine import Engine
    from abm.market.makers import requote
    from abm.traders.habits import let_traders_act
    from abm.venue.ledger import stop_cutting_withdrawals
    from abm.venue.liquidation import liquidate

    tiny = scenario.from_mapping(_TINY)
    worlds: list[w.World] = []
    none = np.zeros(0, np.int64)

    def settle_nothing() -> None:
        wave = gather(worlds[0], 0, True)
        payers = Payers(none, none, none, none)
        entry = {"rule": "contracts", "price": "entry"}
        for answer in (entry, "cash", "withdrawals"):
            part = build("settlement", answer, settlement.ANSWERS)
            part.book(worlds[0], wave, payers, none, none)
            part.worst(wave)
        for who in (eligibility.positions(), eligibility.profits(), eligibility.holders()):
            who(wave, wave.candidates["value"].copy(), ())
        stop_cutting_withdrawals(worlds[0].ledger)
        seniority.tiers(gather(worlds[0], 0, True), payers, [none])

    def rank_by_chance() -> None:
        wave = gather(worlds[0], 0, True)
        scores.random()(wave, Payers(none, none, none, none))

    def finish() -> None:
        engine = Engine(worlds[0], compose("none", PRESETS["none"]))
        engine.run_to(tiny.time.steps)
        engine.answer_if_asked()
        engine.answer_wave()
        engine.finish()

    return [
        lambda: worlds.append(genesis.new_world(tiny, 1)),
        lambda: requote(worlds[0]),
        lambda: let_traders_act(worlds[0]),
        lambda: liquidate(worlds[0]),
        lambda: step.advance(worlds[0], 1),
        settle_nothing,
        rank_by_chance,
        warm_up_sharing,
        finish,
    ]


def warm_up_sharing() -> None:
    """Share a little by one rule of each shape, which loads every kernel of them."""
    from abm.adl.sharing.convex import exponential_penalty
    from abm.adl.sharing.levelling import levelling_down
    from abm.adl.sharing.payouts import last_takes_rest
    from abm.adl.sharing.proportional import capped_pro_rata, pro_rata
    from abm.adl.sharing.queue import queue
    from abm.adl.sharing.rounding import round_to_sum

    capacity, share = np.array([3, 4, 5]), np.array([0.5, 0.9, 1.0])
    queue(capacity, share, 5)
    pro_rata(capacity, 5)
    last_takes_rest(capacity, 5)
    capped_pro_rata(capacity, share, 5)
    levelling_down(capacity, 5)
    last_takes_rest(capacity, 5)
    exponential_penalty(capacity, share, 5)
    round_to_sum(capacity * share, capacity, 5)
