"""What groups of traders gained by playing: the same seeds with and without.

A gain is how much more a group keeps (`abm.montecarlo.store.kept`) than on the same seed
with nobody playing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abm.montecarlo.store import Batch, kept_by_run

Floats = NDArray[np.float64]

HONEST = "others"
"""The group of all traders who play nothing."""


class Payoffs(NamedTuple):
    """Gains and capacities in USD, shape (runs, groups), of the runs that both finished.

    A capacity is what a group could have been asked for with nobody playing.
    """

    runs: list[int]
    gain_usd: Floats
    capacity_usd: Floats

    @property
    def per_dollar(self) -> Floats:
        """Mean gains per dollar of mean capacity, shape (groups,); NaN without any."""
        capacity = self.capacity_usd.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.gain_usd.sum(axis=0) / capacity
        return np.where(capacity > 0.0, found, np.nan)


def payoffs(
    played: Batch,
    honest: Batch,
    policy: str,
    groups: Sequence[str],
    called: Sequence[str] | None = None,
) -> Payoffs:
    """The payoffs of groups under a policy.

    Parameters
    ----------
    played, honest : Batch
        Of the same shares and seeds; nobody plays in the second.
    groups : sequence of str
        Names of strategies, or ``others``.
    called : sequence of str, optional
        What the same groups are called in the second, if not the same.
    """
    after = _by_run(played, policy, groups)
    before = _by_run(honest, policy, called or groups)
    runs = np.intersect1d(after.index, before.index)
    kept = [
        side.loc[runs, "kept_usd"][list(names)].to_numpy(float)
        for side, names in ((after, groups), (before, called or groups))
    ]
    capacity = before.loc[runs, "capacity_usd"][list(called or groups)].to_numpy(float)
    return Payoffs([int(run) for run in runs], kept[0] - kept[1], capacity)


def _by_run(batch: Batch, policy: str, groups: Sequence[str]) -> pd.DataFrame:
    """What :func:`kept_by_run` gives of some groups; zeros of those that are not there."""
    found = kept_by_run(batch, policy)
    wanted = pd.MultiIndex.from_product([["kept_usd", "capacity_usd"], groups])
    whole: pd.DataFrame = found.reindex(columns=wanted, fill_value=0.0)
    return whole
