"""A wave: who is short, by how much, and who could pay.

A wave *is short* (deficits are known), *is allocated* (a policy says who gives what) and
*is settled* (the ledger has booked it). Everything a policy may look at is in the `Wave`;
parts get arrays, never the market.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from abm.arithmetic import floor_fraction
from abm.compiled import inlined, inner, kernel
from abm.units import usd
from abm.venue.fund import defended, is_alarmed, rolling_peak
from abm.venue.gains import older_gains
from abm.venue.margin import equity_of, health, maintenance_of, margins_of
from abm.world import (
    BACKSTOP,
    INSURANCE,
    NONE,
    Array,
    Ledger,
    Markets,
    Risk,
    World,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

CANDIDATE = np.dtype(
    [
        ("position", "i8"),
        ("account", "i8"),
        ("market", "i8"),
        ("lots", "i8"),
        ("cost", "i8"),
        ("value", "i8"),
        ("equity", "i8"),
        ("cash", "i8"),
        ("principal", "i8"),
        ("given", "i8"),
        ("account_notional", "i8"),
        ("account_net", "i8"),
        ("account_profit", "i8"),
        ("maintenance", "i8"),
        ("initial", "i8"),
        ("own_maintenance", "i8"),
        ("own_initial", "i8"),
        ("at_bottom", "i8"),
    ]
)
"""A position that could pay: signed lots, cost and value at the mark (quanta); its
account's equity, cash, principal, cash given to ADL before, gross and signed net notional,
unrealised profit (net of losses), maintenance and initial margin; the position's own part
of these margins; and 1 if the account is at the bottom of the liquidation ladder, where
what it owes is a debt of the venue."""

BANKRUPT = np.dtype(
    [
        ("position", "i8"),
        ("account", "i8"),
        ("market", "i8"),
        ("lots", "i8"),
        ("cost", "i8"),
        ("value", "i8"),
        ("bankruptcy", "i8"),
    ]
)
"""A position of an account that is short: signed lots, cost, value at the mark, and the
signed value at which it must be closed for its account to end with no equity (quanta)."""


class PolicyError(RuntimeError):
    """A part of a policy gave an answer that must not be booked."""

    def __init__(self, policy: str, part: str, wave: int, reason: str) -> None:
        super().__init__(f"policy {policy!r}, {part}, wave {wave}: {reason}")
        self.policy, self.part, self.wave, self.reason = policy, part, wave, reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes, which needs all four arguments."""
        return type(self), (self.policy, self.part, self.wave, self.reason)


@dataclass(frozen=True)
class Wave:
    """What an ADL policy sees.

    Attributes
    ----------
    number : int
        Which wave of the run, from 0; calls within the scenario's gap share a number.
    now_s : float
        Seconds since the start.
    short_account, deficit : array of int64, shape (short,)
        Accounts whose equity at the marks is negative (of the insurance fund: below what
        an alarm defends), and by how many quanta.
    bankrupt : structured array of `BANKRUPT`
        The positions of those accounts.
    candidates : structured array of `CANDIDATE`
        All positions of solvent accounts other than the venue's own purses, in markets
        where the policy asked for them.
    mark, previous_mark, index, unit : array of int64, shape (markets,)
        Prices in ticks now and at the last tick of the wave's clock; quanta per tick
        and lot.
    open_interest : array of int64, shape (markets,)
        Long lots.
    insurance : int
        Equity of the insurance fund in quanta.
    insurance_peak : int
        The rolling peak of that equity that the policy's alarm is about, or zero.
    is_alarmed : bool
        Whether the fund's drawdown from it keeps the alarm on. The fund is then among the
        short, by what it lacks to the equity at which the alarm goes on.
    ages_s : array of float64, shape (ages,)
        Ages by which the world tells gains, rising.
    older_gains : array of int64, shape (candidates, ages)
        How much of the gains of each candidate's account is older than that, in quanta.
    debt_market, debt_side : array of int64, shape (short,)
        Market and side (1 long, -1 short) of the position whose liquidation left each
        short account without enough; -1 and 0 where there was none. Empty if unknown.
    defended : int
        The equity that alarms keep the fund at, in quanta; zero if none is on.
    withheld : int
        Quanta kept back from withdrawals that have not paid a debt yet.
    cash_held : int
        What the venue holds for its accounts: deposits less withdrawals and fees.
    excess_debt, claims : int
        Withdrawals are cut by ``excess_debt / claims`` so far.
    """

    number: int
    now_s: float
    short_account: Array
    deficit: Array
    bankrupt: Array
    candidates: Array
    mark: Array
    previous_mark: Array
    index: Array
    unit: Array
    open_interest: Array
    insurance: int
    insurance_peak: int = 0
    is_alarmed: bool = False
    ages_s: Array = field(default_factory=lambda: np.zeros(0))
    older_gains: Array = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    debt_market: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    debt_side: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    defended: int = 0
    withheld: int = 0
    cash_held: int = 0
    excess_debt: int = 0
    claims: int = 0

    @property
    def total_deficit(self) -> int:
        """Money missing in quanta."""
        return int(self.deficit.sum())

    @cached_property
    def account_slots(self) -> int:
        """One more than the largest number of a candidate's account; 0 without any."""
        return int(self.candidates["account"].max(initial=-1)) + 1

    @cached_property
    def bankrupt_group(self) -> Array:
        """The group that each bankrupt position forms with those who stand against it.

        ``2 * market + 1`` for longs and ``2 * market`` for shorts, shape (bankrupt,).
        """
        groups = np.empty(len(self.bankrupt), np.int64)
        _name_groups(self.bankrupt, groups)
        return groups

    def without_candidates(self) -> Wave:
        """What a trigger sees: who is short, prices and the fund, not who could pay."""
        nobody = self.candidates[:0]
        return changed(self, candidates=nobody, older_gains=self.older_gains[:0])

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"wave {self.number} at {self.now_s:.1f} s: {len(self.deficit)} accounts short "
            f"by {usd(self.total_deficit):,.2f} USD, {len(self.bankrupt)} positions to "
            f"close, {len(self.candidates)} positions that could pay"
        )


def changed(whole: Record, **fields: Any) -> Record:
    """A copy of a frozen dataclass with some fields changed, and nothing remembered.

    As `dataclasses.replace`, which sets one field after the other and takes five times as
    long.
    """
    other, kept = object.__new__(type(whole)), vars(whole)
    if len(kept) > len(whole.__dataclass_fields__):
        kept = {name: kept[name] for name in whole.__dataclass_fields__}
    vars(other).update(kept, **fields)
    return other


@kernel
def _name_groups(rows: Array, groups: Array) -> None:
    for i in range(rows.shape[0]):
        groups[i] = 2 * rows[i].market + (1 if rows[i].lots > 0 else 0)


@kernel
def _gather(
    ledger: Ledger, risk: Risk, markets: Markets, everywhere: bool, asks: bool,
    short: Array, bankrupt: Array, sides: Array, candidates: Array, first: Array,
) -> tuple[int, int, int, int, int, bool, int]:  # fmt: skip
    """Write down who is short, their positions and who could pay; return how many.

    Also the fund's equity and rolling peak, whether an alarm is on, and what it defends.
    """
    count, n_bankrupt = _gather_short(ledger, risk, markets, short, bankrupt, sides)
    found = 0
    if asks:
        found = _gather_candidates(
            ledger, risk, markets, sides, everywhere, candidates, first
        )
    equity = equity_of(ledger, markets, ledger.pots[0].insurance)
    peak, floor = rolling_peak(risk), defended(risk)
    return count, n_bankrupt, found, equity, peak, is_alarmed(risk), floor


@inner
def _gather_short(
    ledger: Ledger, risk: Risk, markets: Markets, short: Array, rows: Array, sides: Array
) -> tuple[int, int]:
    """Write down who is short and their positions; return how many.

    Columns of `short` are account, deficit, and market and side of the debt. It has two
    more than accounts are watched.
    """
    pots = ledger.pots[0]
    count = 0
    found = 0
    for i in range(risk.watch[0].n + 2):
        if i == 0:
            account = pots.backstop
        elif i == 1:
            account = pots.insurance
        else:
            account = risk.watched[i - 2]
            if not ledger.accounts[account].at_bottom:
                continue
        floor = 0
        to_close = False
        if account == pots.insurance and is_alarmed(risk):
            floor = defended(risk)
            to_close = ledger.accounts[account].first_position != NONE
        equity = equity_of(ledger, markets, account)
        if equity < floor or to_close:
            deficit = max(0, floor - equity)
            short[0, count] = account
            short[1, count] = deficit
            short[2, count] = ledger.accounts[account].debt_market
            short[3, count] = ledger.accounts[account].debt_side
            count += 1
            found = _gather_bankrupt(
                ledger, risk, markets, account, deficit, found, rows, sides
            )
    return count, found


@inlined
def _gather_bankrupt(
    ledger: Ledger, risk: Risk, markets: Markets, account: int, deficit: int, found: int,
    rows: Array, sides: Array,
) -> int:  # fmt: skip
    """Add the positions of a short account; `sides[side, market]` is set where any is.

    The debt is shared among an account's positions by their maintenance margin (the rule
    of dYdX v4, see `abm.venue.liquidation.bankruptcy_value`), the last taking what is
    left, so that closing all of them at bankruptcy leaves exactly nothing (of the fund
    under an alarm: exactly what is defended, or what it has if that is more).
    """
    equity = -deficit
    maintenance = 0
    slot = ledger.accounts[account].first_position
    if slot != NONE and ledger.positions[slot].next != NONE:
        _, maintenance, _ = health(ledger, risk, markets, account)
    while slot != NONE:
        position = ledger.positions[slot]
        spec = markets.specs[position.market]
        row = rows[found]
        row.position = slot
        row.account = position.account
        row.market = position.market
        row.lots = position.lots
        row.cost = position.cost
        row.value = position.lots * markets.state[position.market].mark * spec.unit
        part = equity
        if position.next != NONE:
            own = maintenance_of(risk.tiers, spec, abs(row.value))
            part = floor_fraction(equity, own, max(maintenance, 1))
            maintenance -= own
        row.bankruptcy = row.value - part
        equity -= part
        sides[0 if position.lots > 0 else 1, position.market] = 1
        found += 1
        slot = position.next
    return found


@inner
def _gather_candidates(
    ledger: Ledger, risk: Risk, markets: Markets, sides: Array, everywhere: bool,
    rows: Array, first: Array,
) -> int:  # fmt: skip
    """Positions against the bankrupt sides (or everywhere) of solvent accounts.

    `first` becomes the first row of each account that has any; it begins as `NONE`.
    """
    found = 0
    unseen = ledger.pots[0].used_positions
    for slot in range(ledger.positions.shape[0]):
        if unseen == 0:
            break
        position = ledger.positions[slot]
        if position.account == NONE:
            continue
        unseen -= 1
        opposite = 1 if position.lots > 0 else 0
        if not everywhere and sides[opposite, position.market] == 0:
            continue
        owner = ledger.accounts[position.account]
        if owner.kind == BACKSTOP or owner.kind == INSURANCE:
            continue
        row = rows[found]
        if first[position.account] == NONE:
            _fill(ledger, risk, markets, owner, slot, row)
            if row.equity <= 0:
                continue
            first[position.account] = found
        else:
            _fill_again(risk, markets, rows[first[position.account]], position, row)
        row.position = slot
        row.account = position.account
        row.market = position.market
        row.lots = position.lots
        row.cost = position.cost
        found += 1
    return found


@inlined
def _fill(
    ledger: Ledger, risk: Risk, markets: Markets, owner: Any, wanted: int, row: Any
) -> None:
    """Write down an account, and what one of its positions is worth and needs."""
    profit = 0
    notional = 0
    net = 0
    initial = 0
    maintenance = 0
    slot = owner.first_position
    while slot != NONE:
        position = ledger.positions[slot]
        spec = markets.specs[position.market]
        value = position.lots * markets.state[position.market].mark * spec.unit
        own_initial, own_maintenance = margins_of(risk.tiers, spec, abs(value))
        initial += own_initial
        maintenance += own_maintenance
        profit += value - position.cost
        notional += abs(value)
        net += value
        if slot == wanted:
            row.value = value
            row.own_initial = own_initial
            row.own_maintenance = own_maintenance
        slot = position.next
    row.equity = owner.cash + profit
    row.cash = owner.cash
    row.principal = owner.principal
    row.given = owner.given
    row.account_notional = notional
    row.account_net = net
    row.account_profit = profit
    row.maintenance = maintenance
    row.initial = initial
    row.at_bottom = owner.at_bottom


@inlined
def _fill_again(
    risk: Risk, markets: Markets, of_account: Any, position: Any, row: Any
) -> None:
    """Write down an account that has a row already, and another of its positions."""
    spec = markets.specs[position.market]
    row.value = position.lots * markets.state[position.market].mark * spec.unit
    row.own_initial, row.own_maintenance = margins_of(risk.tiers, spec, abs(row.value))
    row.equity = of_account.equity
    row.cash = of_account.cash
    row.principal = of_account.principal
    row.given = of_account.given
    row.account_notional = of_account.account_notional
    row.account_net = of_account.account_net
    row.account_profit = of_account.account_profit
    row.maintenance = of_account.maintenance
    row.initial = of_account.initial
    row.at_bottom = of_account.at_bottom


def gather(world: World, number: int, everywhere: bool, asks: bool = True) -> Wave:
    """Build the wave that the world is in.

    Parameters
    ----------
    everywhere : bool
        Whether positions of all markets and sides are candidates, or only those that
        stand against a bankrupt position.
    asks : bool
        Whether anybody may be asked; if not, there are no candidates.
    """
    ledger, risk, markets = world.ledger, world.risk, world.markets
    short = np.empty((4, int(risk.watch[0]["n"]) + 2), np.int64)
    pots = ledger.pots[0]
    bankrupt = np.empty(int(pots["used_positions"]), BANKRUPT)
    candidates = np.empty(len(bankrupt) + 1, CANDIDATE)
    sides = np.zeros((2, len(markets.specs)), np.int8)
    first = np.full(len(ledger.accounts), NONE, np.int32)
    count, n_bankrupt, n_candidates, insurance, peak, is_on, floor = _gather(
        ledger, risk, markets, everywhere, asks, short, bankrupt, sides, candidates, first
    )
    accounts, deficits, debt_market, debt_side = short[:, :count]
    candidates = candidates[:n_candidates]
    return Wave(
        number=number,
        now_s=float(world.clock[0]["now_ms"]) / 1000.0,
        short_account=accounts,
        deficit=deficits,
        bankrupt=bankrupt[:n_bankrupt].copy(),  # a view would keep room for everybody
        candidates=candidates,
        mark=markets.state["mark"].copy(),
        previous_mark=markets.state["previous_mark"].copy(),
        index=markets.state["index"].copy(),
        unit=markets.specs["unit"].copy(),
        open_interest=ledger.open_interest.copy(),
        insurance=int(insurance),
        insurance_peak=int(peak),
        is_alarmed=bool(is_on),
        ages_s=ledger.ages["age_ms"] / 1000.0,
        older_gains=_older_gains(ledger, candidates),
        debt_market=debt_market,
        debt_side=debt_side,
        defended=int(floor),
        withheld=int(pots["withheld"]),
        cash_held=int(pots["deposits"] - pots["withdrawals"] - pots["fees"]),
        excess_debt=int(pots["excess_debt"]),
        claims=int(pots["claims"]),
    )


def _older_gains(ledger: Ledger, candidates: Array) -> Array:
    """How much of its account's gains is older, shape (candidates, ages)."""
    if not len(ledger.ages):
        return np.zeros((len(candidates), 0), np.int64)
    gains = np.subtract(candidates["equity"], candidates["principal"])
    gains = np.maximum(gains, 0)
    older = np.zeros((len(candidates), len(ledger.ages)), np.int64)
    older_gains(ledger, candidates["account"].copy(), gains, older)
    return older
