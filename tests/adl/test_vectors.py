"""Numbers of venues, their tests and their critics, through the project's own code.

The cases are in vectors.toml, each with its source; `mechanism` picks the test.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm import world as w
from abm.adl import allocation, scores
from abm.adl.answers import build
from abm.adl.lights import order_of, percentile_lights
from abm.market.book import BUY, LIMIT, submit
from abm.measures.markout import markout
from abm.venue import formulas
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
    assert found == pytest.approx(wanted)


# --- the file itself --------------------------------------------------------------------


def test_every_case_is_put_through_something() -> None:
    assert {case["mechanism"] for case in CASES} == USED


def test_every_case_names_its_source() -> None:
    assert all(len(case["source"]) > 10 for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
