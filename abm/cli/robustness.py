"""The commands `robustness` and `drivers`: what the ranking of policies hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abm.cli.common import AsJson, app, plain_errors, print_json
from abm.cli.running import Figures

Into = Annotated[
    Path | None,
    typer.Option("--into", help="Markdown file whose table is replaced."),
]


@app.command()
def robustness(
    study_dir: Annotated[
        Path, typer.Argument(help="Folder of a study.", show_default=False)
    ],
    more: Annotated[
        list[Path] | None,
        typer.Argument(help="Further batches, such as one at full size."),
    ] = None,
    into: Into = None,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Say which rankings of policies survive in the variants of a study.

    Of the pairs of policies that can be told apart in the study's first variant, how many
    are in the same order, in the other, or cannot be told apart in each other variant.
    Writes `robustness.csv` and `robustness.png` into the study's folder.

    Example: `adl robustness runs/robustness runs/robustness-full`
    """
    with plain_errors():
        from abm.montecarlo.store import Batch
        from analysis import robustness as known
        from analysis.ablation import open_study

        _, batches = open_study(study_dir)
        for folder in more or ():
            batch = Batch(folder)
            batches[batch.name] = batch
        table = known.robustness(batches)
        written = [study_dir / "robustness.csv"]
        table.to_csv(written[0])
        if figures:
            from analysis.figures.robustness import draw_robustness
            from analysis.style import save

            drawn = draw_robustness(batches, table)
            written.append(save(drawn, study_dir / "robustness.png"))
        if into is not None:
            from analysis.pages import replace_block

            replace_block(into, "robustness", known.to_markdown(batches, table))
            written.append(into)
        if as_json:
            print_json({"folder": str(study_dir), "robustness": known.records(table)})
            return
        typer.echo(known.render_robustness(table))
        _tell(written)


@app.command()
def drivers(
    sweep_dir: Annotated[
        Path, typer.Argument(help="Folder of a sweep.", show_default=False)
    ],
    into: Into = None,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Say which assumptions drive the headline measures, and how policies differ.

    Of a sweep with the design saltelli these are Sobol indices of the points' ranks: for
    the first policy's measures, and for what each other policy has more than the first.
    Writes `drivers.csv` and `drivers.png` into the sweep's folder.

    Example: `adl drivers runs/sensitivity`
    """
    with plain_errors():
        from analysis import drivers as known

        table = known.drivers(sweep_dir)
        written = [sweep_dir / "drivers.csv"]
        table.to_csv(written[0])
        if figures:
            from analysis.figures.robustness import draw_drivers
            from analysis.style import save

            drawn = draw_drivers(table, known.about(sweep_dir))
            written.append(save(drawn, sweep_dir / "drivers.png"))
        if into is not None:
            from analysis.pages import replace_block

            replace_block(into, "drivers", known.to_markdown(sweep_dir, table))
            written.append(into)
        if as_json:
            print_json({"folder": str(sweep_dir), "drivers": known.finite(table)})
            return
        typer.echo(known.render_drivers(table))
        _tell(written)


def _tell(written: list[Path]) -> None:
    for path in written:
        typer.echo(f"{'figure: ' if path.suffix == '.png' else 'table:  '} {path}")
