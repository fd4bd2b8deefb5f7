"""The step once more, as one would write it with plain Mesa agents.

Same market, same starting positions, same habits, makers, margin and liquidation; each
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


@dataclass(eq=False)
class Account:
    """A margin pool with at most one position."""

    cash: int
    kind: int
    lots: int = 0
    cost: int = 0
    orders: list[Order] = field(default_factory=list)
    watched: bool = False
    stage: int = 0
    cooldown: float = 0.0

    def equity(self, price: int) -> int:
        return self.cash + self.lots * price - self.cost

    def trade(self, lots: int, price: int) -> None:
        """Book signed lots at a price: average in, or realise against the average."""
        if self.lots * lots >= 0:
            self.cost += lots * price
        elif abs(lots) <= abs(self.lots):
            part = self.cost * abs(lots) // abs(self.lots)
            self.cash += -lots * price - part
            self.cost -= part
        else:
            self.cash += self.lots * price - self.cost
            self.cost = (self.lots + lots) * price
        self.lots += lots


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
        self,
        model: PlainModel,
        account: Account,
        side: int,
        tick: int,
        lots: int,
        rest: bool,
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
            model.settle(account, maker.account, side, size, maker.tick)
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


class Trader(mesa.Agent):
    """Acts when its time has come: defends, cuts, or trades with or against the trend."""

    def __init__(self, model: PlainModel, account: Account, row: np.void) -> None:
        super().__init__(model)
        self.account = account
        self.habit = model.kinds[int(row["kind"])]
        self.leverage = float(row["leverage"])
        self.wake = float(row["wake_ms"])

    def step(self) -> None:
        model = self.model
        if self.wake >= model.now + model.step_ms:
            return
        habit = self.habit
        self.act()
        mean = habit["act_mean_ms"] / (1.0 + habit["stress_haste"] * (model.fear() - 1.0))
        self.wake = model.now + max(self.random.expovariate(1.0 / mean), model.step_ms)

    def act(self) -> None:
        model, account, habit = self.model, self.account, self.habit
        if account.watched:
            return
        price = model.mark * model.unit
        equity = account.equity(price)
        maintenance = model.maintenance(account)
        value = account.lots * price
        if account.lots and equity < habit["comfort"] * maintenance:
            u = self.random.random()
            if u < habit["top_up_share"]:
                account.cash += int(habit["comfort"] * maintenance) - equity
            elif u < habit["top_up_share"] + habit["cut_share"]:
                self.reduce(habit["cut_size"])
        elif account.lots and account.cost - value > habit["stop_loss"] * abs(account.cost):
            self.reduce(1.0)
        elif equity > 0:
            self.trade(equity, price)

    def reduce(self, share: float) -> None:
        lots = max(1, int(abs(self.account.lots) * share))
        self.model.send(self.account, SELL if self.account.lots > 0 else BUY, None, lots)

    def trade(self, equity: int, price: int) -> None:
        model, account, habit, rng = self.model, self.account, self.habit, self.random
        wanted = self.leverage * equity / price
        lots = int(rng.expovariate(1.0) * habit["turnover"] * wanted)
        signal = habit["trend"] * model.trend / max(8.0 * model.step_volatility, 1e-12)
        side = BUY if rng.random() < 1.0 / (1.0 + math.exp(-signal)) else SELL
        held = account.lots
        if held and rng.random() < habit["flip_share"]:
            side = SELL if held > 0 else BUY
            lots = max(lots, abs(held))
        elif abs(held + side * lots) > 1.5 * wanted and held * side > 0:
            side, lots = -side, min(lots, abs(held))
        if lots < 1:
            return
        if rng.random() < habit["market_order_share"]:
            model.send(account, side, None, lots)
        else:
            away = min(rng.expovariate(1.0) * habit["limit_offset"], 0.5)
            model.send(account, side, int(model.mark * (1.0 - side * away) + 0.5), lots)


class Maker(mesa.Agent):
    """Cancels and quotes its ladder anew; fear and losses drive it away for a while."""

    def __init__(self, model: PlainModel, account: Account, row: np.void) -> None:
        super().__init__(model)
        self.account = account
        self.share = float(row["share"])
        self.capital = int(row["capital"])
        self.away_until = 0.0

    def step(self) -> None:
        model, quoting = self.model, self.model.quoting
        if self.random.random() >= quoting["requote_chance"]:
            return
        model.book.cancel_all(self.account)
        if model.now < self.away_until:
            return
        equity = self.account.equity(model.mark * model.unit)
        lost = equity < (1.0 - quoting["exit_loss"]) * self.capital
        excess = model.fear() / quoting["exit_fear"] - 1.0
        chance = 1.0 - math.exp(-quoting["exit_chance"] * max(excess, 0.0))
        if lost or self.random.random() < chance:
            self.away_until = model.now + self.random.expovariate(
                1.0 / quoting["return_mean_ms"]
            )
            self.capital = max(equity, 0) if lost else self.capital
            return
        self.quote(equity)

    def quote(self, equity: int) -> None:
        model, quoting = self.model, self.model.quoting
        limit = quoting["inventory_limit"] * max(equity, 0) / (model.index * model.unit)
        if limit < 1.0:
            return
        lean = min(max(self.account.lots / limit, -1.0), 1.0)
        fear = model.fear()
        wider = fear ** quoting["widening"]
        thinner = min(fear ** quoting["thinning"], quoting["max_thinning"])
        size = min(model.depth_lots * self.share / thinner, limit / quoting["ladder_total"])
        middle = model.index * (1.0 - quoting["skew"] * lean * model.half_spread * wider)
        for side in (BUY, SELL):
            room = size * min(1.0, 1.0 - side * lean)
            for reach, share in model.ladder:
                lots = int(room * share + 0.5)
                exact = middle * (
                    1.0 - side * min(wider * (model.half_spread + reach), 0.9)
                )
                tick = math.floor(exact) if side == BUY else math.ceil(exact)
                if lots >= 1 and tick >= 1:
                    model.book.submit(model, self.account, side, tick, lots, rest=True)


class PlainModel(mesa.Model):
    """One market, its traders and makers, and the venue; starts where a world starts."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(seed=seed)
        self.noise = np.random.default_rng(seed)
        spec, oracle = world.markets.specs[0], world.markets.oracle[0]
        self.unit, self.step_volatility = int(spec["unit"]), float(spec["step_volatility"])
        self.depth_lots = float(spec["depth_lots"])
        self.half_spread = float(spec["half_spread"])
        self.oracle = {name: float(oracle[name]) for name in oracle.dtype.names}
        quoting = world.makers.quoting[0]
        self.quoting = {name: float(quoting[name]) for name in quoting.dtype.names}
        self.ladder = world.makers.ladder.tolist()
        self.kinds = [
            {name: float(row[name]) for name in row.dtype.names}
            for row in world.crowd.kinds
        ]
        self.tiers = world.risk.tiers.tolist()
        self.taker_ppm = int(world.ledger.pots["taker_ppm"][0])
        self.maker_ppm = int(world.ledger.pots["maker_ppm"][0])
        self.step_ms, self.now = int(world.clock["step_ms"][0]), 0
        self.mark = self.index = int(spec["start"])
        self.log_index, self.log_volatility = math.log(self.mark), 0.0
        self.variance, self.trend = self.step_volatility**2, 0.0
        self.basis, self.fees, self.orders_sent = 0.0, 0, 0
        self.book = Book()
        self.book.last = self.mark
        self.accounts = _accounts(world)
        for row in world.crowd.traders:
            Trader(self, self.accounts[row["account"]], row)
        for row in world.makers.makers:
            Maker(self, self.accounts[row["account"]], row)
        self.watched: list[Account] = []
        self.vault, self.vault_due = self.accounts[0], 0.0
        self.datacollector = mesa.DataCollector(
            {"mark": "mark", "volume": lambda model: model.book.volume}
        )

    def step(self) -> None:
        """The story of a step."""
        self.move_index()
        self.agents_by_type[Maker].do("step")
        self.agents_by_type[Trader].shuffle_do("step")
        self.update_mark()
        self.check_margins()
        self.liquidate()
        self.datacollector.collect(self)
        self.now += self.step_ms

    def fear(self) -> float:
        return max(1.0, math.sqrt(self.variance) / self.step_volatility)

    def move_index(self) -> None:
        given, noise = self.oracle, self.noise
        scale = math.sqrt((given["degrees"] - 2.0) / given["degrees"])
        factor, own = noise.standard_t(given["degrees"], 2) * scale
        mixed = math.sqrt(given["factor_share"]) * factor
        mixed += math.sqrt(1.0 - given["factor_share"]) * own
        move = self.step_volatility * math.exp(self.log_volatility) * mixed
        self.log_index += move
        self.index = max(1, int(math.exp(self.log_index) + 0.5))
        decay = given["variance_decay"]
        self.variance = decay * self.variance + (1.0 - decay) * move * move
        self.trend = given["trend_decay"] * self.trend + move
        decay = given["log_volatility_decay"]
        spread = given["log_volatility_sd"] * math.sqrt(1.0 - decay * decay)
        self.log_volatility = decay * self.log_volatility + spread * noise.standard_normal()

    def send(self, account: Account, side: int, tick: int | None, lots: int) -> None:
        """Cancel what the trader had working, check its margin, and match."""
        self.orders_sent += 1
        self.book.cancel_all(account)
        after = account.lots + side * lots
        if abs(after) > abs(account.lots) or after * account.lots < 0:
            needed = self.margin(abs(after) * self.mark * self.unit, 1, 3)
            if needed > account.equity(self.mark * self.unit):
                lots = max(0, min(lots, -side * account.lots))
        if lots > 0 and not account.watched:
            limit = tick if tick is not None else (2**31 if side == BUY else 1)
            self.book.submit(self, account, side, limit, lots, rest=tick is not None)

    def settle(
        self, taker: Account, maker: Account, side: int, lots: int, tick: int
    ) -> None:
        price = tick * self.unit
        taker.trade(side * lots, price)
        maker.trade(-side * lots, price)
        for account, ppm in ((taker, self.taker_ppm), (maker, self.maker_ppm)):
            fee = lots * price * ppm // 1_000_000
            account.cash -= fee
            self.fees += fee

    def update_mark(self) -> None:
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        here = self.index
        if bid and ask:
            here = sorted((bid.tick, ask.tick, self.book.last))[1]
            basis = 0.5 * (bid.tick + ask.tick) / self.index - 1.0
            self.basis += (1.0 - self.oracle["basis_decay"]) * (basis - self.basis)
        adjusted = int(self.index * (1.0 + self.basis) + 0.5)
        self.mark = sorted((self.index, adjusted, here))[1]

    def margin(self, notional: int, rate: int, deduction: int) -> int:
        for tier in reversed(self.tiers):
            if notional >= tier[0]:
                return notional * tier[rate] // 1_000_000 - tier[deduction]
        return 0

    def maintenance(self, account: Account) -> int:
        return self.margin(abs(account.lots) * self.mark * self.unit, 2, 4)

    def check_margins(self) -> None:
        price = self.mark * self.unit
        for account in self.accounts[2:]:
            if account.lots and not account.watched:
                equity = account.equity(price)
                if equity < self.maintenance(account) or equity < 0:
                    account.watched = True
                    self.book.cancel_all(account)
                    self.watched.append(account)

    def liquidate(self) -> None:
        """Down the ladder of Hyperliquid: the book, then the vault."""
        price, vault_is_due = self.mark * self.unit, self.now >= self.vault_due
        if vault_is_due:
            self.vault_due += 6290.0
        for account in self.watched:
            equity, maintenance = account.equity(price), self.maintenance(account)
            if equity >= 2 * maintenance // 3:
                self.sell_into_book(account, equity, price)
            elif vault_is_due and equity >= 0:
                self.vault.trade(account.lots, price)
                account.trade(-account.lots, price)
                self.vault.cash += account.cash
                account.cash = 0
        for account in self.watched:
            equity = account.equity(price)
            account.watched = equity < self.maintenance(account) or equity < 0
        self.watched = [account for account in self.watched if account.watched]

    def sell_into_book(self, account: Account, equity: int, price: int) -> None:
        if self.now < account.cooldown or not account.lots:
            return
        lots = abs(account.lots)
        if account.stage == 0 and lots * price > 100_000_000_000:
            lots, account.stage = max(1, lots // 5), 1
            account.cooldown = self.now + 30_000.0
        side = SELL if account.lots > 0 else BUY
        bankruptcy = (account.lots * price - equity) / (account.lots * self.unit)
        tick = math.ceil(bankruptcy) if side == SELL else math.floor(bankruptcy)
        self.book.submit(self, account, side, tick, lots, rest=False)


def _accounts(world: World) -> list[Account]:
    """The accounts of a world as Python objects."""
    rows = world.ledger.accounts
    accounts = [
        Account(cash, kind)
        for cash, kind in zip(rows["cash"].tolist(), rows["kind"].tolist(), strict=True)
    ]
    live = world.ledger.positions[world.ledger.positions["account"] != w.NONE]
    for account, lots, cost in live[["account", "lots", "cost"]].tolist():
        accounts[account].lots, accounts[account].cost = lots, cost
    return accounts
