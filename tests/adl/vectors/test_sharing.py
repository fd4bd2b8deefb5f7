"""Ranks, queues and shares of a loss."""

from __future__ import annotations

import numpy as np
import pytest

from abm import world as w
from abm.adl import scores
from abm.adl.answers import build
from abm.adl.compose import PRESETS, compose
from abm.adl.lights import order_of, percentile_lights
from abm.adl.wave import BANKRUPT
from abm.venue.liquidation import liquidate
from tests.adl.vectors.cases import Case, cases, share
from tests.adl.vectors.worlds import (
    TICK,
    hold,
    venue,
    wave_of,
)
from tests.adl.waves import candidates, everyone, wave
from tests.crashes import FIRST


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


@cases("shares of a small book")
def test_small_books_are_shared_as_the_papers_and_their_readers_say(case: Case) -> None:
    quanta = [round(amount * 1e6) for amount in case["capacity"]]
    score = np.array(case.get("score", [np.nan] * len(quanta))) ** case.get("power", 1)
    answer = (
        {"rule": "queue", "score": "wealth"} if case["rule"] == "queue" else case["rule"]
    )
    paid = share(answer, quanta, round(case["budget"] * 1e6), score)
    assert sum(paid) == round(case["budget"] * 1e6)
    assert [amount / 1e6 for amount in paid] == pytest.approx(case["paid"], abs=1e-3)


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
