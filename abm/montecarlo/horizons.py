"""What ADL had cost those whom it hit, some time later: the table of horizons.

The fixed path values what was closed on the marks of the same run. A fork of the same
world, with another policy (or none) from the first call on, tells what the same traders
were worth there at the same moment, with all that prices and people did otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from abm.adl.record import Call
from abm.measures import counterfactual
from abm.measures.burden import Taken, taken_by
from abm.measures.watch import Lookout, Watch, Worth, lags
from abm.montecarlo import measured
from abm.units import usd
from abm.world import NONE, Array

Columns = dict[str, Any]
Row = dict[str, Any]


class Case(NamedTuple):
    """A run's rows, and what is needed to hold them against a fork.

    Attributes
    ----------
    rows : list of dict
        Of the table, without what only the fork can tell.
    taken : list of Taken or None
        One a row: all that was taken until that moment, by trader, where their worth is
        known.
    worths : list of Worth or None
        One a row: what those traders are worth at that moment.
    marks : list of array or None
        One a row: the marks at that moment, in ticks.
    """

    rows: list[Row]
    taken: list[Taken | None]
    worths: list[Worth | None]
    marks: list[Array | None]


def asked(cases: Sequence[Case]) -> dict[int, Array]:
    """By step, the traders whose worth in a fork is wanted."""
    found: dict[int, Array] = {}
    for worth in (worth for case in cases for worth in case.worths):
        if worth is not None:
            before = found.get(worth.step, np.zeros(0, np.int64))
            found[worth.step] = np.union1d(before, worth.account)
    return found


def of_run(
    calls: Sequence[Call], waves: Columns, watch: Watch, time: tuple[int, int]
) -> Case:
    """The fixed path of a finished run.

    Parameters
    ----------
    calls : sequence of Call
    waves : Columns
        The table of waves.
    watch : Watch
        That looked on, finished.
    time : tuple of int
        Milliseconds of a step, and steps of an episode: beyond its end prices are
        others.
    """
    step_ms, episode = time
    case = Case([], [], [], [])
    acted = [call for call in calls if call.outcome.decision.acted]
    if not acted:
        return case
    entries = [taken_by(call) for call in acted]
    counts = [len(each.account) for each in entries]
    until = np.repeat([_step(call, step_ms) for call in acted], counts)
    every = _by_trader(entries, watch.traders) if watch.appraises else None
    for place, number in enumerate(waves["wave"]):
        here = [i for i, call in enumerate(acted) if call.wave.number == number]
        if not any(counts[i] for i in here):
            continue
        wave = {name: column[place] for name, column in waves.items()}
        steps = np.array([_step(acted[i], step_ms) for i in here])
        end = episode * (int(steps[0]) // episode + 1)
        lasts = [int(steps[-1]) + lag for lag in lags(watch.horizons_s, step_ms)]
        marks = _later_marks(watch, steps - steps[-1], [s for s in lasts if s < end])
        told = _fixed([acted[i] for i in here], [entries[i] for i in here], wave, marks)
        for k, last in enumerate(lasts):
            row = {"wave": number, "horizon_s": watch.horizons_s[k]}
            row["time_s"] = last * step_ms / 1000.0
            row |= told.get(last, {})
            case.rows.append(row)
            so_far = int(np.searchsorted(until, last, "right"))
            case.taken.append(every and Taken(*(column[:so_far] for column in every)))
            # The fork is run for the first episode alone.
            worth = watch.worths.get((number, k))
            case.worths.append(worth if end == episode else None)
            case.marks.append(watch.marks.get(last) if last < end else None)
    return case


def _by_trader(parts: Sequence[Taken], traders: Array) -> Taken:
    """All entries together, isolated accounts as the trader they belong to."""
    joined = Taken(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    # Accounts that came with a later episode are nobody's: no fork knows them.
    trader = np.full(len(joined.account), NONE, np.int64)
    known = joined.account < len(traders)
    trader[known] = traders[joined.account[known]]
    return joined._replace(account=trader)


def _step(call: Call, step_ms: int) -> int:
    return round(call.wave.now_s * 1000.0 / step_ms)


def _later_marks(watch: Watch, apart: Array, lasts: Sequence[int]) -> dict[int, Array]:
    """By step of a wave's last call's look, the marks for each call, if all are known.

    Parameters
    ----------
    apart : array of int64, shape (calls,)
        Steps from the wave's last call to each one, at most 0.

    Returns
    -------
    dict of int to array of int64, shape (calls, markets)
    """
    found = {}
    for last in lasts:
        each = [watch.marks.get(step) for step in (last + apart).tolist()]
        known = [mark for mark in each if mark is not None]
        if len(known) == len(each):
            found[last] = np.array(known)
    return found


def _fixed(
    calls: Sequence[Call], taken: Sequence[Taken], wave: Row, marks: Mapping[int, Array]
) -> dict[int, Row]:
    """Haircut, need and regret of one wave, each call judged at its own later marks.

    Parameters
    ----------
    marks : mapping of int to array of int64, shape (calls, markets)
        By step of the look.
    """
    if not marks:
        return {}
    account = np.concatenate([each.account for each in taken])
    accounts = int(np.count_nonzero(np.bincount(account)))
    needs = usd(measured.needed_at(calls, np.stack(list(marks.values()), axis=1)))
    got = np.concatenate([each.got for each in taken])
    if any(len(call.outcome.fills) for call in calls):
        market, lots = (
            np.concatenate([getattr(each, name) for each in taken])
            for name in ("market", "lots")
        )
        of_call = np.repeat(np.arange(len(calls)), [len(each.account) for each in taken])
        lots *= calls[0].wave.unit[market]
        costs = [_cost(account, lots * m[of_call, market] - got) for m in marks.values()]
    else:
        # Cash is worth the same at any mark.
        costs = [_cost(account, -got)] * len(marks)
    found = {}
    for step, cost, needed in zip(marks, costs, needs.tolist(), strict=True):
        regrets = measured.regret_of(wave, needed)
        found[step] = {
            "accounts": accounts,
            **cost,
            "needed_usd": needed,
            "overshoot_usd": counterfactual.overshoot(cost["haircut_usd"], needed),
            **{f"{name}_usd": value for name, value in regrets.items()},
        }
    return found


def _cost(account: Array, loss: Array) -> Row:
    """What was taken had cost, from what each entry lost."""
    haircut = counterfactual.production_haircut(account, loss)
    return {"haircut_usd": usd(haircut), "net_usd": usd(counterfactual.net_haircut(loss))}


def columns_of(case: Case, fork: Lookout | None, unit: Array) -> Columns:
    """The columns of a run's rows, with what a fork tells if there was one.

    Parameters
    ----------
    unit : array of int64, shape (markets,)
        Quanta per tick and lot.
    """
    rows = []
    for row, taken, worth, mark in zip(*case, strict=True):
        there = fork.worths.get(worth.step) if fork and worth else None
        if worth and taken and there is not None and fork is not None:
            worths = mark * unit, fork.marks[worth.step] * unit
            row = row | _against(taken, worth, there, worths)
        rows.append(row)
    every = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in every}


def _against(taken: Taken, here: Worth, there: Worth, worths: tuple[Array, Array]) -> Row:
    """What ADL cost those traders so far: on either path, and in truth.

    On a path, what was closed is worth what the marks of this run, or of the fork, say.
    """
    mine = np.isin(taken.account, here.account)
    taken = Taken(*(column[mine] for column in taken))
    of_there = there.amount[np.searchsorted(there.account, here.account)]
    found: Row = {"traders": len(here.account)}
    for name, trader, loss in (
        ("path", taken.account, taken.losses(worths[0])),
        ("repriced", taken.account, taken.losses(worths[1])),
        ("true", here.account, of_there - here.amount),
    ):
        found[f"{name}_usd"] = usd(counterfactual.production_haircut(trader, loss))
        found[f"{name}_net_usd"] = usd(counterfactual.net_haircut(loss))
    for part in ("", "_net"):
        found[f"gap{part}_usd"] = found[f"true{part}_usd"] - found[f"path{part}_usd"]
    return found
