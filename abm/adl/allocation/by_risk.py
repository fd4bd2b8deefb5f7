"""By risk: who is levered pays more, earlier, or is cut to a common leverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from abm.adl import scores
from abm.adl.allocation.base import Allocation, Cap, ranked
from abm.adl.answers import Answer, build
from abm.adl.eligibility import Payers
from abm.adl.sharing import leverage, proportional, queue, weights
from abm.adl.wave import Wave
from abm.fields import Positive
from abm.world import Array


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
    weigh = build("allocation.risk", risk, RISKS, "risk")

    def share(capacity: Array, score: Array, budget: int) -> Array:
        caps = None if cap == 1.0 else np.full(len(capacity), cap)
        return proportional.risk_weighted(capacity, score, budget, cap=caps)

    leverage_of = scores.leverage()
    return ranked(share, lambda wave, payers: weigh(leverage_of(wave, payers)))


def greedy(*, risk: Answer = "linear") -> Allocation:
    """First where a dollar taken removes most risk, ``risk(leverage) * equity / capacity``.

    The fractional knapsack that minimises the next deficit in the separable model of
    arXiv 2512.01112, section 7; `risk` as in risk-weighted.
    """
    weigh = build("allocation.risk", risk, RISKS, "risk")
    leverage_of, equity_of = scores.leverage(), scores.wealth()
    return ranked(
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


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "risk-weighted": risk_weighted,
    "greedy": greedy,
    "leverage-filling": leverage_filling,
}
