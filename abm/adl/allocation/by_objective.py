"""By an objective: what minimises a penalty, the largest survivor, the largest loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from abm.adl import scores
from abm.adl.allocation.base import Allocation, not_negative
from abm.adl.answers import users_function
from abm.adl.eligibility import Payers
from abm.adl.scores import Score
from abm.adl.sharing import alike, convex, levelling, minmax, projection
from abm.adl.wave import Wave
from abm.fields import Share, Text
from abm.world import Array

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
    return Allocation(minmax.min_max, not_negative(score))


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
            lot,
            capacity,
            row,
            equity,
            wanted * int(lot.max(initial=0)),
            time_limit_s=time_limit_s,
        )

    return Allocation(share, _lots_and_accounts, 3)


def _lots_and_accounts(wave: Wave, payers: Payers) -> Array:
    """Quanta that a lot is worth at the mark, the account and its equity."""
    rows = wave.candidates
    value, lots, account, equity = (
        rows[name][payers.row] for name in ("value", "lots", "account", "equity")
    )
    worth = np.maximum(np.floor_divide(value, lots), 1)
    return np.column_stack([worth, account, equity]).astype(np.float64)


def project(*, share: Share = 0.0) -> Allocation:
    """The shares of capacity nearest to one that is wished for, the same for all.

    The projection of vector mirror descent (arXiv 2512.01112); from a share of 0 it is
    ``min(1, kappa * capacity)``.
    """

    def nearest(capacity: Array, score: Array, budget: int) -> Array:
        return projection.projection(capacity, np.full(len(capacity), share), budget)

    return Allocation(nearest)


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "power-penalty": power_penalty,
    "exponential-penalty": exponential_penalty,
    "convex-penalty": convex_penalty,
    "levelling": levelling_down,
    "min-max": min_max,
    "min-max-lots": min_max_lots,
    "projection": project,
}
