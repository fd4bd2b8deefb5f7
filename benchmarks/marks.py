"""A mark reaches 437,000 one-position accounts: who is below maintenance? Against lrvx.

lrvx (C++) looks at every position at every mark. Ours looks at those whose trigger the
mark has reached. Both get the same accounts and the same marks, and must find the same
accounts below maintenance.
"""

from __future__ import annotations

import lrvx
import numpy as np

from abm import world as w
from abm.venue.liquidation import sweep_triggers, triage
from abm.world import Array, World
from benchmarks.common import Row, interleaved
from benchmarks.crowds import MAINTENANCE, START_TICK, one_position_each

N_ACCOUNTS = 437_000
N_MARKS = 60
TICK = 0.1
LOT = 0.001
SECOND_VOLATILITY = 0.04 / np.sqrt(86_400.0)


def crowd(seed: int = 1) -> tuple[Array, Array]:
    """Signed lots and cash (quanta); leverage is lognormal up to where margin ends."""
    rng = np.random.default_rng(seed)
    lots = np.ceil(rng.lognormal(5.0, 2.0, N_ACCOUNTS)).astype(np.int64)
    lots *= rng.choice([-1, 1], N_ACCOUNTS)
    leverage = rng.lognormal(np.log(2.0), 1.0, N_ACCOUNTS)
    leverage = np.where(leverage < 49.0, leverage, rng.uniform(25.0, 49.0, N_ACCOUNTS))
    cash = np.abs(lots) * START_TICK * 100 / leverage
    return lots, cash.astype(np.int64)


def minute(volatility: float, drift: float = 0.0, seed: int = 2) -> Array:
    """Sixty marks in ticks, one a second."""
    steps = np.random.default_rng(seed).normal(drift, volatility, N_MARKS)
    return np.rint(START_TICK * np.exp(np.cumsum(steps))).astype(np.int64)


def their_engine(lots: Array, cash: Array) -> lrvx.LiquidationEngine:
    """The same accounts in lrvx."""
    engine = lrvx.LiquidationEngine()
    engine.add_tier(0.0, MAINTENANCE)
    engine.set_adl_enabled(False)
    entry = START_TICK * TICK
    for account, (size, money) in enumerate(zip(lots.tolist(), cash.tolist(), strict=True)):
        engine.open_position(account, 1, size * LOT, entry, money / 1e6)
    return engine


def ours_through(world: World, marks: Array) -> None:
    """All marks of the minute, one after the other."""
    state = world.markets.state
    for mark in marks:
        state["mark"][0] = mark
        sweep_triggers(world.book, world.ledger, world.risk, world.markets)
        triage(world.book, world.ledger, world.risk, world.markets)


def theirs_through(engine: lrvx.LiquidationEngine, marks: Array) -> None:
    """The same for lrvx."""
    for mark in marks.tolist():
        engine.on_mark(1, mark * TICK)


def found_by_both(whole: World, lots: Array, cash: Array, marks: Array) -> str:
    """Whom each finds below maintenance in a minute, compared account by account."""
    world, engine = w.copy(whole), their_engine(lots, cash)
    ours_through(world, marks)
    mine = set((np.flatnonzero(world.ledger.accounts["watched"]) - 2).tolist())
    theirs: set[int] = set()
    for mark in marks.tolist():
        theirs.update(engine.on_mark(1, mark * TICK)["liquidated"])
    if mine == theirs:
        return f"the same {len(mine):,}"
    return f"NOT the same: {len(mine):,} and {len(theirs):,}"


def run() -> list[Row]:
    """Time a calm minute; compare what is found in it and in one of -20%."""
    lots, cash = crowd()
    whole = one_position_each(lots, np.full(N_ACCOUNTS, START_TICK), cash)
    calm = minute(SECOND_VOLATILITY)
    crash = minute(5 * SECOND_VOLATILITY, np.log(0.8) / N_MARKS)
    ours, theirs = interleaved(
        [
            (lambda world: ours_through(world, calm), lambda: w.copy(whole)),
            (lambda engine: theirs_through(engine, calm), lambda: their_engine(lots, cash)),
        ],
        repetitions=5,
    )
    ratio = theirs / ours
    in_calm, in_crash = (found_by_both(whole, lots, cash, marks) for marks in (calm, crash))
    return [
        Row(
            what=f"a mark of a calm minute, {N_ACCOUNTS:,} one-position accounts",
            ours=f"{1e6 * ours / N_MARKS:.1f} us",
            peer=f"lrvx {1e6 * theirs / N_MARKS:.0f} us",
            ratio=ratio,
            bar="10x",
            met=ratio >= 10.0 and "NOT" not in in_calm + in_crash,
            same_work=f"below maintenance: {in_calm}; in a minute of -20%: {in_crash}",
        )
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
