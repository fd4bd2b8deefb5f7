"""The same run twice, one account a little richer: how far the whole world then is apart.

Both have the same draws. A trader's orders are sized by its equity, so a hair more of it
changes fills, marks and whoever is liquidated: what the rule's own jumps add to that is
seen by comparing policies with the one under which nobody pays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm import genesis, step
from abm.adl.policy import Policy
from abm.engine import Engine, Record, policy_of
from abm.scenario import Scenario
from abm.units import usd
from abm.venue.ledger import deposit
from abm.world import NONE, Array, World


class Apart(NamedTuple):
    """How far two runs are apart under a policy; money in USD.

    `nudge_usd` is what the one account had more at the start; `equity_usd` the sum over
    all other accounts of how far their equities at the end are apart; `haircuts_usd` that
    of what ADL took of each in cash, or closed of its notional; `touched` how many
    accounts ADL touched in one run only.
    """

    policy: str
    account: int
    nudge_usd: float
    equity_usd: float
    haircuts_usd: float
    touched: int


def twins(
    scenario: Scenario,
    seed: int,
    policies: tuple[str, ...],
    *,
    share: float = 1e-3,
    account: int | None = None,
) -> list[Apart]:
    """Run a seed twice under some policies, an account's collateral larger by a share.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    policies : tuple of str
    share : float
        Of the account's cash.
    account : int, optional
        The holder of a position whose cash is the median of those if not given.
    """
    chosen = [policy_of(scenario, name) for name in policies]
    world = genesis.new_world(scenario, seed)
    if account is None:
        account = median_holder(world)
    more = round(share * int(world.ledger.accounts["cash"][account]))
    ends = _ends(scenario, world, chosen)
    nudged = genesis.new_world(scenario, seed)
    deposit(nudged.ledger, account, more)
    found = []
    for policy, one, other in zip(
        chosen, ends, _ends(scenario, nudged, chosen), strict=True
    ):
        change = np.abs(other.equity - one.equity)
        found.append(
            Apart(
                policy=policy.name,
                account=account,
                nudge_usd=float(usd(more)),
                equity_usd=float(usd(int(np.delete(change, account).sum()))),
                haircuts_usd=float(usd(int(np.abs(other.taken - one.taken).sum()))),
                touched=int(((other.taken > 0) != (one.taken > 0)).sum()),
            )
        )
    return found


def median_holder(world: World) -> int:
    """The trader with a position whose cash is the median of those (the lower of two)."""
    accounts = world.ledger.accounts
    holders = np.flatnonzero(
        (accounts["first_position"] != NONE)
        & (accounts["trader"] != NONE)
        & (accounts["parent"] == NONE)
    )
    order = holders[np.argsort(accounts["cash"][holders], kind="stable")]
    return int(order[(len(order) - 1) // 2])


class _End(NamedTuple):
    """Of every account: equity at the end, and what ADL took; quanta."""

    equity: Array
    taken: Array


def _ends(scenario: Scenario, world: World, policies: list[Policy]) -> list[_End]:
    past = Engine(world, policies[0], scenario.run.wave_gap_s)
    past.share(policies)
    past.run_to(scenario.time.steps, stop_at_wave=True)
    found = []
    for policy in policies:
        engine = past.fork(policy)
        if int(engine.world.clock[0]["phase"]) == step.WAVING:
            engine.answer_if_asked()
        engine.run_to(scenario.time.steps)
        record = engine.finish()
        found.append(_End(equities(engine.world), _taken(record, engine.world)))
    return found


def _taken(record: Record, world: World) -> Array:
    """Cash taken, and notional closed at its price, of every account, quanta."""
    total = np.zeros(len(world.ledger.accounts), np.int64)
    for call in record.calls:
        fills, cuts = call.outcome.fills, call.outcome.haircuts
        np.add.at(total, fills["account"], np.abs(fills["value"]))
        np.add.at(total, cuts["account"], cuts["amount"])
    return total


def equities(world: World) -> Array:
    """Equity of every account at the marks, in quanta, shape (accounts,)."""
    ledger, markets = world.ledger, world.markets
    equity = ledger.accounts["cash"].copy()
    live = ledger.positions[ledger.positions["account"] != NONE]
    lot = markets.state["mark"] * markets.specs["unit"]
    np.add.at(equity, live["account"], live["lots"] * lot[live["market"]] - live["cost"])
    return np.asarray(equity)
