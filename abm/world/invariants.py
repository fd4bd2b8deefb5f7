"""What always holds in a world, and one paragraph on it."""

from __future__ import annotations

import numpy as np

from abm.compiled import kernel
from abm.world.records import NONE, Array
from abm.world.rooms import Book, Ledger, Risk, World, nbytes


class BrokenWorldError(AssertionError):
    """An invariant of the world does not hold: a bug, never the user's fault."""


@kernel
def money_missing(ledger: Ledger) -> int:
    """Quanta that should be there less those that are; zero in a sound world.

    What was deposited less what was withdrawn equals the sum over accounts of cash less
    the cost of their positions (the vault and the insurance fund are accounts), plus the
    fees that the venue keeps and what it withholds from withdrawals.
    """
    pots = ledger.pots[0]
    missing = pots.deposits - pots.withdrawals - pots.fees - pots.withheld
    for i in range(ledger.accounts.shape[0]):
        missing -= ledger.accounts[i].cash
    unseen = pots.used_positions
    for i in range(ledger.positions.shape[0]):
        if unseen == 0:
            break
        if ledger.positions[i].account != NONE:
            missing += ledger.positions[i].cost
            unseen -= 1
    return missing


def lots_out_of_balance(ledger: Ledger) -> Array:
    """Sum of signed lots in each market, shape (markets,); zeros in a sound world."""
    live = ledger.positions[ledger.positions["account"] != NONE]
    total = np.zeros(len(ledger.open_interest), np.int64)
    np.add.at(total, live["market"], live["lots"])
    return total


def check(world: World) -> None:
    """Check every invariant of the ledger and the book.

    Raises
    ------
    BrokenWorldError
        Naming the invariant and by how much it is off.
    """
    missing = int(money_missing(world.ledger))
    if missing:
        raise BrokenWorldError(f"money is not conserved: {missing} quanta are missing")
    off = np.flatnonzero(lots_out_of_balance(world.ledger))
    if off.size:
        raise BrokenWorldError(f"lots do not sum to zero in market {off[0]}")
    _check_open_interest(world.ledger)
    _check_ages(world.ledger)
    _check_alarms(world.risk)
    _check_book(world.book)


def _check_open_interest(ledger: Ledger) -> None:
    live = ledger.positions[ledger.positions["account"] != NONE]
    longs = np.zeros(len(ledger.open_interest), np.int64)
    np.add.at(longs, live["market"], np.maximum(live["lots"], 0))
    if (longs != ledger.open_interest).any():
        raise BrokenWorldError("open interest is not the sum of long lots")
    if (live["lots"] == 0).any():
        raise BrokenWorldError("a position of no lots was kept")


def _check_ages(ledger: Ledger) -> None:
    if len(ledger.ages) and len(ledger.lows) != len(ledger.accounts):
        raise BrokenWorldError("gains by age are not kept for every account")
    if (ledger.lows < 0).any():
        raise BrokenWorldError("an account's gains were negative")


def _check_alarms(risk: Risk) -> None:
    for alarm, ring in zip(risk.alarms, risk.peaks, strict=True):
        if alarm["peak"] != ring[: alarm["slots"]].max():
            raise BrokenWorldError("the fund's peak is not the highest within the window")


def _check_book(book: Book) -> None:
    tops = book.tops
    crossed = np.flatnonzero(tops["bid"] >= tops["ask"])
    if crossed.size:
        raise BrokenWorldError(f"the book of market {crossed[0]} is crossed")
    working = book.orders[book.orders["id"] != NONE]
    if (working["lots"] <= 0).any():
        raise BrokenWorldError("an order is overfilled")
    lots = np.zeros(len(book.levels), np.int64)
    np.add.at(
        lots, tops["first_level"][working["market"]] + working["tick"], working["lots"]
    )
    if (lots != book.levels["lots"]).any():
        raise BrokenWorldError("a level does not hold the sum of its orders")


def describe(world: World) -> str:
    """One paragraph on a world: time, accounts, positions, orders, memory."""
    clock, pots = world.clock[0], world.ledger.pots[0]
    ages, alarms = len(world.ledger.ages), len(world.risk.alarms)
    kept = f", gains by {ages + 1} ages" if ages else ""
    kept += f", {alarms} alarms on the fund" if alarms else ""
    return (
        f"t = {clock['now_ms'] / 1000:.1f} s, {len(world.markets.specs)} markets, "
        f"{len(world.ledger.accounts):,} accounts, {pots['used_positions']:,} positions, "
        f"{world.book.pool[0]['used']:,} working orders{kept}, "
        f"{nbytes(world) / 2**20:.1f} MiB"
    )
