"""What is missing once entries are booked, worked out from the wave without the ledger."""

from __future__ import annotations

import numpy as np

from abm.adl.settlement.base import Entries
from abm.adl.wave import Wave
from abm.world import INSURANCE_ACCOUNT, Array


def short_after(wave: Wave, entries: Entries) -> int:
    """Quanta missing after a wave: debts that are left, and what the fund then lacks.

    Debts are the negative equities of the short accounts, and of payers at the bottom of
    the ladder if their price is beyond what they have; the fund lacks what it has less
    than an alarm that is on defends.
    """
    equity = _equities(wave)
    for account, quanta in _changes(wave, entries):
        for who, amount in zip(account.tolist(), quanta.tolist(), strict=True):
            # Whoever is not at the bottom owes the venue nothing yet.
            if who in equity:
                equity[who] += amount
    fund = max(0, equity[INSURANCE_ACCOUNT])
    debt = sum(-worth for worth in equity.values() if worth < 0)
    return debt + max(0, wave.defended - fund)


def _equities(wave: Wave) -> dict[int, int]:
    """Equity of each account whose debt would be the venue's, in quanta."""
    bottom = wave.candidates[wave.candidates["at_bottom"] == 1]
    found = dict(zip(bottom["account"].tolist(), bottom["equity"].tolist(), strict=True))
    owed = zip(wave.short_account.tolist(), wave.deficit.tolist(), strict=True)
    found |= {account: -deficit for account, deficit in owed}
    return found | {INSURANCE_ACCOUNT: wave.insurance}


def _changes(wave: Wave, entries: Entries) -> list[tuple[Array, Array]]:
    """Accounts, and by how many quanta their equity at the marks changes."""
    fills, haircuts = entries.fills, entries.haircuts
    worth = (wave.mark * wave.unit)[fills["market"]]
    gain = fills["value"] - fills["lots"] * worth + fills["collateral"]
    raised = int(haircuts["amount"].sum())
    paid = _paid_in_order(wave.deficit, raised + (wave.withheld if entries.claims else 0))
    fund = np.array([max(0, raised - wave.total_deficit)])
    return [
        (fills["account"], gain),
        (fills["bankrupt"], -gain),
        (haircuts["account"], -haircuts["amount"]),
        (wave.short_account, paid),
        (np.array([INSURANCE_ACCOUNT]), fund),
    ]


def _paid_in_order(deficit: Array, money: int) -> Array:
    """What each short account gets of some money, the first first."""
    before = np.cumsum(deficit) - deficit
    paid: Array = np.clip(money - before, 0, deficit)
    return paid
