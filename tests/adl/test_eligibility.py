"""Who can pay and up to what: a slow twin on random crashes, and small cases by hand."""

from __future__ import annotations

import functools
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from abm import world as w
from abm.adl import eligibility
from abm.adl.answers import build
from abm.adl.record import Call
from abm.adl.wave import Wave, gather
from abm.units import quanta
from abm.world import World
from tests import crashes
from tests.adl.books import (
    LONG,
    OTHER,
    SHORT,
    THIRD,
    UNIT,
    crash_waves,
    equity,
    lots_of,
    policy,
    ruin,
    venue,
)

SEEDS = range(18)
QUEUE = {"rule": "queue", "score": "hyperliquid"}
MARK = {"rule": "contracts", "price": "mark"}
BANKRUPTCY = {"rule": "contracts", "price": "bankruptcy"}


@functools.cache
def waves(seed: int) -> list[Wave]:
    return [gather(world, 0, everywhere=True) for world in crash_waves(seed)]


# --- slow twins -------------------------------------------------------------------------


def opposed(wave: Wave) -> set[tuple[int, bool]]:
    """Markets and whether their shorts are asked."""
    return {(int(b["market"]), bool(b["lots"] > 0)) for b in wave.bankrupt}


def delta(row: Any) -> Fraction:
    """Relative net delta of the row's account."""
    long = Fraction(int(row["account_notional"] + row["account_net"]), 2)
    short = Fraction(int(row["account_notional"] - row["account_net"]), 2)
    return abs(long - short) / max(long, short)


def stays(row: Any, worst: int, health: str) -> bool:
    after = int(row["equity"]) + worst - int(row["value"])
    margin = int(row["maintenance"] - row["own_maintenance"])
    not_worse = after >= 0 and (
        margin == 0
        or Fraction(after, margin) >= Fraction(int(row["equity"]), int(row["maintenance"]))
    )
    sound = after >= max(0, int(row["initial"] - row["own_initial"])) or not_worse
    return {"any": True, "solvent": after >= 0, "sound": sound, "not-worse": not_worse}[
        health
    ]


def twin_of_positions(wave: Wave, worst: np.ndarray, answer: dict[str, Any]):
    """(row, lots, tier, weight) of everyone whom `positions` should pick."""
    asked = opposed(wave)
    for i, row in enumerate(wave.candidates):
        if (int(row["market"]), bool(row["lots"] < 0)) not in asked:
            continue
        gain = int(row["value"] - row["cost"])
        if answer.get("profit", "settlement") == "settlement":
            gain = min(gain, int(worst[i] - row["cost"]))
        hedged, d = answer.get("hedged", "same"), delta(row)
        if (
            (gain > 0 or answer.get("profit") == "any")
            and abs(int(row["value"])) >= quanta(answer.get("least_usd", 0.0))
            and stays(row, int(worst[i]), answer.get("health", "any"))
            and not (hedged == "exempt" and d < Fraction(0.05))
            and not (hedged == "weight" and d == 0)
        ):
            yield i, abs(int(row["lots"])), int(d < Fraction(0.05)), float(d)


POSITIONS = [
    {},
    {"profit": "mark"},
    {"profit": "any"},
    {"profit": "any", "health": "solvent"},
    {"profit": "any", "health": "sound"},
    {"profit": "any", "health": "not-worse"},
    {"hedged": "last"},
    {"hedged": "exempt", "profit": "any"},
    {"hedged": "weight"},
    {"least_usd": 100.0},
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("answer", POSITIONS, ids=str)
def test_positions_are_picked_as_a_slow_twin_picks_them(seed, answer):
    part = build("eligibility", {"rule": "positions"} | answer, eligibility.ANSWERS)
    for settlement in (MARK, BANKRUPTCY):
        for wave in waves(seed):
            worst = policy(settlement, "positions").settlement.worst(wave)
            found, twins = (
                part(wave, worst, ()),
                list(twin_of_positions(wave, worst, answer)),
            )
            assert found.row.tolist() == [row for row, *_ in twins]
            assert found.capacity.tolist() == [lots for _, lots, *_ in twins]
            if answer.get("hedged") == "last":
                assert found.tier.tolist() == [tier for _, _, tier, _ in twins]
            if answer.get("hedged") == "weight":
                assert found.weight == pytest.approx([d for *_, d in twins])
            row = wave.candidates[found.row]
            assert (found.group == 2 * row["market"] + (row["lots"] < 0)).all()


def twin_of_accounts(wave: Wave, answer: dict[str, Any]) -> dict[int, int]:
    """Capacity of every account that `accounts` should pick."""
    sides = {}
    for row in wave.candidates:
        side = (int(row["market"]), bool(row["lots"] < 0))
        sides.setdefault(int(row["account"]), set()).add(side)
    found = {}
    for row in wave.candidates:
        profit = int(row["account_profit"] - row["given"])
        margin = int(row[answer.get("buffer", "maintenance")])
        capacity = {
            "profit": profit,
            "equity": int(row["equity"]),
            "min": min(profit, int(row["equity"])),
            "above-buffer": int(row["equity"])
            - -(-margin * Fraction(answer.get("times", 1.0)) // 1),
        }[answer.get("capacity", "min")]
        ok = answer.get("side", "both") == "both" or sides[int(row["account"])] & opposed(
            wave
        )
        if ok and capacity > 0:
            found[int(row["account"])] = int(capacity)
    return found


ACCOUNTS = [
    {},
    {"capacity": "profit"},
    {"capacity": "equity", "side": "opposite"},
    {"capacity": "above-buffer"},
    {"capacity": "above-buffer", "buffer": "initial", "times": 2.5},
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("answer", ACCOUNTS, ids=str)
def test_accounts_are_picked_once_as_a_slow_twin_picks_them(seed, answer):
    part = build("eligibility", {"rule": "accounts"} | answer, eligibility.ANSWERS)
    for wave in waves(seed):
        found = part(wave, wave.candidates["value"], ())
        accounts = wave.candidates["account"][found.row].tolist()
        assert len(set(accounts)) == len(accounts)
        pairs = zip(accounts, found.capacity.tolist(), strict=True)
        assert dict(pairs) == twin_of_accounts(wave, answer)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", ["both", "opposite"])
def test_holders_can_be_charged_no_more_than_their_equity(seed, side):
    for wave in waves(seed):
        found = eligibility.holders(side=side)(wave, wave.candidates["value"], ())
        rows = wave.candidates[found.row]
        total = np.zeros(rows["account"].max() + 1 if len(rows) else 0, np.int64)
        np.add.at(total, rows["account"], found.capacity)
        assert (total[rows["account"]] <= rows["equity"]).all()
        in_debt = {market for market, _ in opposed(wave)}
        assert {*rows["market"].tolist()} <= in_debt | {*wave.debt_market.tolist()}
        if side == "opposite":
            side_of = zip(rows["market"].tolist(), (rows["lots"] < 0).tolist(), strict=True)
            asked = set(side_of)
            if not (wave.debt_market >= 0).any():
                assert asked <= opposed(wave)


# --- hedged accounts --------------------------------------------------------------------


def hedged_book() -> World:
    """A bankrupt long; of two shorts the better ranked one, OTHER, holds a hedge.

    OTHER is short 10 at 900 in the first market and long 9.7 in the second, which has
    the same mark: its relative net delta is 3%.
    """
    world = venue(900.0, 900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 5000.0, (0, -7 * UNIT, 1000.0))
    crashes.give(
        world, OTHER, 600.0, (0, -10 * UNIT, 1000.0), (1, round(9.7 * UNIT), 900.0)
    )
    crashes.give(world, THIRD, 9000.0, (0, 7 * UNIT, 900.0), (1, -round(9.7 * UNIT), 900.0))
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    ruin(world, LONG)
    return world


@pytest.mark.parametrize(
    ("how", "short", "other"),
    [
        ({}, 0, 10),
        ({"hedged": "exempt"}, 7, 0),
        ({"hedged": "last"}, 7, 3),
        ({"hedged": "weight"}, 7, 3),
        ({"hedged": "exempt", "hedged_below": 0.02}, 0, 10),
    ],
)
def test_a_hedged_account_is_asked_as_the_venue_says(how, short, other):
    world = hedged_book()
    mine = policy(MARK, {"rule": "positions"} | how, allocation=QUEUE)
    mine.answer(world, gather(world, 0, mine.looks_everywhere))
    w.check(world)
    assert lots_of(world, SHORT).get(0, 0) == (short - 7) * UNIT
    assert lots_of(world, OTHER).get(0, 0) == (other - 10) * UNIT


# --- health -----------------------------------------------------------------------------


def test_dydx_v4_skips_a_counterparty_that_cannot_bear_the_bankruptcy_price():
    """v4-chain, ``deleveraging_test.go``: fills persist where prices overlap, else skip.

    The long is bankrupt at 950, the mark is 900. A short of 10 needs 500 USD to buy
    there; SHORT has 400, OTHER has 700.
    """
    world = venue(900.0)
    crashes.give(world, LONG, 1000.0, (0, 20 * UNIT, 1000.0))
    crashes.give(world, SHORT, 400.0, (0, -10 * UNIT, 900.0))
    crashes.give(world, OTHER, 700.0, (0, -10 * UNIT, 900.0))
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    ruin(world, LONG)
    answer = {"rule": "positions", "profit": "any", "health": "sound"}
    mine = policy(BANKRUPTCY, answer)
    mine.answer(world, gather(world, 0, mine.looks_everywhere))
    assert lots_of(world, SHORT) == {0: -10 * UNIT}
    assert lots_of(world, OTHER) == {}
    assert equity(world, OTHER) == quanta(200)


# --- caps -------------------------------------------------------------------------------


def test_caps_of_a_wave_and_of_the_run_count_what_was_taken_before():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -10 * UNIT, 1000.0))
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    ruin(world, LONG)
    answer = {"rule": "positions", "share_per_wave": 0.5, "share_per_run": 0.7}
    mine = policy(MARK, answer)
    past: list[Call] = []
    closed = []
    for number in (0, 0, 1, 1, 2):
        wave = gather(world, number, mine.looks_everywhere)
        outcome = mine.answer(world, wave, past)
        past.append(Call(wave, outcome, 0, 0, 0))
        closed.append(int(outcome.decision.amounts.sum()))
    # Half of 1,000; then half of the 500 left, but no more than 700 in all.
    assert closed == [500, 0, 200, 0, 0]


def test_caps_in_dollars_hold_for_contracts_and_for_cash():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -10 * UNIT, 1000.0))
    world.ledger.pots["deposits"] -= w.money_missing(world.ledger)
    ruin(world, LONG)
    fork = w.copy(world)
    mine = policy(MARK, {"rule": "positions", "usd_per_wave": 4000.0})
    outcome = mine.answer(world, gather(world, 0, mine.looks_everywhere))
    assert outcome.decision.amounts.tolist() == [444]
    caps = {"usd_per_wave": 100.0, "usd_per_run": 150.0}
    mine = policy("cash", {"rule": "accounts"} | caps)
    past: list[Call] = []
    for number, paid in ((0, 100), (0, 0), (1, 50), (2, 0)):
        wave = gather(fork, number, mine.looks_everywhere)
        outcome = mine.answer(fork, wave, past)
        past.append(Call(wave, outcome, 0, 0, 0))
        assert outcome.decision.amounts.sum() == quanta(paid)


def test_given_cash_is_no_profit_any_more():
    world = venue(900.0)
    crashes.give(world, LONG, 500.0, (0, 10 * UNIT, 1000.0))
    crashes.give(world, SHORT, 600.0, (0, -10 * UNIT, 1000.0))
    world.ledger.accounts["given"][SHORT] = quanta(300)
    ruin(world, LONG)
    wave = gather(world, 0, everywhere=True)
    value = wave.candidates["value"]
    for capacity, usd in (("profit", 700), ("min", 700), ("equity", 1600)):
        found = eligibility.accounts(capacity=capacity)(wave, value, ())
        assert found.capacity.tolist() == [quanta(usd)]
    capped = eligibility.accounts(share_per_run=0.4)(wave, value, ())
    assert capped.capacity.tolist() == [quanta(100)]


def test_the_audits_fields_of_a_wave_are_enough_to_pick_again():
    """A decision is a function of the wave: a copy of its arrays gives the same."""
    for wave in waves(4):
        held = {each.name: getattr(wave, each.name) for each in fields(wave)}
        copies = {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in held.items()
        }
        again = replace(wave, **copies)
        mine = policy("cash", {"rule": "accounts", "hedged": "last"})
        assert (mine.decide(wave).amounts == mine.decide(again).amounts).all()
