"""Commands on ADL rules: what there is, who pays under each, and was it really so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import (
    FOUND_WRONG,
    AsJson,
    RunDir,
    Set,
    app,
    fail,
    plain_errors,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from abm.adl.contract import Report
    from abm.montecarlo.verify import Verdict
    from abm.playground import Answer, Book


@app.command()
def policies(
    name: Annotated[
        str | None, typer.Argument(help="Policy to print as TOML.", show_default=False)
    ] = None,
    answers: Annotated[
        bool, typer.Option("--answers", help="List the answers to each question.")
    ] = False,
    axioms: Annotated[
        bool, typer.Option("--axioms", help="Which axiom each allocation rule has.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the built-in ADL policies, or print one ready to paste into a scenario.

    Example: `adl policies hyperliquid >> my-scenario.toml`
    """
    if sum((name is not None, answers, axioms)) > 1:
        fail("policies: give one of NAME, --answers and --axioms")
    with plain_errors():
        if answers:
            _print_answers(as_json)
        elif axioms:
            _print_axioms(as_json)
        elif name is not None:
            _print_policy(name, as_json)
        else:
            _print_policies(as_json)


def _print_policies(as_json: bool) -> None:
    from abm.adl.venues import PRESETS

    if as_json:
        print_json({name: preset._asdict() for name, preset in PRESETS.items()})
        return
    rows = [["policy", "kind", "rule"]]
    rows += [[name, p.kind, p.summary] for name, p in PRESETS.items()]
    print_table(rows, left=3)


def _print_policy(name: str, as_json: bool) -> None:
    from abm.adl.venues import PRESETS
    from abm.toml_out import key_to_toml

    if name not in PRESETS:
        import difflib

        near = difflib.get_close_matches(name, PRESETS, n=5, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "one of"
        known = "" if near else f" {', '.join(PRESETS)}"
        fail(f"policies {name}: no such policy; {hint}{known}")
    preset = PRESETS[name]
    if as_json:
        print_json({"name": name, **preset._asdict()})
        return
    typer.echo(f"# {name}: {preset.summary}")
    typer.echo(f"# source: {preset.source}")
    for reading in preset.readings:
        typer.echo(f"# reading: {reading}")
    if preset.ladder:
        typer.echo(f'# belongs with venue.ladder = "{preset.ladder}"')
    header = key_to_toml("policies", f"my-{name}")
    typer.echo(f"[{header}]")
    lines = {key: value for key, value in preset.table.items() if key != "fallback"}
    typer.echo("".join(to_inline(key, value) for key, value in lines.items()), nl=False)


def to_inline(key: str, value: Any) -> str:
    """A key and its value, tables written on the line."""
    from abm.toml_out import key_to_toml, value_to_toml

    return f"{key_to_toml(key)} = {value_to_toml(value)}\n"


def _print_answers(as_json: bool) -> None:
    from abm.adl import catalogue

    entries = list(catalogue.answers())
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    kind = ""
    for entry in entries:
        if entry.kind != kind:
            kind = entry.kind
            typer.echo(f"\n{kind.upper()}")
        typer.echo(f"  {entry.name}: {entry.summary}")
        for parameter, wanted in entry.parameters.items():
            typer.echo(f"      {parameter}: {wanted}")


def _print_axioms(as_json: bool) -> None:
    from abm.adl import axioms

    table = axioms.table()
    if as_json:
        rules = [row._asdict() for row in table]
        print_json({"axioms": axioms.DEFINITIONS, "rules": rules})
        return
    names = list(axioms.AXIOMS)
    rows = [["rule", *names]]
    for row in table:
        rows.append([row.rule, *("yes" if row.axioms[name] else "no" for name in names)])
    print_table(rows)
    typer.echo()
    for name, definition in axioms.DEFINITIONS.items():
        typer.echo(f"{name}: {definition}")
    typer.echo("\nyes: none of 300 random books breaks it. no: the worst book that does:")
    for row in table:
        for name, words in row.counterexamples.items():
            typer.echo(f"  {row.rule}, {name}: {words}")


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
            left_out[policy.name] = " ".join(str(error).split())
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
                "bounds": _bounds(answer),
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


def _bounds(answer: Answer) -> dict[str, Any] | None:
    """The bounds by name; None where there is no number, as if nobody can pay."""
    from dataclasses import asdict

    if answer.bounds is None:
        return None
    found = asdict(answer.bounds).items()
    return {name: value if math.isfinite(value) else None for name, value in found}


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
    print_table(rows)
    typer.echo()
    for kind in sorted(in_contracts):
        typer.echo(_IN_A_CELL[kind])
    typer.echo(_IN_BRACKETS)
    for why in left_out.values():
        typer.echo(f"note: {why}")


_IN_A_CELL = {
    False: "cash: USD paid, and its share of what the account could be asked for",
    True: (
        "closing: contracts closed, their share of those that could be, and for how much "
        "less than the mark, USD"
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


@app.command()
def verify(run_dir: RunDir, as_json: AsJson = False) -> None:
    """Check a run folder: every file as written, every decision made again from the record.

    Exits with 1 and names what differs: table, run, policy, wave, account, amount.

    Example: `adl verify runs/oct10`
    """
    with plain_errors():
        from abm.montecarlo.verify import verify as verify_batch

        verdict = verify_batch(run_dir)
    _print_verdict(run_dir, verdict, as_json)
    if not verdict.sound:
        raise typer.Exit(FOUND_WRONG)


_MOST_FINDINGS = 50


def _print_verdict(run_dir: Path, verdict: Verdict, as_json: bool) -> None:
    looked = (
        f"{verdict.files} files, {verdict.calls:,} calls of {verdict.runs} audited runs, "
        f"{verdict.payers:,} payers"
    )
    if as_json:
        found = [
            {key: value for key, value in f._asdict().items() if value not in (None, "")}
            for f in verdict.findings
        ]
        print_json({"sound": verdict.sound, **verdict._asdict(), "findings": found})
        return
    for finding in verdict.findings[:_MOST_FINDINGS]:
        typer.echo(finding.line())
    rest = len(verdict.findings) - _MOST_FINDINGS
    if rest > 0:
        typer.echo(f"... and {rest} more")
    if verdict.sound:
        typer.echo(f"{run_dir}: sound ({looked})")
    else:
        typer.echo(f"{run_dir}: {len(verdict.findings)} differences ({looked})")
    if verdict.runs == 0:
        typer.echo(
            "no run was audited: only the files were checked (outputs.audit_of_first_runs)"
        )


def check_function(text: str, as_json: bool) -> None:
    """Run a user's allocation through the contract; exit 1 if it breaks it."""
    from abm.adl.answers import ARGUMENTS, users_function
    from abm.adl.contract import check

    report = check(users_function("check", text, ARGUMENTS["allocation"]))
    _print_report(text, report, as_json)
    if not report.kept:
        raise typer.Exit(FOUND_WRONG)


def _print_report(text: str, report: Report, as_json: bool) -> None:
    if as_json:
        breaches = [breach._asdict() for breach in report.breaches]
        print_json({"kept": report.kept, **report._asdict(), "breaches": breaches})
        return
    for breach in report.breaches:
        typer.echo(f"{breach.rule}: {breach.message}")
        typer.echo(
            f"    {breach.trial}: capacity = {_list(breach.capacity)}, "
            f"score = {_list(breach.score)}, budget = {breach.budget}"
        )
    verdict = "keeps the contract" if report.kept else "breaks the contract"
    speed = f"{report.payers:,} payers in {report.seconds * 1000:.1f} ms"
    typer.echo(f"{text}: {verdict} ({report.trials} trials; {speed})")


def _list(values: list[Any]) -> str:
    shown = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
    return f"[{', '.join(shown)}]"
