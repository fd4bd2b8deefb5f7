"""What a row of each array of a world is, and the constants that stand in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
        ("look_every", "i8"),
        ("marks_until", "i8"),
        ("first_takeover_ms", "i8"),
        ("log_volatility", "f8"),
    ],
    align=True,
)
"""Time, the phase within the step (see `abm.step`), and when each clock strikes next;
`marks_until` is the last step after which marks are noted."""

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
        ("steps_per_sample", "i8"),
        ("samples_per_step", "f8"),
        ("trend_decay", "f8"),
        ("funding_interval_ms", "i8"),
        ("funding_interest", "f8"),
        ("funding_cap", "f8"),
    ],
    align=True,
)
"""What all markets' prices share; decays are per step (of the variance: per sample),
funding rates per interval."""

SPEC = np.dtype(
    [
        ("unit", "i8"),
        ("start", "i8"),
        ("first_tier", "i8"),
        ("n_tiers", "i8"),
        ("beta", "f8"),
        ("step_volatility", "f8"),
        ("trend_scale", "f8"),
        ("depth_lots", "f8"),
        ("half_spread", "f8"),
    ],
    align=True,
)
"""A market's constants: quanta per tick and lot, tick at the start, margin tiers,
volatility per step, log-return of a trend that traders notice, lots within 1% of the
middle a side, half spread as a fraction."""

MARKET = np.dtype(
    [
        ("index", "i8"),
        ("mark", "i8"),
        ("previous_mark", "i8"),
        ("swept", "i8"),
        ("log_index", "f8"),
        ("variance", "f8"),
        ("unsampled", "f8"),
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
triggers were swept; running variance of the index, its return since the variance was last
sampled, its trend and basis (fractions); feedback still in the index; premium summed
since the last funding."""

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
        ("withdrawn", "i8"),
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
far, `paid_out` what was withdrawn less what was deposited since the start, `withdrawn` what
its owner has taken out in all; `stage` is 1 once the ladder has taken its first slice,
`at_bottom` once no rung but the wave is left; `debt_market` and `debt_side` say where a
liquidation of it last traded."""

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
        ("rebuild_notional_slope", "f8"),
        ("rebuild_orders", "i8"),
        ("rebuild_pause_ms", "f8"),
        ("sits_out", "i8"),
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
        ("rebuilt", "i8"),
        ("orders_left", "i8"),
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
home market, the leverage it likes, what ADL last took from it (the share of its capacity,
the market, the signed lots that were closed), how often it has rebuilt, and how many
orders it will still send for that."""

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
        ("filled", "i8"),
        ("value", "i8"),
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
"""An order on its way to the book; once it was there, the lots that were filled at once
and the signed value they traded at (quanta)."""

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

STANDING = np.dtype(
    [
        ("at_ms", "i8"),
        ("insurance", "i8"),
        ("vault", "i8"),
        ("owed", "i8"),
        ("traders", "i8"),
        ("fees", "i8"),
    ],
    align=True,
)
"""The venue at a time: equity of the fund and the vault, what is owed, the equity of
everybody but the house (debts counted as nothing), fees kept so far; in quanta."""

COUNTS = np.dtype(
    [
        ("inbox", "i8"),
        ("liquidations", "i8"),
        ("paths", "i8"),
        ("standings", "i8"),
        ("marks", "i8"),
    ],
    align=True,
)
