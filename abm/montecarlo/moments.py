"""Moments of runs: a row a run, policy and moment, where `outputs.moments` asks for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from abm.engine import Engine
from abm.measures import moments, reactions
from abm.measures.reactions import Tracker
from abm.montecarlo.course import Beginning
from abm.montecarlo.tables import Columns
from abm.scenario import Scenario
from abm.units import usd


def added(
    told: Mapping[str, Columns], engine: Engine, scenario: Scenario, begun: Beginning,
    tracker: Tracker | None,
) -> dict[str, Columns]:  # fmt: skip
    """The tables' columns of a finished run with its moments.

    Parameters
    ----------
    told : mapping
        Columns of the run's tables, series of `paths` among them.
    tracker : Tracker, optional
        Which looked on; without it there are no moments.
    """
    if tracker is None:
        return dict(told)
    equity = usd(begun.start.census.equity)
    trader = engine.world.ledger.accounts["trader"]
    found = moments.of_tables(told, trader, equity, list(scenario.markets))
    found |= reactions.moments(tracker.trace(), scenario.time.step_s)
    rows = {"moment": list(found), "value": np.array(list(found.values()))}
    return {**told, "moments": rows}
