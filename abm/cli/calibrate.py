"""The command `calibrate`: a scenario held against an event, and fitted to it."""

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
    Seed,
    Workers,
    compute,
    free_folder,
)

_TABLE = "targets.csv"


@app.command()
def calibrate(
    config: Config,
    overrides: Set = None,
    targets: Annotated[
        Path | None, typer.Option(help="What was measured of an event (TOML).")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=LOW:HIGH[:log]", help="A key that may move."),
    ] = None,
    moments: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Moment, or id of some, to fit; all if none."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Fit nothing: the table of the values as they are."),
    ] = False,
    runs: Annotated[int | None, typer.Option(min=2, help="Runs of every point.")] = None,
    points: Annotated[
        int | None, typer.Option(min=1, help="Points after which the search stops.")
    ] = None,
    seed: Seed = None,
    page: Annotated[
        Path | None, typer.Option(help="Also write the table as a Markdown page.")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Fit a scenario's keys to what was measured of an event, and print how near it comes.

    Keys and their ranges come from `--over` or the scenario's table `calibration`; the
    values found are written as a scenario that extends CONFIG. Every target is shown with
    its range, the simulated moment and its interval; exit code 0 says nothing about them.

    Example: `adl calibrate configs/oct10.toml --targets configs/targets/oct10.toml --check`

    Example: `adl calibrate configs/oct10.toml --targets configs/targets/oct10.toml
    --over kinds.passive.rebuild_share=0.02:0.4:log --moments P22 --runs 8`
    """
    with plain_errors():
        from abm import calibration as loading
        from abm.montecarlo.calibrate import run_calibration
        from abm.scenario import ScenarioError
        from abm.sweep import ranges_of

        given = {
            "targets": None if targets is None else str(targets), "runs": runs,
            "moments": moments, "most_points": points,
            "over": {} if check else _ranges(over, ranges_of),
        }  # fmt: skip
        options = {key: value for key, value in given.items() if value is not None}
        changes = [*(overrides or ()), *([f"run.seed={seed}"] if seed is not None else ())]
        loaded = loading.load(config, changes, options)
        if not loaded.keys and not check:
            raise ScenarioError(
                f"{config}: calibration.over: is missing: give --over KEY=LOW:HIGH"
            )
        folder = out or free_folder(f"{loaded.base.name}-calibration")
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_calibration, loaded, folder, quiet=as_json, **how)
        command = f"adl calibrate {config} --targets {loaded.table.targets} --check"
        report_calibration(folder, as_json, figures, page, f"{command} --page {page}")


def _ranges(over: list[str] | None, ranges_of: Any) -> dict[str, Any] | None:
    """Ranges of keys from options; None if there are none."""
    from abm.scenario import ScenarioError

    if not over:
        return None
    try:
        return dict(ranges_of(over))
    except ScenarioError as error:
        raise ScenarioError(str(error).replace("--range", "--over")) from None


def report_calibration(
    folder: Path, as_json: bool, figures: bool, page: Path | None = None, command: str = ""
) -> None:
    """Write the table of a calibration, draw and print it."""
    from analysis import calibration as told

    index, batch = told.open_calibration(folder)
    table = told.target_table(batch, index["targets"])
    table.to_csv(folder / _TABLE, index=False)
    files = [folder / _TABLE]
    fitted = folder / "fitted.toml"
    files += [fitted] if fitted.is_file() else []
    title = index["targets"]["title"]
    if figures:
        from analysis.figures.calibration import save_calibration

        files += save_calibration(batch, title, table, folder)
    if page is not None:
        pictures = save_calibration(batch, title, table, page.parent) if figures else []
        names = [picture.name for picture in pictures]
        page.write_text(told.page(index, batch, table, command, names), encoding="utf-8")
        files.append(page)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "scenario_sha256": batch.manifest["scenario_sha256"],
                "targets": told.records(table),
                "in_range": int(table["in_range"].sum()),
                "files": list(map(str, files)),
            }
        )
        return
    typer.echo(told.render(table, f"{batch.name} against {index['targets']['title']}"))
    if fitted.is_file():
        typer.echo(fitted.read_text(encoding="utf-8"))
    for path in files:
        kind = {".png": "figure: ", ".toml": "fitted: ", ".md": "page:   "}
        typer.echo(f"{kind.get(path.suffix, 'table:  ')} {path}")
