"""In what, and at what price? Settlement turns a decision into entries and books them.

Contracts are closed against the bankrupt ones at a price; cash is taken from payers, as a
haircut of accounts or as a charge on every contract; or nothing is taken in the wave, and
withdrawals are cut from then on.
"""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.settlement.aftermath import short_after
from abm.adl.settlement.base import Entries, Medium, Settlement, money_needed
from abm.adl.settlement.lots import contracts
from abm.adl.settlement.money import cash, charge, transfer_cash
from abm.adl.settlement.withholding import withdrawals

__all__ = [
    "ANSWERS",
    "Entries",
    "Medium",
    "Settlement",
    "cash",
    "charge",
    "contracts",
    "money_needed",
    "short_after",
    "transfer_cash",
    "withdrawals",
]

ANSWERS: dict[str, Callable[..., Settlement]] = {
    "contracts": contracts,
    "cash": cash,
    "charge": charge,
    "withdrawals": withdrawals,
}
