"""Commands on scenarios and on the batches that are run of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import AsJson, Config, RunDir, Set, app, fail, plain_errors, print_json
from abm.cli.policies import check_function

if TYPE_CHECKING:
    from abm.montecarlo.store import Batch
    from abm.scenario import Scenario


def _load(config: Path, overrides: list[str] | None) -> Scenario:
    """The scenario, with its policies known to compose."""
    from abm import scenario as scenarios
    from abm.adl.compose import PRESETS, CompositionError, compose

    scenario = scenarios.load(config, overrides or ())
    for name in scenario.run.policies:
        try:
            if name in scenario.policies:
                compose(name, scenario.policies[name].model_dump(exclude_none=True))
            elif name not in PRESETS:
                known = ", ".join([*scenario.policies, *PRESETS])
                fail(f"{config}: run.policies = {name!r}: must be one of {known}")
        except CompositionError as error:
            fail(f"{config}: policies.{name}.{error}")
    return scenario


def _free_folder(name: str) -> Path:
    """``runs/NAME``, or the first of ``runs/NAME-2``, ... that is not there yet."""
    folder = Path("runs") / name
    number = 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder


@app.command()
def run(
    config: Config,
    overrides: Set = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Number of runs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="First seed.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="Policy; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a core if not given.")
    ] = None,
    paranoid: Annotated[
        bool, typer.Option("--paranoid", help="Check every invariant after every step.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run folder if it is there.")
    ] = False,
    figures: Annotated[bool, typer.Option(help="Draw the figures.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run a scenario many times and write a run folder.

    Example: `adl run configs/minimal.toml --runs 32 --set venue.vault_usd=5e4`
    """
    given = list(overrides or ())
    given += [f"run.runs={runs}"] if runs is not None else []
    given += [f"run.seed={seed}"] if seed is not None else []
    given += [f"run.policies={json.dumps(policy)}"] if policy else []
    how = {
        "workers": workers,
        "paranoid": paranoid,
        "overwrite": overwrite,
        "quiet": as_json,
    }
    with plain_errors():
        from abm import study

        if study.is_study(config):
            _run_study(config, given, out, as_json, figures, how)
            return
        scenario = _load(config, given)
        folder = out or _free_folder(scenario.name)
        batch = _run(scenario, folder, how)
        drawn = _draw(batch) if figures and scenario.outputs.figures else []
        _report_batch(batch, drawn, as_json)


def _run(scenario: Scenario, folder: Path, how: dict[str, Any]) -> Batch:
    from abm.montecarlo.plan import Plan
    from abm.montecarlo.runner import run_batch
    from abm.warm import warm_up

    warm_up(quiet=how["quiet"])
    with _interruptible(folder):
        return run_batch(Plan.of(scenario), folder, **how)


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Say what is kept when the user presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nadl: interrupted; whole blocks are kept in {folder}", err=True)
        raise typer.Exit(130) from None


def _run_study(
    config: Path,
    given: list[str],
    out: Path | None,
    as_json: bool,
    figures: bool,
    how: dict[str, Any],
) -> None:
    """Run every variant of a study and say what each changes."""
    from abm import study
    from abm.montecarlo.study import run_study
    from abm.warm import warm_up
    from analysis import ablation

    loaded = study.load(config, given)
    folder = out or _free_folder(loaded.name)
    warm_up(quiet=as_json)
    with _interruptible(folder):
        batches = run_study(loaded, folder, **how)
    table = ablation.ablation(batches)
    if as_json:
        print_json(json.loads(table.reset_index().to_json(orient="records")))
        return
    typer.echo(ablation.render_ablation(table, loaded.question))
    typer.echo(f"batches: {folder}")
    if figures:
        from analysis.figures.ablation import draw_ablation
        from analysis.style import save

        drawn = save(draw_ablation(batches, loaded.question), folder / "ablation.png")
        typer.echo(f"figure:  {drawn}")


def _draw(batch: Batch) -> list[Path]:
    from analysis.figures import draw_all

    return list(draw_all(batch, batch.folder))


def _report_batch(batch: Batch, drawn: list[Path], as_json: bool) -> None:
    from analysis.comparison import compare, records, render

    table = compare(batch)
    if as_json:
        print_json(
            {
                "folder": str(batch.folder),
                "content_sha256": batch.content_hash(),
                "policies": records(table),
                "figures": [str(path) for path in drawn],
            }
        )
        return
    typer.echo(render(table))
    typer.echo(f"tables:  {batch.folder}  (content {batch.content_hash()[:16]})")
    for path in drawn:
        typer.echo(f"figure:  {path}")


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
    """Validate a scenario and print it as resolved; or try out an allocation of your own.

    `FILE.py:FUNCTION` is run through the contract of allocations on random waves: what
    it breaks is named with the input that did, and the exit code is 1.

    Example: `adl check configs/oct10.toml --set venue.insurance_usd=5e6`

    Example: `adl check my_rules.py:allocate`
    """
    with plain_errors():
        if ".py:" in str(config):
            check_function(str(config), as_json)
            return
        scenario = _load(config, overrides)
        if population:
            _print_population(scenario, as_json)
        elif as_json:
            print_json(scenario.resolved())
        else:
            from abm.toml_out import to_toml

            typer.echo(to_toml(scenario.resolved()))


def _print_population(scenario: Scenario, as_json: bool) -> None:
    from abm.measures.population import population_table

    table = population_table(scenario, range(1, 6))
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
