"""The command `theory`: what theory predicts, and what the rules here do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abm.cli.common import AsJson, app, fail, plain_errors, print_json, print_table
from abm.cli.running import Figures

if TYPE_CHECKING:
    from abm.theory.finding import Effort
    from abm.theory.running import Part

_PAGE = "theory.md"


@app.command()
def theory(
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="H1,H7", help="These hypotheses only."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=20, help="Generated books of each kind.")
    ] = None,
    batch: Annotated[
        list[Path] | None,
        typer.Option("--batch", metavar="RUN_DIR", help="Waves of a batch; repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for what is found.")] = Path(
        "runs/hypotheses"
    ),
    docs: Annotated[
        Path | None,
        typer.Option("--docs", metavar="DIR", help="Also write the page and figures here."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="First seed.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and smaller books: under a minute.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do again what the folder has already.")
    ] = False,
    figures: Figures = True,
    as_json: AsJson = False,
) -> None:
    """Hold what theory predicts against the rules here: predicted, measured, verdict.

    Fourteen hypotheses on generated books and, with `--batch`, on waves that the market
    made: of policies that take cash for most of them, of several episodes for H11. Writes
    `theory.csv`, a page and figures; a hypothesis that is whole is not done again.

    Example: `adl theory --batch runs/theory --batch runs/episodes`
    """
    with plain_errors():
        names = _names(only)
        parts = _examine(
            out, names, _effort(runs, seed, quick), batch or [], fresh, as_json
        )
        written = [out / "theory.csv"]
        if figures:
            written += _page(out, out)
            if docs is not None:
                written += _page(out, docs)
    if as_json:
        print_json(
            {
                "folder": str(out),
                "findings": [row._asdict() for part in parts for row in part.findings],
                "files": [str(path) for path in written],
            }
        )
        return
    _print(parts)
    for path in written:
        if path.suffix != ".png":
            typer.echo(f"{'page:  ' if path.suffix == '.md' else 'table: '} {path}")


def _names(only: str | None) -> list[str]:
    from abm.faults import nearest
    from abm.theory.running import MODULES

    if only is None:
        return list(MODULES)
    asked = [name.strip() for name in only.split(",") if name.strip()]
    known = {name.lower(): name for name in MODULES}
    for name in asked:
        if name.lower() not in known:
            fail(f"--only {name}: no such hypothesis; {nearest(name, list(MODULES))}")
    if not asked:
        fail(f"--only: must name some of {', '.join(MODULES)}")
    return [name for name in MODULES if name.lower() in {a.lower() for a in asked}]


def _effort(runs: int | None, seed: int, quick: bool) -> Effort:
    from dataclasses import replace

    from abm.theory.finding import QUICK, Effort

    effort = replace(QUICK if quick else Effort(), seed=seed)
    return effort if runs is None else replace(effort, books=runs)


def _examine(
    out: Path,
    names: list[str],
    effort: Effort,
    folders: list[Path],
    fresh: bool,
    quiet: bool,
) -> list[Part]:
    from abm.montecarlo.store import Batch
    from abm.theory import running
    from abm.theory.market import Market
    from abm.warm import warm_up

    market = Market([Batch(folder) for folder in folders])
    warm_up(quiet=quiet)
    try:
        return running.run(out, names, effort, market, fresh=fresh)
    except KeyboardInterrupt:
        typer.echo(
            f"\nadl: interrupted; what is whole is kept in {out}, the same command goes on",
            err=True,
        )
        raise typer.Exit(130) from None


def _page(found: Path, folder: Path) -> list[Path]:
    """Draw the figures of what a folder holds, and write the page to another."""
    from analysis import theory as told
    from analysis.figures.theory import draw_all

    parts = told.read(found)
    drawn = draw_all(parts, folder)
    links = {
        name: [(str(path.relative_to(folder)), title) for path, title in files]
        for name, files in drawn.items()
    }
    page = folder / _PAGE
    page.write_text(told.page(parts, links), encoding="utf-8")
    return [page, *(path for files in drawn.values() for path, _ in files)]


def _print(parts: list[Part]) -> None:
    from analysis.theory import interval, number

    for part in parts:
        typer.echo(f"\n{part.name}  {part.title}")
        rows = [["case", "predicted", "measured", "95% interval", "verdict"]]
        rows += [
            [
                row.case,
                number(row.prediction),
                number(row.measured),
                interval(row.low, row.high),
                row.verdict,
            ]
            for row in part.findings
        ]
        if len(rows) == 1:
            typer.echo("needs a recorded batch: --batch RUN_DIR")
            continue
        print_table(rows)
    typer.echo("")
