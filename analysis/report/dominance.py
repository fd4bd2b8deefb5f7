"""A question about burdens as a whole: which is lighter, however pain is weighed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import notation
from analysis.figures.heat import draw_levels
from analysis.majorisation import majorisation
from analysis.measures import Told
from analysis.report import words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table


def lighter(told: Told, _: Lazy) -> Answer:
    """Majorisation between every two policies, run by run."""
    question = "Is one burden lighter than another, however pain is weighed?"
    if len(told.policies) < 2:
        return Missing(question, "the batch has a single policy")
    pairs = majorisation(told.batch)
    pairs = pairs[pairs["runs"] > 0]
    if pairs.empty:
        return Missing(question, "nobody was hit in any run")
    shares = _table(pairs, told.policies)
    figure = draw_levels(question, shares, "Policy that the row's is lighter than")
    table = Table("majorisation", "Share of runs in which the row's burden is lighter",
                  shares.map(_percent), pairs)  # fmt: skip
    note = (
        "A burden is lighter if its most burdened account, its two most burdened "
        "together, and so on, all carry less (weak submajorisation of what accounts gave "
        "in a run, USD against the mark of the moment): then every measure that is convex "
        "in losses finds it lighter. Cells: the share of runs in which the row's burden "
        "is lighter than the column's."
    )
    return Section("lighter", question, _told(pairs), {question: figure}, [table], note)


def _table(pairs: pd.DataFrame, policies: list[str]) -> pd.DataFrame:
    """Share of runs in which the row is lighter than the column."""
    turned = pairs.rename(
        columns={"first": "second", "second": "first", "second_lighter": "first_lighter",
                 "first_lighter": "second_lighter"}
    )  # fmt: skip
    both = pd.concat([pairs, turned])
    found = both.pivot(index="first", columns="second", values="first_lighter")
    found = found.reindex(index=policies, columns=policies)
    return found.dropna(how="all").dropna(axis="columns", how="all").rename_axis("policy")


def _percent(share: float) -> str:
    return "" if pd.isna(share) else notation.share(share)


def _told(pairs: pd.DataFrame) -> list[str]:
    """Who is lighter than most others in most runs, and how many pairs stay open."""
    if len(pairs) <= _FEW_PAIRS:
        return [_pair_told(row) for row in pairs.to_dict("records")]
    wins: dict[str, int] = {}
    for row in pairs.to_dict("records"):
        for winner, side in ((row["first"], "first"), (row["second"], "second")):
            clear = row[f"{side}_lighter_low"] > _MOST
            wins[winner] = wins.get(winner, 0) + int(clear)
    decided, most = sum(wins.values()), max(wins.values())
    if not decided:
        return [
            "No burden is lighter than another in clearly more than half of the runs: "
            "which hurts less depends on how large losses are weighed against many small "
            "ones."
        ]
    ahead = [name for name, count in wins.items() if count == most]
    open_pairs = len(pairs) - decided
    rest = (
        " In the others it depends on the run, or on how large losses are weighed against "
        "many small ones." if open_pairs else ""
    )  # fmt: skip
    return [
        f"In {decided} of {len(pairs)} pairs one burden is lighter in clearly more than "
        f"half of the runs, whatever the weights.{rest}",
        f"Lighter than the most others, {most}: {words.names(ahead)}.",
    ]


_MOST = 0.5
_FEW_PAIRS = 3


def _pair_told(row: dict[str, Any]) -> str:
    """Of two burdens, which is lighter more often, and how often."""
    is_first = row["first_lighter"] >= row["second_lighter"]
    names = (row["first"], row["second"])
    lighter, heavier = names if is_first else names[::-1]
    side = "first_lighter" if is_first else "second_lighter"
    share = words.bracketed(
        row[side], row[f"{side}_low"], row[f"{side}_high"], notation.share
    )
    return f"The burden is lighter under {lighter} than under {heavier} in {share} of runs."
