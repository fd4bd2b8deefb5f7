"""Reads a contest: every batch in which a strategy plays, beside its honest baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from abm.montecarlo.store import Batch, StoreError, kept_usd, read_index

Floats = npt.NDArray[np.float64]

INDEX = "contest.json"
OTHERS, MAKERS = "others", "makers"

_AMOUNTS = [
    "wealth_start_usd", "wealth_end_usd", "outside_money_usd", "fees_usd", "slippage_usd",
    "volume_usd", "capacity_usd", "adl_loss_usd", "forgone_usd", "adl_closed_usd",
    "touched", "liquidated", "venue_loss_usd", "traders", "accounts",
]  # fmt: skip
_RUNS = ["deficit_usd", "residual_usd", "retained_value_share", "haircut_usd"]


@dataclass(frozen=True)
class Match:
    """A strategy at a share, played and not, under the same policies on the same seeds.

    `part` is 0 in the contest itself, from 1 in its further cells.
    """

    strategy: str
    adopters: float
    part: int
    played: Batch
    honest: Batch

    @property
    def is_begun(self) -> bool:
        """True if both have something that is whole."""
        return all(batch.manifest["blocks"] for batch in (self.played, self.honest))

    @property
    def policies(self) -> list[str]:
        """The policies of both."""
        return [name for name in self.played.policies if name in self.honest.policies]

    @cached_property
    def sides(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What :func:`by_run` gives of both."""
        return by_run(self.played), by_run(self.honest)

    def pair(self, policy: str) -> Pair:
        """Both over the runs that neither failed in, a row a run."""
        sides = [
            one[one.index.get_level_values("policy") == policy].droplevel("policy")
            for one in self.sides
        ]
        runs = sides[0].index.intersection(sides[1].index).sort_values()
        return Pair(sides[0].loc[runs], sides[1].loc[runs])


@dataclass(frozen=True)
class Pair:
    """A strategy's runs under one policy beside the same runs without it.

    Both have a row a run and columns of two levels, who and what; who is ``players``,
    ``others`` and ``makers``, and ``venue`` for columns of the table of runs.
    """

    played: pd.DataFrame
    honest: pd.DataFrame

    def change(self, who: str, what: str) -> pd.Series:
        """What playing changed, run by run."""
        return self.played[who, what] - self.honest[who, what]


@dataclass(frozen=True)
class Contest:
    """A contest that was run."""

    name: str
    question: str
    folder: Path
    matches: tuple[Match, ...]

    @property
    def strategies(self) -> list[str]:
        """In the order in which they were played."""
        return list(dict.fromkeys(match.strategy for match in self.matches))

    @property
    def policies(self) -> list[str]:
        """In the order of the plan."""
        names = [name for match in self.matches for name in match.policies]
        return list(dict.fromkeys(names))

    def cells(self) -> Iterator[tuple[Match, str]]:
        """Every match under every one of its policies."""
        for match in self.matches:
            yield from ((match, policy) for policy in match.policies)


def open_contest(folder: str | Path) -> Contest:
    """Open a contest's folder; what nothing is computed of yet is left out.

    Raises
    ------
    StoreError
        If it is none, nothing of it is computed yet, or a batch cannot be read.
    """
    place = Path(folder)
    index = read_index(place, INDEX, "contest")
    batches = {one["folder"]: Batch(place / one["folder"]) for one in index["entries"]}
    baselines = {
        (one["part"], one["adopters"]): batches[one["folder"]]
        for one in index["entries"]
        if not one["strategy"]
    }
    matches = tuple(
        Match(
            one["strategy"], one["adopters"], one["part"], batches[one["folder"]],
            baselines[one["part"], one["adopters"]],
        )
        for one in index["entries"]
        if one["strategy"]
    )  # fmt: skip
    begun = tuple(one for one in matches if one.is_begun)
    if not begun:
        raise StoreError(f"{place}: nothing of it is computed yet: `adl resume {place}`")
    return Contest(index["name"], index["question"], place, begun)


def by_run(batch: Batch) -> pd.DataFrame:
    """The groups and the venue of every finished run, side by side.

    Returns
    -------
    DataFrame
        Indexed by policy and run, with the columns of :class:`Pair`. Whoever is neither
        ``others`` nor ``makers`` is among the players; their amounts are added up.
    """
    players = batch.frame("players", columns=["run", "policy", "group", *_AMOUNTS])
    who = players["group"].astype(str)
    players["group"] = who.where(who.isin([OTHERS, MAKERS]), "players")
    # No wave, no capacity: there was nobody who could be asked.
    players = players.fillna({"capacity_usd": 0.0})
    sums = players.groupby(["policy", "run", "group"], observed=True)[_AMOUNTS].sum()
    sums["profit_usd"] = sums["wealth_end_usd"] - sums["wealth_start_usd"]
    sums["kept_usd"] = kept_usd(sums)
    wide = sums.unstack("group").swaplevel(axis=1)
    groups = ["players", OTHERS, MAKERS]
    every = pd.MultiIndex.from_product([groups, [*_AMOUNTS, "profit_usd", "kept_usd"]])
    wide = wide.reindex(columns=every, fill_value=0.0)
    runs = batch.frame("runs", columns=["run", "policy", "failed", *_RUNS])
    runs = runs[~runs["failed"]].drop(columns="failed")
    venue = runs.set_index(["policy", "run"])[_RUNS]
    venue.columns = pd.MultiIndex.from_product([["venue"], venue.columns])
    found = venue.join(wide, how="inner")
    return found.sort_index()
