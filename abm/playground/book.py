"""From a file to a world in which its accounts stand, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass

from abm import genesis, scenario
from abm import world as w
from abm.compiled import kernel
from abm.playground.file import Holder, WaveFile, accounts_of_world, market_of
from abm.units import quanta
from abm.venue.ledger import book_lots
from abm.venue.margin import equity_of
from abm.world import NONE, World

_HOUSE = 2


@dataclass(frozen=True)
class Book:
    """A wave file as a world: account `i` of the file is account ``first + i``."""

    file: WaveFile
    world: World
    first: int

    @property
    def names(self) -> list[str]:
        """What the accounts are called, in the order of the file."""
        return [holder.account for holder in self.file.accounts]

    def equity_and_profit(self, i: int) -> tuple[int, int]:
        """Equity and unrealised profit of an account of the file, in quanta."""
        account = self.first + i
        equity = int(equity_of(self.world.ledger, self.world.markets, account))
        return equity, equity - int(self.world.ledger.accounts["cash"][account])


def book_of(file: WaveFile) -> Book:
    """The world that a file describes."""
    told = scenario.from_mapping(market_of(file, file.mark))
    world = _emptied(genesis.new_world(told, 1))
    state = world.markets.state
    state["mark"] = round(file.mark / file.tick_usd)
    state["previous_mark"] = round((file.previous_mark_usd or file.mark) / file.tick_usd)
    state["index"] = round((file.index_usd or file.mark) / file.tick_usd)
    first = len(world.ledger.accounts) - accounts_of_world(file)
    for i, holder in enumerate(file.accounts):
        _settle(world, file, first + i, holder)
    if file.deficit_usd:
        world.ledger.accounts["cash"][first + len(file.accounts)] = -quanta(
            file.deficit_usd
        )
    _watch_the_short(world)
    world.ledger.pots["deposits"] -= int(w.money_missing(world.ledger))
    return Book(file, world, first)


def _emptied(world: World) -> World:
    """The same venue in which nobody has anything."""
    ledger, risk = world.ledger, world.risk
    for name in ("cash", "principal", "fees", "given"):
        ledger.accounts[name] = 0
    ledger.accounts["first_position"] = NONE
    ledger.pots["free_position"] = 0
    for name in ("used_positions", "deposits", "fees"):
        ledger.pots[name] = 0
    ledger.open_interest[:] = 0
    risk.triggers[:] = NONE
    positions = genesis.free_positions(max(len(ledger.positions), len(ledger.accounts)))
    return world._replace(ledger=ledger._replace(positions=positions))


def _settle(world: World, file: WaveFile, account: int, holder: Holder) -> None:
    """Give an account what the file says."""
    unit = int(world.markets.specs[0]["unit"])
    mark = int(world.markets.state["mark"][0])
    if holder.has_position:
        lots = round((holder.quantity or 0.0) / file.lot)
        lots = lots if holder.side == "long" else -lots
        cost = round((holder.entry_usd or 0.0) / file.tick_usd * unit * lots)
        profit = lots * mark * unit - cost
        equity = holder.equity_usd
        if holder.leverage is not None:
            equity = file.mark * (holder.quantity or 0.0) / holder.leverage
        cash = (
            quanta(holder.collateral_usd)
            if equity is None and holder.collateral_usd is not None
            else quanta(equity or 0.0) - profit
        )
    else:
        cash, profit = (quanta(amount) for amount in _cash_and_profit(holder))
        notional = max(abs(cash + profit), 1) * (holder.leverage or 1.0)
        lots = max(1, round(notional / (mark * unit)))
        cost = lots * mark * unit - profit
    level = int(world.book.tops[0]["first_level"])
    _open(world, level, account, lots, cost)
    world.ledger.accounts["cash"][account] = cash
    world.ledger.accounts["principal"][account] = max(0, cash)


@kernel
def _open(world: World, level: int, account: int, lots: int, cost: int) -> None:
    book_lots(world.ledger, world.risk, level, account, 0, lots, cost)


def _cash_and_profit(holder: Holder) -> tuple[float, float]:
    """Collateral and unrealised profit of an account without a position, USD."""
    equity, cash, profit = holder.equity_usd, holder.collateral_usd, holder.profit_usd
    if holder.capacity_usd is not None:
        return 0.0, holder.capacity_usd
    if equity is None:
        return cash or 0.0, profit or 0.0
    if cash is None:
        return equity - (profit or 0.0), profit or 0.0
    return cash, equity - cash


def _watch_the_short(world: World) -> None:
    """Everyone below zero is watched, and no rung but the wave is left."""
    ledger, risk = world.ledger, world.risk
    for account in range(_HOUSE, len(ledger.accounts)):
        if equity_of(ledger, world.markets, account) < 0:
            count = int(risk.watch[0]["n"])
            risk.watched[count] = account
            risk.watch[0]["n"] = count + 1
            ledger.accounts["watched"][account] = ledger.accounts["at_bottom"][account] = 1
