"""Who paid: from the calls of a run to the table of haircuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.summary import summarise
from abm.measures.accounts import each_once, fresh_rows
from abm.units import usd
from abm.world import Array, pair_keys

Columns = dict[str, Any]


def haircuts_of(calls: Sequence[Call], policy: Policy, kind: Array) -> Columns:
    """Who paid in each wave: one row an account, its calls taken together.

    Parameters
    ----------
    calls : sequence of Call
        Of one run, in order.
    policy : Policy
        Whose they are.
    kind : array of str, shape (accounts,)
        The kind of every account.

    Returns
    -------
    dict of str to array
        The columns of the table, none if there were no calls.
    """
    numbers = sorted({call.wave.number for call in calls})
    waves = []
    for number in numbers:
        here = [call for call in calls if call.wave.number == number]
        paid = _by_account(here, policy, len(kind))
        waves.append({"wave": np.full(len(paid["account"]), number)} | paid)
    found = stack(waves)
    if found:
        found["kind"] = kind[found["account"]]
        amount, capacity = found["amount_quanta"], found.pop("capacity")
        found["capacity_usd"], found["amount_usd"] = usd(capacity), usd(amount)
        found["share"] = _part(amount, capacity)
    return found


class _Paid(NamedTuple):
    """What a call took: one row a position (contracts) or an account (cash).

    `capacity`, `amount` and `closed_usd` (None where nothing was closed) are of shape
    (paid,); `row` points into the candidates of the call's wave.
    """

    row: Array
    account: Array
    capacity: Array
    amount: Array
    closed_usd: Array | None


def _paid(call: Call) -> _Paid:
    wave, decision = call.wave, call.outcome.decision
    paid = decision.paid
    row, amount = decision.payers.row[paid], decision.amounts[paid]
    account = wave.candidates["account"][row]
    if not len(call.outcome.fills):
        return _Paid(row, account, decision.payers.capacity[paid], amount, None)
    # numpy's own index goes field by field, twenty times as slowly.
    rows = np.take(wave.candidates, row)
    market, lots = rows["market"], np.sign(rows["lots"]) * amount
    value = _of_fills(call, rows, "value")
    got = value + _of_fills(call, rows, "collateral")
    # What the payer gets is worth less than the mark by this much.
    loss = lots * wave.mark[market] * wave.unit[market] - got
    return _Paid(row, account, rows["value"] - rows["cost"], loss, usd(np.abs(value)))


def _when_hit(call: Call, policy: Policy, paid: _Paid, rows: Array) -> Columns:
    """What some rows of a call tell of their accounts as they were then."""
    candidates, row = call.wave.candidates, paid.row[rows]
    return {
        "time_s": call.wave.now_s,
        "rank": summarise(call, policy).rank[rows],
        "equity_usd": usd(candidates["equity"][row]),
        "principal_usd": usd(candidates["principal"][row]),
        "by_contract": paid.closed_usd is not None,
    }


def _by_account(calls: Sequence[Call], policy: Policy, accounts: int) -> Columns:
    """Add up what each account paid in a wave; the rest is as it was when first hit.

    Contracts that are closed are gone, so the profits of an account's closed positions
    add up to its capacity. Cash comes again and again out of the same profit, so there
    capacity is the most that was left in a call, with what had been given before.

    Call by call, since together they would take more room than the world.
    """
    total, most, given = np.zeros((3, accounts), np.int64)
    closed = np.zeros(accounts)
    is_hit = np.zeros(accounts, bool)
    when_hit = {name: np.zeros(accounts, kind) for name, kind in _WHEN_HIT.items()}
    for call in calls:
        if not len(call.outcome.decision.paid):
            continue
        paid = _paid(call)
        account = paid.account
        if len(rows := fresh_rows(account, is_hit)):
            for name, told in _when_hit(call, policy, paid, rows).items():
                when_hit[name][account[rows]] = told
        before = given[account]
        if policy.stages[call.outcome.decision.stage].settlement.medium != "cash":
            before += _given_before(account, paid.amount)
        np.maximum.at(most, account, paid.capacity + before)
        np.add.at(total, account, paid.capacity)
        np.add.at(given, account, paid.amount)
        if paid.closed_usd is not None:
            np.add.at(closed, account, paid.closed_usd)
    hit = np.flatnonzero(is_hit)
    found = {name: column[hit] for name, column in when_hit.items()}
    by_contract = found.pop("by_contract")
    return found | {
        "account": hit,
        "amount_quanta": given[hit],
        "closed_usd": closed[hit],
        "capacity": np.where(by_contract, total[hit], most[hit]),
    }


_WHEN_HIT = {
    "time_s": float,
    "rank": np.int64,
    "equity_usd": float,
    "principal_usd": float,
    "by_contract": bool,
}
"""What is told of an account as it was when it was first hit in a wave."""


def _given_before(account: Array, amount: Array) -> Array:
    """What each row's account had given in earlier rows."""
    order = np.argsort(account, kind="stable")
    amount = amount[order]
    running = np.cumsum(amount) - amount
    starts = np.flatnonzero(np.diff(account[order], prepend=-1))
    offset = np.repeat(running[starts], np.diff(starts, append=len(order)))
    before = np.empty_like(amount)
    before[order] = running - offset
    return np.asarray(before)


def _of_fills(call: Call, rows: Array, name: str) -> Array:
    """The sum of a field of the fills of some positions in a call."""
    fills, n_markets = call.outcome.fills, len(call.wave.mark)
    pairs, fill = np.unique(pair_keys(fills, n_markets), return_inverse=True)
    total = np.zeros(len(pairs), np.int64)
    np.add.at(total, fill, fills[name])
    return np.asarray(total[np.searchsorted(pairs, pair_keys(rows, n_markets))])


def profit_shares(paid: Columns) -> tuple[Array, Array]:
    """What each account gave in the whole run, as a share of profit and of equity.

    Positions that are closed are gone, so their profits add up. What cash an account can
    give is what it has left, so its profit is the most of that and what it gave before.
    Equity is that before the account was first hit.
    """
    if not len(paid.get("account", [])):
        return np.zeros(0), np.zeros(0)
    _, first, account = each_once(paid["account"])
    given = np.bincount(account, weights=paid["amount_usd"])
    had = np.zeros(len(given))
    if np.any(paid["closed_usd"]):
        np.add.at(had, account, paid["capacity_usd"])
    else:
        left = paid["capacity_usd"] + usd(_given_before(account, paid["amount_quanta"]))
        np.maximum.at(had, account, left)
    return _part(given, had), _part(given, paid["equity_usd"][first])


def _part(amount: Array, whole: Array) -> Array:
    """What part of the whole an amount is, from 0 to 1.

    All of it where more was taken than there was: of a payer without profit, say.
    """
    part = amount / np.where(whole > 0, whole, 1)
    return np.where(amount <= 0, 0.0, np.where(whole > 0, np.minimum(part, 1.0), 1.0))


def stack(parts: list[Columns]) -> Columns:
    """Columns one below the other; none of nothing."""
    if not parts:
        return {}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
