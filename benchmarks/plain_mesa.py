"""The step once more, as one would write it with plain Mesa agents.

Same markets, same starting positions, same habits, makers, margin and liquidation; each
trader and maker is a `mesa.Agent`, the book and the accounts are Python objects, and every
step visits every agent and checks every account, as Mesa models do. Waves are left
unanswered. It serves as the peer of the compiled step.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

import mesa
import numpy as np

from abm import world as w
from abm.world import World

BUY, SELL = 1, -1


@dataclass(eq=False)
class Order:
    """A working order; filled or cancelled when it has no lots left."""

    account: Account
    side: int
    tick: int
    lots: int


@dataclass
class Position:
    """Signed lots and the signed cost that they were opened at."""

    lots: int = 0
    cost: int = 0


@dataclass(eq=False)
class Account:
    """A margin pool: cash, a position a market, working orders."""

    cash: int
    kind: int
    positions: dict[Market, Position] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    watched: bool = False
    stage: int = 0
    cooldown: float = 0.0

    def held(self, market: Market) -> int:
        position = self.positions.get(market)
        return position.lots if position else 0

    def equity(self) -> int:
        return self.cash + sum(
            position.lots * market.price - position.cost
            for market, position in self.positions.items()
        )

    def maintenance(self) -> int:
        return sum(
            market.margin(abs(position.lots) * market.price, 2, 4)
            for market, position in self.positions.items()
        )

    def trade(self, market: Market, lots: int, price: int) -> None:
        """Book signed lots at a price: average in, or realise against the average."""
        position = self.positions.setdefault(market, Position())
        held, cost = position.lots, position.cost
        if held * lots >= 0:
            position.cost += lots * price
        elif abs(lots) <= abs(held):
            part = cost * abs(lots) // abs(held)
            self.cash += -lots * price - part
            position.cost -= part
        else:
            self.cash += held * price - cost
            position.cost = (held + lots) * price
        position.lots += lots
        if position.lots == 0:
            del self.positions[market]


class Book:
    """Price-time priority with a queue a price and a heap of prices a side."""

    def __init__(self) -> None:
        self.queues: dict[int, dict[int, deque[Order]]] = {BUY: {}, SELL: {}}
        self.heaps: dict[int, list[int]] = {BUY: [], SELL: []}
        self.last = 0
        self.volume = 0

    def best(self, side: int) -> Order | None:
        """The order that is next on a side; dead orders and empty prices are dropped."""
        heap, queues = self.heaps[side], self.queues[side]
        while heap:
            queue = queues[-side * heap[0]]
            while queue and queue[0].lots == 0:
                queue.popleft()
            if queue:
                return queue[0]
            del queues[-side * heapq.heappop(heap)]
        return None

    def submit(
        self, market: Market, account: Account, side: int, tick: int, lots: int, rest: bool
    ) -> int:
        """Match, settle, and let the rest work if asked; return the lots filled."""
        filled = 0
        while filled < lots:
            maker = self.best(-side)
            if maker is None or side * (maker.tick - tick) > 0:
                break
            if maker.account is account:
                maker.lots = 0
                continue
            size = min(lots - filled, maker.lots)
            maker.lots -= size
            filled += size
            self.last = maker.tick
            self.volume += size
            market.model.settle(market, account, maker.account, side, size, maker.tick)
        if rest and filled < lots:
            order = Order(account, side, tick, lots - filled)
            account.orders.append(order)
            if tick not in self.queues[side]:
                self.queues[side][tick] = deque()
                heapq.heappush(self.heaps[side], -side * tick)
            self.queues[side][tick].append(order)
        return filled

    @staticmethod
    def cancel_all(account: Account) -> None:
        """Cancel an account's orders; the book drops them when it meets them."""
        for order in account.orders:
            order.lots = 0
        account.orders.clear()


class Market:
    """A market's index, mark, margin tiers and book."""

    def __init__(self, model: PlainModel, world: World, number: int) -> None:
        self.model = model
        spec = world.markets.specs[number]
        self.unit, self.beta = int(spec["unit"]), float(spec["beta"])
        self.step_volatility = float(spec["step_volatility"])
        self.depth_lots = float(spec["depth_lots"])
        self.half_spread = float(spec["half_spread"])
        first = int(spec["first_tier"])
        self.tiers = world.risk.tiers[first : first + int(spec["n_tiers"])].tolist()
        self.mark = self.index = int(spec["start"])
        self.price = self.mark * self.unit
        self.log_index, self.basis, self.trend = math.log(self.mark), 0.0, 0.0
        self.variance = self.step_volatility**2
        self.book = Book()
        self.book.last = self.mark

    def fear(self) -> float:
        return max(1.0, math.sqrt(self.variance) / self.step_volatility)

    def margin(self, notional: int, rate: int, deduction: int) -> int:
        for tier in reversed(self.tiers):
            if notional >= tier[0]:
                return notional * tier[rate] // 1_000_000 - tier[deduction]
        return 0

    def move_index(self, scale: float, factor: float, own: float) -> None:
        given = self.model.oracle
        mixed = math.sqrt(given["factor_share"]) * factor
        mixed += math.sqrt(1.0 - given["factor_share"]) * own
        move = self.step_volatility * scale * mixed
        self.log_index += move
        self.index = max(1, int(math.exp(self.log_index) + 0.5))
        decay = given["variance_decay"]
        self.variance = decay * self.variance + (1.0 - decay) * move * move
        self.trend = given["trend_decay"] * self.trend + move

    def update_mark(self) -> None:
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        here = self.index
        if bid and ask:
            here = sorted((bid.tick, ask.tick, self.book.last))[1]
            basis = 0.5 * (bid.tick + ask.tick) / self.index - 1.0
            decay = self.model.oracle["basis_decay"]
            self.basis += (1.0 - decay) * (basis - self.basis)
        adjusted = int(self.index * (1.0 + self.basis) + 0.5)
        self.mark = sorted((self.index, adjusted, here))[1]
        self.price = self.mark * self.unit


class Trader(mesa.Agent):
    """Acts when its time has come: defends, cuts, or trades with or against the trend."""

    def __init__(self, model: PlainModel, account: Account, row: np.void) -> None:
        super().__init__(model)
        self.account = account
        self.home = model.markets[int(row["market"])]
        self.habit = model.kinds[int(row["kind"])]
        self.leverage = float(row["leverage"])
        self.wake = float(row["wake_ms"])

    def step(self) -> None:
        model = self.model
        if self.wake >= model.now + model.step_ms:
            return
        self.act()
        fear, habit = self.home.fear(), self.habit
        mean = habit["act_mean_ms"] / (1.0 + habit["stress_haste"] * (fear - 1.0))
        self.wake = model.now + max(self.random.expovariate(1.0 / mean), model.step_ms)

    def act(self) -> None:
        account, habit = self.account, self.habit
        if account.watched:
            return
        equity, maintenance = account.equity(), account.maintenance()
        market, position = self.home, Position()
        if account.positions:
            market = self.random.choice(list(account.positions))
            position = account.positions[market]
        loss = position.cost - position.lots * market.price
        if position.lots and equity < habit["comfort"] * maintenance:
            u = self.random.random()
            if u < habit["top_up_share"]:
                account.cash += int(habit["comfort"] * maintenance) - equity
            elif u < habit["top_up_share"] + habit["cut_share"]:
                self.reduce(market, position.lots, habit["cut_size"])
        elif position.lots and loss > habit["stop_loss"] * abs(position.cost):
            self.reduce(market, position.lots, 1.0)
        elif equity > 0:
            self.trade(market, position.lots, equity)

    def reduce(self, market: Market, held: int, share: float) -> None:
        lots = max(1, int(abs(held) * share))
        self.model.send(self.account, market, SELL if held > 0 else BUY, None, lots)

    def trade(self, market: Market, held: int, equity: int) -> None:
        habit, rng, send = self.habit, self.random, self.model.send
        wanted = self.leverage * equity / market.price
        lots = int(rng.expovariate(1.0) * habit["turnover"] * wanted)
        signal = habit["trend"] * market.trend / max(8.0 * market.step_volatility, 1e-12)
        side = BUY if rng.random() < 1.0 / (1.0 + math.exp(-signal)) else SELL
        if held and rng.random() < habit["flip_share"]:
            side = SELL if held > 0 else BUY
            lots = max(lots, abs(held))
        elif abs(held + side * lots) > 1.5 * wanted and held * side > 0:
            side, lots = -side, min(lots, abs(held))
        if lots < 1:
            return
        if rng.random() < habit["market_order_share"]:
            send(self.account, market, side, None, lots)
        else:
            away = min(rng.expovariate(1.0) * habit["limit_offset"], 0.5)
            send(
                self.account,
                market,
                side,
                int(market.mark * (1.0 - side * away) + 0.5),
                lots,
            )


class Maker(mesa.Agent):
    """Cancels and quotes its ladder anew; fear and losses drive it away for a while."""

    def __init__(self, model: PlainModel, account: Account, row: np.void) -> None:
        super().__init__(model)
        self.account = account
        self.market = model.markets[int(row["market"])]
        self.share = float(row["share"])
        self.capital = int(row["capital"])
        self.away_until = 0.0

    def step(self) -> None:
        model, quoting, rng = self.model, self.model.quoting, self.random
        if rng.random() >= quoting["requote_chance"]:
            return
        self.market.book.cancel_all(self.account)
        if model.now < self.away_until:
            return
        equity = self.account.equity()
        lost = equity < (1.0 - quoting["exit_loss"]) * self.capital
        excess = max(self.market.fear() / quoting["exit_fear"] - 1.0, 0.0)
        if lost or rng.random() < 1.0 - math.exp(-quoting["exit_chance"] * excess):
            self.away_until = model.now + rng.expovariate(1.0 / quoting["return_mean_ms"])
            self.capital = max(equity, 0) if lost else self.capital
            return
        self.quote(equity)

    def quote(self, equity: int) -> None:
        market, quoting, account = self.market, self.model.quoting, self.account
        limit = quoting["inventory_limit"] * max(equity, 0) / (market.index * market.unit)
        if limit < 1.0:
            return
        lean = min(max(account.held(market) / limit, -1.0), 1.0)
        fear, spread = market.fear(), market.half_spread
        wider = fear ** quoting["widening"]
        thinner = min(fear ** quoting["thinning"], quoting["max_thinning"])
        size = min(
            market.depth_lots * self.share / thinner, limit / quoting["ladder_total"]
        )
        middle = market.index * (1.0 - quoting["skew"] * lean * spread * wider)
        for side in (BUY, SELL):
            room = size * min(1.0, 1.0 - side * lean)
            for reach, share in self.model.ladder:
                lots = int(room * share + 0.5)
                exact = middle * (1.0 - side * min(wider * (spread + reach), 0.9))
                tick = math.floor(exact) if side == BUY else math.ceil(exact)
                if lots >= 1 and tick >= 1:
                    self.model.quotes += 1
                    market.book.submit(market, account, side, tick, lots, rest=True)


class PlainModel(mesa.Model):
    """Markets, traders, makers and the venue; starts where a world starts."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(seed=seed)
        self.noise = np.random.default_rng(seed)
        self.oracle = _named(world.markets.oracle[0])
        self.quoting = _named(world.makers.quoting[0])
        self.kinds = [_named(row) for row in world.crowd.kinds]
        self.ladder = world.makers.ladder.tolist()
        self.taker_ppm = int(world.ledger.pots["taker_ppm"][0])
        self.maker_ppm = int(world.ledger.pots["maker_ppm"][0])
        self.step_ms, self.now = int(world.clock["step_ms"][0]), 0
        self.log_volatility, self.fees = 0.0, 0
        self.orders = self.quotes = 0
        self.markets = [Market(self, world, i) for i in range(len(world.markets.specs))]
        self.accounts = _accounts(world, self.markets)
        for row in world.crowd.traders:
            Trader(self, self.accounts[row["account"]], row)
        for row in world.makers.makers:
            Maker(self, self.accounts[row["account"]], row)
        self.watched: list[Account] = []
        self.vault, self.vault_due = self.accounts[0], 0.0
        self.datacollector = mesa.DataCollector(
            {
                "mark": lambda model: [market.mark for market in model.markets],
                "volume": lambda model: [market.book.volume for market in model.markets],
            }
        )

    def step(self) -> None:
        """The story of a step."""
        self.move_indices()
        self.agents_by_type[Maker].do("step")
        self.agents_by_type[Trader].shuffle_do("step")
        for market in self.markets:
            market.update_mark()
        self.check_margins()
        self.liquidate()
        self.datacollector.collect(self)
        self.now += self.step_ms

    def move_indices(self) -> None:
        given, noise = self.oracle, self.noise
        unit = math.sqrt((given["degrees"] - 2.0) / given["degrees"])
        factor, *own = noise.standard_t(given["degrees"], 1 + len(self.markets)) * unit
        scale = math.exp(self.log_volatility)
        for market, its in zip(self.markets, own, strict=True):
            market.move_index(scale, factor, its)
        decay = given["log_volatility_decay"]
        spread = given["log_volatility_sd"] * math.sqrt(1.0 - decay * decay)
        self.log_volatility = decay * self.log_volatility + spread * noise.standard_normal()

    def send(
        self, account: Account, market: Market, side: int, tick: int | None, lots: int
    ) -> None:
        """Cancel what the trader had working, check its margin, and match."""
        self.orders += 1
        market.book.cancel_all(account)
        held = account.held(market)
        after = held + side * lots
        if abs(after) > abs(held) or after * held < 0:
            needed = market.margin(abs(after) * market.price, 1, 3) + sum(
                other.margin(abs(position.lots) * other.price, 1, 3)
                for other, position in account.positions.items()
                if other is not market
            )
            if needed > account.equity():
                lots = max(0, min(lots, -side * held))
        if lots > 0 and not account.watched:
            limit = tick if tick is not None else (2**31 if side == BUY else 1)
            market.book.submit(market, account, side, limit, lots, rest=tick is not None)

    def settle(
        self,
        market: Market,
        taker: Account,
        maker: Account,
        side: int,
        lots: int,
        tick: int,
    ) -> None:
        price = tick * market.unit
        taker.trade(market, side * lots, price)
        maker.trade(market, -side * lots, price)
        for account, ppm in ((taker, self.taker_ppm), (maker, self.maker_ppm)):
            fee = lots * price * ppm // 1_000_000
            account.cash -= fee
            self.fees += fee

    def check_margins(self) -> None:
        for account in self.accounts[2:]:
            if account.positions and not account.watched:
                equity = account.equity()
                if equity < account.maintenance() or equity < 0:
                    account.watched = True
                    Book.cancel_all(account)
                    self.watched.append(account)

    def liquidate(self) -> None:
        """Down the ladder of Hyperliquid: the book, then the vault."""
        vault_is_due = self.now >= self.vault_due
        if vault_is_due:
            self.vault_due += 6290.0
        for account in self.watched:
            equity, maintenance = account.equity(), account.maintenance()
            if equity >= 2 * maintenance // 3:
                self.sell_into_book(account, equity, maintenance)
            elif vault_is_due and equity >= 0:
                for market, position in list(account.positions.items()):
                    lots = position.lots
                    self.vault.trade(market, lots, market.price)
                    account.trade(market, -lots, market.price)
                self.vault.cash += account.cash
                account.cash = 0
        for account in self.watched:
            equity = account.equity()
            account.watched = equity < account.maintenance() or equity < 0
        self.watched = [account for account in self.watched if account.watched]

    def sell_into_book(self, account: Account, equity: int, maintenance: int) -> None:
        if self.now < account.cooldown:
            return
        for market, position in list(account.positions.items()):
            held, lots = position.lots, abs(position.lots)
            value = held * market.price
            share = equity * market.margin(abs(value), 2, 4) / max(maintenance, 1)
            bankruptcy = (value - share) / (held * market.unit)
            if account.stage == 0 and abs(value) > 100_000_000_000:
                lots, account.stage = max(1, lots // 5), 1
                account.cooldown = self.now + 30_000.0
            side = SELL if held > 0 else BUY
            tick = math.ceil(bankruptcy) if side == SELL else math.floor(bankruptcy)
            market.book.submit(market, account, side, tick, lots, rest=False)


def _named(row: np.void) -> dict[str, float]:
    """A record of numbers as a dictionary."""
    return {name: float(row[name]) for name in row.dtype.names or ()}


def _accounts(world: World, markets: list[Market]) -> list[Account]:
    """The accounts of a world as Python objects."""
    rows = world.ledger.accounts
    accounts = [
        Account(cash, kind)
        for cash, kind in zip(rows["cash"].tolist(), rows["kind"].tolist(), strict=True)
    ]
    live = world.ledger.positions[world.ledger.positions["account"] != w.NONE]
    for account, market, lots, cost in live[["account", "market", "lots", "cost"]].tolist():
        accounts[account].positions[markets[market]] = Position(lots, cost)
    return accounts
