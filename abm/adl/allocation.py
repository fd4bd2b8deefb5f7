"""How is it shared? Allocation rules, by name and with their parameters.

The rules themselves are pure functions of arrays in `abm.adl.sharing`. A part of a policy
is a rule with its parameters and the score that it ranks or weighs payers by.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from abm.adl import scores
from abm.adl.answers import (
    Answer,
    CompositionError,
    build,
    users_function,
)
from abm.adl.eligibility import Payers
from abm.adl.scores import Score
from abm.adl.sharing import (
    alike,
    convex,
    levelling,
    leverage,
    minmax,
    mixing,
    payouts,
    projection,
    proportional,
    queue,
    weights,
)
from abm.adl.wave import Wave
from abm.fields import Number, Positive, Share, Text
from abm.world import Array

Sharing = Callable[[Array, Array, int], Array]
"""Takes capacities, scores and a budget in whole units; gives whole amounts."""


class Allocation(NamedTuple):
    """A rule and the score it works on (None if it looks at capacities alone).

    `share(capacity, score, budget)` gives whole amounts for one group of payers, with
    ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``. The score has a row
    a payer and so many columns, flat if one. `ranks` says that who scores more pays more
    or earlier, so that the weights of payers can multiply the score: see `_ranked`.
    """

    share: Sharing
    score: Score | None = None
    columns: int = 1
    ranks: bool = False


def _ranked(share: Sharing, score: Score, columns: int = 1) -> Allocation:
    """A rule under which who scores more pays more, by scores times weights of payers."""
    weighed = scores.weighed(score)
    return Allocation(share, weighed, columns, ranks=True)


# --- queues -----------------------------------------------------------------------------


def by_queue(*, score: Answer) -> Allocation:
    """The highest score pays all it can, then the next; the last pays a part.

    The rule of Hyperliquid, Binance, Bybit, OKX and BitMEX, each with a score of its own.
    Asks the fewest accounts if the score is capacity.
    """
    rank = build("allocation.score", score, scores.ANSWERS)
    return _queue_by(rank, score)


def _queue_by(rank: Score, answer: Answer) -> Allocation:
    columns = scores.columns_of(answer)
    if scores.is_measure(answer):
        return _ranked(_in_a_queue, rank, columns)
    return Allocation(_in_a_queue, rank, columns)


def _in_a_queue(capacity: Array, score: Array, budget: int) -> Array:
    if score.ndim == 2:
        return queue.lexicographic_queue(capacity, score, budget)
    return queue.queue(capacity, score, budget)


def lexicographic(*, by: scores.Several) -> Allocation:
    """A queue by several scores, each of which breaks the ties of those before it.

    Ethereal's order is ``by = ["leverage", "profit", "smallest-balance", "newest"]``.
    """
    return _queue_by(scores.lexicographic(by=by), {"rule": "lexicographic", "by": by})


def in_random_order() -> Allocation:
    """A queue in an order drawn by lot for each wave."""
    return _ranked(_in_a_queue, scores.random())


def from_random_start(*, scan: scores.Scan = 500) -> Allocation:
    """One account after the other from a random one on; no more than `scan` are asked.

    dYdX v4 (dydxprotocol/v4-chain at 84d4664, protocol/x/clob/keeper/deleveraging.go),
    which scans at most 500.
    """
    return Allocation(_as_far_as_scanned, scores.random_start(scan=scan))


def _as_far_as_scanned(capacity: Array, score: Array, budget: int) -> Array:
    return queue.queue(np.where(np.isfinite(score), capacity, 0), score, budget)


# --- in proportion ----------------------------------------------------------------------


def by_proportion(
    *, by: Literal["capacity", "contracts", "equity", "profit"] = "capacity"
) -> Allocation:
    """Everyone pays in proportion: to capacity, contracts held, equity or profit.

    By capacity the largest share is as small as it can be (arXiv 2512.01112, wealth
    pro-rata; 2602.15182). By contracts in lots is what Drift charges; by equity or profit
    is capped by capacity, in rounds.
    """
    if by == "capacity":
        return Allocation(pro_rata)
    names = {"contracts": "contracts", "equity": "wealth", "profit": "account-profit"}
    score = scores.ANSWERS[names[by]]()
    return _ranked(proportional.by_weight, _not_negative(score))


def by_contracts() -> Allocation:
    """Everyone pays the same on each contract held.

    Drift (drift-labs/protocol-v2 at 0ae3e3b, ``resolve_perp_bankruptcy``), Vertex; the
    contracts pro-rata of arXiv 2602.15182.
    """
    return by_proportion(by="contracts")


def pro_rata(capacity: Array, score: Array, budget: int) -> Array:
    """The same share of every capacity; the score is not looked at."""
    return proportional.pro_rata(capacity, budget)


def _not_negative(score: Score) -> Score:
    return lambda wave, payers: np.maximum(score(wave, payers), 0.0)


Cap = Annotated[float, Field(strict=True, gt=0.0, le=1.0)]


def capped(*, cap: Cap) -> Allocation:
    """Everyone pays the same share of capacity, and nobody more than the cap.

    Water-filling, arXiv 2512.01112, "capped pro-rata". What the caps leave open is left
    to the next wave.
    """

    def share(capacity: Array, score: Array, budget: int) -> Array:
        caps = np.full(len(capacity), cap)
        return proportional.capped_pro_rata(capacity, caps, budget)

    return Allocation(share)


def last_takes_rest() -> Allocation:
    """Payouts are cut in proportion and rounded down; the last that asked takes the rest.

    Vega's settlement (vegaprotocol/vega, core/collateral/simple_distributor.go).
    """
    return Allocation(
        lambda capacity, score, budget: payouts.last_takes_rest(capacity, budget)
    )


# --- by risk ----------------------------------------------------------------------------


def by_leverage() -> Callable[[Array], Array]:
    """Leverage itself: levered pro-rata in the form that balances the budget."""
    return lambda leverage: leverage


def linear_risk() -> Callable[[Array], Array]:
    """Leverage times leverage: a loss model that is linear in it."""
    return weights.linear


def power_risk(*, exponent: Annotated[float, Field(gt=0.0, le=20.0)]) -> Any:
    """Leverage times a power of it."""
    return lambda leverage: weights.power(leverage, exponent=exponent)


def cvar_risk(*, threshold: Annotated[float, Field(ge=0.0, le=1e6)]) -> Any:
    """Leverage times what it has above a threshold: only the tail counts."""
    return lambda leverage: weights.cvar(leverage, threshold=threshold)


def optimal_risk(
    *, scale: Positive, freedom: Annotated[float, Field(gt=1.0, le=1e6)] | None = None
) -> Any:
    """Expected shortfall at the next step a dollar of equity, for a return of some scale.

    Normal returns, or Student's t with `freedom` degrees of freedom.
    """
    if freedom is None:
        return lambda leverage: weights.normal_shock(leverage, scale=scale)
    return lambda leverage: weights.student_shock(leverage, scale=scale, freedom=freedom)


RISKS: dict[str, Callable[..., Callable[[Array], Array]]] = {
    "leverage": by_leverage,
    "linear": linear_risk,
    "power": power_risk,
    "cvar": cvar_risk,
    "optimal": optimal_risk,
}
"""What the leverage of an account says of its risk, a dollar of equity."""


def risk_weighted(*, risk: Answer = "linear", cap: Cap = 1.0) -> Allocation:
    """Shares in proportion to risk: ``h = min(cap, tau * risk(leverage))``.

    Risk-aware pro-rata of arXiv 2512.01112, section 7: `risk` is one of "leverage",
    "linear", "power" (`exponent`), "cvar" (`threshold`) and "optimal" (`scale`,
    `freedom`).
    """
    weigh = build("allocation.risk", risk, RISKS)

    def share(capacity: Array, score: Array, budget: int) -> Array:
        caps = None if cap == 1.0 else np.full(len(capacity), cap)
        return proportional.risk_weighted(capacity, score, budget, cap=caps)

    leverage_of = scores.leverage()
    return _ranked(share, lambda wave, payers: weigh(leverage_of(wave, payers)))


def greedy(*, risk: Answer = "linear") -> Allocation:
    """First where a dollar taken removes most risk, ``risk(leverage) * equity / capacity``.

    The fractional knapsack that minimises the next deficit in the separable model of
    arXiv 2512.01112, section 7; `risk` as in risk-weighted.
    """
    weigh = build("allocation.risk", risk, RISKS)
    leverage_of, equity_of = scores.leverage(), scores.wealth()
    return _ranked(
        queue.greedy_by_risk,
        lambda wave, payers: weigh(leverage_of(wave, payers)) * equity_of(wave, payers),
    )


def leverage_filling(*, form: Literal["single", "factor"] = "single") -> Allocation:
    """The most levered are cut to a common leverage.

    Campbell, Hey, Moallemi and Nutz (arXiv 2603.15963). In its single form a position's
    lots over its account's equity; in its factor form the account's net notional, which
    closing the position moves, over its equity: a hedged account is left alone. Removes
    exposure, so it is for contracts.
    """
    if form == "single":
        return Allocation(leverage.leverage_filling, scores.wealth())
    return Allocation(_by_factor_leverage, _factor_exposure, 2)


def _factor_exposure(wave: Wave, payers: Payers) -> Array:
    """Net notional of the account in lots of the position, positive along it; equity."""
    rows = wave.candidates
    net, value, lots, equity = (
        rows[name][payers.row].astype(np.float64)
        for name in ("account_net", "value", "lots", "equity")
    )
    one = value / lots * np.sign(lots)
    return np.column_stack([np.sign(lots) * np.rint(net / np.maximum(one, 1.0)), equity])


def _by_factor_leverage(capacity: Array, score: Array, budget: int) -> Array:
    exposure = score[:, 0].astype(np.int64)
    equity = np.ascontiguousarray(score[:, 1])
    return leverage.factor_leverage_filling(
        exposure, exposure - capacity, exposure, equity, budget
    )


# --- by an objective --------------------------------------------------------------------

Weight = Literal["equal", "capacity", "equity"]


def _penalty_weight(weight: Weight) -> Score | None:
    return scores.wealth() if weight == "equity" else None


def _weights_of(weight: Weight, capacity: Array, score: Array) -> Array:
    if weight == "equal":
        return np.ones(len(capacity))
    return capacity.astype(np.float64) if weight == "capacity" else score


def power_penalty(
    *, power: Annotated[float, Field(gt=1.0, le=100.0)] = 2.0, weight: Weight = "equal"
) -> Allocation:
    """Minimise ``sum(weight * h ** power)`` over shares h of capacity.

    A convex penalty: with equal weights the large pay more than in proportion, with
    weights of capacity it is pro-rata. From the notes that accompany arXiv 2512.01112.
    """

    def share(capacity: Array, score: Array, budget: int) -> Array:
        weighed = _weights_of(weight, capacity, score)
        return convex.power_penalty(capacity, weighed, budget, power=power)

    return Allocation(share, _penalty_weight(weight))


def exponential_penalty(
    *, rate: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0, weight: Weight = "equal"
) -> Allocation:
    """Minimise ``sum(weight * exp(rate * h))`` over shares h of capacity.

    A convex penalty under which the small pay nothing until the large have paid enough.
    """

    def share(capacity: Array, score: Array, budget: int) -> Array:
        weighed = _weights_of(weight, capacity, score)
        return convex.exponential_penalty(capacity, weighed, budget, rate=rate)

    return Allocation(share, _penalty_weight(weight))


def convex_penalty(*, inverse: Text, weight: Weight = "equal") -> Allocation:
    """Minimise ``sum(weight * phi(h))`` for a convex phi of your own.

    `inverse` is ``FILE.py:FUNCTION``: takes an array of slopes to the shares at which phi
    has them.
    """
    function = users_function("allocation.inverse", inverse, ("slope",))

    def share(capacity: Array, score: Array, budget: int) -> Array:
        weighed = _weights_of(weight, capacity, score)
        return convex.convex_penalty(capacity, weighed, budget, inverse=function)

    return Allocation(share, _penalty_weight(weight))


def levelling_down() -> Allocation:
    """The largest capacities are cut to a common level; what is left is as equal as can be.

    Constrained equal awards of the literature on bankruptcy problems (Thomson 2003).
    """
    return Allocation(
        lambda capacity, score, budget: levelling.levelling_down(capacity, budget)
    )


def min_max(*, by: Literal["equity", "profit"] = "equity") -> Allocation:
    """The largest haircut as a share of equity (or profit) is as small as it can be.

    The min-max program of arXiv 2602.15182 in closed form, to the nearest unit.
    """
    score = scores.wealth() if by == "equity" else scores.account_profit()
    return Allocation(minmax.min_max, _not_negative(score))


def min_max_lots(
    *,
    method: Literal["bisection", "program"] = "bisection",
    time_limit_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0,
) -> Allocation:
    """The largest loss as a share of equity is as small as whole lots allow.

    The min-max integer program of arXiv 2512.01112. Against one side of one market all
    lots are worth the same, and bisection solves it; ``program`` gives it to HiGHS with a
    limit of time. For contracts.
    """
    if method == "bisection":
        return Allocation(alike.min_max_alike, scores.wealth())

    def share(capacity: Array, score: Array, budget: int) -> Array:
        lot = score[:, 0].astype(np.int64)
        account, row = np.unique(score[:, 1], return_inverse=True)
        equity = np.zeros(len(account))
        equity[row] = score[:, 2]
        wanted = min(budget, int(capacity.sum()))
        return minmax.min_max_lots(
            lot, capacity, row, equity, wanted * int(lot[0]), time_limit_s=time_limit_s
        )

    return Allocation(share, _lots_and_accounts, 3)


def _lots_and_accounts(wave: Wave, payers: Payers) -> Array:
    """Quanta that a lot is worth at the mark, the account and its equity."""
    rows = wave.candidates
    worth = np.maximum(rows["value"][payers.row] // rows["lots"][payers.row], 1)
    account, equity = (rows[name][payers.row] for name in ("account", "equity"))
    return np.column_stack([worth, account, equity]).astype(np.float64)


def project(*, share: Share = 0.0) -> Allocation:
    """The shares of capacity nearest to one that is wished for, the same for all.

    The projection of vector mirror descent (arXiv 2512.01112); from a share of 0 it is
    ``min(1, kappa * capacity)``.
    """

    def nearest(capacity: Array, score: Array, budget: int) -> Array:
        return projection.projection(capacity, np.full(len(capacity), share), budget)

    return Allocation(nearest)


# --- made from others -------------------------------------------------------------------


def buckets(
    *,
    score: Answer,
    edges: Annotated[list[Number], Field(min_length=1)],
    inside: Answer = "pro-rata",
) -> Allocation:
    """Payers fall into buckets by score; the highest bucket pays first, one after another.

    `edges` are the scores at which a higher bucket begins; within a bucket another
    allocation shares, `inside`.
    """
    if any(above <= below for below, above in itertools.pairwise(edges)):
        raise CompositionError("allocation.edges: must rise")
    rank = build("allocation.score", score, scores.ANSWERS)
    if is_rank := scores.is_measure(score):
        rank = scores.weighed(rank)
    inner = part("allocation.inside", inside)
    widths = (scores.columns_of(score), inner.columns)
    columns = _Columns((rank, inner.score), widths)

    def share(capacity: Array, score: Array, budget: int) -> Array:
        first = columns.of(score, 0)
        ranked = first if first.ndim == 1 else first[:, 0]
        bucket = -np.searchsorted(np.array(edges), ranked, side="right")
        return mixing.in_buckets(
            capacity, bucket, columns.of(score, 1), budget=budget, rule=inner.share
        )

    ranks = is_rank and (inner.ranks or inner.score is None)
    return Allocation(share, columns, sum(widths), ranks)


def hybrid(
    *, parts: Annotated[list[Answer], Field(min_length=1)], weights: list[Positive]
) -> Allocation:
    """A mix of what several allocations would take, each with its weight.

    arXiv 2512.01112 compares 0.2 of a queue with 0.8 of levered pro-rata.
    """
    if len(parts) != len(weights):
        raise CompositionError(f"allocation.weights: must be {len(parts)}, one a part")
    rules = [part(f"allocation.parts[{i}]", one) for i, one in enumerate(parts)]
    widths = [rule.columns for rule in rules]
    columns = _Columns([rule.score for rule in rules], widths)

    def share(capacity: Array, score: Array, budget: int) -> Array:
        given = [
            rule.share(capacity, columns.of(score, i), budget)
            for i, rule in enumerate(rules)
        ]
        return mixing.mixture(capacity, given, weights, budget)

    return Allocation(share, columns, sum(widths), all(rule.ranks for rule in rules))


class _Columns:
    """Scores of several rules side by side, as one score."""

    def __init__(self, ranks: Sequence[Score | None], widths: Sequence[int]) -> None:
        self.ranks, self.widths = ranks, widths

    def __call__(self, wave: Wave, payers: Payers) -> Array:
        """Every rule's columns; one of zeros for a rule that needs none.

        Raises
        ------
        ValueError
            If a score of the user's own gives more than one column.
        """
        blocks = [
            np.zeros((len(payers.row), 1))
            if rank is None
            else _as_columns(rank(wave, payers))
            for rank in self.ranks
        ]
        for block, width in zip(blocks, self.widths, strict=True):
            if block.shape[1] != width:
                raise ValueError(f"gave {block.shape[1]} columns, must give {width}")
        return np.hstack(blocks)

    def of(self, score: Array, i: int) -> Array:
        """The columns of one rule; flat if there is only one."""
        begin = sum(self.widths[:i])
        block = np.ascontiguousarray(score[:, begin : begin + self.widths[i]])
        return block[:, 0].copy() if self.widths[i] == 1 else block


def _as_columns(score: Array) -> Array:
    return score.reshape(len(score), -1)


# --- given by hand ----------------------------------------------------------------------


Weights = Annotated[
    dict[str, Annotated[float, Field(ge=0.0, le=1e15)]], Field(min_length=1)
]


def by_account(
    *,
    weights: Weights | None = None,
    file: Text | None = None,
    others: Annotated[float, Field(ge=0.0, le=1e15)] = 0.0,
) -> Allocation:
    """In proportion to weights given by account, in the table or in a CSV file.

    `weights` are ``{ ACCOUNT = WEIGHT }``, `file` has columns ``account`` and ``weight``;
    `others` is the weight of whoever is not named. Aftermath's executor passes such a
    vector over chosen counterparties (aftermath-sdk-rust at 6d7d15b, af-iperps).
    """
    if (weights is None) == (file is None):
        raise CompositionError("allocation: needs either weights or a file of them")
    given = _read_weights(file) if file is not None else _by_number(weights or {})

    def score(wave: Wave, payers: Payers) -> Array:
        accounts = wave.candidates["account"][payers.row].tolist()
        return np.array([given.get(account, others) for account in accounts], np.float64)

    return _ranked(proportional.by_weight, score)


def _by_number(table: Mapping[str, float]) -> dict[int, float]:
    for name in table:
        if not name.isdecimal():
            raise CompositionError(
                f"allocation.weights.{name}: must be an account's number"
            )
    return {int(name): weight for name, weight in table.items()}


def _read_weights(file: str) -> dict[int, float]:
    """Weights of a CSV file.

    Raises
    ------
    CompositionError
        If there is no such file, or a row that is no account and weight.
    """
    try:
        with Path(file).open(encoding="utf-8", newline="") as lines:
            found = dict(_weights_in(csv.DictReader(lines), file))
    except (OSError, UnicodeDecodeError) as error:
        raise CompositionError(f"allocation.file = {file!r}: {error}") from error
    if not found:
        raise CompositionError(
            f"allocation.file = {file!r}: must have a row with an account and its weight"
        )
    return found


def _weights_in(rows: Any, file: str) -> Iterator[tuple[int, float]]:
    for row in rows:
        try:
            account, weight = int(row["account"]), float(row["weight"])
        except (KeyError, TypeError, ValueError):
            account, weight = -1, -1.0
        if account < 0 or not 0.0 <= weight <= 1e15:
            where = f"allocation.file = {file!r}: line {rows.line_num}"
            raise CompositionError(f"{where}: must be an account's number and a weight")
        yield account, weight


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "queue": by_queue,
    "lexicographic": lexicographic,
    "random": in_random_order,
    "random-start": from_random_start,
    "pro-rata": by_proportion,
    "contracts": by_contracts,
    "capped": capped,
    "last-takes-rest": last_takes_rest,
    "risk-weighted": risk_weighted,
    "greedy": greedy,
    "leverage-filling": leverage_filling,
    "power-penalty": power_penalty,
    "exponential-penalty": exponential_penalty,
    "convex-penalty": convex_penalty,
    "levelling": levelling_down,
    "min-max": min_max,
    "min-max-lots": min_max_lots,
    "projection": project,
    "buckets": buckets,
    "hybrid": hybrid,
    "weights": by_account,
}

FOR_CONTRACTS = frozenset(("leverage-filling", "min-max-lots"))
"""Rules that close positions: an amount of cash means nothing to them."""

CAPPED = frozenset(("capped", "risk-weighted"))
"""Rules with a cap on the share of a capacity."""


def part(question: str, answer: Any) -> Allocation:
    """The allocation that an answer describes; a user's function shares by capacity.

    A user's function that wants a score is given one by the key `score` of its table.

    Raises
    ------
    CompositionError
        If the answer makes no allocation.
    """
    score = None
    if isinstance(answer, Mapping) and ":" in str(answer.get("rule")):
        answer = dict(answer)
        named = answer.pop("score", None)
        if named is not None:
            score = build(f"{question}.score", named, scores.ANSWERS)
    built = build(question, answer, ANSWERS)
    return built if isinstance(built, Allocation) else Allocation(built, score)


def misfits(answer: Any) -> Iterator[str]:
    """Why an allocation cannot share out cash, if it cannot."""
    for name in scores.position_scores(answer):
        yield f"{name} is of a position, but cash is taken from accounts"
    for name in _rules_in(answer):
        if name in FOR_CONTRACTS:
            yield f"{name} closes positions, but the settlement is in cash"


def caps_shares(answer: Any) -> bool:
    """Whether an allocation takes no more than a share of a capacity."""
    if not isinstance(answer, Mapping):
        return False
    nested = (answer.get("inside"), *answer.get("parts", ()))
    is_capped = answer.get("rule") in CAPPED and answer.get("cap", 1.0) < 1.0
    return is_capped or any(map(caps_shares, nested))


def _rules_in(answer: Any) -> Iterator[str]:
    if isinstance(answer, Mapping):
        yield str(answer.get("rule"))
        yield from _rules_in(answer.get("inside"))
        for one in answer.get("parts", ()):
            yield from _rules_in(one)
    elif isinstance(answer, str):
        yield answer
