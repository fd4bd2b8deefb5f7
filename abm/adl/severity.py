"""How much of the need does this wave ask for? A severity answers a share of it.

Sources: arXiv 2512.01112 (deficit match, back-off, mirror descent, extreme values) and
arXiv 2602.15182 (online gradient descent). A *round* is a call of the policy in which it
acted; all state is worked out from the rounds before, so that an answer can be checked
from the record alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from abm.adl.eligibility import Payers
from abm.adl.record import Call
from abm.adl.wave import Wave
from abm.fields import NotNegative, Positive, Share
from abm.units import usd
from abm.world import Array

Severity = Callable[[Wave, Payers, Sequence[Call]], float]
"""Called with the wave, who could pay, and the run's calls before this one."""

Factor = Annotated[float, Field(strict=True, gt=0.0, le=10.0)]
Tail = Annotated[float, Field(strict=True, ge=0.1, le=100.0)]


def everything() -> Severity:
    """All of it, in this wave."""
    return lambda wave, payers, past: 1.0


def fixed(*, share: Share) -> Severity:
    """The same share of every wave's need (theta in arXiv 2512.01112)."""
    return lambda wave, payers, past: share


def deficit_match(*, cap: Share = 1.0) -> Severity:
    """As much as those who could pay are worth: ``min(cap, worth / deficit)``.

    The static interpolation of arXiv 2512.01112. Unlike `all`, which asks for everything
    and takes what there is, it never sets a budget that cannot be met.
    """

    def answer(wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        return min(cap, _ratio(float(payers.worth.sum()), wave.total_deficit))

    return answer


def _ratio(money: float, deficit: float) -> float:
    """Money as a multiple of a deficit; no bound at all if there is none."""
    return money / deficit if deficit > 0 else math.inf


# --- exponential back-off ----------------------------------------------------------------


def backoff(
    *,
    start: Share = 1.0,
    factor: Factor = 0.5,
    window_s: Positive = 3600.0,
    floor: Share = 0.0,
    survivor_ratio: Positive | None = None,
) -> Severity:
    """Less with every recent shock: ``max(floor, start * factor ** k)``, at most 1.

    The exponential back-off of arXiv 2512.01112, where k counts the waves that began
    within `window_s` before this one. Its published variant has the recursion
    ``max(factor * theta, start)`` instead, which is ``floor = start`` with no window: a
    factor below one then changes nothing, one above one escalates. `survivor_ratio` is R
    in that variant's cap ``R / (1 + R) * largest worth / deficit``; its values were not
    published, all defaults are ours.
    """

    def answer(wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        theta = start
        for _ in range(recent_waves(wave, past, window_s)):
            theta = min(1.0, theta * factor)
        largest = float(payers.worth.max(initial=0))
        most = ceiling(survivor_ratio, largest, wave.total_deficit)
        return min(max(floor, theta), most)

    return answer


def recent_waves(wave: Wave, past: Sequence[Call], window_s: float) -> int:
    """How many earlier waves began within the window before this one."""
    began: dict[int, float] = {}
    for call in past:
        began.setdefault(call.wave.number, call.wave.now_s)
    since = wave.now_s - window_s
    return sum(n != wave.number and start_s >= since for n, start_s in began.items())


def ceiling(survivor_ratio: float | None, largest: float, deficit: float) -> float:
    """The severity ``R / (1 + R) * largest worth / deficit``; none bounds nothing.

    arXiv 2512.01112, its cap on the price of anarchy.
    """
    if survivor_ratio is None:
        return math.inf
    return survivor_ratio / (1.0 + survivor_ratio) * _ratio(largest, deficit)


# --- projected online gradient descent ---------------------------------------------------


@dataclass(frozen=True)
class GradientDescent:
    """Projected online gradient descent on the severity, see `gradient_descent`."""

    start: float
    eta: float | None
    path: float
    squares: float | None

    def __call__(self, wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        """The iterate after the last round."""
        rounds = [call for call in past if call.outcome.decision.acted]
        if not rounds:
            return self.start
        last = rounds[-1]
        deficits = np.array([usd(call.wave.total_deficit) for call in rounds])
        needed_then = float(need_at(last.wave, wave.mark))
        needed = min(1.0, _ratio(needed_then, last.wave.total_deficit))
        theta = last.outcome.decision.theta
        return gradient_step(theta, deficits[-1], needed, self.step_size(deficits))

    def step_size(self, deficits: Array) -> float:
        """Step per USD after rounds with these deficits."""
        if self.eta is not None:
            return self.eta
        squares = float((deficits**2).sum()) if self.squares is None else self.squares
        return math.sqrt((1.0 + 2.0 * self.path) / squares) if squares > 0 else 0.0


def gradient_step(theta: float, deficit: float, needed: float, eta: float) -> float:
    """One step down ``deficit * |theta - needed|``, projected on [0, 1]."""
    slope = deficit * float(np.sign(theta - needed))
    return min(max(theta - eta * slope, 0.0), 1.0)


def need_at(wave: Wave, mark: Array) -> Array:
    """What a wave turned out to need, in quanta, valued at later marks.

    One number where `mark` is of shape (markets,); of shape (n, markets), one a row.

    arXiv 2602.15182 sums ``|execution price - bankruptcy price| * size`` over what was
    closed: what the closing would have cost the venue without ADL. Nobody executes what
    ADL closes, so the marks of the next call stand for the execution price; of all
    bankrupt positions, whatever share of them was closed, and only where the price is the
    worse one. Debt of accounts without positions is needed as it is.
    """
    rows = wave.bankrupt
    value = rows["lots"] * mark[..., rows["market"]] * wave.unit[rows["market"]]
    gap = np.maximum(rows["bankruptcy"] - value, 0).sum(axis=-1)
    held = set(rows["account"].tolist())
    flat = [account not in held for account in wave.short_account.tolist()]
    return np.asarray(gap.astype(np.float64) + float(wave.deficit[flat].sum()))


def gradient_descent(
    *,
    start: Share = 1.0,
    eta_per_usd: Positive | None = None,
    path_length: NotNegative = 1.0,
    squares_usd2: Annotated[float, Field(strict=True, gt=0.0, le=1e30)] | None = None,
) -> Severity:
    """Projected online gradient descent on ``deficit * |theta - needed|``.

    Proposition 1 of arXiv 2602.15182: with ``eta = sqrt((1 + 2 P) / sum D ** 2)`` the
    regret against any sequence of severities whose steps add up to P (`path_length`) is at
    most ``sqrt((1 + 2 P) * sum D ** 2)``. `eta_per_usd` fixes the step, `squares_usd2`
    gives the sum for the whole run; with neither, the sum runs over the rounds so far, as
    MetaFlux, which is said to run the same descent, recomputes its step in every round.
    What was needed is judged at the marks of the next call (`need_at`). A round without a
    deficit changes nothing.
    """
    return GradientDescent(start, eta_per_usd, path_length, squares_usd2)


# --- mirror descent ----------------------------------------------------------------------


@dataclass(frozen=True)
class MirrorDescent:
    """Mirror descent with a lagged forecast, see `mirror_descent`."""

    start: float
    eta: float
    coverage: float
    survivor: float
    excess: float
    survivor_ratio: float | None

    def __call__(self, wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        """What the iterate after the last round asks of the forecast deficit."""
        rounds = [call for call in past if call.outcome.decision.acted]
        rounds = [call for call in rounds if call.wave.total_deficit > 0]
        theta = self.start
        for count, call in enumerate(rounds, start=1):
            unit = rounds[0].wave.total_deficit
            deficit = call.wave.total_deficit / unit
            theta = self.step(theta, deficit, call.largest_worth / unit, count)
        if rounds and wave.total_deficit > 0:
            # The budget is published for the deficit of the round before.
            theta *= rounds[-1].wave.total_deficit / wave.total_deficit
        return min(1.0, theta)

    def step(self, theta: float, deficit: float, largest: float, count: int) -> float:
        """The iterate after round `count`, whose deficit and largest worth are given."""
        slope = self.slope(theta, deficit, largest)
        most = ceiling(self.survivor_ratio, largest, deficit)
        eta = self.eta / math.sqrt(count)
        here = self.loss(theta, deficit, largest)
        for _ in range(_HALVINGS):
            there = min(max(theta - eta * slope, 0.0), most)
            # Armijo's condition in its form for projected steps.
            decrease = _SUFFICIENT * slope * (theta - there)
            if self.loss(there, deficit, largest) <= here - decrease:
                return there
            eta *= 0.5
        return min(theta, most)

    def loss(self, theta: float, deficit: float, largest: float) -> float:
        """The surrogate loss of asking for a share of a deficit."""
        asked = theta * deficit
        left = max(largest - asked, 0.0)
        over = max(asked - deficit, 0.0)
        return -self.coverage * asked + self.survivor * left + self.excess * over**2

    def slope(self, theta: float, deficit: float, largest: float) -> float:
        """A subgradient of the loss."""
        asked = theta * deficit
        leaves = self.survivor * float(largest > asked)
        over = 2.0 * self.excess * max(asked - deficit, 0.0)
        return deficit * (over - self.coverage - leaves)


_HALVINGS = 40
"""Backtracking tries no more: a step of 1e-12 of the first is none."""

_SUFFICIENT = 1e-4
"""Share of the promised decrease that a step must bring (the textbook value)."""


def mirror_descent(
    *,
    start: Share = 0.5,
    eta: Positive = 0.5,
    coverage: NotNegative = 1.0,
    survivor: NotNegative = 0.0,
    excess: NotNegative = 1.0,
    survivor_ratio: Positive | None = None,
) -> Severity:
    """Mirror descent on a surrogate loss, with a budget forecast from the round before.

    arXiv 2512.01112: the loss of asking for theta of a deficit D while the largest payer
    is worth M is ``-coverage * theta * D + survivor * max(M - theta * D, 0) + excess *
    max(theta * D - D, 0) ** 2``; steps are ``eta / sqrt(t)`` with backtracking (Armijo's
    condition, halving), projected on ``[0, R / (1 + R) * M / D]`` with R
    `survivor_ratio`. The severity of a round is the iterate after the round before, and
    it is a share of that round's deficit. Money is counted in units of the first round's
    deficit, so that the weights are pure numbers; they were not published, all defaults
    are ours. Rounds without a deficit change nothing. The paper's variant that begins
    from what levered pro-rata would take of the first shock is a value of `start`.
    """
    return MirrorDescent(start, eta, coverage, survivor, excess, survivor_ratio)


# --- extreme values ----------------------------------------------------------------------


def extreme_value(*, scale: Positive = 1.0, alpha: Tail | None = None) -> Severity:
    """``scale * b_n / (n * mean)``: b_n is what the largest of n payers should be worth.

    The severity scale of arXiv 2512.01112, at which the largest survivor keeps step with
    what is asked for as the number of payers grows. There money is in units in which
    payers are worth one on average; dividing by their mean makes it so. b_n, the quantile
    at ``1 - 1/n``, is Weissman's estimate from the largest ``sqrt(n)`` payers (Journal of
    the American Statistical Association 73, 1978), with the tail exponent `alpha` or, if
    none is given, that of Hill (Annals of Statistics 3, 1975).
    """

    def answer(wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        worth = payers.worth[payers.worth > 0].astype(np.float64)
        if not len(worth):
            return 1.0
        return min(1.0, scale * largest_expected(worth, alpha) / float(worth.sum()))

    return answer


def largest_expected(worth: Array, alpha: float | None = None) -> float:
    """Estimate of the quantile at ``1 - 1/n`` of n positive numbers.

    Parameters
    ----------
    worth : array of float64, shape (n,)
    alpha : float, optional
        Tail exponent; estimated by Hill's method if not given.
    """
    n = len(worth)
    k = math.ceil(math.sqrt(n))
    if k >= n:
        return float(worth.max())
    top = np.partition(worth, n - k - 1)[n - k - 1 :]
    threshold = float(top[0])
    inverse = float(np.log(top[1:] / threshold).mean()) if alpha is None else 1.0 / alpha
    return threshold * float(k**inverse)


def pool_factor(*, down_to: Share = 0.77) -> Severity:
    """As much as leaves the deficit at a share of the insurance fund.

    GMX's lower limit (gmx-io/gmx-synthetics at a5c0c88, ``MIN_PNL_FACTOR_AFTER_ADL``, 77%
    in its base configuration): less may be owed to winners after ADL only down to that
    share of the pool. The trigger of the same name says what stands for the pool here.
    """

    def answer(wave: Wave, payers: Payers, past: Sequence[Call]) -> float:
        kept = down_to * max(wave.insurance, 0)
        return max(0.0, 1.0 - _ratio(kept, wave.total_deficit))

    return answer


ANSWERS: dict[str, Callable[..., Severity]] = {
    "all": everything,
    "fixed": fixed,
    "deficit-match": deficit_match,
    "pool-factor": pool_factor,
    "backoff": backoff,
    "gradient-descent": gradient_descent,
    "mirror-descent": mirror_descent,
    "extreme-value": extreme_value,
}
