"""Writes the report of a batch, or of two: one HTML file, and tables beside it."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from abm.montecarlo.store import Batch, StoreError
from analysis import style
from analysis.measures import Told
from analysis.report import changes, overview, page, sections
from analysis.report.asked import Lazy
from analysis.report.section import Missing, Section


def write_report(
    batch: Batch, out: str | Path | None = None, *, quiet: bool = False
) -> Path:
    """Write the report of one batch.

    Parameters
    ----------
    out : str or Path, optional
        The HTML file; ``report.html`` in the run folder if not given. The tables are
        written as CSV into a folder beside it, ``report-tables`` for ``report.html``.
    quiet : bool
        Show no progress.

    Raises
    ------
    StoreError
        If the batch cannot be read or the report cannot be written.
    """
    where = Path(out or batch.folder / "report.html")
    page.check(where)
    return page.write(build(batch, quiet=quiet), where)


def write_comparison(
    first: Batch, second: Batch, out: str | Path | None = None, *, quiet: bool = False
) -> Path:
    """Write what changed from one batch to another.

    Parameters
    ----------
    out : str or Path, optional
        The HTML file; ``comparison.html`` in the first run folder if not given.
    quiet : bool
        Show no progress.

    Raises
    ------
    StoreError
        If a batch cannot be read, they have no policy in common, or the report cannot be
        written.
    """
    where = Path(out or first.folder / "comparison.html")
    page.check(where)
    pair = changes.Pair(Told(first), Told(second))
    if not pair.policies:
        raise StoreError(f"{first.folder}, {second.folder}: have no policy in common")
    return page.write(build_comparison(pair, quiet=quiet), where)


def build_comparison(pair: changes.Pair, *, quiet: bool = False) -> page.Page:
    """Everything that the report of two batches shows."""
    answers: list[Section | Missing] = [changes.in_short(pair)]
    with style.cards():
        found = tqdm(changes.both(pair), desc="report", unit="figure", leave=False,
                     disable=True if quiet else None)  # fmt: skip
        answers += [*found, changes.tails(pair)]
    facts = [
        (f"{name}: {what}", value)
        for name, told in zip(pair.names, (pair.first, pair.second), strict=True)
        for what, value in page.facts_of(told.batch)
    ]
    return page.Page(
        title=f"{pair.names[0]} and {pair.names[1]}",
        lead="Two batches held against each other, policy by policy.",
        facts=facts,
        sections=[one for one in answers if isinstance(one, Section)],
        missing=[one for one in answers if isinstance(one, Missing)],
        raw={"runs-a": pair.first.runs, "runs-b": pair.second.runs},
    )


def build(batch: Batch, *, quiet: bool = False) -> page.Page:
    """Everything that the report of one batch shows."""
    told = Told(batch)
    payers = Lazy(told)
    answers: list[Section | Missing] = [
        overview.in_short(told, payers),
        overview.every_measure(told),
    ]
    with style.cards(), tqdm(
        total=1 + len(sections.QUESTIONS), desc="report", unit="figure", leave=False,
        disable=True if quiet else None,
    ) as bar:  # fmt: skip
        answers.insert(1, overview.three_goals(told))
        bar.update()

        def step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        answers[2:2] = sections.sections(told, payers, step)
    return page.Page(
        title=batch.name,
        lead=str(batch.scenario.get("description", "")),
        facts=page.facts_of(batch),
        sections=[one for one in answers if isinstance(one, Section)],
        missing=[one for one in answers if isinstance(one, Missing)],
        raw={"runs": told.runs, "waves": batch.frame("waves")},
    )
