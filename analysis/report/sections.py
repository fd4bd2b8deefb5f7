"""The questions of a report on one batch, in the order in which a reader asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from analysis import intervals, notation
from analysis.figures.boxes import draw_boxes, draw_quantiles, weighted_quantiles
from analysis.figures.deficits import draw_deficits
from analysis.figures.dots import draw_dots
from analysis.figures.fund import draw_fund
from analysis.figures.heat import BETTER, draw_differences, draw_levels, verdicts
from analysis.figures.lorenz import draw_lorenz
from analysis.figures.one_run import choose_run, draw_one_run
from analysis.figures.scatter import draw_scatter
from analysis.figures.shares import draw_shares
from analysis.figures.who_paid import MOST_POLICIES, SIZE_NAMES, SIZES, draw_who_paid
from analysis.measures import Told, differences, sum_up
from analysis.payers import Payers, read_payers
from analysis.report import tables, words
from analysis.report.section import Missing, Section, Table

TAIL = 0.05
"""The share of worst runs over which a tail mean is taken."""

Answer = Section | Missing


def sections(told: Told, progress: Callable[[str], None]) -> Iterator[Answer]:
    """Answer every question that the batch can answer, and name the others."""
    payers = Lazy(told)
    for answer in QUESTIONS:
        progress(answer.__name__.removeprefix("_").replace("_", " "))
        yield answer(told, payers)


class Lazy:
    """Who paid, read when it is first asked for."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._payers: Payers | None = None

    def __call__(self) -> Payers:
        if self._payers is None:
            self._payers = read_payers(self._told.batch)
        return self._payers


def _deficits(told: Told, _: Lazy) -> Answer:
    question = "How large do deficits get?"
    values = told.values("deficit_usd")
    measure = _measure(told, "deficit_usd")
    rows = {}
    for name in values:
        sample = values[name].dropna()
        rows[name] = {"runs": len(sample), "mean": sample.mean(), "median": sample.median(),
                      "quantile_95": sample.quantile(0.95), "largest": sample.max(),
                      "tail_mean": intervals.expected_shortfall(sample, TAIL)}  # fmt: skip
    data = pd.DataFrame.from_dict(rows, orient="index")
    data.index.name = "policy"
    heads = {"mean": "Mean", "median": "Median", "quantile_95": "95% quantile",
             "tail_mean": "Mean of the worst 5%", "largest": "Largest"}  # fmt: skip
    shown = data[list(heads)].map(notation.usd).rename(columns=heads)
    reading = words.ranking(values, measure)
    worst = data["tail_mean"].dropna()
    if len(worst):
        name = str(worst.idxmax())
        reading.append(
            f"In the worst 5% of runs the deficit is on average up to "
            f"{notation.usd(worst.max())}, under {name}."
        )
    figure = draw_deficits(told.batch)
    table = Table("deficits", "Deficits of finished runs, USD", shown, data.reset_index())
    return Section(
        "deficits", question, reading, {question: figure}, [table], figure.get_label()
    )


def _covered(told: Told, _: Lazy) -> Answer:
    question = "How much of the deficit was covered, and what was left?"
    money = told.finished.groupby("policy")[
        ["deficit_usd", "covered_usd", "recovered_usd", "residual_usd"]
    ].sum().reindex(told.policies)  # fmt: skip
    whole = money["deficit_usd"].where(money["deficit_usd"] > 0)
    if whole.isna().all():
        return Missing(question, "no finished run had a deficit")
    names = {"covered_usd": "covered by ADL", "recovered_usd": "prices came back",
             "residual_usd": "left at the end"}  # fmt: skip
    total = money[list(names)].sum(axis=1).where(whole.notna())
    parts = money[list(names)].div(total, axis=0).rename(columns=names)
    colours = dict(zip(names.values(), ("#0072B2", "#7A5C00", "#D55E00"), strict=True))
    residual = told.of("residual_usd", "low")
    label = "Mean residual of a run (USD)"
    figures = {
        "What became of the deficit": draw_shares(
            question, parts, colours, "Share of all runs' deficits"
        ),
        "What was left at the end": draw_dots(question, {"": residual}, label, "usd"),
    }
    reading = words.ranking(told.values("residual_usd"), _measure(told, "residual_usd"))
    left = told.of("has_residual")
    never = [str(name) for name, row in left.iterrows() if row["value"] == 0]
    if never:
        bound = notation.share(left.loc[never[0], "high"])
        who = "no policy left" if not never else f"{words.names(never)} left"
        reading.append(
            f"In no run anything was missing under {words.names(never)}; with this many "
            f"runs that may still happen in up to {bound} of runs."
        )
    given = tables.of_several("covered", "Residuals by policy", {
        "Mean residual": (residual, "usd"),
        "Runs with a residual": (left, "share"),
        "Covered, mean of runs": (told.of("covered_part"), "share"),
    })  # fmt: skip
    note = (
        "Deficits are the most that was missing; what was covered and what prices brought "
        "back is not missing any more. Bars are 95% intervals over runs."
    )
    return Section("covered", question, reading, figures, [given], note)


_TIMES = (10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)


def _time_to_cover(told: Told, _: Lazy) -> Answer:
    question = "How long did it take to cover?"
    short = told.finished[told.finished["waves"] > 0]
    if short.empty:
        return Missing(question, "no finished run had a wave")
    duration = float(told.batch.scenario["time"]["duration_s"])
    times = [t for t in _TIMES if t < duration]
    rows = {}
    for name in told.policies:
        mine = short.loc[short["policy"] == name, "time_to_cover_s"]
        if len(mine):
            row = [float((mine <= t).mean()) for t in times]
            rows[name] = [*row, float(mine.notna().mean())]
    heads = [*(notation.duration(t) for t in times), "the end"]
    shares = pd.DataFrame.from_dict(rows, orient="index", columns=heads)
    shares.index.name = "policy"
    done = sum_up(told.values("time_to_cover_s"))
    reading = words.ranking(
        told.values("time_to_cover_s"), _measure(told, "time_to_cover_s"),
        "mean time to cover, over the runs that got there,",
    )  # fmt: skip
    never = [name for name in shares.index if shares.loc[name, "the end"] == 0]
    if never:
        reading.append(f"Under {words.names(never)} no run with a wave was ever covered.")
    label = "Time since the first wave of the run"
    figures = {question: draw_levels(question, shares, label)}
    table = Table("time-to-cover", "Share of runs covered by then",
                  shares.map(notation.share), shares.reset_index())  # fmt: skip
    spans = tables.of_summary("time-to-cover-mean", "Runs that got there",
                              "Mean time to cover", "seconds", done)  # fmt: skip
    note = (
        "Cells: the share of runs with a wave that are covered by then. A run is covered when nothing is missing after its last call of ADL. Times are "
        "only compared over runs that got there, so a rule that gives up on hard runs "
        "looks quicker than it is: read both together."
    )
    return Section("time-to-cover", question, reading, figures, [table, spans], note)


def _worst_haircuts(told: Told, _: Lazy) -> Answer:
    question = "How much did the worst-hit account give?"
    if not told.finished["adl_accounts"].any():
        return Missing(question, "nobody was hit in any run")
    figures, given = {}, {}
    reading = []
    for column, what in (("largest_haircut_share", "profit"),
                         ("largest_equity_share", "equity")):  # fmt: skip
        values = told.values(column)
        title = f"Worst haircut of a run, share of {what}"
        figures[title] = draw_boxes(title, values, title, "share")
        given[f"Mean worst share of {what}"] = (told.of(column), "share")
        paying = values.loc[:, (values > 0).any()]
        measure = _measure(told, column)
        reading += words.ranking(paying, measure, f"mean worst haircut of {what}")
    idle = [name for name in told.policies if not told.values("adl_accounts")[name].any()]
    if idle:
        reading.append(f"Nothing was taken from anybody under {words.names(idle)}.")
    table = tables.of_several("worst-haircut", "Worst haircuts by policy", given)
    note = (
        "Boxes hold the middle half of runs, whiskers the middle 90%. The haircut is what "
        "one account lost in a run by ADL, against the mark of that moment."
    )
    return Section("worst-haircut", question, reading, figures, [table], note)


def _who_paid(told: Told, payers: Lazy) -> Answer:
    question = "Who paid, by kind and by size?"
    found = payers()
    if found.paid.empty:
        return Missing(question, "nobody was hit in any run")
    rows = found.paid.groupby(["policy", "kind"], observed=True)[["paid_usd", "closed_usd"]]
    data = rows.sum().join(rows.size().rename("accounts")).reset_index()
    for name in ("paid_usd", "closed_usd", "accounts"):
        total = data.groupby("policy")[name].transform("sum")
        data[f"{name.removesuffix('_usd')}_share"] = data[name] / total.where(total > 0)
    shares = _by_policy(told, data, "kind")
    figures, note = _paid_figures(told, found, shares)
    reading = [_most_hit(data, "accounts", "of the accounts hit")]
    if data["paid_usd"].any():
        reading.append(_most_hit(data[data["paid_usd"] > 0], "paid", "of the money given"))
    if len(found.able):
        size = found.able.groupby("kind", observed=True)["capacity_usd"].sum()
        kind = str(size.idxmax())
        share = notation.share(size.max() / size.sum())
        reading.append(f"Of all profits that could have been asked, {kind} hold {share}.")
    table = Table("who-paid", "Share of the accounts hit, by kind",
                  shares.map(notation.share), data)  # fmt: skip
    return Section("who-paid", question, reading, figures, [table], note)


def _by_policy(told: Told, data: pd.DataFrame, by: str) -> pd.DataFrame:
    """Shares of the accounts hit, one row a policy and one column a group."""
    shares = data.pivot(index="policy", columns=by, values="accounts_share").fillna(0.0)
    known = [*told.batch.scenario.get("kinds", {}), "maker", "user", *SIZE_NAMES]
    columns = [name for name in known if name in shares]
    return shares.loc[[name for name in told.policies if name in shares.index], columns]


def _paid_figures(
    told: Told, payers: Payers, kinds: pd.DataFrame
) -> tuple[dict[str, Figure], str]:
    """Bars for a few policies; for many tables of few colours, which show all."""
    if len(kinds) <= MOST_POLICIES:
        figures = {
            title: draw_who_paid(told.batch, payers, [by])
            for title, by in (("By kind of account", "kind"), ("By equity", "size"))
        }
        return figures, next(iter(figures.values())).get_label()
    equity = pd.cut(payers.paid["equity_usd"], SIZES, labels=SIZE_NAMES, right=False)
    rows = payers.paid.assign(size=equity).groupby(["policy", "size"], observed=True).size()
    data = rows.rename("accounts").reset_index()
    data["accounts_share"] = data["accounts"] / data.groupby("policy")[
        "accounts"
    ].transform("sum")
    sizes = _by_policy(told, data, "size")
    sizes.columns = [
        str(name).replace(" to ", "\nto ").replace(" $", "\n$") for name in sizes
    ]
    title = "Accounts hit, by"
    return {
        f"{title} kind": draw_levels(title, kinds, "Kind of account"),
        f"{title} equity": draw_levels(title, sizes, "Equity of the account"),
    }, "Cells: the share of all accounts hit under that policy, all runs together."


def _most_hit(data: pd.DataFrame, name: str, what: str) -> str:
    share = f"{name}_share"
    top = data.loc[data.groupby("policy", sort=False)[share].idxmax()]
    kinds = top["kind"].unique()
    if len(kinds) == 1:
        low, high = top[share].min(), top[share].max()
        span = notation.span(notation.share(low), notation.share(high))
        return f"The kind that bears most {what} is {kinds[0]} under every policy: {span}."
    parts = [
        f"{kind} under {words.names([str(p) for p in rows['policy']])}"
        for kind, rows in top.groupby("kind", sort=False)
    ]
    return f"The kind that bears most {what} is {'; '.join(parts)}."


def _lorenz(told: Told, payers: Lazy) -> Answer:
    question = "How unequally is it shared out?"
    found = payers()
    if not found.paid[["paid_usd", "closed_usd"]].to_numpy().any():
        return Missing(question, "nobody was hit in any run")
    titles = {"paid_usd": "Money given", "closed_usd": "Notional closed by ADL"}
    figures = {
        title: draw_lorenz(told.batch, found, [name])
        for name, title in titles.items()
        if found.paid[name].any()
    }
    note = next(iter(figures.values())).get_label()
    concentrated = _concentration(found)
    order = [name for name in told.policies if name in concentrated.index]
    table = concentrated.loc[order]
    reading = [
        f"The tenth of the accounts hit that gave most gave {notation.share(row)} of the "
        f"money under {name}."
        for name, row in table["top_tenth"].dropna().sort_values().iloc[[0, -1]].items()
    ] if table["top_tenth"].notna().any() else []  # fmt: skip
    shown = pd.DataFrame({
        "Gini coefficient": table["gini"].map(lambda g: f"{g:.2f}"),
        "Given by the top tenth": table["top_tenth"].map(notation.share),
    })  # fmt: skip
    given = Table("concentration", "Among the accounts hit, means over runs", shown,
                  table.reset_index())  # fmt: skip
    return Section("lorenz", question, reading, figures, [given], note)


def _concentration(payers: Payers) -> pd.DataFrame:
    """Gini coefficient and top tenth's share of what the accounts hit gave, by policy."""
    from analysis.payers import gini, lorenz

    rows = []
    paid = payers.paid
    weight = np.where(paid["paid_usd"] > 0, paid["paid_usd"], 0.0)
    for (policy, run), given in paid.assign(given=weight).groupby(["policy", "run"])[
        "given"
    ]:
        amounts = given.to_numpy(float)
        if amounts.any():
            top = 1.0 - float(lorenz(amounts, np.array([0.9]))[0])
            rows.append((policy, run, gini(amounts), top))
    found = pd.DataFrame(rows, columns=["policy", "run", "gini", "top_tenth"])
    return found.groupby("policy")[["gini", "top_tenth"]].mean()


def _hit(told: Told, _: Lazy) -> Answer:
    question = "How many accounts were hit, and how few could have been?"
    columns = ["run", "policy", "touched", "least_touched"]
    waves = told.batch.frame("waves", columns=columns)
    waves = waves[(waves["touched"] > 0) & waves["least_touched"].notna()]
    if waves.empty:
        return Missing(question, "no wave that took anything has its bounds")
    by_run = waves.groupby(["policy", "run"])[["touched", "least_touched"]].sum()
    order = [name for name in told.policies if name in by_run.index.unique("policy")]
    parts = {
        label: sum_up(by_run[name].unstack("policy").reindex(columns=order))
        for label, name in (("hit", "touched"), ("least possible", "least_touched"))
    }
    hit = by_run["touched"].unstack("policy").reindex(columns=order)
    reading = words.ranking(
        hit, _measure(told, "adl_accounts"), "mean number of hits a run"
    )
    ratio = parts["hit"]["value"] / parts["least possible"]["value"].replace(0, np.nan)
    ratio = ratio.dropna().sort_values()
    if len(ratio):
        low, high = ratio.index[0], ratio.index[-1]
        reading.append(
            f"The fewest accounts that could have raised all of the need are far fewer: "
            f"{low} hits {notation.count(ratio.iloc[0])} times as many, {high} {notation.count(ratio.iloc[-1])} "
            f"times."
            if ratio.iloc[0] > 2
            else f"{low} hits {notation.count(ratio.iloc[0])} times the fewest possible, {high} "
            f"{notation.count(ratio.iloc[-1])} times."
        )
    figure = draw_dots(
        question, parts, "Accounts hit, added up over a run's waves", "count"
    )
    table = tables.of_several(
        "accounts-hit", "Accounts hit, added up over a run's waves",
        {"Hit": (parts["hit"], "count"), "Least possible": (parts["least possible"], "count")},
    )  # fmt: skip
    note = (
        "The least possible is the fewest accounts from which any rule could have raised "
        "all that was needed in the wave, from the same payers. An account hit in two "
        "waves counts twice. Over waves that took anything."
    )
    return Section("accounts-hit", question, reading, {question: figure}, [table], note)


_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def _prices(told: Told, _: Lazy) -> Answer:
    question = "How far from the mark were positions closed?"
    fills = told.batch.table(
        "adl_fills", columns=["policy", "lots", "notional_usd", "price_usd", "mark_usd"]
    )
    if fills.num_rows == 0:
        return Missing(question, "no policy of this batch closed contracts")
    rows = {}
    names = np.asarray(fills["policy"].to_numpy(zero_copy_only=False))
    price, mark = (fills[f"{n}_usd"].to_numpy() for n in ("price", "mark"))
    # A long that is sold below the mark loses, and so does a short bought above it.
    lost = np.sign(fills["lots"].to_numpy()) * (mark - price) / mark
    weight = np.abs(fills["notional_usd"].to_numpy())
    for policy in told.policies:
        mine = names == policy
        if mine.any():
            at = weighted_quantiles(lost[mine], weight[mine], _QUANTILES)
            mean = float(np.average(lost[mine], weights=weight[mine]))
            rows[policy] = [*at, mean]
    data = pd.DataFrame.from_dict(rows, orient="index", columns=[*_QUANTILES, "mean"])
    data.index.name = "policy"
    means = data["mean"].sort_values()
    reading = [
        f"Per dollar closed, accounts lost {notation.share(means.iloc[-1])} against the mark "
        f"under {means.index[-1]} and {notation.share(means.iloc[0])} under "
        f"{means.index[0]}; a negative loss is a gain."
    ]
    at_mark = [str(name) for name in data.index if not data.loc[name].abs().max() > 1e-9]
    if at_mark:
        reading.append(
            f"Closed at the mark, so that nobody loses at once: {words.names(at_mark)}."
        )
    label = "Loss against the mark of that moment"
    figure = draw_quantiles(question, data[list(_QUANTILES)], label, "share")
    heads = {q: f"{q:.0%}" for q in _QUANTILES} | {"mean": "Mean"}
    shown = data.map(notation.share).rename(columns=heads)
    table = Table("prices", "Loss against the mark, share of the notional closed", shown,
                  data.rename(columns=heads).reset_index())  # fmt: skip
    note = (
        "Every fill counts as much as its notional. Boxes hold the middle half of the "
        "notional closed, whiskers the middle 90%."
    )
    return Section("prices", question, reading, {question: figure}, [table], note)


def _fund(told: Told, _: Lazy) -> Answer:
    question = "What insurance fund would have been enough?"
    values = told.values("deficit_usd").dropna(axis="columns", how="all")
    most = float(values.max().max()) if values.size else 0.0
    if not most > 0:
        return Missing(question, "no finished run had a deficit")
    shown = list(values)[:3]
    curves, rows = {}, {}
    for name in values:
        sample = values[name].dropna().to_numpy(float)
        ends = intervals.quantile_interval(sample, 0.95)
        rows[name] = {"value": float(np.quantile(sample, 0.95)), "low": ends.low,
                      "high": ends.high, "runs": len(sample)}  # fmt: skip
        if name in shown:
            curves[name] = _left_beyond(
                sample, np.linspace(0.0, values[shown].max().max(), 60)
            )
    enough = pd.DataFrame.from_dict(rows, orient="index")
    enough.index.name = "policy"
    name = shown[0]
    row = enough.loc[name]
    upper = "no upper end with so few runs"
    if np.isfinite(row["high"]):
        upper = f"95% interval {notation.span(notation.usd(row['low']), notation.usd(row['high']))}"
    reading = [
        f"Under {name} a fund of {notation.usd(row['value'])} would have covered the deficit "
        f"in 95% of runs ({upper})."
    ]
    other = enough["value"].drop(name)
    if len(other):
        reading.append(
            f"Under the others it is from {notation.usd(other.min())} ({other.idxmin()}) to "
            f"{notation.usd(other.max())} ({other.idxmax()}): rules also change the deficit."
        )
    figure = draw_fund(question, curves)
    table = tables.of_summary("fund", "Fund that covers the deficit of 95% of runs",
                              "Fund", "usd", enough)  # fmt: skip
    note = "Curves: the mean of what a fund of that size leaves uncovered; bands 95% intervals."
    if len(values.columns) > len(shown):
        note += f" Curves of {notation.listing(shown)}; the table has all."
    return Section("fund", question, reading, {question: figure}, [table], note)


def _left_beyond(sample: np.ndarray, sizes: np.ndarray) -> pd.DataFrame:
    left = np.maximum(sample[:, None] - sizes[None, :], 0.0)
    ends = intervals.mean_intervals(left)
    table = {"left": left.mean(axis=0), "low": [e.low for e in ends],
             "high": [e.high for e in ends]}  # fmt: skip
    return pd.DataFrame(table, index=pd.Index(sizes, name="fund_usd"))


def _one_run(told: Told, _: Lazy) -> Answer:
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
        "one-run", question, reading, {question: figure}, [table], figure.get_label()
    )


_RIVALS = ("residual_usd", "largest_equity_share", "adl_accounts")


def _against(told: Told, _: Lazy) -> Answer:
    question = "Which policy is better than which?"
    if len(told.policies) < 2:
        return Missing(question, "the batch has a single policy")
    figures, given, reading = {}, [], []
    for column in _RIVALS:
        measure = _measure(told, column)
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
        "Each cell is a paired difference over runs of the same seed; better or worse means "
        "that its 95% interval leaves zero out. Of many pairs that do not differ about one "
        "in twenty would look as if they did."
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
        f"{label}: {clear} of {pairs} pairs can be told apart; {words.names(most)} beats "
        f"the most others ({int(wins.max())} of {len(wins) - 1})."
    )


def _drivers(told: Told, _: Lazy) -> Answer:
    question = "Did liquidations drive deficits?"
    policy = told.policies[0]
    rows = told.finished[told.finished["policy"] == policy]
    if len(rows) < 5 or not rows["deficit_usd"].any():
        return Missing(question, "fewer than five finished runs, or no deficit")
    across = {"liquidated_usd": "Sold into the book", "taken_over_usd": "Taken over"}
    figures, reading, table = {}, [], {}
    for column, label in across.items():
        pairs = rows[[column, "deficit_usd"]].dropna()
        if pairs[column].nunique() < 3:
            continue
        found = _rank_correlation(pairs)
        table[label] = found
        title = f"{label} against the deficit, {policy}"
        labels = (f"{label} in the run (USD)", "Deficit (USD)")
        figures[title] = draw_scatter(title, pairs, labels, ("usd", "usd"))
        clear = found["low"] > 0 or found["high"] < 0
        ends = f"{found['low']:.2f} to {found['high']:.2f}"
        what = "more" if found["value"] > 0 else "less"
        reading.append(
            f"Runs with {what} {label.lower()} have larger deficits: rank correlation "
            f"{found['value']:.2f} ({ends})."
            if clear
            else f"{label} and the deficit show no clear relation: rank correlation "
            f"{found['value']:.2f} ({ends}), which holds zero."
        )
    if not figures:
        return Missing(question, "liquidations hardly differ between runs")
    data = pd.DataFrame.from_dict(table, orient="index")
    data.index.name = "across"
    given = tables.of_summary("drivers", "Spearman's rank correlation with the deficit",
                              "Rank correlation", "number", data)  # fmt: skip
    note = (
        f"One dot a run under {policy}; lines are least-squares fits. A correlation over "
        "runs is no proof of a cause: the same shock moves both."
    )
    return Section("drivers", question, reading, figures, [given], note)


def _rank_correlation(pairs: pd.DataFrame) -> dict[str, float]:
    """Spearman's, with the interval of Fisher's transform (Bonett and Wright 2000)."""
    value = float(stats.spearmanr(pairs.iloc[:, 0], pairs.iloc[:, 1]).statistic)
    spread = np.sqrt((1.0 + value**2 / 2.0) / max(len(pairs) - 3, 1))
    half = stats.norm.ppf(0.5 + intervals.LEVEL / 2) * spread
    middle = np.arctanh(np.clip(value, -0.9999, 0.9999))
    low, high = np.tanh([middle - half, middle + half])
    return {"value": value, "low": float(low), "high": float(high), "runs": len(pairs)}


def _departures(told: Told, _: Lazy) -> Answer:
    question = "How many does it drive away?"
    if not told.finished["accounts_left"].any():
        return Missing(question, "nobody left in any run")
    left = told.of("accounts_left", "low")
    hit = told.values("adl_accounts")
    part = told.values("accounts_left") / hit.where(hit > 0)
    reading = words.ranking(told.values("accounts_left"), _measure(told, "accounts_left"),
                            "mean number of accounts that leave")  # fmt: skip
    share = sum_up(part.dropna(axis="columns", how="all"))
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
        "Whether an account leaves is drawn from a hazard that grows with its haircut; the "
        "hazard is an assumption of the scenario, not a finding."
    )
    return Section("departures", question, reading, {question: figure}, [table], note)


def _measure(told: Told, column: str):
    return next(one for one in told.measures if one.column == column)


QUESTIONS: tuple[Callable[[Told, Lazy], Answer], ...] = (
    _deficits, _covered, _time_to_cover, _fund, _worst_haircuts, _who_paid, _lorenz, _hit,
    _prices, _against, _drivers, _departures, _one_run,
)  # fmt: skip
