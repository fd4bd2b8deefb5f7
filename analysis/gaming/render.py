"""The matrix of a contest as text for a terminal."""

from __future__ import annotations

from io import StringIO

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from analysis import notation
from analysis.gaming.reading import Contest
from analysis.gaming.verdict import VERDICTS
from analysis.gaming.words import MARKS, basis_points, value

_WIDTH = 110


def matrix(contest: Contest, table: pd.DataFrame) -> str:
    """One block a share of adopters: a row a strategy and policy, most gainful first."""
    text = StringIO()
    console = Console(file=text, width=_WIDTH, highlight=False, color_system=None)
    if contest.question:
        console.print(contest.question)
    console.print(
        "A gain is what ADL takes less from the players, plus what they leave the venue "
        "to pay, less fees and slippage, per dollar that they could be asked for. "
        "Intervals hold for all cells at once with 95%.\n"
    )
    for (part, adopters), rows in table.groupby(["part", "adopters"], sort=True):
        console.print(_title(part, adopters, rows))
        if rows.index.get_level_values("policy").nunique() > 1:
            console.print(_signs(rows))
        console.print(_block(rows))
    signs = (f"{MARKS[one]} {one}" for one in VERDICTS)
    console.print(f"Signs: {', '.join(signs)}.")
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).rstrip() + "\n"


def _title(part: int, adopters: float, rows: pd.DataFrame) -> str:
    low, high = rows["runs"].min(), rows["runs"].max()
    runs = f"{low}" if low == high else f"{low} to {high}"
    traders = notation.count(rows["traders"].mean())
    where = f" (part {part})" if part else ""
    return (
        f"{notation.share(adopters)} of the traders with positions play{where}: {traders} "
        f"of them a run, {runs} runs a cell"
    )


def _signs(rows: pd.DataFrame) -> Table:
    """The verdicts alone, a row a strategy and a column a policy."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    shown.add_column("")
    flat = rows.reset_index()
    policies = list(flat["policy"].unique())
    for policy in policies:
        shown.add_column(_broken(policy), justify="center")
    wide = flat.pivot(index="strategy", columns="policy", values="verdict")
    for strategy in flat["strategy"].unique():
        cells = [MARKS.get(wide.loc[strategy, policy], "") for policy in policies]
        shown.add_row(strategy, *cells)
    return shown


def _broken(name: str) -> str:
    """A name over several lines, at its hyphens."""
    return name.replace("-", "-\n")


def _block(rows: pd.DataFrame) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in (
        "strategy",
        "policy",
        "gain, net",
        "cost",
        "expected shortfall",
        "verdict",
    ):
        shown.add_column(name, overflow="fold")
    for keys, row in rows.sort_values("gain", ascending=False).iterrows():
        strategy, policy = keys[0], keys[3]
        harm = value(row, "harm", notation.share)
        cost = notation.signed(basis_points(row["cost"]))
        shown.add_row(strategy, policy, value(row, "gain"), cost, harm, row["verdict"])
    return shown
