"""How the venue stands: what its purses hold, what is owed, what its traders have."""

from __future__ import annotations

from typing import Any

from abm.compiled import kernel
from abm.venue.liquidation import debt
from abm.venue.margin import equity_of
from abm.world import MAKER, World


@kernel
def take_standing(world: World, row: Any) -> None:
    """Fill in a row of `world.STANDING`.

    Costs as much as there are makers: lots sum to zero in every market, so what all
    accounts have is what was deposited, less what was withdrawn, kept and withheld.
    """
    ledger, markets = world.ledger, world.markets
    row.at_ms = world.clock[0].now_ms
    pots = ledger.pots[0]
    row.insurance = equity_of(ledger, markets, pots.insurance)
    row.vault = equity_of(ledger, markets, pots.backstop)
    row.owed = debt(ledger, world.risk, markets)
    row.fees = pots.fees
    everybody = pots.deposits - pots.withdrawals - pots.fees - pots.withheld
    house = row.insurance + row.vault
    owed_by_house = max(0, -row.insurance) + max(0, -row.vault)
    account = max(pots.insurance, pots.backstop) + 1
    while account < ledger.accounts.shape[0] and ledger.accounts[account].kind == MAKER:
        equity = equity_of(ledger, markets, account)
        house += equity
        if ledger.accounts[account].watched and ledger.accounts[account].at_bottom:
            owed_by_house += max(0, -equity)
        account += 1
    row.traders = everybody - house + (row.owed - owed_by_house)
