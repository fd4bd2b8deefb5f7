"""The command that a trader asks before entering a position."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abm.cli.common import (
    AsJson,
    Config,
    Set,
    app,
    fail,
    load,
    plain_errors,
    print_json,
)

if TYPE_CHECKING:
    import pandas as pd

    from abm.exposure.question import Question

_INTERRUPTED = 130


@app.command()
def exposure(
    config: Config,
    account: Annotated[
        list[str],
        typer.Option(
            "--account",
            metavar="KEY=VALUE,...",
            help="A position (market, side, notional_usd or size, leverage or "
            "collateral_usd, entry_usd); may be repeated. Or a TOML file of [[positions]].",
            show_default=False,
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="Policy; may be repeated; the scenario's if none."),
    ] = None,
    overrides: Set = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Number of runs.")] = 200,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="First seed.")] = None,
    nudge: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Run all again with this share more collateral."
        ),
    ] = 0.0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes; one a core if not given."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write every run's row, as CSV.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what ADL could do to an account, before its positions are entered.

    The account is there from the start of every run, with real collateral, and holds
    still. How often it would be touched, closed in full or liquidated, what it would
    lose, and what it would have been shown beforehand; under each policy, on the same
    seeds.

    Example: `adl exposure configs/oct10.toml
    --account "market=ETH,side=short,notional_usd=50000,leverage=5"`
    """
    with plain_errors():
        from abm import account as accounts
        from abm.exposure.question import Question

        question = Question(
            _scenario(config, overrides, seed, policy), accounts.load(account), (), nudge
        )
        question = question.of_policies(question.scenario.run.policies)
        fates = _asked(question, runs, workers, as_json)
        if out is not None:
            out.write_text(fates.to_csv(index=False), encoding="utf-8")
        _report(question, fates, as_json)


def _scenario(
    config: Path, overrides: list[str] | None, seed: int | None, policy: list[str] | None
) -> Any:
    import json

    given = list(overrides or ())
    given += [f"run.seed={seed}"] if seed is not None else []
    given += [f"run.policies={json.dumps(list(dict.fromkeys(policy)))}"] if policy else []
    return load(config, given)


def _asked(question: Question, runs: int, workers: int | None, quiet: bool) -> pd.DataFrame:
    from abm.exposure.question import exposure as ask
    from abm.warm import warm_up

    question.check()
    warm_up(quiet=quiet)
    try:
        return ask(question, runs, workers=workers, quiet=quiet)
    except KeyboardInterrupt:
        typer.echo("\nadl: interrupted; nothing was written", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def _report(question: Question, fates: pd.DataFrame, as_json: bool) -> None:
    from abm.engine import policy_of, policy_table
    from abm.exposure.most import stated_most
    from analysis import exposure as analysis

    if fates["failed"].all():
        fail(str(fates["error"].iloc[0]))
    table = analysis.summarise(fates)
    asked, told = question.scenario, question.policies
    most = {
        name: stated_most(policy_of(asked, name), policy_table(asked, name))
        for name in told
    }
    if as_json:
        rows = [
            {**row, "stated_most": most[row["policy"]]} for row in analysis.records(table)
        ]
        print_json(
            {
                "scenario": question.scenario.name,
                "runs": int(fates["run"].nunique()),
                "first_seed": question.scenario.run.seed,
                "account": question.account.model_dump(exclude_none=True)["positions"],
                "nudge": question.nudge,
                "policies": rows,
            }
        )
        return
    first = fates[~fates["failed"].astype(bool)].iloc[0]
    typer.echo(
        f"{question.account.describe()}; collateral {first['collateral_usd']:,.2f} USD, "
        f"leverage {first['notional_usd'] / first['collateral_usd']:.3g}.\n"
        f"{question.scenario.name}: {fates['run'].nunique()} runs a policy, seeds from "
        f"{question.scenario.run.seed}. Beside each value its 95% interval.\n"
    )
    typer.echo(analysis.render(table))
    typer.echo("\nThe most that each may take, by its parts:")
    for name, words in most.items():
        typer.echo(f"  {name}: {words}")
