"""Compiling all kernels ahead of the first run, and saying so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from abm import compiled, scenario
from abm.world import World

if TYPE_CHECKING:
    from abm.adl.policy import Policy
    from abm.adl.wave import Wave

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
    """Compile every kernel, unless that is done: then each is loaded when it is used.

    Parameters
    ----------
    quiet : bool
        Say nothing, whatever is compiled.
    """
    if not compiled.is_cold():
        return
    if not quiet:
        print(
            "Compiling the simulation kernels (once a version, under a minute)...",
            file=sys.stderr,
            flush=True,
        )
    begun = time.perf_counter()
    others = [warm_up_step, warm_up_adl, warm_up_sharing, warm_up_playing]
    stages = [*_market_stages(), *others]
    bar = tqdm(total=len(stages), unit="stage", disable=True if quiet else None)
    with bar, _helper() as finish_helper:
        for stage in stages:
            if stage is warm_up_adl:
                finish_helper()
            stage()
            bar.update()
    compiled.note_whole()
    if not quiet:
        print(f"Compiled in {time.perf_counter() - begun:.0f} s.", file=sys.stderr)


@contextmanager
def _helper() -> Iterator[Callable[[], object]]:
    """A second process that compiles the other half, what ADL needs, into the same cache.

    Gives a function that waits for it. Without it, or if it fails, this process compiles
    all: what it finds in the cache it only loads.
    """
    if (os.cpu_count() or 1) < 2:
        yield lambda: None
        return
    code = (
        "from abm import warm; "
        "warm.warm_up_adl(); warm.warm_up_sharing(); warm.warm_up_playing()"
    )
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-c", code], stdout=nowhere, stderr=nowhere)
    try:
        yield process.wait
    finally:
        process.kill()
        process.wait()


def _tiny_world() -> World:
    from abm import genesis

    return genesis.new_world(scenario.from_mapping(_TINY), 1)


def _market_stages() -> list[Callable[[], object]]:
    """Calls that compile what a step is made of, one part at a time."""
    from abm.market.makers import requote
    from abm.traders.habits import let_traders_act
    from abm.venue.liquidation import liquidate

    worlds: list[World] = []
    return [
        lambda: worlds.append(_tiny_world()),
        lambda: requote(worlds[0]),
        lambda: let_traders_act(worlds[0]),
        lambda: liquidate(worlds[0]),
    ]


def warm_up_step() -> None:
    """Take a step, end a run, see off who leaves, ask how far the venue is from short."""
    from abm.adl.compose import PRESETS, compose
    from abm.engine import Engine
    from abm.traders.habits import see_off
    from abm.venue.distress import distress

    engine = Engine(_tiny_world(), compose("none", PRESETS["none"]), look_every=1)
    engine.run_to(2)
    engine.finish()
    see_off(engine.world)
    distress(engine.world)


def warm_up_adl() -> None:
    """Gather a wave and settle nothing in every way, and move the step's prices."""
    from abm.adl import checked, eligibility, scores, seniority, settlement
    from abm.adl.answers import build
    from abm.adl.compose import PRESETS, compose
    from abm.adl.record import Payers
    from abm.adl.wave import gather
    from abm.engine import Engine
    from abm.venue.gains import keep_ages
    from abm.venue.ledger import stop_cutting_withdrawals

    world = keep_ages(_tiny_world(), [60.0])
    _warm_up_prices(world)
    none = np.zeros(0, np.int64)
    wave = gather(world, 0, True)
    payers = Payers(none, none, none, none)
    entry = {"rule": "contracts", "price": "entry"}
    for answer in (entry, "cash", "withdrawals"):
        part = build("settlement", answer, settlement.ANSWERS)
        part.book(world, wave, part.entries(wave, payers, none, none))
        part.worst(wave)
    for who in (eligibility.positions(), eligibility.profits(), eligibility.holders()):
        who(wave, wave.candidates["value"].copy(), ())
    stop_cutting_withdrawals(world.ledger)
    seniority.tiers(gather(world, 0, True), payers, [none])
    scores.random()(wave, payers)
    queue = compose("hyperliquid", PRESETS["hyperliquid"])
    queue.reach(wave, [1.0])
    compose("pro-rata", PRESETS["pro-rata"]).reach(wave, [1.0])
    checked.need(wave, "contracts", queue.settlement.need(wave, 1.0))
    engine = Engine(world, compose("none", PRESETS["none"]))
    engine.answer_if_asked()
    engine.answer_wave()
    for name in ("hyperliquid", "pro-rata"):
        _warm_up_measures(compose(name, PRESETS[name]), wave)


def _warm_up_measures(policy: Policy, wave: Wave) -> None:
    """What is kept of a call, and what is measured of it."""
    from abm.adl import bounds
    from abm.adl.record import Call, Outcome
    from abm.adl.summary import in_brief
    from abm.measures.accounts import fresh_rows
    from abm.measures.burden import burden_of
    from abm.measures.predictability import came, if_called, shown

    before = shown(policy, wave)
    wave = if_called(wave)
    decision = policy.decide(wave)
    entries = policy.entries(wave, decision)
    call = Call(wave, Outcome(decision, entries.fills, entries.haircuts), 0, 0, 0)
    bounds.largest(decision.payers.capacity, 1)
    came([call], before.account, before.notional, wave.mark)
    fresh_rows(before.account, np.zeros(wave.account_slots, bool))
    burden_of(call, policy)
    in_brief(call, policy)


def _warm_up_prices(world: World) -> None:
    """What a step does with prices, money and the record of a step."""
    from abm import step
    from abm.market.marks import update_marks
    from abm.market.oracle import move_index
    from abm.venue.funding import accrue_funding

    move_index(world)
    update_marks(world.markets, world.book)
    accrue_funding(world)
    step.record(world)


def warm_up_playing() -> None:
    """Draw who plays, show them what they see, and book a split."""
    from abm import genesis
    from abm.adl.compose import PRESETS, compose
    from abm.gaming.players import Players

    play = {"gaming": {"play": {"split": 1.0}}}
    given = scenario.from_mapping(_TINY | play)
    players = Players(given, genesis.new_world(given, 1))
    players.act(genesis.new_world(given, 1), compose("none", PRESETS["none"]))


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
    capped_pro_rata(capacity, share, 5)
    levelling_down(capacity, 5)
    last_takes_rest(capacity, 5)
    exponential_penalty(capacity, share, 5)
    round_to_sum(capacity * share, capacity, 5)
