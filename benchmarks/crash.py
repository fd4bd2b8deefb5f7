"""A crash tick: one mark bankrupts half of 10,000 accounts, ADL closes their contracts.

Ours runs a whole step of the market, from the index to the settled wave. lrvx closes the
bankrupt and as many winners as their deficit asks for, so its book is left one-sided;
ours closes every contract of the bankrupt against one of a winner.
"""

from __future__ import annotations

import math

import lrvx
import numpy as np

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.units import QUANTA_PER_USD
from abm.world import Array, World
from benchmarks.common import Row, interleaved
from benchmarks.crowds import MAINTENANCE, START_TICK, one_position_each

N_ACCOUNTS = 10_000
FALL = 0.15
LONG_ENTRY, SHORT_ENTRY = START_TICK, START_TICK + 430
LOTS, LOT, TICK = 1000, 0.001, 0.1
CASH = LOTS * START_TICK * 100 // 10
"""Quanta that make a position of ten times leverage."""


def spare_cash() -> Array:
    """Quanta that each short has besides, up to as much again."""
    return np.random.default_rng(1).integers(0, CASH, N_ACCOUNTS // 2)


def our_world() -> World:
    """Longs at ten times leverage, shorts with a little more, and a fall to come."""
    count = N_ACCOUNTS // 2
    lots = np.repeat([LOTS, -LOTS], count)
    entry = np.repeat([LONG_ENTRY, SHORT_ENTRY], count)
    cash = np.concatenate([np.full(count, CASH), CASH + spare_cash()])
    fall = {"start_s": 0.0, "log_return": math.log(1.0 - FALL)}
    return one_position_each(lots, entry, cash, [fall])


def our_engine(world: World) -> Engine:
    """Ready for the step in which the price falls."""
    return Engine(w.copy(world), compose("hyperliquid", PRESETS["hyperliquid"]))


def their_engine() -> lrvx.LiquidationEngine:
    """The same accounts in lrvx, with ADL on and no insurance fund."""
    engine = lrvx.LiquidationEngine()
    engine.add_tier(0.0, MAINTENANCE)
    engine.set_adl_enabled(True)
    engine.set_insurance_fund_capital(0.0)
    cash, count = CASH / QUANTA_PER_USD, N_ACCOUNTS // 2
    for i, spare in enumerate((spare_cash() / QUANTA_PER_USD).tolist()):
        engine.open_position(i, 1, LOTS * LOT, LONG_ENTRY * TICK, cash)
        engine.open_position(count + i, 1, -LOTS * LOT, SHORT_ENTRY * TICK, cash + spare)
    return engine


def run() -> list[Row]:
    """Time the tick, then add up what is left of the books."""
    world = our_world()
    fallen = round(START_TICK * (1.0 - FALL)) * TICK
    ours, theirs = interleaved(
        [
            (lambda engine: engine.run_to(1), lambda: our_engine(world)),
            (lambda engine: engine.on_mark(1, fallen), their_engine),
        ],
        repetitions=15,
        warm_up=5,
    )
    engine, peer = our_engine(world), their_engine()
    engine.run_to(1)
    engine.finish()
    fills = engine.record.calls[0].outcome.fills
    net = int(w.lots_out_of_balance(engine.world.ledger)[0])
    answer = peer.on_mark(1, fallen)
    count = N_ACCOUNTS // 2
    gone = set(answer["liquidated"]) | set(answer["adl_closed_out"])
    closed_longs = sum(account < count for account in gone)
    their_net = (count - closed_longs) - (count - (len(gone) - closed_longs))
    return [
        Row(
            what=f"a crash tick of {N_ACCOUNTS:,} accounts with ADL",
            ours=f"{1e3 * ours:.2f} ms",
            peer=f"lrvx {1e3 * theirs:.1f} ms",
            ratio=theirs / ours,
            bar="2 ms",
            met=ours < 2e-3 and net == 0,
            same_work=f"{len(fills):,} closed by ADL, lots sum to {net}; "
            f"lrvx {len(answer['adl_closed_out']):,}, its contracts sum to {their_net:,}",
        )
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
