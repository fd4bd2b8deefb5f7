"""Puts a view together: what all can see, what one's own accounts are, the lights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm import units
from abm.adl.policy import Policy
from abm.adl.wave import PolicyError, gather
from abm.desk.actions import Own
from abm.desk.seeing import see_markets, see_own, see_purses, see_tiers
from abm.desk.view import (
    OWN_ACCOUNT,
    OWN_POSITION,
    Fees,
    Published,
    View,
    published,
    sealed,
)
from abm.engine import policy_table
from abm.measures import predictability
from abm.scenario import Scenario
from abm.world import Array, World


class Shown(NamedTuple):
    """The lights that accounts were last shown, and when they are shown next.

    `account` rises; `lights` is the lit part of each, from 0 to 1.
    """

    account: Array
    lights: Array
    due_ms: int

    def of(self, own: Own, count: int) -> Array:
        """The highest light of each owner's accounts, shape (count,)."""
        found = np.zeros(count)
        if len(self.account):
            place = np.searchsorted(self.account, own.account)
            place = np.minimum(place, len(self.account) - 1)
            known = self.account[place] == own.account
            np.maximum.at(found, own.owner[known], self.lights[place[known]])
        return found


NEVER_SHOWN = Shown(np.zeros(0, np.int64), np.zeros(0), 0)


def shown_now(scenario: Scenario, world: World, policy: Policy) -> Shown:
    """The lights of all who hold a position; dark if the policy cannot say."""
    every_ms = round(scenario.outputs.lights_every_s * 1000)
    due_ms = int(world.clock[0]["now_ms"]) + every_ms
    try:
        shown = predictability.shown(policy, gather(world, 0, everywhere=True))
    except PolicyError:
        return NEVER_SHOWN._replace(due_ms=due_ms)
    return Shown(shown.account, shown.lights, due_ms)


def public_view(scenario: Scenario, world: World, policy: Policy | None) -> View:
    """What all can see, without anybody's own; the policy's text if one is given."""
    pots = world.ledger.pots[0]
    return View(
        now_s=float(world.clock[0]["now_ms"]) / 1000.0,
        step_s=scenario.time.step_s,
        every_s=scenario.gaming.every_s,
        traders=0,
        names=tuple(scenario.market_names()),
        markets=see_markets(world),
        tiers=see_tiers(world),
        fees=Fees(
            taker=float(pots["taker_ppm"]) / units.PPM,
            maker=float(pots["maker_ppm"]) / units.PPM,
            move=move_ppm(scenario, world) / units.PPM,
        ),
        purses=see_purses(world),
        policy=None if policy is None else _text_of(scenario, policy.name),
        accounts=sealed(np.zeros(0, OWN_ACCOUNT)),
        positions=sealed(np.zeros(0, OWN_POSITION)),
        lights=sealed(np.zeros(0)),
    )


def own_view(
    public: View, world: World, own: Own, count: int, shown: Shown | None = None
) -> View:
    """A view with the accounts of some owners in it.

    Parameters
    ----------
    public : View
    own : Own
        Their accounts.
    count : int
        How many owners there are.
    shown : Shown, optional
        Lights, for whoever looks at them.
    """
    order = np.lexsort((own.account, own.owner))
    accounts, positions = see_own(world, own.account[order], own.owner[order])
    lights = public.lights if shown is None else sealed(shown.of(own, count))
    return public._replace(
        traders=count, accounts=accounts, positions=positions, lights=lights
    )


def move_ppm(scenario: Scenario, world: World) -> int:
    """What moving a position costs either side, parts per million of its value."""
    taker = max(0, int(world.ledger.pots[0]["taker_ppm"]))
    return round(taker * scenario.gaming.move_fee)


def _text_of(scenario: Scenario, name: str) -> Published:
    """What is published of a policy: nothing but its name if it is no scenario's."""
    try:
        return Published(name, published(policy_table(scenario, name)))
    except KeyError:
        return Published(name, published({}))
