"""What a reader needs first: who is best on which count, why, and every measure."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from analysis import notation, trilemma
from analysis.figures.dots import draw_dots
from analysis.figures.fronts import Goal, draw_front
from analysis.measures import GROUPS, Told
from analysis.report import reasons, tables, words
from analysis.report.asked import Lazy
from analysis.report.section import Missing, Section, Table

COUNTS = (
    "deficit_usd",
    "residual_usd",
    "largest_haircut_share",
    "largest_equity_share",
    "adl_accounts",
    "haircut_usd",
    "accounts_left",
    "retained_value_usd",
)
"""The counts on which policies are held against each other first."""
_TOLD = (*COUNTS[:2], "time_to_cover_s", *COUNTS[2:])
"""The same and one that the table leaves out, which is as wide as the page without it."""
_PARTS = {"trigger": "When", "severity": "How much", "eligibility": "Who can pay",
          "seniority": "From which capital", "allocation": "How it is shared",
          "settlement": "In what, at what price"}  # fmt: skip


def in_short(told: Told, payers: Lazy) -> Section:
    """Who is best on each count, what each rule does, and what that explains."""
    known = {one.column: one for one in told.measures}
    counts = [known[name] for name in COUNTS if name in known and known[name].better]
    reading = _general(told)
    if len(told.policies) > 1 and len(told.finished):
        reading += _idle(told)
        reading += [
            _one_count(told, payers, name)
            for name in _TOLD
            if name in known and known[name].better and _differs(told, name)
        ]
    shown, marks, parts = {}, {}, {}
    for one in counts:
        table = parts[one.column] = told.of(one.column, one.better)
        shown[one.label] = tables.cells(table, one.unit)
        marks |= {(str(p), one.label): tables.MARKS[s] for p, s in table["stand"].items()
                  if s in tables.MARKS}  # fmt: skip
    table = pd.concat(parts, names=["measure"]) if parts else told.summary
    data = table.reset_index()
    scores = Table("in-short", "Means over runs, with 95% intervals", pd.DataFrame(shown),
                   data, marks, is_open=True)  # fmt: skip
    return Section("in-short", "Which policy is better, on which count?", reading, {},
                   [_rules(told), _vocabulary()], _MARKS_TOLD, scores)  # fmt: skip


_MARKS_TOLD = (
    "Bold and shaded: the best of the column; of hits and what comes of them (haircuts, "
    "who leaves, retained value) the best of the policies that hit anybody. Shaded: cannot "
    "be told apart from the best, because the 95% interval of the difference on the same "
    "seeds holds zero."
)


def _idle(told: Told) -> list[str]:
    """Who hits nobody, and so is left out where doing nothing would win."""
    idle = [name for name in told.policies if name not in told.hitting]
    if not idle or not told.hitting:
        return []
    it = "it is" if len(idle) == 1 else "they are"
    return [
        f"{words.names(idle)} hit nobody: {it} left out where hits, what they took, who "
        "left and the value retained are compared, since doing nothing would be best there."
    ]


_WORDS = {
    "call": "A strike at which the venue is short: the rule is called, and may ask nobody.",
    "wave": "Calls with at most the scenario's pause between them.",
    "mark": "The price that positions are valued at.",
    "vault": "The venue's backstop: it takes over positions that the book could not close, "
             "with capital of its own.",
    "hit": "An account of which anything was taken or closed.",
    "takeover": "A position that goes to the vault, at maintenance or bankruptcy.",
    "deficit": "What is missing once an account, or the vault, owes more than it has; of a "
               "run with what had been covered before, at its most.",
    "residual": "What is still missing at the end of a run.",
    "haircut": "What one account gives in ADL.",
    "severity": "The part of the deficit that a call asks for.",
    "strike": "A tick of the clock at which the venue looks whether it is short.",
    "light": "What a venue shows an account beforehand: how near it stands to ADL.",
    "survivor": "The largest profit that is left after a wave (PTSR and PMR).",
    "kind": "Traders with the same habits, leverage and sizes, by the scenario's table "
            "`kinds`; makers, who quote the book, are besides.",
    "flipper": "A trader who undoes at once what ADL did to it.",
    "score": "What a queue goes by; `adl policies --answers` says each in words.",
}  # fmt: skip


def _vocabulary() -> Table:
    shown = pd.DataFrame({"Meaning": _WORDS.values()}, pd.Index(_WORDS, name="word"))
    return Table("words", "What the words mean", shown, shown.reset_index())


def _differs(told: Told, column: str) -> bool:
    means = told.competing(column).mean().dropna()
    return len(means) > 1 and bool((means != means.iloc[0]).any())


def _general(told: Told) -> list[str]:
    runs = told.finished.groupby("policy").size()
    hits = told.finished.assign(hit=told.finished["deficit_usd"] > 0)
    if runs.empty:
        return ["No run finished, so there is nothing to compare."]
    share = hits.groupby("policy")["hit"].mean()
    span = notation.span(notation.share(share.min()), notation.share(share.max()))
    found = [
        f"The venue was short in {span} of {notation.count(runs.max())} runs a policy."
    ]
    failed = told.runs[told.runs["failed"]].groupby("policy").size()
    found += [f"{name} failed in {notation.count(n)} runs, which are left out."
              for name, n in failed.items()]  # fmt: skip
    return found


def _one_count(told: Told, payers: Lazy, column: str) -> str:
    """Who is best in one measure, by how much, and why."""
    measure = next(one for one in told.measures if one.column == column)
    said = words.ranking(told.competing(column), measure, "mean")
    why = reasons.reason(told, payers, column)
    told_of = [_lower(measure.meaning), *said, *([why] if why else [])]
    return f"**{measure.label}**: {' '.join(told_of)}"


def _lower(text: str) -> str:
    """A sentence that goes on after a colon."""
    return text[:1].lower() + text[1:]


def _answer(answer: Any) -> str:
    """An answer with its parameters: ``contracts, price previous-mark``."""
    if not isinstance(answer, dict):
        return str(answer or "")
    rest = [f"{key} {_answer(value)}" for key, value in answer.items() if key != "rule"]
    return ", ".join([str(answer.get("rule", "")), *rest])


def _rules(told: Told) -> Table:
    rows = {
        name: {
            # Where nobody is ever asked, the other answers are never used.
            head: _answer(table.get(part))
            if part == "trigger" or reasons.rule(table.get("trigger")) != "never"
            else "-"
            for part, head in _PARTS.items()
        }
        for name, table in reasons.parts(told).items()
    }
    found = pd.DataFrame.from_dict(rows, orient="index", columns=list(_PARTS.values()))
    found.index.name = "policy"
    return Table("rules", "What each rule is made of", found, found.reset_index())


def every_measure(told: Told) -> Section:
    """All measures of all policies, a table a group."""
    groups = [name for name in GROUPS if any(one.group == name for one in told.measures)]
    given = [tables.of_group(told, name) for name in groups]
    count = len(told.measures)
    reading = [
        f"{count} measures of {len(told.policies)} policies, means over finished runs with "
        "their 95% intervals. Where a value has no interval it was the same in every run, "
        "or there were fewer than five runs."
    ]
    meanings = pd.DataFrame(
        {"Group": [one.group for one in told.measures],
         "Meaning": [one.meaning for one in told.measures]},
        index=pd.Index([one.label for one in told.measures], name="measure"),
    )  # fmt: skip
    given.insert(0, Table("meanings", "What each measure means", meanings,
                          meanings.reset_index()))  # fmt: skip
    return Section("measures", "What are all measures of all policies?", reading, {}, given,
                   _MARKS_TOLD)  # fmt: skip


def three_goals(told: Told) -> Section | Missing:
    """The trilemma on one page."""
    question = "Can solvency, fairness and revenue be had together?"
    measures = trilemma.goals(told)
    if len(measures) < 3 or len(told.policies) < 2:
        return Missing(question, "it takes two policies, and all three measures")
    standings = trilemma.standings(told, measures)
    if len(standings) < 2:
        return Missing(question, "fewer than two policies have all three measures")
    front = [one.policy for one in standings if one.on_front]
    goals = [Goal(m.label, m.unit, m.better, told.of(m.column)) for m in measures]
    # What is the same everywhere is no axis: there is nothing to choose along it.
    varied = [goal for goal in goals if goal.summary["value"].nunique() > 1]
    pairs = list(combinations(varied, 2))
    titles = [f"{a.label} against {b.label.lower()}" for a, b in pairs]
    figures = {
        title: draw_front(title, a, b, front)
        for title, (a, b) in zip(titles, pairs, strict=True)
    }
    regimes = pd.DataFrame([_regime_row(told, one.policy) for one in standings])
    regimes = regimes.set_index("policy")
    figures["Do deficits exceed fee revenue?"] = _draw_regime(regimes)
    reading = [*_front_told(told, standings, measures), _regime_told(told, regimes)]
    return Section("trilemma", question, reading, figures,
                   [_standing_table(told, standings, measures), _regime_table(regimes)],
                   _trilemma_note(measures))  # fmt: skip


def _front_told(told: Told, standings: list[trilemma.Standing], measures) -> list[str]:
    front = [one.policy for one in standings if one.on_front]
    sure = [one.policy for one in standings if one.clearly_beaten_by]
    means = trilemma.costs(told, measures)
    ideal = [str(n) for n in means.index if (means.loc[n] <= means.min()).all()]
    found = [
        f"By their means {len(front)} of {len(standings)} policies are on the front, where "
        f"no other is at least as good in all three and better in one: "
        f"{words.names(front)}."
    ]
    if sure:
        found.append(f"Clearly beaten, beyond the noise: {words.names(sure)}.")
    else:
        found.append("No policy is beaten by another beyond the noise in all three.")
    if ideal:
        found.append(f"{words.names(ideal)} is best in all three, so here is no trilemma.")
    else:
        best = [
            f"{_named(told, str(means[m.column].idxmin()))} in {m.label.lower()}"
            for m in measures
        ]
        found.append(f"No policy is best in all three: {notation.listing(best)}.")
    return found


def _named(told: Told, policy: str) -> str:
    idle = bool(told.hitting) and policy not in told.hitting
    return f"{notation.policy(policy)}{', which hits nobody,' if idle else ''}"


def _regime_row(told: Told, policy: str) -> dict[str, Any]:
    one = trilemma.regime(told, policy)
    return {"policy": policy, "runs": one.runs, "deficit": one.deficit, "fees": one.fees,
            "apart": one.apart, "verdict": one.verdict}  # fmt: skip


def _regime_told(told: Told, regimes: pd.DataFrame) -> str:
    policy = told.policies[0] if told.policies[0] in regimes.index else regimes.index[0]
    row = regimes.loc[policy]
    deficit = words.bracketed(*row["deficit"], notation.usd)
    fees = words.bracketed(*row["fees"], notation.usd)
    apart = row["apart"]
    ends = notation.span(notation.usd(apart.low), notation.usd(apart.high))
    verdict = {
        "structural": "so the scenario lies in the structural-deficit regime, in which the "
        "theory allows at most two of the three",
        "covered": "so fees outgrow deficits and the scenario lies outside the "
        "structural-deficit regime, where the theory is silent",
        "open": "which holds zero: whether the scenario lies in the structural-deficit "
        "regime cannot be told",
    }[row["verdict"]]
    all_same = regimes["verdict"].nunique() == 1
    others = "The verdict is the same under every policy."
    if not all_same:
        found = regimes.groupby("verdict", sort=False).groups
        parts = [
            f"{_VERDICTS[one]} under {words.names([str(name) for name in names])}"
            for one, names in found.items()
        ]
        others = f"By policy: {'; '.join(parts)}."
    return (
        f"Regime: under {notation.policy(policy)} a run's mean deficit is {deficit} and "
        f"its mean fee revenue {fees}; the difference is {notation.usd(apart.mean)} "
        f"({ends}), {verdict}. {others}{_pace(told, regimes)}"
    )


def _pace(told: Told, regimes: pd.DataFrame) -> str:
    """How long the venue earns a mean deficit at the pace of its runs, of one crash."""
    episodes = int(told.batch.scenario.get("episodes", {}).get("count", 1))
    if episodes > 1 or not all(fees[0] > 0 for fees in regimes["fees"]):
        return ""
    duration = float(told.batch.scenario["time"]["duration_s"])
    rows = zip(regimes["deficit"], regimes["fees"], strict=True)
    earned = pd.Series([duration * d[0] / f[0] for d, f in rows], regimes.index)
    least, most = (notation.policy(str(n)) for n in (earned.idxmin(), earned.idxmax()))
    low, high = (notation.duration(one) for one in (earned.min(), earned.max()))
    under = f" under {least}, {high} under {most}" if least != most else ""
    return f" At the pace of the run, one mean deficit takes the fees of {low}{under}."


_VERDICTS = {"structural": "structural", "covered": "outside", "open": "cannot be told"}


def _draw_regime(regimes: pd.DataFrame):
    parts = {
        label: pd.DataFrame(list(regimes[name]), regimes.index, ["value", "low", "high"])
        for label, name in (("mean deficit", "deficit"), ("mean fee revenue", "fees"))
    }
    title = "Do deficits exceed fee revenue?"
    return draw_dots(title, parts, "USD a run", "usd")


def _standing_table(told: Told, standings: list[trilemma.Standing], measures) -> Table:
    shown = pd.DataFrame(
        {m.label: tables.cells(told.of(m.column), m.unit) for m in measures}
    ).reindex([one.policy for one in standings])
    shown["On the front"] = ["yes" if one.on_front else "no" for one in standings]
    shown["Beaten by"] = [words.names(one.beaten_by) or "-" for one in standings]
    sure = [words.names(one.clearly_beaten_by) or "-" for one in standings]
    shown["Clearly beaten by"] = sure
    data = pd.DataFrame(
        {"policy": one.policy, "on_front": one.on_front,
         "beaten_by": " ".join(one.beaten_by),
         "clearly_beaten_by": " ".join(one.clearly_beaten_by)}
        for one in standings
    )  # fmt: skip
    for m in measures:
        values = told.of(m.column)[["value", "low", "high"]].add_prefix(f"{m.column}_")
        data = data.merge(values, left_on="policy", right_index=True)
    marks = {(one.policy, "On the front"): "best" for one in standings if one.on_front}
    return Table("trilemma", "Solvency, fairness and revenue", shown, data, marks)


def _regime_table(regimes: pd.DataFrame) -> Table:
    write = notation.usd
    shown = pd.DataFrame(
        {
            "Mean deficit": [tables.cell(*row, write) for row in regimes["deficit"]],
            "Mean fee revenue": [tables.cell(*row, write) for row in regimes["fees"]],
            "Deficit less fees": [
                tables.cell(*one[1:4], write) for one in regimes["apart"]
            ],
            "Structural": [_VERDICTS[verdict] for verdict in regimes["verdict"]],
        },
        index=regimes.index,
    )
    columns = ["value", "low", "high"]
    flat = [regimes[["runs", "verdict"]]]
    for name in ("deficit", "fees"):
        part = pd.DataFrame(list(regimes[name]), regimes.index, columns)
        flat.append(part.add_prefix(f"{name}_"))
    apart = pd.DataFrame([one[1:4] for one in regimes["apart"]], regimes.index, columns)
    data = pd.concat([*flat, apart.add_prefix("difference_")], axis=1)
    return Table("regime", "Structural deficit: mean deficit against mean fee revenue",
                 shown, data.reset_index())  # fmt: skip


def _trilemma_note(measures) -> str:
    names = notation.listing(
        [
            f"{m.label.lower()} ({_lower(m.meaning.rstrip('.').split('. ')[0])})"
            for m in measures
        ]
    )
    return (
        f"Solvency, fairness and revenue are measured by {names}. Bars are 95% intervals. "
        "A policy is clearly beaten if another is clearly better in one of the three and "
        "in the others clearly better or exactly the same, by paired intervals. Points "
        "whose names find no room are named in the table. The "
        "regime is the condition of arXiv 2512.01112 (mean deficit above mean fee "
        "revenue), tested by the interval of their difference over the runs."
    )
