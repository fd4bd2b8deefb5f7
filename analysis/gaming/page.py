"""The page of a contest: who can game which rule, at what cost, and who pays for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from abm.montecarlo.store import StoreError
from analysis import notation, style
from analysis.figures.gaming import (
    by_share,
    draw_phase_line,
    draw_shares,
    draw_trade_offs,
    draw_verdicts,
    first_share,
)
from analysis.gaming import attacks, commitments, readings, spreading
from analysis.gaming.matrix import READINGS, TAIL, matrix, pooled
from analysis.gaming.reading import Contest, open_contest
from analysis.gaming.verdict import Materiality
from analysis.gaming.words import basis_points, between
from analysis.report import page
from analysis.report.section import Missing, Section, Table


def write_page(
    folder: str | Path,
    out: str | Path | None = None,
    least: Materiality | None = None,
    *,
    quiet: bool = False,
) -> Path:
    """Write the page of a contest, and its tables as CSV beside it.

    Parameters
    ----------
    folder : str or Path
        Of the contest; spreads, attacks and commitments in it are part of the page.
    out : str or Path, optional
        The HTML file; ``report.html`` in the folder if not given.
    least : Materiality, optional
        From where on a change counts.

    Raises
    ------
    StoreError
        If it is no contest, cannot be read, or the page cannot be written.
    """
    where = Path(out) if out else Path(folder) / "report.html"
    if where.is_dir():
        raise StoreError(f"{where}: is a folder: name a file, such as {where}/report.html")
    contest = open_contest(folder)
    return page.write(build(contest, least or Materiality(), quiet=quiet), where)


def build(contest: Contest, least: Materiality, *, quiet: bool = False) -> page.Page:
    """Everything that the page shows."""
    table = matrix(contest, least)
    off = True if quiet else None
    with style.cards():
        answers = list(
            tqdm(_answers(contest, table, least), desc="report", leave=False, disable=off)
        )
    batch = contest.matches[0].honest
    return page.Page(
        title=contest.name,
        lead=contest.question or str(batch.scenario.get("description", "")),
        facts=page.facts_of(batch),
        sections=[one for one in answers if isinstance(one, Section)],
        missing=[one for one in answers if isinstance(one, Missing)],
        raw={"matrix": table.reset_index()},
    )


def _answers(
    contest: Contest, table: pd.DataFrame, least: Materiality
) -> Iterator[Section | Missing]:
    yield _in_short(contest, table, least)
    yield _trade_offs(table)
    yield _who_pays(table)
    yield _at_which_share(table, pooled(contest), least)
    yield from _spreads(contest.folder)
    yield from _attacks(contest.folder, least)
    yield from _commitments(contest.folder)


def _in_short(contest: Contest, table: pd.DataFrame, least: Materiality) -> Section:
    question = "Which rule can be gamed by which strategy?"
    rows = first_share(table)
    wide = rows.pivot(index="strategy", columns="policy", values="verdict")
    wide = wide.reindex(contest.strategies)[list(rows["policy"].unique())].fillna("")
    shown = Table("verdicts", "Verdicts", wide, rows)
    note = (
        "A gain is what ADL takes less from the players than on the same seeds with "
        "nobody playing, plus what they leave the venue to pay, less fees and slippage, "
        "per dollar that they could have been asked for; it counts from "
        f"{basis_points(least.gain)}. What prices did to them meanwhile stands in their "
        "total profit, which no verdict rests on. The harm is the change of the "
        f"expected shortfall of the deficit (the mean of the worst {notation.share(TAIL)} "
        f"of runs); it counts from {notation.share(least.harm)} of it. Proof: the gain's "
        "upper end is below what counts. Self-defeating: the upper end is a loss that "
        "counts. Exploitable: the lower end counts; harmful if the harm's lower end "
        "counts, no harm if its upper end does not, else unclear. Everything else the runs "
        "cannot say. The intervals hold for all gains and harms of the page at once with "
        "95% (balanced bootstrap of the largest studentised error over runs); those of "
        "every other measure hold for all cells of that measure."
    )
    figure = draw_verdicts(table, question)
    reading = readings.in_short(rows)
    return Section("verdicts", question, reading, {question: figure}, [shown], note)


def _trade_offs(table: pd.DataFrame) -> Section:
    question = "What does gaming cost, and whom does it harm?"
    rows = first_share(table)
    chosen = ("gain", "saved", "left", "cost", "profit", "harm", "residual")
    shown = _measures("gains", "Gains, costs and harm", rows, chosen)
    figure = draw_trade_offs(table, question)
    return Section(
        "trade-offs", question, readings.trade_offs(rows), {question: figure}, [shown],
        "Gains and costs per dollar of capacity; harm as a share of the level without "
        "gaming. Intervals hold for all cells of a measure at once.",
    )  # fmt: skip


def _who_pays(table: pd.DataFrame) -> Section:
    question = "What do honest traders pay for it?"
    rows = first_share(table)
    shown = _measures("honest", "Honest traders", rows, ("honest", "honest_usd"))
    return Section("honest", question, readings.honest(rows), {}, [shown])


def _at_which_share(
    table: pd.DataFrame, together: pd.DataFrame, least: Materiality
) -> Section | Missing:
    question = "Does gaming change the venue, and at which share would it?"
    figure = draw_shares(table, question)
    reading = readings.mass(table, together, least)
    given = [_together(together)]
    note = (
        "Intervals of means over strategies hold each by itself: of twenty that change "
        "nothing one would look as if it did."
    )
    if figure is None:
        return Section("mass", question, reading, {}, given, note)
    rows = pd.concat(by_share(table).values())
    shown = _measures("shares", "By share of players", rows, ("gain", "harm", "honest"))
    return Section("mass", question, reading, {question: figure}, [shown, *given], note)


def _together(together: pd.DataFrame) -> Table:
    """What gaming changes in the mean over strategies, a row a share and policy."""
    heads = {"harm": "Expected shortfall", "honest": "Honest traders pay"}
    rows = together.reset_index()
    shown = pd.DataFrame(
        {
            head: [
                f"{notation.signed(basis_points(one))}\n{between(low, high)}"
                for one, low, high in rows[[name, f"{name}_low", f"{name}_high"]].to_numpy()
            ]
            for name, head in heads.items()
        }
    )
    names = [f"{row.policy}, {row.adopters:.1%}" for row in rows.itertuples()]
    shown.index = pd.Index(names, name="policy and players")
    return Table("pooled", "In the mean over strategies", shown, rows)


def _measures(
    name: str, caption: str, rows: pd.DataFrame, chosen: tuple[str, ...]
) -> Table:
    """A row a cell, and a column a measure with its interval."""
    units = {reading.name: reading for reading in READINGS}
    shown = {}
    for one in chosen:
        write = notation.usd if units[one].unit == "usd" else basis_points
        shown[units[one].label] = [
            f"{notation.signed(write(value))}\n{between(low, high, write)}"
            for value, low, high in rows[[one, f"{one}_low", f"{one}_high"]].to_numpy()
        ]
    share = rows["adopters"].nunique() > 1
    index = [
        f"{row.strategy}, {row.policy}" + (f", {row.adopters:.1%}" if share else "")
        for row in rows.itertuples()
    ]
    names = pd.Index(index, name="strategy and policy")
    data = rows[["strategy", "adopters", "policy", "runs"]].assign(
        **{
            column: rows[column]
            for one in chosen
            for column in (one, f"{one}_low", f"{one}_high")
        }
    )
    return Table(name, caption, pd.DataFrame(shown, index=names), data)


def _spreads(folder: Path) -> Iterator[Section | Missing]:
    question = "How far does a strategy spread, and what is the venue like then?"
    places = sorted(folder.glob(f"*/{spreading.INDEX}"))
    if not places:
        yield Missing(question, "no folder of `adl game spread` lies in the contest's")
    for number, place in enumerate(places):
        found = spreading.open_spread(place.parent)
        names = notation.listing(found.groups[1:])
        title = f"How far does {names} spread under {found.policy}?"
        figures = {title: draw_phase_line(found, title)} if len(found.groups) == 2 else {}
        data = found.advantage
        shown = pd.DataFrame(
            {
                "earned more than by not playing": [
                    f"{basis_points(row.mean)}\n{between(row.low, row.high)}"
                    for row in data.itertuples()
                ]
            },
            index=pd.Index([notation.share(one) for one in data["share"]], name="players"),
        )  # fmt: skip
        slug = f"spread-{number + 1}"
        caption = f"What {found.groups[1]} earns, by share of players"
        tables = [Table(slug, caption, shown, data)]
        yield Section(slug, title, spreading.reading(found), figures, tables)


def _attacks(folder: Path, least: Materiality) -> Iterator[Section | Missing]:
    question = "What is the most that a searching adversary gains?"
    places = sorted(folder.glob(f"*/{attacks.INDEX}"))
    if not places:
        yield Missing(question, "no folder of `adl game attack` lies in the contest's")
    for number, place in enumerate(places):
        found = attacks.open_attack(place.parent)
        slug = f"attack-{number + 1}"
        data = found.tried.sort_values("gain", ascending=False)
        shown = pd.DataFrame(
            {"gain on the search's seeds": data["gain"].map(basis_points).to_list()},
            index=pd.Index(data["what"], name="candidate"),
        )
        title = f"What is the most that a searching adversary gains under {found.policy}?"
        tables = [Table(slug, "Candidates", shown, data)]
        yield Section(slug, title, attacks.reading(found, least), {}, tables)


def _commitments(folder: Path) -> Iterator[Section | Missing]:
    question = "What would a venue choose that sees the crowd coming?"
    places = sorted(folder.glob(f"*/{commitments.INDEX}"))
    if not places:
        yield Missing(question, "no folder of `adl game commit` lies in the contest's")
    for number, place in enumerate(places):
        found = commitments.open_commitment(place.parent)
        slug = f"commit-{number + 1}"
        data = found.tried.sort_values("loss_usd")
        shown = pd.DataFrame(
            {
                "loss, nobody plays": data["naive_loss_usd"].map(notation.usd).to_list(),
                "the crowd answers": data["answer"].to_list(),
                "loss then": data["loss_usd"].map(notation.usd).to_list(),
            },
            index=pd.Index(data["setting"], name="setting"),
        )
        tables = [Table(slug, "Settings", shown, data)]
        yield Section(slug, question, commitments.reading(found), {}, tables)
