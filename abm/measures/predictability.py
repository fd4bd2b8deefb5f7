"""Could it be seen coming? What accounts were shown beforehand against what came.

A light that is read at the moment of a wave foretells a queue perfectly and helps nobody.
So what is judged was shown some time before the first wave: to every account that then
held a position, how many of its five lights were lit (`lights`), and the most that it was
told it could lose (`stated`). A light is lit if the need that it stands for would reach
the account: a tenth, three, five, seven or nine tenths of what those on its side of the
market can give together (of all accounts, where cash is taken). For a queue these are
the fifths of the queue that venues show (see `abm.adl.lights`), and the lit part is the
probability of being reached if every size of the need is equally likely; under pro-rata
all who are in profit have all five.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.wave import BANKRUPT, Wave
from abm.compiled import kernel
from abm.measures.accounts import each_once
from abm.measures.ranks import kendall, spearman
from abm.world import NONE, Array

Floats = NDArray[np.float64]

NEEDS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""The needs that the five lights stand for, as shares of what a side can give."""


class Shown(NamedTuple):
    """What accounts were shown, arrays of shape (accounts,).

    `account` rises; `notional` is the gross value of its positions at the marks and
    `stated` the money that it has to give under the rule (see `Payers.worth`), in quanta;
    `lights` is the lit part of its lights, from 0 to 1.
    """

    account: Array
    notional: Array
    lights: Floats
    stated: Array


class Came(NamedTuple):
    """What came, arrays of shape (accounts,).

    `touched` says whether ADL took anything; `burden` what part of its positions was
    closed, or of its capacity in cash was taken, from 0 to 1; `loss` the money lost
    against the mark, or taken, in quanta.
    """

    touched: NDArray[np.bool_]
    burden: Floats
    loss: Array


class Predictability(NamedTuple):
    """How well what was shown foretold what came; NaN where that has no meaning.

    `spearman` and `kendall` (tau-b) correlate lights with burdens; `brier` is that of the
    lights as probabilities of being touched; `coverage` the share of those touched who
    lost no more than was stated.
    """

    spearman: float
    kendall: float
    brier: float
    coverage: float


UNKNOWN = Predictability(*[float("nan")] * 4)


# --- what was shown ---------------------------------------------------------------------


def if_called(wave: Wave) -> Wave:
    """The wave that would be if someone on each side of every market went bankrupt now.

    At the mark, so that closing against them costs nobody more than the mark.
    """
    n_markets = len(wave.mark)
    rows = np.zeros(2 * n_markets, BANKRUPT)
    rows["position"] = rows["account"] = NONE
    rows["market"] = np.repeat(np.arange(n_markets), 2)
    rows["lots"] = np.tile([1, -1], n_markets)
    value = rows["lots"] * (wave.mark * wave.unit)[rows["market"]]
    for name in ("cost", "value", "bankruptcy"):
        rows[name] = value
    none = np.zeros(0, np.int64)
    return replace(
        wave, short_account=np.array([NONE]), deficit=np.ones(1, np.int64), bankrupt=rows,
        debt_market=none, debt_side=none, insurance_peak=0, is_alarmed=False, defended=0,
    )  # fmt: skip


def shown(policy: Policy, wave: Wave) -> Shown:
    """What a policy could show to everybody who holds a position.

    Parameters
    ----------
    policy : Policy
        Of its stages the first: not what it falls back to.
    wave : Wave
        The state when it is shown, with all positions as candidates.

    Raises
    ------
    PolicyError
        If a part of the policy cannot answer.
    """
    payers, asked = policy.reach(if_called(wave), NEEDS)
    account, first, owner = each_once(wave.candidates["account"])
    owner = owner[payers.row]
    lights = np.zeros(len(account))
    np.maximum.at(lights, owner, (asked > 0).mean(axis=0))
    stated = np.zeros(len(account), np.int64)
    np.add.at(stated, owner, payers.worth)
    return Shown(account, wave.candidates["account_notional"][first], lights, stated)


# --- what came --------------------------------------------------------------------------


def came(calls: Sequence[Call], account: Array, notional: Array, worth: Array) -> Came:
    """What the calls of a run did to some accounts.

    Parameters
    ----------
    calls : sequence of Call
    account : array of int64, shape (accounts,)
        Rising.
    notional : array of int64, shape (accounts,)
        What a burden in contracts is a share of, quanta.
    worth : array of int64, shape (markets,)
        Quanta that a lot was worth when that was said.
    """
    place = np.full(int(account.max(initial=0)) + 1, NONE)
    place[account] = np.arange(len(account))
    closed, given, had, loss = np.zeros((4, len(account)), np.int64)
    for call in calls:
        fills = call.outcome.fills
        who, known = _places(place, fills["account"])
        per_lot = (call.wave.mark * call.wave.unit)[fills["market"]]
        short_of_mark = fills["lots"] * per_lot - fills["value"] - fills["collateral"]
        np.add.at(closed, who, (np.abs(fills["lots"]) * worth[fills["market"]])[known])
        np.add.at(loss, who, short_of_mark[known])
        if len(call.outcome.haircuts):
            _add_cash(call, place, given, had)
    burden = closed / np.maximum(notional, 1)
    burden = np.maximum(burden, given / np.maximum(had, 1))
    return Came((closed > 0) | (given > 0), np.minimum(burden, 1.0), loss + given)


def _places(place: Array, account: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Where some accounts stand, those that do; and which do."""
    found = np.where(account < len(place), place[np.minimum(account, len(place) - 1)], NONE)
    known = found != NONE
    return found[known], known


def _add_cash(call: Call, place: Array, given: Array, had: Array) -> None:
    """Add what a call took in cash; `had` is the most that there was, with what was given.

    Cash comes again and again out of the same capacity.
    """
    decision = call.outcome.decision
    payers, paid = decision.payers, decision.paid
    payer = call.wave.candidates["account"][payers.row[paid]]
    capacity, amounts = payers.capacity[paid], decision.amounts[paid]
    _add_paid(payer, capacity, amounts, place, np.zeros_like(given), given, had)


@kernel
def _add_paid(
    payer: Array, capacity: Array, amounts: Array, place: Array, could: Array,
    given: Array, had: Array,
) -> None:  # fmt: skip
    """Add the payers of a call where `place` knows them; `could` is zero everywhere."""
    for i in range(payer.shape[0]):
        if payer[i] < place.shape[0] and place[payer[i]] != NONE:
            could[place[payer[i]]] += capacity[i]
    for i in range(payer.shape[0]):
        if payer[i] < place.shape[0] and place[payer[i]] != NONE:
            who = place[payer[i]]
            # Rows of one account stand together for what it had before the call.
            if could[who] > 0:
                had[who] = max(had[who], could[who] + given[who])
                could[who] = 0
            given[who] += amounts[i]


# --- one against the other --------------------------------------------------------------


def judge(before: Shown, after: Came) -> Predictability:
    """Hold what was shown against what came; unknown if nobody was touched."""
    if not after.touched.any():
        return UNKNOWN
    return Predictability(
        spearman=spearman(before.lights, after.burden),
        kendall=kendall(before.lights, after.burden),
        brier=brier(before.lights, after.touched),
        coverage=coverage(before.stated[after.touched], after.loss[after.touched]),
    )


def brier(probability: ArrayLike, happened: ArrayLike) -> float:
    """Mean squared error of probabilities (Brier, Monthly Weather Review 78, 1950).

    From 0, all foretold, to 1; 1/4 for always saying a half. NaN of nothing.
    """
    error = np.asarray(probability, float) - np.asarray(happened, float)
    return float(np.mean(error**2)) if len(error) else float("nan")


def coverage(stated: ArrayLike, lost: ArrayLike) -> float:
    """Share of losses that are no larger than was stated; NaN of nothing."""
    held = np.asarray(lost, float) <= np.asarray(stated, float)
    return float(held.mean()) if len(held) else float("nan")
