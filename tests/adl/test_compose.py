"""Six answers that make a policy together, and those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.adl.compose import PRESETS, CompositionError, compose
from abm.adl.wave import BANKRUPT
from tests.adl import waves

POSITIONS = {
    "trigger": "venue-short",
    "severity": "all",
    "eligibility": {"rule": "positions", "profit": "any"},
    "seniority": "none",
    "allocation": "contracts",
    "settlement": {"rule": "contracts", "price": "mark"},
}
WHOLE = {"rule": "contracts", "price": "mark", "rounding": "whole-positions"}
LEVERAGE = {"rule": "queue", "score": "leverage"}
OLDEST = {"rule": "queue", "score": "oldest"}


def weighed(allocation: Any) -> dict[str, Any]:
    who = {"rule": "positions", "profit": "any", "hedged": "weight"}
    return POSITIONS | {"eligibility": who, "allocation": allocation}


# --- scores times the net delta ---------------------------------------------------------


def two_alike():
    """Two payers who differ in one thing: the second is hedged to a fifth elsewhere."""
    alike = {"lots": -100, "entry": 12.0, "mark": 10.0, "cash": 1000.0, "equity": 1200.0}
    rows = waves.candidates([alike, alike])
    rows["account_net"] = rows["account_notional"] * np.array([-1, 1]) // np.array([1, 5])
    bankrupt = np.zeros(1, BANKRUPT)
    bankrupt["account"], bankrupt["lots"] = 9, 100
    bankrupt["value"], bankrupt["bankruptcy"] = 1000 * 10**6, 1005 * 10**6
    price = np.array([10])
    return waves.wave(
        rows,
        bankrupt=bankrupt,
        short_account=np.array([9]),
        deficit=np.array([5 * 10**6]),
        mark=price,
        previous_mark=price,
        index=price,
        unit=np.array([10**6]),
    )


RANKING = [
    LEVERAGE,
    {"rule": "queue", "score": "ethereal"},
    {"rule": "queue", "score": {"rule": "lexicographic", "by": ["wealth", "newest"]}},
    {"rule": "lexicographic", "by": ["leverage", "newest"]},
    {"rule": "pro-rata", "by": "equity"},
    "contracts",
    "risk-weighted",
    "greedy",
    {"rule": "weights", "weights": {"0": 1.0, "1": 1.0}},
    {"rule": "hybrid", "parts": ["contracts", "contracts"], "weights": [1.0, 1.0]},
    {"rule": "hybrid", "parts": [LEVERAGE, "risk-weighted"], "weights": [0.2, 0.8]},
    {"rule": "buckets", "score": "leverage", "edges": [0.5]},
    {"rule": "buckets", "score": "leverage", "edges": [1e9], "inside": "contracts"},
    {"rule": "buckets", "score": "leverage", "edges": [1e9], "inside": LEVERAGE},
]


@pytest.mark.parametrize("allocation", RANKING, ids=str)
def test_who_is_hedged_pays_less_where_scores_are_weighed(allocation):
    first, second = compose("p", weighed(allocation)).decide(two_alike()).amounts.tolist()
    assert first + second == 100
    assert first > second


def test_weights_of_contracts_and_of_both_parts_of_a_hybrid_are_net_deltas():
    # Net deltas are 1 and, with 1000 short and 1200 - 200 apart, 2/6.
    alone = compose("p", weighed("contracts")).decide(two_alike())
    assert alone.payers.weight == pytest.approx([1.0, 1 / 3])
    assert alone.amounts.tolist() == [75, 25]
    both = {"rule": "hybrid", "parts": ["contracts"] * 2, "weights": [1.0, 1.0]}
    assert compose("p", weighed(both)).decide(two_alike()).amounts.tolist() == [75, 25]


@pytest.mark.parametrize(
    ("allocation", "reason"),
    [
        ("leverage-filling", "more does not mean to pay more"),
        ({"rule": "leverage-filling", "form": "factor"}, "more does not mean"),
        ({"rule": "power-penalty", "weight": "equity"}, "more does not mean"),
        ({"rule": "exponential-penalty", "weight": "equity"}, "more does not mean"),
        ("min-max", "more does not mean"),
        ("min-max-lots", "more does not mean"),
        ({"rule": "min-max-lots", "method": "program"}, "more does not mean"),
        ("random-start", "more does not mean"),
        (OLDEST, "more does not mean"),
        ({"rule": "lexicographic", "by": ["oldest", "leverage"]}, "more does not mean"),
        ({"rule": "buckets", "score": "newest", "edges": [3.0]}, "more does not mean"),
        (
            {"rule": "buckets", "score": "wealth", "edges": [3.0], "inside": OLDEST},
            "more does not mean",
        ),
        (
            {"rule": "hybrid", "parts": ["pro-rata", LEVERAGE], "weights": [1.0, 1.0]},
            "more does not mean",
        ),
        ("pro-rata", "has no score"),
        ("levelling", "has no score"),
    ],
)
def test_net_deltas_weigh_only_scores_by_which_more_pays_more(allocation, reason):
    with pytest.raises(CompositionError, match=rf"hedged = 'weight'.*{reason}"):
        compose("p", weighed(allocation))
    compose("p", weighed(allocation) | {"eligibility": POSITIONS["eligibility"]})


# --- whole positions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"eligibility": {"rule": "positions", "share_per_wave": 0.5}}, "the caps"),
        ({"eligibility": {"rule": "positions", "share_per_run": 0.5}}, "the caps"),
        ({"eligibility": {"rule": "positions", "usd_per_wave": 5.0}}, "the caps"),
        ({"eligibility": {"rule": "positions", "usd_per_run": 5.0}}, "the caps"),
        ({"seniority": "profits-first"}, "into tiers"),
        ({"seniority": "ladder"}, "into tiers"),
        ({"allocation": {"rule": "capped", "cap": 0.5}}, "allocation.cap"),
        (
            {
                "allocation": {
                    "rule": "hybrid",
                    "parts": [{"rule": "risk-weighted", "cap": 0.5}],
                    "weights": [1.0],
                }
            },
            "allocation.cap",
        ),
    ],
)
def test_what_splits_positions_does_not_go_with_whole_ones(over, reason):
    table = POSITIONS | over
    compose("p", table)
    with pytest.raises(CompositionError, match=f"'whole-positions'.*{reason}"):
        compose("p", table | {"settlement": WHOLE})
    compose("p", POSITIONS | {"settlement": WHOLE})


# --- answers that nobody would look at --------------------------------------------------


def of(preset: str, **over: Any) -> dict[str, Any]:
    return PRESETS[preset] | over


ACCOUNTS = {"rule": "accounts"}
QUEUED = {"rule": "queue", "score": "wealth"}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (of("paradex", allocation=QUEUED), "allocation = 'queue'.*must be pro-rata"),
        (of("paradex", allocation="min-max"), "allocation = 'min-max'.*must be pro-rata"),
        (of("paradex", seniority="ladder"), "seniority = 'ladder'.*must be none"),
        (
            of(
                "binance",
                eligibility=POSITIONS["eligibility"]
                | {"hedged": "exempt", "hedged_below": 0.0},
            ),
            "eligibility.hedged_below = 0.*greater than 0",
        ),
        (
            of("pro-rata", eligibility=ACCOUNTS | {"hedged_below": 0.5}),
            "hedged_below = 0.5: is not looked at.*last or exempt",
        ),
        (
            weighed(LEVERAGE)
            | {"eligibility": weighed(LEVERAGE)["eligibility"] | {"hedged_below": 0.5}},
            "is not looked at with hedged = 'weight'",
        ),
        (
            of("pro-rata", eligibility=ACCOUNTS | {"share_per_wave": 0.0}),
            "share_per_wave = 0",
        ),
        (
            of("pro-rata", eligibility=ACCOUNTS | {"share_per_run": 0.0}),
            "share_per_run = 0",
        ),
        (
            of("binance", eligibility={"rule": "positions", "share_per_wave": 0.0}),
            "share_per_wave = 0",
        ),
        (
            of("pro-rata", eligibility=ACCOUNTS | {"buffer": "initial"}),
            "buffer = .initial.: is not looked at.*above-buffer",
        ),
        (of("pro-rata", eligibility=ACCOUNTS | {"times": 3.0}), "times = 3.*above-buffer"),
        (of("pro-rata", allocation={"rule": "capped", "cap": 0.0}), "allocation.cap = 0"),
        (
            of("pro-rata", allocation={"rule": "risk-weighted", "cap": 0.0}),
            "allocation.cap = 0",
        ),
        (
            of("pro-rata", allocation={"rule": "lexicographic", "by": []}),
            "allocation.by = ",
        ),
        (
            of(
                "pro-rata",
                allocation={"rule": "queue", "score": {"rule": "lexicographic", "by": []}},
            ),
            "score.by = ",
        ),
        (
            of("pro-rata", allocation={"rule": "buckets", "score": "wealth", "edges": []}),
            "allocation.edges = ",
        ),
        (
            of("pro-rata", allocation={"rule": "weights", "weights": {}}),
            "allocation.weights = ",
        ),
        (
            of("pro-rata", settlement={"rule": "cash", "rounding": "floor"}),
            "'floor': rounds nothing.*unit_usd",
        ),
        (
            of("pro-rata", settlement={"rule": "cash", "rounding": "ceil"}),
            "'ceil': rounds nothing",
        ),
        (
            of(
                "pro-rata",
                settlement={
                    "rule": "cash",
                    "rounding": "fixed-point-scaling",
                    "unit_usd": 1e-6,
                },
            ),
            "rounds nothing",
        ),
        (
            of(
                "pro-rata",
                settlement={
                    "rule": "cash",
                    "rounding": "whole-capacities",
                    "unit_usd": 1.0,
                },
            ),
            "unit_usd = 1.0: is not looked at",
        ),
        (
            of("pro-rata", settlement={"rule": "cash", "unit_usd": 1e-7}),
            "settlement.unit_usd = 1e-07",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused_in_one_line(table, reason):
    with pytest.raises(CompositionError, match=reason) as refused:
        compose("p", table)
    assert "\n" not in str(refused.value)


def test_a_file_without_weights_is_refused(tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("account,weight\n")
    with pytest.raises(CompositionError, match="must have a row"):
        compose("p", of("pro-rata", allocation={"rule": "weights", "file": str(file)}))


def test_eligibility_that_fits_another_settlement_is_refused_in_plain_words():
    expected = "eligibility = 'holders': is for settlement = 'charge', not for 'contracts'"
    with pytest.raises(CompositionError, match=expected):
        compose("p", POSITIONS | {"eligibility": "holders"})
