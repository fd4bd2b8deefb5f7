"""Who can pay, and up to what? An eligibility picks candidates and their capacity.

Capacity is in the unit of the settlement: lots where contracts are closed, quanta where
cash is taken.
"""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.eligibility.base import Eligibility, first, room
from abm.adl.eligibility.by_account import Accounts, accounts, gains_of_the_step
from abm.adl.eligibility.by_position import Holders, Positions, holders, positions
from abm.adl.record import Payers

__all__ = [
    "ANSWERS",
    "MEDIUM",
    "Accounts",
    "Eligibility",
    "Holders",
    "Payers",
    "Positions",
    "accounts",
    "gains_of_the_step",
    "holders",
    "nobody",
    "opposite_in_profit",
    "positions",
    "profits",
]


def nobody() -> Eligibility:
    """Nobody is asked in the wave: withdrawals pay."""
    return lambda wave, worst, past: first(room(0), 0, "same")


def opposite_in_profit() -> Positions:
    """Short for ``positions``: in profit at the mark and at the settlement's price."""
    return positions()


def profits() -> Accounts:
    """Short for ``accounts``: unrealised profit, or equity if less."""
    return accounts()


ANSWERS: dict[str, Callable[..., Eligibility]] = {
    "positions": positions,
    "opposite-in-profit": opposite_in_profit,
    "accounts": accounts,
    "profits": profits,
    "holders": holders,
    "gains-of-the-step": gains_of_the_step,
    "nobody": nobody,
}

MEDIUM = {
    "positions": "contracts",
    "opposite-in-profit": "contracts",
    "accounts": "cash",
    "profits": "cash",
    "holders": "charge",
    "gains-of-the-step": "cash",
    "nobody": "withdrawals",
}
"""What each eligibility's payers give: the medium of the settlement that it fits."""
