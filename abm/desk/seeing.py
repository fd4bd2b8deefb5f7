"""Looks at a world for those who play: copies of what they can see, and of nothing else."""

from __future__ import annotations

import numpy as np

from abm.compiled import kernel
from abm.desk.view import OWN_ACCOUNT, OWN_POSITION, SEEN_MARKET, Purses, sealed
from abm.market.book import BUY, depth
from abm.venue.margin import equity_of, initial_of, maintenance_of
from abm.world import NONE, TIER, Array, Book, Ledger, Markets, Risk, World

# --- what is public ---------------------------------------------------------------------


def see_markets(world: World) -> Array:
    """The public state of every market, records of `SEEN_MARKET`."""
    rows = np.zeros(len(world.markets.specs), SEEN_MARKET)
    _fill_markets(world.book, world.ledger, world.markets, rows)
    return sealed(rows)


@kernel
def _fill_markets(book: Book, ledger: Ledger, markets: Markets, rows: Array) -> None:
    for market in range(rows.shape[0]):
        row, state, spec = rows[market], markets.state[market], markets.specs[market]
        top = book.tops[market]
        row.index = state.index
        row.mark = state.mark
        row.bid = top.bid if top.bid >= 1 else NONE
        row.ask = top.ask if top.ask < top.size else NONE
        row.last = top.last
        row.bid_depth = depth(book, market, BUY, state.mark - state.mark // 100)
        row.ask_depth = depth(book, market, -BUY, state.mark + state.mark // 100)
        row.open_interest = ledger.open_interest[market]
        row.unit = spec.unit
        row.first_tier = spec.first_tier
        row.n_tiers = spec.n_tiers
        row.premium = state.premium / max(state.premium_steps, 1)


def see_purses(world: World) -> Purses:
    """The venue's published purses."""
    pots = world.ledger.pots[0]
    return Purses(
        vault=int(equity_of(world.ledger, world.markets, pots["backstop"])),
        insurance=int(equity_of(world.ledger, world.markets, pots["insurance"])),
    )


def see_tiers(world: World) -> Array:
    """The margin tiers of all markets, a copy."""
    return sealed(np.array(world.risk.tiers, TIER))


# --- what is one's own ------------------------------------------------------------------


def see_own(world: World, account: Array, owner: Array) -> tuple[Array, Array]:
    """The state of some accounts and of their positions.

    Parameters
    ----------
    account, owner : array of int64, shape (accounts,)
        Numbers of the accounts, and whose they are; the first of an owner is the one that
        it began with.

    Returns
    -------
    accounts, positions : structured arrays of `OWN_ACCOUNT` and `OWN_POSITION`
    """
    rows = np.zeros(len(account), OWN_ACCOUNT)
    rows["account"], rows["owner"] = account, owner
    rows["is_first"] = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    count = _fill_accounts(world.book, world.ledger, world.risk, world.markets, rows)
    positions = np.zeros(count, OWN_POSITION)
    _fill_positions(world.ledger, world.risk, world.markets, rows, positions)
    return sealed(rows), sealed(positions)


@kernel
def _fill_accounts(
    book: Book, ledger: Ledger, risk: Risk, markets: Markets, rows: Array
) -> int:
    """Fill in what the ledger says of some accounts; return how many positions."""
    count = 0
    for i in range(rows.shape[0]):
        row, owner = rows[i], ledger.accounts[rows[i].account]
        row.is_isolated = owner.parent != NONE
        row.is_liquidated = owner.watched
        row.cash = owner.cash
        row.principal = owner.principal
        slot = owner.first_position
        while slot != NONE:
            position = ledger.positions[slot]
            spec = markets.specs[position.market]
            value = position.lots * markets.state[position.market].mark * spec.unit
            row.notional += abs(value)
            row.net += value
            row.profit += value - position.cost
            row.initial += initial_of(risk.tiers, spec, abs(value))
            row.maintenance += maintenance_of(risk.tiers, spec, abs(value))
            count += 1
            slot = position.next
        row.equity = row.cash + row.profit
        row.free = max(0, min(row.equity - row.initial, row.cash))
        order = owner.first_order
        while order != NONE:
            row.orders += 1
            order = book.orders[order].own_after
    return count


@kernel
def _fill_positions(
    ledger: Ledger, risk: Risk, markets: Markets, rows: Array, positions: Array
) -> None:
    count = 0
    for i in range(rows.shape[0]):
        slot = ledger.accounts[rows[i].account].first_position
        while slot != NONE:
            position = ledger.positions[slot]
            spec = markets.specs[position.market]
            row = positions[count]
            row.owner = rows[i].owner
            row.row = i
            row.account = rows[i].account
            row.market = position.market
            row.lots = position.lots
            row.cost = position.cost
            row.value = position.lots * markets.state[position.market].mark * spec.unit
            row.profit = row.value - position.cost
            row.initial = initial_of(risk.tiers, spec, abs(row.value))
            row.maintenance = maintenance_of(risk.tiers, spec, abs(row.value))
            count += 1
            slot = position.next
