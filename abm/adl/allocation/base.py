"""What an allocation is: a rule with its parameters, and the score that it works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from abm.adl import scores
from abm.adl.scores import Score
from abm.world import Array

Sharing = Callable[[Array, Array, int], Array]
"""Takes capacities, scores and a budget in whole units; gives whole amounts."""

Cap = Annotated[float, Field(strict=True, gt=0.0, le=1.0)]
"""The largest share of a capacity that may be taken."""


class Allocation(NamedTuple):
    """A rule and the score it works on (None if it looks at capacities alone).

    `share(capacity, score, budget)` gives whole amounts for one group of payers, with
    ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``. The score has a row
    a payer and so many columns, flat if one. `ranks` says that who scores more pays more
    or earlier, so that the weights of payers can multiply the score: see `ranked`.
    """

    share: Sharing
    score: Score | None = None
    columns: int = 1
    ranks: bool = False


def ranked(share: Sharing, score: Score, columns: int = 1) -> Allocation:
    """A rule under which who scores more pays more, by scores times weights of payers."""
    weighed = scores.weighed(score)
    return Allocation(share, weighed, columns, ranks=True)


def not_negative(score: Score) -> Score:
    """The score, or zero where that is more."""
    return lambda wave, payers: np.maximum(score(wave, payers), 0.0)
