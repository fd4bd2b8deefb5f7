"""Questions about what ADL cost those whom it hit, by prices that came later."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import notation
from analysis.counterfactuals import (
    against_forks,
    discounted_overshoots,
    markouts,
)
from analysis.figures.curves import draw_curves
from analysis.figures.dots import draw_dots
from analysis.measures import Told
from analysis.report import tables, words
from analysis.report.asked import Answer, Lazy
from analysis.report.section import Missing, Section, Table

_MOST_CURVES = 6


def later(told: Told, _: Lazy) -> Answer:
    """What being closed cost at the marks of some seconds later, on the run's own path."""
    question = "What did being closed cost, at later prices?"
    if not told.has("horizons", "haircut_usd"):
        return Missing(question, "no policy closed anything that was valued later")
    rows = told.fixed_path
    found = {name: _by_horizon(rows, name) for name in ("haircut_usd", "net_usd")}
    names = [p for p in told.policies if p in found["net_usd"].index.unique("policy")]
    titles = {"net_usd": "Lost and gained, all accounts together",
              "haircut_usd": "Losses alone (H)"}  # fmt: skip
    figures = {
        title: draw_curves(
            title, {p: found[name].loc[p] for p in names[:_MOST_CURVES]},
            "Seconds after the wave", "Mean of a run (USD)",
        )
        for name, title in titles.items()
    }  # fmt: skip
    parts = markouts(told.batch).set_index(["policy", "horizon_s"])
    reading = [_later_told(parts, names[0])]
    overshoot = discounted_overshoots(told.batch).dropna(subset=["overshoot_usd"])
    reading += _overshoot_told(overshoot[overshoot["policy"] == names[0]])
    given = [
        Table(f"later-{name.removesuffix('_usd')}", title, _wide(found[name], names),
              found[name].reset_index())
        for name, title in titles.items()
    ]  # fmt: skip
    given.append(_parts_table(parts, names))
    note = (
        "Every closed position is valued at the run's own marks, which ADL has moved: the "
        "fixed-path counterfactual. H adds up the accounts that lost and leaves out those "
        "that gained, so chance alone makes it positive; the net sum does not have that "
        "bias. Bars are 95% intervals over runs."
    )
    if len(names) > _MOST_CURVES:
        note += f" Drawn are the first {_MOST_CURVES} policies; the tables have all."
    return Section("later", question, reading, figures, given, note)


def _by_horizon(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One measure with its interval, indexed by policy and horizon."""
    names = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high"}
    table = rows.set_index(["policy", "horizon_s"])
    return table[["runs", *names]].rename(columns=names)


def _wide(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    cells = tables.cells(found, "usd").unstack("horizon_s").reindex(names)
    return cells.rename(columns=lambda at: f"{at:g} s").fillna("")


def _later_told(parts: pd.DataFrame, policy: str) -> str:
    """What the price of closing cost, and what the prices that came."""
    mine = parts.loc[policy].dropna(subset=["later_usd"])
    at, row = mine.index[-1], mine.iloc[-1]
    once, later = (_part(row, name) for name in ("at_once_usd", "later_usd"))
    return (
        f"Under {policy} all accounts that were hit lost together {once} at once, by the "
        f"price at which they were closed or the cash taken, and {later} by what prices "
        f"did in the {at:g} s that followed, in the mean of a run and over the waves that "
        "it lasts long enough to follow; a negative loss is a gain."
    )


def _part(row: pd.Series, name: str) -> str:
    ends = (row[name], row[f"{name}_low"], row[f"{name}_high"])
    return words.bracketed(*ends, notation.usd)


def _parts_table(parts: pd.DataFrame, names: list[str]) -> Table:
    """Both parts of the cost at the last horizon that is known, by policy."""
    last = parts.dropna(subset=["later_usd"]).groupby(level="policy", sort=False).tail(1)
    shown = pd.DataFrame(
        {
            label: [_part(row, name) for _, row in last.iterrows()]
            for label, name in (("At once", "at_once_usd"), ("Later", "later_usd"))
        },
        index=last.index.get_level_values("policy"),
    )
    title = "Lost at once, and by later prices"
    shown = shown.reindex([name for name in names if name in shown.index])
    return Table("later-parts", title, shown, parts.reset_index())


def _overshoot_told(mine: pd.DataFrame) -> list[str]:
    """Whether more was lost than the first seconds after showed to be needed."""
    if mine.empty:
        return []
    row = mine.iloc[-1]
    more = "more" if row["overshoot_usd"] > 0 else "less"
    ends = sorted(abs(row[f"overshoot_usd{end}"]) for end in ("_low", "_high"))
    size = words.bracketed(abs(row["overshoot_usd"]), *ends, notation.usd)
    is_clear = row["overshoot_usd_low"] > 0 or row["overshoot_usd_high"] < 0
    doubt = "" if is_clear else ", which cannot be told from nothing"
    return [
        f"Weighing the seconds after a wave by a half-life of {row['halflife_s']:g} s, "
        f"those who lose by it lose {size} {more} than the bankrupt positions turned out "
        f"to need{doubt}."
    ]


def counterfactual(told: Told, _: Lazy) -> Answer:
    """The fixed path beside a fork of the same world without ADL."""
    question = "What did ADL cost against a world without it?"
    columns = ["path_net_usd", "true_net_usd", "gap_net_usd"]
    if not told.has("horizons", *columns):
        return Missing(question, "no run was forked without ADL")
    rows = against_forks(told.batch, "last")
    # Of each policy the longest horizon that any of its runs could be followed to.
    rows = rows[rows["runs"] > 0].groupby("policy", sort=False).tail(1)
    known = {name: _by_horizon(rows, name).droplevel("horizon_s") for name in columns}
    labels = {"on the same path": "path_net_usd", "against the fork": "true_net_usd"}
    label = "Lost by those who were hit, mean of a run (USD)"
    figures = {
        "By both counterfactuals": draw_dots(
            question, {name: known[column] for name, column in labels.items()}, label, "usd"
        ),
        "How far they lie apart": draw_dots(
            question,
            {"": known["gap_net_usd"]},
            "Fork less path, mean of a run (USD)",
            "usd",
        ),
    }
    reading = _gaps_told(known["gap_net_usd"])
    table = tables.of_several("counterfactual", "Means over the runs that were forked", {
        "On the same path": (known["path_net_usd"], "usd"),
        "Against the fork": (known["true_net_usd"], "usd"),
        "Fork less path": (known["gap_net_usd"], "usd"),
    })  # fmt: skip
    runs = int(known["gap_net_usd"]["runs"].max())
    horizon = rows["horizon_s"].max()
    note = (
        f"Of {runs} runs a policy, up to {horizon:g} s after their last wave that can be "
        "followed so far. On the "
        "same path closed positions are valued at the run's own marks. The fork is the "
        "same world with ADL off, with the same draws: prices, liquidations and what "
        "traders do then differ, too. Losses and gains of all who were hit, added up, from "
        f"their first wave to that horizon; the question before follows each wave by itself"
        f"{_at_once(told, runs)}."
    )
    return Section("counterfactual", question, reading, figures, [table], note)


def _at_once(told: Told, runs: int) -> str:
    """What these few runs took at once: other runs have other means than all."""
    everything = told.values("haircut_usd")[told.hitting]
    few = everything.iloc[:runs].mean()
    if runs >= len(everything) or len(few) > _MOST_CURVES:
        return ""
    said = [
        f"{notation.usd(few[name])} under {name} ({notation.usd(everything[name].mean())} "
        "in all runs)"
        for name in few.index
    ]
    return f", and of all runs. At once these runs took {notation.listing(said)}"


def _gaps_told(gap: pd.DataFrame) -> list[str]:
    """In which direction, by how much, and where that is more than noise."""
    gap = gap.dropna(subset=["value"])
    sides = {"more": gap[gap["low"] > 0], "less": gap[gap["high"] < 0]}
    found = []
    for side, rows in sides.items():
        if len(rows):
            name = str(rows["value"].abs().idxmax())
            row = rows.loc[name]
            ends = sorted((abs(row["low"]), abs(row["high"])))
            size = words.bracketed(abs(row["value"]), *ends, notation.usd)
            most = f" under {name}" if len(rows) > 1 else ""
            found.append(
                f"Against the fork ADL cost clearly {side} than the fixed path says under "
                f"{words.names(list(rows.index))}: by {size} a run{most}."
            )
    unclear = [
        str(n) for n in gap.index if not any(n in rows.index for rows in sides.values())
    ]
    if unclear:
        found.append(
            f"Under {words.names(unclear)} the two counterfactuals cannot be told apart: "
            "the interval of their difference holds zero, or there are too few runs."
        )
    if not len(gap) or np.isnan(gap["low"]).all():
        found.append("Fewer than five runs were forked, too few for an interval.")
    return found
