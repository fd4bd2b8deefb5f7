"""Writes the pages that are made from the code itself, so that they cannot drift.

    python -m docs.reference

`docs/scenario.md` is made from the scenario's schema, `docs/policies.md` from the built-in
policies and the docstrings of their parts, `docs/strategies.md` from the docstrings of the
built-in strategies, `docs/tables.md` from the columns of a run folder. A test holds the
pages against what this module would write.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from abm.adl import catalogue
from abm.adl.venues import PRESETS
from abm.faults import wishes
from abm.gaming import strategies
from abm.montecarlo.store import columns
from abm.scenario import Scenario
from abm.toml_out import key_to_toml, value_to_toml

HERE = Path(__file__).parent
REPOSITORY = re.compile(r"(?<![\w/])((?:[\w-]+\.)+(?:com|io|org|xyz|trade)/[\w./@#%-]+\w)")
_NAME = re.compile(r"a name of at most 64 letters.*?letter or digit")
_LONG = re.compile(r"(?<![\w.])\d{5,}(?![\w.])")
KINDS = {
    "venue": "What venues document",
    "design": "Designs",
    "reference": "To hold others against",
}

# --- the scenario -----------------------------------------------------------------------


def scenario_page() -> str:
    """Every table of a scenario file and its keys."""
    parts = ["# What a scenario may say", _intro_of_scenarios()]
    told: dict[type[BaseModel], str] = {}
    for place, model in _tables(Scenario, ""):
        parts.append(f"## `{place}`" if place else "## At the top")
        if model in told:
            parts.append(f"As `{told[model]}`.")
            continue
        told[model] = place
        parts.append(_docstring(inspect.getdoc(model) or ""))
        parts.append(_keys(model))
    return _page(parts)


def _intro_of_scenarios() -> str:
    return (
        'A scenario is a TOML file. It may extend another (`extends = "base.toml"`): '
        "tables merge key by key, lists and values are replaced whole. On the command line "
        "`--set venue.insurance_usd=5e6` overrides any key. `adl check FILE` prints the "
        "scenario with every default filled in, or one line that says what is wrong and "
        "what would be right. A key without a default must be given."
    )


def _tables(model: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """A model and those below it, with where they stand in a file."""
    yield place, model
    for name, field in model.model_fields.items():
        form, below = _part(field.annotation)
        if below is not None and below is not model:
            inner = f"{place.strip('[]')}.{name}" if place else name
            heading = {dict: f"[{inner}.NAME]", tuple: f"[[{inner}]]"}.get(
                form, f"[{inner}]"
            )
            yield from _tables(below, heading)


def _part(annotation: Any) -> tuple[type | None, type[BaseModel] | None]:
    """The model within an annotation, and the container that it is in, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None, annotation
    origin = getattr(annotation, "__origin__", None)
    for inner in get_args(annotation):
        form, found = _part(inner)
        if found is not None:
            return (origin if origin in (dict, tuple) else form), found
    return None, None


def _keys(model: type[BaseModel]) -> str:
    """The keys of a table: what they must be, their defaults, what they are."""
    rows = ["| key | must be | default | what it is |", "| --- | --- | --- | --- |"]
    for name, (must, default) in wishes(model).items():
        field = model.model_fields[name]
        if _part(field.annotation)[1] is not None:
            must, default = f"{must}, see below", ""
        if field.is_required():
            default = "must be given"
        default = "" if default in ("None", '""') else default
        cells = (f"`{name}`", _NAME.sub("a name", must), default, field.description or "")
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows)


# --- policies ---------------------------------------------------------------------------


def policies_page() -> str:
    """The built-in policies, and the parts that any policy is made of."""
    parts = ["# Built-in ADL rules and their parts", _intro_of_policies()]
    for kind, title in KINDS.items():
        parts.append(f"## {title}")
        parts += [_preset(name) for name, one in PRESETS.items() if one.kind == kind]
    parts.append("## The parts")
    entries = list(catalogue.answers())
    for kind in dict.fromkeys(entry.kind for entry in entries):
        parts.append(f"### {kind}")
        parts += [_answer(entry) for entry in entries if entry.kind == kind]
    return _page(parts)


def _intro_of_policies() -> str:
    return (
        "A rule is one answer to each of six questions: when (trigger), how much now "
        "(severity), who can pay and up to what (eligibility), in which order of capital "
        "(seniority), how it is shared (allocation), in what and at which price "
        "(settlement). Any answer can be a function of your own, see "
        "[how to add things](how-to.md). A preset is pasted into a scenario by "
        '`adl policies NAME`, or taken as a base by `preset = "NAME"`.'
    )


def _preset(name: str) -> str:
    preset = PRESETS[name]
    lines = [f"### `{name}`", f"{_sentence(preset.summary)}"]
    facts = [f"Source: {_linked(preset.source)}."] if preset.source else []
    if preset.ladder:
        facts.append(f'Belongs with `venue.ladder = "{preset.ladder}"`.')
    lines += [" ".join(facts)] if facts else []
    lines += ["\n".join(f"- {reading}" for reading in preset.readings)]
    table = {key: value for key, value in preset.table.items() if key != "fallback"}
    toml = [f"{key_to_toml(key)} = {value_to_toml(value)}" for key, value in table.items()]
    lines.append("```toml\n" + "\n".join(toml) + "\n```")
    return "\n\n".join(line for line in lines if line)


def _answer(entry: catalogue.Entry) -> str:
    summary, _, rest = entry.text.partition("\n")
    text = [f"**`{entry.name}`** {_code(summary)}"]
    if rest.strip():
        text.append(_docstring(rest))
    if entry.parameters:
        text.append("\n".join(f"- `{k}`: {v}" for k, v in entry.parameters.items()))
    return "\n\n".join(text)


# --- strategies -------------------------------------------------------------------------


def strategies_page() -> str:
    """The built-in strategies: idea, source, whom they hurt, costs, parameters."""
    parts = [
        "# Strategies",
        "What traders can do about a rule. `play = { split = 0.1 }` in `[gaming]` lets a "
        "tenth of the traders who hold a position adopt one; `[strategies.NAME]` names "
        "another with its `rule` and parameters.",
    ]
    for entry in strategies.catalogue():
        parts.append(f"## {entry.name}")
        parts.append(_code(entry.idea))
        told = {"Source": entry.source, "Hurts": entry.hurts, "Costs": entry.costs}
        parts += [f"**{name}:** {_code(text)}" for name, text in told.items()]
        rows = ["| key | must be | default | what it is |", "| --- | --- | --- | --- |"]
        for name, one in entry.parameters.items():
            bounds = f"a number from {one.least:g} to {one.most:g}" if one.most else ""
            kinds = {
                "choice": " or ".join(f'"{choice}"' for choice in one.choices),
                "flag": "true or false",
                "int": f"a whole {bounds.removeprefix('a ')}",
                "float": bounds,
            }
            default = value_to_toml(one.default)
            cells = (name, kinds[one.kind], default, one.description)
            rows.append(f"| `{cells[0]}` | " + " | ".join(map(_cell, cells[1:])) + " |")
        parts.append("\n".join(rows))
    return _page(parts)


# --- tables -----------------------------------------------------------------------------


def tables_page() -> str:
    """The tables of a run folder."""
    parts = [
        "# What a run folder holds",
        "Parquet tables and a manifest. Money is in USD where a column ends in `_usd`, "
        "exact in micro-dollars where it ends in `_quanta`; times are seconds from the "
        'start. `adl query RUN_DIR "select ..."` asks them in SQL, '
        '`abm.open_run(RUN_DIR).frame("waves")` gives a pandas frame. '
        "Columns are real numbers where nothing else is said.",
        _docstring(_text_after(columns, "COLUMNS")),
    ]
    for name, listed in columns.COLUMNS.items():
        parts.append(f"## {name}")
        parts.append(", ".join(_column(*column) for column in listed))
    return _page(parts)


def _column(name: str, kind: str) -> str:
    return f"`{name}`" if kind == "float64" else f"`{name}` ({kind})"


def _text_after(module: Any, name: str) -> str:
    """The string that stands behind an assignment, as its documentation."""
    import ast

    body = ast.parse(inspect.getsource(module)).body
    for statement, following in itertools.pairwise(body):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if name in [getattr(target, "id", None) for target in targets]:
            assert isinstance(following, ast.Expr)
            return inspect.cleandoc(ast.literal_eval(following.value))
    raise LookupError(f"{module.__name__} has no {name}")


# --- text -------------------------------------------------------------------------------


def _docstring(text: str) -> str:
    """A docstring as Markdown: double backticks are single ones, heads are bold."""
    text = inspect.cleandoc(text)
    text = re.sub(r"\n*^Raises\n-+\n.*", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", text, flags=re.MULTILINE)
    text = re.sub(r":(?:class|func|meth|data):`~?([^`]+)`", r"`\1`", text)
    return _code(text)


def _code(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    text = _LONG.sub(lambda found: f"{int(found[0]):,}", text)
    return _code(text).replace("|", "\\|").replace("\n", " ").replace(".0 ", " ")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _linked(source: str) -> str:
    return REPOSITORY.sub(r"<https://\1>", source)


def _page(parts: list[str]) -> str:
    made = "<!-- Made by `python -m docs.reference`; do not edit. -->"
    return "\n\n".join([made, *(part.strip() for part in parts if part.strip())]) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "scenario.md": scenario_page,
    "policies.md": policies_page,
    "strategies.md": strategies_page,
    "tables.md": tables_page,
}


def main() -> None:
    """Write the pages."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
