"""Commands on ADL rules: what there is, was it really so, does one of one's own do."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import (
    FOUND_WRONG,
    AsJson,
    RunDir,
    app,
    fail,
    plain_errors,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from abm.adl.contract import Report
    from abm.montecarlo.verify import Verdict


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
    rows = [["policy", "rule"]]
    kind = "venue"
    for name, preset in PRESETS.items():
        if preset.kind != kind:
            kind = preset.kind
            rows.append(["", ""])
        rows.append([name, preset.summary])
    print_table(rows, left=2)


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
            typer.echo(_wrapped(f"{row.rule}, {name}: {words}"))


def _wrapped(text: str) -> str:
    """A paragraph of a list, as wide as most terminals at the most."""
    return textwrap.fill(
        text,
        width=100,
        initial_indent="  ",
        subsequent_indent="      ",
        break_on_hyphens=False,
    )


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
    """Run a user's allocation or strategy through its contract; exit 1 if it breaks it."""
    from abm.adl.answers import ARGUMENTS, users_function
    from abm.adl.contract import check

    if _is_strategy(text):
        _check_strategy(text, as_json)
        return
    report = check(users_function("check", text, ARGUMENTS["allocation"]))
    _print_report(text, report, as_json)
    if not report.kept:
        raise typer.Exit(FOUND_WRONG)


def _is_strategy(text: str) -> bool:
    """Whether a user's function is called with what a strategy is called with."""
    import inspect

    from abm.adl.answers import CompositionError, users_function
    from abm.gaming.strategies import ARGUMENTS

    try:
        own = users_function("check", text, ARGUMENTS)
    except CompositionError:
        return False
    names = inspect.signature(getattr(own, "function", own)).parameters
    return tuple(names)[: len(ARGUMENTS)] == ARGUMENTS


def _check_strategy(text: str, as_json: bool) -> None:
    from abm.gaming.strategies import build_strategy
    from abm.gaming.trial import check

    report = check(build_strategy("check", {"rule": text}))
    if as_json:
        breaches = [breach._asdict() for breach in report.breaches]
        print_json({"kept": report.kept, **report._asdict(), "breaches": breaches})
    else:
        for breach in report.breaches:
            typer.echo(f"{breach.rule}: {breach.message} (at {breach.now_s:g} s)")
        verdict = "keeps the contract" if report.kept else "breaks the contract"
        told = f"{report.looks} looks, {report.traders} traders, {report.actions} actions"
        typer.echo(f"{text}: {verdict} ({told}; {report.seconds * 1000:.1f} ms a look)")
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
