"""Questions about which rule is better, whom it drives away, and how a run went."""

from __future__ import annotations

import pandas as pd

from analysis import notation
from analysis.figures.dots import draw_dots
from analysis.figures.heat import BETTER, draw_differences, verdicts
from analysis.figures.one_run import choose_run, draw_one_run
from analysis.measures import Told, differences, sum_up
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table

_RIVALS = ("residual_usd", "largest_equity_share", "adl_accounts")


def against(told: Told, _: Lazy) -> Answer:
    """All pairs of policies by paired differences."""
    question = "Which policy is better than which?"
    if len(told.policies) < 2:
        return Missing(question, "the batch has a single policy")
    figures, given, reading = {}, [], []
    for column in _RIVALS:
        measure = told.measure(column)
        values = told.values(column).dropna(axis="columns", how="all")
        if len(values.columns) < 2:
            continue
        apart = differences(values)
        title = (
            f"{measure.label}: {'less' if measure.better == 'low' else 'more'} is better"
        )
        figures[title] = draw_differences(title, apart, measure.better)
        reading.append(_pairs_told(apart, measure.label, measure.better))
        write = notation.apart_writer(measure.unit)
        texts = [
            words.bracketed(row.difference, row.low, row.high, write)
            for row in apart.itertuples()
        ]
        shown = pd.Series(texts, apart.index).unstack("other").reindex(list(values))
        shown = shown.reindex(columns=list(values)).fillna("")
        given.append(
            Table(f"differences-{column.replace('_', '-')}",
                  f"{measure.label}: row less column, on the same seeds", shown,
                  apart.reset_index())
        )  # fmt: skip
    if not figures:
        return Missing(question, "fewer than two policies finished a run")
    note = (
        "Each cell is a paired difference over runs of the same seed; better or worse "
        "means that its 95% interval leaves zero out. Of many pairs that do not differ "
        "about one in twenty would look as if they did."
    )
    return Section("against", question, reading, figures, given, note)


def _pairs_told(apart: pd.DataFrame, label: str, better: str) -> str:
    verdict = verdicts(apart, better)
    wins = (verdict == BETTER).groupby(level="policy").sum()
    pairs = len(apart) // 2
    clear = int(wins.sum())
    most = [str(name) for name in wins.index[wins == wins.max()]]
    if not clear:
        return f"{label}: no pair of policies can be told apart."
    return (
        f"{label}: {clear} of {pairs} pairs can be told apart. Ahead of the most others, "
        f"{int(wins.max())} of {len(wins) - 1}: {words.names(most)}."
    )


def departures(told: Told, _: Lazy) -> Answer:
    """Accounts that left and that rebuilt."""
    question = "How many does it drive away?"
    if not told.finished["accounts_left"].any():
        return Missing(question, "nobody left in any run")
    left = told.of("accounts_left", "low")
    hit = told.values("adl_accounts")
    part = told.values("accounts_left") / hit.where(hit > 0)
    reading = words.ranking(
        told.values("accounts_left")[told.hitting], told.measure("accounts_left"),
        f"mean number of accounts that leave{words.among(told)}",
    )  # fmt: skip
    share = sum_up(part.dropna(axis="columns", how="all"), most=1.0)
    if len(share):
        low, high = share["value"].idxmin(), share["value"].idxmax()
        reading.append(
            f"Of the accounts hit, {notation.share(share.loc[low, 'value'])} leave under "
            f"{low} and {notation.share(share.loc[high, 'value'])} under {high}."
        )
    figure = draw_dots(question, {"": left}, "Accounts that left in a run", "count")
    table = tables.of_several("departures", "Accounts that left", {
        "Left": (left, "count"), "Of the accounts hit": (share, "share"),
        "Rebuilt": (told.of("accounts_rebuilt"), "count"),
    })  # fmt: skip
    note = (
        "Whether an account leaves is drawn from a hazard that grows with the part of its "
        "position that was closed, or of its capacity that was taken; the "
        "hazard is an assumption of the scenario, not a finding."
    )
    return Section("departures", question, reading, {question: figure}, [table], note)


def one_run(told: Told, _: Lazy) -> Answer:
    """One run as a story."""
    from analysis.one_run import read_run
    from analysis.timeline import events, headline

    policy = told.policies[0]
    number, _why = choose_run(told.batch, policy)
    question = "What happened in one run?"
    if number is None:
        return Missing(question, f"no run finished under {policy}")
    one = read_run(told.batch, number, policy)
    figure = draw_one_run(told.batch, number, policy)
    reading = [f"Run {number} under {policy}. {headline(one)}"]
    rows = [line.strip().split("  ", 1) for line in events(one)]
    shown = pd.DataFrame({"Event": [text for _, text in rows]},
                         index=pd.Index([at for at, _ in rows], name="time"))  # fmt: skip
    table = Table("one-run", f"What happened in run {number}, minutes and seconds", shown,
                  shown.reset_index())  # fmt: skip
    return Section(
        "one-run",
        question,
        reading,
        {question: figure},
        [table],
        f"{figure.get_label()} A wave lasts as long as the venue is short, whether or not "
        "anybody is left who can be asked.",
    )
