"""Waves of the full market: what recorded batches hold for the hypotheses.

A batch's audit has all that waves were decided from, so every rule of this project can be
put to waves that a market made, whatever rule was in force when they happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from abm.adl import audit
from abm.adl.compose import complete, compose
from abm.adl.policy import Policy
from abm.adl.record import Decision
from abm.adl.settlement import short_after
from abm.adl.wave import Wave
from abm.montecarlo.store import Batch
from abm.montecarlo.verify import rows_by_run
from abm.world import Array

MOST_WAVES = 40
"""Waves looked at; of more, those of the largest deficits. One a run and policy."""


class Answer(NamedTuple):
    """What a policy does in a wave.

    `left` is what is missing afterwards, in quanta; `paid` are quanta by account, what it
    lost against the mark: arrays of accounts and amounts.
    """

    decision: Decision
    left: int
    account: Array
    paid: Array

    def paid_by(self, accounts: Array) -> int:
        """Quanta that some accounts lost together."""
        return int(self.paid[np.isin(self.account, accounts)].sum())


def ask(policy: Policy, wave: Wave) -> Answer:
    """Put a wave to a policy, as the first of its run. Nothing is booked."""
    decision = policy.decide(wave)
    entries = policy.entries(wave, decision)
    fills, haircuts = entries.fills, entries.haircuts
    lost = fills["lots"] * (wave.mark * wave.unit)[fills["market"]]
    lost = lost - fills["value"] - fills["collateral"]
    return Answer(
        decision,
        short_after(wave, entries),
        np.concatenate([fills["account"], haircuts["account"]]),
        np.concatenate([lost, haircuts["amount"]]),
    )


def policy_of(name: str, **answers: Any) -> Policy:
    """A built-in policy with some of its answers replaced."""
    return compose(name, complete({"preset": name, **answers}))


class Market:
    """Recorded batches, or none.

    Parameters
    ----------
    batches : sequence of Batch
        Later ones are looked at where earlier ones lack what is asked for.
    """

    def __init__(self, batches: Sequence[Batch] = ()) -> None:
        self.batches = list(batches)

    @cached_property
    def waves(self) -> list[Wave]:
        """Waves with all positions as candidates, the largest deficits first."""
        every = [wave for batch in self.batches for wave in _whole_waves(batch)]
        # Policies share a run's past, so its first wave may be the same under several.
        found = {(w.now_s, w.total_deficit): w for w in every if w.total_deficit > 0}
        falling = sorted(found.values(), key=lambda wave: -wave.total_deficit)
        return falling[:MOST_WAVES]

    def frame(self, table: str, columns: Sequence[str] | None = None) -> Any:
        """A table of all batches, one after the other, with a column `batch`; or None."""
        import pandas as pd

        chosen = None if columns is None else list(columns)
        frames = [
            batch.frame(table, columns=chosen).assign(batch=place)
            for place, batch in enumerate(self.batches)
        ]
        full = [frame for frame in frames if len(frame)]
        return pd.concat(full, ignore_index=True) if full else None

    def told(self) -> list[str]:
        """The batches by name, number of runs and hash of their tables, one line each."""
        return [
            f"{batch.name}, {batch.manifest['runs']} runs, {batch.content_hash()[:12]}"
            for batch in self.batches
        ]


def _whole_waves(batch: Batch) -> Iterator[Wave]:
    """Of every audited run of a policy that looks at everybody, its largest wave."""
    tables = batch.manifest.get("policy_tables", {})
    everywhere = {
        name for name, table in tables.items() if compose(name, table).looks_everywhere
    }
    for _, policy, rows in rows_by_run(batch):
        if policy not in everywhere:
            continue
        of_run = [row for row in rows if row["acted"] and len(row["bankrupt_lots"])]
        if of_run:
            yield audit.rebuilt(max(of_run, key=lambda row: row["deficit"].sum())).wave
