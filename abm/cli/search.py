"""The command that looks for good policies: search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from abm.cli.common import AsJson, Config, Set, app, plain_errors, print_json
from abm.cli.running import (
    Figures,
    Out,
    Overwrite,
    Scheduler,
    Workers,
    compute,
    free_folder,
)


@app.command()
def search(
    config: Config,
    overrides: Set = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW:HIGH", help="Range of a policy's key, or its choices: KEY=A,B."
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN[:max]", help="Column of the table of runs."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=2, help="Policies tried in a round.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Number of rounds.")] = None,
    runs: Annotated[int | None, typer.Option(min=2, help="Runs of a candidate.")] = None,
    report_runs: Annotated[
        int | None, typer.Option(min=5, help="Runs of what is reported, on other seeds.")
    ] = None,
    members: Annotated[
        int | None, typer.Option(min=2, help="Most candidates that are reported.")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Search a policy's parameters for the best trade-offs, and test them on fresh seeds.

    Keys lead into policies of the scenario. All candidates of a round share a run's past.
    What is printed comes from seeds that no candidate was chosen on.

    Example: `adl search configs/studies/search.toml`

    Example: `adl search my.toml --over policies.mine.severity.share=0.1:1 --rounds 2`
    """
    given = {
        "candidates": candidates, "rounds": rounds, "runs": runs,
        "report_runs": report_runs, "members": members,
    }  # fmt: skip
    with plain_errors():
        from abm import search as loading
        from abm.montecarlo.search import run_search

        options: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if over:
            options["over"] = loading.over_of(over)
        if objective:
            options["objectives"] = loading.objectives_of(objective)
        loaded = loading.load(config, overrides or (), options)
        folder = out or free_folder(loaded.base.name)
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_search, loaded, folder, quiet=as_json, **how)
        report_search(folder, as_json, figures)


def report_search(folder: Path, as_json: bool, figures: bool) -> None:
    """Print what a search found, and draw it."""
    from analysis import front

    found = front.open_front(folder)
    drawn = None
    if figures:
        from analysis.figures.front import save_front

        drawn = save_front(found, folder)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "objectives": dict(zip(found.measures, found.goals, strict=True)),
                "search_seeds": [found.searched.start, found.searched.stop],
                "report_seeds": [found.seeds.start, found.seeds.stop],
                "policies": front.records(found),
                "figures": [str(drawn)] if drawn else [],
            }
        )
        return
    typer.echo(front.render_front(found))
    typer.echo(f"search:  {folder}  (all that was tried: {folder / 'candidates.json'})")
    typer.echo(f"report:  {folder / 'report'}  (`adl compare`, `adl query`)")
    if drawn:
        typer.echo(f"figure:  {drawn}")
