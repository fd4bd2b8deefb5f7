"""What a run says of those who played strategies, of the others and of the makers."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.adl.record import Call
from abm.engine import Engine
from abm.gaming.players import MAKERS, OTHERS, Players, equities, played
from abm.measures.burden import taken_by
from abm.scenario import Scenario
from abm.units import usd
from abm.world import NONE, Array, World


def in_short(scenario: Scenario) -> dict[str, Any]:
    """What the row of a run says of who played."""
    strategy, adopters = played(scenario)
    return {"strategy": strategy, "adopters": adopters}


def columns_of(players: Players, engine: Engine) -> dict[str, Any]:
    """The columns of the table of players of a finished run, a row a group."""
    world, record = engine.world, engine.record
    count = len(players.teams)
    group = players.group_of(world)
    shares = list(players.scenario.gaming.play.values())
    strategy, adopters = played(players.scenario)
    accounts = world.ledger.accounts
    of_teams = {
        "outside_money_usd": [int(team.peak.sum()) for team in players.teams],
        "slippage_usd": [team.slippage for team in players.teams],
        "volume_usd": [team.volume for team in players.teams],
    }
    money = {
        "wealth_start_usd": players.wealth_start,
        "wealth_end_usd": players.wealth(world),
        "fees_usd": _sums(group, accounts["fees"], count),
        **{name: np.array([*told, 0, 0]) for name, told in of_teams.items()},
        **_of_calls(record.calls, world, group, count),
        "venue_loss_usd": _venue_loss(record.liquidations, world, group, count),
    }
    rows = {name: usd(amount) for name, amount in money.items()}
    capacity = players.capacity
    return rows | {
        "strategy": [strategy] * (count + 2),
        "adopters": [adopters] * (count + 2),
        "group": [*(team.name for team in players.teams), OTHERS, MAKERS],
        "share": [*shares, max(0.0, 1.0 - sum(shares)), None],
        "capacity_usd": [None] * (count + 2) if capacity is None else usd(capacity),
        "accounts": _sums(group, np.ones(len(group), np.int64), count),
        **_heads(engine, group, count),
    }


def _sums(group: Array, amount: Array, count: int) -> Array:
    total = np.zeros(count + 2, np.int64)
    known = group != NONE
    np.add.at(total, group[known], amount[known])
    return total


def _of_calls(
    calls: list[Call], world: World, group: Array, count: int
) -> dict[str, Array]:
    """What ADL took of each group, in quanta."""
    lost, forgone, closed = np.zeros((3, count + 2), np.int64)
    end = world.markets.state["mark"] * world.markets.specs["unit"]
    for call in calls:
        taken, mark = taken_by(call), call.wave.mark * call.wave.unit
        whose, by_lots = group[taken.account], taken.lots != 0
        value = np.abs(taken.lots) * mark[taken.market]
        lost += _sums(whose, taken.losses(mark), count)
        forgone += _sums(whose[by_lots], taken.losses(end)[by_lots], count)
        closed += _sums(whose, value, count)
    return {"adl_loss_usd": lost, "forgone_usd": forgone, "adl_closed_usd": closed}


def _venue_loss(liquidations: list[Array], world: World, group: Array, count: int) -> Array:
    """What the accounts of each group left unpaid: purses paid it, or it is still owed."""
    owed = np.maximum(-equities(world), 0)
    rows = np.concatenate(liquidations)
    np.add.at(owed, rows["account"], rows["shortfall"])
    return _sums(group, owed, count)


def _heads(engine: Engine, group: Array, count: int) -> dict[str, Array]:
    """How many traders (or makers) each group has, and how many were touched or sold."""
    accounts = engine.world.ledger.accounts
    head = np.where(
        accounts["trader"] != NONE,
        accounts["trader"].astype(np.int64) + len(accounts),
        np.arange(len(accounts)),
    )
    hit = [taken_by(call).account for call in engine.record.calls]
    sold = np.concatenate(engine.record.liquidations)["account"].astype(np.int64)
    of = {
        "traders": np.arange(len(accounts)),
        "touched": np.concatenate([np.zeros(0, np.int64), *hit]),
        "liquidated": sold,
    }
    return {name: _distinct(head, group, account, count) for name, account in of.items()}


def _distinct(head: Array, group: Array, account: Array, count: int) -> Array:
    """How many different heads some accounts of each group have, shape (groups,)."""
    _, first = np.unique(head[account], return_index=True)
    return _sums(group[account[first]], np.ones(len(first), np.int64), count)
