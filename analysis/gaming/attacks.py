"""What an adversary found: the best of what was tried, on seeds it was not chosen on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abm.montecarlo.store import Batch, read_index
from analysis import notation
from analysis.gaming.matrix import net
from analysis.gaming.reading import Match
from analysis.gaming.verdict import Materiality
from analysis.gaming.words import basis_points, between
from analysis.intervals import Interval, mean_interval

INDEX, FOUND = "attack.json", "tried.json"


@dataclass(frozen=True)
class Attack:
    """A search that was run.

    Attributes
    ----------
    policy : str
    seeds, fresh : range
        Those searched on, and those of what is reported.
    tried : DataFrame
        One row a candidate: `gain` on the search's seeds, per dollar of capacity, and what
        was tried as text.
    best : dict
        What the best candidate was.
    gain, plain, more : (float, Interval)
        On fresh seeds: its gain, that of the strategies as they were, the difference.
    """

    name: str
    policy: str
    seeds: range
    fresh: range
    tried: pd.DataFrame
    best: dict[str, Any]
    gain: tuple[float, Interval]
    plain: tuple[float, Interval]
    more: tuple[float, Interval]


def open_attack(folder: str | Path) -> Attack:
    """Open an attack's folder.

    Raises
    ------
    StoreError
        If it is none, or is not whole.
    """
    place = Path(folder)
    index = read_index(place, INDEX, "attack")
    found = read_index(place, FOUND, "finished attack")
    policy = index["policy"]
    honest = Batch(place / "report/honest")
    values = [
        net(Match("", 0.0, 0, Batch(place / f"report/{name}"), honest).pair(policy))
        for name in ("best", "plain")
    ]
    tried = pd.DataFrame(
        [{"gain": one["gain"], "what": described(one)} for one in found["tried"]]
    )
    apart = (values[0] - values[1]).dropna()
    gain, plain, more = ((one.mean(), mean_interval(one)) for one in (*values, apart))
    return Attack(
        index["name"], policy, range(*index["seeds"]), range(*index["fresh_seeds"]), tried,
        found["best"], gain, plain, more,
    )  # fmt: skip


def described(candidate: dict[str, Any]) -> str:
    """``split (accounts 8, price entry) 1.7%``, and so on for every strategy."""
    parts = []
    for name, share in candidate["play"].items():
        table = candidate["tables"].get(name, {})
        keys = [f"{key} {_short(v)}" for key, v in table.items() if key != "rule"]
        inside = f" ({', '.join(keys)})" if keys else ""
        parts.append(f"{name}{inside} {notation.share(share)}")
    return " and ".join(parts)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def reading(attack: Attack, least: Materiality | None = None) -> list[str]:
    """Whether something was found, out of how much, and what it gains on fresh seeds."""
    least = least or Materiality()
    value, ends = attack.gain
    tried, seeds = len(attack.tried), len(attack.seeds)
    chosen = attack.tried["gain"].max()
    told = f"{tried} candidates were tried against {attack.policy} on {seeds} seeds"
    size = f"{_bp(value)} ({between(*ends)})"
    if ends.low > least.gain:
        first = f"{told}: the best gains {size} of capacity on {len(attack.fresh)} others."
    elif ends.high < least.gain:
        first = (
            f"No strategy found: {told}, and the best of them gains {size} of capacity on "
            f"{len(attack.fresh)} others, less than {basis_points(least.gain)} for sure."
        )
    else:
        first = (
            f"{told}: on {len(attack.fresh)} others the best has {size} of capacity, which "
            "the runs cannot tell from nothing."
        )
    more, more_ends = attack.more
    luck = ": the best of many looks better than it is" if chosen > value else ""
    return [
        first,
        f"It is {described(attack.best)}.",
        f"On the seeds that it was chosen on it had {_bp(chosen)}{luck}.",
        f"The search added {_bp(more)} ({between(*more_ends)}) to the strategies as they "
        f"were, which gain {_bp(attack.plain[0])} ({between(*attack.plain[1])}).",
    ]


def _bp(value: float) -> str:
    return notation.signed(basis_points(value)) if np.isfinite(value) else "-"


def render(attack: Attack) -> str:
    """The reading and the best few candidates as text for a terminal."""
    lines = [f"{attack.name}: the largest gain against {attack.policy}"]
    lines += [f"- {line}" for line in reading(attack)]
    lines.append("Best on the search's seeds:")
    for row in attack.tried.sort_values("gain", ascending=False).head(5).itertuples():
        lines.append(f"  {_bp(row.gain):>10}  {row.what}")
    return "\n".join(lines) + "\n"


def records(attack: Attack) -> dict[str, Any]:
    """The same for programs."""
    return {
        "policy": attack.policy,
        "tried": len(attack.tried),
        "seeds": [attack.seeds.start, attack.seeds.stop],
        "fresh_seeds": [attack.fresh.start, attack.fresh.stop],
        "best": attack.best,
        **{
            name: [value, *ends]
            for name, (value, ends) in (
                ("gain", attack.gain), ("plain", attack.plain), ("more", attack.more)
            )
        },
    }  # fmt: skip
