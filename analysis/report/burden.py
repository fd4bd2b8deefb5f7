"""Questions about who carried the burden, how unequally, and at what price."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import notation
from analysis.figures.boxes import draw_boxes, draw_quantiles, weighted_quantiles
from analysis.figures.dots import draw_dots
from analysis.figures.heat import draw_levels
from analysis.figures.lorenz import draw_lorenz
from analysis.figures.who_paid import MOST_POLICIES, SIZE_NAMES, SIZES, draw_who_paid
from analysis.measures import Told, sum_up
from analysis.payers import Payers, gini, top_share
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table


def worst_haircuts(told: Told, _: Lazy) -> Answer:
    """The most that one account gave, of its profit and of its equity."""
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
        reading += words.ranking(
            told.competing(column), told.measure(column),
            f"mean worst haircut of {what}{words.among(told)}",
        )  # fmt: skip
    idle = [name for name in told.policies if name not in told.hitting]
    if idle:
        reading.append(f"Nothing was taken from anybody under {words.names(idle)}.")
    table = tables.of_several("worst-haircut", "Worst haircuts by policy", given)
    note = (
        "Boxes hold the middle half of runs, whiskers the middle 90%. The haircut is what "
        "one account lost in a run by ADL, against the mark of that moment. Profits of the "
        "crash can exceed the equity that an account had before, or fall short of it: the "
        "two shares need not go together."
    )
    return Section("worst-haircut", question, reading, figures, [table], note)


def who_paid(told: Told, payers: Lazy) -> Answer:
    """Shares of kinds and sizes in what was taken and in the accounts hit."""
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
    reading = [_most_hit(data, "accounts", "Of the accounts hit", "are")]
    if data["paid_usd"].any():
        paying = data[data["paid_usd"] > 0]
        reading.append(_most_hit(paying, "paid", "Of the money given", "came from"))
    if len(found.able):
        size = found.able.groupby("kind", observed=True)["capacity_usd"].sum()
        kind = str(size.idxmax())
        share = notation.share(size.max() / size.sum())
        reading.append(
            f"Of all profits that could have been asked, {kind} accounts hold {share}."
        )
    table = Table("who-paid", "Share of the accounts hit, by kind, all runs together",
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


def _most_hit(data: pd.DataFrame, name: str, what: str, verb: str) -> str:
    share = f"{name}_share"
    top = data.loc[data.groupby("policy", sort=False)[share].idxmax()]
    kinds = top["kind"].unique()
    if len(kinds) == 1:
        low, high = top[share].min(), top[share].max()
        span = notation.span(notation.share(low), notation.share(high))
        return f"{what} the largest part {verb} {kinds[0]} under every policy: {span}."
    parts = [
        f"{kind} under {words.names([str(p) for p in rows['policy']])}"
        for kind, rows in top.groupby("kind", sort=False)
    ]
    return f"{what} the largest part {verb} {'; '.join(parts)}."


def lorenz(told: Told, payers: Lazy) -> Answer:
    """How concentrated what was given is."""
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
    reading = _tops_told(table["top"].dropna().sort_values(), found)
    shown = pd.DataFrame({
        "Gini of money given": table["gini"].map(lambda g: f"{g:.2f}"),
        f"Given by the top {found.top:.0%}": table["top"].map(notation.share),
    })  # fmt: skip
    given = Table("concentration", f"Of {_whom(found)}, means over runs", shown,
                  table.reset_index())  # fmt: skip
    return Section("lorenz", question, reading, figures, [given], note)


def _tops_told(top: pd.Series, payers: Payers) -> list[str]:
    if top.empty:
        return []
    ends = [
        f"{notation.share(top[name])} under {name}"
        for name in dict.fromkeys(top.index[[0, -1]])
    ]
    return [
        f"Of the money, the {payers.top:.0%} of {_whom(payers)} that gave most gave "
        f"{' and '.join(ends)}."
    ]


def _whom(payers: Payers) -> str:
    known = len(payers.able) > 0
    return "all accounts that could have been asked" if known else "the accounts hit"


def _concentration(payers: Payers) -> pd.DataFrame:
    """Gini coefficient and the top's share of what accounts gave, by policy.

    Over those whom the figure is about: all who could have been asked, if they are known.
    """
    part = payers.top
    payers = payers.where_both_are_known()
    rows = [
        (policy, gini(amounts), top_share(amounts, part))
        for policy in payers.policies
        for amounts in payers.amounts(policy, "paid_usd")
    ]
    found = pd.DataFrame(rows, columns=["policy", "gini", "top"])
    return found.groupby("policy").mean()


def hit(told: Told, _: Lazy) -> Answer:
    """Accounts hit beside the fewest that could have been."""
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
        hit, told.measure("adl_accounts"), f"mean number of hits a run{words.among(told)}"
    )
    ratio = parts["hit"]["value"] / parts["least possible"]["value"].replace(0, np.nan)
    ratio = ratio.dropna().sort_values()
    if len(ratio):
        few, many = (f"{notation.count(ratio.iloc[end])} times" for end in (0, -1))
        reading.append(
            f"Against the fewest accounts that could have raised all of the need, "
            f"{ratio.index[0]} hits {few} as many and {ratio.index[-1]} {many}."
        )
    figure = draw_dots(
        question, parts, "Accounts hit, added up over a run's waves", "count"
    )
    table = tables.of_several(
        "accounts-hit", "Accounts hit, added up over a run's waves",
        {label.capitalize(): (table, "count") for label, table in parts.items()},
    )  # fmt: skip
    note = (
        "The least possible is the fewest accounts from which any rule could have raised "
        "all that was needed in the wave, from the same payers. An account hit in two "
        "waves counts twice. Over waves that took anything."
    )
    return Section("accounts-hit", question, reading, {question: figure}, [table], note)


def choice(told: Told, _: Lazy) -> Answer:
    """Optional pain, and the largest share asked beside the least possible."""
    question = "How much of the pain was a choice?"
    if not told.has("runs", "optional_share"):
        return Missing(question, "the batch does not say what a rule could have spared")
    optional = told.of("optional_share", "low").dropna(subset=["value"])
    low, high = optional["value"].min(), optional["value"].max()
    figures = {}
    if high - low < _SAME_SHARE:
        span = notation.span(notation.share(low), notation.share(high))
        reading = [
            f"Under every policy {span} of what was given could have been asked of others "
            "instead: whom it hit was the rule's choice."
        ]
    else:
        label = "Share of what was given that could lie elsewhere"
        figures = {"Optional pain": draw_dots(question, {"": optional}, label, "share")}
        reading = words.ranking(
            told.values("optional_share"), told.measure("optional_share"),
            "mean share of the pain that was a choice",
        )  # fmt: skip
    given = {"Optional pain": (optional, "share")}
    asked = _asked_shares(told)
    if asked:
        title = "The largest share asked of anybody"
        figures[title] = draw_dots(title, asked, "Share of what it could give", "share")
        given |= {label.capitalize(): (table, "share") for label, table in asked.items()}
        both = [table["value"] for table in asked.values()]
        gap = (both[0] - both[1]).dropna().sort_values()
        if len(gap):
            ends = [
                f"{notation.points(gap[name])} under {name}"
                for name in dict.fromkeys(gap.index[[0, -1]])
            ]
            reading.append(
                "The largest share asked of anybody lies above the least possible by "
                f"{' and by '.join(ends)}."
            )
    table = tables.of_several("choice", "What rules chose, means over runs", given)
    note = (
        "What no rule that raises the same amount could have placed elsewhere is forced: "
        "of each payer the amount less what all others could give. The least largest share "
        "is that of a rule that asks the same share of everybody. The share is of what an "
        "account could be asked for in a call (the contracts of its positions where rules "
        "close contracts, which is not the haircut of profit; its profit where they take "
        "cash), in the call of a wave in which it is largest; calls add up. Means over "
        "waves, then over runs; bars are 95% intervals."
    )
    return Section("choice", question, reading, figures, [table], note)


_SAME_SHARE = 0.02
"""Policies whose optional pain differs by less are told in a sentence, not drawn."""


def _asked_shares(told: Told) -> dict[str, pd.DataFrame]:
    """The largest share asked in a wave and the least possible, by policy."""
    columns = ["largest_asked_share", "least_largest_share"]
    if not told.has("waves", *columns):
        return {}
    waves = told.batch.frame("waves", columns=["run", "policy", *columns])
    # Where no rule can raise all of the need, no share is large enough.
    waves = waves[waves["least_largest_share"] <= 1.0].dropna()
    by_run = waves.groupby(["policy", "run"])[columns].mean()
    order = [name for name in told.policies if name in by_run.index.unique("policy")]
    return {
        label: sum_up(by_run[name].unstack("policy").reindex(columns=order), most=1.0)
        for label, name in zip(("asked", "least possible"), columns, strict=True)
    }


_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def prices(told: Told, _: Lazy) -> Answer:
    """Loss against the mark of the positions that were closed."""
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
    means = data["mean"].sort_values(ascending=False)
    parts = [
        f"{notation.share(means.loc[name])} under {name}"
        for name in dict.fromkeys((means.index[0], means.index[-1]))
    ]
    reading = [
        f"Per dollar closed, accounts lost {notation.listing(parts)} against the mark of "
        f"the moment; a negative loss is a gain."
    ]
    at_mark = [str(name) for name in data.index if not data.loc[name].abs().max() > 1e-9]
    if at_mark:
        reading.append(
            f"Closed at the mark, so that nobody loses at once: {words.names(at_mark)}."
        )
    label = "Loss against the mark"
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
