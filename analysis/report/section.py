"""One question of a report: a reading, figures, and the tables they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """A table as it is shown and as it is written.

    Attributes
    ----------
    name : str
        File name of the CSV without its ending.
    caption : str
        What a row is.
    shown : DataFrame
        Texts, as they stand in the page; the index begins each row.
    data : DataFrame
        Numbers, as they stand in the CSV.
    marks : mapping of (str, str) to str, optional
        By row and column a class of the cell: ``best`` or ``with-best``.
    is_open : bool
        False if it is unfolded only when it is asked for.
    """

    name: str
    caption: str
    shown: pd.DataFrame
    data: pd.DataFrame
    marks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    is_open: bool = False


@dataclass(frozen=True)
class Section:
    """A question and its answer.

    Attributes
    ----------
    slug, question : str
        Its anchor and its title.
    reading : list of str
        Plain sentences made from the numbers.
    figures : mapping of str to Figure
        By what each shows; the question itself where there is only one.
    tables : list of Table
    note : str
        How the figures were made, in small print.
    first : Table, optional
        A table that stands above the reading, with the small print below it.
    """

    slug: str
    question: str
    reading: list[str]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    note: str = ""
    first: Table | None = None


@dataclass(frozen=True)
class Missing:
    """A question that this batch cannot answer, and why."""

    question: str
    reason: str
