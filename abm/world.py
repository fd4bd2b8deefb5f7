"""The whole state of one simulated venue, as plain numpy arrays.

A world is a tuple of tuples of structured arrays, so that compiled code can take it and
one call can copy it: a copy is a fork of history. Nothing in it is sized accounts times
markets. Accounts hold linked lists of positions and of orders; freed slots are reused.

Reading order: the clock and the markets; the book; the ledger; the risk engine; the
crowd and the makers; the logs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from abm.compiled import inlined

Array = npt.NDArray[Any]

NONE = -1
"""The index that points nowhere: end of a list, no order, no account."""

# --- what a record holds ----------------------------------------------------------------

CLOCK = np.dtype(
    [
        ("now_ms", "i8"),
        ("step_ms", "i8"),
        ("step", "i8"),
        ("phase", "i8"),
        ("seed", "u8"),
        ("backstop_due_ms", "i8"),
        ("wave_due_ms", "i8"),
        ("funding_due_ms", "i8"),
        ("first_takeover_ms", "i8"),
        ("path_due_ms", "i8"),
        ("log_volatility", "f8"),
        ("factor", "f8"),
    ],
    align=True,
)

SPEC = np.dtype(
    [
        ("unit", "i8"),
        ("start", "i8"),
        ("first_tier", "i8"),
        ("n_tiers", "i8"),
        ("volatility", "f8"),
        ("beta", "f8"),
        ("own_volatility", "f8"),
        ("feedback", "f8"),
        ("feedback_decay", "f8"),
        ("depth", "f8"),
        ("half_spread", "f8"),
        ("minimum_lots", "i8"),
    ],
    align=True,
)

MARKET = np.dtype(
    [
        ("index", "i8"),
        ("mark", "i8"),
        ("previous_mark", "i8"),
        ("swept", "i8"),
        ("log_index", "f8"),
        ("variance", "f8"),
        ("trend", "f8"),
        ("basis", "f8"),
        ("impact", "f8"),
        ("mid_before", "f8"),
        ("premium", "f8"),
        ("premium_count", "i8"),
        ("funding_carry", "f8"),
        ("liquidated_lots", "i8"),
    ],
    align=True,
)

SHOCK = np.dtype(
    [
        ("market", "i8"),
        ("start_ms", "i8"),
        ("duration_ms", "i8"),
        ("log_return", "f8"),
    ],
    align=True,
)

TOP = np.dtype(
    [
        ("first_level", "i8"),
        ("first_word", "i8"),
        ("first_summary", "i8"),
        ("size", "i8"),
        ("bid", "i8"),
        ("ask", "i8"),
        ("last", "i8"),
        ("volume", "i8"),
    ],
    align=True,
)

LEVEL = np.dtype([("lots", "i8"), ("head", "i4"), ("tail", "i4")], align=True)

ORDER = np.dtype(
    [
        ("id", "i8"),
        ("lots", "i8"),
        ("tick", "i4"),
        ("account", "i4"),
        ("market", "i4"),
        ("side", "i1"),
        ("reduce_only", "i1"),
        ("before", "i4"),
        ("after", "i4"),
        ("own_before", "i4"),
        ("own_after", "i4"),
    ],
    align=True,
)

POOL = np.dtype(
    [("free", "i8"), ("used", "i8"), ("next_id", "i8"), ("n_fills", "i8"), ("refused", "i8")],
    align=True,
)

FILL = np.dtype(
    [
        ("lots", "i8"),
        ("tick", "i8"),
        ("maker", "i4"),
        ("maker_order", "i4"),
    ],
    align=True,
)

ACCOUNT = np.dtype(
    [
        ("cash", "i8"),
        ("principal", "i8"),
        ("fees", "i8"),
        ("cooldown_ms", "i8"),
        ("first_position", "i4"),
        ("first_order", "i4"),
        ("parent", "i4"),
        ("trader", "i4"),
        ("kind", "i2"),
        ("touched", "i1"),
        ("watched", "i1"),
        ("left", "i1"),
    ],
    align=True,
)

POSITION = np.dtype(
    [
        ("lots", "i8"),
        ("cost", "i8"),
        ("account", "i4"),
        ("market", "i4"),
        ("next", "i4"),
        ("trigger", "i4"),
        ("trigger_before", "i4"),
        ("trigger_after", "i4"),
    ],
    align=True,
)

POTS = np.dtype(
    [
        ("fees", "i8"),
        ("deposits", "i8"),
        ("withdrawals", "i8"),
        ("free_position", "i8"),
        ("used_positions", "i8"),
        ("n_touched", "i8"),
        ("n_watched", "i8"),
        ("taker_fee", "i8"),
        ("maker_fee", "i8"),
        ("liquidation_fee", "i8"),
        ("insurance_share", "i8"),
        ("backstop", "i8"),
        ("insurance", "i8"),
        ("self_trade", "i8"),
        ("withdrawn_by_leavers", "i8"),
    ],
    align=True,
)

TIER = np.dtype(
    [
        ("floor", "i8"),
        ("initial", "i8"),
        ("maintenance", "i8"),
        ("initial_deduction", "i8"),
        ("maintenance_deduction", "i8"),
    ],
    align=True,
)


# --- the rooms --------------------------------------------------------------------------


class Book(NamedTuple):
    """All markets' order books: `tops` one a market, `levels` one a tick and market."""

    tops: Any
    levels: Any
    bits: Any
    summary: Any
    orders: Any
    pool: Any
    fills: Any


class Ledger(NamedTuple):
    """Who has what: accounts, positions, the venue's pots, each market's open lots."""

    accounts: Any
    positions: Any
    pots: Any
    open_interest: Any
    touched: Any


@inlined
def find_position(ledger: Ledger, account: int, market: int) -> int:
    """Slot of an account's position in a market, or `NONE`."""
    slot = ledger.accounts[account].first_position
    while slot != NONE and ledger.positions[slot].market != market:
        slot = ledger.positions[slot].next
    return slot
