"""Policies that are built in: what twelve venues document, and eight designs.

A preset is a composition: one answer to each of the six questions, with where the rule is
written down and how it was read where the document leaves something open. The ladder by
which a venue liquidates before ADL is another matter (`abm.venue.ladders`); a preset names
the one that it belongs with. Venues call ADL once their insurance fund will not take a
position any more: here that is the ladder's last rung, so their trigger is `venue-short`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from abm.adl.answers import Answer


class Preset(NamedTuple):
    """A built-in policy.

    Attributes
    ----------
    kind : {"venue", "design", "reference"}
        Whether a venue documents it, it was designed on paper, or others are held
        against it.
    summary : str
        One line.
    source : str
        The venue's page, or the repository and commit, or the paper.
    ladder : str
        The ladder of `abm.venue.ladders` that it belongs with; empty if any will do.
    readings : tuple of str
        What the source leaves open, and how it was read.
    table : dict
        The answers to the six questions.
    """

    kind: Literal["venue", "design", "reference"]
    summary: str
    source: str
    ladder: str
    readings: tuple[str, ...]
    table: dict[str, Answer]


def _table(
    eligibility: Answer,
    allocation: Answer,
    settlement: Answer,
    trigger: Answer = "venue-short",
    severity: Answer = "all",
    seniority: Answer = "none",
) -> dict[str, Answer]:
    return {
        "trigger": trigger,
        "severity": severity,
        "eligibility": eligibility,
        "seniority": seniority,
        "allocation": allocation,
        "settlement": settlement,
    }


def _queue(score: str) -> Answer:
    return {"rule": "queue", "score": score}


def _contracts(price: str) -> Answer:
    return {"rule": "contracts", "price": price}


_RANKED: dict[str, Any] = {"rule": "positions", "profit": "any", "health": "solvent"}
_HEDGED_LAST: dict[str, Any] = {**_RANKED, "hedged": "last", "hedged_below": 0.05}
_SOLVENT = (
    "Losers may be asked, after all winners. Who would be left below zero by the price is "
    "passed over: the source does not say what would become of the debt."
)
_HEDGED = (
    "Every account whose net delta is below 5% counts as hedged; venues ask for an "
    "application, a mode and a margin type first."
)
_OVER_ALL = (
    "The venue tests the net delta of each underlying asset; here it is over all markets "
    "of an account together, so longs in one asset are hedged by shorts in another."
)

VENUES: dict[str, Preset] = {
    "hyperliquid": Preset(
        "venue",
        "queue by return and leverage, at the previous mark; winners only",
        "hyperliquid.gitbook.io/hyperliquid-docs/trading/auto-deleveraging",
        "hyperliquid",
        (
            "The score is printed for longs; for shorts entry over mark, so that a larger "
            "gain ranks higher on both sides.",
            "An older version of the page has the previous oracle price for the mark.",
            "In profit at the mark and at the price of the closing, so that nobody loses "
            "more than a profit.",
        ),
        _table("opposite-in-profit", _queue("hyperliquid"), _contracts("previous-mark")),
    ),
    "binance": Preset(
        "venue",
        "queue by percentage of profit times margin ratio, at bankruptcy; hedged last",
        "binance.com/en/support/faq/360033525471; developers.binance.com, USD-M futures, "
        "Position ADL Quantile Estimation; FAQ 4ac2d99429f845e5961acff03556c034",
        "binance",
        (
            "The formula of the API's documents. Second-hand accounts have return on "
            "notional times leverage, which is the score return-on-equity.",
            _SOLVENT,
            _HEDGED,
            _OVER_ALL,
        ),
        _table(_HEDGED_LAST, _queue("binance"), _contracts("bankruptcy")),
    ),
    "bybit": Preset(
        "venue",
        "from a 30% fall of the fund in 8 h: queue by profit and leverage, at bankruptcy",
        "github.com/bybit-exchange/docs@072c197, docs/v5/market/adl-alert.mdx; "
        "bybit.com/en/help-center, Auto-Deleveraging and Delta Neutral Mode",
        "binance",
        (
            "One fund stands for Bybit's pools by group of contracts.",
            "The rule is below -30%, an example acts at -30% exactly; here that acts.",
            "Profit times leverage for losers too, who come after all winners: the page "
            "does not say how they rank, and by the product the less levered come first.",
            _SOLVENT,
            _HEDGED,
        ),
        _table(
            _HEDGED_LAST,
            _queue("bybit"),
            _contracts("bankruptcy"),
            trigger={"rule": "drawdown", "window_s": 28_800.0, "start": 0.3, "stop": 0.25},
        ),
    ),
    "okx": Preset(
        "venue",
        "from a 30% fall of the fund in 8 h: queue by return over margin ratio, at mark",
        "okx.com/help/iv-introduction-to-auto-deleveraging-adl; formula from "
        "mlmrehab.com/15032 and SunX's documents",
        "binance",
        (
            "The formula is second-hand. A revision of November 2025, seen on mirrors, "
            "ranks by return times effective leverage, which is the score of bybit.",
            "At the mark the bankrupt account keeps its debt, which the fund must pay.",
            "It stops as it starts, at 30%: no other threshold is published.",
            _SOLVENT,
            _HEDGED,
        ),
        _table(
            _HEDGED_LAST,
            _queue("okx"),
            _contracts("mark"),
            trigger={"rule": "drawdown", "window_s": 28_800.0, "start": 0.3, "stop": 0.3},
        ),
    ),
    "bitmex": Preset(
        "venue",
        "queue by return times (losers: over) effective leverage, at bankruptcy",
        "support.bitmex.com 18589621443357; bitmex.com/app/autoDeleveraging",
        "bitmex",
        ("In cross margin all equity of the account stands behind a position.", _SOLVENT),
        _table(_RANKED, _queue("bitmex"), _contracts("bankruptcy")),
    ),
    "dydx-v4": Preset(
        "venue",
        "from a random account on, at most 500, at bankruptcy; none made less healthy",
        "github.com/dydxprotocol/v4-chain@84d4664, protocol/x/clob/keeper/deleveraging.go",
        "dydx-v4",
        (
            "The start is drawn once for each side of a market in a wave, not for each "
            "bankrupt account.",
            "The scan counts those who may be asked; the chain counts who it passes over "
            "as well.",
            "The documents still tell of an order by profit and leverage; the code is "
            "taken.",
        ),
        _table(
            {"rule": "positions", "profit": "any", "health": "sound"},
            {"rule": "random-start", "scan": 500},
            _contracts("bankruptcy"),
        ),
    ),
    "drift": Preset(
        "venue",
        "no queue: the same charge on every contract of both sides",
        "github.com/drift-labs/protocol-v2@0ae3e3b, "
        "programs/drift/src/controller/liquidation.rs, resolve_perp_bankruptcy",
        "dydx-v4",
        (
            "The fund's cap by tier of contract and the fee pool of Drift's AMM are not "
            "here: the ladder's fund pays what it has.",
            "Nobody is charged more than the position's part of its account's equity.",
        ),
        _table(
            {"rule": "holders", "side": "both"},
            "contracts",
            {"rule": "charge", "side": "both"},
        ),
    ),
    "gmx": Preset(
        "venue",
        "profit above 85% of the pool: winners are closed at the oracle price, to 77%",
        "github.com/gmx-io/gmx-synthetics@a5c0c88, contracts/adl/AdlUtils.sol, "
        "exchange/AdlHandler.sol; config/markets.ts",
        "binance",
        (
            "GMX's pool owes winners all of their profit. On an order book losers owe it, "
            "and the venue owes what they cannot pay: so the profit is the wave's deficit "
            "and the pool is the insurance fund.",
            "A keeper chooses whom: here the largest profit first, which lowers the factor "
            "by the fewest orders. Closing a loser would raise it, so it is not valid.",
            "At the oracle's price the bankrupt account keeps its debt.",
        ),
        _table(
            {"rule": "positions", "profit": "mark"},
            _queue("profit"),
            _contracts("index"),
            trigger={"rule": "pool-factor", "above": 0.85},
            severity={"rule": "pool-factor", "down_to": 0.77},
        ),
    ),
    "paradex": Preset(
        "venue",
        "nobody is closed: withdrawals are cut while the venue is short",
        "docs.paradex.trade/risk/socialized-losses (repository at 9b82a75, "
        "fern/pages/risk-system/socialized-losses.mdx)",
        "binance",
        (
            "The page's formula divides by cash and debt (20%), its example by cash "
            "(25%); the formula is taken, `divisor` switches.",
        ),
        _table("nobody", "pro-rata", {"rule": "withdrawals", "divisor": "claims"}),
    ),
    "aftermath": Preset(
        "venue",
        "small debt charged per contract; large debt: queue as BitMEX, at one's own entry",
        "docs.aftermath.finance/perpetuals/architecture/liquidations/adl; "
        "github.com/AftermathFinance/aftermath-sdk-rust@6d7d15b, crates/af-iperps",
        "aftermath",
        (
            "The two limits of small debt are not published: 10,000 USD and 0.1% of open "
            "interest.",
            "The ranking is computed off the chain, where weights over chosen "
            "counterparties are passed in: a queue is the reading of its documents.",
            _SOLVENT,
        ),
        _table(
            _RANKED,
            _queue("aftermath"),
            _contracts("entry"),
            trigger={
                "rule": "bad-debt",
                "above_usd": 10_000.0,
                "above_share": 1e-3,
                "below": "socialise",
            },
        ),
    ),
    "ethereal": Preset(
        "venue",
        "by leverage, profit, smallest balance, newest; at the oracle price or bankruptcy",
        "docs.ethereal.trade/trading/perpetual-futures/auto-deleveraging",
        "binance",
        (
            "The example closes at 3600 and moves 2000 dollars, which only the bankruptcy "
            "price of 3800 does: the better of the two for the bankrupt account is taken.",
            "Winners at the mark only; accounts are numbered in the order of opening.",
        ),
        _table(
            {"rule": "positions", "profit": "mark", "health": "solvent"},
            _queue("ethereal"),
            _contracts("index-or-bankruptcy"),
        ),
    ),
    "vega": Preset(
        "venue",
        "gains of the step are cut in proportion; the last to ask takes the remainder",
        "github.com/vegaprotocol/vega, core/settlement, "
        "core/collateral/simple_distributor.go",
        "binance",
        (
            "A step is the time between two looks at the mark, the wave's clock; Vega "
            "settles at every new mark. What the gains of the step cannot cover is left.",
            "Accounts ask in the order of their numbers.",
            "The last is paid no more than it is owed, the rest goes to the one before. "
            "The venue's distributor pays the last all of it (gains of 42, 27 and 1 with "
            "54 collected: 32, 20 and 2; here 32, 21 and 1).",
        ),
        _table("gains-of-the-step", "last-takes-rest", "cash"),
    ),
}

DESIGNS: dict[str, Preset] = {
    "pro-rata": Preset(
        "design",
        "the same share of everybody's unrealised profit",
        "arXiv 2512.01112, wealth pro-rata",
        "",
        (),
        _table("profits", "pro-rata", "cash"),
    ),
    "capped-pro-rata": Preset(
        "design",
        "the same share of profit, and no more than a tenth of it in one call",
        "arXiv 2512.01112, capped pro-rata",
        "",
        ("The cap is ours: the paper leaves it open.",),
        _table("profits", {"rule": "capped", "cap": 0.1}, "cash"),
    ),
    "risk-weighted": Preset(
        "design",
        "shares of profit in proportion to the account's leverage squared",
        "arXiv 2512.01112, section 7, risk-aware pro-rata with the linear model",
        "",
        (),
        _table("profits", {"rule": "risk-weighted", "risk": "linear"}, "cash"),
    ),
    "leverage-waterfill": Preset(
        "design",
        "the most levered are closed at the mark, down to one leverage",
        "arXiv 2603.15963",
        "",
        ("Closing at the mark removes exposure and leaves debts to the fund.",),
        _table(
            {"rule": "positions", "profit": "any"}, "leverage-filling", _contracts("mark")
        ),
    ),
    "convex-penalty": Preset(
        "design",
        "the least sum of squared shares: the large pay more than in proportion",
        "public notes that accompany arXiv 2512.01112; quadratic penalty, equal weights",
        "",
        (),
        _table("profits", {"rule": "power-penalty", "power": 2.0}, "cash"),
    ),
    "levelling": Preset(
        "design",
        "the largest profits are cut down to one level",
        "Thomson, doi:10.1016/S0165-4896(02)00070-7, constrained equal awards",
        "",
        (),
        _table("profits", "levelling", "cash"),
    ),
    "profits-first": Preset(
        "design",
        "all gains by the ledger pay before any principal, each in proportion",
        "public notes that accompany arXiv 2512.01112, tiered seniority",
        "",
        (),
        _table(
            {"rule": "accounts", "capacity": "equity"},
            "pro-rata",
            "cash",
            seniority="profits-first",
        ),
    ),
    "minmax": Preset(
        "design",
        "whole contracts at bankruptcy so that the largest loss of equity is least",
        "arXiv 2512.01112, min-max integer program; 2602.15182",
        "",
        (),
        _table("opposite-in-profit", "min-max-lots", _contracts("bankruptcy")),
    ),
}

REFERENCES: dict[str, Preset] = {
    "none": Preset(
        "reference",
        "nobody pays: the shortfall stays where it is",
        "what every policy is held against",
        "",
        (),
        _table("profits", "pro-rata", "cash", trigger="never"),
    ),
}

PRESETS: dict[str, Preset] = {**VENUES, **DESIGNS, **REFERENCES}
"""All built-in policies by name."""
