"""What all commands share: the application, options, errors in one line, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from abm.scenario import Scenario

app = typer.Typer(
    name="adl",
    help="An open laboratory for auto-deleveraging (ADL) on perpetual-futures venues.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Config = Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)]
RunDir = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

FOUND_WRONG = 1
BAD_INPUT = 2


def fail(message: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    typer.echo(f"adl: {' '.join(message.split())}", err=True)
    raise typer.Exit(BAD_INPUT)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the errors that a user can cause into one line and exit code 2."""
    try:
        yield
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if not _is_users(error):
            raise
        fail(str(error))


def _is_users(error: Exception) -> bool:
    """Whether a user can cause it; what is slow to load is asked last."""
    from abm.scenario import ScenarioError

    if isinstance(error, (ScenarioError, OSError)):
        return True
    from abm.adl.answers import CompositionError
    from abm.adl.wave import PolicyError
    from abm.montecarlo.store import StoreError

    return isinstance(error, (StoreError, CompositionError, PolicyError))


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON has no form for, as text."""
    typer.echo(json.dumps(value, indent=1, default=str))


def print_table(rows: list[list[str]], *, left: int = 1) -> None:
    """Print rows of cells, the first row as a heading; the first columns to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
        if number == 0:
            typer.echo("  ".join("-" * width for width in widths))


def load(config: Path, overrides: list[str] | None) -> Scenario:
    """The scenario, with its policies and strategies known to compose."""
    from abm import scenario as scenarios

    return composed(scenarios.load(config, overrides or ()), config)


def composed(scenario: Scenario, config: Path) -> Scenario:
    """A scenario whose policies and strategies are known to compose."""
    from abm.adl.compose import PRESETS, CompositionError, compose
    from abm.gaming.strategies import build_strategy

    for name in scenario.run.policies:
        try:
            if name in scenario.policies:
                compose(name, scenario.policies[name].model_dump(exclude_none=True))
            elif name not in PRESETS:
                known = ", ".join([*scenario.policies, *PRESETS])
                fail(f"{config}: run.policies = {name!r}: must be one of {known}")
        except CompositionError as error:
            fail(f"{config}: policies.{name}.{error}")
    for name, table in scenario.played_tables().items():
        try:
            build_strategy(name, table)
        except CompositionError as error:
            fail(f"{config}: {error}")
    return scenario
