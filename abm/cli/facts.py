"""The command `facts`: stylised facts of a scenario's market, beside the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abm.cli.common import AsJson, Config, Set, app, load, plain_errors, print_json
from abm.cli.running import Figures, Overwrite, Policies, Runs, Seed, options_as_overrides

if TYPE_CHECKING:
    import pandas as pd

    from abm.scenario import Scenario


@app.command()
def facts(
    config: Config,
    overrides: Set = None,
    runs: Runs = None,
    seed: Seed = None,
    policy: Policies = None,
    market: Annotated[
        list[str] | None,
        typer.Option("--market", help="Market; may be repeated; all if not given."),
    ] = None,
    leverage: Annotated[
        bool,
        typer.Option(
            "--leverage/--no-leverage", help="Run it at lower leverage limits too."
        ),
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the tables.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", help="Markdown file whose table of the scenario is replaced."
        ),
    ] = None,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Measure the stylised facts of a market and hold them against the literature.

    Tails, autocorrelations, volatility clustering, impact (of orders sent into forks of
    each run), depth, cascades, and what lower leverage limits change, each with its 95%
    interval over runs, the range in the literature, and the source. Runs under the first
    policy. Writes `facts.csv`, `facts.json`, the tables that facts were measured from and
    `facts.png`.

    Example: `adl facts configs/calm.toml --runs 20`
    """
    with plain_errors():
        scenario = load(config, options_as_overrides(overrides, runs, seed, policy))
        _facts(
            scenario, tuple(market or ()), leverage, out, into, overwrite, figures, as_json
        )


def _facts(
    scenario: Scenario, markets: tuple[str, ...], leverage: bool, out: Path | None,
    into: Path | None, overwrite: bool, figures: bool, as_json: bool,
) -> None:  # fmt: skip
    from abm.cli.running import free_folder, interruptible
    from abm.montecarlo import facts as watching
    from abm.montecarlo import store
    from abm.warm import warm_up
    from analysis import facts as known

    folder = out or free_folder(f"{scenario.name}-facts")
    store.create(folder, overwrite=overwrite, index=known.INDEX)
    warm_up(quiet=as_json)
    with interruptible(folder):
        tables = watching.observe(scenario, markets, quiet=as_json)._asdict()
        if leverage:
            tables["levered"] = _levered(scenario, markets, tables["paths"], as_json)
    index = {
        "scenario": scenario.name,
        "scenario_sha256": scenario.sha256(),
        "first_seed": scenario.run.seed,
        "runs": scenario.run.runs,
        "policy": scenario.run.policies[0],
        "markets": list(markets or scenario.market_names()),
        "horizons_s": watching.horizons_s(scenario),
        "gap_s": max(scenario.run.wave_gap_s, scenario.time.step_s),
        "crash": bool(scenario.shocks),
    }
    known.write(folder, index, tables)
    _report(folder, into, figures, as_json)


def _levered(
    scenario: Scenario, markets: tuple[str, ...], paths: pd.DataFrame, quiet: bool
) -> pd.DataFrame:
    """Paths at every multiple of the leverage limits, those at the scenario's own given."""
    import pandas as pd

    from abm.montecarlo import facts as watching

    found = [paths.assign(limits=1.0)]
    for multiple in watching.LEVERAGE_LIMITS:
        if multiple != 1.0:
            other = watching.with_leverage(scenario, multiple)
            told = watching.observe_paths(other, markets, quiet)
            found.append(told.assign(limits=multiple))
    columns = ["limits", "run", "market", "time_s", "middle"]
    return pd.concat([one[columns] for one in found], ignore_index=True)


def _report(folder: Path, into: Path | None, figures: bool, as_json: bool) -> None:
    import json

    from analysis import facts as known

    index, tables = known.read(folder)
    table = known.all_facts(index, tables)
    written = [folder / "facts.csv"]
    table.to_csv(written[0])
    if figures:
        from analysis.figures.facts import draw_facts
        from analysis.style import save

        drawn = draw_facts(index, tables)
        written.append(save(drawn, folder / "facts.png"))
    if into is not None:
        from analysis.pages import replace_block

        replace_block(into, f"facts {index['scenario']}", known.to_markdown(index, table))
        written.append(into)
    if as_json:
        rows = json.loads(table.reset_index().to_json(orient="records"))
        print_json({"folder": str(folder), **index, "facts": rows})
        return
    typer.echo(known.render_facts(table, known.about(index)))
    for path in written:
        typer.echo(f"{'figure: ' if path.suffix == '.png' else 'table:  '} {path}")
