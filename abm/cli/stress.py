"""The command `stress`: a venue without ADL, and the chance of a large deficit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import (
    FOUND_WRONG,
    AsJson,
    Config,
    Set,
    app,
    fail,
    load,
    plain_errors,
    print_json,
)
from abm.cli.running import (
    Figures,
    Minutes,
    Out,
    Overwrite,
    Runs,
    Scheduler,
    Seed,
    Workers,
    free_folder,
    interruptible,
)

if TYPE_CHECKING:
    from abm.montecarlo.splitting import RareEvent
    from abm.montecarlo.store import Batch
    from abm.scenario import Scenario

_HITS = 20
_MOST_CHECKED = 20_000
_RARE = "rare.json"


@app.command()
def stress(
    config: Config,
    overrides: Set = None,
    deficit_usd: Annotated[
        float | None,
        typer.Option(min=0.0, help="Also estimate how likely a larger deficit is."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Hold that estimate against brute force.")
    ] = False,
    effort: Annotated[
        int, typer.Option(min=10, help="Runs in each stage of that estimate.")
    ] = 100,
    replications: Annotated[
        int, typer.Option(min=2, help="Independent repetitions of that estimate.")
    ] = 20,
    runs: Runs = None,
    seed: Seed = None,
    out: Out = None,
    workers: Workers = None,
    minutes: Minutes = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Run the venue without ADL: deficits, falls, depth and liquidations, by market.

    Writes a run folder (`adl resume` goes on with it) with the table `extremes`, and in
    its folder `stress` the quantiles, tails and dependence as CSV and Parquet.

    With `--deficit-usd`, the probability of a larger deficit is estimated by screening and
    splitting, too, which reaches further than the runs do; `--check` makes the runs enough
    to see about 20 such deficits and exits with 1 if the two disagree.

    Example: `adl stress configs/oct10.toml --runs 500`

    Example: `adl stress configs/minimal.toml --deficit-usd 3e6 --check`
    """
    if check and deficit_usd is None:
        fail("--check: needs --deficit-usd")
    if deficit_usd is not None and not math.isfinite(deficit_usd):
        fail(f"--deficit-usd {deficit_usd}: must be a finite number of USD")
    given = list(overrides or ())
    given += [f"run.runs={runs}"] if runs is not None else []
    given += [f"run.seed={seed}"] if seed is not None else []
    how = {
        "workers": workers, "minutes": minutes, "scheduler": scheduler, "quiet": as_json
    }  # fmt: skip
    with plain_errors():
        from abm.montecarlo.extremes import without_adl
        from abm.montecarlo.plan import Plan
        from abm.montecarlo.runner import begin_batch, resume_batch
        from abm.warm import warm_up

        scenario = without_adl(load(config, given))
        folder = out or free_folder(f"{scenario.name}-stress")
        warm_up(quiet=as_json)
        begin_batch(Plan.of(scenario), folder, overwrite=overwrite)
        with interruptible(folder):
            event = None
            if deficit_usd is not None:
                event = _estimate(scenario, deficit_usd, effort, replications, how)
                if check and runs is None:
                    scenario = _long_enough(scenario, event.probability)
                    begin_batch(Plan.of(scenario), folder, overwrite=True)
                _write_rare(folder, deficit_usd, event)
            batch = resume_batch(folder, **how)
        agrees = report_stress(batch, figures, as_json)
    if check and not agrees:
        raise typer.Exit(FOUND_WRONG)


def _estimate(
    scenario: Scenario, deficit_usd: float, effort: int, replications: int, how: Any
) -> RareEvent:
    from abm.montecarlo.rare import deficit_probability

    return deficit_probability(
        scenario, deficit_usd, effort=effort, replications=replications,
        seed=scenario.run.seed + 1, workers=how["workers"], quiet=how["quiet"],
    )  # fmt: skip


def _long_enough(scenario: Scenario, probability: float) -> Scenario:
    """The scenario with as many runs as show about 20 such deficits, if that can be."""
    wanted = _HITS / probability if probability > 0.0 else math.inf
    runs = max(scenario.run.runs, int(min(wanted, _MOST_CHECKED)))
    return scenario.model_copy(
        update={"run": scenario.run.model_copy(update={"runs": runs})}
    )


def _write_rare(folder: Path, deficit_usd: float, event: RareEvent) -> None:
    from dataclasses import asdict

    found = {"deficit_usd": deficit_usd} | asdict(event)
    found |= {"error": event.error, "gain": event.gain}
    text = json.dumps(_plain(found), indent=1)
    (folder / _RARE).write_text(f"{text}\n", encoding="utf-8")


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for what is not finite."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in found.items()
    }


def report_stress(batch: Batch, figures: bool, as_json: bool) -> bool:
    """Write the tables of a stress, draw and print it.

    Returns
    -------
    bool
        False if the estimate of a rare deficit disagrees with the runs.
    """
    from analysis import stress as told

    table = told.read_extremes(batch)
    written = told.write_tables(table, batch.folder)
    if figures and batch.scenario["outputs"]["figures"]:
        from analysis.figures.stress import draw_stress

        written += draw_stress(batch, table, batch.folder)
    rare = _compared(batch)
    if as_json:
        found = {"folder": str(batch.folder), "content_sha256": batch.content_hash()}
        print_json(
            {**found, **told.records(table), "rare": rare, "files": list(map(str, written))}
        )
        return rare is None or bool(rare["agree"])
    typer.echo(told.render(batch, table))
    if rare is not None:
        from analysis.rare import render_rare

        typer.echo(render_rare(rare))
    typer.echo(f"tables:  {batch.folder}  (content {batch.content_hash()[:16]})")
    for path in written:
        if path.suffix != ".parquet":
            typer.echo(f"{'figure: ' if path.suffix == '.png' else 'table:  '} {path}")
    return rare is None or bool(rare["agree"])


def _compared(batch: Batch) -> dict[str, Any] | None:
    """The estimate of a rare deficit beside what the runs say, if there is one."""
    from analysis.rare import beside_runs

    path = batch.folder / _RARE
    if not path.is_file():
        return None
    event = json.loads(path.read_text(encoding="utf-8"))
    deficits = batch.frame("runs", columns=["deficit_usd"])["deficit_usd"].to_numpy(float)
    return dict(beside_runs(event, deficits))
