"""Numbers of venues, their tests and their critics, through the project's own code.

The cases are in vectors.toml, each with its source; `mechanism` picks the test.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm import world as w
from abm.adl import allocation, scores, severity
from abm.adl.answers import build
from abm.adl.compose import PRESETS, compose
from abm.adl.lights import order_of, percentile_lights
from abm.adl.policy import Policy
from abm.adl.record import Payers
from abm.adl.wave import BANKRUPT, CANDIDATE, Wave, gather
from abm.engine import equipped
from abm.market.book import BUY, LIMIT, submit
from abm.measures.counterfactual import markout
from abm.venue import formulas
from abm.venue.fund import watch_fund
from abm.venue.ledger import book_lots
from abm.venue.liquidation import bankruptcy_value, limit_tick, liquidate, shortfall
from abm.venue.margin import equity_of, health
from abm.world import World, find_position
from tests.adl.waves import candidates, everyone, wave
from tests.crashes import FIRST, empty_venue

Case = dict[str, Any]
CASES: list[Case] = tomllib.loads(
    Path(__file__).with_name("vectors.toml").read_text(encoding="utf-8")
)["case"]

ANN, BEN, CAT, HOUSE = FIRST, FIRST + 1, FIRST + 2, FIRST + 3
FUND = 1
USED: set[str] = set()


def cases(mechanism: str) -> Any:
    """Every case of a mechanism, with each of its rows laid over it."""
    USED.add(mechanism)
    found = [case for case in CASES if case["mechanism"] == mechanism]
    rows = [(case, row) for case in found for row in case.get("rows", [{}])]
    assert rows, mechanism
    names = [f"{case['id']}-{i}" for i, (case, _) in enumerate(rows)]
    return pytest.mark.parametrize("case", [case | row for case, row in rows], ids=names)


def share(answer: Any, capacity: list[int], budget: int, score: Any = None) -> list[int]:
    """What an allocation answer takes of capacities, with a score given."""
    rule = allocation.part("allocation", answer)
    given = np.full(len(capacity), np.nan) if score is None else np.array(score, float)
    amounts = rule.share(np.array(capacity, np.int64), given, budget)
    return [int(amount) for amount in amounts]


# --- worlds of a few accounts -----------------------------------------------------------

TICK = 0.1


def venue(markets: dict[str, dict[str, float]], rungs: Any = None, **over: Any) -> World:
    """An empty venue; a market is its price, maintenance margin, and lot or tick.

    Sizes in a case are in units of the asset; lots are exact parts of it.
    """
    tables = {}
    for name, market in markets.items():
        tables[name] = {
            "tick_usd": market.get("tick", TICK),
            "lot": market.get("lot", 0.001),
            "start_usd": market["price"],
            "tiers": [{"notional_usd": 0, "max_leverage": 0.5 / market["maintenance"]}],
            "depth_usd": 1e6,
        }
    ladder = [{"rung": "wave"}] if rungs is None else rungs
    fees = {"taker_fee_bps": 0, "maker_fee_bps": 0, "funding_interval_s": 1e9}
    world = empty_venue(tables, venue={"ladder": ladder, "vault_usd": 0.0} | fees | over)
    for i, (name, market) in enumerate(markets.items()):
        set_mark(world, i, market["price"], tables[name]["tick_usd"])
    return world


def set_mark(world: World, market: int, price: float, tick: float = TICK) -> None:
    for field in ("mark", "previous_mark", "index"):
        world.markets.state[field][market] = round(price / tick)


def hold(world: World, account: int, quote: float, *held: tuple[int, int, float]) -> None:
    """An account with a quote balance and positions of (market, lots, USD a lot).

    The position is opened at that price and paid out of cash, so that cash less cost is
    the quote balance.
    """
    ledger = world.ledger
    cash = round(quote * 1e6)
    for market, lots, price in held:
        cost = round(lots * price * 1e6)
        level = int(world.book.tops[market]["first_level"])
        book_lots(ledger, world.risk, level, account, market, lots, cost)
        cash += cost
    ledger.accounts["cash"][account] += cash
    ledger.pots["deposits"] += round(quote * 1e6)


def quote(world: World, account: int) -> float:
    """Cash less what positions cost, in USD: the balance as dYdX keeps it."""
    positions = world.ledger.positions
    cost = positions["cost"][positions["account"] == account].sum()
    return float(world.ledger.accounts["cash"][account] - cost) / 1e6


def lots_of(world: World, account: int, market: int = 0) -> int:
    slot = find_position(world.ledger, account, market)
    return 0 if slot == w.NONE else int(world.ledger.positions["lots"][slot])


def equity(world: World, account: int) -> float:
    return int(equity_of(world.ledger, world.markets, account)) / 1e6


# --- queues and scores ------------------------------------------------------------------


@cases("queue with lights")
def test_a_queue_and_its_lights_are_bitmex_s(case: Case) -> None:
    score, contracts = np.array(case["score"]), np.array(case["contracts"])
    assert percentile_lights(score, contracts).tolist() == case["lights"]
    rule = {"rule": "queue", "score": "bitmex"}
    assert share(rule, case["contracts"], case["short"], score) == case["closed"]


@cases("return on equity")
def test_return_on_equity_ranks_as_flox_and_ties_go_to_the_lower_account(
    case: Case,
) -> None:
    held = {"entry": case["entry"], "mark": case["mark"], "equity": case["equity"]}
    rows = [held | {"lots": lots, "account": i} for i, lots in enumerate(case["lots"])]
    table = candidates(rows)
    score = build("score", "return-on-equity", scores.ANSWERS)
    found = score(wave(table), everyone(table))
    assert found.tolist() == pytest.approx(case["scores"])
    assert order_of(found).tolist() == case["order"]
    twins = candidates([rows[0] | {"account": 7}, rows[0] | {"account": 3}])
    by = {"rule": "lexicographic", "by": ["return-on-equity", "oldest"]}
    tied = build("score", by, scores.ANSWERS)(wave(twins), everyone(twins))
    assert order_of(tied).tolist() == [1, 0]


@cases("Binance's rank")
def test_binance_s_rank_is_percent_of_profit_times_margin_ratio(case: Case) -> None:
    margin = case["margin_ratio"] * (case["wallet"] + case["profit"])
    row = {"lots": 1, "entry": 100.0, "mark": 100.0 + case["profit"]}
    table = candidates([row | {"cash": case["wallet"], "maintenance": margin}])
    score = build("score", "binance", scores.ANSWERS)
    rank = score(wave(table), everyone(table))[0]
    assert rank == pytest.approx(case["rank"], abs=0.005)
    assert rank / case["margin_ratio"] == pytest.approx(case["percent"], abs=0.006)


# --- shares -----------------------------------------------------------------------------


@cases("pro-rata to the cent")
def test_pro_rata_is_crypto_com_s_to_the_cent(case: Case) -> None:
    quanta = [round(profit * 1e6) for profit in case["profits"]]
    paid = share("pro-rata", quanta, round(case["loss"] * 1e6))
    assert sum(paid) == case["loss"] * 1e6
    assert [round(amount / 1e6, 2) for amount in paid] == case["paid"]


@cases("two ways to share")
def test_the_papers_example_shares_as_it_says(case: Case) -> None:
    worth = np.array(case["equity"]) - np.array(case["collateral"])
    capacity = [max(0, round(profit * 1e6)) for profit in worth[:3]]
    missing = -sum(min(0.0, equity) for equity in case["equity"])
    budget = round(case["severity"] * missing * 1e6)
    rank = [-case["order"].index(i) if i in case["order"] else -9.0 for i in (1, 2, 3)]
    queue = share({"rule": "queue", "score": "wealth"}, capacity, budget, rank)
    assert queue == [round(amount * 1e6) for amount in case["queue"]]
    pro_rata = share("pro-rata", capacity, budget)
    assert pro_rata == [round(amount * 1e6) for amount in case["pro_rata"]]
    for amount, most in zip(pro_rata, capacity, strict=True):
        assert amount / most == pytest.approx(case["share"])


# --- margin and liquidation -------------------------------------------------------------


@cases("liquidation price")
def test_the_liquidation_price_is_dydx_s_and_where_margin_says_so(case: Case) -> None:
    price = formulas.liquidation_price(
        case["equity"], case["size"], case["price"], case["maintenance"], case["others"]
    )
    assert price == pytest.approx(case["liquidated_at"], abs=0.01)
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    other = {"price": 1750.0, "maintenance": 0.1}
    world = venue({"ETH": market, "STRK": other})
    held = [(0, round(case["size"] * 1000), case["price"] / 1000)]
    if case["others"]:
        held.append((1, round(case["others"] / 0.1 / 1.75), 1.75))
    owed = sum(lots * each for _, lots, each in held)
    hold(world, ANN, case["equity"] - owed, *held)
    for mark, is_sound in ((price - 0.1, True), (price + 0.1, False)):
        set_mark(world, 0, mark)
        worth, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
        assert (worth >= maintenance) == is_sound


@cases("bankruptcy price")
def test_the_bankruptcy_price_is_dydx_s(case: Case) -> None:
    names = list(case["prices"])
    world = venue(
        {
            name: {"price": price, "maintenance": case["maintenance"]}
            for name, price in case["prices"].items()
        }
    )
    held = [
        (names.index(name), round(size * 1000), case["prices"][name] / 1000)
        for name, size in case["held"].items()
    ]
    hold(world, ANN, case["quote"], *held)
    ((name, closed),) = case["closes"].items()
    slot = find_position(world.ledger, ANN, names.index(name))
    equity_, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
    value = bankruptcy_value(
        world.ledger, world.risk, world.markets, slot, equity_, maintenance
    )
    part = -closed / case["held"][name]
    assert value * part == pytest.approx(case["for"] * 1e6, abs=1)


@cases("bankruptcy price, rounded")
def test_part_of_a_position_is_rounded_against_the_payer_as_at_dydx(case: Case) -> None:
    market = {"price": 50_000.0, "maintenance": 0.1, "lot": 1e-8, "tick": 100.0}
    world = venue({"BTC": market})
    each = 50_000.0 * 1e-8
    balance = case["quote"] / 1e6
    hold(world, ANN, balance, (0, case["lots"], each))
    hold(world, BEN, 1e6, (0, -case["lots"], each))
    close_at_bankruptcy(world, ANN, 0, {BEN: case["closes"]})
    assert round((quote(world, ANN) - balance) * 1e6) == case["for"]


@cases("fillable price")
def test_the_fillable_price_is_dydx_s(case: Case) -> None:
    spread = case["spread"] * case["adjustment"]
    rungs = [{"rung": "book", "price": "fillable", "spread": spread}, {"rung": "wave"}]
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market}, rungs, insurance_usd=1e6)
    hold(world, FUND, 1e6)
    hold(world, ANN, case["quote"], (0, round(case["size"] * 1000), case["price"] / 1000))
    equity_, maintenance, _ = health(world.ledger, world.risk, world.markets, ANN)
    slot = find_position(world.ledger, ANN, 0)
    tick = limit_tick(world, world.risk.rungs[0], slot, equity_, maintenance)
    assert tick * TICK == pytest.approx(case["fillable"])


@cases("insurance fund")
def test_the_fund_gains_and_pays_as_dydx_s(case: Case) -> None:
    rung = {"rung": "book", "price": "market", "slippage": 0.5}
    if "spread" in case:
        rung = {"rung": "book", "price": "fillable", "spread": case["spread"]}
    rungs = [rung, {"rung": "insurance", "mode": "pay"}, {"rung": "wave"}]
    market = case["market"]
    tick = TICK if market["price"] > 100 else 0.001
    world = venue(
        {"X": market | {"tick": tick}}, rungs, liquidation_fee_bps=case["fee"] * 1e4
    )
    lots, each = round(case["size"] / market["lot"]), market["price"] * market["lot"]
    hold(world, FUND, case["fund_before"])
    hold(world, BEN, 1e6)
    hold(world, ANN, case["quote"], (0, lots, each))
    hold(world, HOUSE, 1e6, (0, -lots, each))
    bid = round(case["fill_price"] / tick)
    submit(world.book, world.ledger, 0, BEN, BUY, LIMIT, bid, lots, 0, 0)
    w.touch(world.ledger, ANN)
    liquidate(world)
    assert lots_of(world, ANN) == 0
    gain = equity(world, FUND) - case["fund_before"]
    assert gain == pytest.approx(case["fund_gain"], abs=1e-4)
    w.check(world)


@cases("insurance fund takes over")
def test_the_fund_takes_over_and_loses_what_flox_says(case: Case) -> None:
    rungs = [{"rung": "insurance", "mode": "takeover", "below": 0.0}, {"rung": "wave"}]
    world = venue({"X": {"price": case["mark"], "maintenance": 0.02, "lot": 1.0}}, rungs)
    hold(world, FUND, case["fund_before"])
    entry, lots = case["entry"], int(case["size"])
    hold(world, ANN, case["cash"] - entry * lots, (0, lots, entry))
    hold(world, HOUSE, 1e6 + entry * lots, (0, -lots, entry))
    w.touch(world.ledger, ANN)
    liquidate(world)
    assert equity(world, ANN) == 0.0
    assert equity(world, FUND) == case["fund_after"]
    assert shortfall(world.ledger, world.risk, world.markets) == 0
    w.check(world)


# --- formulas ---------------------------------------------------------------------------


@cases("insurance fee")
def test_the_insurance_fee_is_drift_s(case: Case) -> None:
    fee = formulas.insurance_fee(
        case["shortage"], case["notional"], case["margin"], case["liquidator"],
        case["largest"],
    )  # fmt: skip
    assert fee == pytest.approx(case["fee"])


@cases("size that covers a shortage")
def test_the_size_that_covers_a_shortage_is_drift_s(case: Case) -> None:
    size = formulas.base_to_cover(
        case["shortage"], case["price"], case["margin"], case["fees"]
    )
    assert size == pytest.approx(case["size"], abs=1e-4)


@cases("inverse bankruptcy price")
def test_the_bankruptcy_price_of_an_inverse_contract_is_bybit_s(case: Case) -> None:
    entry, leverage = case["entry"], case["leverage"]
    exact = formulas.inverse_bankruptcy_price(entry, leverage, 1e-4)
    assert 0 <= exact - case["exact"] < 1.1e-4
    rounded = formulas.inverse_bankruptcy_price(entry, leverage, case["tick"])
    assert rounded == pytest.approx(case["rounded"])


@cases("close-out")
def test_a_close_out_is_dango_s(case: Case) -> None:
    holdings = [
        formulas.Holding(size, entry, price, case["maintenance"], bid)
        for size, entry, price, bid in case["held"]
    ]
    done = formulas.close_out(case["cash"], holdings, case["fee"])
    assert done.cash == pytest.approx(case["cash_after"])
    assert done.fund == pytest.approx(case["fund"])
    pairs = list(zip(done.closings, holdings, strict=True))
    gained = 0.0
    for closing, held in pairs:
        if closing.deleveraged > 0:
            side = np.sign(held.size)
            moved = held.entry - closing.bankruptcy_price
            gained += side * closing.deleveraged * moved
    if "other" in case:
        assert case["counterparty"] + gained == pytest.approx(case["other"])
    else:
        assert gained == 0.0
    if "price" in case:
        largest = max(pairs, key=lambda pair: abs(pair[1].size) * pair[1].price)
        assert largest[0].bankruptcy_price == pytest.approx(case["price"])


@cases("support capacity")
def test_the_capacity_of_liquidity_support_is_deribit_s(case: Case) -> None:
    capacity = formulas.support_capacity(
        case["now"], case["equity"], case["notional"], case["share"],
        [(time, amount) for time, amount in case["assigned"]],
    )  # fmt: skip
    assert capacity == case["capacity"]


@cases("markout")
def test_a_markout_is_split_at_the_mark_of_the_moment(case: Case) -> None:
    found = markout(case["closed"], case["price"], case["mark"], case["mark_later"])
    wanted = (case["immediate"], case["opportunity"], case["total"])
    assert (*found, found.total) == pytest.approx(wanted)


# --- deleveraging -----------------------------------------------------------------------


def wave_of(world: World, policy: Policy) -> Wave:
    return gather(world, 0, policy.looks_everywhere)


def bankrupt_row(world: World, account: int, market: int, lots: int) -> np.ndarray:
    """An account's position as a wave has it, at the project's bankruptcy value.

    For accounts that a wave would not call bankrupt: the sources try the price on sound
    ones as well.
    """
    ledger, slot = world.ledger, find_position(world.ledger, account, market)
    worth, maintenance, _ = health(ledger, world.risk, world.markets, account)
    position = ledger.positions[slot]
    row = np.zeros(1, BANKRUPT)
    for name in ("account", "market", "lots", "cost"):
        row[name] = position[name]
    row["position"] = slot
    mark = int(world.markets.state["mark"][market] * world.markets.specs["unit"][market])
    row["value"] = position["lots"] * mark
    row["bankruptcy"] = bankruptcy_value(
        ledger, world.risk, world.markets, slot, worth, maintenance
    )
    return row


def close_at_bankruptcy(
    world: World, account: int, market: int, payers: dict[int, int]
) -> None:
    """Close lots of payers against an account through dYdX's settlement."""
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    rows = bankrupt_row(world, account, market, 0)
    wave = replace(wave_of(world, policy), bankrupt=rows)
    slots = {who: find_position(world.ledger, who, market) for who in payers}
    table = np.zeros(len(payers), CANDIDATE)
    for row, (who, slot) in zip(table, slots.items(), strict=True):
        for name in ("lots", "cost"):
            row[name] = world.ledger.positions[name][slot]
        row["position"], row["account"], row["market"] = slot, who, market
    wave = replace(wave, candidates=table)
    group = 2 * market + (rows["lots"][0] > 0)
    lots = np.array(list(payers.values()), np.int64)
    asked = Payers(np.arange(len(lots)), np.full(len(lots), group), lots, lots)
    entries = policy.settlement.entries(wave, asked, lots, np.array([lots.sum()]))
    policy.settlement.book(world, wave, entries)


def deleverage(world: World) -> None:
    """Take every account down the ladder, then let dYdX's policy answer the wave."""
    for account in range(FIRST, FIRST + 10):
        w.touch(world.ledger, account)
    liquidate(world)
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    policy.answer(world, wave_of(world, policy))
    w.check(world)


@cases("deleveraging")
def test_a_bankrupt_account_is_closed_at_bankruptcy_as_at_dydx(case: Case) -> None:
    market = case["market"]
    tick = TICK if market["price"] > 100 else 0.001
    world = venue({"X": market | {"tick": tick}})
    each = market["price"] * market["lot"]
    sizes = [case[who]["size"] for who in ("bankrupt", "counterparty")]
    lots = [round(size / market["lot"]) for size in sizes]
    hold(world, ANN, case["bankrupt"]["quote"], (0, lots[0], each))
    # Somebody in profit, so that the dearer price is only a loss of profit.
    hold(world, BEN, case["counterparty"]["quote"], (0, lots[1], each))
    if sum(lots):
        hold(world, HOUSE, 1e7, (0, -sum(lots), each))
        world.ledger.accounts["kind"][HOUSE] = w.BACKSTOP
    before = equity(world, BEN)
    deleverage(world)
    for who, account in (("bankrupt", ANN), ("counterparty", BEN)):
        after = case[f"{who}_after"]
        assert quote(world, account) == pytest.approx(after["quote"], abs=1e-4)
        assert lots_of(world, account) == round(after["size"] / market["lot"])
    if "counterparty_loss" in case:
        assert before - equity(world, BEN) == pytest.approx(case["counterparty_loss"])
        notional = (abs(lots[1]) * each, abs(lots_of(world, BEN)) * each)
        margins = (before / notional[0], equity(world, BEN) / notional[1])
        assert margins == pytest.approx(case["counterparty_margin"], abs=1e-4)


def one_bitcoin(case: Case, short: float, *longs: tuple[float, float]) -> World:
    """Ann is short a Bitcoin; Ben, and then Cat, are long."""
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market})
    each = case["price"] / 1000
    hold(world, ANN, short, (0, -1000, each))
    for account, (balance, size) in zip((BEN, CAT), longs, strict=False):
        hold(world, account, balance, (0, round(size * 1000), each))
    return world


@cases("deleveraging of one Bitcoin")
def test_a_bitcoin_is_offset_at_bankruptcy_as_at_dydx(case: Case) -> None:
    world = one_bitcoin(case, case["short"], (case["long"], 1.0))
    close_at_bankruptcy(world, ANN, 0, {BEN: round(case["closed"] * 1000)})
    assert quote(world, ANN) == pytest.approx(case["short_after"], abs=1e-5)
    assert quote(world, BEN) == pytest.approx(case["long_after"], abs=1e-5)
    assert lots_of(world, BEN) == 1000 - round(case["closed"] * 1000)
    w.check(world)


@cases("deleveraging that is refused")
def test_a_counterparty_that_would_go_under_is_left_alone_as_at_dydx(case: Case) -> None:
    world = one_bitcoin(case, case["short"], (case["long"], 1.0))
    deleverage(world)
    assert quote(world, ANN) == case["short"]
    assert quote(world, BEN) == case["long"]


@cases("deleveraging of one position of two")
def test_one_of_two_positions_takes_its_part_of_equity_as_at_dydx(case: Case) -> None:
    names = list(case["prices"])
    markets = {
        name: {"price": price, "maintenance": case["maintenance"]}
        for name, price in case["prices"].items()
    }
    world = venue(markets)
    each = {name: price / 1000 for name, price in case["prices"].items()}
    held = {name: round(size * 1000) for name, size in case["held"].items()}
    hold(
        world, ANN, case["quote"],
        *((names.index(name), lots, each[name]) for name, lots in held.items()),
    )  # fmt: skip
    closed = names.index(case["closes"])
    balance = case["counterparty_quote"]
    hold(world, BEN, balance, (closed, -held[names[closed]], each[names[closed]]))
    other = 1 - closed
    hold(world, HOUSE, 0.0, (other, -held[names[other]], each[names[other]]))
    close_at_bankruptcy(world, ANN, closed, {BEN: abs(held[names[closed]])})
    assert quote(world, ANN) == pytest.approx(case["quote_after"], abs=1e-4)
    assert quote(world, BEN) == pytest.approx(case["counterparty_after"], abs=1e-4)
    assert quote(world, ANN) - case["quote"] == pytest.approx(-case["price"])


@cases("deleveraging against two")
def test_two_counterparties_each_take_half_as_at_dydx(case: Case) -> None:
    pair = [(one["quote"], one["size"]) for one in case["counterparties"]]
    world = one_bitcoin(case, case["short"], *pair)
    close_at_bankruptcy(world, ANN, 0, {BEN: 500, CAT: 500})
    assert [quote(world, who) for who in (BEN, CAT)] == pytest.approx(case["after"])


@cases("who is short")
def test_only_negative_equity_is_deleveraged_as_at_dydx(case: Case) -> None:
    market = {"price": case["price"], "maintenance": case["maintenance"]}
    world = venue({"BTC": market})
    lots = round(case["size"] * 1000)
    hold(world, ANN, case["quote"], (0, lots, case["price"] / 1000))
    hold(world, BEN, 1e6, (0, -lots, case["price"] / 1000))
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("dydx-v4", PRESETS["dydx-v4"])
    assert policy.decide(wave_of(world, policy)).acted == case["is_short"]


@cases("head of the queue")
def test_the_head_of_a_queue_bears_its_contracts_part_of_the_debt(case: Case) -> None:
    world = venue({"ETH": {"price": 4000.0, "maintenance": 0.05}})
    lots = round(case["bankrupt_size"] * 1000)
    balance = -case["bankrupt_size"] * 4000.0 - case["deficit"]
    hold(world, ANN, balance, (0, lots, 4.0))
    # Both won: long since 2000. Ben's leverage is higher.
    head = round(case["head_size"] * 1000)
    hold(world, BEN, -1000.0, (0, head, 4.0))
    hold(world, CAT, 3000.0, (0, -lots - head, 4.0))
    for who in (BEN, CAT):
        slot = find_position(world.ledger, who, 0)
        row = world.ledger.positions[slot]
        gain = int(row["cost"]) // 2
        world.ledger.positions["cost"][slot] -= gain
        world.ledger.accounts["cash"][who] -= gain
    before = equity(world, BEN)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("bitmex", PRESETS["bitmex"])
    now = wave_of(world, policy)
    decision = policy.answer(world, now).decision
    head_row = decision.payers.row[np.argmax(decision.score)]
    assert now.candidates["account"][head_row] == BEN
    assert before - equity(world, BEN) == pytest.approx(case["head_bears"])
    w.check(world)


@cases("oracle-capped price")
def test_the_better_of_oracle_and_bankruptcy_moves_what_ethereal_says(case: Case) -> None:
    world = venue({"ETH": {"price": case["oracle"], "maintenance": 0.05, "lot": 1.0}})
    lots, entry = int(case["size"]), case["entry"]
    hold(world, ANN, case["collateral"] - lots * entry, (0, lots, entry))
    hold(world, BEN, 5000.0 + lots * entry, (0, -lots, entry))
    before = equity(world, BEN)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("ethereal", PRESETS["ethereal"])
    fills = policy.answer(world, wave_of(world, policy)).fills
    assert (fills["value"] / fills["lots"] / 1e6).tolist() == [case["price"]]
    assert before - equity(world, BEN) == pytest.approx(case["transfer"])
    assert equity(world, ANN) == 0.0


@cases("charge per contract")
def test_the_charge_per_contract_is_drift_s(case: Case) -> None:
    world = venue({"X": {"price": 100.0, "maintenance": 0.05, "lot": 1.0}})
    # The debtor is flat; its liquidation last sold a long. What the pool has is paid.
    hold(world, ANN, -(case["loss"] - case["fee_pool"]))
    world.ledger.accounts["debt_market"][ANN] = 0
    world.ledger.accounts["debt_side"][ANN] = 1
    hold(world, BEN, 1e4, (0, case["long"], 100.0))
    hold(world, CAT, 1e4, (0, -case["short"], 100.0))
    rest = case["short"] - case["long"]
    if rest:
        # The other side of the market is the vault's, which is not charged.
        hold(world, 0, 1e6, (0, rest, 100.0))
    before = equity(world, BEN), equity(world, CAT)
    w.touch(world.ledger, ANN)
    liquidate(world)
    policy = compose("drift", PRESETS["drift"])
    policy.answer(world, wave_of(world, policy))
    paid = before[0] - equity(world, BEN), before[1] - equity(world, CAT)
    assert paid[0] / case["long"] == pytest.approx(case["charge"], abs=1e-9)
    assert paid[1] / case["short"] == pytest.approx(case["charge"], abs=1e-9)
    assert equity(world, ANN) == 0.0
    w.check(world)


# --- triggers ---------------------------------------------------------------------------


@cases("drawdown")
def test_a_fall_of_the_fund_calls_adl_as_at_bybit(case: Case) -> None:
    world = venue({"X": {"price": 100.0, "maintenance": 0.05}})
    policy = compose("bybit", PRESETS["bybit"])
    hold(world, FUND, case["funds"][0])
    world = equipped(world, [policy])
    for fund in case["funds"]:
        world.clock["now_ms"] += 60_000
        world.ledger.accounts["cash"][FUND] = round(fund * 1e6)
        watch_fund(world)
    wave = wave_of(world, policy)
    assert wave.is_alarmed == case["acts"]
    assert policy.decide(wave).acted == case["acts"]
    assert wave.total_deficit == round(case.get("sized", 0.0) * 1e6)


@cases("profit against the pool")
def test_adl_is_due_strictly_above_the_largest_factor_as_at_gmx(case: Case) -> None:
    trigger_ = {"rule": "pool-factor", "above": case["maximum"]}
    policy = compose("gmx", {"preset": "gmx", "trigger": trigger_})
    owed = case["size"] * (case["price"] - case["entry"])
    now = wave(
        candidates([]), deficit=np.array([round(owed * 1e6)]),
        insurance=round(case["pool"] * 1e6),
    )  # fmt: skip
    assert policy.trigger(now, ()) == case["is_due"]
    if "closed" in case:
        # Half of the position leaves half of the factor.
        whole = case["size"] * case["entry"]
        factor = owed / case["pool"] * case["left"] / whole
        share_ = severity.pool_factor(down_to=factor)(now, everyone(candidates([])), ())
        assert share_ * whole == pytest.approx(case["closed"])


# --- gains of the step ------------------------------------------------------------------


@cases("gains of the step")
def test_payouts_are_rounded_down_and_the_last_takes_the_rest_as_at_vega(
    case: Case,
) -> None:
    short = sum(case["gains"]) - case["collected"]
    assert share("last-takes-rest", case["gains"], short) == case["paid"]


@cases("gains of the step, in a world")
def test_the_step_s_winners_pay_for_its_loser_as_at_vega(case: Case) -> None:
    world = venue({"X": {"price": case["before"], "maintenance": 0.1, "lot": 1.0}})
    accounts = range(FIRST, FIRST + len(case["lots"]))
    for who, lots, cash in zip(accounts, case["lots"], case["cash"], strict=True):
        hold(world, who, cash - lots * case["before"], (0, lots, case["before"]))
    world.markets.state["mark"][0] = round(case["mark"] / TICK)
    w.touch(world.ledger, accounts[0])
    liquidate(world)
    policy = compose("vega", PRESETS["vega"])
    haircuts = policy.answer(world, wave_of(world, policy)).haircuts
    paid = dict(zip(haircuts["account"].tolist(), haircuts["amount"] / 1e6, strict=True))
    found = [paid.get(who, 0.0) for who in accounts]
    # Theirs are rounded to whole units of the asset, ours to millionths.
    assert found == pytest.approx(case["paid"], abs=len(found) - 1)
    assert sum(found) == pytest.approx(sum(case["paid"]))


# --- neutral accounts -------------------------------------------------------------------


@cases("neutral accounts last")
def test_neutral_accounts_are_closed_after_all_others_as_at_bybit(case: Case) -> None:
    names = case["rank"]
    table = candidates(
        [
            # A better entry ranks higher; all are long against a bankrupt short.
            {"lots": 10, "entry": 50.0 + i, "mark": 100.0, "equity": 1e4, "account": i}
            for i, name in enumerate(names)
        ]
    )
    for row, name in zip(table, names, strict=True):
        if name in case["neutral"]:
            row["account_net"] = 0.02 * row["account_notional"]
    bankrupt = np.zeros(1, BANKRUPT)
    bankrupt["lots"], bankrupt["account"] = -60, 99
    bankrupt["value"] = bankrupt["cost"] = -60 * 100 * 10**6
    bankrupt["bankruptcy"] = -60 * 99 * 10**6
    policy = compose("bybit", {"preset": "bybit", "trigger": "venue-short"})
    order = []
    for need in range(10, 70, 10):
        bankrupt["lots"] = -need
        bankrupt["bankruptcy"] = -need * 99 * 10**6
        now = wave(
            table, bankrupt=bankrupt.copy(), mark=np.array([100]),
            unit=np.array([10**6]),
        )  # fmt: skip
        decision = policy.decide(now)
        full = decision.payers.row[decision.amounts == 10]
        order += [names[i] for i in full if names[i] not in order]
    assert order == case["after"]


# --- the papers' books ------------------------------------------------------------------


@cases("toy book")
def test_the_papers_toy_book_has_the_equities_that_it_says(case: Case) -> None:
    world = venue({"X": {"price": 1.0, "maintenance": 0.05, "lot": 1.0, "tick": 1e-4}})
    accounts = range(FIRST, FIRST + 5)
    lots = [round(q) * side for q, side in zip(case["size"], case["side"], strict=True)]
    for who, held, cash in zip(accounts, lots, case["collateral"], strict=True):
        hold(world, who, cash - held * 1.0, (0, held, 1.0))
    if sum(lots):
        hold(world, HOUSE + 10, 0.0, (0, -sum(lots), 1.0))
    # Funding accrues between the marks: the longs' rate times mark, as the paper sums it.
    long, short = 3.0, 5.0
    rates = [
        case["kappa"] * (long / short - mark / oracle)
        for mark, oracle in zip(case["marks"][1:], case["oracle"][1:], strict=True)
    ]
    assert rates == pytest.approx(case["funding"], abs=1e-8)
    for rate, mark in zip(rates, case["marks"][1:], strict=True):
        for who, held in zip(accounts, lots, strict=True):
            paid = round(-rate * mark * 1e6) * held
            world.ledger.accounts["cash"][who] -= paid
            world.ledger.accounts["cash"][HOUSE + 10] += paid
    set_mark(world, 0, case["marks"][-1], 1e-4)
    found = [equity(world, who) for who in accounts]
    assert found == pytest.approx(case["equity"], abs=1e-4)
    score = build("score", "leverage", scores.ANSWERS)
    now = gather(world, 0, everywhere=True)
    mine = np.isin(now.candidates["account"], list(accounts))
    assert score(now, everyone(now.candidates))[mine].sum() == pytest.approx(
        case["leverage_of_winners"], abs=1e-3
    )
    losers = [who for who, worth in zip(accounts, found, strict=True) if worth < 0]
    notional = case["marks"][-1]
    owed = sum(notional * abs(lots_of(world, who)) / -equity(world, who) for who in losers)
    assert owed == pytest.approx(case["leverage_of_losers"], abs=0.01)


# --- the file itself --------------------------------------------------------------------


def test_every_case_is_put_through_something() -> None:
    assert {case["mechanism"] for case in CASES} == USED


def test_every_case_names_its_source() -> None:
    assert all(len(case["source"]) > 10 for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
