"""The record of a call, from which its decision can be made again.

`flattened` turns a `Call` into plain columns: every field of the wave, of the decision,
of what was booked, and what was missing before and after. `rebuilt` turns them back, so
that `check` can ask the policy once more and name whatever differs. A decision is a
function of the wave and the calls before it alone, and what is booked of it, to whom, at
which value, a function of the decision and the wave, so nothing else needs to be kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from abm.adl.eligibility import Payers
from abm.adl.policy import Policy
from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Call, Decision, Outcome
from abm.adl.settlement import Entries, short_after
from abm.adl.wave import BANKRUPT, CANDIDATE, PolicyError, Wave
from abm.world import Array

Columns = dict[str, Any]

STRUCTURED = {
    "bankrupt": BANKRUPT,
    "candidates": CANDIDATE,
    "fills": ADL_FILL,
    "haircuts": CASH_HAIRCUT,
}
"""Fields that are arrays of records: one column a field of theirs."""

_SUMMED: dict[str, Callable[[Array], Array]] = {
    "account_notional": lambda rows: np.abs(rows["value"]),
    "account_net": lambda rows: rows["value"],
    "account_profit": lambda rows: rows["value"] - rows["cost"],
    "maintenance": lambda rows: rows["own_maintenance"],
    "initial": lambda rows: rows["own_initial"],
}
"""What an account's sums add up, position by position."""

ELSEWHERE = {
    f"candidates_{name}": f"candidates_elsewhere_{name.removeprefix('account_')}"
    for name in _SUMMED
}

RENAMED = {"number": "wave", "now_s": "time_s"}
"""Fields of a wave that tables call otherwise."""

_TOLERANCE = 1e-9
"""Scores and shares of another machine may differ in their last bits; amounts may not."""


class Difference(NamedTuple):
    """A place where the record is not what the policy answers.

    `place` is the field of the audit, such as ``amounts``; `account` is the account that
    it is about, or -1; `recorded` and `rebuilt` are what the record says and what it
    would have to say.
    """

    wave: int
    time_s: float
    place: str
    account: int
    recorded: Any
    rebuilt: Any


def flattened(call: Call) -> Columns:
    """A call as columns: numbers, and arrays of one dimension.

    A score of several columns is laid out row by row; `score_columns` counts them (0 if
    it has one dimension). What follows from the rest is left out (see `_without_sums`),
    and so are the candidates where the trigger said no, since nobody was asked.
    """
    decision, outcome = call.outcome.decision, call.outcome
    wave = call.wave if decision.acted else call.wave.without_candidates()
    found: Columns = {}
    for record in (wave, decision, outcome, call):
        for field in _recorded(type(record)):
            name = RENAMED.get(field.name, field.name)
            found |= _flat(name, getattr(record, field.name))
    found["score_columns"] = 0 if decision.score.ndim == 1 else decision.score.shape[1]
    return _without_sums(found, wave)


def _recorded(record: type[Any]) -> list[dataclasses.Field[Any]]:
    """Fields of a record, but for what calls in brief have: audited ones are whole."""
    return [field for field in dataclasses.fields(record) if field.name != "summary"]


def _without_sums(found: Columns, wave: Wave) -> Columns:
    """Columns without values at the marks, equities and sums over positions.

    Those change at every tick and hardly compress. Of an account's sums only the part
    that comes from positions that are no candidates is kept, which is mostly zero.
    """
    for array in ("bankrupt", "candidates"):
        del found[f"{array}_value"]
    del found["candidates_equity"]
    sums = _sums(wave.candidates)
    for name, total in sums.items():
        found[f"candidates_{name}"] = found[f"candidates_{name}"] - total
    return {ELSEWHERE.get(name, name): column for name, column in found.items()}


def _sums(rows: Array) -> dict[str, Array]:
    """Sums over the candidates of every row's account."""
    _, account = np.unique(rows["account"], return_inverse=True)
    return {
        name: _summed(account, part(rows)) for name, part in _SUMMED.items()
    }  # fmt: skip


def _summed(account: Array, part: Array) -> Array:
    total = np.zeros(len(account), np.int64)
    np.add.at(total, account, part)
    return total[account]


def _flat(name: str, value: Any) -> Columns:
    if name in STRUCTURED:
        return {f"{name}_{part}": value[part] for part in STRUCTURED[name].names or ()}
    if isinstance(value, Payers):
        return {f"{name}_{part}": column for part, column in value._asdict().items()}
    if dataclasses.is_dataclass(value):
        return {}
    return {name: np.ravel(value) if isinstance(value, np.ndarray) else value}


def rebuilt(row: Mapping[str, Any]) -> Call:
    """The call that was flattened; arrays as numpy arrays of their own types."""
    wave = Wave(**_fields(Wave, row))
    shape = len(wave.candidates), len(wave.ages_s)
    wave = dataclasses.replace(wave, older_gains=wave.older_gains.reshape(shape))
    payers = Payers(*(row[f"payers_{part}"] for part in Payers._fields))
    given = _fields(Decision, row) | {"payers": payers}
    if row["score_columns"]:
        given["score"] = row["score"].reshape(-1, row["score_columns"])
    outcome = Outcome(**_fields(Outcome, row) | {"decision": Decision(**given)})
    parts: dict[str, Any] = {"wave": wave, "outcome": outcome}
    return Call(**_fields(Call, row) | parts)


def _fields(record: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of a record that are columns, or made of some."""
    found: dict[str, Any] = {}
    for field in _recorded(record):
        column = RENAMED.get(field.name, field.name)
        if field.name in STRUCTURED:
            found[field.name] = _records(field.name, row)
        elif column in row:
            found[field.name] = row[column]
    return found


def _records(name: str, row: Mapping[str, Any]) -> Array:
    kind = STRUCTURED[name]
    columns = {part: f"{name}_{part}" for part in kind.names or ()}
    columns = {part: ELSEWHERE.get(column, column) for part, column in columns.items()}
    parts = {part: row[column] for part, column in columns.items() if column in row}
    lengths = {len(column) for column in parts.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns {name}_* have different lengths in a row")
    array = np.zeros(lengths.pop(), kind)
    for part, column in parts.items():
        array[part] = column
    if "value" in columns and "value" not in parts:
        _restore_sums(array, row["mark"] * row["unit"])
    return array


def _restore_sums(array: Array, worth: Array) -> None:
    """Fill in what `_without_sums` left out; `worth` of a lot by market, quanta."""
    market: Array = array["market"]
    np.multiply(array["lots"], worth[market], out=array["value"])
    if array.dtype != CANDIDATE:
        return
    for name, total in _sums(array).items():
        array[name] += total
    np.add(array["cash"], array["account_profit"], out=array["equity"])


def check(
    policy: Policy, recorded: Sequence[Call], owed: Mapping[int, int] | None = None
) -> Iterator[Difference]:
    """Ask a policy again in every call of a run, and name what it answers otherwise.

    Every call is decided on the recorded calls before it, so one false record is not
    blamed on those that follow.

    Parameters
    ----------
    owed : mapping, optional
        By the place of each call that is an episode's first, what the venue owed when the
        episode began (quanta).
    """
    for number, call in enumerate(recorded):
        try:
            decision = policy.decide(call.wave, recorded[:number])
        except PolicyError as error:
            yield _difference(call, "decision", -1, "booked", str(error))
            continue
        yield from _of_decision(call, decision)
        entries = policy.entries(call.wave, decision)
        yield from _of_booking(call, entries)
        carried = recorded[number - 1].short_after if number else 0
        carried = (owed or {}).get(number, carried)
        yield from _of_shortfall(call, entries, min(carried, call.short_before))


def _difference(
    call: Call, place: str, account: int, recorded: Any, wanted: Any
) -> Difference:
    return Difference(call.wave.number, call.wave.now_s, place, account, recorded, wanted)


def _of_decision(call: Call, decision: Decision) -> Iterator[Difference]:
    """Fields of the decision that differ, payers named by their accounts."""
    told = call.outcome.decision
    payers = call.wave.candidates["account"][decision.payers.row]
    for field in dataclasses.fields(Decision):
        if field.name != "payers":
            given, wanted = getattr(told, field.name), getattr(decision, field.name)
            about = payers if field.name in ("score", "amounts") else None
            yield from _of_field(call, field.name, given, wanted, about)
    for part in Payers._fields:
        given, wanted = getattr(told.payers, part), getattr(decision.payers, part)
        yield from _of_field(call, f"payers_{part}", given, wanted, payers)


def _of_field(
    call: Call, place: str, given: Any, wanted: Any, accounts: Array | None
) -> Iterator[Difference]:
    """A difference for each element that is another, or one for the whole.

    `accounts` says whom each element is about.
    """
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        sizes = f"{len(np.ravel(given))} values", f"{len(np.ravel(wanted))} values"
        yield _difference(call, place, -1, *sizes)
        return
    for at in np.argwhere(differ(given, wanted)):
        where = tuple(at)
        account = -1 if accounts is None else int(accounts[where[0]])
        yield _difference(call, place, account, given[where].item(), wanted[where].item())


def differ(given: Array, wanted: Array) -> Array:
    """Where two arrays differ; floats by more than the last bits, NaN is like NaN."""
    if wanted.dtype.kind != "f":
        return np.asarray(given != wanted)
    return ~np.isclose(given, wanted, rtol=_TOLERANCE, atol=0.0, equal_nan=True)


def _of_booking(call: Call, entries: Entries) -> Iterator[Difference]:
    """Cells of what was booked that are not what follows from the decision, row by row."""
    outcome = call.outcome
    for name, given, wanted in (
        ("fills", outcome.fills, entries.fills),
        ("haircuts", outcome.haircuts, entries.haircuts),
    ):
        if len(given) != len(wanted):
            sizes = f"{len(given)} rows", f"{len(wanted)} rows"
            yield _difference(call, name, -1, *sizes)
            continue
        for part in wanted.dtype.names or ():
            place = f"{name}_{part}"
            yield from _of_field(call, place, given[part], wanted[part], wanted["account"])
    cut = entries.withdrawal_cut(call.wave)
    yield from _of_field(call, "withdrawal_cut", outcome.withdrawal_cut, cut, None)


def _of_shortfall(call: Call, entries: Entries, carried: int) -> Iterator[Difference]:
    """What the wave says is missing is what its accounts owe, before and after."""
    owing = np.isin(call.wave.bankrupt["account"], call.wave.short_account)
    for account in call.wave.bankrupt["account"][~owing]:
        yield _difference(call, "short_account", int(account), "not there", "there")
    pairs = {
        "short_before": (call.short_before, call.wave.total_deficit),
        "short_after": (call.short_after, short_after(call.wave, entries)),
        "carried": (call.carried, carried),
    }
    for place, (given, wanted) in pairs.items():
        yield from _of_field(call, place, given, wanted, None)
