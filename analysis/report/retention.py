"""Questions about whom ADL drives away, and what they would have paid."""

from __future__ import annotations

import pandas as pd

from analysis import notation
from analysis.figures.curves import draw_curves
from analysis.figures.dots import draw_dots
from analysis.figures.heat import draw_levels
from analysis.measures import Told, sum_up
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table
from analysis.retention import by_episode, by_group, kept_difference

_MOST_CURVES = 6


def value(told: Told, _: Lazy) -> Answer:
    """The value that stays with the venue, and which kinds take theirs away."""
    question = "What does it keep, and whom does it drive away?"
    if not told.has("runs", "retained_value_share"):
        return Missing(question, "the batch holds no values of retention")
    kept = told.of("retained_value_share", "high")
    reading = words.ranking(
        told.values("retained_value_share")[told.hitting],
        told.measure("retained_value_share"),
        f"mean share of lifetime value that is retained{words.among(told)}",
    )  # fmt: skip
    label = "Retained share of lifetime value"
    figures = {label: draw_dots(question, {"": kept}, label, "share")}
    given = [
        tables.of_several("retained", "Value retained, means over runs", {
            "Retained share": (kept, "share"),
            "Retained value": (told.of("retained_value_usd"), "usd"),
            "Expected churn": (told.of("expected_churn"), "count"),
        })
    ]  # fmt: skip
    if told.has("retention", "expected_churn"):
        shares, data = _churn_by_kind(told)
        title = "Accounts expected to leave, by kind"
        figures[title] = draw_levels(title, shares, "Kind of account")
        given.append(Table("churn-by-kind", title, shares.map(notation.share), data))
        means = shares.loc[told.hitting or told.policies].mean()
        kind = means.idxmax()
        among = "the policies that hit anybody" if words.among(told) else "policies"
        reading.append(
            f"In the mean over {among}, {kind} accounts leave most: "
            f"{notation.share(means[kind])} of all of them."
        )
    note = (
        "Lifetime value is what an account is expected to pay in fees over the horizon of "
        "the scenario's table `retention`. How the wish to leave grows with the haircut is "
        "an assumption stated there, not a finding. Cells: the share of all accounts of "
        "the kind that leave in the mean; all runs together."
    )
    return Section("retention", question, reading, figures, given, note)


def _churn_by_kind(told: Told) -> tuple[pd.DataFrame, pd.DataFrame]:
    data = by_group(told.batch, "kind").reset_index()
    shares = data.pivot(index="policy", columns="kind", values="expected")
    known = [*told.batch.scenario.get("kinds", {}), *shares.columns]
    order = [name for name in dict.fromkeys(known) if name in shares]
    return shares.reindex(index=told.policies, columns=order).fillna(0.0), data


def episodes(told: Told, _: Lazy) -> Answer:
    """How crashes that follow each other add up."""
    question = "Does the damage compound from crash to crash?"
    if not told.has("episodes", "retained_value_usd"):
        return Missing(question, "the scenario has a single crash")
    rows = by_episode(told.batch)
    if len(rows.index.unique("episode")) < 2:
        return Missing(question, "the scenario has a single crash")
    names = [name for name in told.policies if name in rows.index.unique("policy")]
    figures, given = {}, []
    told_of = (
        ("deficit_usd", "Deficit of each crash", "Deficit (USD)", "usd"),
        (
            "kept",
            "Lifetime value, of that before the first crash",
            "Lifetime value",
            "share",
        ),
    )
    for column, title, label, unit in told_of:
        found = {name: _by_episode(rows.loc[name], column) for name in names}
        shown = {name: found[name] for name in names[:_MOST_CURVES]}
        figures[title] = draw_curves(title, shown, "Crash", label, unit)
        cells = {name: tables.cells(table, unit) for name, table in found.items()}
        data = pd.concat(found, names=["policy", "episode"]).reset_index()
        wide = pd.DataFrame(cells).T.rename(columns=lambda at: f"Crash {at}")
        wide.index.name = "policy"
        given.append(Table(f"episodes-{column.removesuffix('_usd')}", title, wide, data))
    reading = _compounding(told, names)
    note = (
        "Means over runs with 95% intervals. Who left before a crash is not in the next; "
        "newcomers and gains can lift the value above that before the first crash."
    )
    return Section("episodes", question, reading, figures, given, note)


def _by_episode(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One measure with its interval, crashes counted from one."""
    names = {column: "value", f"{column}_low": "low", f"{column}_high": "high"}
    found = rows[["runs", *names]].rename(columns=names)
    return found.rename(index=lambda at: at + 1)


def _compounding(told: Told, names: list[str]) -> list[str]:
    columns = ["run", "policy", "episode", "deficit_usd"]
    rows = told.batch.frame("episodes", columns=columns)
    found = []
    for name in names[:_MOST_CURVES]:
        table = rows[rows["policy"] == name].pivot(
            index="run", columns="episode", values="deficit_usd"
        )
        apart = sum_up((table.iloc[:, -1] - table.iloc[:, 0]).to_frame("apart")).iloc[0]
        size = words.mean(apart, "usd")
        verdict = "cannot be told from nothing"
        if apart["low"] > 0 or apart["high"] < 0:
            verdict = "clearly larger" if apart["value"] > 0 else "clearly smaller"
        found.append(
            f"Under {name} the last crash's deficit less the first's is {size}: {verdict}."
        )
    return found + _kept_told(told, names[:_MOST_CURVES])


def _kept_told(told: Told, names: list[str]) -> list[str]:
    """Which policy keeps more of what the crowd is worth, after all crashes."""
    base, found = names[0], []
    for name in names[1:]:
        apart = kept_difference(told.batch, name, base)
        ends = sorted((abs(apart.low), abs(apart.high)))
        size = words.bracketed(abs(apart.mean), *ends, notation.usd)
        if apart.is_clear:
            side = "more" if apart.mean > 0 else "less"
            said = f"{name} keeps {size} {side} lifetime value than {base}."
        else:
            said = (
                f"{name} and {base} cannot be told apart by the lifetime value they keep."
            )
        found.append(f"After the last crash {said}")
    return found
