"""Any composition of the six parts either runs, or is refused with a reason on one line."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest

from abm import world as w
from abm.adl import audit, scores
from abm.adl.compose import CompositionError, compose
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.wave import gather
from abm.engine import equipped
from abm.venue.liquidation import shortfall
from abm.world import World
from tests.adl.books import crash_waves

Answer = Any

RISKS = (
    "leverage",
    {"rule": "power", "exponent": 2.0},
    {"rule": "cvar", "threshold": 1.0},
    {"rule": "optimal", "scale": 0.05, "freedom": 3.0},
)
WEIGHTS = ("equal", "capacity", "equity")
HEDGED = ("same", "last", "exempt", "weight")
PRICES = (
    "bankruptcy", "mark", "previous-mark", "index", "index-or-bankruptcy", "midpoint",
    "entry",
)  # fmt: skip


def allocation(rng: random.Random, depth: int = 0) -> Answer:
    """An allocation; one in five is made of others, twice at the most."""
    one = rng.choice
    score = one([name for name in scores.ANSWERS if name != "lexicographic"])
    if depth < 2 and rng.random() < 0.2:
        below = [allocation(rng, depth + 1) for _ in range(2)]
        if rng.random() < 0.5:
            return {"rule": "hybrid", "parts": below, "weights": [0.3, 0.7]}
        return {"rule": "buckets", "score": score, "edges": [0.5, 2.0], "inside": below[0]}
    return one(
        [
            {"rule": "queue", "score": score},
            {"rule": "lexicographic", "by": [score, "oldest"]},
            {"rule": "random-start", "scan": one([1, 5, 500])},
            {"rule": "pro-rata", "by": one(["capacity", "contracts", "equity", "profit"])},
            {"rule": "capped", "cap": one([0.1, 1.0])},
            {"rule": "risk-weighted", "risk": one(RISKS), "cap": one([1.0, 0.4])},
            {"rule": "greedy", "risk": one(RISKS)},
            {"rule": "leverage-filling", "form": one(["single", "factor"])},
            {"rule": "power-penalty", "power": one([1.5, 8.0]), "weight": one(WEIGHTS)},
            {"rule": "exponential-penalty", "rate": 5.0, "weight": one(WEIGHTS)},
            {"rule": "min-max", "by": one(["equity", "profit"])},
            {"rule": "projection", "share": one([0.0, 0.5])},
            {"rule": "weights", "weights": {"30": 2.0}, "others": 1.0},
            *("random", "contracts", "last-takes-rest", "levelling", "min-max-lots"),
        ]
    )


def given(rng: random.Random) -> tuple[Answer, Answer]:
    """A settlement, and an eligibility for what it takes."""
    one = rng.choice
    side, caps = one(["both", "opposite"]), {"share_per_run": one([1.0, 0.2])}
    hedged = {"hedged": one(HEDGED)}
    rounding = one(["largest-remainder", "whole-positions"])
    positions = {"rule": "positions", "profit": one(["settlement", "mark", "any"])}
    health = {"health": one(["any", "solvent", "sound", "not-worse"])}
    capacity = {"capacity": one(["profit", "equity", "min", "above-buffer"])}
    return one(
        [
            (
                {"rule": "contracts", "price": one(PRICES), "rounding": rounding},
                positions | health | hedged | caps,
            ),
            (
                one(["cash", {"rule": "cash", "rounding": "floor", "unit_usd": 0.01}]),
                {"rule": "accounts", "side": side} | capacity | hedged | caps,
            ),
            ({"rule": "cash", "rounding": "whole-capacities"}, "gains-of-the-step"),
            ({"rule": "charge", "side": side}, {"rule": "holders", "side": side}),
            ("withdrawals", "nobody"),
        ]
    )


def composition(rng: random.Random) -> dict[str, Answer]:
    """One answer to each of the six questions."""
    one = rng.choice
    settlement, eligibility = given(rng)
    return {
        "trigger": one(
            [
                "venue-short",
                "insurance-empty",
                {"rule": "pool-factor", "above": 0.5},
                {"rule": "bad-debt", "above_usd": 100.0},
                {"rule": "drawdown", "window_s": 60.0},
            ]
        ),
        "severity": one(
            [
                "all",
                {"rule": "fixed", "share": 0.3},
                "deficit-match",
                "pool-factor",
                {"rule": "backoff", "factor": 1.5, "survivor_ratio": 1.0},
                "gradient-descent",
                {"rule": "mirror-descent", "survivor": 1.0},
                "extreme-value",
            ]
        ),
        "eligibility": eligibility,
        "seniority": one(["none", "profits-first", {"rule": "ladder", "ages_s": [10.0]}]),
        "allocation": allocation(rng),
        "settlement": settlement,
    }


@functools.cache
def worlds() -> list[World]:
    return [w.copy(world) for seed in (4, 5, 10) for world in crash_waves(seed)]


def answered(world: World, policy: Policy) -> Call:
    """A wave of a copy of a world, answered."""
    after = equipped(w.copy(world), [policy])
    wave = gather(after, 0, policy.looks_everywhere)
    outcome = policy.answer(after, wave, [])
    w.check(after)
    left = int(shortfall(after.ledger, after.risk, after.markets))
    return Call(wave, outcome, wave.total_deficit, left, 0)


@pytest.mark.parametrize("seed", range(6))
def test_a_composition_runs_and_can_be_verified_or_is_refused_on_one_line(seed):
    rng = random.Random(seed)
    ran, refused = 0, []
    while ran < 20:
        table = composition(rng)
        try:
            policy = compose("mine", table)
        except CompositionError as error:
            refused.append(str(error))
            continue
        ran += 1
        call = answered(rng.choice(worlds()), policy)
        assert list(audit.check(policy, [call])) == [], table
    assert refused
    assert [why for why in refused if " must " not in why or "\n" in why] == []
