"""A run from its first wave to its end: one episode after the other, under one policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from abm.adl.record import Call
from abm.engine import Engine
from abm.episodes import Calm, Opening, next_world
from abm.measures.census import Census, take_census
from abm.scenario import Scenario
from abm.venue.liquidation import shortfall
from abm.venue.margin import equity_of
from abm.world import World

LOOKS = 240
"""How often one looks at how the venue stands in an episode, at most."""

_NO_CALM = Calm(0, 0, 0, 0, 0, 0, 0)


class Moment(NamedTuple):
    """The venue at the start or the end of an episode; money in quanta."""

    now_s: float
    census: Census
    insurance: int
    vault: int
    fees: int
    calls: int


class Episode(NamedTuple):
    """One episode: its seed, the calm before it, its ends, what is missing at its end.

    `begun_ms` is when it began, calm days counted.
    """

    number: int
    seed: int
    begun_ms: int
    calm: Calm
    start: Moment
    end: Moment
    residual: int

    def calls(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Those of a run's calls that belong to it."""
        return calls[self.start.calls : self.end.calls]


class Beginning(NamedTuple):
    """How a run begins, whatever the policy.

    Its seed, the start of the first episode, and how the others begin (see
    :func:`abm.episodes.openings`).
    """

    seed: int
    start: Moment
    openings: list[Opening]


def look_every(scenario: Scenario) -> int:
    """Steps between two looks at how the venue stands."""
    return max(1, -(-scenario.time.steps // LOOKS))


def moment(world: World, calls: int = 0) -> Moment:
    """The venue now, after so many calls."""
    ledger, markets = world.ledger, world.markets
    pots = ledger.pots[0]
    return Moment(
        now_s=float(world.clock[0]["now_ms"]) / 1000.0,
        census=take_census(world),
        insurance=int(equity_of(ledger, markets, pots["insurance"])),
        vault=int(equity_of(ledger, markets, pots["backstop"])),
        fees=int(ledger.accounts["fees"].sum()),
        calls=calls,
    )


def follow(
    engine: Engine, scenario: Scenario, begun: Beginning, told: list[Episode]
) -> None:
    """Run an engine to the end of the run's last episode.

    Parameters
    ----------
    engine : Engine
        Within an episode.
    begun : Beginning
        Of the run.
    told : list of Episode
        Those so far, the last of them the one that goes on; none within the first. The
        others are added as they begin, and their ends told as they end.

    Raises
    ------
    PolicyError
        If the policy gave an answer that must not be booked.
    BrokenWorldError
        If an invariant does not hold.
    """
    if not told:
        told.append(Episode(0, begun.seed, 0, _NO_CALM, begun.start, begun.start, 0))
    told[-1] = _ended(engine, scenario, told[-1])
    for number in range(len(told), len(begun.openings) + 1):
        opening = begun.openings[number - 1]
        world, calm = next_world(scenario, engine.world, opening)
        engine.go_on_in(world, scenario.episodes.calm_ms)
        start = moment(engine.world, len(engine.record.calls))
        at_ms = round(1000 * start.now_s) + number * scenario.episodes.calm_ms
        told.append(Episode(number, opening.seed, at_ms, calm, start, start, 0))
        told[-1] = _ended(engine, scenario, told[-1])


def _ended(engine: Engine, scenario: Scenario, begun: Episode) -> Episode:
    """Run an episode that has begun to its end."""
    engine.run_to(scenario.time.steps * (begun.number + 1))
    calls = len(engine.finish().calls)
    world = engine.world
    residual = int(shortfall(world.ledger, world.risk, world.markets))
    return begun._replace(end=moment(world, calls), residual=residual)
