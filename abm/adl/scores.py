"""What ranks or weighs payers: scores of positions and of their accounts.

A score gives every payer a float, or a row of floats of which each breaks the ties of
those before it. Queues take the highest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from abm.adl.answers import Answer, build
from abm.adl.eligibility import Payers
from abm.adl.wave import Wave
from abm.compiled import kernel
from abm.draws import ADL_ORDER, ADL_START, words
from abm.units import QUANTA_PER_USD
from abm.world import Array

Score = Callable[[Wave, Payers], Array]
"""Gives floats of shape (payers,), or (payers, columns) for rules that look at several."""


Several = Annotated[list[Answer], Field(min_length=1)]
"""Answers that name scores, of which each breaks the ties of those before it."""


# --- what positions and accounts are like -----------------------------------------------


def _of(wave: Wave, payers: Payers, *names: str) -> list[Array]:
    """Fields of the payers' candidates as float64, each of shape (payers,)."""
    # Field by field: picking whole records is slow.
    return [wave.candidates[name][payers.row].astype(np.float64) for name in names]


def _divided(above: Array, below: Array) -> Array:
    """A ratio that is large, not infinite, where there is nothing to divide by."""
    return np.asarray(above / np.maximum(below, 1.0))


def profit() -> Score:
    """Unrealised profit of the position, ``value - cost`` in USD."""
    return _profit


def _profit(wave: Wave, payers: Payers) -> Array:
    value, cost = _of(wave, payers, "value", "cost")
    return np.asarray((value - cost) / QUANTA_PER_USD)


def account_profit() -> Score:
    """Unrealised profit of the account, net over its positions, in USD.

    The endowment by which the queues of arXiv 2512.01112 take the largest winner first.
    """
    return lambda wave, payers: _of(wave, payers, "account_profit")[0] / QUANTA_PER_USD


def wealth() -> Score:
    """Equity of the account in USD: the wealthiest first."""
    return lambda wave, payers: _of(wave, payers, "equity")[0] / QUANTA_PER_USD


def size() -> Score:
    """Notional of the position at the mark in USD: the largest first."""
    return lambda wave, payers: np.abs(_of(wave, payers, "value")[0]) / QUANTA_PER_USD


def contracts() -> Score:
    """Lots of the position: who holds most first, whatever it is worth."""
    return lambda wave, payers: np.abs(_of(wave, payers, "lots")[0])


def leverage() -> Score:
    """Gross notional of the account over its equity.

    ``lambda`` of arXiv 2512.01112, section 2, which weighs the risk of an account.
    """
    return _leverage


def _leverage(wave: Wave, payers: Payers) -> Array:
    return _divided(*_of(wave, payers, "account_notional", "equity"))


def effective_leverage() -> Score:
    """Notional of the position over what stands behind it.

    ``|mark value| / (mark value - bankrupt value)`` in BitMEX's "What is
    Auto-Deleveraging" (support.bitmex.com 18589621443357). In cross margin all of an
    account's equity stands behind each of its positions, so the divisor is that equity.
    """
    return _effective_leverage


def _effective_leverage(wave: Wave, payers: Payers) -> Array:
    value, equity = _of(wave, payers, "value", "equity")
    return _divided(np.abs(value), equity)


def return_on_entry() -> Score:
    """Unrealised profit of the position over its value at entry, ``(value - cost)/|cost|``.

    BitMEX's ``PNL%``; what resetting one's entry price would undo.
    """
    return _return_on_entry


def _return_on_entry(wave: Wave, payers: Payers) -> Array:
    value, cost = _of(wave, payers, "value", "cost")
    return _divided(value - cost, np.abs(cost))


def return_on_equity() -> Score:
    """Unrealised profit of the position over the account's equity.

    The queue of FLOX's liquidation engine (tests/test_liquidation_engine.cpp), which
    breaks ties by the lower account: lay ``oldest`` below it.
    """
    return _return_on_equity


def _return_on_equity(wave: Wave, payers: Payers) -> Array:
    value, cost, equity = _of(wave, payers, "value", "cost", "equity")
    return _divided(value - cost, equity)


def newest() -> Score:
    """The account that was opened last first; accounts are numbered as they open."""
    return lambda wave, payers: _of(wave, payers, "account")[0]


def oldest() -> Score:
    """The account that was opened first first; accounts are numbered as they open."""
    return lambda wave, payers: -_of(wave, payers, "account")[0]


def smallest_balance() -> Score:
    """The account with the least cash (profit not counted) first, in USD."""
    return lambda wave, payers: -_of(wave, payers, "cash")[0] / QUANTA_PER_USD


# --- what venues rank by ----------------------------------------------------------------


def hyperliquid() -> Score:
    """``(mark / entry) * (notional / account value)``; for shorts ``entry / mark``.

    Hyperliquid docs, "Auto-deleveraging", which prints the formula for longs; the inverse
    for shorts is the reading under which a larger gain ranks higher on both sides.
    """
    return _hyperliquid


def _hyperliquid(wave: Wave, payers: Payers) -> Array:
    score = np.empty(len(payers.row))
    _rank_hyperliquid(wave.candidates, payers.row, score)
    return score


@kernel
def _rank_hyperliquid(rows: Array, row: Array, score: Array) -> None:
    for i in range(row.shape[0]):
        own = rows[row[i]]
        value, cost = abs(float(own.value)), abs(float(own.cost))
        # An entry at no cost at all would make the ratio infinite.
        gain = value / max(cost, 1.0) if own.lots > 0 else cost / max(value, 1.0)
        score[i] = gain * value / own.equity


def binance() -> Score:
    """``max(0, uPnL) / max(1, wallet balance) * maintenance / (wallet balance + uPnL)``.

    Binance's API documents, "Position ADL Quantile Estimation": the percentage of profit
    times the margin ratio, which counts as 0 where the account's margin balance is not
    positive. The profit is the position's; balance and margin are the account's.
    """
    return _binance


def _binance(wave: Wave, payers: Payers) -> Array:
    cash, equity, margin = _of(wave, payers, "cash", "equity", "maintenance")
    percent = np.maximum(_profit(wave, payers), 0.0)
    percent = percent / np.maximum(cash / QUANTA_PER_USD, 1.0)
    return percent * np.where(equity > 0, _divided(margin, equity), 0.0)


def bybit() -> Score:
    """Return on entry times effective leverage.

    Bybit help center, "Auto-Deleveraging (ADL)": by profit and effective leverage. Taken
    as a product for losers too, who come last in any case.
    """
    return lambda wave, payers: (
        _return_on_entry(wave, payers) * _effective_leverage(wave, payers)
    )


def bitmex() -> Score:
    """``PNL% * EffLev`` in profit, ``PNL% / EffLev`` at a loss.

    BitMEX, "What is Auto-Deleveraging" (support.bitmex.com 18589621443357), and in the
    same words Aftermath Finance (docs.aftermath.finance, perpetuals, ADL). At a loss the
    division ranks the more levered higher, as the product does in profit.
    """
    return _bitmex


def _bitmex(wave: Wave, payers: Payers) -> Array:
    percent = _return_on_entry(wave, payers)
    lever = _effective_leverage(wave, payers)
    return np.where(percent > 0, percent * lever, _shrunk(percent, lever))


def _shrunk(percent: Array, lever: Array) -> Array:
    """A loss over leverage; a position without any notional has lost all there is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lever > 0, percent / lever, -np.inf)


def okx() -> Score:
    """Return over margin ratio in profit, return times margin ratio at a loss.

    The formula is not on the indexed part of OKX's own page; SunX's documents and
    mlmrehab.com/15032 give it. OKX's margin ratio is equity over maintenance margin, so
    that more is safer. xcoin (service.xcoin.com 14577196478351) prints the opposite
    operators because its ratio is the inverse: the two rank alike. The return is on the
    value at entry: a cross-margin account does not set margin aside for a position.
    """
    return _okx


def _okx(wave: Wave, payers: Payers) -> Array:
    percent = _return_on_entry(wave, payers)
    ratio = _divided(*_of(wave, payers, "equity", "maintenance"))
    return np.where(percent > 0, percent / np.maximum(ratio, 1e-12), percent * ratio)


def ethereal() -> Score:
    """Effective leverage, then unrealised profit, then lowest balance, then newest account.

    Ethereal docs, "Auto-Deleveraging": each breaks the ties of those before it.
    """
    return _ethereal


def _ethereal(wave: Wave, payers: Payers) -> Array:
    ranks = (_leverage, _profit, smallest_balance(), newest())
    return np.column_stack([rank(wave, payers) for rank in ranks])


# --- order by chance --------------------------------------------------------------------


def random() -> Score:
    """A random order, drawn anew for each wave.

    A Philox draw for each position, keyed by the wave's deficit and number: whoever holds
    the record of the wave can draw it again.
    """
    return _random


def _random(wave: Wave, payers: Payers) -> Array:
    score = np.empty(len(payers.row))
    positions = wave.candidates["position"][payers.row]
    _draw(wave.total_deficit, wave.number, positions, score)
    return score


@kernel
def _draw(seed: int, counter: int, entities: Array, out: Array) -> None:
    """A uniform on [0, 1) for each entity."""
    for i in range(entities.shape[0]):
        word = words(seed, ADL_ORDER, entities[i], counter)[0]
        out[i] = np.float64(word >> np.uint64(11)) / 9007199254740992.0


Scan = Annotated[int, Field(strict=True, ge=1, le=10**9)]


def random_start(*, scan: Scan = 500) -> Score:
    """From a random account on, in the order of accounts and around; a bounded scan.

    dYdX v4-chain at 84d4664, ``OffsetSubaccountPerpetualPosition`` in
    protocol/x/clob/keeper/deleveraging.go: a start drawn from the block, then one after
    the other, at most 500. Here the start is drawn once for each side of each market in a
    wave, and the scan is over those who may be asked. Those beyond it score minus
    infinity and are not asked.
    """

    def rank(wave: Wave, payers: Payers) -> Array:
        score = np.empty(len(payers.row))
        account = wave.candidates["account"][payers.row]
        for group in np.unique(payers.group):
            members = np.flatnonzero(payers.group == group)
            order = members[np.argsort(account[members], kind="stable")]
            start = _start(wave, int(group), len(order))
            distance = (np.arange(len(order)) - start) % len(order)
            score[order] = np.where(distance < scan, -distance, -np.inf)
        return score

    return rank


def _start(wave: Wave, group: int, count: int) -> int:
    word = words(wave.total_deficit, ADL_START, group, wave.number)[0]
    return int(word) % count


# --- several at once --------------------------------------------------------------------


def lexicographic(*, by: Several) -> Score:
    """Several scores, each of which breaks the ties of those before it."""
    ranks: list[Score] = [
        build(f"by[{i}]", one, ANSWERS, "score") for i, one in enumerate(by)
    ]
    return lambda wave, payers: np.column_stack([rank(wave, payers) for rank in ranks])


ANSWERS: dict[str, Callable[..., Score]] = {
    "hyperliquid": hyperliquid,
    "binance": binance,
    "bybit": bybit,
    "okx": okx,
    "bitmex": bitmex,
    "aftermath": bitmex,
    "ethereal": ethereal,
    "profit": profit,
    "account-profit": account_profit,
    "wealth": wealth,
    "size": size,
    "contracts": contracts,
    "leverage": leverage,
    "effective-leverage": effective_leverage,
    "return-on-entry": return_on_entry,
    "return-on-equity": return_on_equity,
    "smallest-balance": smallest_balance,
    "newest": newest,
    "oldest": oldest,
    "random": random,
    "random-start": random_start,
    "lexicographic": lexicographic,
}


def columns_of(answer: Answer) -> int:
    """How many columns the score of an answer has; a user's own has one."""
    if isinstance(answer, str):
        return 4 if answer == "ethereal" else 1
    if answer.get("rule") == "lexicographic":
        return sum(map(columns_of, answer.get("by", ())))
    return columns_of(str(answer.get("rule")))


NO_MEASURES = frozenset(("smallest-balance", "newest", "oldest", "random-start"))
"""Scores that put payers in an order only: no multiple of them says any less."""


def is_measure(answer: Answer) -> bool:
    """Whether half the (first) score of an answer is half as much; a user's own is."""
    if isinstance(answer, str):
        return answer not in NO_MEASURES
    if answer.get("rule") == "lexicographic":
        return is_measure(answer["by"][0])
    return is_measure(str(answer.get("rule")))


def weighed(score: Score) -> Score:
    """A score times the weights of payers, if they have any.

    Negative ones are divided, so that less weight ranks lower. Of several columns the
    first is weighed.
    """

    def rank(wave: Wave, payers: Payers) -> Array:
        own = score(wave, payers)
        if not len(payers.weight):
            return own
        first = own if own.ndim == 1 else own[:, 0]
        first = np.where(first >= 0, first * payers.weight, first / payers.weight)
        return first if own.ndim == 1 else np.column_stack([first, own[:, 1:]])

    return rank


OF_ACCOUNTS = frozenset(
    (
        "account-profit", "wealth", "leverage", "smallest-balance", "newest", "oldest",
        "random", "random-start", "lexicographic",
    )
)  # fmt: skip
"""Scores that look at accounts alone, so that they can rank those who give cash."""


def position_scores(answer: Any) -> Iterator[str]:
    """Names of scores in an allocation's answer that look at single positions."""
    if isinstance(answer, dict):
        for key in ("score", "by"):
            yield from position_scores(answer.get(key))
        yield from _named(answer.get("rule"))
        for part in (answer.get("inside"), *answer.get("parts", ())):
            yield from position_scores(part)
    elif isinstance(answer, list):
        for part in answer:
            yield from position_scores(part)
    else:
        yield from _named(answer)


def _named(name: Any) -> Iterator[str]:
    if name in ANSWERS and name not in OF_ACCOUNTS:
        yield str(name)
