"""Tables of a report, as texts for people and as numbers for programs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis import notation
from analysis.measures import Told
from analysis.report.section import Table

MARKS = {"best": "best", "with the best": "with-best"}


def of_summary(
    name: str, caption: str, label: str, unit: str, table: pd.DataFrame
) -> Table:
    """A table of one value a policy with its interval."""
    shown = pd.DataFrame({label: cells(table, unit)}, index=table.index)
    marks = {
        (str(policy), label): MARKS[stand]
        for policy, stand in table.get("stand", pd.Series(dtype=object)).items()
        if stand in MARKS
    }
    return Table(name, caption, shown, table.reset_index(), marks)


def of_several(
    name: str, caption: str, parts: Mapping[str, tuple[pd.DataFrame, str]]
) -> Table:
    """Several values a policy: by label a table of values and its unit."""
    columns = {label: cells(table, unit) for label, (table, unit) in parts.items()}
    order = next(iter(parts.values()))[0].index
    shown = pd.DataFrame(columns).reindex(order).fillna(notation.UNDEFINED)
    data = pd.concat(
        {label: table for label, (table, _) in parts.items()}, names=["measure"]
    ).reset_index()
    return Table(name, caption, shown, data)


def cells(table: pd.DataFrame, unit: str) -> pd.Series:
    """``$1.23M`` and, on a second line, its interval."""
    write = notation.writer(unit)
    texts = [
        cell(row.value, row.low, row.high, write) for row in table.itertuples(index=False)
    ]
    return pd.Series(texts, table.index, dtype=object)


def cell(value: float, low: float, high: float, write) -> str:
    """A number and its interval, a line each."""
    around = notation.span(write(low), write(high))
    exact = around in (notation.UNDEFINED, write(value).replace("$", ""))
    if exact or low == high == value:
        return write(value)
    return f"{write(value)}\n{around}"


def of_group(told: Told, group: str) -> Table:
    """All measures of one group, one row a policy, the best of each marked."""
    measures = [one for one in told.measures if one.group == group]
    shown, marks = {}, {}
    for one in measures:
        table = told.summary.xs(one.column, level="measure").reindex(told.policies)
        shown[one.label] = cells(table, one.unit)
        for policy, stand in table["stand"].items():
            if stand in MARKS:
                marks[str(policy), one.label] = MARKS[stand]
    name = f"measures-{_slug(group)}"
    data = told.summary.reset_index()
    data = data[data["measure"].isin([one.column for one in measures])]
    return Table(name, group, pd.DataFrame(shown), data, marks, is_open=True)


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
