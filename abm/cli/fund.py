"""The command `fund`: what insurance fund would be enough."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from abm.cli.common import AsJson, RunDir, app, fail, plain_errors, print_json
from abm.cli.running import Figures


@app.command()
def fund(
    run_dir: RunDir,
    capital_cost: Annotated[
        float, typer.Option(min=0.0, help="What a dollar of the fund costs to hold.")
    ] = 0.1,
    reputation_cost: Annotated[
        float, typer.Option(min=0.0, help="What a dollar of deficit beyond it costs.")
    ] = 4.0,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Say what insurance fund would be enough, policy by policy.

    The fund of least cost is the quantile of the need at 1 - capital cost / reputation
    cost. The need is what a fund would have to pay for ADL never to be asked: the deficit,
    and what the fund that the run had lost. Both costs are over the time in which one such
    crash is expected. Writes `fund.csv` (what is missing beyond a fund, by its size) and
    `figures/fund.png` into the run folder.

    Example: `adl fund runs/oct10 --capital-cost 0.1 --reputation-cost 4`
    """
    if not 0.0 < reputation_cost < math.inf:
        fail(f"--reputation-cost {reputation_cost:g}: must be finite and above 0")
    if not math.isfinite(capital_cost):
        fail(f"--capital-cost {capital_cost:g}: must be finite")
    with plain_errors():
        from abm.montecarlo.store import Batch
        from analysis import fund as sizing

        batch = Batch(run_dir)
        costs = sizing.Costs(capital_cost, reputation_cost)
        need = sizing.needs(batch)
        table, curves = sizing.size_table(need, costs), sizing.curves(need, costs)
        written = [Path(run_dir) / "fund.csv"]
        curves.to_csv(written[0], index=False)
        if figures:
            from analysis.figures.fund import draw_fund
            from analysis.style import save

            drawn = draw_fund(batch, curves, table, costs)
            written.append(save(drawn, Path(run_dir) / "figures" / "fund.png"))
        if as_json:
            print_json(
                {
                    "folder": str(run_dir),
                    "capital_cost": capital_cost,
                    "reputation_cost": reputation_cost,
                    "policies": sizing.records(table.reset_index()),
                    "curve": sizing.records(curves),
                    "files": [str(path) for path in written],
                }
            )
            return
        typer.echo(sizing.render(batch, table, costs))
        for path in written:
            typer.echo(f"{'figure: ' if path.suffix == '.png' else 'table:  '} {path}")
