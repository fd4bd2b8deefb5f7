"""The whole state of one simulated venue, as plain numpy arrays.

A world is a tuple of tuples of structured arrays, so that compiled code can take it and
one call can copy it: a copy is a fork of history. Nothing in it is sized accounts times
markets: accounts hold linked lists of positions and of orders, in pools whose freed
slots are used again.

The rooms, in reading order: `clock`; `markets` (specs, state, shocks); `book`; `ledger`;
`risk` (triggers, tiers, ladder); `crowd` (traders); `makers`; `inbox` (orders on their
way); `logs` (what happened).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from abm.compiled import inlined, kernel

Array = npt.NDArray[Any]

NONE = -1
"""The index that points nowhere: end of a list, no order, no account."""

# Kinds of account that every venue has; the scenario's trader kinds follow from
# FIRST_TRADER_KIND on, in its order.
BACKSTOP = 0
INSURANCE = 1
MAKER = 2
USER = 3
FIRST_TRADER_KIND = 4
HOUSE_KINDS = ("backstop", "insurance", "maker", "user")

# The venue's purses are the first accounts of every world.
BACKSTOP_ACCOUNT = 0
INSURANCE_ACCOUNT = 1

# --- records ----------------------------------------------------------------------------

CLOCK = np.dtype(
    [
        ("seed", "u8"),
        ("step", "i8"),
        ("step_ms", "i8"),
        ("now_ms", "i8"),
        ("phase", "i8"),
        ("has_agents", "i8"),
        ("backstop_due_ms", "i8"),
        ("wave_due_ms", "i8"),
        ("funding_due_ms", "i8"),
        ("path_due_ms", "i8"),
        ("path_interval_ms", "i8"),
        ("first_takeover_ms", "i8"),
        ("log_volatility", "f8"),
    ],
    align=True,
)
"""Time, the phase within the step (see `abm.step`), and when each clock strikes next."""

ORACLE = np.dtype(
    [
        ("degrees", "f8"),
        ("factor_share", "f8"),
        ("log_volatility_sd", "f8"),
        ("log_volatility_decay", "f8"),
        ("excitation", "f8"),
        ("jumps_per_step", "f8"),
        ("jump_mean", "f8"),
        ("jump_sd", "f8"),
        ("feedback", "f8"),
        ("feedback_lag", "f8"),
        ("feedback_decay", "f8"),
        ("mark_rule", "i8"),
        ("basis_decay", "f8"),
        ("variance_decay", "f8"),
        ("trend_decay", "f8"),
        ("funding_interval_ms", "i8"),
        ("funding_interest", "f8"),
        ("funding_cap", "f8"),
    ],
    align=True,
)
"""What all markets' prices share; decays are per step, funding rates per interval."""

SPEC = np.dtype(
    [
        ("unit", "i8"),
        ("start", "i8"),
        ("first_tier", "i8"),
        ("n_tiers", "i8"),
        ("beta", "f8"),
        ("step_volatility", "f8"),
        ("depth_lots", "f8"),
        ("half_spread", "f8"),
    ],
    align=True,
)
"""A market's constants: quanta per tick and lot, tick at the start, margin tiers,
volatility per step, lots within 1% of the middle a side, half spread as a fraction."""

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
        ("mid_before", "f8"),
        ("liquidation_move", "f8"),
        ("impact", "f8"),
        ("premium", "f8"),
        ("premium_steps", "i8"),
        ("funding_carry", "f8"),
        ("liquidated_lots", "i8"),
        ("taken_over_lots", "i8"),
    ],
    align=True,
)
"""A market's state: index and mark in ticks, mark at the last wave tick, mark up to which
triggers were swept; running variance, trend and basis of the index (fractions); feedback
still in the index; premium summed since the last funding."""

SHOCK = np.dtype(
    [("market", "i8"), ("start_ms", "i8"), ("duration_ms", "i8"), ("log_return", "f8")],
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
"""A market's place in the level arrays, its number of ticks, best prices (-1 and `size`
where a side is empty), last traded tick, traded lots."""

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
"""A working order: its neighbours in the queue of its level and in its owner's list."""

POOL = np.dtype(
    [
        ("free", "i8"),
        ("used", "i8"),
        ("next_id", "i8"),
        ("n_fills", "i8"),
        ("refused", "i8"),
    ],
    align=True,
)

FILL = np.dtype([("lots", "i8"), ("tick", "i8"), ("maker", "i8")], align=True)

ACCOUNT = np.dtype(
    [
        ("cash", "i8"),
        ("principal", "i8"),
        ("fees", "i8"),
        ("given", "i8"),
        ("paid_out", "i8"),
        ("cooldown_ms", "i8"),
        ("first_position", "i4"),
        ("first_order", "i4"),
        ("parent", "i4"),
        ("trader", "i4"),
        ("debt_market", "i4"),
        ("kind", "i2"),
        ("debt_side", "i1"),
        ("touched", "i1"),
        ("watched", "i1"),
        ("stage", "i1"),
        ("at_bottom", "i1"),
    ],
    align=True,
)
"""A margin pool. An isolated position is an account of its own whose `parent` is the
trader's cross account. `given` is what haircuts of cash and of withdrawals have taken so
far, `paid_out` what was withdrawn less what was deposited since the start; `stage` is 1
once the ladder has taken its first slice, `at_bottom` once no rung but the wave is left;
`debt_market` and `debt_side` say where a liquidation of it last traded."""

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
"""Signed lots and the signed cost they were opened at (quanta); `trigger` is the mark at
which the account must be looked at again, with its neighbours in that tick's list."""

POTS = np.dtype(
    [
        ("fees", "i8"),
        ("deposits", "i8"),
        ("withdrawals", "i8"),
        ("insurance_paid", "i8"),
        ("socialised", "i8"),
        ("withheld", "i8"),
        ("excess_debt", "i8"),
        ("claims", "i8"),
        ("free_position", "i8"),
        ("used_positions", "i8"),
        ("n_touched", "i8"),
        ("backstop", "i8"),
        ("insurance", "i8"),
        ("taker_ppm", "i8"),
        ("maker_ppm", "i8"),
        ("liquidation_ppm", "i8"),
        ("insurance_ppm", "i8"),
        ("self_trade", "i8"),
    ],
    align=True,
)
"""The venue's own money and rates: fees kept, money that came in and went out.

A withdrawal is cut by ``excess_debt / claims`` (nothing if there is no excess debt);
`withheld` is what was kept back and has not paid a debt yet."""

TIER = np.dtype(
    [
        ("floor", "i8"),
        ("initial_ppm", "i8"),
        ("maintenance_ppm", "i8"),
        ("initial_deduction", "i8"),
        ("maintenance_deduction", "i8"),
    ],
    align=True,
)

RUNG = np.dtype(
    [
        ("rung", "i8"),
        ("share_ppm", "i8"),
        ("above", "i8"),
        ("cooldown_ms", "i8"),
        ("until", "i8"),
        ("price", "i8"),
        ("slippage_ppm", "i8"),
        ("spread", "f8"),
        ("down_to_ppm", "i8"),
        ("below_ppm", "i8"),
        ("loss_cap", "i8"),
        ("mode", "i8"),
        ("up_to", "i8"),
        ("up_to_ppm", "i8"),
        ("tick_ms", "i8"),
    ],
    align=True,
)

WATCH = np.dtype([("n", "i8"), ("unwind_ppm", "i8")], align=True)

ALARM = np.dtype(
    [
        ("window_ms", "i8"),
        ("start_ppm", "i8"),
        ("stop_ppm", "i8"),
        ("period_ms", "i8"),
        ("due_ms", "i8"),
        ("slots", "i8"),
        ("slot", "i8"),
        ("peak", "i8"),
        ("on", "i8"),
    ],
    align=True,
)
"""An alarm on the insurance fund's drawdown from its rolling peak: the window, the
drawdowns at which it goes on and off, the ring of peaks that the window is cut into (see
`abm.venue.fund`), the highest of them (quanta), and whether it is on."""

AGE = np.dtype(
    [
        ("age_ms", "i8"),
        ("period_ms", "i8"),
        ("due_ms", "i8"),
        ("slots", "i8"),
        ("slot", "i8"),
    ],
    align=True,
)
"""An age from which gains count as older, and the ring of lows that it is told by (see
`abm.venue.gains`)."""

PEAK_SLOTS = 481
"""Slots of an alarm's ring: 480 parts of the window, and the present one."""

LOW_SLOTS = 5
"""Slots of an age's ring: four parts of the age, and the present one."""

KIND = np.dtype(
    [
        ("act_mean_ms", "f8"),
        ("stress_haste", "f8"),
        ("trend", "f8"),
        ("market_order_share", "f8"),
        ("limit_offset", "f8"),
        ("turnover", "f8"),
        ("flip_share", "f8"),
        ("comfort", "f8"),
        ("top_up_share", "f8"),
        ("cut_share", "f8"),
        ("cut_size", "f8"),
        ("stop_loss", "f8"),
        ("rebuild_share", "f8"),
        ("rebuild_latency_log_mean", "f8"),
        ("rebuild_latency_log_sd", "f8"),
        ("rebuild_size", "f8"),
        ("leave_hazard", "f8"),
    ],
    align=True,
)
"""A kind of trader: one row of parameters over the habits that all traders share."""

TRADER = np.dtype(
    [
        ("wake_ms", "i8"),
        ("reaction_ms", "i8"),
        ("closed_lots", "i8"),
        ("leverage", "f8"),
        ("hit", "f8"),
        ("account", "i4"),
        ("kind", "i4"),
        ("market", "i4"),
        ("next", "i4"),
        ("next_reaction", "i4"),
        ("hit_market", "i4"),
        ("mood", "i1"),
    ],
    align=True,
)
"""A trader: when it acts and reacts next (and the next trader in that slot of the wheel),
home market, the leverage it likes, and what ADL last took from it: the share of its
capacity, the market, the signed lots that were closed."""

CROWD = np.dtype([("n_due", "i8"), ("n_hits", "i8"), ("rebuilt", "i8"), ("left", "i8")])

MAKER_STATE = np.dtype(
    [
        ("account", "i8"),
        ("market", "i8"),
        ("share", "f8"),
        ("capital", "i8"),
        ("away_until_ms", "i8"),
        ("quotes", "i8"),
    ],
    align=True,
)

QUOTING = np.dtype(
    [
        ("ladder_total", "f8"),
        ("inventory_limit", "f8"),
        ("skew", "f8"),
        ("thinning", "f8"),
        ("widening", "f8"),
        ("max_thinning", "f8"),
        ("exit_fear", "f8"),
        ("exit_chance", "f8"),
        ("exit_loss", "f8"),
        ("return_mean_ms", "f8"),
        ("requote_chance", "f8"),
    ],
    align=True,
)

REQUEST = np.dtype(
    [
        ("lots", "i8"),
        ("tick", "i4"),
        ("account", "i4"),
        ("market", "i4"),
        ("side", "i1"),
        ("kind", "i1"),
        ("reduce_only", "i1"),
        ("cancel_first", "i1"),
    ],
    align=True,
)
"""An order on its way to the book."""

LIQUIDATION = np.dtype(
    [
        ("now_ms", "i8"),
        ("lots", "i8"),
        ("value", "i8"),
        ("shortfall", "i8"),
        ("mark", "i8"),
        ("account", "i4"),
        ("market", "i4"),
        ("rung", "i4"),
    ],
    align=True,
)
"""A liquidation event: signed lots closed or handed over, what they went for (quanta),
money missing where a purse paid (quanta)."""

PATH = np.dtype(
    [
        ("now_ms", "i8"),
        ("market", "i8"),
        ("index", "i8"),
        ("mark", "i8"),
        ("bid", "i8"),
        ("ask", "i8"),
        ("bid_depth", "i8"),
        ("ask_depth", "i8"),
        ("open_interest", "i8"),
        ("backstop_equity", "i8"),
        ("insurance_equity", "i8"),
        ("volume", "i8"),
        ("liquidated_lots", "i8"),
    ],
    align=True,
)

COUNTS = np.dtype([("inbox", "i8"), ("liquidations", "i8"), ("paths", "i8")], align=True)

# --- rooms ------------------------------------------------------------------------------


class Markets(NamedTuple):
    """Prices: what all markets share, each market's constants and state, the script."""

    oracle: Any
    specs: Any
    state: Any
    shocks: Any


class Book(NamedTuple):
    """All markets' order books: `tops` one a market, `levels` one a tick and market."""

    tops: Any
    levels: Any
    bits: Any
    summary: Any
    orders: Any
    pool: Any
    fills: Any


_NO_AGES = np.zeros(0, AGE)
_NO_LOWS = np.zeros((0, 0, LOW_SLOTS), np.int64)
_NO_ALARMS = np.zeros(0, ALARM)
_NO_PEAKS = np.zeros((0, PEAK_SLOTS), np.int64)


class Ledger(NamedTuple):
    """Who has what.

    `open_interest` is each market's long lots; `touched` lists the accounts that changed
    since they were last checked. `ages` and `lows[account, age, slot]` tell how old an
    account's gains are; both are empty unless a policy asks for it.
    """

    accounts: Any
    positions: Any
    pots: Any
    open_interest: Any
    touched: Any
    ages: Any = _NO_AGES
    lows: Any = _NO_LOWS


class Risk(NamedTuple):
    """Margin tiers, the liquidation ladder, and whom to look at when a mark moves.

    `triggers[side, level]` heads the list of positions to look at when the mark reaches
    that level from the other side; `watched` lists accounts below maintenance. `alarms`
    and `peaks[alarm, slot]` watch the insurance fund, if a policy asks for it.
    """

    tiers: Any
    rungs: Any
    triggers: Any
    watched: Any
    watch: Any
    alarms: Any = _NO_ALARMS
    peaks: Any = _NO_PEAKS


class Crowd(NamedTuple):
    """The traders and the two timing wheels (actions, reactions) that wake them."""

    kinds: Any
    traders: Any
    wheel: Any
    due: Any
    keys: Any
    hits: Any
    state: Any


class Makers(NamedTuple):
    """The market makers; `ladder[k]` is (offset of rung k as a fraction, its share)."""

    makers: Any
    quoting: Any
    ladder: Any


class Logs(NamedTuple):
    """What happened since Python last looked."""

    liquidations: Any
    paths: Any
    counts: Any


class World(NamedTuple):
    """The whole state of one simulated venue."""

    clock: Any
    markets: Markets
    book: Book
    ledger: Ledger
    risk: Risk
    crowd: Crowd
    makers: Makers
    inbox: Any
    logs: Logs


def copy(world: World) -> World:
    """Fork history: a world equal to the given one that shares no memory with it."""
    rooms: list[Any] = [
        _copied(room)
        if isinstance(room, np.ndarray)
        else type(room)(*(_copied(array) for array in room))
        for room in world
    ]
    return World(*rooms)


def _copied(array: Array) -> Array:
    """A copy byte by byte: numpy's own goes field by field, ten times as slowly."""
    return array.view(np.uint8).copy().view(array.dtype)


def arrays(world: World) -> dict[str, Array]:
    """Every array of a world by its dotted name, in a fixed order."""
    found: dict[str, Array] = {}
    for name, room in zip(world._fields, world, strict=True):
        if isinstance(room, np.ndarray):
            found[name] = room
        else:
            pairs = zip(room._fields, room, strict=True)
            found.update({f"{name}.{field}": array for field, array in pairs})
    return found


def nbytes(world: World) -> int:
    """Memory of a world in bytes."""
    return sum(array.nbytes for array in arrays(world).values())


# --- lookups ----------------------------------------------------------------------------


@inlined
def find_position(ledger: Ledger, account: int, market: int) -> int:
    """Slot of an account's position in a market, or `NONE`."""
    slot = ledger.accounts[account].first_position
    while slot != NONE and ledger.positions[slot].market != market:
        slot = ledger.positions[slot].next
    return slot


@inlined
def touch(ledger: Ledger, account: int) -> None:
    """Put an account on the list of those whose margin must be looked at again."""
    owner = ledger.accounts[account]
    if owner.touched == 0:
        owner.touched = 1
        pots = ledger.pots[0]
        ledger.touched[pots.n_touched] = account
        pots.n_touched += 1


# --- invariants -------------------------------------------------------------------------


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
    for i in range(ledger.positions.shape[0]):
        if ledger.positions[i].account != NONE:
            missing += ledger.positions[i].cost
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
