"""What the parts of a policy may answer: each function here accepts an answer or refuses.

Accepted are arrays of the kinds that the parts' contracts name; what is given back is a
copy that the part no longer holds, or the array itself where nothing is kept.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeGuard

import numpy as np

from abm.adl.record import ADL_FILL, CASH_HAIRCUT, Payers
from abm.adl.settlement.base import Entries, Medium, Rounded, Settlement
from abm.adl.settlement.money import Charge
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.world import Array, World

_MOST = 1 << 62
"""Larger than any amount, and small enough that two of them sum to an int64."""


class RefusedError(ValueError):
    """An answer that must not be booked; the message says why."""


def trigger(answer: Any) -> bool:
    """Yes or no."""
    if not isinstance(answer, (bool, np.bool_)):
        raise RefusedError(f"answered {_shown(answer)}, must be True or False")
    return bool(answer)


def severity(answer: Any) -> float:
    """A share from 0 to 1."""
    is_number = isinstance(answer, Real) and not isinstance(answer, bool)
    if not is_number or not 0 <= answer <= 1:
        raise RefusedError(f"answered {_shown(answer)}, must be a share from 0 to 1")
    return float(answer)


def _shown(answer: Any) -> str:
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- who can pay ------------------------------------------------------------------------


def payers(
    wave: Wave, settlement: Settlement, given: Any, *, is_fresh: bool = False
) -> Payers:
    """Candidates, each named once, with no more than they hold or have.

    In contracts no more than the lots of the position; in cash no more than the equity of
    the account, or its profit less what was taken before if that is more (the endowment
    ``(PNL)_+`` of arXiv 2512.01112); in a charge no more than the account's equity for all
    of its positions together. Fresh arrays, which nobody else holds, are not copied.
    """
    found = _columns(given, is_fresh)
    row, group, capacity, worth = found[:4]
    seen = np.zeros(len(wave.candidates), np.int8)
    wrong = _wrong_payer(row, group, capacity, worth, seen, 2 * len(wave.mark))
    if wrong >= 0:
        raise RefusedError(_WRONG_PAYER[wrong])
    if settlement.medium == "contracts":
        _check_lots(wave, row, group, capacity)
    elif settlement.medium == "charge":
        _check_charged(wave, settlement, row, group, capacity)
    else:
        _check_cash(wave, row, group, capacity)
    return found


def _columns(given: Any, is_fresh: bool) -> Payers:
    """The columns, known to be of one length and of the right kinds."""
    if not isinstance(given, Payers):
        raise RefusedError(f"must give Payers, gave {type(given)}")
    if not all(isinstance(column, np.ndarray) for column in given):
        raise RefusedError("must give arrays in Payers")
    must, may = given[:4], (given.tier, given.weight)
    shape = given.row.shape
    is_whole = all(c.shape == shape for c in must) and len(shape) == 1
    if not is_whole or not all(c.shape in (shape, (0,)) for c in may):
        raise RefusedError("must give arrays of one length")
    if any(column.dtype.kind not in "iu" for column in must):
        raise RefusedError("must give whole numbers")
    tier, weight = may
    if tier.size and (tier.dtype.kind not in "iu" or (tier < 0).any()):
        raise RefusedError("must give tiers that are whole numbers, at least 0")
    if weight.size and weight.dtype.kind not in "iuf":
        raise RefusedError("must give weights that are numbers")
    if weight.size and not (np.isfinite(weight) & (weight > 0)).all():
        raise RefusedError("must give weights that are finite and more than 0")
    take = np.asarray if is_fresh else np.array
    row, group, capacity, worth, tier = (
        take(column, np.int64, order="C") for column in (*must, tier)
    )
    return Payers(row, group, capacity, worth, tier, take(weight, np.float64, order="C"))


_WRONG_PAYER = (
    "gave a row that is no candidate",
    "gave a number that is no group",
    "gave a negative capacity",
    "gave a negative worth",
    "gave a row twice",
    "gave more worth than there is money",
)


@kernel
def _wrong_payer(
    row: Array, group: Array, capacity: Array, worth: Array, seen: Array, groups: int
) -> int:
    """Which of `_WRONG_PAYER` the first wrong payer is, -1 if there is none.

    `seen` is a zero for each candidate.
    """
    total = 0.0
    for i in range(row.shape[0]):
        if row[i] < 0 or row[i] >= seen.shape[0]:
            return 0
        if group[i] < 0 or group[i] >= groups:
            return 1
        if capacity[i] < 0:
            return 2
        if worth[i] < 0:
            return 3
        if seen[row[i]] == 1:
            return 4
        seen[row[i]] = 1
        total += worth[i]
    return 5 if total >= _MOST else -1


def _lie_within(values: Array, end: int) -> bool:
    """True if all values are at least 0 and less than the end."""
    return len(values) == 0 or bool(values.min() >= 0 and values.max() < end)


def _check_lots(wave: Wave, row: Array, group: Array, capacity: Array) -> None:
    wrong = _wrong_lots(wave.candidates, row, group, capacity)
    if wrong >= 0:
        raise RefusedError(_WRONG_LOTS[wrong])


_WRONG_LOTS = (
    "gave a payer in the group of another market or side",
    "gave more capacity than a position has lots",
)


@kernel
def _wrong_lots(rows: Array, row: Array, group: Array, capacity: Array) -> int:
    """Which of `_WRONG_LOTS` the first wrong payer is, -1 if there is none."""
    for i in range(row.shape[0]):
        own = rows[row[i]]
        if group[i] != 2 * own.market + (1 if own.lots < 0 else 0):
            return 0
        if capacity[i] > abs(own.lots):
            return 1
    return -1


def _check_charged(
    wave: Wave, settlement: Settlement, row: Array, group: Array, capacity: Array
) -> None:
    rows = wave.candidates
    both = isinstance(settlement, Charge) and settlement.side == "both"
    side = 0 if both else rows["lots"][row] < 0
    if (group != 2 * rows["market"][row] + side).any():
        raise RefusedError("gave a payer in the group of another market or side")
    account, equity = rows["account"][row], rows["equity"][row]
    if (capacity > equity).any():
        raise RefusedError("gave more capacity than an account has")
    asked = np.zeros(int(account.max(initial=-1)) + 1, np.int64)
    np.add.at(asked, account, capacity)
    if (asked[account] > equity).any():
        raise RefusedError("gave more capacity than an account has, in all its positions")


def _check_cash(wave: Wave, row: Array, group: Array, capacity: Array) -> None:
    rows = wave.candidates
    if group.any():
        raise RefusedError("gave a group other than 0, which is that of cash")
    seen = np.zeros(wave.account_slots, bool)
    wrong = _wrong_cash(rows, row, capacity, seen)
    if wrong >= 0:
        raise RefusedError(_WRONG_CASH[wrong])


_WRONG_CASH = ("gave an account twice", "gave more capacity than an account has")


@kernel
def _wrong_cash(rows: Array, row: Array, capacity: Array, seen: Array) -> int:
    """Which of `_WRONG_CASH` the first wrong payer is, -1 if there is none.

    `seen` is false for each account.
    """
    for i in range(row.shape[0]):
        own = rows[row[i]]
        if seen[own.account]:
            return 0
        seen[own.account] = True
        if capacity[i] > max(own.equity, own.account_profit - own.given, 0):
            return 1
    return -1


# --- amounts ----------------------------------------------------------------------------


def whole(given: Any, count: int, noun: str) -> Array:
    """A copy as int64 of so many whole numbers from 0 to the largest amount."""
    values = given if isinstance(given, np.ndarray) else np.asarray(given)
    if values.shape != (count,):
        raise RefusedError(f"must give {count} {noun}s, gave the shape {values.shape}")
    kind = values.dtype.kind
    if kind not in "iuf" or (kind == "f" and not np.isfinite(values).all()):
        raise RefusedError(f"gave a {noun} that is not a number")
    if (least := values.min(initial=0)) < 0:
        raise RefusedError(f"gave a negative {noun} ({least})")
    if (most := values.max(initial=0)) > _MOST:
        raise RefusedError(f"gave a {noun} beyond any ({most})")
    if kind == "f" and (values != np.floor(values)).any():
        raise RefusedError(f"gave a fraction of a lot or quantum as {noun}")
    return values.astype(np.int64)


def tiers(capacity: Array, given: Any) -> list[Array]:
    """The capacity of every payer in each tier, in all no more than it has."""
    if not isinstance(given, (list, tuple)) or not len(given):
        raise RefusedError("must give a list of arrays, one a tier, at least one")
    if len(given) == 1 and given[0] is capacity:
        return [capacity]
    left, found = capacity.copy(), []
    for one in given:
        tier = whole(one, len(capacity), "capacity")
        if (tier > left).any():
            raise RefusedError("gave more than a payer's capacity in all tiers")
        left -= tier
        found.append(tier)
    return found


def score(given: Any, count: int) -> Array:
    """A number, or a row of them, for each payer."""
    values = given if isinstance(given, np.ndarray) else np.asarray(given)
    if values.ndim not in (1, 2) or len(values) != count:
        raise RefusedError(f"must give {count} scores, gave the shape {values.shape}")
    if values.ndim == 2 and values.shape[1] == 0:
        raise RefusedError("must give at least one column of scores")
    if values.dtype.kind not in "iufb":
        raise RefusedError(f"gave scores of type {values.dtype}, must be numbers")
    found = np.array(values, np.float64, order="C")
    if np.isnan(found).any():
        raise RefusedError("gave a NaN")
    return found


def amounts(given: Any, capacity: Array, budget: int) -> Array:
    """What payers give, within capacity and budget."""
    if (
        _is_of(given, np.int64, capacity.shape)
        and 0 <= _sum_within(given, capacity) <= budget
    ):
        return given.copy()
    found = whole(given, len(capacity), "amount")
    if (found > capacity).any():
        raise RefusedError("gave more than a payer's capacity")
    if int(found.sum()) > budget:
        raise RefusedError(f"gave more than the budget of {budget}")
    return found


def _is_of(values: Any, kind: type, shape: tuple[int, ...]) -> TypeGuard[Array]:
    """Whether values are an array as kernels take it."""
    if not isinstance(values, np.ndarray) or values.shape != shape:
        return False
    return values.dtype == kind and bool(values.flags.carray)


@kernel
def _sum_within(values: Array, most: Array) -> int:
    """The sum of values from zero to the most of each; -1 if one is not."""
    total = 0
    for i in range(values.shape[0]):
        if values[i] < 0 or values[i] > most[i]:
            return -1
        total += values[i]
    return total


# --- settlement -------------------------------------------------------------------------


def worst(wave: Wave, given: Any) -> Array:
    """A signed value for each candidate."""
    _check_integers(given, (len(wave.candidates),), "worst must give a whole value each")
    return np.ascontiguousarray(given, np.int64)


def _check_integers(given: Any, shape: tuple[int, ...], message: str) -> None:
    is_array = isinstance(given, np.ndarray) and given.dtype.kind in "iu"
    if not is_array or given.shape != shape:
        raise RefusedError(message)


def need(wave: Wave, medium: Medium, given: Any) -> tuple[Array, Array]:
    """The group of each need, and how much of it, at least 0.

    In contracts the lots of each bankrupt position, no more than it has.
    """
    if not isinstance(given, tuple) or len(given) != 2:
        raise RefusedError("need must give the groups and how much of each")
    groups, much = given
    count = len(wave.bankrupt) if medium == "contracts" else np.size(much)
    for array in (groups, much):
        _check_integers(array, (count,), "need must give arrays of one length")
    groups, much = (np.array(array, np.int64, order="C") for array in (groups, much))
    if medium == "contracts":
        wrong = _wrong_need(wave.bankrupt, groups, much)
        if wrong >= 0:
            raise RefusedError(_WRONG_NEED[wrong])
        return groups, much
    if much.min(initial=0) < 0 or much.sum(dtype=np.float64) >= _MOST:
        raise RefusedError(_WRONG_NEED[0])
    if not _lie_within(groups, 2 * len(wave.mark)):
        raise RefusedError("need gave a number that is no group")
    return groups, much


_WRONG_NEED = (
    "need gave a negative, or more than any",
    "need gave another group than the bankrupt position's",
    "need gave more lots than a bankrupt position has",
)


@kernel
def _wrong_need(rows: Array, groups: Array, much: Array) -> int:
    """Which of `_WRONG_NEED` the first wrong need of lots is, -1 if there is none."""
    total = 0.0
    for i in range(rows.shape[0]):
        own = rows[i]
        total += much[i]
        if much[i] < 0 or total >= _MOST:
            return 0
        if groups[i] != 2 * own.market + (1 if own.lots > 0 else 0):
            return 1
        if much[i] > abs(own.lots):
            return 2
    return -1


def rounded(given: Any, capacity: Array, before: Array) -> Array:
    """Amounts that can be booked, with a sum within the bounds given with them.

    Amounts accepted before, which are the same array still, are not looked at again.
    """
    if not isinstance(given, tuple) or len(given) != len(Rounded._fields):
        raise RefusedError("rounded must give amounts, and the least and most of them")
    found, least, most = given
    if isinstance(found, np.ndarray) and found.shape != capacity.shape:
        raise RefusedError("rounded must give an amount for each")
    if found is not before:
        found = whole(found, len(capacity), "amount")
    total = int(found.sum())
    is_within = found is before or not (found > capacity).any()
    if not least <= total <= most or not is_within:
        raise RefusedError(
            f"rounded {int(before.sum())} to {total}, must be from {least} to {most} "
            "and within capacities"
        )
    return found


def entries(wave: Wave, payers: Payers, decided: Array, given: Any) -> Entries:
    """Fills and haircuts that are what was decided, payer by payer."""
    if not isinstance(given, Entries):
        raise RefusedError(f"entries must give Entries, gave {type(given)}")
    fills, haircuts, excess, claims = given
    for array, kind in ((fills, ADL_FILL), (haircuts, CASH_HAIRCUT)):
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != kind:
            raise RefusedError(f"entries must give arrays of {kind.names}")
    if not all(isinstance(n, (int, np.integer)) for n in (excess, claims)):
        raise RefusedError("entries must give the cut of withdrawals in whole quanta")
    if not 0 <= excess <= claims < _MOST:
        raise RefusedError(f"entries cut withdrawals by {excess} / {claims}")
    total = int(np.abs(fills["lots"]).sum()) + int(haircuts["amount"].sum())
    if total != int(decided.sum()):
        raise RefusedError(
            f"{total} lots or quanta are to be booked, not {int(decided.sum())}"
        )
    paid = np.flatnonzero(decided)
    rows = wave.candidates[payers.row[paid]]
    if len(haircuts):
        theirs = np.column_stack([rows["account"], decided[paid]])
        if not np.array_equal(_pairs(haircuts, "account", "amount"), theirs):
            raise RefusedError("entries have haircuts other than what was decided")
    if len(fills):
        _check_fills(fills, rows, decided[paid])
    return Entries(fills.copy(), haircuts.copy(), int(excess), int(claims))


def parties(world: World, entries: Entries) -> None:
    """The other side of every fill is an account."""
    if not _lie_within(entries.fills["bankrupt"], len(world.ledger.accounts)):
        raise RefusedError("entries have a fill of no account")


def _pairs(rows: Array, *names: str) -> Array:
    return np.column_stack([rows[name] for name in names])


def _check_fills(fills: Array, rows: Array, decided: Array) -> None:
    """Fills add up to what was decided of each position."""
    asked: dict[tuple[int, int], int] = {}
    for account, market, lots, much in zip(
        rows["account"], rows["market"], rows["lots"], decided, strict=True
    ):
        asked[int(account), int(market)] = int(np.sign(lots) * much)
    for account, market, lots in fills[["account", "market", "lots"]].tolist():
        if (account, market) not in asked:
            raise RefusedError("entries have a fill of a position that was not asked")
        asked[account, market] -= lots
    if any(asked.values()):
        raise RefusedError("entries have fills other than what was decided")
