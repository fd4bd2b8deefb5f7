"""Contests made by hand, without a simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.analysis.batches import finished, make_batch

CAPACITY = 1_000.0
_ZEROS = (
    "wealth_start_usd", "wealth_end_usd", "outside_money_usd", "fees_usd", "slippage_usd",
    "volume_usd", "capacity_usd", "adl_loss_usd", "forgone_usd", "adl_closed_usd",
    "venue_loss_usd",
)  # fmt: skip


def player(run: int, policy: str, group: str, **more: float) -> dict[str, Any]:
    """A row of the table of players; what is not said is zero."""
    counts = {"traders": 10, "accounts": 10, "touched": 1, "liquidated": 0}
    row = {"run": run, "policy": policy, "group": group, **counts}
    return row | dict.fromkeys(_ZEROS, 0.0) | {"capacity_usd": CAPACITY} | more


def make_contest(
    folder: Path,
    effects: Mapping[tuple[str, str], tuple[float, float]],
    *,
    runs: int = 40,
    noise: float = 1e-5,
    shares: tuple[float, ...] = (0.017,),
    cost: float = 2e-4,
) -> Path:
    """A contest with known effects.

    Parameters
    ----------
    effects : mapping
        By strategy and policy the net gain per dollar of capacity and the rise of the
        deficit as a share; both grow in proportion to the share of players.
    noise : float
        Standard deviation of a run's gain per dollar.
    """
    strategies = list(dict.fromkeys(strategy for strategy, _ in effects))
    policies = list(dict.fromkeys(policy for _, policy in effects))
    stream = np.random.default_rng(1)
    deficits = 1e4 * (1.0 + stream.random(runs))
    entries = []
    for share in shares:
        for name in ("", *strategies):
            tables: dict[str, list[dict[str, Any]]] = {"runs": [], "players": []}
            for run in range(runs):
                for policy in policies:
                    gain, harm = effects.get((name, policy), (0.0, 0.0))
                    size = share / shares[0]
                    grown = CAPACITY * (gain * size + bool(name) * noise * stream.normal())
                    deficit = deficits[run] * (1.0 + harm * size)
                    tables["runs"].append(finished(run, policy, deficit))
                    paid = CAPACITY * cost * bool(name)
                    own = {"wealth_end_usd": grown, "fees_usd": paid}
                    own["adl_loss_usd"] = 5.0 - grown - paid
                    group = name or strategies[0]
                    tables["players"].append(player(run, policy, group, **own))
                    lost = 100.0 + grown + paid
                    others = player(run, policy, "others", adl_loss_usd=lost)
                    tables["players"].append(others)
            place = f"{name or 'honest'}-at-{share:g}"
            make_batch(folder / place, policies, runs, **tables)
            entry = {"strategy": name, "adopters": share, "part": 0, "folder": place}
            entries.append(entry)
    index = {"name": "made", "question": "Who gains?", "entries": entries}
    (folder / "contest.json").write_text(json.dumps(index))
    return folder
