"""Who owes what to whom: trades, cash, fees, and nothing that creates money.

A position is signed lots and the signed cost they were opened at, both exact. Buying
adds the price paid to the cost; closing takes an exact integer part of the cost out and
books the difference to cash. Whatever the sequence, the sum over accounts of cash less
cost changes only by deposits, withdrawals and fees.
"""

from __future__ import annotations

from typing import Any

from abm.arithmetic import fraction_of, share_of
from abm.compiled import inlined, inlined_kernel, kernel
from abm.world import NONE, Book, Ledger, Risk, find_position, touch


@inlined
def unhook(risk: Risk, positions: Any, slot: int, level: int) -> None:
    """Take a position out of the list of the tick that triggers a look at it.

    Parameters
    ----------
    level : int
        Index of tick 0 of the position's market in the arrays over levels.
    """
    position = positions[slot]
    if position.trigger == NONE:
        return
    before, after = position.trigger_before, position.trigger_after
    if before == NONE:
        side = 0 if position.lots > 0 else 1
        risk.triggers[side, level + position.trigger] = after
    else:
        positions[before].trigger_after = after
    if after != NONE:
        positions[after].trigger_before = before
    position.trigger = NONE


@inlined
def _open_position(ledger: Ledger, account: int, market: int) -> int:
    pots = ledger.pots[0]
    slot = pots.free_position
    position = ledger.positions[slot]
    pots.free_position = position.next
    pots.used_positions += 1
    owner = ledger.accounts[account]
    position.account = account
    position.market = market
    position.lots = 0
    position.cost = 0
    position.trigger = NONE
    position.next = owner.first_position
    owner.first_position = slot
    return slot


@inlined
def _free_position(ledger: Ledger, slot: int) -> None:
    position = ledger.positions[slot]
    owner = ledger.accounts[position.account]
    if owner.first_position == slot:
        owner.first_position = position.next
    else:
        before = owner.first_position
        while ledger.positions[before].next != slot:
            before = ledger.positions[before].next
        ledger.positions[before].next = position.next
    pots = ledger.pots[0]
    position.account = NONE
    position.lots = 0
    position.cost = 0
    position.next = pots.free_position
    pots.free_position = slot
    pots.used_positions -= 1


@inlined_kernel
def book_lots(
    ledger: Ledger, risk: Risk, level: int, account: int, market: int, lots: int, value: int
) -> int:
    """Add signed lots, bought for a signed value, to an account's position.

    Parameters
    ----------
    level : int
        Index of the market's tick 0 in the arrays over levels.
    lots : int
        Positive if bought, negative if sold.
    value : int
        Price times lots in quanta, with the sign of `lots`.

    Returns
    -------
    int
        Profit realised, in quanta, already added to the account's cash.
    """
    slot = find_position(ledger, account, market)
    if slot == NONE:
        slot = _open_position(ledger, account, market)
    position = ledger.positions[slot]
    unhook(risk, ledger.positions, slot, level)
    held = position.lots
    realised = 0
    ledger.open_interest[market] -= max(held, 0)
    if held == 0 or (held > 0) == (lots > 0):
        position.lots = held + lots
        position.cost += value
    elif abs(lots) <= abs(held):
        part = fraction_of(position.cost, abs(lots), abs(held))
        realised = -value - part
        position.lots = held + lots
        position.cost -= part
    else:
        closing = fraction_of(value, abs(held), abs(lots))
        realised = -closing - position.cost
        position.lots = held + lots
        position.cost = value - closing
    ledger.open_interest[market] += max(position.lots, 0)
    ledger.accounts[account].cash += realised
    if position.lots == 0:
        _free_position(ledger, slot)
    touch(ledger, account)
    return realised


@inlined_kernel
def charge_fee(ledger: Ledger, account: int, fee: int) -> None:
    """Move a fee (negative: a rebate) to the venue, a share of it to insurance."""
    pots = ledger.pots[0]
    owner = ledger.accounts[account]
    owner.cash -= fee
    owner.fees += fee
    to_insurance = share_of(fee, pots.insurance_ppm)
    ledger.accounts[pots.insurance].cash += to_insurance
    pots.fees += fee - to_insurance


@inlined_kernel
def settle_fills(
    ledger: Ledger, risk: Risk, book: Book, unit: int, market: int, taker: int, side: int
) -> int:
    """Book the fills of the order just submitted for both sides, with fees.

    Parameters
    ----------
    unit : int
        Quanta per tick and lot of the market.
    taker, side : int
        Whose order it was and which side (1 buys, -1 sells).

    Returns
    -------
    int
        Signed value traded by the taker in quanta.
    """
    pots = ledger.pots[0]
    level = book.tops[market].first_level
    total_lots = 0
    total_value = 0
    for i in range(book.pool[0].n_fills):
        fill = book.fills[i]
        value = fill.lots * fill.tick * unit
        book_lots(ledger, risk, level, fill.maker, market, -side * fill.lots, -side * value)
        charge_fee(ledger, fill.maker, share_of(value, pots.maker_ppm))
        total_lots += fill.lots
        total_value += value
    if total_lots > 0:
        book_lots(ledger, risk, level, taker, market, side * total_lots, side * total_value)
        charge_fee(ledger, taker, share_of(total_value, pots.taker_ppm))
    book.pool[0].n_fills = 0
    return side * total_value


@inlined_kernel
def move_cash(ledger: Ledger, payer: int, payee: int, amount: int) -> None:
    """Pay quanta from one account to another."""
    ledger.accounts[payer].cash -= amount
    ledger.accounts[payee].cash += amount
    touch(ledger, payer)
    touch(ledger, payee)


@inlined_kernel
def deposit(ledger: Ledger, account: int, amount: int) -> None:
    """Bring quanta in from outside; they count as principal."""
    owner = ledger.accounts[account]
    owner.cash += amount
    owner.principal += amount
    owner.paid_out -= amount
    ledger.pots[0].deposits += amount
    touch(ledger, account)


@inlined_kernel
def withdraw(ledger: Ledger, account: int, amount: int, gains: int) -> None:
    """Take quanta out; gains leave first, so principal falls only by the rest.

    While a haircut of withdrawals is in force, the venue keeps its share back, rounded
    up; the rest leaves.

    Parameters
    ----------
    gains : int
        The account's equity above its principal, in quanta.
    """
    owner, pots = ledger.accounts[account], ledger.pots[0]
    owner.cash -= amount
    owner.principal -= max(0, amount - max(0, gains))
    kept = 0
    if pots.excess_debt > 0:
        kept = amount - fraction_of(amount, pots.claims - pots.excess_debt, pots.claims)
    owner.given += kept
    owner.paid_out += amount - kept
    pots.withheld += kept
    pots.withdrawals += amount - kept
    owner.withdrawn += amount - kept
    for k in range(ledger.ages.shape[0]):
        slot = ledger.ages[k].slot
        left = max(0, gains - amount)
        ledger.lows[account, k, slot] = min(ledger.lows[account, k, slot], left)
    touch(ledger, account)


@inlined_kernel
def return_to_parent(ledger: Ledger, account: int) -> None:
    """Give what an isolated account without positions has back to its cross account.

    Its principal goes along: money that changes pockets is no gain.
    """
    owner = ledger.accounts[account]
    ledger.accounts[owner.parent].principal += owner.principal
    owner.principal = 0
    move_cash(ledger, account, owner.parent, owner.cash)


@inlined_kernel
def cut_withdrawals(ledger: Ledger, excess_debt: int, claims: int) -> None:
    """From now on withdrawals are cut by ``excess_debt / claims``.

    Parameters
    ----------
    excess_debt, claims : int
        ``0 < excess_debt <= claims``.
    """
    ledger.pots[0].excess_debt = excess_debt
    ledger.pots[0].claims = claims


def withdrawal_cut(ledger: Ledger) -> float:
    """The share of a withdrawal that is withheld now."""
    pots = ledger.pots[0]
    return float(pots["excess_debt"]) / max(float(pots["claims"]), 1.0)


@inlined_kernel
def stop_cutting_withdrawals(ledger: Ledger) -> None:
    """Withdrawals are whole again; what is still withheld goes to the insurance fund."""
    pots = ledger.pots[0]
    pots.excess_debt = 0
    ledger.accounts[pots.insurance].cash += pots.withheld
    pots.withheld = 0


@kernel
def hand_over(
    ledger: Ledger, risk: Risk, level: int, slot: int, taker: int, value: int
) -> None:
    """Move a whole position to another account at a given value.

    The giver books `value` as if it had sold, the taker as if it had bought.

    Parameters
    ----------
    slot : int
        The position.
    value : int
        Signed value in quanta at which it changes hands, with the sign of its lots.
    """
    position = ledger.positions[slot]
    giver, market, lots = position.account, position.market, position.lots
    book_lots(ledger, risk, level, giver, market, -lots, -value)
    book_lots(ledger, risk, level, taker, market, lots, value)
