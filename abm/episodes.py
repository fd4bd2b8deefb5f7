"""From the end of one episode to the start of the next.

1. Every position is closed at the mark: at one price for both sides, so no money is
   missing, and nobody's equity changes. Nobody knows who will hold what when the next
   crash comes, months later, and a price that begins again where it began would make or
   ruin whoever still held something.
2. Those who had made up their minds to leave take their money and go.
3. What accounts and the vault still owe passes to the insurance fund, which may end below
   nothing.
4. Those who stay pay the fees of the calm time; the fund and the vault get their shares.
   So the venue is short at the start of the next episode if that was not enough.
5. Newcomers bring their money; makers begin with new capital.
6. Everybody opens the positions that it would like, as far as what it has now allows.

Accounts keep their numbers, cash, principal, what they gave and the fees they paid. The
clock goes on from where the episode ended, as if the calm time took no time.

Everything random about an episode is a function of its seed (see :func:`seed_of`), and so
of the run's seed and the episode's number, whatever the policy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm import draws, genesis, units
from abm import world as w
from abm.scenario import Scenario
from abm.traders import endowments, returns
from abm.traders.habits import GONE, see_off
from abm.traders.returns import Traits, Wishes
from abm.world import NONE, Array, Ledger, World

_KEPT_POTS = (
    "fees", "deposits", "withdrawals", "insurance_paid", "socialised", "withheld",
    "excess_debt", "claims",
)  # fmt: skip
_KEPT_CLOCK = (
    "step", "now_ms", "has_agents", "path_interval_ms", "look_every",
    "first_takeover_ms",
)  # fmt: skip


class Opening(NamedTuple):
    """How an episode begins, whatever the policy.

    `traits` are those of everybody who ever arrived, the last `newcomers` of them just
    before it.
    """

    seed: int
    traits: Traits
    newcomers: int
    wishes: Wishes


class Calm(NamedTuple):
    """What happened between two episodes, in quanta and accounts.

    `owed` is what the fund took over of debts; of all `fees`, it and the vault got
    `to_insurance` and `to_vault`; `left` went, `newcomers` came and `brought` money.
    """

    owed: int
    fees: int
    to_insurance: int
    to_vault: int
    left: int
    newcomers: int
    brought: int


def seed_of(seed: int, episode: int) -> int:
    """The seed of an episode, counted from 0; that of the first is the run's.

    A Philox word of (run's seed, `draws.EPISODE`, episode), so that neither runs nor
    episodes share their draws.
    """
    if episode == 0:
        return seed
    return int(draws.words(seed, draws.EPISODE, episode, 0)[0]) >> 1


def openings(scenario: Scenario, seed: int) -> list[Opening]:
    """How all episodes of a run but the first begin.

    Parameters
    ----------
    seed : int
        The run's.
    """
    if scenario.episodes.count == 1:
        return []
    traits = returns.traits_of(scenario, endowments.draw(scenario, seed))
    found = []
    for episode in range(1, scenario.episodes.count):
        here = seed_of(seed, episode)
        fresh = returns.newcomers(scenario, here)
        traits = traits.and_(fresh)
        wished = returns.wishes(scenario, traits, here)
        found.append(Opening(here, traits, len(fresh.kind), wished))
    return found


def next_world(scenario: Scenario, world: World, opening: Opening) -> tuple[World, Calm]:
    """The world in which the next episode begins, and what happened in between.

    Parameters
    ----------
    world : World
        At the end of an episode, its logs drained. Is used up.

    Returns
    -------
    World
        Its sums of money are those of `world` with deposits and withdrawals booked.
    """
    ledger = world.ledger
    close_positions(world)
    _close_isolated(ledger.accounts)
    left = int(world.crowd.state[0]["left"])
    see_off(world)
    left = int(world.crowd.state[0]["left"]) - left
    owed = _pass_debts_on(ledger)
    fees, to_insurance, to_vault = _collect_fees(scenario, world)
    brought = int(opening.traits.equity[len(world.crowd.traders) :].sum())
    fresh = _reopened(scenario, world, opening)
    calm = Calm(owed, fees, to_insurance, to_vault, left, opening.newcomers, brought)
    return fresh, calm


# --- the end of an episode --------------------------------------------------------------


def close_positions(world: World) -> None:
    """Close every position at the mark; what it made goes to its account's cash."""
    ledger, markets = world.ledger, world.markets
    live = np.flatnonzero(ledger.positions["account"] != NONE)
    rows = ledger.positions[live]
    price = markets.state["mark"] * markets.specs["unit"]
    value = rows["lots"] * price[rows["market"]]
    np.add.at(ledger.accounts["cash"], rows["account"], value - rows["cost"])
    # Nothing is left of book and triggers either: the next episode has its own.
    ledger.positions[live] = 0
    ledger.positions["account"][live] = NONE
    ledger.accounts["first_position"] = NONE
    ledger.accounts["first_order"] = NONE
    ledger.open_interest[:] = 0


def _close_isolated(accounts: Array) -> None:
    """What isolated accounts have goes back to their traders, with its principal."""
    rich = np.flatnonzero((accounts["parent"] != NONE) & (accounts["cash"] > 0))
    for name in ("cash", "principal"):
        np.add.at(accounts[name], accounts["parent"][rich], accounts[name][rich])
        accounts[name][rich] = 0


def _pass_debts_on(ledger: Ledger) -> int:
    """The fund owes from now on what others owe; return how much that is."""
    accounts, pots = ledger.accounts, ledger.pots[0]
    fund = int(pots["insurance"])
    debtors = np.flatnonzero(accounts["cash"] < 0)
    debtors = debtors[debtors != fund]
    owed = -int(accounts["cash"][debtors].sum())
    pots["insurance_paid"] += min(owed, max(0, int(accounts["cash"][fund])))
    accounts["cash"][debtors] = 0
    accounts["cash"][fund] -= owed
    return owed


# --- the calm time ----------------------------------------------------------------------


def _collect_fees(scenario: Scenario, world: World) -> tuple[int, int, int]:
    """Charge the fees of the calm time; all of them, the fund's and the vault's part."""
    accounts, pots = world.ledger.accounts, world.ledger.pots[0]
    given = scenario.retention
    rate = given.turnover_per_day * scenario.episodes.calm_days * given.fee_bps * 1e-4
    payers = np.unique(_staying(world))
    fee = _share(np.maximum(accounts["cash"][payers], 0), units.ppm(min(rate, 1.0)))
    accounts["cash"][payers] -= fee
    accounts["fees"][payers] += fee
    total = int(fee.sum())
    to_insurance = int(_share(fee, int(pots["insurance_ppm"])).sum())
    to_vault = int(_share(fee, units.ppm(scenario.episodes.fees_to_vault)).sum())
    accounts["cash"][pots["insurance"]] += to_insurance
    accounts["cash"][pots["backstop"]] += to_vault
    pots["fees"] += total - to_insurance - to_vault
    return total, to_insurance, to_vault


def _staying(world: World) -> Array:
    """Cross accounts of the traders who have not left."""
    traders = world.crowd.traders
    return np.asarray(traders["account"][traders["mood"] != GONE])


def _share(amount: Array, ppm: int) -> Array:
    """``amount * ppm / 1e6`` rounded down, without overflow (see `abm.arithmetic`)."""
    whole, rest = np.divmod(amount, units.PPM)
    return np.asarray(whole * ppm + rest * ppm // units.PPM)


# --- the start of the next one ----------------------------------------------------------


def _reopened(scenario: Scenario, world: World, opening: Opening) -> World:
    old, pots = world.crowd.traders, world.ledger.pots
    accounts = _everybody(world.ledger.accounts, opening, len(old))
    maker_rows = _new_makers(scenario, opening.seed, accounts, pots)
    pots["deposits"] += opening.traits.equity[len(old) :].sum()
    traders = _traders(world, opening)
    held = _positions(scenario, accounts, traders, opening)
    fresh = genesis.assembled(scenario, opening.seed, accounts, held, traders, maker_rows)
    for name in _KEPT_POTS:
        fresh.ledger.pots[name] = pots[name]
    for name in ("rebuilt", "left"):
        fresh.crowd.state[name] = world.crowd.state[name]
    _go_on(fresh, world)
    genesis.open_market(fresh)
    return fresh


def _everybody(old: Array, opening: Opening, n_before: int) -> Array:
    """Accounts as they were, then those of newcomers, then those of isolated wishes."""
    traits, wished = opening.traits, opening.wishes
    for name in ("cooldown_ms", "debt_side", "touched", "watched", "stage", "at_bottom"):
        old[name] = 0
    cross = np.zeros(opening.newcomers, w.ACCOUNT)
    cross["cash"] = cross["principal"] = traits.equity[n_before:]
    cross["kind"] = w.FIRST_TRADER_KIND + traits.kind[n_before:]
    cross["trader"] = np.arange(n_before, n_before + len(cross))
    cross["parent"] = NONE
    owner = wished.holder[wished.isolated]
    isolated = np.zeros(len(owner), w.ACCOUNT)
    isolated["kind"] = w.FIRST_TRADER_KIND + traits.kind[owner]
    isolated["trader"] = owner
    accounts = np.concatenate([old, cross, isolated])
    for name in ("first_position", "first_order", "debt_market"):
        accounts[name] = NONE
    return accounts


def _new_makers(scenario: Scenario, seed: int, accounts: Array, pots: Array) -> Array:
    """Rows of new makers; they bring what is missing to their capital, or take the rest."""
    _, rows = genesis.house_accounts(scenario, seed)
    makers = rows["account"]
    gap = rows["capital"] - accounts["cash"][makers]
    pots["deposits"] += np.maximum(gap, 0).sum()
    pots["withdrawals"] += np.maximum(-gap, 0).sum()
    accounts["cash"][makers] = accounts["principal"][makers] = rows["capital"]
    return rows


def _traders(world: World, opening: Opening) -> Array:
    """Everybody who ever arrived, calm again; who has gone stays away."""
    old, traits = world.crowd.traders, opening.traits
    n_before, n_accounts = len(old), len(world.ledger.accounts)
    rows = genesis.trader_rows(traits.kind, opening.wishes.home, traits.leverage)
    rows["account"][:n_before] = old["account"]
    rows["account"][n_before:] = n_accounts + np.arange(opening.newcomers)
    rows["rebuilt"][:n_before] = old["rebuilt"]
    rows["mood"][:n_before] = np.where(old["mood"] == GONE, GONE, 0)
    return rows


def _positions(
    scenario: Scenario, accounts: Array, traders: Array, opening: Opening
) -> genesis.Held:
    """Open what everybody can have; equity does not change by it."""
    wished, cross = opening.wishes, traders["account"]
    equity = np.where(traders["mood"] == GONE, 0, np.maximum(accounts["cash"][cross], 0))
    opened = returns.returns(scenario, wished, opening.traits, equity)
    account = np.full(len(wished.holder), NONE, np.int64)
    first = len(accounts) - int(wished.isolated.sum())
    account[wished.isolated] = np.arange(first, len(accounts))
    accounts["parent"][first:] = cross[wished.holder[wished.isolated]]
    account = np.where(wished.isolated, account, cross[wished.holder])[opened.wish]
    _move(accounts, cross[opened.holder], account, opened.moved)
    np.add.at(accounts["cash"], account, opened.cost - opened.value)
    return genesis.Held(account, opened.market, opened.lots, opened.cost)


def _move(accounts: Array, payer: Array, payee: Array, amount: Array) -> None:
    """Move money to isolated accounts; principal goes first, for gains are no one's yet."""
    isolated = np.flatnonzero(payer != payee)
    for i in isolated:
        giver, taker, moved = accounts[payer[i]], accounts[payee[i]], int(amount[i])
        principal = min(moved, max(0, int(giver["principal"])))
        for name, quanta in (("cash", moved), ("principal", principal)):
            giver[name] -= quanta
            taker[name] += quanta


def _go_on(fresh: World, before: World) -> None:
    """Clocks and the script go on from where the episode before ended."""
    clock, old = fresh.clock, before.clock
    for name in _KEPT_CLOCK:
        clock[name] = old[name]
    for name in ("backstop_due_ms", "wave_due_ms", "path_due_ms"):
        clock[name] = old["now_ms"]
    clock["funding_due_ms"] += old["now_ms"]
    fresh.markets.shocks["start_ms"] += old["now_ms"]
