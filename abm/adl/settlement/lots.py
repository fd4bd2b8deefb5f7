"""Positions of payers are closed against the bankrupt ones, lot by lot.

What a price is made of: the bankrupt position's side of it is a value for the whole
position (`offered`), of which every fill takes an exact integer part, the last one what is
left; two prices look at the payer as well, its entry price and the midpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from abm.adl.answers import CompositionError
from abm.adl.record import ADL_FILL, Payers
from abm.adl.settlement.base import (
    Entries,
    Medium,
    Rounded,
    as_given,
    portion,
)
from abm.adl.sharing.rounding import ROUNDINGS
from abm.adl.wave import Wave
from abm.arithmetic import floor_fraction, fraction_of
from abm.compiled import inlined, kernel
from abm.units import PPM, ppm
from abm.venue.ledger import book_lots, move_cash
from abm.world import (
    BACKSTOP_ACCOUNT,
    INSURANCE_ACCOUNT,
    Array,
    World,
)

Price = Literal[
    "bankruptcy",
    "mark",
    "previous-mark",
    "index",
    "index-or-bankruptcy",
    "midpoint",
    "entry",
]
LotRounding = Literal["largest-remainder", "whole-positions"]
SpreadBps = Annotated[float, Field(strict=True, ge=0.0, le=10_000.0)]

_OFFERED, _MIDPOINT, _ENTRY = range(3)
_FAR = 1 << 62
"""Beyond any value of a position, and small enough to be added to one."""


@dataclass(frozen=True)
class Contracts:
    """Positions are closed at one price rule, lot-exact or whole."""

    price: Price
    spread_ppm: int
    rounding: LotRounding
    medium: ClassVar[Medium] = "contracts"
    looks_everywhere: ClassVar[bool] = False

    def offered(self, wave: Wave) -> Array:
        """Signed value at which each bankrupt position would be closed whole, quanta.

        Where the payer has a say in the price, the bankrupt position's side of it.
        """
        rows = wave.bankrupt
        if self.price in ("bankruptcy", "midpoint", "entry"):
            own: Array = rows["bankruptcy"].copy()
            return own
        ticks = {"mark": wave.mark, "previous-mark": wave.previous_mark}
        price = ticks.get(self.price, wave.index)
        value = np.empty(len(rows), np.int64)
        _value_at(rows, price * wave.unit, value)
        if self.price == "index-or-bankruptcy":
            return np.asarray(np.maximum(value, rows["bankruptcy"]))
        if self.spread_ppm == 0:
            return value
        whole, rest = np.divmod(np.abs(value), PPM)
        value -= whole * self.spread_ppm + rest * self.spread_ppm // PPM
        return value

    @property
    def _mode(self) -> int:
        return {"midpoint": _MIDPOINT, "entry": _ENTRY}.get(self.price, _OFFERED)

    def worst(self, wave: Wave) -> Array:
        """At the worst price that any bankrupt position of the other side is closed at."""
        values = np.empty(len(wave.candidates), np.int64)
        per_lot = np.empty(2 * len(wave.mark), np.int64)
        _worst(
            wave.bankrupt, self.offered(wave), self._mode, per_lot, wave.candidates, values
        )
        return values

    def need(self, wave: Wave, theta: float) -> tuple[Array, Array]:
        """Lots of every bankrupt position."""
        return wave.bankrupt_group, portion(np.abs(wave.bankrupt["lots"]), theta)

    def rounded(
        self, wave: Wave, payers: Payers, members: Array, capacity: Array, amounts: Array
    ) -> Rounded:
        """Lots are whole already; whole positions are closed in full."""
        if self.rounding == "largest-remainder":
            return as_given(amounts)
        budget = int(amounts.sum())
        return Rounded(
            *ROUNDINGS["whole-positions"](amounts.astype(np.float64), capacity, budget)
        )

    def entries(self, wave: Wave, payers: Payers, amounts: Array, need: Array) -> Entries:
        """Pair payers with the bankrupt positions of their group, one fill a pair.

        Lots that are more by group than is needed go to the insurance fund, at the price
        of the bankrupt position closed last.
        """
        order = _by_group(amounts, payers.group)
        group = wave.bankrupt_group
        sought = _by_group(need, group)
        # Every fill is the last of its payer or of its bankrupt position.
        fills = np.empty(len(order) + len(sought), ADL_FILL)
        count = _pair(
            wave.candidates,
            payers.row,
            payers.group,
            amounts,
            order,
            wave.bankrupt,
            group,
            need,
            sought,
            self.offered(wave),
            self._mode,
            fills,
        )
        fills = fills[:count]
        if self._mode == _ENTRY:
            by_account = np.argsort(fills["bankrupt"], kind="stable")
            left = _left_over(wave, fills)
            _share_collateral(left, wave.mark * wave.unit, fills, by_account)
        return Entries(fills)

    def book(self, world: World, wave: Wave, entries: Entries) -> None:
        """Close both sides of every fill; hand over the collateral."""
        _book(world, entries.fills)


def _by_group(amounts: Array, group: Array) -> Array:
    """Where amounts are not zero, group by group."""
    found = np.empty(len(amounts), np.int64)
    count, is_sorted = _find(amounts, group, found)
    found = found[:count]
    if is_sorted:
        return found
    return np.asarray(found[np.argsort(group[found], kind="stable")])


@kernel
def _find(amounts: Array, group: Array, found: Array) -> tuple[int, bool]:
    """Write down where amounts are not zero; how many they are, and if groups rise."""
    count = 0
    last = -1
    is_sorted = True
    for i in range(amounts.shape[0]):
        if amounts[i] != 0:
            is_sorted = is_sorted and group[i] >= last
            last = group[i]
            found[count] = i
            count += 1
    return count, is_sorted


def _left_over(wave: Wave, fills: Array) -> Array:
    """Cash left to each account of the fills, rising, that they close whole, in quanta.

    Zero for the others, and for the purses of the venue, which keep what they have.
    """
    accounts = np.unique(fills["bankrupt"])
    rows = wave.bankrupt

    def of(owner: Array, amount: Array) -> Array:
        total = np.zeros(len(accounts), np.int64)
        known = np.isin(owner, accounts)
        np.add.at(total, np.searchsorted(accounts, owner[known]), amount[known])
        return total

    held = of(rows["account"], np.abs(rows["lots"]))
    closed = of(fills["bankrupt"], np.abs(fills["lots"]))
    # Equity at the mark, less what the lots are worth there, and what they were sold for:
    # the values of payers, who hold the other side, have the other sign.
    left = -of(wave.short_account, wave.deficit) - of(rows["account"], rows["value"])
    left -= of(fills["bankrupt"], fills["value"])
    keeps = np.isin(accounts, (BACKSTOP_ACCOUNT, INSURANCE_ACCOUNT)) | (closed < held)
    return np.where(keeps, 0, np.maximum(left, 0))


# --- the worst price --------------------------------------------------------------------


@kernel
def _value_at(rows: Array, price: Array, value: Array) -> None:
    """Signed values of positions at prices in quanta a lot, one a market."""
    for i in range(rows.shape[0]):
        value[i] = rows[i].lots * price[rows[i].market]


@kernel
def _worst(
    bankrupt: Array, offered: Array, mode: int, per_lot: Array, candidates: Array,
    values: Array,
) -> None:  # fmt: skip
    """Write down the signed value at which each candidate is closed at worst.

    A lot's worst value is rounded to whole quanta against the payers. No fill goes
    beyond it: parts of a value of at most `c` a lot, `c` whole, are at most `c` a lot.
    """
    for group in range(per_lot.shape[0]):
        per_lot[group] = -_FAR if group % 2 == 1 else _FAR
    for i in range(bankrupt.shape[0]):
        row = bankrupt[i]
        group = 2 * row.market + (1 if row.lots > 0 else 0)
        # Divisions are slow, and most rows do not change the worst.
        so_far = _product(row.lots, per_lot[group])
        if offered[i] > so_far:
            up = row.lots > 0
            per_lot[group] = -(-offered[i] // row.lots) if up else -offered[i] // -row.lots
    for i in range(candidates.shape[0]):
        row = candidates[i]
        if mode == _ENTRY:
            values[i] = row.cost
            continue
        group = 2 * row.market + (1 if row.lots < 0 else 0)
        if abs(per_lot[group]) == _FAR:
            values[i] = row.value
            continue
        value = _product(row.lots, per_lot[group])
        if mode == _MIDPOINT:
            own = _zero_value(row)
            value = max((value + own) >> 1, own)
        values[i] = value


@inlined
def _product(lots: int, price: int) -> int:
    """`lots * price`, or a value that is as bad and far if it exceeds int64."""
    about = float(lots) * float(price)
    if about >= _FAR:
        return _FAR
    if about <= -_FAR:
        return -_FAR
    return lots * price


@inlined
def _zero_value(row: Any) -> int:
    """Value at which a payer's position would use up its share of the equity.

    The account's equity is shared among its positions by maintenance margin, as the
    bankrupt account's debt is.
    """
    part = row.equity
    if row.own_maintenance < row.maintenance:
        part = floor_fraction(part, row.own_maintenance, row.maintenance)
    value: int = row.value - part
    return value


# --- fills ------------------------------------------------------------------------------


@kernel
def _pair(
    candidates: Array,
    payer_row: Array,
    payer_group: Array,
    lots: Array,
    order: Array,
    bankrupt: Array,
    bankrupt_group: Array,
    need: Array,
    sought: Array,
    offered: Array,
    mode: int,
    fills: Array,
) -> int:
    """Pair payers, in an order, with bankrupt positions of their group, as sought.

    `order` and `sought` are indices that sort the two by group.
    """
    count, j = 0, -1
    # Of the bankrupt position at hand: lots still to be closed now, lots that it still
    # has, and the part of its value that is theirs.
    wanted = lots_left = value_left = 0
    for i in range(order.shape[0]):
        payer = candidates[payer_row[order[i]]]
        group = payer_group[order[i]]
        left = lots[order[i]]
        held, cost = abs(payer.lots), payer.cost
        while left > 0:
            while j < sought.shape[0] and (
                j < 0
                or bankrupt_group[sought[j]] < group
                or (bankrupt_group[sought[j]] == group and wanted == 0)
            ):
                j += 1
                if j < sought.shape[0]:
                    wanted = need[sought[j]]
                    lots_left = abs(bankrupt[sought[j]].lots)
                    value_left = offered[sought[j]]
            is_surplus = j == sought.shape[0] or bankrupt_group[sought[j]] > group
            # The last bankrupt position of the group sets the price of the surplus.
            k = sought[j - 1] if is_surplus else sought[j]
            size = left if is_surplus else min(left, wanted)
            row = bankrupt[k]
            fill = fills[count]
            _begin(fill, payer, size, INSURANCE_ACCOUNT if is_surplus else row.account)
            if mode == _ENTRY:
                # As the ledger takes the cost out, fill by fill.
                fill.value = fraction_of(cost, size, held)
                cost -= fill.value
                held -= size
            elif mode == _MIDPOINT:
                fill.value = _midpoint(payer, size, -_part(offered[k], size, abs(row.lots)))
            elif is_surplus:
                fill.value = -_part(offered[k], size, abs(row.lots))
            else:
                # Up, against the payer, as dYdX v4 rounds (see `bankruptcy_value`).
                part = -floor_fraction(-value_left, size, lots_left)
                fill.value = -part
                value_left -= part
                lots_left -= size
            count += 1
            left -= size
            if not is_surplus:
                wanted -= size
    return count


@inlined
def _begin(fill: Any, payer: Any, size: int, bankrupt: int) -> None:
    """Write down what is closed and who meet in a fill; its value is still to be told."""
    fill.market = payer.market
    fill.account = payer.account
    fill.bankrupt = bankrupt
    fill.lots = size if payer.lots > 0 else -size
    fill.held = payer.lots
    fill.cost = payer.cost
    fill.collateral = 0


@inlined
def _part(value: int, size: int, lots: int) -> int:
    """Value of `size` lots at the price of a position, also where it has fewer lots."""
    return _product(size // lots, value) + fraction_of(value, size % lots, lots)


@inlined
def _midpoint(payer: Any, size: int, theirs: int) -> int:
    """Signed value half way between the two zero prices, not beyond the payer's own.

    Rounded in favour of the payer, which so never ends below zero by rounding.
    """
    own = -floor_fraction(-_zero_value(payer), size, abs(payer.lots))
    return max((own + theirs + 1) >> 1, own)


@kernel
def _share_collateral(left: Array, price: Array, fills: Array, order: Array) -> None:
    """What accounts that were closed whole have left goes to those who closed them.

    Parameters
    ----------
    left : array of int64, shape (accounts,)
        What each account of the fills has left, by rising number.
    price : array of int64, shape (markets,)
        Quanta a lot at the mark, by which lots of several markets are added up.
    order : array of int64, shape (fills,)
        The fills sorted by bankrupt account.
    """
    i = 0
    k = 0
    while i < order.shape[0]:
        account = fills[order[i]].bankrupt
        end = i
        weight = 0
        while end < order.shape[0] and fills[order[end]].bankrupt == account:
            fill = fills[order[end]]
            weight += abs(fill.lots) * price[fill.market]
            end += 1
        rest = left[k]
        if rest > 0:
            while i < end:
                fill = fills[order[i]]
                own = abs(fill.lots) * price[fill.market]
                fill.collateral = fraction_of(rest, own, weight)
                rest -= fill.collateral
                weight -= own
                i += 1
        i = end
        k += 1


# --- booking ----------------------------------------------------------------------------


@kernel
def _book(world: World, fills: Array) -> None:
    """Close both sides of every fill; pay the collateral of the bankrupt."""
    ledger, risk = world.ledger, world.risk
    for i in range(fills.shape[0]):
        fill = fills[i]
        level = world.book.tops[fill.market].first_level
        book_lots(ledger, risk, level, fill.account, fill.market, -fill.lots, -fill.value)
        book_lots(ledger, risk, level, fill.bankrupt, fill.market, fill.lots, fill.value)
        if fill.collateral > 0:
            move_cash(ledger, fill.bankrupt, fill.account, fill.collateral)


def contracts(
    *,
    price: Price = "mark",
    spread_bps: SpreadBps = 0.0,
    rounding: LotRounding = "largest-remainder",
) -> Contracts:
    """Positions are closed against the bankrupt ones, at a price.

    ``bankruptcy``: the account of the bankrupt position, closed whole, ends with exactly
    nothing (BitMEX, Binance, Bybit, dYdX v4); its debt is shared among its positions by
    maintenance margin (dYdX v4). ``mark`` (OKX), ``previous-mark`` (Hyperliquid),
    ``index`` (GMX). ``index-or-bankruptcy``: the better of the two for the bankrupt, the
    oracle price capped at bankruptcy (Ethereal). ``midpoint``: half way between the zero
    prices of both sides, at which each would have used up its share of its equity (zero
    price: Lighter). ``entry``: the payer's own average entry price, so that its profit is
    exactly zero; what a bankrupt account that was closed whole has left is shared among
    its counterparties by value closed, save that of the venue's purses (Aftermath
    Finance docs, auto-deleveraging).

    The spread moves mark and index prices against the bankrupt, long closes below and
    short above (Deribit, LSP and ADL guide). With ``whole-positions`` every position
    touched is closed in full, and the lots beyond the need, fewer than the largest
    position touched, go to the insurance fund at the same price.
    """
    if spread_bps and price not in ("mark", "previous-mark", "index"):
        raise CompositionError(
            f"settlement.spread_bps = {spread_bps}: must be 0 at the price {price!r}; the "
            "spread is against mark, previous-mark or index"
        )
    return Contracts(price, ppm(spread_bps / 1e4), rounding)
