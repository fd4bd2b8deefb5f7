"""The command that writes reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abm.cli.common import AsJson, app, fail, plain_errors, print_json


@app.command()
def report(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_DIR [OTHER]", help="Run folder; two to compare them."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file; report.html in the (first) run folder if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a report: one HTML file that works offline, and every table as CSV beside it.

    Each figure answers the question that is its title, with a reading made from the
    numbers. Of two batches, what changed from the first to the second.

    Example: `adl report runs/oct10 --out oct10.html`

    Example: `adl report runs/oct10 runs/oct10-2 --out what-changed.html`
    """
    with plain_errors():
        from abm.montecarlo.store import Batch
        from analysis.report.writing import write_comparison, write_report

        if len(run_dirs) > 2:
            fail(f"{run_dirs[2]}: a report is about one run folder or two")
        batches = [Batch(folder) for folder in run_dirs]
        if len(batches) == 1:
            written = write_report(batches[0], out, quiet=as_json)
        else:
            written = write_comparison(batches[0], batches[1], out, quiet=as_json)
    tables = written.with_name(f"{written.stem}-tables")
    if as_json:
        files = sorted(str(path) for path in tables.glob("*.csv"))
        print_json({"report": str(written), "tables": files})
    else:
        typer.echo(f"report:  {written}")
        typer.echo(f"tables:  {tables}")
