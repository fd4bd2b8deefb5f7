"""What a reader needs first: who is best on which count, why, and every measure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from analysis import intervals, notation, trilemma
from analysis.counterfactuals import fixed_path
from analysis.figures.dots import draw_dots
from analysis.figures.fronts import Goal, draw_front
from analysis.measures import GROUPS, Told
from analysis.payers import Payers
from analysis.report import tables, words
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
            _one_count(told, name)
            for name in _TOLD
            if name in known and known[name].better and _differs(told, name)
        ]
    reading += [*_why(told), *_why_one(told), *_why_again(told), *_why_left(told)]
    reading += [*_why_all(told), *_why_gone(told, payers)]
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
                   [scores, _rules(told), _vocabulary()], _MARKS_TOLD)  # fmt: skip


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
    "takeover": "A position that goes to the vault, at maintenance or bankruptcy.",
    "deficit": "What is missing once an account, or the vault, owes more than it has.",
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


def _one_count(told: Told, column: str) -> str:
    """Who is best in one measure, in a sentence or two."""
    measure = next(one for one in told.measures if one.column == column)
    said = words.ranking(told.competing(column), measure, "mean")
    return f"{measure.label}: {_lower(measure.meaning)} {' '.join(said)}"


def _lower(text: str) -> str:
    """A sentence that goes on after a colon."""
    return text[:1].lower() + text[1:]


def _why(told: Told) -> list[str]:
    """What the settlement explains: contracts take the venue's position away, cash not."""
    settle = {name: _rule(table.get("settlement")) for name, table in _parts(told).items()}
    contracts = [name for name, rule in settle.items() if rule == "contracts"]
    cash = [n for n, rule in settle.items() if rule == "cash" and n in told.hitting]
    if not contracts or not cash:
        return []
    deficits = told.values("deficit_usd")
    apart = intervals.paired_difference(
        deficits[cash].mean(axis=1, skipna=False),
        deficits[contracts].mean(axis=1, skipna=False),
    )
    if not apart.is_clear:
        return []
    more = "more" if apart.mean > 0 else "less"
    ends = sorted((abs(apart.low), abs(apart.high)))
    size = words.bracketed(abs(apart.mean), *ends, notation.usd)
    return [
        f"Why: rules that close contracts ({words.names(contracts)}) take the losing "
        f"position off the venue, rules that take cash ({words.names(cash)}) leave it "
        f"there while prices move. On the same seeds a run's deficit is {size} {more} "
        "under the cash rules, in the mean over them." + _vaults(told, cash, contracts)
    ]


def _vaults(told: Told, cash: list[str], contracts: list[str]) -> str:
    """What the vault, which keeps the positions that are left, ends with."""
    if not told.finished["vault_end_usd"].notna().any():
        return ""
    ends = told.values("vault_end_usd").mean()
    kept, rid = (
        " to ".join(dict.fromkeys(map(notation.usd, (ends[side].min(), ends[side].max()))))
        for side in (cash, contracts)
    )
    return (
        f" The vault, which holds them, ends with {kept} there and with {rid} under rules "
        "that close contracts."
    )


def _why_one(told: Told) -> list[str]:
    """What the allocation explains: a queue takes from one after the other."""
    rules = {name: _rule(table.get("allocation")) for name, table in _parts(told).items()}
    queues = [name for name in told.hitting if rules.get(name) == "queue"]
    rest = [name for name in told.hitting if rules.get(name, "queue") != "queue"]
    if not queues or not rest:
        return []
    return [
        "Why, of a single account, and of how many are hit: a queue "
        f"({words.names(queues)}) closes or takes all that it can of one before it asks "
        "the next, which may cost whoever had little profit all of it; the others "
        f"({words.names(rest)}) ask many at once for a part each."
    ]


def _why_again(told: Told) -> list[str]:
    """What the settlement explains of one account: cash comes out of it again and again."""
    settle = {name: _rule(table.get("settlement")) for name, table in _parts(told).items()}
    hits = told.batch.frame("waves", columns=["policy", "touched"])
    each = hits.groupby("policy", observed=True)["touched"].sum()
    each = (each / told.values("adl_accounts").sum()).dropna()
    sides = [
        [
            each[name]
            for name in told.hitting
            if settle.get(name) == rule and name in each.index
        ]
        for rule in ("cash", "contracts")
    ]
    if not all(sides) or min(sides[0]) <= max(sides[1]):
        return []
    cash, contracts = (
        notation.span(notation.amount(min(side)), notation.amount(max(side)))
        for side in sides
    )
    return [
        "Why, of an account's equity: rules that take cash come back to the same accounts "
        f"while prices move, in {cash} waves a run to each that they hit, call by call "
        f"({contracts} waves under rules that close contracts), and take profit that arose "
        "meanwhile. Added up, that can be all that an account had before it was first hit, "
        "or more, which counts as 100%."
    ]


def _why_left(told: Told) -> list[str]:
    """What the last wave of a run explains of a residual, where a rule closes contracts."""
    parts = _parts(told)
    by_contracts = [
        name
        for name in told.hitting
        if _rule(parts.get(name, {}).get("settlement")) == "contracts"
    ]
    last = _last_waves_of_short_runs(told, by_contracts)
    if last.empty:
        return []
    worst = str(last["policy"].value_counts().idxmax())
    last = last[last["policy"] == worst]
    later = last["residual_quanta"] == 0
    poor = ~later & ~last["feasible"].astype(bool)
    reasons = {
        "those whom the rule may ask had too little to close in the last wave": poor,
        "all was closed that the last wave asked for, and the price of closing did not "
        "bring in what was missing": ~later & ~poor,
        "the hole came after the last call": later,
    }
    said = [f"in {notation.count(n.sum())} {why}" for why, n in reasons.items() if n.any()]
    return [
        f"Why, of what is left at the end: {notation.count(len(last))} runs ended short "
        f"under {worst}; {'; '.join(said)}. A position can only be closed against one of "
        "the other side of its market; cash may come from anywhere."
    ]


def _last_waves_of_short_runs(told: Told, policies: list[str]) -> pd.DataFrame:
    """The last wave of each run that ended short and has one, under some policies."""
    columns = ["run", "policy", "wave", "feasible", "residual_quanta"]
    waves = told.batch.frame("waves", columns=columns).sort_values("wave")
    last = waves.groupby(["policy", "run"], observed=True).tail(1)
    left = told.finished.loc[told.finished["residual_usd"] > 0, ["run", "policy"]]
    found = left.astype({"policy": str}).merge(last.astype({"policy": str}))
    return found[found["feasible"].notna() & found["policy"].isin(policies)]


_PRICES = {
    "bankruptcy": "the price at which the bankrupt has nothing left",
    "entry": "the payer's entry price",
    "midpoint": "halfway between the zero prices of both sides",
    "mark": "the mark, so that nobody loses at once",
    "previous-mark": "the mark of the clock's tick before",
    "index": "the index",
    "index-or-bankruptcy": "the better for the bankrupt of index and bankruptcy price",
}


def _why_all(told: Told) -> list[str]:
    """What the price of closing explains of haircuts: they are what lies off the mark."""
    at: dict[str, list[str]] = {}
    for name, table in _parts(told).items():
        settlement = table.get("settlement")
        if name in told.hitting and _rule(settlement) == "contracts":
            price = settlement.get("price") if isinstance(settlement, dict) else None
            at.setdefault(str(price), []).append(name)
    told_of = [
        f"{_PRICES[price]} ({words.names(names)})"
        for price, names in at.items()
        if price in _PRICES
    ]
    if not told_of:
        return []
    return [
        "Why, of haircuts in all: who is closed gives what lies between the mark and the "
        f"price of closing, which is {'; '.join(told_of)}. It need not be what was "
        f"missing, as a cash haircut is.{_of_closed(told, at)}{_by_later_prices(told)}"
    ]


def _by_later_prices(told: Told) -> str:
    """What those hit had lost once prices had gone on, under the first few rules."""
    if not told.has("horizons", "haircut_usd"):
        return ""
    rows = fixed_path(told.batch)
    last = float(rows["horizon_s"].max())
    lost = rows[rows["horizon_s"] == last].set_index("policy")["net_usd"].dropna()
    parts = [
        f"{notation.usd(lost[name])} under {name}"
        for name in told.hitting
        if name in lost.index
    ][:_MOST_TOLD]
    if not parts or last == 0.0:
        return ""
    return (
        f" With what prices did in the {notation.duration(last)} after each wave, those "
        f"hit had lost {notation.listing(parts)} in a run."
    )


def _of_closed(told: Told, at: Mapping[str, list[str]]) -> str:
    """How much of what it closed the haircuts of each rule were, of the first few rules."""
    names = [name for found in at.values() for name in found][:_MOST_TOLD]
    given, closed = (
        told.values(column)[names].sum() for column in ("haircut_usd", "adl_notional_usd")
    )
    runs = told.finished.groupby("policy").size()
    parts = [
        f"{notation.share(given[name] / closed[name])} of the "
        f"{notation.usd(closed[name] / runs[name])} that {name} closes in a run"
        for name in names
        if closed[name] > 0.0
    ]
    return f" They are {notation.listing(parts)}." if parts else ""


_MOST_TOLD = 4


def _why_gone(told: Told, payers: Lazy) -> list[str]:
    """What the scenario says of who leaves."""
    if not told.hitting:
        return []
    shares = (told.values("accounts_left") / told.values("adl_accounts")).mean()
    parts = [
        f"{notation.share(shares[name])} under {name}" for name in told.hitting[:_MOST_TOLD]
    ]
    return [
        "Why, of who leaves: the chance to leave in the run grows with the part of a "
        "position that ADL closed, or of what an account could give that was taken in cash "
        "(`leave_hazard`); expected churn and retained value go by haircuts as shares of "
        "profit. How fast is an assumption. What prices did to whoever was closed drives "
        f"nobody away. Of those hit {notation.listing(parts)} left within the run"
        f"{_churning(told)}.{_typical(payers())}"
    ]


def _typical(payers: Payers) -> str:
    """What the median account hit gave of its profit, which the worst says nothing of."""
    paid = payers.paid[payers.paid["capacity_usd"] > 0.0]
    median = (paid["paid_usd"] / paid["capacity_usd"]).groupby(paid["policy"]).median()
    parts = [
        f"{notation.share(median[name])} under {name}"
        for name in payers.policies[:_MOST_TOLD]
        if name in median.index
    ]
    if not parts:
        return ""
    return (
        f" Of its profit the median account hit gave {notation.listing(parts)}: the worst "
        "haircut tells of one account, who leaves of them all."
    )


def _churning(told: Told) -> str:
    """What part of those hit leaves sooner or later, which retained value goes by."""
    churn = told.values("expected_churn") / told.values("adl_accounts")
    means = churn.mean()
    parts = [
        f"{notation.share(means[name])} under {name}"
        for name in told.hitting[:_MOST_TOLD]
        if means[name] == means[name]
    ]
    if not parts:
        return ""
    return f"; by their haircuts alone {notation.listing(parts)} would sooner or later"


def _parts(told: Told) -> Mapping[str, Mapping[str, Any]]:
    return dict(told.batch.manifest.get("policy_tables", {}))


def _rule(answer: Any) -> str:
    return str(answer.get("rule", "")) if isinstance(answer, dict) else str(answer or "")


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
            if part == "trigger" or _rule(table.get("trigger")) != "never"
            else "-"
            for part, head in _PARTS.items()
        }
        for name, table in _parts(told).items()
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
    under = f" under {least}" if least != most else ""
    rest = f", of {high} under {most}" if least != most else ""
    return (
        f" At the pace of the run, the fees of {low} pay for one mean deficit{under}{rest}."
    )


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
