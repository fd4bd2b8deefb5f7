"""Why policies differ in a count, as far as what their rules are made of says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from analysis import intervals, notation
from analysis.measures import Told
from analysis.payers import Payers
from analysis.report import words
from analysis.report.asked import Lazy

_PRICES = {
    "bankruptcy": "the price at which the bankrupt has nothing left",
    "entry": "the payer's entry price",
    "midpoint": "halfway between the zero prices of both sides",
    "mark": "the mark, so that nobody loses at once",
    "previous-mark": "the mark of the clock's tick before",
    "index": "the index",
    "index-or-bankruptcy": "the better for the bankrupt of index and bankruptcy price",
}
_SCORES = {
    "hyperliquid": "mark over entry (for shorts entry over mark) times notional over "
                   "account value, so leverage counts as much as profit",
    "binance": "return on the wallet times how near the account is to maintenance",
    "bybit": "return on entry times effective leverage",
    "okx": "return over margin ratio",
    "bitmex": "return times effective leverage",
    "aftermath": "return times effective leverage",
    "ethereal": "effective leverage, then profit",
    "profit": "unrealised profit",
    "account-profit": "unrealised profit of the account",
    "wealth": "equity",
    "size": "notional",
    "leverage": "gross notional over equity",
    "effective-leverage": "notional over what stands behind it",
    "return-on-entry": "profit over value at entry",
    "return-on-equity": "profit over equity",
}  # fmt: skip


def reason(told: Told, payers: Lazy, column: str) -> str:
    """Why policies differ in a column of the runs; nothing where the rules do not say."""
    found = _REASONS[column](told, payers) if column in _REASONS else ""
    return f"**Why**: {found}" if found else ""


def parts(told: Told) -> Mapping[str, Mapping[str, Any]]:
    """The six answers of each policy, by its name."""
    return dict(told.batch.manifest.get("policy_tables", {}))


def rule(answer: Any) -> str:
    """The name of an answer, with parameters or without."""
    return str(answer.get("rule", "")) if isinstance(answer, dict) else str(answer or "")


def _by(told: Told, part: str) -> dict[str, list[str]]:
    """The policies that hit anybody, by one of their answers."""
    found: dict[str, list[str]] = {}
    for name in told.hitting:
        found.setdefault(rule(parts(told).get(name, {}).get(part)), []).append(name)
    return found


def _under(values: pd.Series, names: list[str], write: Callable[[float], str]) -> str:
    """``1.2% under one and 3.4% under other``, of the first few that are known."""
    known = [name for name in names if name in values.index and pd.notna(values[name])]
    said = [f"{write(values[name])} under {name}" for name in known[: words.MOST_NAMED]]
    rest = len(known) - words.MOST_NAMED
    return f"{notation.listing(said)}{f' ({rest} more not told)' if rest > 0 else ''}"


# --- solvency ---------------------------------------------------------------------------


def _deficit(told: Told, _: Lazy) -> str:
    """Contracts take the venue's position away, cash does not."""
    found = _by(told, "settlement")
    contracts, cash = found.get("contracts", []), found.get("cash", [])
    if not contracts or not cash:
        return ""
    deficits = told.values("deficit_usd")
    apart = intervals.paired_difference(
        deficits[cash].mean(axis=1, skipna=False),
        deficits[contracts].mean(axis=1, skipna=False),
    )
    if not apart.is_clear:
        return ""
    more = "more" if apart.mean > 0 else "less"
    ends = sorted((abs(apart.low), abs(apart.high)))
    size = words.bracketed(abs(apart.mean), *ends, notation.usd)
    return (
        f"rules that close contracts ({words.names(contracts)}) take the losing position "
        f"off the venue, rules that take cash ({words.names(cash)}) leave it there while "
        f"prices move. On the same seeds a run's deficit is {size} {more} under the cash "
        f"rules, in the mean over them.{_vaults(told, cash, contracts)}"
    )


def _vaults(told: Told, cash: list[str], contracts: list[str]) -> str:
    """What the vault, which keeps the positions that are left, begins and ends with."""
    if not told.finished["vault_end_usd"].notna().any():
        return ""
    start = told.values("vault_start_usd").mean().mean()
    ends = told.values("vault_end_usd").mean()
    if start == 0.0 and not ends.any():
        return ""
    kept, rid = (
        " to ".join(dict.fromkeys(map(notation.usd, (ends[side].min(), ends[side].max()))))
        for side in (cash, contracts)
    )
    gained = (
        ", by prices that came back after ADL had paid," if ends[cash].min() > start else ""
    )
    return (
        f" The vault, which holds them and begins with {notation.usd(start)}, ends with "
        f"{kept} there{gained} and with {rid} under rules that close contracts."
    )


def _residual(told: Told, _: Lazy) -> str:
    """What the last wave of a short run says, where a rule closes contracts."""
    last = _last_waves_of_short_runs(told, _by(told, "settlement").get("contracts", []))
    if last.empty:
        return ""
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
    return (
        f"{notation.count(len(last))} run{'s' if len(last) > 1 else ''} ended short under "
        f"{worst}; {'; '.join(said)}. A position can only be closed against one of the "
        "other side of its market; cash may come from anywhere."
    )


def _last_waves_of_short_runs(told: Told, policies: list[str]) -> pd.DataFrame:
    """The last wave of each run that ended short and has one, under some policies."""
    columns = ["run", "policy", "wave", "feasible", "residual_quanta"]
    waves = told.batch.frame("waves", columns=columns).sort_values("wave")
    last = waves.groupby(["policy", "run"], observed=True).tail(1)
    left = told.finished.loc[told.finished["residual_usd"] > 0, ["run", "policy"]]
    found = left.astype({"policy": str}).merge(last.astype({"policy": str}))
    return found[found["feasible"].notna() & found["policy"].isin(policies)]


def _time_to_cover(told: Told, _: Lazy) -> str:
    """The crash ends it, not the rule; and who gives up is not counted."""
    times = told.values("time_to_cover_s")[told.hitting]
    waves = told.values("waves")[told.hitting]
    there = _under(times.notna().sum() / (waves > 0).sum(), told.hitting, notation.share)
    if not there:
        return ""
    return (
        "the time ends with the last position that fails, whether the venue was short all "
        "the while or again and again. Of the runs with a wave this counts those that ADL "
        f"covered, {there}: a rule that leaves hard runs open looks quicker than it is."
    )


# --- who carries it ---------------------------------------------------------------------


def _queues_and_others(told: Told) -> tuple[list[str], list[str]]:
    by = _by(told, "allocation")
    return by.get("queue", []), [n for n in told.hitting if n not in by.get("queue", [])]


def _worst_of_profit(told: Told, _: Lazy) -> str:
    """What a queue does to one account, and whom it takes first."""
    queues, others = _queues_and_others(told)
    if not queues or not others:
        return ""
    closing = [n for n in queues if n in _by(told, "settlement").get("contracts", [])]
    small = (
        " Closed at another price than the mark, all of a position loses the gap between "
        "the two, which can be all of a profit that is small beside the position."
    )
    return (
        f"a queue ({words.names(queues)}) closes or takes all that it can of one account "
        f"before it asks the next.{_first_in(told, queues)}{small if closing else ''} The "
        f"others ({words.names(others)}) ask many at once for a part each."
    )


def _first_in(told: Told, queues: list[str]) -> str:
    """By which score the first few queues go."""
    by: dict[str, list[str]] = {}
    for name in queues[: words.MOST_NAMED]:
        allocation = parts(told)[name]["allocation"]
        score = allocation.get("score") if isinstance(allocation, dict) else None
        by.setdefault(_SCORES.get(rule(score), ""), []).append(name)
    said = [f"{score} ({words.names(names)})" for score, names in by.items() if score]
    return f" First comes who has most of {'; '.join(said)}." if said else ""


def _worst_of_equity(told: Told, _: Lazy) -> str:
    """Cash comes out of one account again and again."""
    settle = _by(told, "settlement")
    hits = told.batch.frame("waves", columns=["policy", "touched"])
    each = hits.groupby("policy", observed=True)["touched"].sum()
    each = (each / told.values("adl_accounts").sum()).dropna()
    sides = [
        [each[name] for name in settle.get(side, []) if name in each.index]
        for side in ("cash", "contracts")
    ]
    if not all(sides) or min(sides[0]) <= max(sides[1]):
        return ""
    cash, contracts = (
        notation.span(notation.amount(min(side)), notation.amount(max(side)))
        for side in sides
    )
    return (
        "rules that take cash come back to the same accounts while prices move, in "
        f"{cash} waves a run to each that they hit, call by call ({contracts} waves under "
        "rules that close contracts), and take profit that arose meanwhile. Added up, that "
        "can be all that an account had before it was first hit, or more, which counts as "
        "100%."
    )


def _hit(told: Told, _: Lazy) -> str:
    """A queue stops when it has enough; others ask everybody."""
    queues, others = _queues_and_others(told)
    if not queues or not others:
        return ""
    return (
        f"a queue ({words.names(queues)}) stops where it has enough, the others "
        f"({words.names(others)}) ask many for a part each. What has to be raised differs "
        "as deficits do."
    )


def _haircuts(told: Told, _: Lazy) -> str:
    """What lies off the mark, where contracts are closed."""
    at: dict[str, list[str]] = {}
    for name in _by(told, "settlement").get("contracts", []):
        settlement = parts(told)[name].get("settlement")
        price = settlement.get("price") if isinstance(settlement, dict) else None
        at.setdefault(str(price), []).append(name)
    said = [
        f"{_PRICES[price]} ({words.names(names)})"
        for price, names in at.items()
        if price in _PRICES
    ]
    if not said:
        return ""
    return (
        "who is closed gives what lies between the mark and the price of closing, which is "
        f"{'; '.join(said)}. It need not be what was missing, as a cash haircut is."
        f"{_of_closed(told, at)}{_by_later_prices(told)}"
    )


def _of_closed(told: Told, at: Mapping[str, list[str]]) -> str:
    """How much of what it closed the haircuts of each rule were, of the first few rules."""
    names = [name for found in at.values() for name in found][: words.MOST_NAMED]
    given, closed = (
        told.values(column)[names].sum() for column in ("haircut_usd", "adl_notional_usd")
    )
    runs = told.finished.groupby("policy").size()
    said = [
        f"{notation.share(given[name] / closed[name])} of the "
        f"{notation.usd(closed[name] / runs[name])} that {name} closes in a run"
        for name in names
        if closed[name] > 0.0
    ]
    return f" They are {notation.listing(said)}." if said else ""


def _by_later_prices(told: Told) -> str:
    """What those hit had lost once prices had gone on, under the first few rules."""
    if not told.has("horizons", "haircut_usd"):
        return ""
    rows = told.fixed_path
    last = float(rows["horizon_s"].max())
    lost = rows[rows["horizon_s"] == last].set_index("policy")["net_usd"]
    said = _under(lost, told.hitting, notation.usd)
    if not said or last == 0.0:
        return ""
    return (
        f" With what prices did in the {notation.duration(last)} after each wave, those "
        f"hit had lost {said} in a run."
    )


# --- retention --------------------------------------------------------------------------


def _left(told: Told, _: Lazy) -> str:
    """What the scenario says of who leaves at once, and of how many."""
    hit = told.values("adl_accounts")
    shares = (told.values("accounts_left") / hit).mean()
    said = _under(shares, told.hitting, notation.share)
    if not said:
        return ""
    many = _under(hit.mean(), told.hitting, notation.count)
    return (
        "the chance to leave in the run grows with the part of a position that ADL closed, "
        "or of what an account could give that was taken in cash (`leave_hazard`, an "
        "assumption); what prices did to whoever was closed drives nobody away. Of those "
        f"hit left {said}; {many} were hit in a run."
    )


def _retained(told: Told, payers: Lazy) -> str:
    """How haircuts become value lost, and what part of the crowd and its value that is."""
    given = told.batch.scenario.get("retention", {})
    churn = (told.values("expected_churn") / told.values("adl_accounts")).mean()
    going = _under(churn, told.hitting, notation.share)
    if not going or "beta" not in given:
        return ""
    return (
        "of those hit, who gave a share s of its "
        f"{'equity' if given.get('base') == 'equity' else 'profit'} leaves sooner or later "
        f"with a chance of 1 - exp(-{given['beta']:g} s) (`retention`, an assumption); "
        f"shares of several waves add up. {_typical(payers())}So {going} of those hit are "
        f"expected to go.{_value_of_leavers(told)} Value is what they would pay in "
        f"{given['horizon_days']:g} days."
    )


def _typical(payers: Payers) -> str:
    """What the median account hit gave of its profit, which the worst says nothing of."""
    paid = payers.paid[payers.paid["capacity_usd"] > 0.0]
    median = (paid["paid_usd"] / paid["capacity_usd"]).groupby(paid["policy"]).median()
    said = _under(median, payers.policies, notation.share)
    if not said:
        return ""
    return (
        f"The median account hit gave {said} of its profit in a run: the worst haircut "
        "tells of one account, this of them all. "
    )


def _value_of_leavers(told: Told) -> str:
    """Who is expected to go as a part of all accounts, and of what all are worth."""
    if not told.has("retention", "accounts"):
        return ""
    rows = told.batch.frame("retention", columns=["run", "policy", "accounts"])
    everybody = rows.groupby("policy", observed=True)["accounts"].sum()
    of_all = told.values("expected_churn").sum() / everybody
    of_value = 1.0 - told.values("retained_value_share").mean()
    said = [
        f"{notation.share(of_all[name])} of all accounts and "
        f"{notation.share(of_value[name])} of all value under {name}"
        for name in told.hitting[: words.MOST_NAMED]
        if name in of_all.index
    ]
    return f" They are {notation.listing(said)}{_of_the_large(told)}." if said else ""


_LARGE_USD = 1e6


def _of_the_large(told: Told) -> str:
    """How many of the large accounts each of the first few rules hits."""
    columns = ["policy", "size_from_usd", "accounts", "hit"]
    rows = told.batch.frame("retention", columns=columns)
    large = rows[rows["size_from_usd"] >= _LARGE_USD].groupby("policy", observed=True)
    sums = large[["accounts", "hit"]].sum()
    said = _under(sums["hit"] / sums["accounts"], told.hitting, notation.share)
    return (
        f"; of accounts of {notation.usd(_LARGE_USD)} or more {said} are hit"
        if said
        else ""
    )


_REASONS: dict[str, Callable[[Told, Lazy], str]] = {
    "deficit_usd": _deficit,
    "residual_usd": _residual,
    "time_to_cover_s": _time_to_cover,
    "largest_haircut_share": _worst_of_profit,
    "largest_equity_share": _worst_of_equity,
    "adl_accounts": _hit,
    "haircut_usd": _haircuts,
    "accounts_left": _left,
    "retained_value_usd": _retained,
}
