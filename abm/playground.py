"""A wave from a small file, put to any number of policies: who pays what under each.

The accounts of the file stand in a venue of one market in which nobody else trades. Who
has negative equity is short; everybody else may be asked. Every policy answers the same
wave on a copy of its own, through the same code as in a simulation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError

from abm import faults, genesis, loading, rules, scenario
from abm import world as w
from abm.adl import bounds
from abm.adl.allocation import Allocation
from abm.adl.answers import CompositionError
from abm.adl.bounds import Bounds
from abm.adl.compose import PRESETS, complete, compose
from abm.adl.eligibility import Payers
from abm.adl.policy import Policy
from abm.adl.record import Decision, Outcome
from abm.adl.scores import Score
from abm.adl.settlement import Settlement
from abm.adl.sharing import queue
from abm.adl.wave import Wave, gather
from abm.compiled import kernel
from abm.engine import equipped
from abm.faults import LARGEST, Fault, nearest
from abm.fields import Name, NotNegative, Number, Part, Positive, Share, Text
from abm.loading import ScenarioError
from abm.units import quanta
from abm.venue.ledger import book_lots
from abm.venue.margin import equity_of
from abm.world import NONE, Array, World

GIVEN_ORDER = "given-order"
"""The policy that takes all from the highest `score` of the file, then the next."""

CASH_POLICIES = ("pro-rata", "capped-pro-rata", "convex-penalty", "levelling")
"""What is asked unless said otherwise, where the file has no positions."""

CONTRACT_POLICIES = ("hyperliquid", "binance", "okx", "dydx-v4", "ethereal", "pro-rata")
"""What is asked unless said otherwise, where the file has positions."""

_HOUSE = 2
_MOST_ACCOUNTS = 10_000

_KEYS = {"start_usd": "mark_usd", "tick_usd": "tick_usd", "lot": "lot"}
"""What a market's keys are called in a wave file."""


class Holder(Part):
    """One account of the file.

    With a position: `side`, `quantity` and `entry_usd`, and one of `collateral_usd`,
    `equity_usd` and `leverage` (notional over equity at the mark). Without one: two of
    `equity_usd`, `collateral_usd` and `profit_usd`, the third being equity less
    collateral; or `capacity_usd`, a profit with no collateral. Leverage is then 1 unless
    it is given, too.
    """

    account: Text = Field(min_length=1, max_length=24, description="what it is called")
    side: Literal["long", "short"] | None = Field(None, description="of the position")
    quantity: Positive | None = Field(None, description="size of the position")
    entry_usd: Positive | None = Field(None, description="average entry price, USD")
    equity_usd: Number | None = Field(None, description="collateral and profit, USD")
    collateral_usd: NotNegative | None = Field(None, description="cash, USD")
    profit_usd: Number | None = Field(None, description="unrealised profit, USD")
    capacity_usd: NotNegative | None = Field(None, description="profit to give, USD")
    leverage: Positive | None = Field(None, description="notional over equity")
    score: Number | None = Field(
        None, description="place in the given order: highest first"
    )

    def _faults(self) -> Iterable[Fault]:
        given = {
            name for name in type(self).model_fields if getattr(self, name) is not None
        }
        position = {"side", "quantity", "entry_usd"}
        if given & position:
            for name in sorted(position - given):
                yield Fault((name,), "is missing: a position has side, quantity, entry_usd")
            money = given & {"collateral_usd", "equity_usd", "leverage"}
            if len(money) != 1 or given & {"profit_usd", "capacity_usd"}:
                message = (
                    "a position needs exactly one of collateral_usd, equity_usd, leverage"
                )
                yield Fault(("account",), message, self.account)
            return
        money = given & {"equity_usd", "collateral_usd", "profit_usd", "capacity_usd"}
        if money != {"capacity_usd"} and (len(money) != 2 or "capacity_usd" in money):
            message = (
                "needs two of equity_usd, collateral_usd, profit_usd; or capacity_usd; or "
                "a position (side, quantity, entry_usd)"
            )
            yield Fault(("account",), message, self.account)

    @property
    def has_position(self) -> bool:
        """Whether it is given by side, quantity and entry price."""
        return self.quantity is not None


class WaveFile(Part):
    """What the file of a wave may say."""

    title: Text = Field("", max_length=200, description="what it shows")
    source: Text = Field("", max_length=1000, description="where the numbers are from")
    mark_usd: Positive | None = Field(
        None, description="mark price, USD; must be given where there are positions"
    )
    previous_mark_usd: Positive | None = Field(None, description="the mark if left out")
    index_usd: Positive | None = Field(None, description="the mark if left out")
    tick_usd: Positive = Field(0.01, description="price step, USD")
    lot: Positive = Field(0.0001, description="size step")
    deficit_usd: NotNegative = Field(
        0.0, description="missing besides what the accounts owe, USD"
    )
    severity: Share | None = Field(
        None, description="share that this wave asks for; the policy's own if left out"
    )
    policies: dict[Name, rules.Policy] = Field(
        {}, max_length=64, description="policies of one's own"
    )
    accounts: tuple[Holder, ...] = Field(
        min_length=1, max_length=_MOST_ACCOUNTS, description="who there is"
    )

    def _faults(self) -> Iterable[Fault]:
        names: set[str] = set()
        kinds = {holder.has_position for holder in self.accounts}
        for i, holder in enumerate(self.accounts):
            if holder.account in names:
                yield Fault(("accounts", i, "account"), "is there twice", holder.account)
            names.add(holder.account)
            lots = (holder.quantity or 0.0) / self.lot
            if abs(lots - round(lots)) > 1e-6 or (holder.has_position and lots < 0.5):
                message = f"must be a whole number of lots of {self.lot:g}"
                yield Fault(("accounts", i, "quantity"), message, holder.quantity)
        if len(kinds) > 1:
            yield Fault(("accounts",), "must all have positions, or none of them")
        elif kinds == {True} and self.mark_usd is None:
            message = (
                "is missing: positions are worth what the mark says: --set mark_usd=3600, "
                "or a first line `# mark_usd = 3600` (CSV), `mark_usd = 3600` (TOML)"
            )
            yield Fault(("mark_usd",), message)
        market = list(self._faults_of_market())
        yield from market or self._faults_of_size()

    @property
    def mark(self) -> float:
        """The mark, USD; without positions only the accounts' money counts."""
        return 1.0 if self.mark_usd is None else self.mark_usd

    def _faults_of_market(self) -> Iterator[Fault]:
        """What a market of this price, tick and lot is refused for, in the file's keys."""
        unit = self.tick_usd * self.lot * 1e6
        if not 0.5 <= unit <= LARGEST or abs(unit - round(unit)) > 1e-6:
            message = "tick_usd * lot must be a whole number of micro-dollars"
            yield Fault(("lot",), message, self.lot)
            return
        for name in ("mark_usd", "previous_mark_usd", "index_usd"):
            price = self.mark if name == "mark_usd" else getattr(self, name)
            if price is None:
                continue
            told = _market_of(self, price)
            try:
                scenario.Scenario.model_validate(told)
            except ValidationError as error:
                for fault in faults.found(scenario.Scenario, error, told):
                    key = _KEYS.get(str(fault.key[-1]), str(fault.key[-1]))
                    yield fault._replace(key=(name if key == "mark_usd" else key,))
                return

    def _faults_of_size(self) -> Iterator[Fault]:
        """Rows that bring the sums of money beyond what is counted exactly."""
        prices = (self.mark, self.previous_mark_usd or 0.0, self.index_usd or 0.0)
        total = self.deficit_usd
        for i, holder in enumerate(self.accounts):
            key, value = "account", 0.0
            if holder.has_position:
                key = "quantity"
                value = (holder.quantity or 0.0) * max(*prices, holder.entry_usd or 0.0)
            money = [
                abs(amount or 0.0)
                for amount in (
                    holder.equity_usd,
                    holder.collateral_usd,
                    holder.profit_usd,
                    holder.capacity_usd,
                )
            ]
            leverage = holder.leverage or 1.0
            if holder.has_position:
                money.append(value / leverage)
            else:
                money.append(2.0 * max(money) * max(leverage, 1.0))
            total += max(value, max(prices) * self.lot) + sum(money)
            if total > LARGEST:
                message = (
                    "is too much: values and money of all accounts up to this one must "
                    f"sum to at most {LARGEST:g} USD".replace("e+", "e")
                )
                given = getattr(holder, key)
                yield Fault(("accounts", i, key), message, given)
                return


def _market_of(file: WaveFile, price: float) -> dict[str, Any]:
    """A scenario of one market and so many accounts that the file finds room."""
    return {
        "name": "wave",
        "markets": {"X": {
            "tick_usd": file.tick_usd, "lot": file.lot, "start_usd": price,
            "tiers": [{"notional_usd": 0, "max_leverage": 50}], "depth_usd": 1e4,
            "makers": 1,
        }},
        "population": {"accounts": _room(file), "positions": 8},
        "kinds": {"holder": {"share": 1.0}},
    }  # fmt: skip


def _room(file: WaveFile) -> int:
    """Accounts in the world: those of the file, and one that owes `deficit_usd`."""
    return max(len(file.accounts) + 1, 8)


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


@dataclass(frozen=True)
class Answer:
    """What a policy did.

    Attributes
    ----------
    policy : Policy
    wave : Wave
    outcome : Outcome
    bounds : Bounds or None
        None if it did not act.
    in_contracts : bool
        Whether it closes contracts, rather than take cash.
    paid : array of int64, shape (accounts,)
        Quanta that each account lost against the mark, in cash or by its closing.
    closed : array of float64, shape (accounts,)
        Quantity of its position that was closed.
    given, capacity : array of int64, shape (accounts,)
        What each account was made to give, and the most it could be asked for: lots where
        contracts are closed, quanta elsewhere.
    wanted : int
        What all were to give, in the same units.
    top, least_top : int
        What the accounts of largest capacity gave, the first of each group, and the least
        that they must if all that is wanted is given.
    raised_all : bool
        Whether every group gave all that was wanted of it, so that the bounds apply.
    left : int
        Quanta missing afterwards.
    """

    policy: Policy
    wave: Wave
    outcome: Outcome
    bounds: Bounds | None
    in_contracts: bool
    paid: Array
    closed: Array
    given: Array
    capacity: Array
    wanted: int
    top: int
    least_top: int
    raised_all: bool
    left: int

    @property
    def share(self) -> Array:
        """The part of capacity that each account gave, shape (accounts,)."""
        return np.asarray(self.given / np.maximum(self.capacity, 1))


# --- reading ----------------------------------------------------------------------------


def load(path: Path, overrides: Iterable[str] = ()) -> WaveFile:
    """Read a wave from CSV (a row an account) or TOML (``[[accounts]]``).

    Raises
    ------
    ScenarioError
        One line that names the file, the row or key, the value and what would be right.
    """
    if path.suffix.lower() != ".csv":
        return loading.check(
            WaveFile, reduce(loading.override, overrides, loading.read(path))
        )
    keys, numbers, rows = _rows(path)
    document = loading.given({**keys, "accounts": rows}, str(path))
    try:
        return loading.check(WaveFile, reduce(loading.override, overrides, document))
    except ScenarioError as error:
        pattern = rf"^{re.escape(str(path))}: accounts\.(\d+)"
        words = re.sub(pattern, lambda m: f"{path}: line {numbers[int(m[1])]}", str(error))
        raise ScenarioError(words) from None


_A_KEY = re.compile(r"#\s*([A-Za-z_][\w.]*)\s*=(.*)")


def _rows(path: Path) -> tuple[dict[str, Any], list[int], list[dict[str, Any]]]:
    """Keys in comments; numbers of the lines of accounts, and their cells by column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    lines = {
        number: line
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    }
    keys = _keys(path, lines)
    lines = {n: line for n, line in lines.items() if not line.startswith("#")}
    numbers, rows = list(lines), []
    reader = csv.reader(lines.values())
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        twice = next((cell for cell in heading if heading.count(cell) > 1), None)
        if twice is not None:
            message = f"column {faults.shown(twice)} is there twice"
            raise ScenarioError(f"{path}: line {numbers[0]}: {message}")
        for row in reader:
            number = numbers[reader.line_num - 1]
            if len(row) != len(heading):
                message = f"must have {len(heading)} cells, has {len(row)}"
                raise ScenarioError(f"{path}: line {number}: {message}")
            cells = zip(heading, map(str.strip, row), strict=True)
            rows.append((number, {key: _value(key, cell) for key, cell in cells if cell}))
    except csv.Error as error:
        number = numbers[max(reader.line_num - 1, 0)]
        raise ScenarioError(f"{path}: line {number}: is no CSV: {error}") from None
    return keys, [number for number, _ in rows], [cells for _, cells in rows]


def _keys(path: Path, lines: Mapping[int, str]) -> dict[str, Any]:
    """What the comments before the heading say: ``# key = value``."""
    keys: dict[str, Any] = {}
    for number, line in lines.items():
        if not line.startswith("#"):
            break
        found = _A_KEY.fullmatch(line.strip())
        if found is None:
            continue
        key = found[1]
        if key in keys:
            raise ScenarioError(f"{path}: line {number}: {key} is there twice")
        if key == "accounts":
            message = "accounts are the rows below, so no comment can set them"
            raise ScenarioError(f"{path}: line {number}: {message}")
        keys[key] = loading.value_of(found[2])
    return keys


def _value(column: str, cell: str) -> Any:
    """A number where it is one; names stay text."""
    if column == "account":
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell


# --- from the file to a world -----------------------------------------------------------


def book_of(file: WaveFile) -> Book:
    """The world that a file describes."""
    told = scenario.from_mapping(_market_of(file, file.mark))
    world = _emptied(genesis.new_world(told, 1))
    state = world.markets.state
    state["mark"] = round(file.mark / file.tick_usd)
    state["previous_mark"] = round((file.previous_mark_usd or file.mark) / file.tick_usd)
    state["index"] = round((file.index_usd or file.mark) / file.tick_usd)
    first = len(world.ledger.accounts) - _room(file)
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


# --- asking -----------------------------------------------------------------------------


def policies_of(
    book: Book, names: Sequence[str] = ()
) -> tuple[list[Policy], dict[str, str]]:
    """The policies to ask: those named, or a handful that suit the file.

    Returns
    -------
    policies : list of Policy
    left_out : dict of str to str
        Names of the others, and why the file does not suit them.

    Raises
    ------
    ScenarioError, CompositionError
        If there is no policy of a name, a policy of the file's own is none, or not one
        suits the file.
    """
    file = book.file
    if not names:
        usual = CONTRACT_POLICIES if file.accounts[0].has_position else CASH_POLICIES
        names = [*([GIVEN_ORDER] if _is_ordered(file) else []), *usual, *file.policies]
    policies, left_out = [], {}
    for name in dict.fromkeys(names):
        try:
            policies.append(_policy(book, name))
        except _UnsuitedError as error:
            left_out[name] = str(error)
    if not policies:
        name, why = next(iter(left_out.items()))
        raise ScenarioError(f"policy {name}: {why}")
    return policies, left_out


class _UnsuitedError(Exception):
    """A policy that there is, but not for this file."""


def _is_ordered(file: WaveFile) -> bool:
    return all(holder.score is not None for holder in file.accounts)


def _policy(book: Book, name: str) -> Policy:
    file = book.file
    try:
        table = _table(file, name)
        policy = compose(name, table)
    except CompositionError as error:
        raise CompositionError(f"policies.{name}.{error}") from None
    if file.severity is not None and name != "none":
        asked = {"rule": "fixed", "share": file.severity}
        try:
            policy = compose(name, {**table, "severity": asked})
        except CompositionError as error:
            why = f"cannot take severity = {file.severity:g} of the file: {error}"
            raise _UnsuitedError(why) from None
    media = {stage.settlement.medium for stage in policy.stages}
    if media != {"cash"} and not file.accounts[0].has_position:
        raise _UnsuitedError(
            "looks at positions, so accounts must have side, quantity and entry_usd"
        )
    if name == GIVEN_ORDER:
        return replace(policy, allocation=Allocation(queue.queue, _by_score(book)))
    return policy


def _table(file: WaveFile, name: str) -> dict[str, Any]:
    if name in file.policies:
        return complete(file.policies[name].model_dump(exclude_none=True))
    if name in PRESETS:
        return complete({"preset": name})
    known = [*file.policies, *PRESETS, GIVEN_ORDER]
    if name != GIVEN_ORDER:
        raise ScenarioError(f"--policy {name}: no such policy; {nearest(name, known)}")
    if not _is_ordered(file):
        raise ScenarioError(f"--policy {name}: every account must have a score")
    return complete({"preset": "pro-rata"})


def _by_score(book: Book) -> Score:
    score = np.array([holder.score for holder in book.file.accounts], np.float64)

    def given(wave: Wave, payers: Payers) -> Array:
        account = wave.candidates["account"][payers.row]
        return np.asarray(score[account - book.first])

    return given


def ask(book: Book, policy: Policy) -> Answer:
    """What a policy does in the wave of a book, which stays as it is.

    Raises
    ------
    PolicyError
        If a part of the policy answers what must not be booked.
    """
    world = equipped(w.copy(book.world), [policy])
    wave = gather(world, 0, policy.looks_everywhere)
    outcome = policy.answer(world, wave)
    decision, n = outcome.decision, len(book.names)
    paid, given, capacity = (np.zeros(n, np.int64) for _ in range(3))
    closed = np.zeros(n)
    fills, haircuts = outcome.fills, outcome.haircuts
    np.add.at(paid, haircuts["account"] - book.first, haircuts["amount"])
    at_mark = fills["lots"] * (wave.mark * wave.unit)[fills["market"]]
    np.add.at(paid, fills["account"] - book.first, at_mark - fills["value"])
    np.add.at(closed, fills["account"] - book.first, np.abs(fills["lots"]) * book.file.lot)
    payer = wave.candidates["account"][decision.payers.row] - book.first
    np.add.at(given, payer, decision.amounts)
    np.add.at(capacity, payer, decision.payers.capacity)
    settlement = policy.stages[decision.stage].settlement
    acted = decision.acted
    groups = list(_groups(wave, decision, settlement)) if acted else []
    ledger, markets = world.ledger, world.markets
    return Answer(
        policy=policy,
        wave=wave,
        outcome=outcome,
        bounds=bounds.of_decision(wave, decision, settlement) if acted else None,
        in_contracts=acted and settlement.medium == "contracts",
        paid=paid,
        closed=closed,
        given=given,
        capacity=capacity,
        wanted=sum(group.wanted for group in groups),
        top=sum(group.top for group in groups),
        least_top=sum(group.least_top for group in groups),
        raised_all=acted and all(group.given >= group.wanted for group in groups),
        left=sum(max(0, -int(equity_of(ledger, markets, a))) for a in wave.short_account),
    )


class _Group(NamedTuple):
    """What was wanted of the payers of a group and given, in units of capacity."""

    wanted: int
    given: int
    top: int
    least_top: int


def _groups(wave: Wave, decision: Decision, settlement: Settlement) -> Iterator[_Group]:
    need_group, _ = settlement.need(wave, decision.theta)
    payers = decision.payers
    for group in np.unique(need_group):
        members = payers.group == group
        wanted = int(decision.need[need_group == group].sum())
        capacity, amounts = payers.capacity[members], decision.amounts[members]
        top = int(amounts[capacity.argmax()]) if len(amounts) else 0
        least = bounds.least_of_top(wanted, capacity, capacity, 1) if len(amounts) else 0
        yield _Group(wanted, int(amounts.sum()), top, least)
