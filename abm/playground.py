"""A wave from a small file, put to any number of policies: who pays what under each.

The accounts of the file stand in a venue of one market in which nobody else trades. Who
has negative equity is short; everybody else may be asked. Every policy answers the same
wave on a copy of its own, through the same code as in a simulation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from abm import genesis, loading, rules, scenario
from abm import world as w
from abm.adl import bounds
from abm.adl.allocation import Allocation
from abm.adl.bounds import Bounds
from abm.adl.compose import PRESETS, complete, compose
from abm.adl.eligibility import Payers
from abm.adl.policy import Policy
from abm.adl.record import Outcome
from abm.adl.scores import Score
from abm.adl.sharing import queue
from abm.adl.wave import Wave, gather
from abm.compiled import kernel
from abm.engine import equipped
from abm.faults import Fault, nearest
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
    mark_usd: Positive = Field(1.0, description="mark price, USD")
    previous_mark_usd: Positive | None = Field(None, description="the mark if left out")
    index_usd: Positive | None = Field(None, description="the mark if left out")
    tick_usd: Positive = Field(0.01, description="price step, USD")
    lot: Positive = Field(0.0001, description="size step")
    deficit_usd: NotNegative = Field(
        0.0, description="missing besides what the accounts owe, USD"
    )
    severity: Share | None = Field(
        None, description="share asked for now; the policy's own if left out"
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
        if self.mark_usd < self.tick_usd / 2:
            yield Fault(("mark_usd",), f"must be at least tick_usd = {self.tick_usd:g}")
        unit = self.tick_usd * self.lot * 1e6
        if unit < 0.5 or abs(unit - round(unit)) > 1e-6:
            message = "tick_usd * lot must be a whole number of micro-dollars"
            yield Fault(("lot",), message, self.lot)


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
    paid : array of int64, shape (accounts,)
        Quanta that each account lost against the mark, in cash or by its closing.
    closed : array of float64, shape (accounts,)
        Quantity of its position that was closed.
    capacity : array of int64, shape (accounts,)
        Quanta of profit that it could be asked for.
    left : int
        Quanta missing afterwards.
    """

    policy: Policy
    wave: Wave
    outcome: Outcome
    bounds: Bounds | None
    paid: Array
    closed: Array
    capacity: Array
    left: int

    @property
    def share(self) -> Array:
        """The part of capacity that each account paid, shape (accounts,)."""
        return np.asarray(self.paid / np.maximum(self.capacity, 1))


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
    numbers, rows = _rows(path)
    document = loading.given({"accounts": rows}, str(path))
    try:
        return loading.check(WaveFile, reduce(loading.override, overrides, document))
    except ScenarioError as error:
        pattern = rf"^{re.escape(str(path))}: accounts\.(\d+)"
        words = re.sub(pattern, lambda m: f"{path}: line {numbers[int(m[1])]}", str(error))
        raise ScenarioError(words) from None


def _rows(path: Path) -> tuple[list[int], list[dict[str, Any]]]:
    """Numbers of the lines of accounts, and their cells by column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    lines = {
        number: line
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    }
    heading, *numbers = [*lines, *([] if lines else [0])]
    rows = []
    for number, row in zip(numbers, csv.DictReader(lines.values()), strict=False):
        if None in row or None in row.values():
            count = len(lines[heading].split(","))
            raise ScenarioError(f"{path}: line {number}: must have {count} cells")
        cells = {str(key).strip(): cell.strip() for key, cell in row.items()}
        rows.append({key: _value(key, cell) for key, cell in cells.items() if cell})
    return numbers, rows


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
    n = len(file.accounts) + 1
    told = scenario.from_mapping(
        {
            "name": "wave",
            "markets": {"X": {
                "tick_usd": file.tick_usd, "lot": file.lot, "start_usd": file.mark_usd,
                "tiers": [{"notional_usd": 0, "max_leverage": 50}], "depth_usd": 1e4,
                "makers": 1,
            }},
            "population": {"accounts": max(n, 8), "positions": 8},
            "kinds": {"holder": {"share": 1.0}},
        }
    )  # fmt: skip
    world = _emptied(genesis.new_world(told, 1))
    state = world.markets.state
    state["mark"] = round(file.mark_usd / file.tick_usd)
    state["previous_mark"] = round(
        (file.previous_mark_usd or file.mark_usd) / file.tick_usd
    )
    state["index"] = round((file.index_usd or file.mark_usd) / file.tick_usd)
    first = len(world.ledger.accounts) - max(n, 8)
    for i, holder in enumerate(file.accounts):
        _settle(world, file, first + i, holder)
    if file.deficit_usd:
        world.ledger.accounts["cash"][first + n - 1] = -quanta(file.deficit_usd)
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
            equity = file.mark_usd * (holder.quantity or 0.0) / holder.leverage
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


def policies_of(book: Book, names: Sequence[str] = ()) -> list[Policy]:
    """The policies to ask: those named, or a handful that suit the file.

    Raises
    ------
    ScenarioError, CompositionError
        If there is no policy of a name, or it does not suit the file.
    """
    file = book.file
    if not names:
        usual = CONTRACT_POLICIES if file.accounts[0].has_position else CASH_POLICIES
        names = [*([GIVEN_ORDER] if _is_ordered(file) else []), *usual, *file.policies]
    return [_policy(book, name) for name in names]


def _is_ordered(file: WaveFile) -> bool:
    return all(holder.score is not None for holder in file.accounts)


def _policy(book: Book, name: str) -> Policy:
    file = book.file
    table = _table(file, name)
    if file.severity is not None and name != "none":
        table["severity"] = {"rule": "fixed", "share": file.severity}
    policy = compose(name, table)
    media = {stage.settlement.medium for stage in policy.stages}
    if media != {"cash"} and not file.accounts[0].has_position:
        raise ScenarioError(
            f"--policy {name}: looks at positions, so accounts must have side, quantity "
            "and entry_usd"
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
    decision = outcome.decision
    found = None
    if decision.acted:
        settlement = policy.stages[decision.stage].settlement
        found = bounds.of_decision(wave, decision, settlement)
    paid, capacity = (np.zeros(len(book.names), np.int64) for _ in range(2))
    closed = np.zeros(len(book.names))
    fills, haircuts = outcome.fills, outcome.haircuts
    np.add.at(paid, haircuts["account"] - book.first, haircuts["amount"])
    at_mark = fills["lots"] * (wave.mark * wave.unit)[fills["market"]]
    np.add.at(paid, fills["account"] - book.first, at_mark - fills["value"])
    np.add.at(closed, fills["account"] - book.first, np.abs(fills["lots"]) * book.file.lot)
    row, worth = decision.payers.row, decision.payers.worth
    np.add.at(capacity, wave.candidates["account"][row] - book.first, worth)
    ledger, markets = world.ledger, world.markets
    left = sum(max(0, -int(equity_of(ledger, markets, a))) for a in wave.short_account)
    return Answer(policy, wave, outcome, found, paid, closed, capacity, left)
