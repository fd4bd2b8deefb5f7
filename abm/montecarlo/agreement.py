"""What the tables of retention and of episodes say twice, and so must say alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from abm.episodes import seed_of
from abm.montecarlo.store import Batch

_LAST_BITS = 1e-9


class Disagreement(NamedTuple):
    """A cell that other cells contradict."""

    table: str
    run: int
    policy: str
    column: str
    recorded: Any
    wanted: Any


def disagreements(batch: Batch, unreadable: set[str]) -> Iterator[Disagreement]:
    """Cells of finished runs that other cells contradict.

    Parameters
    ----------
    unreadable : set of str
        Tables that cannot be read.
    """
    if unreadable & {"runs", "episodes", "retention"}:
        return
    runs = batch.frame("runs").dropna(subset=["run", "failed"])
    key = ["run", "policy"]
    told = {
        name: dict(list(batch.frame(name).groupby(key, sort=False)))
        for name in ("episodes", "retention")
    }
    for row in runs[~runs["failed"].astype(bool)].to_dict("records"):
        which = row["run"], row["policy"]
        for name, check in (("episodes", _of_episodes), ("retention", _of_groups)):
            rows = told[name].get(which)
            if rows is None:
                yield Disagreement(name, *which, "run", "no rows", "some")
            else:
                yield from check(batch.manifest, row, rows)


def _of_episodes(
    manifest: Mapping[str, Any], run: Mapping[str, Any], rows: pd.DataFrame
) -> Iterator[Disagreement]:
    """Episodes in order, each with what the one before left; sums are the run's."""
    which = run["run"], run["policy"]
    count = manifest["scenario"].get("episodes", {}).get("count", 1)
    first = manifest["first_seed"]
    seed = int(first + run["run"] if isinstance(first, int) else run["seed"])
    episodes = rows.to_dict("records")
    for number, row in enumerate(episodes):
        wanted = {"episode": number, "seed": seed_of(seed, number)}
        if number:
            before = episodes[number - 1]
            wanted["insurance_start_quanta"] = (
                before["insurance_end_quanta"] - row["owed_quanta"]
            ) + row["to_insurance_quanta"]
            wanted["vault_start_quanta"] = (
                max(0, before["vault_end_quanta"]) + row["to_vault_quanta"]
            )
        for column, value in wanted.items():
            if row[column] != value:
                yield Disagreement("episodes", *which, column, row[column], value)
    if len(episodes) != count:
        yield Disagreement("episodes", *which, "episode", f"{len(episodes)} rows", count)
    sums = {
        "covered_quanta": rows["covered_quanta"].sum(),
        "residual_quanta": rows["residual_quanta"].iloc[-1],
        "accounts_left": rows["left"].sum() + rows["left_before"].sum(),
        "waves": rows["waves"].sum(),
    }
    yield from _of_run(run, sums)


def _of_groups(
    _: Mapping[str, Any], run: Mapping[str, Any], rows: pd.DataFrame
) -> Iterator[Disagreement]:
    """What a run's row says is the sum over kinds and sizes."""
    value, lost = rows["lifetime_value_usd"].sum(), rows["value_lost_usd"].sum()
    sums = {
        "accounts_left": rows["left"].sum(),
        "accounts_leaving": rows["leaving"].sum(),
        "expected_churn": rows["expected_churn"].sum(),
        "lifetime_value_usd": value,
        "value_lost_usd": lost,
        "value_left_usd": rows["value_left_usd"].sum(),
        "retained_value_usd": value - lost,
        "retained_value_share": (value - lost) / value if value > 0 else 1.0,
    }
    yield from _of_run(run, sums)


def _of_run(run: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Disagreement]:
    for column, value in wanted.items():
        # What was lost may nearly be all of a value; a share of it is no measure then.
        scale = abs(run["lifetime_value_usd"]) if column.endswith("_usd") else 0.0
        near = _LAST_BITS * scale
        if not math.isclose(run[column], value, rel_tol=_LAST_BITS, abs_tol=near):
            which = run["run"], run["policy"]
            yield Disagreement("runs", *which, column, run[column], value)
