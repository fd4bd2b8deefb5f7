"""Commands of the gaming laboratory: contests, spread, adversaries, commitment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from abm.cli.common import (
    AsJson,
    Config,
    RunDir,
    Set,
    app,
    fail,
    plain_errors,
    print_json,
)
from abm.cli.running import (
    Figures,
    Minutes,
    Out,
    Overwrite,
    Paranoid,
    Policies,
    Runs,
    Scheduler,
    Seed,
    Workers,
    compute,
    failures,
    free_folder,
    options_as_overrides,
)


class _RunIfNoCommand(TyperGroup):
    """A group in which a word that is no command is the file to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return list(super().parse_args(ctx, args))


game = typer.Typer(
    cls=_RunIfNoCommand, no_args_is_help=True, rich_markup_mode="markdown",
    help="Play strategies against ADL rules: `adl game CONFIG`, or a command below.\n\n"
    "Example: `adl game configs/studies/gaming.toml`",
)  # fmt: skip
app.add_typer(game, name="game")

Strategies = Annotated[
    list[str] | None, typer.Option("--strategy", help="Strategy; may be repeated.")
]
Adopters = Annotated[
    list[float] | None,
    typer.Option(
        "--adopters", min=0.0, max=1.0, help="Share of the traders with positions who play."
    ),
]
Share = Annotated[
    float | None,
    typer.Option(
        "--adopters", min=0.0, max=1.0, help="Share of the traders with positions who play."
    ),
]
OnePolicy = Annotated[
    str | None, typer.Option("--policy", help="ADL policy; the first of run if not given.")
]
ReportRuns = Annotated[
    int | None, typer.Option(min=5, help="Runs of what is reported, on other seeds.")
]
GainBp = Annotated[
    float, typer.Option(min=0.0, help="Gain that counts, basis points of capacity.")
]
HarmShare = Annotated[
    float,
    typer.Option(min=0.0, help="Rise of the expected shortfall that counts, as a share."),
]


@game.command()
def run(
    config: Config,
    overrides: Set = None,
    strategy: Strategies = None,
    adopters: Adopters = None,
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
    """Run every strategy against every policy on the same seeds; print the matrix.

    The file is a scenario; its table `contest` says which strategies, and which shares of
    the traders adopt them. Without one, all built-in strategies play.

    Example: `adl game configs/studies/gaming.toml`

    Example: `adl game configs/minimal.toml --strategy split --adopters 0.05 --runs 32`
    """
    with plain_errors():
        from abm import contest as loading
        from abm.montecarlo.contest import run_contest

        options = {"strategies": strategy, "adopters": adopters}
        loaded = loading.load(
            config, options_as_overrides(overrides, runs, seed, policy), options
        )
        folder = out or free_folder(loaded.name)
        compute(
            run_contest, loaded, folder, quiet=as_json, overwrite=overwrite,
            workers=workers, minutes=minutes, scheduler=scheduler, paranoid=paranoid,
        )  # fmt: skip
        report_contest(folder, as_json, figures)


def report_contest(folder: Path, as_json: bool, figures: bool) -> None:
    """Print the matrix of a contest, and draw it."""
    from analysis.gaming import render
    from analysis.gaming.matrix import matrix
    from analysis.gaming.reading import open_contest

    contest = open_contest(folder)
    table = matrix(contest)
    failed = [
        {"strategy": match.strategy, "adopters": match.adopters, **one}
        for match in contest.matches
        for one in failures(match.played)
    ]
    table.to_csv(folder / "matrix.csv")
    drawn = []
    if figures:
        from analysis.figures.gaming import draw_verdicts
        from analysis.style import save

        drawn = [save(draw_verdicts(table), folder / "figures" / "matrix.png")]
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "cells": json.loads(table.reset_index().to_json(orient="records")),
                "failed": failed,
                "figures": [str(path) for path in drawn],
            }
        )
        return
    typer.echo(render.matrix(contest, table))
    for one in failed:
        why = " ".join(one["first_reason"].split())
        who = f"{one['strategy']} under {one['policy']}"
        typer.echo(f"failed:  {who}: {one['runs']} of {one['of']} runs; {why}")
    typer.echo(f"batches: {folder}")
    typer.echo(f"table:   {folder / 'matrix.csv'}")
    for path in drawn:
        typer.echo(f"figure:  {path}")


@game.command()
def report(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option(help="HTML file; report.html in the folder if not given.")
    ] = None,
    gain_bp: GainBp = 1.0,
    harm_share: HarmShare = 0.05,
    as_json: AsJson = False,
) -> None:
    """Write what a contest found as one HTML file, with every table as CSV beside it.

    Results of `adl game spread`, `attack` and `commit` that lie in the folder are part of
    it.

    Example: `adl game report runs/gaming`
    """
    with plain_errors():
        from analysis.gaming.page import write_page
        from analysis.gaming.verdict import Materiality

        least = Materiality(gain_bp / 1e4, harm_share)
        written = write_page(run_dir, out, least, quiet=as_json)
    tables = written.with_name(f"{written.stem}-tables")
    if as_json:
        files = sorted(str(path) for path in tables.glob("*.csv"))
        print_json({"report": str(written), "tables": files})
        return
    typer.echo(f"report:  {written}")
    typer.echo(f"tables:  {tables}")


@game.command()
def strategies(
    name: Annotated[
        str | None,
        typer.Argument(help="Strategy to print as TOML.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the built-in strategies: the idea, whom it hurts, its source and parameters.

    Example: `adl game strategies split >> my-scenario.toml`
    """
    from abm.gaming.strategies import catalogue

    entries = {entry.name: entry for entry in catalogue()}
    if name is not None and name not in entries:
        fail(f"game strategies {name}: must be one of {', '.join(entries)}")
    chosen = [entries[name]] if name else list(entries.values())
    if as_json:
        print_json([_as_mapping(entry) for entry in chosen])
        return
    if name:
        _print_strategy(entries[name])
        return
    for entry in chosen:
        typer.echo(f"{entry.name}: {entry.idea}")
        typer.echo(f"  hurts:  {entry.hurts}")
        typer.echo(f"  costs:  {entry.costs}")
        typer.echo(f"  source: {entry.source}")
        for key, parameter in entry.parameters.items():
            typer.echo(f"  {key} = {_shown(parameter.default)}: {parameter.description}")
        typer.echo()


def _as_mapping(entry: Any) -> dict[str, Any]:
    told = entry._asdict()
    parameters = {key: one._asdict() for key, one in entry.parameters.items()}
    return {**told, "parameters": parameters}


def _print_strategy(entry: Any) -> None:
    typer.echo(f"# {entry.idea}")
    typer.echo(f"# source: {entry.source}")
    typer.echo(f"[strategies.my-{entry.name}]")
    typer.echo(f'rule = "{entry.name}"')
    for key, parameter in entry.parameters.items():
        typer.echo(f"# {parameter.description}")
        typer.echo(f"{key} = {_shown(parameter.default)}")


def _shown(value: Any) -> str:
    from abm.toml_out import value_to_toml

    return value_to_toml(value)


@game.command()
def spread(
    config: Config,
    overrides: Set = None,
    strategy: Strategies = None,
    policy: OnePolicy = None,
    share: Annotated[
        list[float] | None,
        typer.Option("--share", min=0.0, max=1.0, help="Share of players to simulate."),
    ] = None,
    runs: Annotated[int | None, typer.Option(min=5, help="Runs of a mix.")] = None,
    chains: Annotated[
        int | None, typer.Option(min=2, help="Chains of the stochastic approximation.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=4, help="Steps of a chain.")] = None,
    step_runs: Annotated[int | None, typer.Option(min=1, help="Runs of a step.")] = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Say how far strategies spread, and what the venue is like when they have.

    By replicator dynamics on payoffs fitted to simulated mixes, and by stochastic
    approximation on fresh seeds; both with intervals. The file may have a table `spread`.

    Example: `adl game spread configs/minimal.toml --strategy split --policy hyperliquid`
    """
    with plain_errors():
        from abm import crowd
        from abm.montecarlo.spread import run_spread

        options = {
            "strategies": strategy, "policy": policy, "shares": share, "runs": runs,
            "chains": chains, "steps": steps, "step_runs": step_runs,
        }  # fmt: skip
        question = crowd.load(config, "spread", overrides or (), options)
        folder = out or free_folder(f"{question.base.name}-spread")
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_spread, question, folder, quiet=as_json, **how)
        report_spread(folder, as_json, figures)


def report_spread(folder: Path, as_json: bool, figures: bool) -> None:
    """Print where a spread rests, and draw it if only one strategy may spread."""
    from analysis.gaming import spreading

    found = spreading.open_spread(folder)
    drawn = []
    if figures and len(found.groups) == 2:
        from analysis.figures.gaming import draw_phase_line
        from analysis.style import save

        drawn = [save(draw_phase_line(found), folder / "figures" / "spread.png")]
    _told(folder, as_json, spreading.render(found), spreading.records(found), drawn)


@game.command()
def attack(
    config: Config,
    overrides: Set = None,
    strategy: Strategies = None,
    policy: OnePolicy = None,
    adopters: Share = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW:HIGH", help="Range of a strategy's key, or choices: KEY=A,B."
        ),
    ] = None,
    population: Annotated[
        int | None, typer.Option(min=5, help="Candidates of a generation.")
    ] = None,
    generations: Annotated[
        int | None, typer.Option(min=1, help="Number of generations.")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=2, help="Runs of a candidate.")] = None,
    report_runs: ReportRuns = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Search strategies' parameters and mixtures for the largest gain against a policy.

    What is printed comes from seeds that nothing was chosen on. Without keys, all
    parameters of the strategies are searched, and their weights if there are several.

    Example: `adl game attack configs/minimal.toml --strategy split --policy hyperliquid`
    """
    with plain_errors():
        from abm import crowd
        from abm import search as searches
        from abm.montecarlo.adversary import run_attack

        options = {
            "strategies": strategy, "policy": policy, "adopters": adopters,
            "over": searches.over_of(over or ()), "population": population,
            "generations": generations, "runs": runs, "report_runs": report_runs,
        }  # fmt: skip
        question = crowd.load(config, "attack", overrides or (), options)
        folder = out or free_folder(f"{question.base.name}-attack")
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_attack, question, folder, quiet=as_json, **how)
        report_attack(folder, as_json)


def report_attack(folder: Path, as_json: bool) -> None:
    """Print what an attack found."""
    from analysis.gaming import attacks

    found = attacks.open_attack(folder)
    _told(folder, as_json, attacks.render(found), attacks.records(found), [])


@game.command()
def commit(
    config: Config,
    overrides: Set = None,
    strategy: Strategies = None,
    adopters: Share = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW:HIGH", help="Range of a policy's key, or choices: KEY=A,B."
        ),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=2, help="Settings compared.")
    ] = None,
    loss: Annotated[
        list[str] | None, typer.Option(help="Column of the table of runs in USD.")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=2, help="Runs of a setting.")] = None,
    report_runs: ReportRuns = None,
    out: Out = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Choose a policy's parameters against the crowd's best response to them.

    Says how far that choice is from the one that is best while nobody plays, in parameters
    and in what the venue loses, on seeds that nothing was chosen on.

    Example: `adl game commit my.toml --over policies.mine.severity.share=0.1:1`
    """
    with plain_errors():
        from abm import crowd
        from abm import search as searches
        from abm.montecarlo.commitment import run_commitment

        options = {
            "strategies": strategy, "adopters": adopters, "candidates": candidates,
            "over": searches.over_of(over or ()), "loss": loss, "runs": runs,
            "report_runs": report_runs,
        }  # fmt: skip
        question = crowd.load(config, "commit", overrides or (), options)
        folder = out or free_folder(f"{question.base.name}-commit")
        how = {"overwrite": overwrite, "workers": workers, "scheduler": scheduler}
        compute(run_commitment, question, folder, quiet=as_json, **how)
        report_commitment(folder, as_json)


def report_commitment(folder: Path, as_json: bool) -> None:
    """Print what a venue chooses that sees the crowd coming."""
    from analysis.gaming import commitments

    found = commitments.open_commitment(folder)
    _told(folder, as_json, commitments.render(found), commitments.records(found), [])


def _told(
    folder: Path, as_json: bool, text: str, told: dict[str, Any], drawn: list[Path]
) -> None:
    """Print a result for people or for programs."""
    if as_json:
        files = [str(path) for path in drawn]
        print_json({"folder": str(folder), **told, "figures": files})
        return
    typer.echo(text, nl=False)
    typer.echo(f"batches: {folder}")
    for path in drawn:
        typer.echo(f"figure:  {path}")


def resume_game(folder: Path, how: dict[str, Any], as_json: bool, figures: bool) -> bool:
    """Go on with a contest, a spread, an attack or a commitment; False if it is none."""
    from abm.montecarlo import adversary, commitment, contest
    from abm.montecarlo import spread as spreading

    if (folder / contest.INDEX).is_file():
        contest.resume_contest(folder, **how)
        report_contest(folder, as_json, figures)
    elif (folder / spreading.INDEX).is_file():
        spreading.resume_spread(folder, **how)
        report_spread(folder, as_json, figures)
    elif (folder / adversary.INDEX).is_file():
        adversary.resume_attack(folder, **how)
        report_attack(folder, as_json)
    elif (folder / commitment.INDEX).is_file():
        commitment.resume_commitment(folder, **how)
        report_commitment(folder, as_json)
    else:
        return False
    return True
