"""What changed from one batch to another, policy by policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import intervals, notation
from analysis.figures.curves import draw_curves
from analysis.figures.dots import draw_dots
from analysis.intervals import Difference
from analysis.measures import Measure, Told
from analysis.report import tables, words
from analysis.report.section import Missing, Section, Table

_COUNTS = ("deficit_usd", "residual_usd", "largest_equity_share", "adl_accounts",
           "accounts_left", "fees_usd")  # fmt: skip
_SHARES = (0.5, 0.75, 0.9, 0.95)


class Pair:
    """Two batches and the policies that both have.

    Attributes
    ----------
    first, second : Told
    names : tuple of str
        What the batches are called; told apart where they have the same name.
    policies : list of str
    """

    def __init__(self, first: Told, second: Told) -> None:
        self.first, self.second = first, second
        names = first.batch.name, second.batch.name
        same = names[0] == names[1]
        self.names = (f"{names[0]} (A)", f"{names[1]} (B)") if same else names
        self.policies = [name for name in first.policies if name in second.policies]

    def measures(self) -> list[Measure]:
        """The measures that both have."""
        known = {one.column for one in self.second.measures}
        return [one for one in self.first.measures if one.column in known]

    def apart(self, column: str) -> pd.DataFrame:
        """Second less first by policy, over runs of the same seed if there are any.

        Returns
        -------
        DataFrame
            One row a policy: `pairs` (0 where seeds differ, so that the samples are
            independent), `difference`, `low` and `high`.
        """
        rows = {}
        for policy in self.policies:
            a, b = (_by_seed(told, column, policy) for told in (self.first, self.second))
            rows[policy] = difference(a, b)[:4]
        columns = ["pairs", "difference", "low", "high"]
        found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        found.index.name = "policy"
        return found


def _by_seed(told: Told, column: str, policy: str) -> pd.Series:
    mine = told.finished[told.finished["policy"] == policy]
    return mine.set_index("seed")[column].astype(float).dropna()


def difference(first: pd.Series, second: pd.Series) -> Difference:
    """Mean of the second less that of the first: paired by seed, or of two samples.

    With five seeds in common the difference is paired over these; else the interval is
    the normal one of two independent means (Welch), `runs` 0.
    """
    paired = intervals.paired_difference(second, first)
    if paired.runs >= _FEWEST:
        return paired
    if min(len(first), len(second)) < _FEWEST:
        return Difference(0, float(second.mean() - first.mean()), np.nan, np.nan)
    mean = float(second.mean() - first.mean())
    spread = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return Difference(0, mean, mean - _NORMAL * spread, mean + _NORMAL * spread)


_FEWEST = 5
_MOST_KEYS = 15
"""Keys that differ up to which they are listed without being asked for."""
_NORMAL = 1.959964


def in_short(pair: Pair) -> Section:
    """What changed, in sentences and in one table."""
    known = {one.column: one for one in pair.measures()}
    counts = [known[name] for name in _COUNTS if name in known]
    reading = [_scenarios_told(pair)]
    shown, parts = {}, []
    for one in counts:
        apart = pair.apart(one.column)
        reading.append(_told(one, apart, pair))
        write = notation.apart_writer(one.unit)
        shown[one.label] = [
            tables.cell(row.difference, row.low, row.high, write)
            for row in apart.itertuples()
        ]
        parts.append(apart.reset_index().assign(measure=one.column))
    table = pd.DataFrame(shown, index=pd.Index(pair.policies, name="policy"))
    data = pd.concat(parts) if parts else pd.DataFrame()
    given = Table(
        "changes", f"{pair.names[1]} less {pair.names[0]}", table, data, is_open=True
    )
    note = (
        "Differences of means with 95% intervals, over runs of the same seed where the "
        "batches share five seeds or more, else of two independent samples."
    )
    rest = [_settings(pair)]
    return Section("in-short", "What changed?", reading, {}, rest, note, given)


def _scenarios_told(pair: Pair) -> str:
    count = len(_differing(pair))
    if count == 0:
        return "Both batches ran the same scenario."
    keys = "1 key" if count == 1 else f"{count} keys"
    return f"The scenarios differ in {keys} (listed below)."


def _told(measure: Measure, apart: pd.DataFrame, pair: Pair) -> str:
    """Under which policies a measure rose, fell, or did neither for all that is known."""
    write = notation.apart_writer(measure.unit)
    sides: dict[str, list[str]] = {}
    for row in apart.itertuples():
        one = Difference(row.pairs, row.difference, row.low, row.high)
        if np.isnan(one.low):
            sides.setdefault("too little known under", []).append(str(row.Index))
        elif one.low == one.high == 0.0:
            sides.setdefault("the same under", []).append(str(row.Index))
        elif not one.is_clear:
            sides.setdefault("cannot be told apart under", []).append(str(row.Index))
        else:
            ends = sorted((abs(one.low), abs(one.high)))
            size = words.bracketed(abs(one.mean), *ends, write)
            side = "higher" if one.mean > 0 else "lower"
            many = len(apart) > 4
            said = str(row.Index) if many else f"{row.Index} by {size}"
            sides.setdefault(f"{side} under", []).append(said)
    clauses = [f"{side} {words.names(names)}" for side, names in sides.items()]
    return f"{measure.label} in {pair.names[1]}: {'; '.join(clauses)}."


def _differing(pair: Pair) -> dict[str, tuple[Any, Any]]:
    """The scenario's keys that differ, and both values."""
    a, b = (dict(_flat(told.batch.scenario)) for told in (pair.first, pair.second))
    keys = [*a, *(key for key in b if key not in a)]
    skipped = ("name", "description")
    return {
        key: (a.get(key, "-"), b.get(key, "-"))
        for key in keys
        if a.get(key, "-") != b.get(key, "-") and key not in skipped
    }


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _settings(pair: Pair) -> Table:
    rows = {
        key: [str(value) for value in values] for key, values in _differing(pair).items()
    }
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["A", "B"])
    found.index.name = "key"
    caption = f"Keys that differ: {pair.names[0]} is A, {pair.names[1]} is B"
    few = len(found) <= _MOST_KEYS
    return Table("settings", caption, found, found.reset_index(), is_open=few)


def both(pair: Pair) -> Iterator[Section | Missing]:
    """Every count side by side, one section each."""
    known = {one.column: one for one in pair.measures()}
    for column in _COUNTS:
        if column not in known or not pair.policies:
            continue
        yield _side_by_side(pair, known[column])


def _side_by_side(pair: Pair, measure: Measure) -> Section:
    question = f"{measure.label}: what was it, and what is it?"
    parts = {
        name: told.of(measure.column).reindex(pair.policies)
        for name, told in zip(pair.names, (pair.first, pair.second), strict=True)
    }
    label = f"{measure.label}, mean of a run"
    figure = draw_dots(question, parts, label, measure.unit)
    given = tables.of_several(
        f"both-{measure.column.replace('_', '-')}", label,
        {name: (table, measure.unit) for name, table in parts.items()},
    )  # fmt: skip
    reading = [measure.meaning, _told(measure, pair.apart(measure.column), pair)]
    return Section(given.name, question, reading, {question: figure}, [given])


def tails(pair: Pair) -> Section | Missing:
    """Quantiles of the deficit of the first common policy in both batches."""
    question = "Did the worst runs change as well?"
    if not pair.policies:
        return Missing(question, "the batches have no policy in common")
    policy = pair.policies[0]
    curves, reading = {}, []
    for name, told in zip(pair.names, (pair.first, pair.second), strict=True):
        sample = _by_seed(told, "deficit_usd", policy).to_numpy(float)
        if len(sample) < _FEWEST:
            return Missing(question, f"fewer than five runs under {policy}")
        rows = {
            100 * q: (
                float(np.quantile(sample, q)),
                *intervals.quantile_interval(sample, q),
            )
            for q in _SHARES
        }
        columns = ["value", "low", "high"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        table.index.name = "percent"
        curves[name] = table.replace([np.inf, -np.inf], np.nan)
        reading.append(f"95% quantile in {name}: {words.mean(table.iloc[-1], 'usd')}.")
    ends = [table[["low", "high"]].iloc[-1] for table in curves.values()]
    apart = any(ends[i]["low"] > ends[1 - i]["high"] for i in (0, 1))
    reading.append(
        "The intervals of the two lie apart." if apart
        else "The intervals of the two overlap or have no upper end: this many runs do not "
        "tell the tails apart."
    )  # fmt: skip
    figure = draw_curves(
        question, curves, "Per cent of runs below", f"Deficit, {policy} (USD)"
    )
    data = pd.concat(curves, names=["batch", "percent"]).reset_index()
    shown = pd.DataFrame(
        {name: tables.cells(table, "usd") for name, table in curves.items()}
    )
    given = Table("tails", f"Quantiles of the deficit under {policy}", shown, data)
    return Section("tails", question, reading, {question: figure}, [given])
