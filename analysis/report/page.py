"""The page: sections and the facts of a batch laid out as one HTML file, tables as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from abm.montecarlo.store import Batch, StoreError
from analysis.report.drawing import inline, variables
from analysis.report.section import Missing, Section, Table


@dataclass(frozen=True)
class Page:
    """All that a report shows.

    Attributes
    ----------
    title, lead : str
        The name of what is reported, and a sentence on what it is.
    facts : list of (str, str)
        Scenario, seeds, hashes.
    sections : list of Section
    missing : list of Missing
    raw : mapping of str to DataFrame
        Whole tables that are written as CSV only.
    """

    title: str
    lead: str
    facts: list[tuple[str, str]]
    sections: list[Section]
    missing: list[Missing]
    raw: dict[str, pd.DataFrame]


def check(out: Path) -> None:
    """Refuse, before any work, a page that could not be written.

    Raises
    ------
    StoreError
        If it could not.
    """
    if out.is_dir():
        raise StoreError(f"{out}: is a folder: name a file, such as {out}/report.html")
    try:
        for folder in (out.parent, _tables(out)):
            there = next(place for place in (folder, *folder.parents) if place.exists())
            TemporaryFile(dir=there).close()
        if out.is_file():
            out.open("a").close()
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from None


def _tables(out: Path) -> Path:
    return out.with_name(f"{out.stem}-tables")


def write(page: Page, out: Path) -> Path:
    """Write the page to `out` and its tables as CSV into the folder ``STEM-tables``.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    folder = _tables(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in all_tables(page):
            data.to_csv(folder / f"{name}.csv", index=False)
        out.write_text(render(page, folder.name), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from None
    return out


def all_tables(page: Page) -> Iterable[tuple[str, pd.DataFrame]]:
    """Every table that is written, by the name of its file."""
    for section in page.sections:
        shown = [section.first] if section.first else []
        yield from ((table.name, table.data) for table in [*shown, *section.tables])
    yield from page.raw.items()


def render(page: Page, tables_folder: str) -> str:
    """The page as HTML that refers to nothing outside itself but its tables' CSV."""
    environment = Environment(autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.filters["coded"] = _coded
    here = resources.files("analysis.report")
    template = environment.from_string(here.joinpath("page.html").read_text("utf-8"))
    return template.render(
        page=page,
        style=here.joinpath("page.css").read_text("utf-8"),
        light=variables(dark=False),
        dark=variables(dark=True),
        folder=tables_folder,
        sections=[_laid_out(section) for section in page.sections],
    )


def _coded(text: str) -> Markup:
    """Text with what stands between backticks set as code, between double stars bold."""
    found = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", found))


def _laid_out(section: Section) -> dict[str, Any]:
    said = section.reading[0] if section.reading else ""
    figures = [
        {
            "title": "" if title == section.question else title,
            "svg": inline(figure, f"{section.slug}-{i}", f"{title} {said}"),
        }
        for i, (title, figure) in enumerate(section.figures.items())
    ]
    return {
        "slug": section.slug,
        "question": section.question,
        "reading": section.reading,
        "figures": figures,
        "tables": [_rows(table) for table in section.tables],
        "note": section.note,
        "first": _rows(section.first) if section.first else None,
    }


def _rows(table: Table) -> dict[str, Any]:
    columns = [str(name) for name in table.shown]
    rows = [
        {
            "name": str(name),
            "cells": [
                {
                    "lines": str(text).split("\n"),
                    "mark": table.marks.get((str(name), column), ""),
                }
                for column, text in zip(columns, row, strict=True)
            ],
        }
        for name, row in zip(table.shown.index, table.shown.to_numpy(object), strict=True)
    ]
    head = str(table.shown.index.name or "")
    return {"name": table.name, "caption": table.caption, "head": head, "columns": columns,
            "rows": rows, "is_open": table.is_open}  # fmt: skip


def facts_of(batch: Batch) -> list[tuple[str, str]]:
    """Which scenario, which seeds, which code and which contents a batch has."""
    manifest = batch.manifest
    first, runs = int(manifest["first_seed"]), int(manifest["runs"])
    found = [
        ("Scenario", str(batch.scenario.get("description") or batch.name)),
        ("Runs a policy", f"{runs:,}"),
        ("Seeds", f"{first} to {first + runs - 1}"),
        ("Policies", f"{len(batch.policies)}: {', '.join(batch.policies)}"),
        ("Market time of a run", f"{batch.scenario['time']['duration_s']:g} s"),
        ("Version", str(manifest["version"])),
    ]
    if "scenario_sha256" in manifest:
        found.append(("Scenario, SHA-256", str(manifest["scenario_sha256"])))
    if all("sha256" in block for block in manifest["blocks"].values()):
        found.append(("All tables, SHA-256", batch.content_hash()))
    return found


def questions(sections: Sequence[Section]) -> list[str]:
    """The titles, in order."""
    return [section.question for section in sections]
