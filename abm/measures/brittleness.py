"""How far does a little reach? What a rule takes when the state is another by a hair.

A decision is a function of the wave, so a wave in which one account has a little more
collateral, or one mark stands a tick elsewhere, can be put to the same policy with the
same draws. A queue jumps where two accounts tie (arXiv 2602.15182: at a tie its answers
lie ``2 B`` apart, B being what is needed); pro-rata does not jump: if one account has a
dollar more capacity, amounts change by ``2 (B / U) (1 - c / U)`` in all, U being the sum
of capacities and c its own.

Amounts are what is taken: quanta of cash, or of the notional at the mark that is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from abm.adl.lights import order_of
from abm.adl.policy import Policy
from abm.adl.record import Call, Decision
from abm.adl.wave import Wave
from abm.units import usd
from abm.world import Array, copied

SHARE = 1e-3
"""Part of an account's equity that it is given more or less."""

EACH = 3
"""So many accounts at the edge of those who pay, and so many of all who could."""

DRAWS = 4
"""So many times everybody's collateral is nudged at once."""

_MOST_MARKETS = 3
_JITTER = 0x6A69
"""Key of the coins: no stream of the simulation's (see `abm.draws`)."""

What = Literal["collateral", "mark", "everyone"]

Taken = tuple[Array, Array]
"""Accounts, rising, and the quanta that are taken of each."""


class Jump(NamedTuple):
    """What a nudge did.

    Attributes
    ----------
    what : {"collateral", "mark", "everyone"}
        What was nudged.
    of : int
        The account, the market, or the number of the draw.
    by : int
        Quanta by which equity of accounts changed in all.
    largest, total : int
        The largest change of what any account gives, and the sum of all changes, quanta.
    swapped : int
        What moved from some accounts to others, quanta: all that some give more or all
        that others give less, whichever is smaller. The rest of the changes is that more
        or less was needed.
    asked : int
        What all gave before, quanta.
    """

    what: What
    of: int
    by: int
    largest: int
    total: int
    swapped: int
    asked: int

    @property
    def moved(self) -> float:
        """Part of what was given that others give now: 1 if all of it."""
        return self.swapped / self.asked if self.asked else float("nan")

    @property
    def per_dollar(self) -> float:
        """Dollars that moved, counted where they left and where they came, a dollar."""
        return 2.0 * self.swapped / self.by if self.by else float("nan")


class Brittleness(NamedTuple):
    """The nudges of a wave together; NaN where nothing was nudged or taken.

    `largest_usd` is the largest change of anybody's part, `moved` the largest part of the
    whole that moved to others; `per_usd` the largest and `typical_per_usd` the median of
    dollars that moved for each dollar of a nudge.
    """

    largest_usd: float
    moved: float
    per_usd: float
    typical_per_usd: float


UNKNOWN = Brittleness(*[float("nan")] * 4)


# --- nudges -----------------------------------------------------------------------------


def richer(wave: Wave, account: int, amount: int) -> Wave:
    """The wave in which an account deposited that many quanta more (or, below 0, less).

    Who is left with nothing is no candidate any more.
    """
    return _with_deposits(wave, np.where(wave.candidates["account"] == account, amount, 0))


def jittered(wave: Wave, share: float, draw: int) -> tuple[Wave, int]:
    """The wave in which everybody has a little more, or less, by the toss of a coin.

    The coins are those of account and `draw`. Also the sum of all changes, in quanta.
    """
    account, first, owner = np.unique(
        wave.candidates["account"], return_index=True, return_inverse=True
    )
    stream = np.random.Generator(np.random.Philox(key=[draw, _JITTER]))
    coins = stream.integers(0, 2, int(account.max(initial=0)) + 1)[account]
    amount = np.rint(share * wave.candidates["equity"][first]).astype(np.int64)
    deposits = np.where(coins > 0, amount, -amount)
    return _with_deposits(wave, deposits[owner]), int(amount.sum())


def _with_deposits(wave: Wave, amount: Array) -> Wave:
    """Deposits of the account of every candidate, alike for its positions, quanta."""
    rows = copied(wave.candidates)
    for name in ("cash", "equity", "principal"):
        rows[name] += amount
    return _with_candidates(wave, rows)


def at_mark(wave: Wave, market: int, ticks: int) -> Wave:
    """The wave in which a market's mark stands some ticks higher (or lower).

    Values, equities and debts follow; margins, and the values at which the bankrupt are
    to be closed, which do not depend on the mark, stay. Who has no equity stays out.
    """
    step = ticks * int(wave.unit[market])
    rows, ruined = copied(wave.candidates), wave.bankrupt.copy()
    gain = np.where(rows["market"] == market, rows["lots"] * step, 0)
    swell = np.abs(rows["value"] + gain) - np.abs(rows["value"])
    account, owner = np.unique(rows["account"], return_inverse=True)
    rows["value"] += gain
    for change, names in (
        (gain, ("equity", "account_profit", "account_net")),
        (swell, ("account_notional",)),
    ):
        total = np.zeros(len(account), np.int64)
        np.add.at(total, owner, change)
        for name in names:
            rows[name] += total[owner]
    less = np.where(ruined["market"] == market, ruined["lots"] * step, 0)
    ruined["value"] += less
    deficit = wave.deficit.copy()
    for i, short in enumerate(wave.short_account):
        deficit[i] = max(0, deficit[i] - int(less[ruined["account"] == short].sum()))
    mark = wave.mark.copy()
    mark[market] += ticks
    nudged = replace(wave, mark=mark, bankrupt=ruined, deficit=deficit)
    return _with_candidates(nudged, rows)


def _with_candidates(wave: Wave, rows: Array) -> Wave:
    kept = np.flatnonzero(rows["equity"] > 0)
    # numpy's own index goes field by field, twenty times as slowly.
    return replace(wave, candidates=np.take(rows, kept), older_gains=wave.older_gains[kept])


# --- what they do -----------------------------------------------------------------------


def taken(policy: Policy, wave: Wave, decision: Decision, lot: Array) -> Taken:
    """What a decision takes of every account, in quanta.

    Parameters
    ----------
    lot : array of int64, shape (markets,)
        Quanta that a closed lot counts as.
    """
    if not decision.acted:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.take(wave.candidates, decision.payers.row)
    amounts = decision.amounts
    if policy.stages[decision.stage].settlement.medium == "contracts":
        amounts = amounts * lot[rows["market"]]
    account, owner = np.unique(rows["account"], return_inverse=True)
    total = np.zeros(len(account), np.int64)
    np.add.at(total, owner, amounts)
    return account, total


def apart(one: Taken, other: Taken) -> Array:
    """What the one takes of each account more than the other, shape (accounts,)."""
    account = np.concatenate([one[0], other[0]])
    found, place = np.unique(account, return_inverse=True)
    change = np.zeros(len(found), np.int64)
    np.add.at(change, place, np.concatenate([one[1], -other[1]]))
    return change


def jumps(
    policy: Policy,
    wave: Wave,
    past: Sequence[Call] = (),
    *,
    share: float = SHARE,
    each: int = EACH,
) -> list[Jump]:
    """Nudge a wave in many ways, and ask the policy anew each time.

    One account at a time is given more and less collateral; the marks of the three markets
    with most to close move by a tick; and everybody's collateral moves a little at once,
    which finds the ties that single accounts are too far from.

    Parameters
    ----------
    policy : Policy
    wave : Wave
    past : sequence of Call
        The run's calls before it.
    share : float
        Part of its equity by which an account is nudged.
    each : int
        Accounts at the edge of those who pay, and of all who could.

    Raises
    ------
    PolicyError
        If a part raises or gives a NaN, a negative or too much.
    """
    before = policy.decide(wave, past)
    lot = wave.mark * wave.unit
    first = taken(policy, wave, before, lot)
    asked = int(first[1].sum())
    found = []
    for what, of, by, nudged in _nudges(wave, before, share, each):
        after = policy.decide(nudged, past)
        change = apart(taken(policy, nudged, after, lot), first)
        up, down = int(change[change > 0].sum()), -int(change[change < 0].sum())
        largest = int(np.abs(change).max(initial=0))
        found.append(Jump(what, of, by, largest, up + down, min(up, down), asked))
    return found


def _nudges(
    wave: Wave, decision: Decision, share: float, each: int
) -> Iterator[tuple[What, int, int, Wave]]:
    rows = wave.candidates
    for draw in range(DRAWS if len(rows) else 0):
        nudged, by = jittered(wave, share, draw)
        yield "everyone", draw, by, nudged
    for account in whom(wave, decision, each):
        equity = int(rows["equity"][rows["account"] == account][0])
        amount = max(1, round(share * equity))
        for signed in (amount, -amount):
            yield "collateral", account, amount, richer(wave, account, signed)
    lots = np.bincount(
        wave.bankrupt["market"], np.abs(wave.bankrupt["value"]), len(wave.mark)
    )
    largest = np.argsort(-lots, kind="stable")[:_MOST_MARKETS]
    for market in largest[lots[largest] > 0]:
        for ticks in (1, -1):
            here = rows["market"] == market
            by = int(np.abs(rows["lots"][here]).sum()) * int(wave.unit[market])
            if int(wave.mark[market]) + ticks > 0:
                yield "mark", int(market), by, at_mark(wave, int(market), ticks)


def whom(wave: Wave, decision: Decision, each: int) -> list[int]:
    """Accounts to nudge: those around the last who pays, and some of all who could.

    In the order of scores, where there are any, else of capacity; of the group of which
    most is taken.
    """
    payers, amounts = decision.payers, decision.amounts
    if not len(payers.row):
        return []
    account = wave.candidates["account"][payers.row]
    group = payers.group[np.argmax(amounts)]
    members = np.flatnonzero(payers.group == group)
    score = decision.score[members]
    if np.isnan(score).any():
        score = payers.capacity[members].astype(float)
    queue = members[order_of(score)]
    last = int(np.flatnonzero(amounts[queue]).max(initial=0))
    edge = queue[max(0, last - each // 2) : last + each - each // 2]
    spread = np.linspace(0, len(payers.row) - 1, each).astype(np.int64)
    return list(dict.fromkeys(int(who) for who in account[np.concatenate([edge, spread])]))


def brittleness(found: Sequence[Jump]) -> Brittleness:
    """What the nudges of a wave, or of several, say together."""
    known = [jump for jump in found if jump.asked]
    if not known:
        return UNKNOWN
    ratios = [jump.per_dollar for jump in known if jump.by]
    return Brittleness(
        largest_usd=float(usd(max(jump.largest for jump in known))),
        moved=max(jump.moved for jump in known),
        per_usd=max(ratios, default=float("nan")),
        typical_per_usd=float(np.median(ratios)) if ratios else float("nan"),
    )
