"""Commands that look: check, show, compare, ls, query."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import (
    AsJson,
    Config,
    RunDir,
    Set,
    app,
    composed,
    fail,
    load,
    plain_errors,
    print_json,
    print_table,
)
from abm.cli.policies import check_function

if TYPE_CHECKING:
    from abm.scenario import Scenario


@app.command()
def check(
    config: Config,
    overrides: Set = None,
    population: Annotated[
        bool,
        typer.Option(
            "--population", help="Compare endowments with the moments of the event."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate a scenario and print it as resolved; or try out a function of your own.

    `FILE.py:FUNCTION` is run through the contract of allocations on random waves, or of
    strategies in a small crash if it is called with `view, memory`: what it breaks is
    named with the input or the time that did, and the exit code is 1.

    Example: `adl check configs/oct10.toml --set venue.insurance_usd=5e6`

    Example: `adl check my_rules.py:allocate`
    """
    with plain_errors():
        if ".py:" in str(config):
            check_function(str(config), as_json)
            return
        if config.suffix == ".py":
            fail(f"check {config}: must name a function in it: {config}:FUNCTION")
        scenario, questions = _with_questions(config, overrides)
        if population:
            _print_population(scenario, as_json)
            return
        found = scenario.resolved() | questions
        if as_json:
            print_json(found)
        else:
            from abm.toml_out import to_toml

            typer.echo(to_toml(found))


def _with_questions(
    config: Path, overrides: list[str] | None
) -> tuple[Scenario, dict[str, Any]]:
    """A scenario, and the tables of its file that ask for more than one batch.

    Each of these is checked by whoever reads it when it is run.
    """
    from abm import calibration, contest, crowd, search, study, sweep
    from abm import scenario as scenarios

    loaders: dict[str, Callable[..., Any]] = {
        "study": study.load, "sweep": sweep.load, "search": search.load,
        "contest": contest.load, "calibration": calibration.load,
    }  # fmt: skip
    for name in ("spread", "attack", "commit"):
        loaders[name] = partial(crowd.load, what=name)
    data = scenarios.read(config)
    questions = {name: data.pop(name) for name in loaders if name in data}
    if not questions:
        return load(config, overrides), {}
    for name in questions:
        loaders[name](config, overrides=overrides or ())
    scenario = scenarios.from_mapping(data, overrides or (), str(config))
    return composed(scenario, config), questions


def _print_population(scenario: Scenario, as_json: bool) -> None:
    from abm.measures.population import population_table

    table = population_table(scenario, quiet=as_json)
    if as_json:
        print_json(table.to_dict(orient="records"))
    else:
        typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


@app.command()
def show(
    run_dir: RunDir,
    run: Annotated[int, typer.Option(min=0, help="Number of the run.")] = 0,
    policy: Annotated[
        str | None, typer.Option(help="Policy; the first if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell one run as a timeline: prices, depth, liquidations, vault, waves.

    Example: `adl show runs/minimal --run 3 --policy pro-rata`
    """
    with plain_errors():
        from abm.montecarlo.store import Batch
        from analysis.timeline import render_timeline, timeline

        batch = Batch(run_dir)
        chosen = policy or batch.policies[0]
        if chosen not in batch.policies:
            fail(f"--policy {chosen}: must be one of {', '.join(batch.policies)}")
        if run >= batch.manifest["runs"]:
            fail(f"--run {run}: the batch has runs 0 to {batch.manifest['runs'] - 1}")
        if as_json:
            table = timeline(batch, run, chosen)
            print_json(json.loads(table.to_json(orient="records")))
        else:
            typer.echo(render_timeline(batch, run, chosen))


@app.command()
def compare(run_dir: RunDir, as_json: AsJson = False) -> None:
    """Compare the policies of a batch: solvency, haircuts, accounts, with intervals.

    Example: `adl compare runs/oct10`
    """
    with plain_errors():
        from abm.montecarlo.store import Batch
        from analysis import comparison

        table = comparison.compare(Batch(run_dir))
        if as_json:
            print_json(comparison.records(table))
        else:
            typer.echo(comparison.render(table))


@app.command()
def ls(
    root: Annotated[Path, typer.Argument(help="Folder to look below.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List batches: how far they are, how large, and what they were.

    Example: `adl ls runs`
    """
    with plain_errors():
        from abm.montecarlo.listing import batches

        if not root.is_dir():
            fail(f"{root}: is not a folder")
        found = list(batches(root))
    if as_json:
        print_json([{**row._asdict(), "folder": str(row.folder)} for row in found])
        return
    rows = [["Batch", "Scenario", "Runs", "State", "Failed", "Size", "Policies"]]
    for row in found:
        rows.append(
            [
                str(row.folder), row.name, f"{row.runs:,} of {row.planned:,}", row.state,
                f"{row.failed:,}", f"{row.size / 1e6:,.1f} MB", _few(row.policies),
            ]
        )  # fmt: skip
    if found:
        print_table(rows, left=2)
    else:
        typer.echo(f"No batches below {root}.")


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


@app.command()
def query(
    run_dir: RunDir,
    sql: Annotated[str, typer.Argument(help="One statement in DuckDB's SQL.")],
    as_json: AsJson = False,
) -> None:
    """Ask the tables of a batch, or of all points of a sweep, in SQL (extra `query`).

    Tables: `runs`, `waves`, `haircuts`, `adl_fills`, `liquidations`, `horizons`,
    `retention`, `episodes`, `audit`, `paths`, `extremes`; of a sweep each with the column
    `point`, and `points` with the keys' values.

    Example: `adl query runs/oct10 "select policy, avg(residual_usd) from runs group by 1"`

    Example: `adl query runs/sweep "select * from points join runs using (point)"`
    """
    with plain_errors():
        from abm.montecarlo import query as asking
        from abm.montecarlo.store import Batch
        from abm.montecarlo.sweeps import INDEX

        if (run_dir / INDEX).is_file():
            table = asking.query_sweep(run_dir, sql)
        else:
            table = asking.query(Batch(run_dir), sql)
    if as_json:
        print_json(json.loads(table.to_json(orient="records", date_format="iso")))
    else:
        typer.echo(table.to_string(index=False, float_format=_plainly))


def _plainly(value: float) -> str:
    """Large numbers to the cent, small ones to six digits; none with a power of ten."""
    return f"{value:,.2f}" if abs(value) >= 1_000 else f"{value:.6g}"
