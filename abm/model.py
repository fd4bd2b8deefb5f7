"""The Mesa model: a stress run that can be stepped, watched, and joined by own agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mesa
import numpy as np

from abm import enlarge, genesis, step, units
from abm import scenario as scenarios
from abm import world as w
from abm.adl.policy import Policy
from abm.desk.actions import Actions, Own
from abm.desk.booking import booked
from abm.desk.looking import move_ppm, own_view, public_view, shown_now
from abm.desk.view import View
from abm.engine import Engine, policy_of
from abm.market import book
from abm.onlookers import Players
from abm.scenario import Scenario
from abm.traders.habits import ask
from abm.venue.ledger import deposit, withdraw
from abm.venue.liquidation import shortfall
from abm.venue.margin import equity_of, health, initial_margin
from abm.world import World


@dataclass(frozen=True)
class Quote:
    """What anybody can see of a market; prices in USD, None where a side is empty."""

    index: float
    mark: float
    bid: float | None
    ask: float | None


class Venue:
    """The venue as an agent written in Python sees it: prices, and a place for orders."""

    def __init__(self, model: StressModel) -> None:
        self._model = model
        self._specs = dict(model.scenario.all_markets())
        self._number = {name: i for i, name in enumerate(self._specs)}

    @property
    def markets(self) -> tuple[str, ...]:
        """Names of the markets."""
        return tuple(self._specs)

    def quote(self, market: str) -> Quote:
        """Index, mark and best prices of a market in USD."""
        number = self._find(market)
        tick = self._specs[market].tick_usd
        state = self._model.world.markets.state[number]
        top = self._model.world.book.tops[number]
        return Quote(
            index=float(state["index"]) * tick,
            mark=float(state["mark"]) * tick,
            bid=float(top["bid"]) * tick if top["bid"] >= 1 else None,
            ask=float(top["ask"]) * tick if top["ask"] < top["size"] else None,
        )

    def place(
        self,
        account: int,
        market: str,
        size: float,
        price: float | None = None,
        *,
        reduce_only: bool = False,
        post_only: bool = False,
        immediate: bool = False,
        cancel_first: bool = False,
    ) -> None:
        """Send an order; it reaches the book in this step, after all agents have acted.

        Parameters
        ----------
        account : int
            Whose order it is.
        market : str
            Name of a market.
        size : float
            Signed, in units of the asset; positive buys.
        price : float, optional
            Limit in USD; without it the order is a market order.
        reduce_only, post_only, immediate : bool
            Only reduce the position; only rest; drop what does not fill at once.
        cancel_first : bool
            Cancel the account's working orders first.

        Raises
        ------
        ValueError
            If there is no such market, or the size is below one lot.
        """
        number = self._find(market)
        spec = self._specs[market]
        lots = round(abs(size) / spec.lot)
        if lots < 1:
            raise ValueError(f"size {size} of {market} is below one lot ({spec.lot})")
        kind, tick = book.MARKET, 0
        if price is not None:
            kind = book.POST_ONLY if post_only else book.IOC if immediate else book.LIMIT
            tick = round(price / spec.tick_usd)
        side = book.BUY if size > 0 else book.SELL
        ask(
            self._model.world.inbox, self._model.world.logs, account, number, side, kind,
            tick, lots, int(reduce_only), int(cancel_first),
        )  # fmt: skip

    def cancel_all(self, account: int) -> int:
        """Cancel an account's working orders at once; return how many there were."""
        world = self._model.world
        return int(book.cancel_all(world.book, world.ledger, account))

    def _find(self, market: str) -> int:
        if market not in self._number:
            raise ValueError(f"no market {market!r}: there are {', '.join(self._number)}")
        return self._number[market]


class Trader(mesa.Agent):  # type: ignore[misc]
    """An agent written in Python that owns one account. Override :meth:`step`.

    Parameters
    ----------
    model : StressModel
        The market it trades in.
    cash_usd : float
        What it deposits at the start.

    Examples
    --------
    >>> class DipBuyer(Trader):
    ...     def step(self) -> None:
    ...         if self.venue.quote("ETH").mark < 4000 and not self.position("ETH"):
    ...             self.buy("ETH", 0.5)
    """

    def __init__(self, model: StressModel, cash_usd: float = 1000.0) -> None:
        super().__init__(model)
        self.venue = model.venue
        self.account = model.open_account(cash_usd)
        self.accounts: tuple[int, ...] = (self.account,)

    def step(self) -> None:
        """Act once a step: look at the venue, place orders."""

    @property
    def equity_usd(self) -> float:
        """Cash and unrealised profit at the marks."""
        world = self.model.world
        return float(units.usd(equity_of(world.ledger, world.markets, self.account)))

    @property
    def maintenance_usd(self) -> float:
        """Maintenance margin of all positions."""
        world = self.model.world
        found = health(world.ledger, world.risk, world.markets, self.account)
        return float(units.usd(found[1]))

    def position(self, market: str) -> float:
        """Signed size held in a market, in units of the asset."""
        number = self.venue.markets.index(market)
        lots = book.lots_held(self.model.world.ledger, self.account, number)
        return float(lots * self.model.scenario.all_markets()[market].lot)

    def buy(
        self, market: str, size: float, price: float | None = None, **how: bool
    ) -> None:
        """Buy; options as :meth:`Venue.place`."""
        self.venue.place(self.account, market, size, price, **how)

    def sell(
        self, market: str, size: float, price: float | None = None, **how: bool
    ) -> None:
        """Sell; options as :meth:`Venue.place`."""
        self.venue.place(self.account, market, -size, price, **how)

    def close(self, market: str) -> None:
        """Close the position in a market with a reduce-only market order."""
        size = self.position(market)
        if size:
            self.venue.place(self.account, market, -size, reduce_only=True)

    def deposit(self, usd: float) -> None:
        """Bring money in."""
        deposit(self.model.world.ledger, self.account, units.quanta(usd))

    def withdraw(self, usd: float) -> None:
        """Take money out, gains first; initial margin must stay covered.

        Raises
        ------
        ValueError
            If more than the free equity is asked for.
        """
        world = self.model.world
        equity = int(equity_of(world.ledger, world.markets, self.account))
        bound = int(initial_margin(world.ledger, world.risk, world.markets, self.account))
        amount = units.quanta(usd)
        cash = int(world.ledger.accounts[self.account]["cash"])
        if amount < 0 or amount > min(equity - bound, cash):
            free = units.usd(max(0, min(equity - bound, cash)))
            raise ValueError(f"cannot withdraw {usd:,.2f} USD: {free:,.2f} USD are free")
        principal = int(world.ledger.accounts[self.account]["principal"])
        withdraw(world.ledger, self.account, amount, equity - principal)

    # --- as strategies do ---------------------------------------------------------------

    def open_account(self, cash_usd: float = 0.0) -> int:
        """Open another account; return its number, for :meth:`Venue.place` and `do`."""
        account = int(self.model.open_account(cash_usd))
        self.accounts = (*self.accounts, account)
        return account

    @property
    def view(self) -> View:
        """What it can see as a strategy sees it: market, policy, own accounts, its light.

        See `abm.desk.view.View`; to look at lights takes as long as to answer a wave.
        """
        model, world = self.model, self.model.world
        public = public_view(model.scenario, world, model.engine.policy)
        shown = shown_now(model.scenario, world, model.engine.policy)
        return own_view(public, world, self._own, 1, shown)

    def do(self, actions: Actions) -> None:
        """Do what a strategy can do: orders, and transfers between own accounts.

        Raises
        ------
        ValueError
            If something must not be booked, saying what would be right.
        """
        model = self.model
        ppm = move_ppm(model.scenario, model.world)
        world, own = booked(model.world, actions.rows(), self._own, ppm)
        model.engine.world = world
        self.accounts = tuple(own.account.tolist())

    @property
    def _own(self) -> Own:
        accounts = np.array(self.accounts, np.int64)
        return Own(accounts, np.zeros(len(accounts), np.int64))


class Group(mesa.Agent):  # type: ignore[misc]
    """A kind of trader, or the makers of a market, that live in compiled code.

    They act inside the compiled step; the agent is there to be counted and reported.
    """

    def __init__(
        self, model: StressModel, name: str, accounts: np.ndarray[Any, Any]
    ) -> None:
        super().__init__(model)
        self.name = name
        self.accounts = accounts

    @property
    def size(self) -> int:
        """Number of accounts."""
        return len(self.accounts)

    @property
    def equity_usd(self) -> float:
        """Sum of equity at the marks."""
        world = self.model.world
        total = sum(int(equity_of(world.ledger, world.markets, a)) for a in self.accounts)
        return float(units.usd(total))


class StressModel(mesa.Model):  # type: ignore[misc]
    """One stress run as a Mesa model: the first episode of a scenario.

    `step()` advances one decision interval of the compiled market; `agents` holds the
    trader groups, the makers and the agents written in Python; `datacollector` reports
    the market once an interval.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario or the file that holds one.
    policy : Policy or str
        An ADL policy, or the name of one of the scenario's or of a preset.
    seed : int, optional
        Everything random follows from it; the scenario's first seed if not given.
    interval_s : float, optional
        Decision interval in seconds; one step of the scenario if not given.
    overrides : sequence of str
        Such as ``["venue.vault_usd=5e4"]``.
    players_of : callable, optional
        Gives whoever plays by the scenario's table `gaming.play`, from the scenario and
        its world: :func:`abm.gaming.players.players_of`.

    Raises
    ------
    ValueError
        If the scenario has players and nothing gives them.
    """

    def __init__(
        self,
        scenario: Scenario | str | Path = "configs/minimal.toml",
        policy: Policy | str = "hyperliquid",
        seed: int | None = None,
        interval_s: float | None = None,
        overrides: Sequence[str] = (),
        players_of: Callable[[Scenario, World], Players | None] | None = None,
    ) -> None:
        if not isinstance(scenario, Scenario):
            scenario = scenarios.load(scenario, overrides)
        seed = scenario.run.seed if seed is None else seed
        super().__init__(seed=seed)
        self.scenario = scenario
        chosen = policy_of(scenario, policy) if isinstance(policy, str) else policy
        world = genesis.new_world(scenario, seed)
        self.engine = Engine(world, chosen, scenario.run.wave_gap_s)
        if players_of is not None:
            self.engine.players = players_of(scenario, world)
        elif scenario.gaming.play:
            raise ValueError(
                "gaming.play: a model needs players_of=abm.gaming.players.players_of"
            )
        self.venue = Venue(self)
        self._interval = max(
            1, round((interval_s or scenario.time.step_s) / scenario.time.step_s)
        )
        self._make_groups()
        self.datacollector = mesa.DataCollector(model_reporters=self._reporters())

    @property
    def world(self) -> World:
        """The state of the run."""
        return self.engine.world

    @property
    def now_s(self) -> float:
        """Seconds since the start of the run."""
        return self.engine.now_s

    @property
    def shortfall_usd(self) -> float:
        """Money missing at the marks."""
        world = self.world
        return float(units.usd(shortfall(world.ledger, world.risk, world.markets)))

    def open_account(self, cash_usd: float) -> int:
        """Open an account for an agent written in Python; return its number."""
        world, account = enlarge.add_account(self.world, w.USER, units.quanta(cash_usd))
        world.clock[0]["has_agents"] |= 1
        self.engine.world = world
        return account

    def step(self) -> None:
        """Advance one decision interval."""
        done = int(self.world.clock[0]["step"])
        target = min(done + self._interval, self.scenario.time.steps)
        while self.engine.run_to(target) == step.AGENTS:
            self.agents.select(agent_type=Trader).shuffle_do("step")
        self.datacollector.collect(self)
        if target >= self.scenario.time.steps:
            self.running = False

    def _make_groups(self) -> None:
        accounts, makers = self.world.ledger.accounts, self.world.makers.makers
        for number, name in enumerate(self.scenario.kinds):
            members = np.flatnonzero(accounts["kind"] == w.FIRST_TRADER_KIND + number)
            Group(self, name, members)
        for number, name in enumerate(self.venue.markets):
            here = makers["account"][makers["market"] == number]
            Group(self, f"makers of {name}", here)

    def _reporters(self) -> dict[str, Any]:
        reporters: dict[str, Any] = {
            "time_s": lambda model: model.now_s,
            "shortfall_usd": lambda model: model.shortfall_usd,
            "vault_usd": lambda model: model.purse_usd("backstop"),
            "insurance_usd": lambda model: model.purse_usd("insurance"),
            "waves": lambda model: len({c.wave.number for c in model.engine.record.calls}),
        }
        for market in self.venue.markets:
            reporters[f"mark_{market}"] = lambda model, m=market: model.venue.quote(m).mark
        return reporters

    def purse_usd(self, purse: str) -> float:
        """Equity in USD of the venue's ``backstop`` vault or ``insurance`` fund."""
        account = int(self.world.ledger.pots[0][purse])
        return float(units.usd(equity_of(self.world.ledger, self.world.markets, account)))
