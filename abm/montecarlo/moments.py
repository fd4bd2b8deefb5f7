"""Moments of runs: a row a run, policy and moment, where `outputs.moments` asks for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from abm.engine import Engine
from abm.measures import moments, population, reactions
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

    Besides those of what happened there are those of the crowd (``crowd.``): of as many
    winners at random as were measured, whichever of them the rule reached (see
    :mod:`abm.measures.population`).

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
    crowd = population.moments_of_crowd(scenario, begun.seed)
    found |= {f"crowd.{name}": value for name, value in crowd.items()}
    rows = {"moment": list(found), "value": np.array(list(found.values()))}
    return {**told, "moments": rows}
