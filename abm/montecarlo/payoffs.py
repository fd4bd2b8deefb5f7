"""What groups of traders gained by playing: the same seeds with and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.montecarlo.store import Batch

Floats = NDArray[np.float64]

HONEST = "others"
"""The group of all traders who play nothing."""


class Payoffs(NamedTuple):
    """Gains and capacities in USD, shape (runs, groups), of the runs that both finished.

    A gain is how much more a group's wealth grew than it did on the same seed with nobody
    playing; the capacity is what it could have been asked for then.
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
    played: Batch, honest: Batch, policy: str, groups: Sequence[str]
) -> Payoffs:
    """The payoffs of groups under a policy.

    Parameters
    ----------
    played, honest : Batch
        Of the same shares and seeds; nobody plays in the second.
    groups : sequence of str
        Names of strategies, or ``others``.
    """
    sides = [_by_run(batch, policy, groups) for batch in (played, honest)]
    runs = sides[0].index.intersection(sides[1].index).sort_values()
    after, before = (side.loc[runs] for side in sides)
    gain = after["grown_usd"] - before["grown_usd"]
    return Payoffs(
        [int(run) for run in runs],
        gain[list(groups)].to_numpy(float),
        before["capacity_usd"][list(groups)].to_numpy(float),
    )


def _by_run(batch: Batch, policy: str, groups: Sequence[str]):  # type: ignore[no-untyped-def]
    columns = ["run", "policy", "group", "wealth_start_usd", "wealth_end_usd"]
    players = batch.frame("players", columns=[*columns, "capacity_usd"])
    players = players[(players["policy"] == policy) & players["group"].isin(list(groups))]
    players["grown_usd"] = players["wealth_end_usd"] - players["wealth_start_usd"]
    players["group"] = players["group"].astype(str)
    found = players.pivot(
        index="run", columns="group", values=["grown_usd", "capacity_usd"]
    )
    return found.fillna(0.0)
