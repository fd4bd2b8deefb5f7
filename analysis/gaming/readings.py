"""Sentences of the contest's page, made from its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import notation
from analysis.figures.gaming import by_share
from analysis.gaming import verdict as verdicts
from analysis.gaming.matrix import ALL
from analysis.gaming.verdict import VERDICTS, Materiality
from analysis.gaming.words import basis_points, value
from analysis.report.words import names

_EXPLOITABLE = (verdicts.HARMLESS, verdicts.EXPLOITABLE, verdicts.HARMFUL)


def in_short(rows: pd.DataFrame) -> list[str]:
    """How many cells have which verdict, and which policies and strategies stand out."""
    counts = rows["verdict"].value_counts()
    parts = [f"{name} in {counts[name]}" for name in VERDICTS if name in counts]
    found = [
        f"Of {len(rows)} pairs of strategy and policy: {notation.listing(parts)} "
        f"({notation.share(rows['adopters'].iloc[0])} of the traders with positions play)."
    ]
    gained = rows[rows["verdict"].isin(_EXPLOITABLE)]
    if gained.empty:
        found.append("No strategy gains for sure under any policy.")
    else:
        best = gained.loc[gained["gain"].idxmax()]
        found.append(
            f"The largest gain that is sure has {best['strategy']} under {best['policy']}: "
            f"{value(best, 'gain')} of capacity."
        )
        for strategy, mine in gained.groupby("strategy", sort=False):
            found.append(f"{strategy} gains under {names(list(mine['policy']))}.")
    for word, sentence in (
        (verdicts.PROOF, "is proof against"), (verdicts.SELF_DEFEATING, "turns back"),
    ):  # fmt: skip
        chosen = rows[rows["verdict"] == word]
        if chosen.empty:
            continue
        many = chosen.groupby("policy", sort=False).size()
        most = list(many[many == many.max()].index)
        found.append(
            f"{names(most)} {sentence} most strategies: {many.max()} of "
            f"{rows['strategy'].nunique()}."
        )
    return found


def trade_offs(rows: pd.DataFrame) -> list[str]:
    """The dearest strategy, the largest saving, and the largest harm."""
    dear = rows.groupby("strategy", sort=False)["cost"].mean().dropna().sort_values()
    if dear.empty:
        return ["No run of any strategy was finished."]
    saved = rows.loc[rows["saved"].idxmax()] if rows["saved"].notna().any() else None
    found = [
        f"Dearest is {dear.index[-1]}: {basis_points(dear.iloc[-1])} of capacity in the "
        f"mean over policies; cheapest {dear.index[0]}: {basis_points(dear.iloc[0])}."
    ]
    if saved is not None:
        found.append(
            f"Most of its ADL loss saves {saved['strategy']} under {saved['policy']}: "
            f"{value(saved, 'saved')} of capacity."
        )
    found += _total_profit(rows)
    clear = rows[rows["harm_low"] > 0.0]
    if clear.empty:
        found.append("No strategy raises the venue's expected shortfall for sure.")
    else:
        worst = clear.loc[clear["harm"].idxmax()]
        found.append(
            f"The venue's expected shortfall rises most with {worst['strategy']} under "
            f"{worst['policy']}: {value(worst, 'harm', notation.share)}."
        )
    return found


def _total_profit(rows: pd.DataFrame) -> list[str]:
    """With which strategies players end richer or poorer for sure, prices included."""
    found = []
    policies = rows["policy"].nunique()
    for word, sure in (("richer", rows["profit_low"] > 0.0),
                       ("poorer", rows["profit_high"] < 0.0)):  # fmt: skip
        many = rows[sure].groupby("strategy", sort=False).size()
        said = [f"{name} under {count} of {policies}" for name, count in many.items()]
        if said:
            found.append(
                f"With what prices did to them, players end {word} for sure with "
                f"{notation.listing(said)} policies."
            )
    return found


def honest(rows: pd.DataFrame) -> list[str]:
    """Where honest traders pay more, or less, for sure."""
    more = rows[rows["honest_low"] > 0.0]
    less = rows[rows["honest_high"] < 0.0]
    found = []
    for mine, word in ((more, "more"), (less, "less")):
        if mine.empty:
            continue
        cells = [f"{row.strategy} under {row.policy}" for row in mine.itertuples()]
        found.append(f"Honest traders pay {word} for sure with {names(cells)}.")
    if not found:
        found.append(
            "In no cell do honest traders pay more or less for sure than with nobody "
            "playing."
        )
    known = rows["honest"].dropna()
    if len(known):
        low, middle, high = map(_signed_share, known.quantile([0.0, 0.5, 1.0]))
        found.append(
            f"What ADL takes from them changes by {middle} in the median cell, from {low} "
            f"to {high}."
        )
    return found


def mass(table: pd.DataFrame, together: pd.DataFrame, least: Materiality) -> list[str]:
    """Whether so few players change the venue, and from which share on they would.

    Parameters
    ----------
    table : DataFrame
        What :func:`analysis.gaming.matrix.matrix` gives.
    together : DataFrame
        What :func:`analysis.gaming.matrix.pooled` gives.
    least : Materiality
    """
    rows = table.reset_index()
    rows = rows[rows["part"] == rows["part"].min()]
    share = rows["adopters"].iloc[0]
    rows = rows[rows["adopters"] == share]
    harmed = rows[rows["harm_low"] > least.harm]
    bounded = rows[rows["harm_high"] < least.harm]
    counts = notation.share(least.harm)
    if rows["harm"].isna().all():
        return ["There are too few runs in the tail to say what the venue loses."]
    found = [
        f"With {notation.share(share)} of the traders playing, the venue's expected "
        f"shortfall changes by {_signed_share(rows['harm'].median())} in the median cell. "
        f"A rise of {counts} or more is ruled out in {len(bounded)} of {len(rows)} cells "
        f"and sure in {len(harmed)}."
    ]
    found += _in_the_mean(together)
    for (strategy, policy), cell in by_share(table).items():
        found.append(_threshold(strategy, policy, cell, least))
    return found


def _in_the_mean(together: pd.DataFrame) -> list[str]:
    """What gaming changes in the mean over strategies, at every share, and by policy."""
    found = []
    for (_, adopters), rows in together.groupby(level=["part", "adopters"], sort=False):
        row = rows.xs(ALL, level="policy").iloc[0]
        if np.isfinite(row["harm_low"]):
            found.append(
                f"With {notation.share(adopters)} playing, in the mean over strategies and "
                f"policies the expected shortfall changes by "
                f"{value(row, 'harm', notation.share)}, and what honest traders pay by "
                f"{value(row, 'honest', notation.share)}."
            )
    rows = together.drop(index=ALL, level="policy").reset_index()
    rows = rows[(rows["part"] == rows["part"].min())]
    rows = rows[rows["adopters"] == rows["adopters"].iloc[0]]
    for word, clear in (("more", rows["harm_low"] > 0), ("less", rows["harm_high"] < 0)):
        said = [
            f"{row['policy']} by {value(row, 'harm', notation.share)}"
            for _, row in rows[clear].iterrows()
        ]
        if said:
            found.append(
                f"In the mean over strategies the shortfall is clearly {word} under "
                f"{notation.listing(said)}."
            )
    return found


def _threshold(strategy: str, policy: str, cell: pd.DataFrame, least: Materiality) -> str:
    sure = cell[cell["harm_low"] > least.harm]
    ruled_out = cell[cell["harm_high"] < least.harm]
    who = f"{strategy} under {policy}"
    if len(sure):
        at = notation.share(sure["adopters"].min())
        row = sure.loc[sure["adopters"].idxmin()]
        harm = value(row, "harm", notation.share)
        return f"{who}: it matters for sure from {at} on: {harm}."
    last = cell.iloc[-1]
    told = (
        f"at {notation.share(last['adopters'])} it is {value(last, 'harm', notation.share)}"
    )
    if len(ruled_out):
        upto = notation.share(ruled_out["adopters"].max())
        return f"{who}: material harm is ruled out up to {upto}; {told}."
    return f"{who}: the runs cannot say at any share; {told}."


def _signed_share(one: float) -> str:
    return notation.signed(notation.share(one)) if np.isfinite(one) else "-"
