"""The command that puts a small wave to policies: who pays what under each."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import AsJson, Set, app, plain_errors, print_json, print_table

if TYPE_CHECKING:
    from abm.playground import Answer, Book


@app.command()
def wave(
    file: Annotated[
        Path,
        typer.Argument(help="Accounts and a deficit (CSV or TOML).", show_default=False),
    ],
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="Policy; may be repeated.")
    ] = None,
    overrides: Set = None,
    as_json: AsJson = False,
) -> None:
    """Put the accounts of a small file to some policies: who pays what under each.

    Below every policy's column stands what it did and, in brackets, the least that any
    rule must take that raises all of the need from these payers.

    Example: `adl wave configs/waves/five-accounts.toml --set severity=1`
    """
    with plain_errors():
        from abm import playground

        book = playground.book_of(playground.load(file, overrides or ()))
        answers, left_out = _ask_all(file, book, policy or ())
    if as_json:
        print_json(_as_json(book, answers, left_out))
    else:
        _print_wave(book, answers, left_out)


def _ask_all(
    file: Path, book: Book, names: Sequence[str]
) -> tuple[list[Answer], dict[str, str]]:
    """What each policy answers, and why others do not; at least one does."""
    from abm import playground
    from abm.adl.answers import CompositionError
    from abm.adl.wave import PolicyError
    from abm.scenario import ScenarioError

    try:
        asked, left_out = playground.policies_of(book, names)
    except (ScenarioError, CompositionError) as error:
        raise ScenarioError(f"{file}: {error}") from None
    answers = []
    for policy in asked:
        try:
            answers.append(playground.ask(book, policy))
        except PolicyError as error:
            left_out[policy.name] = " ".join(f"{error.part}: {error.reason}".split())
    if not answers:
        name, why = next(iter(left_out.items()))
        raise ScenarioError(f"{file}: policy {name}: {why}")
    return answers, {
        name: f"{file}: policy {name}: {why}" for name, why in left_out.items()
    }


def _as_json(book: Book, answers: list[Answer], left_out: dict[str, str]) -> dict[str, Any]:
    from abm.units import usd

    return {
        "title": book.file.title,
        "source": book.file.source,
        "short_usd": usd(answers[0].wave.total_deficit),
        "left_out": left_out,
        "policies": [
            {
                "policy": answer.policy.name,
                "acted": answer.outcome.decision.acted,
                "severity": answer.outcome.decision.theta,
                "budget_usd": usd(answer.outcome.decision.budget),
                "raised_usd": usd(int(answer.paid.sum())),
                "raised_all": answer.raised_all,
                "unit": "contracts" if answer.in_contracts else "usd",
                "wanted": _in_unit(book, answer, answer.wanted),
                "given": _in_unit(book, answer, int(answer.given.sum())),
                "left_usd": usd(answer.left),
                "bounds": _bounds(book, answer),
                "accounts": [
                    {
                        "account": name,
                        "paid_usd": usd(int(answer.paid[i])),
                        "share": float(answer.share[i]),
                        "closed": float(answer.closed[i]),
                        "given": _in_unit(book, answer, int(answer.given[i])),
                        "capacity": _in_unit(book, answer, int(answer.capacity[i])),
                    }
                    for i, name in enumerate(book.names)
                ],
            }
            for answer in answers
        ],
    }


def _bounds(book: Book, answer: Answer) -> dict[str, Any] | None:
    """The bounds by name; None where there is no number, as if nobody can pay."""
    from dataclasses import asdict

    from abm.units import usd

    if answer.bounds is None:
        return None
    found = asdict(answer.bounds)
    for name in ("least_top_1", "least_top_10", "least_top_percent", "granularity"):
        found[f"{name}_usd"] = usd(found.pop(name))
    found["uncovered"] = _in_unit(book, answer, found["uncovered"])
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _in_unit(book: Book, answer: Answer, amount: int) -> float:
    """Lots as contracts, quanta as USD."""
    from abm.units import usd

    return amount * book.file.lot if answer.in_contracts else float(usd(amount))


def _print_wave(book: Book, answers: list[Answer], left_out: dict[str, str]) -> None:
    """A line an account, a column a policy, and below them what it came to."""
    from abm.units import usd

    file = book.file
    short = answers[0].wave
    if file.title:
        typer.echo(file.title)
    if file.source:
        typer.echo(f"source: {file.source}")
    typer.echo(
        f"{len(short.deficit)} of {len(file.accounts)} accounts short by "
        f"{usd(short.total_deficit):,.2f} USD in all\n"
    )
    rows = [["account", "equity", "profit", *(answer.policy.name for answer in answers)]]
    for i, name in enumerate(book.names):
        equity, profit = book.equity_and_profit(i)
        cells = [_paid(answer, i) for answer in answers]
        rows.append([name, f"{usd(equity):,.2f}", f"{usd(profit):,.2f}", *cells])
    rows.append([""] * len(rows[0]))
    in_contracts = {answer.in_contracts for answer in answers}
    for label, cell in _SUMS.items():
        if label != _CLOSED or True in in_contracts:
            rows.append([label, "", "", *(cell(book, answer) for answer in answers)])
    for block in blocks(rows, _screen()):
        print_table(block)
        typer.echo()
    for kind in sorted(in_contracts):
        typer.echo(_IN_A_CELL[kind])
    typer.echo(_IN_BRACKETS)
    for why in left_out.values():
        typer.echo(f"note: {why}")


Rows = list[list[str]]


def _screen() -> int:
    """Columns of the terminal; no end of them where nobody looks at one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10**6


def blocks(
    rows: list[list[str]], width: int, *, fixed: int = 3
) -> Iterator[list[list[str]]]:
    """A table as several that fit a width, each with the first columns and some others.

    Parameters
    ----------
    rows : list of list of str
        The first is the heading.
    width : int
        Characters; a block has one of the other columns at least.
    fixed : int
        How many columns every block begins with.
    """
    widths = [2 + max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    begin = fixed
    while begin < len(widths):
        end = begin + 1
        used = sum(widths[:fixed]) + widths[begin] - 2
        while end < len(widths) and used + widths[end] <= width:
            used += widths[end]
            end += 1
        yield [[*row[:fixed], *row[begin:end]] for row in rows]
        begin = end


_IN_A_CELL = {
    False: "cash: USD paid, and its share of what the account could be asked for",
    True: (
        "closing: contracts closed, their share of those that could be, and what that cost "
        "against the mark, USD"
    ),
}
_IN_BRACKETS = (
    "in brackets: the least under any rule that raises all of the need from these payers; "
    "- where not all is raised"
)


def _paid(answer: Answer, i: int) -> str:
    """What an account pays and which part of its capacity; what is closed of it."""
    from abm.units import usd

    if answer.capacity[i] == 0 and answer.paid[i] == 0 and answer.closed[i] == 0:
        return "."
    paid, share = f"{usd(int(answer.paid[i])):,.2f}", f"{answer.share[i]:4.0%}"
    if answer.in_contracts:
        return f"{_quantity(answer.closed[i])} {share} {paid}"
    return f"{paid} {share}"


def _quantity(contracts: float) -> str:
    return f"{contracts:,.12g}"


def _beside(answer: Answer, shown: str, least: str) -> str:
    """What was, and in brackets the least that it could be if that can be told."""
    return f"{shown} ({least if answer.raised_all else '-'})"


def _raised(book: Book, answer: Answer) -> str:
    from abm.units import usd

    paid = f"{usd(int(answer.paid.sum())):,.2f}"
    if answer.in_contracts:
        return paid
    return f"{paid} of {usd(answer.outcome.decision.budget):,.2f}"


def _contracts(book: Book, answer: Answer) -> str:
    if not answer.in_contracts:
        return "-"
    lot = book.file.lot
    closed = int(answer.given.sum()) * lot
    return f"{_quantity(closed)} of {_quantity(answer.wanted * lot)}"


def _largest(book: Book, answer: Answer) -> str:
    if answer.bounds is None or not answer.capacity.any():
        return "-"
    least = f"{answer.bounds.least_largest_share:.0%}"
    return _beside(answer, f"{answer.share.max():.0%}", least)


def _touched(book: Book, answer: Answer) -> str:
    if answer.bounds is None:
        return "-"
    count = len({*answer.outcome.fills["account"], *answer.outcome.haircuts["account"]})
    return _beside(answer, f"{count}", f"{answer.bounds.least_touched}")


def _top(book: Book, answer: Answer) -> str:
    """What the account of largest capacity gives, in the unit of the cells."""
    if answer.bounds is None or not answer.capacity.any():
        return "-"
    given, least = (
        _in_unit(book, answer, amount) for amount in (answer.top, answer.least_top)
    )
    shown = _quantity if answer.in_contracts else "{:,.2f}".format
    return _beside(answer, shown(given), shown(least))


def _left(book: Book, answer: Answer) -> str:
    from abm.units import usd

    return f"{usd(answer.left):,.2f}"


_CLOSED = "contracts closed"
_SUMS: dict[str, Callable[[Book, Answer], str]] = {
    "paid, USD": _raised,
    _CLOSED: _contracts,
    "largest share": _largest,
    "accounts hit": _touched,
    "largest capacity": _top,
    "still short, USD": _left,
}
