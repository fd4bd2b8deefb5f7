"""What `adl theory` wrote: the table, and the page that tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from abm.montecarlo.store import StoreError
from analysis import notation

COUNTEREXAMPLES = "counterexamples"

VERDICTS = ("holds", "fails", "outside its assumptions", "open", "as found")
"""In the order of the summary's columns."""


class Part(NamedTuple):
    """One hypothesis.

    Attributes
    ----------
    name, title : str
    told : dict of str to str
        Claim, source, prediction and test, in words.
    findings : DataFrame
        Columns hypothesis, case, prediction, measured, low, high, verdict, note.
    points : DataFrame
        Columns panel, series, x, y, low, high.
    settings : dict
        Books, largest size, seed, batches.
    """

    name: str
    title: str
    told: dict[str, str]
    findings: pd.DataFrame
    points: pd.DataFrame
    settings: dict[str, Any]


_FINDING = (
    "hypothesis",
    "case",
    "prediction",
    "measured",
    "low",
    "high",
    "verdict",
    "note",
)
_POINT = ("panel", "series", "x", "y", "low", "high")


def read(folder: str | Path) -> dict[str, Part]:
    """The parts that a folder holds, in the order of the hypotheses.

    Raises
    ------
    StoreError
        If there are none, or one cannot be read.
    """
    found = {}
    for path in Path(folder).glob("*.json"):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            findings = pd.DataFrame(content.pop("findings"), columns=_FINDING)
            points = pd.DataFrame(content.pop("points"), columns=_POINT)
            numbers = ["prediction", "measured", "low", "high"]
            findings[numbers] = findings[numbers].astype(float)
            points[["x", "y", "low", "high"]] = points[["x", "y", "low", "high"]].astype(
                float
            )
            found[content["name"]] = Part(**content, findings=findings, points=points)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None
    if not found:
        raise StoreError(f"{folder}: holds no hypotheses; `adl theory --out` writes them")
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(name: str) -> int:
    return int(name[1:]) if name[1:].isdigit() else 99


# --- numbers ----------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits, without a power of ten where that is readable."""
    if not np.isfinite(value):
        return notation.UNDEFINED
    size = abs(value)
    if value == 0.0:
        return "0"
    if 1000.0 <= size < 1e7:
        return f"{value:,.0f}"
    if 1e-4 <= size < 1000.0:
        return f"{value:.3f}".rstrip("0").rstrip(".") if size < 10.0 else f"{value:.4g}"
    return f"{value:.2g}"


def interval(low: float, high: float) -> str:
    """Both ends, or nothing where there is no sampling."""
    if not np.isfinite([low, high]).all() or low == high:
        return ""
    return f"{number(low)} to {number(high)}"


# --- the page ---------------------------------------------------------------------------

_INTRO = """# What theory predicts, and what the rules here do

The papers on ADL predict how fairness, solvency and revenue behave as a venue grows, and
which rule is best at what. This page puts fourteen of these predictions to the rules of
this project, on generated books and on waves that the simulated market made, and says of
each whether it holds. These commands write it:

```sh
{commands}
```

{settings}

**When a prediction holds.** Numbers come with a 95% interval (bootstrap over books, runs or
waves; Wilson's for shares). A prediction holds if it lies within that interval, widened by
0.05 where it is an exponent, since exponents are those of infinite size; it fails
otherwise. An interval more than six times as wide as that allowance leaves it open. What is
exact has no interval and has to be met exactly, up to whole units. A row is outside the
assumptions where the theorem's conditions do not hold in it, and "as found" where nothing
was predicted that a number could miss.
"""


def page(parts: Mapping[str, Part], figures: Mapping[str, list[tuple[str, str]]]) -> str:
    """The page in Markdown.

    Parameters
    ----------
    figures : mapping of str to list
        By hypothesis the files of its figures, relative to the page, and what they show.
    """
    first = next(iter(parts.values()))
    blocks = [
        _INTRO.format(
            commands=commands(first.settings), settings=_settings(first.settings)
        ),
        "## All at a glance\n",
        _summary(parts),
    ]
    for name, part in parts.items():
        if name != COUNTEREXAMPLES:
            blocks.append(_section(part, figures.get(name, [])))
    if COUNTEREXAMPLES in parts:
        wrong = parts[COUNTEREXAMPLES]
        blocks.append(_counterexamples(wrong, figures.get(COUNTEREXAMPLES, [])))
    return "\n".join(block.rstrip() + "\n" for block in blocks)


_CONFIGS = {"theory": "configs/studies/theory.toml", "episodes": "configs/episodes.toml"}
"""What the batches that the page in the repository is made of are runs of."""


def commands(settings: Mapping[str, Any]) -> str:
    """The commands that write this again, one a line."""
    names = [batch.split(",")[0] for batch in settings["batches"]]
    lines = [f"adl run {_CONFIGS[name]}" for name in names if name in _CONFIGS]
    words = ["adl theory", *(f"--batch runs/{name}" for name in names), "--docs docs"]
    return "\n".join([*lines, " ".join(words)])


def _settings(settings: Mapping[str, Any]) -> str:
    books = (
        f"Generated: {settings['books']:,} books of each kind, up to "
        f"{settings['largest']:,} accounts, seed {settings['seed']}."
    )
    batches = "; ".join(settings["batches"])
    market = (
        f"Market: {batches} (name, runs, the beginning of the tables' hash)."
        if batches
        else "Market: no batch was given, so only generated books are here."
    )
    return f"{books}\n{market}"


def _summary(parts: Mapping[str, Part]) -> str:
    lines = [
        f"| | | {' | '.join(VERDICTS)} |",
        f"| --- | --- | {' | '.join(['--:'] * len(VERDICTS))} |",
    ]
    for name, part in parts.items():
        if name == COUNTEREXAMPLES:
            continue
        counts = part.findings["verdict"].value_counts()
        cells = " | ".join(str(int(counts.get(v, 0)) or "") for v in VERDICTS)
        link = f"[{name}](#{_anchor(name, part.title)})"
        lines.append(f"| {link} | {part.title.rstrip('.')} | {cells} |")
    return "\n".join(lines)


def _heading(name: str, title: str) -> str:
    return f"{name}: {title.rstrip('.')}"


def _anchor(name: str, title: str) -> str:
    """What a heading is linked by on the page."""
    kept = "".join(
        c for c in _heading(name, title).lower() if c.isalnum() or c in " -_"
    )  # fmt: skip
    return kept.replace(" ", "-")


def _section(part: Part, figures: list[tuple[str, str]]) -> str:
    lines = [f"## {_heading(part.name, part.title)}\n"]
    lines += [
        f"**{label}.** {text[:1].upper()}{text[1:]}\n" for label, text in part.told.items()
    ]
    if said := reading(part):
        lines.append(f"**In short.** {said}\n")
    lines += [f"![{alt}]({path})\n" for path, alt in figures]
    if len(part.findings):
        lines.append(_table(part.findings))
    else:
        lines.append("Needs a recorded batch (`--batch`).")
    return "\n".join(lines)


def _table(findings: pd.DataFrame) -> str:
    lines = [
        "| case | predicted | measured | 95% interval | verdict | note |",
        "| --- | --: | --: | --- | --- | --- |",
    ]
    for row in findings.itertuples():
        lines.append(
            f"| {row.case} | {number(row.prediction)} | {number(row.measured)} "
            f"| {interval(row.low, row.high)} | {row.verdict} | {row.note} |"
        )
    return "\n".join(lines)


def _counterexamples(part: Part, figures: list[tuple[str, str]]) -> str:
    """Published number beside the true one."""
    lines = [
        "## Wrong as it was published\n",
        "Each row is a claim that does not hold as it stands, computed again with the "
        "rules",
        "of this project. Theorems are numbered as in `abm/theory/counterexamples.py`; "
        "most",
        "cases are tests in `tests/adl/test_corrections.py`, too.\n",
    ]
    lines += [f"![{alt}]({path})\n" for path, alt in figures]
    lines += [
        "| | claim | published | so it is | 95% interval | what the numbers are |",
        "| --- | --- | --: | --: | --- | --- |",
    ]
    for row in part.findings.itertuples():
        lines.append(
            f"| {row.hypothesis} | {row.case} | {number(row.prediction)} "
            f"| {number(row.measured)} | {interval(row.low, row.high)} | {row.note} |"
        )
    return "\n".join(lines)


# --- readings ---------------------------------------------------------------------------


def reading(part: Part) -> str:
    """A few sentences made from the numbers of a part; empty if there are none to make."""
    write = _READINGS.get(part.name)
    return write(part) if write is not None and len(part.findings) else ""


def _value(part: Part, *words: str) -> str:
    """The measured number of the first case that has all these words."""
    cases = part.findings["case"]
    for place, case in enumerate(cases):
        if all(word in case for word in words):
            return number(float(part.findings["measured"].iloc[place]))
    return notation.UNDEFINED


def _ptsr(part: Part) -> str:
    return (
        "The exponent belongs to the largest of many over their sum, with ADL or without: "
        f"with tails of 1.5 it is {_value(part, '1.5 and 1.5', 'nothing')} if nothing is "
        f"taken, {_value(part, '1.5 and 1.5', 'pro-rata')} under pro-rata and "
        f"{_value(part, '1.5 and 1.5', 'another')} under a queue by a score of its own. "
        "Only rules that take from the top first change it "
        f"({_value(part, '1.5 and 1.5', 'by profit')} for the queue by profit, "
        f"{_value(part, '1.5 and 1.5', 'levelling')} for levelling)."
    )


def _pmr(part: Part) -> str:
    return (
        "Slopes are as predicted. The total of leverage matters only as far as it is that "
        "of the largest winners: doubling it for the smaller half of them has an "
        f"elasticity of {_value(part, 'only winners of small')}."
    )


def _three_ways(part: Part) -> str:
    return (
        "Fees equal to the deficit are not enough: what must be kept of them cannot be "
        "diverted. And in small venues the fair severities are large enough to pay for "
        f"much, so that {_value(part, '200 accounts')} of the deficit does at 200 "
        f"accounts, {_value(part, '2,000 accounts')} at 2,000 and "
        f"{_value(part, '20,000 accounts')} at 20,000."
    )


def _levelling(part: Part) -> str:
    return (
        "Levelling is never worse than the better of the two. Between those, near-equal "
        "tops make the queue worse, as predicted, and heavy tails make it better. A large "
        "budget does not: with an exponent of 5 and three quarters of all profits taken, "
        f"the queue leaves less in {_value(part, 'alpha 5', 'budget 75%')} of books, since "
        "it ends among profits that are hardly smaller than those it took, while pro-rata "
        "cuts all to a quarter."
    )


def _splitting(part: Part) -> str:
    return (
        "The weakness is that of scores that grow with size. A queue by profit, and "
        "levelling, can be gamed by splitting; a queue by return and leverage cannot, "
        "since every part keeps the rank of the whole."
    )


def _risk(part: Part) -> str:
    return (
        "In the paper's model, in which equity and exposure shrink together, the order is "
        "as corrected: greedy, then risk-aware, then pro-rata. Where cash is taken and "
        "positions stay, it turns: taking from the levered first makes the next deficit "
        f"{_value(part, 'cash taken', 'risk-aware')} times that under pro-rata. Where "
        "positions are closed at the mark, filling to a common leverage is best "
        f"({_value(part, 'closed', 'leverage-filling')} of pro-rata)."
    )


def _churn(part: Part) -> str:
    return (
        "The path is as published. The loss is not: with the paper's own hazard of "
        "leaving, 1 - exp(-beta h), what stays is convex in the haircut, so the same "
        "haircut for everybody drives most away. After ten rounds of 1% the queue by "
        "profit keeps "
        f"{_value(part, 'of 1%', 'by profit', 'stays')} more of all wealth than pro-rata."
    )


def _full_close(part: Part) -> str:
    return (
        "A full-close queue overshoots by less than its marginal position, always. A ratio "
        "of many times the deficit says how large winners' profits are, not how a queue "
        "rounds."
    )


def _duration(part: Part) -> str:
    return (
        "Waves of one call are met exactly at any horizon if they close at the bankruptcy "
        "price: the position costs its payer later what it would have cost the venue. A "
        "price better for the bankrupt (Hyperliquid's previous mark) takes too much in "
        f"{_value(part, 'over at once', 'valued 5 s', 'too much')} of waves, at once and "
        "for good. Of waves of several calls the share that took too much goes from "
        f"{_value(part, 'up to 10 s', 'valued 0 s', 'too much')} at once to "
        f"{_value(part, 'up to 10 s', 'valued 5 s', 'too much')} five seconds later, since "
        "the need counts what earlier calls raised as it was then, and the loss of who "
        "paid it as it is later. So duration decides, as predicted, but waves without it "
        "do not fall short; drift adds little."
    )


_READINGS = {
    "H1": _ptsr,
    "H2": _pmr,
    "H6": _three_ways,
    "H7": _levelling,
    "H8": _splitting,
    "H10": _risk,
    "H11": _churn,
    "H13": _full_close,
    "H14": _duration,
}
