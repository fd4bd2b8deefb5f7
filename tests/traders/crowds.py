"""Random populations for the tests of endowments."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm import scenario as scenarios
from abm.scenario import Scenario

TOP_LEVERAGES = (3, 5, 10, 20, 25, 40, 50)


def random_scenario(seed: int) -> Scenario:
    """Any crowd: one to six markets with up to three tiers, any mixture of kinds."""
    rng = np.random.default_rng(seed)
    markets = {f"M{i}": _market(rng) for i in range(int(rng.integers(1, 7)))}
    accounts = int(10 ** rng.uniform(1.0, 3.3))
    most = accounts * len(markets)
    least = 2 * len(markets)
    population = {
        "accounts": accounts,
        "positions": int(min(least + rng.integers(0, accounts * 2), most)),
        "equity_median_usd": float(10 ** rng.uniform(1.0, 4.0)),
        "equity_log_sd": float(rng.uniform(0.0, 3.0)),
        "equity_tail_share": float(rng.choice([0.0, 0.05, 0.3])),
        "equity_tail_exponent": float(rng.uniform(0.5, 2.5)),
        "largest_share": float(rng.choice([0.01, 0.1, 1.0])),
        "leverage_median": float(10 ** rng.uniform(-1.0, 1.0)),
        "leverage_log_sd": float(rng.uniform(0.0, 2.0)),
        "leverage_degrees": float(rng.choice([2.0, 5.0, 1e6])),
        "leverage_equity_slope": float(rng.uniform(-0.5, 0.3)),
        "token_share": float(rng.choice([0.0, 0.2])),
        "more_markets_share": float(rng.uniform(0.0, 0.9)),
        "more_markets_slope": float(rng.uniform(0.0, 0.5)),
        "leverage_pull": float(rng.uniform(0.0, 2.0)),
        "market_room": float(10 ** rng.uniform(-2.0, 0.5)),
        "entry_leverage_slope": float(rng.uniform(-1.0, 0.0)),
        "mixed_share": float(rng.uniform(0.0, 0.5)),
        "isolated_share": float(rng.choice([0.0, 0.3, 1.0])),
    }
    return scenarios.from_mapping(
        {
            "name": f"crowd-{seed}",
            "markets": markets,
            "population": population,
            "kinds": _kinds(rng),
        }
    )


def _market(rng: np.random.Generator) -> dict[str, Any]:
    start = float(10 ** rng.uniform(-2.0, 5.0))
    top = sorted(rng.choice(TOP_LEVERAGES, int(rng.integers(1, 4)), replace=False))
    floors = [0.0, *np.sort(10 ** rng.uniform(4.0, 7.0, len(top) - 1))]
    tick = float(f"{start / 2000:.0e}")
    return {
        "tick_usd": tick,
        "lot": max(1, round(tick * 10 ** rng.uniform(3.0, 5.0) / start)) / (tick * 1e6),
        "start_usd": start,
        "tiers": [
            {"notional_usd": float(floor), "max_leverage": int(leverage)}
            for floor, leverage in zip(floors, reversed(top), strict=True)
        ],
        "depth_usd": 1e5,
        "weight": float(10 ** rng.uniform(-2.0, 1.0)),
        "entry_mean": float(rng.uniform(-0.3, 0.3)),
        "entry_sd": float(rng.uniform(0.0, 0.4)),
    }


def _kinds(rng: np.random.Generator) -> dict[str, Any]:
    shares = rng.dirichlet(np.ones(4))
    shares[0] = 1.0 - shares[1:].sum()
    return {
        "calm": {"share": float(shares[0])},
        "hot": {
            "share": float(shares[1]),
            "leverage_factor": 10.0,
            "leverage_log_sd": 1.0,
            "equity_factor": float(10 ** rng.uniform(-1.0, 1.0)),
            "long_share": float(rng.uniform()),
        },
        "shy": {"share": float(shares[2]), "holds_position": 0.1, "max_leverage": 0.5},
        "whale": {"share": float(shares[3]), "size": "largest"},
    }
