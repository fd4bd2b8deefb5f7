"""How far strategies spread: two ways to the resting point, and what the venue is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from abm.montecarlo.store import Batch, kept_by_run, read_index
from analysis import notation
from analysis.gaming.reading import OTHERS
from analysis.gaming.replicator import (
    CYCLES,
    RESTS,
    Rest,
    best_response_path,
    resting_point,
)
from analysis.gaming.words import between
from analysis.intervals import mean_interval, ratio_parts

Floats = npt.NDArray[np.float64]

INDEX, FOUND = "spread.json", "chains.json"

LEVELS = {
    "deficit_usd": ("deficit of a run", notation.usd),
    "residual_usd": ("residual of a run", notation.usd),
    "retained_value_share": ("lifetime value retained", notation.share),
}
"""What is told of the venue at the resting point."""


@dataclass(frozen=True)
class Spread:
    """A spread that was simulated, and where it rests.

    Attributes
    ----------
    name, policy : str
    groups : list of str
        ``others``, who play nothing, and the strategies.
    mixes : array, shape (mixes, groups)
    payoffs : array, shape (runs, mixes, groups)
        Per dollar of capacity; NaN where a strategy is not played.
    rest : Rest
        From the mix nearest to nobody playing.
    chains : mapping
        What the stochastic approximation found.
    """

    name: str
    policy: str
    groups: list[str]
    mixes: Floats
    payoffs: Floats
    rest: Rest
    chains: dict[str, Any]

    @property
    def advantage(self) -> pd.DataFrame:
        """What the first strategy earns more than who plays nothing, a row a mix."""
        rows = []
        for mix in range(len(self.mixes)):
            ahead = self.payoffs[:, mix, 1] - self.payoffs[:, mix, 0]
            ends = mean_interval(ahead[np.isfinite(ahead)])
            rows.append(
                {"share": self.mixes[mix, 1], "mean": ahead.mean(), **ends._asdict()}
            )
        return pd.DataFrame(rows)


def open_spread(folder: str | Path) -> Spread:
    """Open a spread's folder, fit payoffs, and follow them to the end.

    Raises
    ------
    StoreError
        If it is none, or is not whole.
    """
    place = Path(folder)
    index = read_index(place, INDEX, "spread")
    chains = read_index(place, FOUND, "finished spread")
    groups = [OTHERS, *index["strategies"]]
    policy = index["policy"]
    parts = [_mix(place / one["folder"], policy, groups) for one in index["mixes"]]
    runs = sorted(set.intersection(*(set(earned.index) for earned, _ in parts)))
    payoffs = np.stack([earned.loc[runs].to_numpy(float) for earned, _ in parts], axis=1)
    levels = np.stack([level.loc[runs].to_numpy(float) for _, level in parts], axis=1)
    played = np.array([one["shares"] for one in index["mixes"]], float)
    mixes = np.column_stack([1.0 - played.sum(axis=1), played])
    start = mixes[np.argmax(mixes[:, 0])].copy()
    if (start[1:] == 0.0).any():
        start[1:] = (1.0 - start[0]) / (len(start) - 1)
    rest = resting_point(mixes, payoffs, levels, start)
    return Spread(index["name"], policy, groups, mixes, payoffs, rest, chains)


def _mix(
    folder: Path, policy: str, groups: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Payoffs by group and the venue's levels, a row a run."""
    played, honest = Batch(folder / "played"), Batch(folder / "honest")
    after, before = (kept_by_run(batch, policy) for batch in (played, honest))
    found = {}
    for group in groups:
        if ("kept_usd", group) not in after:
            continue
        gain = after["kept_usd", group] - before["kept_usd", group]
        found[group] = ratio_parts(gain, before["capacity_usd", group].reindex(gain.index))
    earned = pd.DataFrame(found).dropna(how="all").reindex(columns=list(groups))
    runs = played.frame("runs", columns=["run", "policy", "failed", *LEVELS])
    runs = runs[(runs["policy"] == policy) & ~runs["failed"]].set_index("run")
    both = earned.index.intersection(runs.index)
    return earned.loc[both], runs.loc[both, list(LEVELS)]


# --- words ------------------------------------------------------------------------------


def reading(spread: Spread) -> list[str]:
    """Where it rests, by both ways, and what the venue is like there."""
    rest = spread.rest
    found = [_replicator(spread), _approximation(spread), agreement(spread)]
    if rest.end == RESTS:
        found.append(f"There the venue has {_venue(rest)}.")
    else:
        found.append(f"In the mean over the course the venue has {_venue(rest)}.")
    found.append(_best_responses(spread))
    if rest.misfit > 3.0:
        found.append(
            f"The fitted payoffs miss a simulated mix by {rest.misfit:.1f} standard "
            "errors: a curve of this order does not describe them well."
        )
    return found


def _replicator(spread: Spread) -> str:
    rest = spread.rest
    if rest.end == RESTS:
        where = _shares(spread, rest.shares, rest.low, rest.high)
        said = f"Under {spread.policy} replicator dynamics rest where {where}"
    elif rest.end == CYCLES:
        where = _shares(spread, rest.shares, rest.low, rest.high)
        said = f"Under {spread.policy} the crowd goes round; in the mean over time {where}"
    else:
        said = f"Under {spread.policy} the crowd moves so slowly that it came to no rest"
    return f"{said} ({notation.share(rest.chances[RESTS])} of the resamples rest)."


def _approximation(spread: Spread) -> str:
    chains = spread.chains
    arrays = (np.array(chains[name], float) for name in ("shares", "low", "high"))
    where = _shares(spread, *arrays)
    return (
        f"Stochastic approximation, {len(chains['chains'])} chains on fresh seeds: {where}."
    )


def _shares(spread: Spread, shares: Floats, low: Floats, high: Floats) -> str:
    parts = [
        f"{notation.share(shares[i])} ({between(low[i], high[i], notation.share)}) "
        f"play {group}"
        for i, group in enumerate(spread.groups)
        if group != OTHERS
    ]
    return notation.listing(parts)


def agreement(spread: Spread) -> str:
    """Whether the two ways agree."""
    low = np.maximum(spread.rest.low, np.array(spread.chains["low"], float))
    high = np.minimum(spread.rest.high, np.array(spread.chains["high"], float))
    if np.isnan([low, high]).any():
        return "There are too few chains to hold the two ways against each other."
    # The chains never leave a strategy without anybody, so that they can measure it.
    floor = 0.02
    return (
        "The intervals of the two ways overlap." if (low <= high + floor).all()
        else "The two ways do not agree: their intervals lie apart. Payoffs are no such "
        "curve, or the chains were too short."
    )  # fmt: skip


def _venue(rest: Rest) -> str:
    parts = []
    for i, (label, write) in enumerate(LEVELS.values()):
        ends = between(rest.levels_low[i], rest.levels_high[i], write)
        parts.append(f"{label} {write(rest.levels[i])} ({ends})")
    return notation.listing(parts)


def _best_responses(spread: Spread) -> str:
    start = spread.mixes[np.argmax(spread.mixes[:, 0])]
    path = best_response_path(spread.rest.fitted, start)
    names = ["playing nothing" if g == OTHERS else g for g in spread.groups]
    told = " then ".join(names[i] for i in path[:-1] or path)
    if len(path) > 1 and path[-1] == path[-2]:
        return f"Best responses, one to the other: {told}; then nobody wants to change."
    return f"Best responses, one to the other, go round: {told}, and again."


def render(spread: Spread) -> str:
    """The reading as text for a terminal."""
    head = f"{spread.name}: {notation.listing(spread.groups[1:])} under {spread.policy}"
    return "\n".join([head, *(f"- {line}" for line in reading(spread))]) + "\n"


def records(spread: Spread) -> dict[str, Any]:
    """The same for programs."""
    rest = spread.rest
    return {
        "policy": spread.policy,
        "groups": spread.groups,
        "replicator": {
            "end": rest.end,
            "shares": rest.shares.tolist(),
            "low": rest.low.tolist(),
            "high": rest.high.tolist(),
            "chances": rest.chances,
            "misfit": rest.misfit,
        },
        "approximation": {name: spread.chains[name] for name in ("shares", "low", "high")},
        "venue": {
            name: [rest.levels[i], rest.levels_low[i], rest.levels_high[i]]
            for i, name in enumerate(LEVELS)
        },
    }
