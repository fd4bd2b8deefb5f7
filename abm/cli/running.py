"""Commands that compute: run, resume, sweep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    plain_errors,
    print_json,
)
from abm.cli.drawing import drawn_aside, load_plotting_ahead

if TYPE_CHECKING:
    from abm.montecarlo.store import Batch
    from abm.scenario import Scenario


Runs = Annotated[int | None, typer.Option("--runs", min=1, help="Number of runs.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="First seed.")]
Policies = Annotated[
    list[str] | None, typer.Option("--policy", help="Policy; may be repeated.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; one a core if not given.")
]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", min=0.0, help="Begin nothing new after so many minutes."),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Dask scheduler to compute on."),
]
Paranoid = Annotated[
    bool, typer.Option("--paranoid", help="Check every invariant after every step.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the run folder if it is there.")
]
Figures = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures.")]


def free_folder(name: str) -> Path:
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
    runs: Runs = None,
    seed: Seed = None,
    policy: Policies = None,
    out: Out = None,
    workers: Workers = None,
    minutes: Minutes = None,
    scheduler: Scheduler = None,
    paranoid: Paranoid = False,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Run a scenario many times and write a run folder.

    Example: `adl run configs/minimal.toml --runs 32 --set venue.vault_usd=5e4`
    """
    given = options_as_overrides(overrides, runs, seed, policy)
    how = {
        "workers": workers,
        "minutes": minutes,
        "scheduler": scheduler,
        "paranoid": paranoid,
        "overwrite": overwrite,
        "quiet": as_json,
    }
    with plain_errors():
        from abm import scenario as scenarios
        from abm import study

        if study.is_study(config):
            _run_study(config, given, out, as_json, figures, how)
            return
        scenario = scenarios.load(config, given)
        figures = figures and scenario.outputs.figures
        if figures:
            load_plotting_ahead()
        composed(scenario, config)
        folder = out or free_folder(scenario.name)
        batch = _run(scenario, folder, how)
        _report_batch(batch, figures, as_json)


def options_as_overrides(
    overrides: list[str] | None,
    runs: int | None,
    seed: int | None,
    policies: list[str] | None,
) -> list[str]:
    """All overrides of a scenario that options make."""
    given = list(overrides or ())
    given += [f"run.runs={runs}"] if runs is not None else []
    given += [f"run.seed={seed}"] if seed is not None else []
    given += [f"run.policies={json.dumps(policies)}"] if policies else []
    return given


@app.command()
def resume(
    run_dir: RunDir,
    workers: Workers = None,
    minutes: Minutes = None,
    scheduler: Scheduler = None,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Go on with a batch, study, sweep, search, game or calibration that was interrupted.

    What is whole is kept; the result is byte for byte that of a batch that was never
    interrupted. Refuses if the scenario or the code has changed, and says what.

    Example: `adl resume runs/oct10`
    """
    how = {
        "workers": workers, "minutes": minutes, "scheduler": scheduler, "quiet": as_json
    }  # fmt: skip
    with plain_errors():
        from abm.cli.game import resume_game
        from abm.montecarlo import calibrate as calibrations
        from abm.montecarlo import search as searches
        from abm.montecarlo import study as studies
        from abm.montecarlo import sweeps
        from abm.montecarlo.runner import resume_batch
        from abm.warm import warm_up

        warm_up(quiet=as_json)
        with interruptible(run_dir):
            if (run_dir / calibrations.INDEX).is_file():
                from abm.cli.calibrate import report_calibration

                calibrations.resume_calibration(run_dir, **how)
                report_calibration(run_dir, as_json, figures)
                return
            if (run_dir / searches.INDEX).is_file():
                from abm.cli.search import report_search

                searches.resume_search(run_dir, **how)
                report_search(run_dir, as_json, figures)
                return
            if (run_dir / sweeps.INDEX).is_file():
                sweeps.resume_sweep(run_dir, **how)
                _report_sweep(run_dir, _MEASURES, as_json)
                return
            if resume_game(run_dir, how, as_json, figures):
                return
            if (run_dir / studies.INDEX).is_file():
                studies.resume_study(run_dir, **how)
                _report_study(run_dir, as_json, figures)
                return
            batch = resume_batch(run_dir, **how)
        from analysis.stress import is_stress

        if is_stress(batch):
            from abm.cli.stress import report_stress

            report_stress(batch, figures, as_json)
            return
        _report_batch(batch, figures and batch.scenario["outputs"]["figures"], as_json)


_MEASURES = ("residual_usd", "largest_haircut_share")


@app.command()
def sweep(
    config: Config,
    overrides: Set = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=V1,V2", help="Values of a key."),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="KEY=LOW:HIGH[:log]", help="Range of a key."),
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(help="grid, latin-hypercube, sobol or saltelli (for sensitivities)."),
    ] = None,
    points: Annotated[int | None, typer.Option(min=2, help="Number of points.")] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Column of the table of runs.")
    ] = None,
    runs: Runs = None,
    seed: Seed = None,
    policy: Policies = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario at many values of its keys, and say which of them matter.

    The file may have a table `sweep`; `--grid` makes a grid of any scenario, `--range` a
    design over ranges.

    Example: `adl sweep configs/minimal.toml --grid venue.vault_usd=1e4,1e5 --runs 8`
    """
    with plain_errors():
        from abm import sweep as loading
        from abm.montecarlo.sweeps import run_sweep

        options: dict[str, Any] = {}
        factors = loading.grid_of(grid or ()) | loading.ranges_of(ranges or ())
        chosen = design or ("saltelli" if ranges and not grid else None)
        for key, value in (("factors", factors), ("design", chosen), ("points", points)):
            if value:
                options[key] = value
        loaded = loading.load(
            config, options_as_overrides(overrides, runs, seed, policy), options
        )
        _check_measures(measure)
        folder = out or free_folder(loaded.name)
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_sweep, loaded, folder, quiet=as_json, **how)
        _report_sweep(folder, tuple(measure or _MEASURES), as_json)


def _check_measures(measures: list[str] | None) -> None:
    from abm.montecarlo.store import StoreError, numeric_columns

    for measure in measures or ():
        known = numeric_columns("runs")
        if measure not in known:
            raise StoreError(f"--measure {measure}: must be one of {', '.join(known)}")


def _report_sweep(folder: Path, measures: tuple[str, ...], as_json: bool) -> None:
    from analysis import sensitivity

    index, _ = sensitivity.open_sweep(folder)
    table = sensitivity.sensitivities(folder, measures)
    if as_json:
        at_points = sensitivity.responses(folder, measures)
        print_json(
            {
                "folder": str(folder),
                "design": index["design"],
                "responses": json.loads(at_points.to_json(orient="records")),
                "sensitivities": json.loads(table.reset_index().to_json(orient="records")),
            }
        )
        return
    typer.echo(sensitivity.render_responses(sensitivity.responses(folder, measures)))
    typer.echo(sensitivity.render_sensitivities(table, index["design"]))
    typer.echo(f"sweep:   {folder}  ({len(index['points'])} points)")


def _run(scenario: Scenario, folder: Path, how: dict[str, Any]) -> Batch:
    from abm.montecarlo.plan import Plan
    from abm.montecarlo.runner import run_batch

    batch: Batch = compute(run_batch, Plan.of(scenario), folder, **how)
    return batch


def compute(
    begin: Callable[..., Any], what: Any, folder: Path, *, quiet: bool, **how: Any
) -> Any:
    """Begin something in a folder, kernels ready; Ctrl-C keeps what is whole."""
    from abm.warm import warm_up

    warm_up(quiet=quiet)
    with interruptible(folder):
        return begin(what, folder, quiet=quiet, **how)


@contextmanager
def interruptible(folder: Path) -> Iterator[None]:
    """Say what is kept when the user presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"\nadl: interrupted; what is whole is kept, `adl resume {folder}` goes on",
            err=True,
        )
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

    loaded = study.load(config, given)
    folder = out or free_folder(loaded.name)
    compute(run_study, loaded, folder, **how)
    _report_study(folder, as_json, figures)


def _report_study(folder: Path, as_json: bool, figures: bool) -> None:
    from analysis import ablation

    question, batches = ablation.open_study(folder)
    table = ablation.ablation(batches)
    if as_json:
        print_json(json.loads(table.reset_index().to_json(orient="records")))
        return
    typer.echo(ablation.render_ablation(table, question))
    typer.echo(f"batches: {folder}")
    if figures:
        from analysis.figures.ablation import draw_ablation
        from analysis.style import save

        drawn = save(draw_ablation(batches, question), folder / "ablation.png")
        typer.echo(f"figure:  {drawn}")


def _report_batch(batch: Batch, figures: bool, as_json: bool) -> None:
    with drawn_aside(batch, figures) as drawn:
        if as_json:
            found = _as_records(batch)
            print_json(found | {"figures": [str(path) for path in drawn()]})
            return
        _print_batch(batch)
        for path in drawn():
            typer.echo(f"figure:  {path}")


def _as_records(batch: Batch) -> dict[str, Any]:
    from analysis.comparison import compare, records, shared_past

    saved = shared_past(batch)
    return {
        "folder": str(batch.folder),
        "content_sha256": batch.content_hash(),
        "shared_past": saved if saved == saved else None,
        "policies": records(compare(batch)),
        "failed": failures(batch),
    }


def _print_batch(batch: Batch) -> None:
    from analysis.comparison import compare, render, shared_past

    saved = shared_past(batch)
    typer.echo(render(compare(batch)))
    for one in failures(batch):
        why = " ".join(one["first_reason"].split())
        typer.echo(f"failed:  {one['policy']}: {one['runs']} of {one['of']} runs; {why}")
    if saved == saved:  # NaN: a single policy shares with nobody
        typer.echo(f"shared:  {saved:.0%} of market time, since policies go together")
    typer.echo(f"tables:  {batch.folder}  (content {batch.content_hash()[:16]})")


def failures(batch: Batch) -> list[dict[str, Any]]:
    """Policies that failed: in how many runs, and the reason of the first."""
    runs = batch.frame("runs")
    failed = runs[runs["failed"]].sort_values("run")
    return [
        {
            "policy": str(policy),
            "runs": len(rows),
            "of": int((runs["policy"] == policy).sum()),
            "first_reason": str(rows["error"].iloc[0]),
        }
        for policy, rows in failed.groupby("policy", sort=False, observed=True)
    ]
