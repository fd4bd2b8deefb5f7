"""Questions about solvency: how much was missing, how long, what was enough."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis import fund as sizing
from analysis import intervals, notation
from analysis.figures.deficits import draw_deficits
from analysis.figures.dots import draw_dots
from analysis.figures.fund import draw_fund
from analysis.figures.heat import draw_levels
from analysis.figures.scatter import draw_scatter
from analysis.figures.shares import draw_shares
from analysis.measures import Told, sum_up
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table

TAIL = 0.05
"""The share of worst runs over which a tail mean is taken."""


def deficits(told: Told, _: Lazy) -> Answer:
    """Distribution of deficits by policy."""
    question = "How large do deficits get?"
    values = told.values("deficit_usd")
    measure = told.measure("deficit_usd")
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


def covered(told: Told, _: Lazy) -> Answer:
    """What became of deficits: covered, recovered by prices, left."""
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
        )
    }
    if residual["value"].any():
        title = "What was left at the end"
        figures[title] = draw_dots(question, {"": residual}, label, "usd")
    reading = words.ranking(told.values("residual_usd"), told.measure("residual_usd"))
    left = told.of("has_residual")
    never = [str(name) for name, row in left.iterrows() if row["value"] == 0]
    if never:
        bound = notation.share(left.loc[never[0], "high"])
        reading.append(
            f"At the end of no run anything was missing under {words.names(never)}; with "
            f"so many runs that may still happen in up to {bound} of runs."
        )
    reading += [*_came_back(parts), *_vault_told(told)]
    given = tables.of_several("covered", "Residuals by policy", {
        "Mean residual": (residual, "usd"),
        "Runs with a residual": (left, "share"),
        "Covered, mean of runs": (told.of("covered_part"), "share"),
    })  # fmt: skip
    note = (
        "Deficits are what was covered plus what was missing, at its most; what prices "
        "brought back is not missing any more. Bars are 95% intervals over runs."
    )
    return Section("covered", question, reading, figures, [given], note)


def _came_back(parts: pd.DataFrame) -> list[str]:
    """Where prices did away with a deficit that ADL did not cover."""
    found = parts["prices came back"].dropna().sort_values(ascending=False)
    most = [str(name) for name in found.index[found > 0.05]]
    if not most:
        return []
    span = notation.span(notation.share(found[most[-1]]), notation.share(found[most[0]]))
    return [
        f"Under {words.names(most)} prices that came back did away with {span} of what had "
        "been missing."
    ]


def _vault_told(told: Told) -> list[str]:
    """Where the vault ends with more than it had: it keeps what cash had been paid for."""
    ends, begins = told.values("vault_end_usd"), told.values("vault_start_usd")
    more = [n for n in told.hitting if ends[n].mean() > 1.05 * begins[n].mean()]
    if not more:
        return []
    values = ends[more].mean().sort_values()
    span = "$" + notation.span(*(notation.usd(values.iloc[end]) for end in (0, -1)))
    return [
        f"The vault, which begins with {notation.usd(begins[more[0]].mean())}, ends with "
        f"{span} under {words.names(more)}: it is paid while prices are low, keeps the "
        "positions, and gains when prices come back."
    ]


_TIMES = (10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)


def time_to_cover(told: Told, _: Lazy) -> Answer:
    """Share of runs covered by when, and mean times."""
    question = "How long did it take to cover?"
    short = told.finished[told.finished["waves"] > 0]
    if short.empty:
        return Missing(question, "no finished run had a wave")
    longest = short["time_to_cover_s"].max()
    duration = max(float(told.batch.scenario["time"]["duration_s"]), longest)
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
        told.values("time_to_cover_s"), told.measure("time_to_cover_s"),
        "mean time to cover, over the runs that got there,",
    )  # fmt: skip
    reading += _why_long(told, [name for name in shares.index if name in told.hitting])
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
        "Cells: the share of runs with a wave that are covered by then. A run is covered "
        "when nothing is missing after its last call of ADL; it is not if prices made "
        "good the rest. Mean times are "
        "only compared over runs that got there, so a rule that gives up on hard runs "
        "looks quicker than it is: read both together."
    )
    return Section("time-to-cover", question, reading, figures, [table, spans], note)


_MOST_TOLD = 4


def _why_long(told: Told, names: list[str]) -> list[str]:
    """What time to cover hangs on: positions go on failing, so one wave follows another."""
    waves, short = (told.values(one).mean() for one in ("waves", "breach_share"))
    parts = [
        f"{notation.amount(waves[name])} waves under {name} (short at "
        f"{notation.share(short[name])} of the clock's strikes)"
        for name in names[:_MOST_TOLD]
    ]
    if not parts:
        return []
    return [
        "The time ends with the last position that fails, whether the venue was short all "
        f"the while or again and again. A run has {notation.listing(parts)}."
    ]


def fund(told: Told, _: Lazy) -> Answer:
    """The fund of least cost by policy, and what smaller ones leave."""
    question = "What insurance fund would be enough?"
    if told.finished.empty:
        return Missing(question, "no run finished")
    need = sizing.needs(told.batch)
    if not any(values.any() for values in need.values()):
        return Missing(question, "no finished run needed a fund")
    sizes = sizing.size_table(need, COSTS)
    shown = {name: need[name] for name in list(need)[:_MOST_CURVES]}
    figure = draw_fund(told.batch, sizing.curves(shown, COSTS), sizes, COSTS, ["left"])
    table = sizes[["size_usd", "size_low_usd", "size_high_usd"]]
    table = table.set_axis(["value", "low", "high"], axis="columns")
    missing = sizes[["residual_usd", "residual_low_usd", "residual_high_usd"]]
    missing = missing.set_axis(["value", "low", "high"], axis="columns")
    given = tables.of_several("fund", "The fund of least cost, and what it leaves", {
        "Fund": (table, "usd"), "Missing beyond it, mean of a run": (missing, "usd"),
    })  # fmt: skip
    note = (
        f"If a dollar held costs {COSTS.capital:g} and a dollar missing "
        f"{COSTS.reputation:g}, the fund of least cost is the need of a run at "
        f"{notation.share(COSTS.quantile)} (diamonds; `adl fund` takes other costs). The "
        "need is the deficit before ADL and what the run's own fund lost. Curves: what a "
        "fund of that size leaves uncovered in the mean, as a part of the mean need; bands "
        "are 95% intervals."
    )
    if len(need) > len(shown):
        note += f" Curves of {notation.listing(list(shown))}; the table has all."
    reading = _fund_told(sizes)
    return Section("fund", question, reading, {question: figure}, [given], note)


def _fund_told(sizes: pd.DataFrame) -> list[str]:
    """The first policy's fund, the least and the most, and what runs cannot bound."""
    first = str(sizes.index[0])
    covers = notation.share(COSTS.quantile)
    reading = [
        f"To be enough in {covers} of such crashes a fund would have to hold "
        f"{notation.usd(sizes.loc[first, 'size_usd'])} under {first}, with the rule at "
        "work as in these runs: what it closed or took early keeps later needs small. A "
        "fund instead of ADL needs what it would under a rule that does nothing."
    ]
    other = sizes["size_usd"].drop(first)
    if len(other):
        low, high = (str(name) for name in (other.idxmin(), other.idxmax()))
        ends = [
            f"{notation.usd(other[name])} under {name}"
            for name in dict.fromkeys((low, high))
        ]
        span = "it goes from" if len(ends) > 1 else "it is"
        reading.append(f"Under the others {span} {' to '.join(ends)}.")
    few = sizes[np.isinf(sizes["size_high_usd"])]
    if len(few):
        reading.append(
            f"{notation.count(int(few['runs'].max()))} runs do not bound it from above: "
            f"at least {notation.count(int(few['runs_needed'].iloc[0]))} would, so it may "
            "have to be larger."
        )
    return reading


_MOST_CURVES = 6
COSTS = sizing.Costs(0.1, 4.0)
"""The costs that `adl fund` takes if it is told none."""


def drivers(told: Told, _: Lazy) -> Answer:
    """Rank correlation of deficits with what was liquidated and taken over."""
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
