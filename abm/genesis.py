"""From a scenario and a seed to a world at time zero."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from abm import draws, units
from abm import world as w
from abm.compiled import kernel
from abm.market import book, marks
from abm.scenario import Market, Rung, Scenario
from abm.traders import endowments
from abm.traders.endowments import Endowments
from abm.traders.habits import schedule
from abm.venue import ladders, liquidation
from abm.venue.liquidation import triage
from abm.world import NONE, Array, World, touch

_WHEEL_SLOTS = 4096
_INBOX = 4096
_GRID_HEADROOM = 4
_VARIANCE_HALFLIFE_S = 30.0
_TREND_HALFLIFE_S = 60.0
_TREND_SCALE = 8.0
"""A trend that traders notice, in standard deviations of a calm second."""
_SAMPLE_S = 1.0
"""Length of the returns that realised volatility is measured on, s."""
_DAY_S = 86_400.0


def new_world(scenario: Scenario, seed: int) -> World:
    """Build the world in which a run of a scenario begins.

    Parameters
    ----------
    scenario : Scenario
        Its markets are those of :meth:`Scenario.all_markets`.
    seed : int
        Everything random is a function of it.

    Returns
    -------
    World
        Balanced (lots of every market sum to zero), every account sound, all armed.
    """
    crowd = endowments.draw(scenario, seed)
    house, maker_rows = house_accounts(scenario, seed)
    accounts = _accounts(house, crowd)
    first_trader = len(house)
    traders = trader_rows(crowd.kind, crowd.home, crowd.leverage)
    traders["account"] = first_trader + np.arange(crowd.n_traders)
    held = Held(first_trader + crowd.account, crowd.market, crowd.lots, crowd.cost)
    world = assembled(scenario, seed, accounts, held, traders, maker_rows)
    # Profits held at the start were paid for by somebody's losses: costs sum to what
    # the deposits fall short of cash.
    world.ledger.pots["deposits"] = accounts["cash"].sum() - crowd.cost.sum()
    open_market(world)
    return world


class Held(NamedTuple):
    """Positions at the start: account, market, signed lots, signed cost (quanta)."""

    account: Array
    market: Array
    lots: Array
    cost: Array


def assembled(
    scenario: Scenario, seed: int, accounts: Array, held: Held, traders: Array,
    maker_rows: Array,
) -> World:  # fmt: skip
    """A world at time zero around some accounts, their positions and their owners.

    Nobody is awake and no margin has been looked at yet (see :func:`open_market`); the
    pots know the venue's rates, and of no deposits.

    Parameters
    ----------
    accounts, traders, maker_rows : structured arrays
        Of `world.ACCOUNT`, `world.TRADER` and `world.MAKER_STATE`.
    """
    markets = list(scenario.all_markets().values())
    tops, total = _tops(markets)
    return World(
        clock=_clock(scenario, seed),
        markets=_markets(scenario, markets, seed),
        book=_book(scenario, tops, total, len(maker_rows), len(traders)),
        ledger=_ledger(scenario, accounts, held, len(traders), len(markets)),
        risk=_risk(scenario, markets, total, len(accounts)),
        crowd=_crowd(scenario, traders),
        makers=_maker_room(scenario, maker_rows),
        inbox=np.zeros(_INBOX + len(traders) // 4, w.REQUEST),
        logs=_logs(len(markets)),
    )


def open_market(world: World) -> None:
    """Give every trader a first time to act, and look at everybody's margin."""
    _wake_everyone(world)
    _arm_everyone(world)


def _clock(scenario: Scenario, seed: int) -> Array:
    clock = np.zeros(1, w.CLOCK)
    clock["seed"] = seed
    clock["step_ms"] = scenario.time.step_ms
    clock["funding_due_ms"] = round(scenario.venue.funding_interval_s * 1000)
    clock["first_takeover_ms"] = clock["marks_until"] = NONE
    return clock


def _decay(halflife_s: float, step_s: float) -> float:
    return float(0.5 ** (step_s / halflife_s))


def _markets(scenario: Scenario, markets: list[Market], seed: int) -> w.Markets:
    step_s = scenario.time.step_s
    specs = np.zeros(len(markets), w.SPEC)
    state = np.zeros(len(markets), w.MARKET)
    first_tier = 0
    for i, market in enumerate(markets):
        value = market.start_tick * market.unit
        specs[i]["unit"] = market.unit
        specs[i]["start"] = market.start_tick
        specs[i]["first_tier"] = first_tier
        specs[i]["n_tiers"] = len(market.tiers)
        specs[i]["beta"] = market.beta
        specs[i]["step_volatility"] = market.daily_volatility * math.sqrt(step_s / _DAY_S)
        second = market.daily_volatility * math.sqrt(1.0 / _DAY_S)
        specs[i]["trend_scale"] = second * _TREND_SCALE
        specs[i]["depth_lots"] = market.depth_usd * units.QUANTA_PER_USD / value
        specs[i]["half_spread"] = market.half_spread_bps * 1e-4
        first_tier += len(market.tiers)
    for field in ("index", "mark", "previous_mark", "swept"):
        state[field] = specs["start"]
    state["log_index"] = np.log(specs["start"])
    state["variance"] = specs["step_volatility"] ** 2
    return w.Markets(_oracle(scenario), specs, state, shocks(scenario, seed))


def _oracle(scenario: Scenario) -> Array:
    given, step_s = scenario.oracle, scenario.time.step_s
    oracle = np.zeros(1, w.ORACLE)
    for field in (
        "degrees", "factor_share", "log_volatility_sd", "jump_mean", "jump_sd", "feedback",
    ):  # fmt: skip
        oracle[field] = getattr(given, field)
    oracle["excitation"] = given.excitation * step_s
    oracle["jumps_per_step"] = given.jumps_per_day * step_s / _DAY_S
    oracle["log_volatility_decay"] = _decay(given.log_volatility_halflife_s, step_s)
    oracle["feedback_lag"] = _decay(given.feedback_lag_s, step_s)
    oracle["feedback_decay"] = _decay(given.feedback_halflife_s, step_s)
    oracle["mark_rule"] = marks.RULE_NAMES.index(scenario.mark.rule)
    oracle["basis_decay"] = _decay(scenario.mark.basis_halflife_s, step_s)
    steps_per_sample = max(1, round(_SAMPLE_S / step_s))
    oracle["steps_per_sample"] = steps_per_sample
    oracle["samples_per_step"] = max(1.0, step_s / _SAMPLE_S)
    halflife = scenario.makers.fear_halflife_s
    oracle["variance_decay"] = _decay(halflife, steps_per_sample * step_s)
    oracle["trend_decay"] = _decay(_TREND_HALFLIFE_S, step_s)
    venue = scenario.venue
    oracle["funding_interval_ms"] = round(venue.funding_interval_s * 1000)
    oracle["funding_interest"] = venue.funding_interest_per_8h
    oracle["funding_cap"] = venue.funding_cap_per_hour
    return oracle


def shocks(scenario: Scenario, seed: int) -> Array:
    """The script as a seed has it: shocks with their sizes drawn, records of `SHOCK`."""
    names = list(scenario.all_markets())
    script = np.zeros(len(scenario.shocks), w.SHOCK)
    for i, shock in enumerate(scenario.shocks):
        a, b, _, _ = draws.uniforms(seed, draws.SHOCK, i, 0)
        normal, _ = draws.normals_of(a, b)
        factor = math.exp(shock.spread * normal - 0.5 * shock.spread**2)
        script[i]["market"] = NONE if shock.market == "all" else names.index(shock.market)
        script[i]["start_ms"] = round(shock.start_s * 1000)
        script[i]["duration_ms"] = round(shock.duration_s * 1000)
        script[i]["log_return"] = shock.log_return * factor
    return script


def _tops(markets: list[Market]) -> tuple[Array, int]:
    """Where each market's levels lie, and how many levels there are in all."""
    tops = np.zeros(len(markets), w.TOP)
    level = word = summary = 0
    for i, market in enumerate(markets):
        size = -(-market.start_tick * _GRID_HEADROOM // 64) * 64
        tops[i]["first_level"], tops[i]["first_word"] = level, word
        tops[i]["first_summary"], tops[i]["size"] = summary, size
        tops[i]["last"] = market.start_tick
        level += size
        word += size // 64
        summary += -(-(size // 64) // 64)
    tops["bid"] = NONE
    tops["ask"] = tops["size"]
    return tops, level


def _book(
    scenario: Scenario, tops: Array, total: int, n_makers: int, n_traders: int
) -> w.Book:
    levels = np.zeros(total, w.LEVEL)
    levels["head"] = levels["tail"] = NONE
    last = tops[-1]
    n_words = int(last["first_word"] + last["size"] // 64)
    n_summary = int(last["first_summary"] + -(-(last["size"] // 64) // 64))
    n_orders = 4096 + 4 * n_makers * scenario.makers.levels + n_traders // 2
    return w.Book(
        tops=tops,
        levels=levels,
        bits=np.zeros(n_words, np.uint64),
        summary=np.zeros(n_summary, np.uint64),
        orders=free_orders(n_orders),
        pool=np.zeros(1, w.POOL),
        fills=np.zeros(n_orders, w.FILL),
    )


def free_orders(count: int) -> Array:
    """`count` free order slots, each pointing to the next, shape (count,)."""
    orders = np.zeros(count, w.ORDER)
    orders["id"] = NONE
    orders["after"] = np.arange(1, count + 1)
    orders["after"][-1] = NONE
    return orders


def house_accounts(scenario: Scenario, seed: int) -> tuple[Array, Array]:
    """House accounts (vault, fund, makers) and the makers' rows, as a seed has them."""
    markets = list(scenario.all_markets().values())
    shares = []
    for i, market in enumerate(markets):
        u = np.array(
            [draws.uniforms(seed, draws.MAKER_SIZE, i, k)[0] for k in range(market.makers)]
        )
        sizes = (1.0 - u) ** (-1.0 / scenario.makers.size_tail)
        shares.append(sizes / sizes.sum())
    count = sum(len(share) for share in shares)
    accounts = np.zeros(2 + count, w.ACCOUNT)
    accounts["kind"] = w.MAKER
    accounts["kind"][0], accounts["kind"][1] = w.BACKSTOP, w.INSURANCE
    accounts["cash"][0] = units.quanta(scenario.venue.vault_usd)
    accounts["cash"][1] = units.quanta(scenario.venue.insurance_usd)
    makers = np.zeros(count, w.MAKER_STATE)
    makers["account"] = np.arange(2, 2 + count)
    makers["market"] = np.repeat(np.arange(len(markets)), [len(s) for s in shares])
    makers["share"] = np.concatenate(shares)
    depth = np.array([market.depth_usd for market in markets])
    capital = scenario.makers.capital_of_depth * makers["share"] * depth[makers["market"]]
    makers["capital"] = np.round(capital * units.QUANTA_PER_USD)
    accounts["cash"][2:] = makers["capital"]
    accounts["parent"] = accounts["trader"] = NONE
    return accounts, makers


def _accounts(house: Array, crowd: Endowments) -> Array:
    """House accounts, then the traders' cross accounts, then their isolated ones."""
    theirs = np.zeros(crowd.n_accounts, w.ACCOUNT)
    theirs["cash"] = crowd.cash
    theirs["kind"] = w.FIRST_TRADER_KIND + crowd.kind[crowd.owner]
    theirs["trader"] = crowd.owner
    theirs["parent"] = NONE
    isolated = np.arange(crowd.n_accounts) >= crowd.n_traders
    theirs["parent"][isolated] = len(house) + crowd.owner[isolated]
    accounts = np.concatenate([house, theirs])
    accounts["principal"] = accounts["cash"]
    accounts["first_position"] = NONE
    accounts["first_order"] = NONE
    accounts["debt_market"] = NONE
    return accounts


def _positions(accounts: Array, held: Held, n_traders: int, n_markets: int) -> Array:
    count = len(held.lots)
    positions = free_positions(2 * count + _INBOX + n_traders + 4 * n_markets)
    filled = positions[:count]
    for name, column in zip(held._fields, held, strict=True):
        filled[name] = column
    # Chain each account's positions: the list begins at the last and runs backwards.
    order = np.argsort(filled["account"], kind="stable")
    owner = filled["account"][order]
    same = owner[1:] == owner[:-1]
    filled["next"] = NONE
    filled["next"][order[1:][same]] = order[:-1][same]
    last = np.append(~same, True) if count else np.zeros(0, bool)
    accounts["first_position"][owner[last]] = order[last]
    return positions


def free_positions(count: int) -> Array:
    """`count` free position slots, each pointing to the next, shape (count,)."""
    positions = np.zeros(count, w.POSITION)
    positions["account"] = NONE
    positions["trigger"] = NONE
    positions["next"] = np.arange(1, count + 1)
    positions["next"][-1] = NONE
    return positions


def _ledger(
    scenario: Scenario, accounts: Array, held: Held, n_traders: int, n_markets: int
) -> w.Ledger:
    venue = scenario.venue
    positions = _positions(accounts, held, n_traders, n_markets)
    pots = np.zeros(1, w.POTS)
    pots["free_position"] = len(held.lots)
    pots["used_positions"] = len(held.lots)
    pots["backstop"], pots["insurance"] = w.BACKSTOP_ACCOUNT, w.INSURANCE_ACCOUNT
    pots["taker_ppm"] = round(venue.taker_fee_bps * 100)
    pots["maker_ppm"] = round(venue.maker_fee_bps * 100)
    pots["liquidation_ppm"] = round(venue.liquidation_fee_bps * 100)
    pots["insurance_ppm"] = units.ppm(venue.fees_to_insurance)
    pots["self_trade"] = book.SELF_TRADE_NAMES.index(venue.self_trade)
    open_interest = np.zeros(n_markets, np.int64)
    np.add.at(open_interest, held.market, np.maximum(held.lots, 0))
    return w.Ledger(accounts, positions, pots, open_interest, np.zeros(len(accounts), "i4"))


def _risk(scenario: Scenario, markets: list[Market], total: int, n_accounts: int) -> w.Risk:
    tiers = np.concatenate([_tiers(market) for market in markets])
    rungs = ladders.rungs(scenario.venue.ladder)
    watch = np.zeros(1, w.WATCH)
    watch["unwind_ppm"] = units.ppm(
        1.0 - (1.0 - scenario.venue.vault_unwind_per_s) ** scenario.time.step_s
    )
    triggers = np.full((2, total), NONE, np.int32)
    return w.Risk(tiers, _rungs(rungs), triggers, np.zeros(n_accounts, "i4"), watch)


def _tiers(market: Market) -> Array:
    """Rates and deductions; a deduction makes margin continuous where tiers meet."""
    tiers = np.zeros(len(market.tiers), w.TIER)
    for i, given in enumerate(market.tiers):
        floor = units.quanta(given.notional_usd)
        tiers[i]["floor"] = floor
        initial = units.ppm(1.0 / given.max_leverage)
        maintenance = units.ppm(market.maintenance_share / given.max_leverage)
        for name, rate in (("initial", initial), ("maintenance", maintenance)):
            tiers[i][f"{name}_ppm"] = rate
            if i:
                step = rate - int(tiers[i - 1][f"{name}_ppm"])
                before = int(tiers[i - 1][f"{name}_deduction"])
                tiers[i][f"{name}_deduction"] = before + floor * step // units.PPM
    return tiers


def _rungs(rungs: tuple[Rung, ...]) -> Array:
    rows = np.zeros(len(rungs), w.RUNG)
    for row, rung in zip(rows, rungs, strict=True):
        row["rung"] = liquidation.RUNG_NAMES.index(rung.rung)
        row["share_ppm"] = units.ppm(rung.share)
        row["above"] = units.quanta(rung.above_usd)
        row["cooldown_ms"] = round(rung.cooldown_s * 1000)
        row["until"] = liquidation.UNTIL_NAMES.index(rung.until)
        row["price"] = liquidation.PRICE_NAMES.index(rung.price)
        row["slippage_ppm"] = units.ppm(rung.slippage)
        row["spread"] = rung.spread
        row["down_to_ppm"] = units.ppm(rung.down_to)
        row["below_ppm"] = units.ppm(rung.below)
        row["loss_cap"] = units.quanta(rung.loss_cap_usd)
        row["mode"] = liquidation.MODE_NAMES.index(rung.mode)
        row["up_to"] = units.quanta(rung.up_to_usd)
        row["up_to_ppm"] = units.ppm(rung.up_to_open_interest)
        row["tick_ms"] = round(rung.tick_s * 1000)
    return rows


def trader_rows(kind: Array, home: Array, leverage: Array) -> Array:
    """Traders that wait for nothing; whose account is theirs is still to be said."""
    traders = np.zeros(len(kind), w.TRADER)
    traders["kind"] = kind
    traders["market"] = home
    traders["leverage"] = leverage
    traders["next"] = traders["next_reaction"] = NONE
    return traders


def _crowd(scenario: Scenario, traders: Array) -> w.Crowd:
    kinds = np.zeros(len(scenario.kinds), w.KIND)
    for row, kind in zip(kinds, scenario.kinds.values(), strict=True):
        row["act_mean_ms"] = kind.act_mean_s * 1000.0
        row["limit_offset"] = kind.limit_offset_bps * 1e-4
        row["rebuild_pause_ms"] = kind.rebuild_pause_s * 1000.0
        for field in w.KIND.names or ():
            if field not in ("act_mean_ms", "limit_offset", "rebuild_pause_ms"):
                row[field] = getattr(kind, field)
    return w.Crowd(
        kinds=kinds,
        traders=traders,
        wheel=np.full((2, _WHEEL_SLOTS), NONE, np.int32),
        due=np.zeros(2 * len(traders), np.int64),
        keys=np.zeros(2 * len(traders), np.uint64),
        hits=np.zeros(len(traders), np.int64),
        state=np.zeros(1, w.CROWD),
    )


def _maker_room(scenario: Scenario, rows: Array) -> w.Makers:
    given, step_s = scenario.makers, scenario.time.step_s
    quoting = np.zeros(1, w.QUOTING)
    for field in (
        "inventory_limit", "skew", "thinning", "widening", "max_thinning", "exit_fear",
        "exit_loss",
    ):  # fmt: skip
        quoting[field] = getattr(given, field)
    quoting["return_mean_ms"] = given.return_halflife_s / math.log(2.0) * 1000.0
    requote_chance = 1.0 - math.exp(-step_s / given.requote_s)
    quoting["requote_chance"] = requote_chance
    # A maker leaves when it looks at its quotes: so much time has passed since it last did.
    quoting["exit_chance"] = given.exit_rate_per_s * step_s / requote_chance
    ladder = _ladder(scenario)
    quoting["ladder_total"] = ladder[:, 1].sum()
    return w.Makers(rows, quoting, ladder)


def _ladder(scenario: Scenario) -> Array:
    """Offsets beyond the half spread (fractions) and lots of rungs, shape (levels, 2).

    Lots are in units of the lots within 1%: cumulative depth at x is ``(x / 1%) ** e``.
    """
    given = scenario.makers
    reach = np.geomspace(given.reach / 2 ** (given.levels - 1), given.reach, given.levels)
    cumulative = (reach / 0.01) ** given.depth_exponent
    lots = np.diff(cumulative, prepend=0.0)
    return np.column_stack([reach - reach[0], lots])


def _logs(n_markets: int) -> w.Logs:
    return w.Logs(
        liquidations=np.zeros(16_384, w.LIQUIDATION),
        paths=np.zeros(64 * n_markets, w.PATH),
        standings=np.zeros(64, w.STANDING),
        marks=np.zeros((256, 1 + n_markets), np.int64),
        counts=np.zeros(1, w.COUNTS),
    )


def _wake_everyone(world: World) -> None:
    """Give every trader a first time to act, drawn from its kind's mean."""
    crowd, clock = world.crowd, world.clock[0]
    seed = int(clock["seed"])
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.TRADER_WAKE]))
    mean = crowd.kinds["act_mean_ms"][crowd.traders["kind"]]
    wakes = (stream.exponential(size=len(mean)) * mean).astype(np.int64)
    _schedule_all(crowd, int(clock["now_ms"]) + wakes, int(clock["step_ms"]))


@kernel
def _schedule_all(crowd: w.Crowd, wakes: Array, step_ms: int) -> None:
    for trader in range(wakes.shape[0]):
        schedule(crowd, trader, wakes[trader], step_ms)


@kernel
def _arm_everyone(world: World) -> None:
    """Check every trader and maker once; triage finds whoever is unsound."""
    for account in range(world.ledger.accounts.shape[0]):
        touch(world.ledger, account)
    triage(world.book, world.ledger, world.risk, world.markets)
